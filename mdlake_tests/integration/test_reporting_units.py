"""Reporting units: parts of one period united into one partition, in whatever order they come, and what a missing part does."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from conftest import CONFIG, Clock
from producer import send_unchecked

from mdlake.cli import cli
from mdlake.config import Home
from mdlake.errors import MdlakeError
from mdlake.exchange import Form, NeedsStrictReading, Received
from mdlake.lake import PartitionState
from mdlake.layers import ROW
from mdlake.standard import Period
from mdlake.steps import (
    House,
    Run,
    due_partitions,
    judge,
    make_raw,
    open_house,
    partition_statuses,
    prepare,
    raw,
    receive_packages,
)
from mdlake.synthetic import DeliveredFile, Ministry

DISPUTES, MONTH = "provincial/labour_disputes", "1403-02"
PERIOD = Period.parse(MONTH)
Parts = Mapping[str, DeliveredFile]


@pytest.fixture(scope="module")
def offices() -> Ministry:
    """About fifty events a month, none in some provinces."""
    return Ministry(persons=16_000, workplaces=300, seed=7)


@pytest.fixture(scope="module")
def parts(offices: Ministry, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The parts of all provinces, by unit."""
    folder = tmp_path_factory.mktemp("parts")
    units = offices.reporting_units(DISPUTES)
    return {unit: offices.deliver(DISPUTES, MONTH, folder, reporting_unit=unit, defects={}) for unit in units}


def send(house: House, *files: DeliveredFile) -> tuple[Received, ...]:
    """Have the parts sent and taken in; the answers."""
    send_unchecked(house, *(file.descriptor_path for file in files))
    return receive_packages(house)


def changed(file: DeliveredFile, folder: Path, change: Callable[[list[str]], Sequence[str]], **said: Any) -> DeliveredFile:
    """The same delivery with other lines and another descriptor, its size and hash made right."""
    lines = list(change(file.csv_path.read_text(encoding="utf-8").splitlines()))
    content = "".join(f"{line}\n" for line in lines).encode()
    descriptor = json.loads(file.descriptor_path.read_text(encoding="utf-8"))
    name = f"changed-{file.csv_path.stem}-{said.get('sequence', 1)}"
    digest = hashlib.sha256(content).hexdigest()
    descriptor["resources"][0] |= {"path": f"{name}.csv", "bytes": len(content), "hash": f"sha256:{digest}"}
    descriptor["mdlake"] |= {"declared_rows": len(lines) - 1, "supersedes": said.get("sequence", 1) - 1 or None, **said}
    descriptor["mdlake"] = {field: value for field, value in descriptor["mdlake"].items() if value is not None}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csv").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(descriptor), encoding="utf-8")
    return replace(file, csv_path=folder / f"{name}.csv", descriptor_path=folder / f"{name}.json", rows=len(lines) - 1)


def made_raw(house: House) -> PartitionState:
    return make_raw(house, house.configuration.dataset(DISPUTES), PERIOD, Run("run")).state


def raw_rows(house: House) -> pl.DataFrame:
    dataset = house.configuration.dataset(DISPUTES)
    return house.table("raw", dataset, dataset.contract(PERIOD)).scan(MONTH).sort(ROW).collect()


def judged(house: House) -> Mapping[str, Any]:
    """The raw partition's result of the rule on units."""
    verdict = judge(house, "raw", house.configuration.dataset(DISPUTES), PERIOD, Run("run")).verdict
    return next(result for result in verdict.results if result["rule"] == "reporting_units_complete")


def busiest(parts: Parts) -> str:
    return max(parts, key=lambda unit: parts[unit].rows)


def test_all_parts_are_one_table_of_which_each_row_leads_to_the_line_of_its_file(secure: House, parts: Parts) -> None:
    send(secure, *parts.values())
    state = made_raw(secure)
    assert state.rows == sum(part.rows for part in parts.values()) == state.details["declared_rows"] > 0
    assert any(part.rows == 0 for part in parts.values()), "a province without events is among them"
    trace = state.details["parts"]
    assert list(trace) == sorted(parts)
    digests = {unit: hashlib.sha256(part.csv_path.read_bytes()).hexdigest() for unit, part in parts.items()}
    assert state.details["inputs"] == {f"delivery:{unit}": digest for unit, digest in digests.items()}
    table = raw_rows(secure)
    assert table[ROW].to_list() == list(range(1, state.rows + 1))
    for unit, part in parts.items():
        entry = trace[unit]
        assert (entry["rows"], entry["sha256"], entry["sequence"]) == (part.rows, digests[unit], 1)
        own = table.filter(pl.col(ROW).is_between(entry["first_row"], entry["first_row"] + entry["rows"] - 1))
        assert own.height == part.rows
        lines = part.csv_path.read_text(encoding="utf-8").splitlines()[1:]
        for row, line in zip(own["case_number"], lines, strict=True):
            assert row in line
    result = judged(secure)
    assert (result["passed"], result["checked"], result["failed"], result["parts"]) == (True, 31, 0, {})


def test_the_same_parts_in_whatever_order_and_runs_they_arrive_are_the_same_content(
    tmp_path: Path, clock: Clock, parts: Parts
) -> None:
    contents = set()
    for number in range(2):
        home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / str(number)), "MDLAKE_CONFIG": str(CONFIG)})
        prepare(home, clock())
        house = open_house(home, "secure", clock)
        order = random.Random(number).sample(sorted(parts), len(parts))
        half = len(order) // 2 if number else len(order)
        send(house, *(parts[unit] for unit in order[:half]))
        send(house, *(parts[unit] for unit in order[half:]))
        contents.add(made_raw(house).content_id)
    assert len(contents) == 1


def test_a_file_that_the_fast_reader_gives_up_half_way_is_read_anew_with_the_strict_one(
    secure: House, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(secure, *parts.values())
    expected = made_raw(secure)
    read, begun = raw.read_rows, []

    def gives_up(path: Path, form: Form, names: Sequence[str], rows: int, *, strictly: bool = False) -> Iterator[pl.DataFrame]:
        if strictly:
            yield from read(path, form, names, rows, strictly=True)
            return
        begun.append(path)
        yield from (batch.head(1) for batch in read(path, form, names, rows, strictly=True))
        raise NeedsStrictReading

    monkeypatch.setattr(raw, "read_rows", gives_up)
    again = made_raw(secure)
    assert begun
    assert (again.content_id, again.details["parts"]) == (expected.content_id, expected.details["parts"])


def test_missing_units_are_named_and_the_month_goes_on_with_a_warning_until_they_come(secure: House, parts: Parts) -> None:
    late = ("05", busiest(parts))
    send(secure, *(part for unit, part in parts.items() if unit not in late))
    state = made_raw(secure)
    result = judged(secure)
    assert (result["passed"], result["severity"], result["checked"], result["failed"]) == (False, "warn", 31, 2)
    assert result["parts"] == {f"units {', '.join(sorted(late))}": [31, 2]}
    assert result["share"] == pytest.approx(2 / 31, abs=1e-6)
    (status,) = partition_statuses(secure, [secure.configuration.dataset(DISPUTES)])
    assert (status.units, status.units_missing) == ((29, 31), tuple(sorted(late)))
    send(secure, *(parts[unit] for unit in late))
    assert made_raw(secure).content_id != state.content_id
    assert judged(secure)["passed"]
    (status,) = partition_statuses(secure, [secure.configuration.dataset(DISPUTES)])
    assert (status.units, status.units_missing) == ((31, 31), ())


def test_a_corrected_part_replaces_its_own_part_alone(secure: House, parts: Parts, tmp_path: Path) -> None:
    send(secure, *parts.values())
    before, unit = made_raw(secure), busiest(parts)
    send(secure, changed(parts[unit], tmp_path / "out", lambda lines: lines[:-1], sequence=2))
    after = made_raw(secure)
    assert after.rows == before.rows - 1
    assert after.details["declared_rows"] == before.details["declared_rows"] - 1
    changed_inputs = {name for name, digest in after.details["inputs"].items() if before.details["inputs"][name] != digest}
    assert changed_inputs == {f"delivery:{unit}"}
    assert after.details["parts"][unit]["sequence"] == 2


def test_a_part_that_cannot_be_read_leaves_the_others_and_its_own_earlier_one(
    secure: House, parts: Parts, tmp_path: Path
) -> None:
    unit = busiest(parts)
    send(secure, *parts.values())
    before = made_raw(secure)
    bad = changed(parts[unit], tmp_path / "out", lambda lines: [lines[0], '"' + lines[1], *lines[2:]], sequence=2)
    send(secure, bad)
    assert made_raw(secure).content_id == before.content_id
    refused = [d for d in secure.ledger.deliveries("provincial") if d.state == "refused"]
    assert [(d.reporting_unit, d.sequence, d.reason) for d in refused] == [(unit, 2, "unreadable_file")]
    assert f"{DISPUTES} {MONTH}, unit {unit}" in str(refused[0].message)
    (status,) = partition_statuses(secure, [secure.configuration.dataset(DISPUTES)])
    assert (status.state, status.units) == ("delivery refused", (31, 31))


def test_a_file_that_lost_its_rows_is_refused_and_one_that_declares_none_is_not(
    secure: House, parts: Parts, tmp_path: Path
) -> None:
    lost = busiest(parts)
    send(secure, *(part for unit, part in parts.items() if unit != lost))
    send(secure, changed(parts[lost], tmp_path / "out", lambda lines: lines[:1], declared_rows=3))
    state = made_raw(secure)
    assert state.details["parts"].keys() == parts.keys() - {lost}
    (refused,) = [d for d in secure.ledger.deliveries("provincial") if d.state == "refused"]
    assert (refused.reporting_unit, refused.reason) == (lost, "empty_file")


def test_a_month_of_which_every_part_is_refused_has_nothing_to_be_made_of(secure: House, parts: Parts, tmp_path: Path) -> None:
    lost = busiest(parts)
    (received,) = send(secure, changed(parts[lost], tmp_path / "out", lambda lines: lines[:1], declared_rows=3))
    assert received.refusal is not None
    assert received.refusal.reason == "empty_file"
    with pytest.raises(
        MdlakeError, match=f"no accepted delivery of this period; 1 were refused, the last one because: .* unit {lost}"
    ):
        made_raw(secure)


def test_parts_without_any_row_make_no_partition(secure: House, parts: Parts) -> None:
    send(secure, *(part for part in parts.values() if part.rows == 0))
    with pytest.raises(MdlakeError, match="no reporting unit sent a row"):
        made_raw(secure)


@pytest.mark.parametrize(
    ("unit", "reason", "words"),
    [
        (None, "missing_reporting_unit", "each reporting unit sends its own file"),
        ("31", "unknown_reporting_unit", "none of province"),
        ("Tehran", "unknown_reporting_unit", "00, 01, 02"),
    ],
)
def test_a_part_of_nobody_is_refused(
    unit: str | None, reason: str, words: str, secure: House, parts: Parts, tmp_path: Path
) -> None:
    (received,) = send(secure, changed(parts["05"], tmp_path / "out", lambda lines: lines, reporting_unit=unit))
    assert received.refusal is not None
    assert received.refusal.reason == reason
    assert words in str(received.refusal)
    assert "mdlake.reporting_unit" in str(received.refusal)


def test_a_unit_where_the_dataset_has_none_is_refused(secure: House, ministry: Ministry, tmp_path: Path) -> None:
    file = ministry.deliver("sso/workplaces", "1403-01", tmp_path / "whole")
    strange = changed(file, tmp_path / "out", lambda lines: lines, reporting_unit="05")
    (received,) = send(secure, strange)
    assert received.refusal is not None
    assert received.refusal.reason == "unexpected_reporting_unit"


def test_equal_files_of_two_units_are_two_deliveries(secure: House, parts: Parts) -> None:
    empty = [part for part in parts.values() if part.rows == 0][:2]
    assert empty[0].csv_path.read_bytes() == empty[1].csv_path.read_bytes()
    taken = send(secure, *empty)
    assert len({received.delivery.delivery_id for received in taken}) == 2


def test_a_part_that_arrives_makes_its_month_due_again(secure: House, parts: Parts, walk: Callable[..., dict[str, str]]) -> None:
    last = busiest(parts)
    send(secure, *(part for unit, part in parts.items() if unit != last))
    assert "refused" not in walk(DISPUTES, MONTH).values()
    assert due_partitions(secure) == ()
    send(secure, parts[last])
    assert [(dataset.key, period.key) for dataset, period in due_partitions(secure)] == [(DISPUTES, MONTH)]


def test_the_command_tells_how_many_units_came(secure: House, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in secure.home.environment().items():
        monkeypatch.setenv(name, value)
    send(secure, *(part for unit, part in parts.items() if unit not in ("05", "17")))
    said = CliRunner().invoke(cli, ["status", DISPUTES, MONTH])
    assert said.exit_code == 0, said.output
    assert f"{DISPUTES} {MONTH}: 29 of 31 units; missing: 05, 17" in said.output
