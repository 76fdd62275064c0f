"""Five hundred packages dropped at once while Dagster works, and all of it killed twice: every package is answered once, and
every table holds what the newest packages say.

The oracles: a plain model of which package is accepted after which others; what was sent, as files; and what was accepted in
the end taken through by one undisturbed process, in an installation with the same pseudonym keys and a ledger in SQLite. The
ledger under test is in PostgreSQL where there is one, because there many processes write to it at once; else in SQLite.
MDLAKE_KILL_SEED draws an earlier session again.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import psutil
import pytest
from postgres_server import Unavailable, free_port, running_cluster
from producer import Producer, send_unchecked

import mdlake.cli
from mdlake.config import LAYERS, Home, sender, statistics_unit
from mdlake.governance import SyntheticOffices, rehearsal_folder, rehearse
from mdlake.lake import PARTITION_COLUMN
from mdlake.layers import ROW
from mdlake.ledger import Delivery
from mdlake.pipeline.naming import INTAKE_JOB, PARTITION_TAG
from mdlake.seals import Recipient, read_recipients, sign
from mdlake.standard import Period
from mdlake.steps import (
    KEY_FILE,
    RECIPIENTS,
    House,
    Run,
    SyntheticProducers,
    due_partitions,
    judge,
    make_pseudonymized,
    make_published,
    make_raw,
    make_standardized,
    months_to_close,
    open_house,
    prepare,
    receive_packages,
    waiting_mark,
)
from mdlake.synthetic import DeliveredFile, Ministry

ROOT = Path(__file__).resolve().parents[2]
DISPUTES = "provincial/labour_disputes"
WHOLE = ("sso/workplaces", "tvto/skill_certificates", "cspf/pensioners")
MONTHS = ("1403-01", "1403-02", "1403-03", "1403-04", "1403-05", "1403-06")
PACKAGES = 500
PATIENCE = 900
"""Seconds until what is waited for counts as never coming."""
_MAKERS = {
    "raw": make_raw,
    "standardized": make_standardized,
    "pseudonymized": make_pseudonymized,
    "published": make_published,
}
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
Part = tuple[str, str, str]
"""Dataset, period, reporting unit."""


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Version:
    """A data file of a part, under a sequence."""

    part: Part
    sequence: int
    data: Path
    descriptor: Mapping[str, Any]


@dataclass
class Parcel:
    """A package as it is dropped: its file and signature; what a right one holds, or how a spoilt one may be answered."""

    organization: str
    package: Path
    version: Version | None
    refusals: frozenset[str] = frozenset()
    signed: bool = True
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256(self.package.read_bytes()).hexdigest()

    @property
    def key(self) -> tuple[str, str, str]:
        """As the ledger and receipts name it."""
        return self.organization, self.package.name, self.digest


class Senders:
    """All producers of an installation at their desks: what they pack lies in a folder until it is dropped."""

    def __init__(self, house: House, folder: Path, draw: random.Random) -> None:
        self._offices = SyntheticOffices(house.register, rehearsal_folder(house.home))
        self._recipients: tuple[Recipient, ...] = read_recipients(
            (house.home.control / RECIPIENTS).read_text("ascii"), RECIPIENTS
        )
        self._folder, self._draw = folder, draw
        self.parcels: list[Parcel] = []

    def producer(self, organization: str) -> Producer:
        keys = (self._offices.key(desk(organization)) for desk in (sender, statistics_unit))
        return Producer(organization, *keys)

    def send(self, version: Version) -> Parcel:
        """Pack a version."""
        return self._keep(Parcel(_organization(version), self._packed(version), version))

    def send_again(self, parcel: Parcel) -> Parcel:
        """The very package once more, under another name."""
        place = self._folder / f"{len(self.parcels):03}"
        place.mkdir()
        copy = place / f"again {len(self.parcels):03}.tar.age"
        shutil.copy(_signature(parcel.package), _signature(copy))
        shutil.copy(parcel.package, copy)
        return self._keep(Parcel(parcel.organization, copy, parcel.version))

    def send_spoilt(self, version: Version, how: str) -> Parcel:
        """A package that is whole but for one thing, under a sequence that would show if it were accepted."""
        organization = _organization(version)
        more_rows = {"declared_rows": version.descriptor["mdlake"]["declared_rows"] + 1} if how == "row_count" else {}
        package = self._packed(version, sequence=9, **more_rows)
        refusals = {how, "supersedes", "empty_file"} if how == "row_count" else {how}
        content = package.read_bytes()
        if how == "missing_signature":
            _signature(package).unlink()
        elif how == "foreign":
            refusals = {"bad_signature"}
            self._sign(package, self._draw.choice([name for name in ("sso", "tvto", "behzisti") if name != organization]))
        elif how != "row_count":
            package.write_bytes(content[: -self._draw.randint(1, len(content) // 2)])
            if how == "damaged_package":
                self._sign(package, organization)
        return self._keep(Parcel(organization, package, None, frozenset(refusals), how != "missing_signature"))

    def _packed(self, version: Version, **changed: object) -> Path:
        """The package of a version, of which other things are said; called as senders call theirs."""
        descriptor = json.loads(json.dumps(version.descriptor))
        descriptor["mdlake"].update(changed)
        place = self._folder / f"{len(self.parcels):03}"
        place.mkdir(parents=True)
        package = self.producer(_organization(version)).pack_as(descriptor, version.data, place, self._recipients)
        name = self._draw.choice(["package", "بستهٔ ماه", "a b", package.name[:20]])
        renamed = package.with_name(f"{name} {len(self.parcels):03}.tar.age")
        _signature(package).rename(_signature(renamed))
        return package.rename(renamed)

    def _sign(self, package: Path, organization: str) -> None:
        key = self.producer(organization).sender_key
        _signature(package).write_text(sign(package.read_bytes(), key, "mdlake-delivery"), encoding="ascii")

    def _keep(self, parcel: Parcel) -> Parcel:
        self.parcels.append(parcel)
        return parcel


def _organization(version: Version) -> str:
    return version.part[0].partition("/")[0]


def _signature(package: Path) -> Path:
    return package.with_name(f"{package.name}.sig")


def first_versions(ministry: Ministry, folder: Path) -> list[Version]:
    """What all producers owe: small parts of many provinces, and months in one file."""
    files: list[tuple[Part, DeliveredFile]] = [
        ((DISPUTES, month, unit), ministry.deliver(DISPUTES, month, folder, reporting_unit=unit))
        for month in MONTHS
        for unit in ministry.reporting_units(DISPUTES)
    ]
    files += [((key, month, ""), ministry.deliver(key, month, folder)) for key in WHOLE for month in MONTHS[:3]]
    return [Version(part, 1, file.csv_path, json.loads(file.descriptor_path.read_bytes())) for part, file in files]


def corrected(version: Version, folder: Path) -> Version:
    """The next version: its last row is gone; a part without rows is sent again as it is."""
    lines = version.data.read_text(encoding="utf-8").splitlines(keepends=True)
    content = "".join(lines[:-1] if len(lines) > 2 else lines).encode()
    data = folder / f"{version.data.stem.rpartition('-')[0]}-{version.sequence + 1}.csv"
    data.write_bytes(content)
    descriptor = json.loads(json.dumps(version.descriptor))
    resource, said = descriptor["resources"][0], descriptor["mdlake"]
    resource |= {"path": data.name, "bytes": len(content), "hash": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    said |= {
        "supersedes": version.sequence,
        "sequence": version.sequence + 1,
        "declared_rows": said["declared_rows"] - (len(lines) > 2),
    }
    return Version(version.part, version.sequence + 1, data, descriptor)


def send_everything(senders: Senders, versions: list[Version], folder: Path, draw: random.Random) -> None:
    """Pack all of it: every part, corrections of many and of these corrections again, copies, and what is spoilt."""
    right, newest = [senders.send(version) for version in versions], versions
    for share in (0.55, 0.6):
        newest = [corrected(version, folder) for version in newest if draw.random() < share]
        right += [senders.send(version) for version in newest]
    for parcel in draw.sample(right, 40):
        senders.send_again(parcel)
    for how in ("bad_signature", "damaged_package", "missing_signature"):
        for version in draw.sample(versions, 15):
            senders.send_spoilt(version, how)
    while len(senders.parcels) < PACKAGES:
        senders.send_spoilt(draw.choice(versions), draw.choice(["row_count", "foreign"]))


# ── Dagster ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Machine:
    """`mdlake ui` over an installation: web server, daemon, code locations and runs, in a process group of their own."""

    home: Home
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from mdlake.cli import main; main()", "ui", "--port", str(free_port())],
                env={**os.environ, **self.home.environment()},
                cwd=self.home.config.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """As a power cut: every process of it is gone at once."""
        assert self.process
        whole = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)
        _, alive = psutil.wait_procs(whole, timeout=60)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def stop(self) -> None:
        """As Ctrl-C."""
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


@contextmanager
def working(home: Home, log: Path) -> Iterator[Machine]:
    machine = Machine(home, log)
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()


def wait_until(condition: Callable[[], bool], what: str, machine: Machine) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert machine.process
        assert machine.process.poll() is None, machine.tail()
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE} s: {what}\n{machine.tail()}")
        time.sleep(0.3)


def receipts_of(home: Home) -> list[Path]:
    return list(home.outbox.glob("*/*.receipt.json"))


def unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)))


def nothing_is_left_to_do(house: House, instance: dg.DagsterInstance) -> bool:
    """No package waits, no run is under way, everything that was accepted is published, and its months are closed."""
    if len(receipts_of(house.home)) < PACKAGES or waiting_mark(house) or unfinished(instance):
        return False
    return due_partitions(house) == () == months_to_close(house, house.now())


# ── the test ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ledger_url(tmp_path: Path) -> Iterator[str]:
    """In PostgreSQL where there is one."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(running_cluster())
        except Unavailable as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            yield f"sqlite:///{tmp_path}/home/control/ledger.db"
            return
        yield cluster.url(cluster.create())


def installed(root: Path, config: Path, **places: str) -> House:
    """An installation in which all is decided and all producers have keys."""
    home = Home.from_environment({"MDLAKE_HOME": str(root), "MDLAKE_CONFIG": str(config), **places})
    prepare(home, datetime.now(UTC))
    house = open_house(home, "secure", lambda: datetime.now(UTC))
    rehearse(house.register, house.now())
    SyntheticProducers(house)
    return house


@pytest.mark.acceptance
def test_five_hundred_packages_at_once_and_two_kills_leave_one_answer_each_and_the_right_tables(
    tmp_path: Path, ledger_url: str, record_property: Callable[[str, object], None]
) -> None:
    seed, begin = int(os.environ.get("MDLAKE_KILL_SEED") or secrets.randbelow(2**32)), time.monotonic()
    draw, told = random.Random(seed), [f"MDLAKE_KILL_SEED={seed}", f"ledger: {ledger_url.partition(':')[0]}"]
    print(*told)
    config = configured(tmp_path / "project")
    house = installed(tmp_path / "home", config, MDLAKE_LEDGER=ledger_url)
    (tmp_path / "made").mkdir()
    versions = first_versions(Ministry(persons=60_000, workplaces=600, seed=seed % 1000), tmp_path / "made")
    senders = Senders(house, tmp_path / "sent", draw)
    send_everything(senders, versions, tmp_path / "made", draw)
    parcels = senders.parcels
    assert len(parcels) == len({parcel.package.name for parcel in parcels}) == PACKAGES
    house.home.dagster.mkdir(exist_ok=True)
    settings = Path(mdlake.cli.__file__).with_name("dagster.yaml").read_text(encoding="utf-8")
    assert "start_timeout_seconds: 120" in settings
    # a run that is killed before its process said so is found by this time alone
    settings = settings.replace("start_timeout_seconds: 120", "start_timeout_seconds: 45")
    (house.home.dagster / "dagster.yaml").write_text(settings, encoding="utf-8")
    began = time.monotonic()
    with working(house.home, tmp_path / "dagster.log") as machine:
        drop(house.home, parcels, draw)
        with dg.DagsterInstance.from_config(str(house.home.dagster)) as instance:
            at = draw.randint(PACKAGES // 10, PACKAGES // 2)
            wait_until(lambda: len(receipts_of(house.home)) >= at, "the intake is in its middle", machine)
            machine.kill()
            answered = len(receipts_of(house.home))
            told.append(f"{time.monotonic() - began:.0f} s: killed when {answered} packages were answered")
            assert answered < PACKAGES
            machine.start()
            done = draw.randint(2, 8)
            wait_until(lambda: in_the_middle_of_runs(instance, done), "some runs are through and one works", machine)
            machine.kill()
            orphans = [run.job_name for run in unfinished(instance) if run.status != dg.DagsterRunStatus.QUEUED]
            told.append(f"{time.monotonic() - began:.0f} s: killed in the middle of {', '.join(orphans)}")
            machine.start()
            wait_until(lambda: nothing_is_left_to_do(house, instance), "all is answered and published", machine)
            told.append(f"{time.monotonic() - began:.0f} s: all is answered and published")
            told.append(require_sound_runs(instance))
    answers = answers_by_record(house, parcels)
    require_one_receipt_each(house, answers)
    require_kept_packages(house, parcels, answers)
    newest = require_right_answers(parcels, answers)
    assert newest.keys() == {version.part for version in versions}
    corrections = Counter(version.sequence for version in newest.values())
    assert len(corrections) == 3, "corrections of corrections were accepted too"
    require_tables(house, newest, taken_through_undisturbed(tmp_path / "reference", config, house, newest))
    told.append(f"{Counter(answers.values())} in {time.monotonic() - begin:.0f} s")
    record_property("printed", "\n".join(told))


def configured(project: Path) -> Path:
    """The ministry's configuration, by which what is not signed within two minutes is refused; the workspace beside it."""
    config = Path(shutil.copytree(ROOT / "assets_config", project / "assets_config"))
    calendar = config / "calendar.yaml"
    text = calendar.read_text(encoding="utf-8")
    assert "settling_minutes: 30" in text
    calendar.write_text(text.replace("settling_minutes: 30", "settling_minutes: 2"), encoding="utf-8")
    shutil.copy(ROOT / "workspace.yaml", project)
    return config


def taken_through_undisturbed(root: Path, config: Path, beside: House, newest: Mapping[Part, Version]) -> dict[str, str]:
    """The content ids by layer and partition of the newest versions, sent, taken in and run one after another."""
    (root / "keys").mkdir(parents=True, mode=0o700)
    shutil.copy(beside.home.keys / KEY_FILE, root / "keys")
    secure = installed(root, config)
    research = open_house(secure.home, "research", secure.now)
    descriptors = []
    for version in newest.values():
        descriptor = json.loads(json.dumps(version.descriptor))
        descriptor["mdlake"].pop("supersedes", None)
        descriptors.append(version.data.with_suffix(".json"))
        descriptors[-1].write_text(json.dumps(descriptor), encoding="utf-8")
    send_unchecked(secure, *descriptors)
    assert {received.refusal for received in receive_packages(secure)} == {None}
    for dataset, period in due_partitions(secure):
        for layer, make in _MAKERS.items():
            house = research if layer == "published" else secure
            make(house, dataset, period, Run("undisturbed"))
            verdict = judge(house, layer, dataset, period, Run("undisturbed")).verdict
            assert verdict.outcome != "refused", (dataset.key, period.key, layer, verdict.results)
    return contents(secure, newest)


def contents(house: House, newest: Mapping[Part, Version]) -> dict[str, str]:
    """The content ids by layer and partition; empty where a partition is not there."""
    found = {}
    for key, month in sorted({part[:2] for part in newest}):
        dataset, period = house.configuration.dataset(key), Period.parse(month)
        for layer in (*LAYERS, "quarantine"):
            state = house.table(layer, dataset, dataset.contract(period)).state(month)
            found[f"{layer}/{key} {month}"] = state.content_id if state else ""
    return found


def drop(home: Home, parcels: list[Parcel], draw: random.Random) -> None:
    """All at once, each with its signature last, as senders do."""
    for parcel in draw.sample(parcels, len(parcels)):
        folder = home.landing / parcel.organization
        folder.mkdir(mode=0o700, exist_ok=True)
        parcel.package.rename(folder / parcel.package.name)
        if parcel.signed:
            _signature(parcel.package).rename(_signature(folder / parcel.package.name))


def in_the_middle_of_runs(instance: dg.DagsterInstance, done: int) -> bool:
    """Whether so many runs of partitions succeeded, and one has begun a step."""
    runs = [run for run in instance.get_runs() if run.job_name != INTAKE_JOB]
    if sum(run.status == dg.DagsterRunStatus.SUCCESS for run in runs) < done:
        return False
    started = [run for run in runs if run.status == dg.DagsterRunStatus.STARTED]
    return any(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START) for run in started)


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────────────


def require_sound_runs(instance: dg.DagsterInstance) -> str:
    """None of a partition met another, none is left, and they are far fewer than the packages; how many there were."""
    records = instance.get_run_records()
    by_partition: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for record in records:
        if record.start_time is not None:
            assert record.end_time is not None
            by_partition[record.dagster_run.tags[PARTITION_TAG]].append((record.start_time, record.end_time))
    for spans in by_partition.values():
        assert all(later[0] >= earlier[1] for earlier, later in pairwise(sorted(spans)))
    assert len(records) < PACKAGES / 4
    kinds = Counter(record.dagster_run.job_name.partition("__")[0] for record in records)
    intakes = sum(record.dagster_run.job_name == INTAKE_JOB for record in records)
    killed = sum(record.dagster_run.status == dg.DagsterRunStatus.FAILURE for record in records)
    return f"{len(records)} runs: {dict(kinds)}, of these {intakes} intakes; {killed} were killed"


def answers_by_record(house: House, parcels: list[Parcel]) -> dict[tuple[str, str, str], str]:
    """The answer to each package, in the order in which the ledger recorded them: one line each, in a chain that holds."""
    recorded = [one for name in {parcel.organization for parcel in parcels} for one in house.ledger.packages(name)]
    keys = Counter((one.organization, one.name, one.sha256) for one in recorded)
    assert keys == Counter(parcel.key for parcel in parcels)
    house.ledger.audit.verify()
    actions = Counter(entry.action for entry in house.ledger.audit.entries())
    assert actions["package.accepted"] + actions["package.refused"] == PACKAGES
    in_order = sorted(recorded, key=lambda one: one.package_id or 0)
    return {(one.organization, one.name, one.sha256): one.reason or one.state for one in in_order}


def require_one_receipt_each(house: House, answers: Mapping[tuple[str, str, str], str]) -> None:
    """One receipt for each package, which says what the ledger does, with a signature that ssh-keygen verifies."""
    signers = house.home.control / "allowed_signers"
    command = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "receipts", "-n", "mdlake-receipt"]
    found: list[tuple[tuple[str, str, str], str]] = []
    for path in receipts_of(house.home):
        content = path.read_bytes()
        signature = path.with_name(f"{path.name}.sig")
        subprocess.run([*command, "-s", signature], input=content, check=True, capture_output=True)
        said = json.loads(content)
        key = (said["organization"], said["package"]["name"], said["package"]["sha256"])
        found.append((key, said["reason"]["code"] if said["reason"] else said["state"]))
    assert Counter(found) == Counter(answers.items())


def require_right_answers(parcels: list[Parcel], answers: Mapping[tuple[str, str, str], str]) -> dict[Part, Version]:
    """Each answer is the one that follows from those before it; the version of each part that counts in the end."""
    by_key = {parcel.key: parcel for parcel in parcels}
    accepted: set[str] = set()
    current: dict[Part, Version] = {}
    for key, answer in answers.items():
        parcel = by_key[key]
        if parcel.version is None:
            assert answer in parcel.refusals, (key, answer)
            continue
        version, before = parcel.version, current.get(parcel.version.part)
        sequence = before.sequence if before else None
        if parcel.digest in accepted:
            right = "replay"
        elif sequence is not None and version.sequence <= sequence:
            right = "older_sequence"
        elif version.descriptor["mdlake"].get("supersedes") != sequence:
            right = "supersedes"
        else:
            right = "accepted"
            accepted.add(parcel.digest)
            current[version.part] = version
        assert answer == right, (key, version.part, version.sequence, answer, right)
    return current


def require_kept_packages(house: House, parcels: list[Parcel], answers: Mapping[tuple[str, str, str], str]) -> None:
    """Each package lies in one place with its signature, under its answer, and nothing else is left in the landing."""
    kept: Counter[tuple[str, str]] = Counter()
    signed = {parcel.digest: parcel.signed for parcel in parcels}
    for folder in house.home.landing.iterdir():
        assert {path.name for path in folder.iterdir()} == {"accepted", "refused", ".lock"}
        for package in folder.glob("*/*.tar.age"):
            digest = hashlib.sha256(package.read_bytes()).hexdigest()
            kept[digest, package.parent.name] += 1
            assert _signature(package).exists() == signed[digest]
    states = {key: "accepted" if answer == "accepted" else "refused" for key, answer in answers.items()}
    assert kept == Counter((key[2], state) for key, state in states.items())


def require_tables(house: House, newest: Mapping[Part, Version], expected: Mapping[str, str]) -> None:
    """The current deliveries are the newest versions, raw holds their rows, every layer what the undisturbed one holds."""
    current = {(f"{d.organization}/{d.dataset}", d.period, d.reporting_unit): d for d in house.ledger.current_deliveries()}
    assert {part: _said(delivery) for part, delivery in current.items()} == {
        part: (version.sequence, version.descriptor["resources"][0]["hash"]) for part, version in newest.items()
    }
    for key, month in sorted({part[:2] for part in newest}):
        files = [version.data for part, version in sorted(newest.items()) if part[:2] == (key, month)]
        sent = pl.concat([pl.read_csv(file, infer_schema=False) for file in files])
        dataset, period = house.configuration.dataset(key), Period.parse(month)
        contract = dataset.contract(period)
        raw = house.table("raw", dataset, contract).scan(month).drop(PARTITION_COLUMN).sort(ROW).drop(ROW).collect()
        named = {column.header: column.name for column in contract.columns}
        assert raw.select(sent.rename(named).columns).equals(sent.rename(named)), (key, month)
    assert contents(house, newest) == expected


def _said(delivery: Delivery) -> tuple[int, str]:
    return delivery.sequence, f"sha256:{delivery.sha256}"
