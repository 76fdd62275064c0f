# Everything a person starts. `make demo` and `make test` work on a fresh machine with Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export MDLAKE_HOME ?= $(CURDIR)/.mdlake

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test lint acceptance bench months packages tools clean

help: ## what can be started
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with everything, at the pinned versions

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[ui,postgres,synthetic,bench,test,lint]'
	touch $(STAMP)

demo: setup ## three months of the synthetic ministry through the four layers
	$(BIN)/mdlake demo

ui: setup ## Dagster on http://127.0.0.1:3000, on the state of the demo
	$(BIN)/mdlake ui

lint: setup ## formatting, style, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

tools: ## Chromium, the age command and PostgreSQL for the tests, where this account may install them
	@{ command -v chromedriver && command -v age && { ls /usr/lib/postgresql/*/bin/initdb || command -v initdb; }; } >/dev/null 2>&1 \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-noto-core age postgresql >/dev/null; } \
		|| echo "Chromium, age or PostgreSQL is missing, and no right to install it: the tests that need it will be skipped"

test: setup lint tools ## every test but the long ones
	$(BIN)/python -m pytest -m 'not acceptance' -n 2 --dist loadfile --no-loadscope-reorder

acceptance: setup tools ## the long tests: memory at full size, processes killed in every layer, leaks in whatever is written
	$(BIN)/python -m pytest -m acceptance -n 2 --dist loadfile --no-loadscope-reorder mdlake_tests/acceptance

bench: setup ## layer by layer against the floor and a peer; ROWS=1000000 by default
	$(BIN)/python -m benchmarks.run --rows $(or $(ROWS),1000000)

months: setup ## the whole ministry for two years: memory, and whether a late month costs what an early one does
	$(BIN)/python -m benchmarks.months

packages: setup tools ## packing and opening a delivery of a gigabyte, beside the age command
	$(BIN)/python -m benchmarks.packages

clean: ## remove the state of the demo (not the environment)
	rm -rf $(MDLAKE_HOME) .artefacts
