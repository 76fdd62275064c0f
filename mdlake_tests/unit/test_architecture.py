"""The rules of the house that a reader cannot see in one file: who imports whom, what no module says, what importing does."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mdlake.errors
from mdlake.config import Configuration

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mdlake"
ORDER = (
    "standard",
    "config",
    "seals",
    "lake",
    "ledger",
    "governance",
    "pseudonyms",
    "disclosure",
    "layers",
    "principles",
    "exchange",
    "steps",
    "alerts",
    "statistics",
    "catalog",
    "access",
    "reports",
    "pipeline",
    "synthetic",
    "cli",
)
"""The folders as a newcomer reads them; a folder imports only those before it."""

ROOT_MODULES = frozenset({"mdlake", "mdlake.errors"})
FILES = tuple(sorted(PACKAGE.rglob("*.py")))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def folder_of(path: Path) -> str:
    """The folder of `mdlake/` that a file lies in; empty for the package's own modules."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} imports relatively"
            assert node.module
            if node.module == "mdlake":
                yield from (f"mdlake.{alias.name}" if alias.name[0] != "_" else "mdlake" for alias in node.names)
            else:
                yield node.module


def imported_by(library: str) -> set[str]:
    """The folders that import a library."""
    return {folder_of(path) for path in FILES for name in imports_of(path) if name.split(".")[0] == library}


def test_every_folder_has_its_place_in_the_order() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(ORDER), "give the new folder its place in ORDER and in the architecture"
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "errors.py"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_folder_imports_only_those_before_it(path: Path) -> None:
    own = folder_of(path)
    allowed = {*ORDER[: ORDER.index(own) + 1]} if own else set()
    for name in imports_of(path):
        if name.split(".")[0] == "mdlake" and name not in ROOT_MODULES:
            assert name.split(".")[1] in allowed, f"{named(path)} imports {name}"


@pytest.mark.parametrize(
    ("library", "folders"),
    [
        ("dagster", {"pipeline"}),
        ("deltalake", {"lake"}),
        ("sqlalchemy", {"ledger"}),
        ("alembic", {"ledger"}),
        ("yaml", {"config"}),
        ("click", {"cli"}),
        ("rich", {"cli"}),
        ("polars_hash", {"pseudonyms"}),
        ("xlsxwriter", {"exchange"}),
    ],
)
def test_a_library_has_one_folder(library: str, folders: set[str]) -> None:
    assert imported_by(library) == folders


def test_the_synthetic_ministry_shares_no_code_with_what_must_catch_its_defects() -> None:
    for path in FILES:
        if folder_of(path) == "synthetic":
            own = {
                name for name in imports_of(path) if name.split(".")[0] == "mdlake" and not name.startswith("mdlake.synthetic")
            }
            assert own <= {"mdlake.errors"}, named(path)


def test_nothing_in_production_imports_the_synthetic_ministry_or_a_test() -> None:
    importing = {folder_of(path) for path in FILES for name in imports_of(path) if name.startswith("mdlake.synthetic")}
    assert importing == {"synthetic", "cli"}
    for library in ("pytest", "hypothesis", "mdlake_tests", "benchmarks", "pandas", "_pytest"):
        assert imported_by(library) == set(), library


def test_a_key_is_derived_and_used_only_where_keys_are() -> None:
    outside = {"derive_key", "pseudonym_of", "KeyRing", "KeyEpoch"}
    for path in FILES:
        if folder_of(path) not in ("pseudonyms", "synthetic"):
            names = {node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)}
            assert not names & outside, named(path)


# ── what no module says ──────────────────────────────────────────────────────────────────────────────────────────────────


ORDINARY = frozenset({"workplaces", "employment", "cooperatives", "provincial"})
"""Names that are also words of every day: the command asks how many workplaces the synthetic ministry has, and
organizations are of a kind. Only as part of an asset key do they name a producer."""


def test_no_organization_and_no_dataset_is_named_in_python(configuration: Configuration) -> None:
    """A new dataset is one YAML file and no Python: not in code, not in a text, not in a comment."""
    words = {part for key in configuration.datasets for part in key.split("/")} | set(configuration.organizations)
    words = (words - ORDINARY) | set(configuration.datasets)
    pattern = re.compile(rf"(?<![a-z0-9_])({'|'.join(map(re.escape, sorted(words)))})(?![a-z0-9_])", re.IGNORECASE)
    assert pattern.search("of SSO/Workplaces")
    found = [
        f"{named(path)}:{number}: {match.group()}"
        for path in FILES
        if folder_of(path) != "synthetic"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in pattern.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_module_says_what_it_is_and_what_it_gives(path: Path) -> None:
    tree = tree_of(path)
    docstring = ast.get_docstring(tree)
    assert docstring
    exported = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in targets_of(node)]
    assert len(exported) == 1
    names = [constant.value for constant in ast.walk(exported[0]) if isinstance(constant, ast.Constant)]
    assert set(names) - {"str"} <= names_in(tree)


def targets_of(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def names_in(tree: ast.Module) -> set[str]:
    """What a module defines or imports at its top."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= targets_of(node)
    return names


ERRORS = frozenset(mdlake.errors.__all__)
CONTENT = frozenset({"value", "values", "row", "cell", "cells", "text", "raw", "record"})
"""Names under which the content of a cell travels."""


def content_in(call: ast.Call) -> Iterator[str]:
    """Names of content that the arguments of a call interpolate, unless only their length is."""
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for string in (node for node in ast.walk(argument) if isinstance(node, ast.JoinedStr)):
            for field in (node for node in string.values if isinstance(node, ast.FormattedValue)):
                if isinstance(field.value, ast.Call) and isinstance(field.value.func, ast.Name) and field.value.func.id == "len":
                    continue
                yield from (node.id for node in ast.walk(field.value) if isinstance(node, ast.Name) and node.id in CONTENT)


def raised_in(tree: ast.Module) -> Iterator[ast.Call]:
    """Every error of our own that is made, whether or not it is raised on the spot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            yield node


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_error_tells_the_content_of_a_cell(path: Path) -> None:
    if folder_of(path) == "synthetic":
        return  # its data are inventions, and its errors are about the sizes it was asked for
    for call in raised_in(tree_of(path)):
        names = sorted(set(content_in(call)))
        assert not names, f"{named(path)}:{call.lineno} tells {', '.join(names)}"


def test_the_search_for_content_in_errors_finds_it() -> None:
    bad = "raise LakeError(f'cannot read {value!r}', where=f'{row[0]}', next_step=f'{len(values)} values')"
    [call] = raised_in(ast.parse(bad))
    assert sorted(content_in(call)) == ["row", "value"]


def test_there_are_errors_to_look_at() -> None:
    assert sum(1 for path in FILES for _ in raised_in(tree_of(path))) > 60


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_errors_of_our_own_are_raised(path: Path) -> None:
    """A foreign error has no next step. Excepted are contracts between two functions of one module."""
    inside = {"ValueError", "TypeError", "AssertionError", "NeedsStrictReading"}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            name = node.exc.func.id
            is_ours = name in ERRORS or name.startswith("_")
            assert is_ours or name in inside or folder_of(path) == "pipeline", f"{named(path)}:{node.lineno} raises {name}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_module_prints_or_holds_a_note_to_self(path: Path) -> None:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string), f"{named(path)}:{token.start[0]}"
    called = {node.func.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"print", "breakpoint", "eval", "exec"}, named(path)


# ── what importing does ──────────────────────────────────────────────────────────────────────────────────────────────────

CLOCKS = frozenset({"now", "today", "utcnow", "time", "time_ns", "monotonic", "localtime", "gmtime"})
OUTSIDE = frozenset(
    {"getenv", "open", "read_text", "read_bytes", "read_file", "urlopen", "connect", "mkdir", "token_hex", "urandom"}
)


def called_at_import(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls that run when the module is imported: not those inside functions, but their defaults and decorators."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.Lambda):
            waiting += node.args.defaults
        else:
            if isinstance(node, ast.Call):
                yield node
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_importing_a_module_asks_neither_the_clock_nor_the_machine(path: Path) -> None:
    for call in called_at_import(tree_of(path)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
        assert name not in CLOCKS | OUTSIDE, f"{named(path)}:{call.lineno} calls {name} at import"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_domain_has_no_clock(path: Path) -> None:
    """Time is injected: only the command and the pipeline look at the clock, and the lake for the age of a file."""
    if folder_of(path) in ("cli", "pipeline"):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asked = f"{node.value.id}.{node.attr}"
            forbidden = {"datetime.now", "datetime.today", "datetime.utcnow", "date.today", "time.time", "time.sleep"}
            allowed = {"time.time"} if folder_of(path) == "lake" else {"time.sleep"} if folder_of(path) == "ledger" else set()
            assert asked not in forbidden - allowed, f"{named(path)}:{node.lineno} {asked}"


WATCHED_IMPORT = """
import socket, sys
def refused(*args, **options):
    raise AssertionError("the network was touched")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
opened = []
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and args[0].startswith(sys.argv[1]):
        opened.append(args[0])
    if event in ("socket.connect", "socket.getaddrinfo", "os.system"):
        raise AssertionError(event)
sys.addaudithook(watch)
import importlib
for name in sys.argv[2:]:
    importlib.import_module(name)
assert not opened, opened
slow = {"presidio_analyzer", "spacy", "pandas", "duckdb"} & set(sys.modules)
assert not slow, slow
print("imported", len(sys.argv) - 2)
"""


def test_importing_everything_touches_no_network_and_no_file_of_an_installation(tmp_path: Path) -> None:
    modules = [module_of(path) for path in FILES]
    places = {name: str(tmp_path / "home" / name) for name in ("MDLAKE_HOME", "MDLAKE_KEYS", "MDLAKE_LANDING", "MDLAKE_CONTROL")}
    missing = {**places, "MDLAKE_CONFIG": str(tmp_path / "nowhere"), "DAGSTER_HOME": str(tmp_path / "home")}
    (tmp_path / "cwd").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT, str(tmp_path / "home"), *modules],
        env={**os.environ, **missing, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path / "cwd",
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"imported {len(modules)}\n"
    assert not (tmp_path / "home").exists()
    assert list((tmp_path / "cwd").iterdir()) == []
