"""A process of its own that takes one dataset-month the whole way, and prints a line as it enters each layer, and at the end.

Started, aimed at and killed by `test_killed_runs.py` with the installation in the environment; not a test itself. It works
in small batches, so that a kill may fall between two files of one partition, or between two pieces of a sorted spill.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from mdlake.config import LAYERS, Dataset, Home
from mdlake.exchange.formats import csv as csv_format
from mdlake.standard import Period
from mdlake.steps import (
    House,
    Made,
    Run,
    judge,
    make_pseudonymized,
    make_published,
    make_raw,
    make_standardized,
    open_house,
)

__all__ = ["main"]

Step = Callable[[House, Dataset, Period, Run], Made]

_STEPS: dict[str, Step] = {
    "raw": make_raw,
    "standardized": make_standardized,
    "pseudonymized": make_pseudonymized,
    "published": make_published,
}


def main(way: str, key: str, month: str, batch_rows: int) -> None:
    """Go through `steps`, or through `dagster` as the command does; fails if a layer is refused."""
    if batch_rows:
        _work_in_batches_of(batch_rows)
    home, period = Home.from_environment(os.environ), Period.parse(month)
    {"steps": _through_steps, "dagster": _through_dagster}[way](home, key, period)
    _tell("done")


def _work_in_batches_of(rows: int) -> None:
    # every step imports the number by name, so it is replaced where it is used
    for name, module in sys.modules.items():
        if name.startswith("mdlake.steps.") and hasattr(module, "BATCH_ROWS"):
            module.BATCH_ROWS = rows  # type: ignore[attr-defined]
    csv_format._BLOCK_BYTES = 1 << 20


def _through_steps(home: Home, key: str, period: Period) -> None:
    for layer in LAYERS:
        house = open_house(home, "research" if layer == "published" else "secure", lambda: datetime.now(UTC))
        dataset, run = house.configuration.dataset(key), Run(f"steps-{os.getpid()}")
        _tell(layer)
        _STEPS[layer](house, dataset, period, run)
        if judge(house, layer, dataset, period, run).verdict.outcome == "refused":
            sys.exit(f"{layer} is refused")


def _through_dagster(home: Home, key: str, period: Period) -> None:
    from mdlake.pipeline import assets
    from mdlake.pipeline.local_runs import LocalRuns

    assets._STEPS = {layer: _announced(layer, step) for layer, step in _STEPS.items()}
    house = open_house(home, "secure", lambda: datetime.now(UTC))
    with LocalRuns(home) as runs:
        if not runs.run(house.configuration.dataset(key), period):
            sys.exit("the run failed")


def _announced(layer: str, step: Step) -> Step:
    def announced(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
        _tell(layer)
        return step(house, dataset, period, run)

    return announced


def _tell(line: str) -> None:
    # Dagster redirects the standard output of a step to its own log
    os.write(int(os.environ["KILLED_RUN_TELLS"]), f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
