"""Processes killed with SIGKILL at random moments of every layer and launched again: the right tables, one verdict per
layer, every delivery in one place, nothing left behind by maintenance.

The oracle is one undisturbed run of the same delivery under the same keys, in another installation and in one batch.
MDLAKE_KILL_SEED draws the moments of an earlier session again, by the seed that it printed.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO

import dagster as dg
import pytest
from deltalake import DeltaTable

import mdlake.cli
from mdlake.config import LAYERS, Home
from mdlake.governance import rehearse
from mdlake.lake import PARTITION_COLUMN, Table, content_id
from mdlake.steps import House, SyntheticProducers, maintain, open_house, prepare, receive_packages
from mdlake.synthetic import Ministry

CONFIG = Path(__file__).resolve().parents[2] / "assets_config"
WORKER = Path(__file__).with_name("killed_run_worker.py")
DATASET, MONTH = "sso/insured_contributions", "1403-01"
PERSONS, WORKPLACES = 120_000, 8_000
BATCH_ROWS = 20_000
KILLS, KILLS_PER_LAYER, MOST_WORLDS = 50, 10, 25
TABLES = (*LAYERS, "quarantine")
TIMEOUT = 180
_LOG_FILE = re.compile(r"[0-9]{20}\.(json|checkpoint\.parquet)|_last_checkpoint")
_UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


@dataclass
class Launch:
    """One start of the worker, and the lines that it has told so far, each with the moment it was heard."""

    process: subprocess.Popen[bytes]
    voice: IO[bytes]
    watchdog: threading.Timer
    heard: list[tuple[str, float]] = field(default_factory=list)

    def listen(self) -> Iterator[str]:
        """The lines from here on, until the worker ends."""
        for line in self.voice:
            self.heard.append((line.decode().strip(), time.monotonic()))
            yield self.heard[-1][0]

    def end(self) -> int:
        """Hear the rest and wait for the end; returns the exit status."""
        list(self.listen())
        self.voice.close()
        self.watchdog.cancel()
        return self.process.wait(timeout=TIMEOUT)


@dataclass(frozen=True)
class World:
    """An installation with one delivery, and whether its runs go through the `steps` alone or through `dagster`."""

    home: Home
    way: str

    @property
    def temporary(self) -> Path:
        """The worker's TMPDIR."""
        return self.home.root / "tmp"

    def launch(self, batch_rows: int = BATCH_ROWS) -> Launch:
        """Start the worker in a process group of its own."""
        heard, told = os.pipe()
        process = subprocess.Popen(
            [sys.executable, str(WORKER), self.way, DATASET, MONTH, str(batch_rows)],
            env={**os.environ, **self.home.environment(), "TMPDIR": str(self.temporary), "KILLED_RUN_TELLS": str(told)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[told],
            start_new_session=True,
        )
        os.close(told)
        watchdog = threading.Timer(TIMEOUT, os.killpg, (process.pid, signal.SIGTERM))
        watchdog.daemon = True
        watchdog.start()
        return Launch(process, os.fdopen(heard, "rb"), watchdog)

    def run_to_the_end(self, batch_rows: int = BATCH_ROWS) -> dict[str, float]:
        """Run undisturbed; returns the seconds that each layer took."""
        launch = self.launch(batch_rows)
        assert launch.end() == 0
        lines, moments = zip(*launch.heard, strict=True)
        assert lines == (*LAYERS, "done")
        return {layer: moments[i + 1] - moments[i] for i, layer in enumerate(LAYERS)}

    def kill_in(self, layer: str, after: float) -> str | None:
        """Kill the worker so many seconds after it enters a layer; returns the layer it died in, None if it was done."""
        launch = self.launch()
        assert layer in launch.listen()
        try:
            launch.process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(launch.process.pid, signal.SIGKILL)
        assert launch.end() in {0, -signal.SIGKILL}
        died_in = launch.heard[-1][0]
        return died_in if died_in in LAYERS else None

    def house(self) -> House:
        """The installation, seen from the secure room."""
        return open_house(self.home, "secure", lambda: datetime.now(UTC))

    def tables(self) -> dict[str, Table]:
        """The tables of the dataset by layer, the quarantine included."""
        house = self.house()
        dataset = house.configuration.dataset(DATASET)
        contract = dataset.contract(house.configuration.period(dataset, MONTH))
        return {name: house.table(name, dataset, contract) for name in TABLES}


@pytest.mark.acceptance
def test_a_run_killed_at_any_moment_and_launched_again_gives_the_right_tables_and_leaves_nothing_behind(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("MDLAKE_KILL_SEED") or secrets.randbelow(2**32))
    draw, killed, begin = random.Random(seed), Counter[tuple[str, str]](), time.monotonic()
    _tell(f"MDLAKE_KILL_SEED={seed}")
    _make_template(tmp_path)
    reference = _undisturbed(tmp_path)
    seconds = {way: _seconds(tmp_path, way, reference) for way in ("steps", "dagster")}
    for number in count():
        by_layer = {layer: sum(killed[layer, way] for way in seconds) for layer in LAYERS}
        if killed.total() >= KILLS and min(by_layer.values()) >= KILLS_PER_LAYER:
            break
        assert number < MOST_WORLDS, f"too few kills landed: {by_layer}"
        way = "dagster" if number % 4 == 1 else "steps"
        with _world(tmp_path, f"world-{number}", way) as world:
            for layer in draw.sample(LAYERS, k=len(LAYERS)):
                after = draw.uniform(0, seconds[way][layer])
                died_in = world.kill_in(layer, after)
                _tell(f"world {number}: {way}, {after:.3f} s into {layer}: died in {died_in}")
                killed.update([(died_in, way)] if died_in else [])
                # measured anew each time, because the machine is not always as fast
                seconds[way] = world.run_to_the_end()
                _require_right(world, reference)
            _require_nothing_left_behind(world, reference)
    by_way = [f"  {layer}: " + ", ".join(f"{killed[layer, way]} through {way}" for way in seconds) for layer in LAYERS]
    head = f"seed {seed}: {killed.total()} kills in {time.monotonic() - begin:.0f} s"
    record_property("printed", "\n".join([head, *by_way]))


# ── installations ────────────────────────────────────────────────────────────────────────────────────────────────────


def _make_template(folder: Path) -> None:
    """An installation with keys, a Dagster instance and a delivery, of which every world is a copy."""
    home = _home(folder / "template")
    prepare(home, datetime.now(UTC))
    rehearse(open_house(home, "research", lambda: datetime.now(UTC)).register, datetime.now(UTC))
    home.dagster.mkdir()
    shutil.copy(Path(mdlake.cli.__file__).with_name("dagster.yaml"), home.dagster)
    (home.root / "tmp").mkdir()
    ministry = Ministry(persons=PERSONS, workplaces=WORKPLACES, seed=11)
    file = ministry.deliver(DATASET, MONTH, home.keys / "outgoing", truth=False)
    secure = open_house(home, "secure", lambda: datetime.now(UTC))
    SyntheticProducers(secure).send(file.descriptor_path)
    assert receive_packages(secure)[0].refusal is None
    shutil.rmtree(home.keys / "outgoing")


@contextmanager
def _world(folder: Path, name: str, way: str) -> Iterator[World]:
    """A copy of the template, removed again unless something in it was found wrong."""
    root = folder / name
    shutil.copytree(folder / "template", root)
    yield World(_home(root), way)
    shutil.rmtree(root)


def _home(root: Path) -> Home:
    return Home.from_environment({"MDLAKE_HOME": str(root), "MDLAKE_CONFIG": str(CONFIG)})


def _undisturbed(folder: Path) -> dict[str, str]:
    """The content ids by table, of one run that nothing disturbs, in one batch."""
    with _world(folder, "undisturbed", "steps") as world:
        world.run_to_the_end(batch_rows=0)
        return {name: _committed(table) for name, table in world.tables().items()}


def _seconds(folder: Path, way: str, reference: Mapping[str, str]) -> dict[str, float]:
    """How long each layer takes in small batches; the content must be the same as in one batch."""
    with _world(folder, f"measured-{way}", way) as world:
        seconds = world.run_to_the_end()
        _require_right(world, reference)
        assert len(world.tables()["raw"].scan(MONTH).collect().select(PARTITION_COLUMN).unique()) == 1
    return seconds


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────────


def _require_right(world: World, reference: Mapping[str, str]) -> None:
    """After a run to the end: right content, one verdict per layer, a chain that holds, every file in its place."""
    assert {name: _committed(table) for name, table in world.tables().items()} == reference
    ledger = world.house().ledger
    organization, dataset = DATASET.split("/")
    for layer in LAYERS:
        verdicts = ledger.verdict_history(layer, organization, dataset, MONTH)
        assert [verdict.content_id for verdict in verdicts] == [reference[layer]]
    assert ledger.audit.verify().entries > len(LAYERS)
    _require_one_place_per_delivered_file(world)
    if world.way == "dagster":
        with dg.DagsterInstance.from_config(str(world.home.dagster)) as instance:
            assert not instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))


def _require_one_place_per_delivered_file(world: World) -> None:
    (delivery,) = world.house().ledger.deliveries()
    assert delivery.state == "accepted"
    landing = world.home.landing / delivery.organization
    data = landing / delivery.file_name
    found = {path for path in landing.rglob("*") if path.is_file() and path.name != ".lock"}
    (package,) = data.parent.glob("*.tar.age")
    assert found == {data, data.with_suffix(".json"), package, package.with_name(f"{package.name}.sig")}
    assert hashlib.sha256(data.read_bytes()).hexdigest() == delivery.sha256


def _require_nothing_left_behind(world: World, reference: Mapping[str, str]) -> None:
    """After maintenance: files that the Delta logs name and the logs themselves, and the rows that they say."""
    # the moment in which a commit or a checkpoint has two names is too short to be hit by chance
    for ending in ("json", "checkpoint.parquet"):
        Path(world.tables()["published"].url, "_delta_log", f"{99:020}.{ending}#1").touch()
    maintain(world.house(), retention_hours=0)
    named: set[Path] = set()
    for name, table in world.tables().items():
        named |= {Path(uri) for uri in DeltaTable(table.url).file_uris()}
        assert content_id(table.scan(MONTH).drop(PARTITION_COLUMN).collect(), table.order) == reference[name]
    for zone in (world.home.secure, world.home.research):
        files = {path for path in Path(zone).rglob("*") if path.is_file()}
        logs = {path for path in files if path.parent.name == "_delta_log" and _LOG_FILE.fullmatch(path.name)}
        assert files - logs <= named
    assert all(path.is_file() for path in named)
    assert not world.home.scratch.exists()
    assert not list(world.temporary.iterdir())


def _tell(line: str) -> None:
    print(line, flush=True)


def _committed(table: Table) -> str:
    state = table.state(MONTH)
    assert state is not None
    return state.content_id
