"""A table of the lake: one partition replaced in one commit, two writers, maintenance, and what other readers find.

Of an object store only what happens without a connection: `integration/test_object_store.py` has one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import mdlake.lake.table
from mdlake.errors import LakeError
from mdlake.lake import PARTITION_COLUMN, PartitionState, Retention, Table, Zone, canonical_order, content_id

ROWS = pl.DataFrame(
    {
        "unit": ["u1", "u2", "u3", "u4"],
        "wage": [10, None, 0, -5],
        "title": ["", None, "نانوا", "x" * 40],
        "born": [date(1979, 3, 21), None, date(2024, 6, 1), date(1900, 1, 1)],
        "flag": [True, False, None, True],
    }
)


@pytest.fixture(params=["files", "memory"], autouse=True)
def read_from(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the rows come from that this process committed last."""
    if request.param == "files":
        monkeypatch.setattr(mdlake.lake.table, "_just_written", lambda uri, schema: None)
    monkeypatch.setattr(mdlake.lake.table, "_LAST_WRITTEN", [])
    return str(request.param)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    zone = Zone("secure", str(tmp_path / "secure"), Retention(log_days=3650, file_days=30))
    return zone.table("raw", "organization/dataset", ("unit",))


def write(table: Table, period: str, *batches: pl.DataFrame, **details: Any) -> PartitionState:
    with table.replace(period, batches[0].schema) as writer:
        for batch in batches:
            writer.write(batch)
        return writer.commit(details)


def rows_of(table: Table, period: str, columns: Sequence[str] = ROWS.columns) -> pl.DataFrame:
    return canonical_order(table.scan(period).drop(PARTITION_COLUMN).select(columns).collect(), table.order)


def files_of(table: Table) -> set[str]:
    root = Path(table.url)
    return {str(path.relative_to(root)) for path in root.rglob("*.parquet") if "_delta_log" not in path.parts}


def test_a_table_that_was_never_written_says_so(table: Table) -> None:
    assert not table.exists()
    assert table.periods() == ()
    assert table.states() == ()
    assert table.state("1403-01") is None
    assert table.optimize(10) == 0
    assert table.vacuum() == ()
    with pytest.raises(LakeError, match="never written") as caught:
        table.scan()
    assert caught.value.next_step


def test_what_is_written_is_read_with_its_types_and_its_blanks(table: Table) -> None:
    state = write(table, "1403-01", ROWS[:2], ROWS[2:], run="r1", inputs={"raw": "c0"})
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)
    assert table.scan().collect_schema() == pl.Schema({**ROWS.schema, PARTITION_COLUMN: pl.String()})
    assert state == table.state("1403-01")
    assert state.details == {"run": "r1", "inputs": {"raw": "c0"}}
    assert (state.rows, state.content_id) == (4, content_id(ROWS, ("unit",)))
    assert table.states() == (state,)


def test_a_partition_of_one_file_that_was_just_committed_is_not_read_back(table: Table, read_from: str) -> None:
    write(table, "1403-01", ROWS)
    [file] = Path(table.url).glob("period=1403-01/*.parquet")
    aside = file.rename(file.with_suffix(".aside"))
    if read_from == "files":
        with pytest.raises(FileNotFoundError):
            rows_of(table, "1403-01")
        aside.rename(file)
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)
    assert_frame_equal(pl.concat(table.batches("1403-01", 3)), ROWS)
    assert [batch.height for batch in table.batches("1403-01", 3, ["wage"])] == [3, 1]
    assert table.scan("1403-01").collect()[PARTITION_COLUMN].unique().to_list() == ["1403-01"]


def test_what_another_process_writes_next_takes_the_place_of_what_this_one_wrote(table: Table) -> None:
    write(table, "1403-01", ROWS)
    own = [*mdlake.lake.table._LAST_WRITTEN]
    other = ROWS.with_columns(wage=pl.lit(1, pl.Int64), town=pl.lit("y"))
    write(table, "1403-01", other)
    write(table, "1403-02", ROWS[:2], ROWS[2:])
    for last in (own, []):
        mdlake.lake.table._LAST_WRITTEN[:] = last
        assert_frame_equal(rows_of(table, "1403-01", other.columns), other)
        assert_frame_equal(rows_of(table, "1403-02"), ROWS)
        assert table.scan("1403-02").collect()["town"].null_count() == ROWS.height


def test_replacing_a_partition_leaves_the_others_as_they_were(table: Table) -> None:
    before = {month: write(table, month, ROWS) for month in ("1403-01", "1403-02")}
    other = ROWS.with_columns(wage=pl.lit(1, pl.Int64))
    after = write(table, "1403-02", other)
    assert table.state("1403-01") == before["1403-01"]
    assert after.content_id != before["1403-02"].content_id
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)
    assert_frame_equal(rows_of(table, "1403-02"), other)


def test_a_replacement_is_one_commit(table: Table) -> None:
    write(table, "1403-01", ROWS)
    version = deltalake.DeltaTable(table.url).version()
    write(table, "1403-01", ROWS[:1], ROWS[1:3], ROWS[3:])
    assert deltalake.DeltaTable(table.url).version() == version + 1
    actions = [json.loads(line) for line in Path(table.url, f"_delta_log/{version + 1:020}.json").read_text().splitlines()]
    assert sum("add" in action for action in actions) == 3
    assert sum("remove" in action for action in actions) == 1


def test_a_partition_may_become_empty(table: Table) -> None:
    write(table, "1403-01", ROWS)
    write(table, "1403-02", ROWS)
    state = write(table, "1403-01", ROWS.clear())
    assert state.rows == 0
    assert table.state("1403-01") == state
    assert table.scan("1403-01").collect().height == 0
    assert table.scan().collect().height == ROWS.height
    assert list(table.batches("1403-01", 10)) == []
    assert [one.rows for one in table.states("1403-01", "1403-02")] == [0, ROWS.height]


def test_a_commit_that_comes_between_gives_no_partition_the_state_of_another(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (write(table, "1403-01", ROWS[:1]), write(table, "1403-02", ROWS[:2]))
    history, between = deltalake.DeltaTable.history, [ROWS[:3]]

    def late(opened: deltalake.DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
        while between:
            write(table, "1403-03", between.pop())
        return history(opened, limit)

    monkeypatch.setattr(deltalake.DeltaTable, "history", late)
    assert table.states("1403-01", "1403-02") == expected


def test_batches_come_in_the_order_written_and_no_larger_than_asked(table: Table) -> None:
    rows = pl.DataFrame({"unit": [f"{n:05}" for n in range(1000)], "n": range(1000)})
    write(table, "1403-01", rows[:700], rows[700:])
    batches = list(table.batches("1403-01", 64, ["n"]))
    assert max(batch.height for batch in batches) <= 64
    assert pl.concat(batches)["n"].to_list() == list(range(1000))


def test_a_column_that_came_later_is_blank_in_older_partitions_and_their_ids_stay(table: Table) -> None:
    old = write(table, "1403-01", ROWS)
    wide = ROWS.with_columns(kind=pl.lit("k"))
    write(table, "1403-02", wide)
    assert_frame_equal(rows_of(table, "1403-01", wide.columns), ROWS.with_columns(kind=pl.lit(None, pl.String)))
    assert_frame_equal(rows_of(table, "1403-02", wide.columns), wide)
    assert table.state("1403-01") == old
    assert content_id(rows_of(table, "1403-01", wide.columns), ("unit",)) == old.content_id
    assert pl.concat(table.batches("1403-01", 10))["kind"].null_count() == ROWS.height
    again = write(table, "1403-01", ROWS)
    assert again.content_id == old.content_id


def test_a_column_that_went_away_stays_readable_in_the_older_partitions(table: Table) -> None:
    write(table, "1403-01", ROWS)
    write(table, "1403-02", ROWS.drop("title"))
    assert table.scan("1403-02").collect()["title"].null_count() == ROWS.height
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)


def test_a_column_with_another_type_is_refused_and_nothing_changes(table: Table) -> None:
    state = write(table, "1403-01", ROWS)
    files = files_of(table)
    with pytest.raises(LakeError, match="stored with another type") as caught:
        write(table, "1403-02", ROWS.with_columns(wage=pl.lit("x")))
    assert caught.value.where.endswith(" wage")
    assert table.states() == (state,)
    assert files_of(table) == files


@pytest.mark.parametrize("dtype", [pl.Float64(), pl.List(pl.String), pl.Datetime()])
def test_a_type_that_the_lake_does_not_keep_is_refused(table: Table, dtype: pl.DataType) -> None:
    with pytest.raises(LakeError):
        write(table, "1403-01", pl.DataFrame({"unit": ["u"]}).with_columns(odd=pl.lit(None, dtype)))
    assert files_of(table) == set()


def test_an_abandoned_writer_leaves_nothing(table: Table) -> None:
    state = write(table, "1403-01", ROWS)
    files = files_of(table)
    with suppress(KeyboardInterrupt), table.replace("1403-01", ROWS.schema) as writer:
        writer.write(ROWS)
        assert files_of(table) != files
        raise KeyboardInterrupt
    with table.replace("1403-02", ROWS.schema) as writer:
        writer.write(ROWS)
    assert files_of(table) == files
    assert table.states() == (state,)


def test_what_is_being_written_is_seen_by_nobody_else(table: Table) -> None:
    with table.replace("1403-01", ROWS.schema) as writer:
        assert writer.scan().collect().height == 0
        writer.write(ROWS)
        assert_frame_equal(writer.scan().collect(), ROWS)
        assert not table.exists()
        writer.commit({})
    assert table.periods() == ("1403-01",)


@pytest.mark.parametrize(
    "batches",
    [(ROWS.reverse(),), (ROWS[2:], ROWS[:2]), (ROWS, ROWS.with_columns(unit=pl.lit(None, pl.String)))],
    ids=["within a batch", "between batches", "missing last"],
)
def test_rows_out_of_canonical_order_are_refused(table: Table, batches: tuple[pl.DataFrame, ...]) -> None:
    with pytest.raises(LakeError, match="canonical order"):
        write(table, "1403-01", *batches)
    assert files_of(table) == set()


def test_a_batch_with_another_schema_is_refused(table: Table) -> None:
    with pytest.raises(LakeError, match="another schema"):
        write(table, "1403-01", ROWS[:2], ROWS[2:].drop("flag"))
    assert files_of(table) == set()


# ── two writers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def at_once(count: int, action: Callable[[int, Callable[[], None]], Any]) -> list[Any]:
    """The results, or errors, of `count` threads that meet once before they go on."""
    barrier = threading.Barrier(count, timeout=60)

    def run(number: int) -> Any:
        try:
            return action(number, lambda: barrier.wait() and None)
        except Exception as error:  # noqa: BLE001 - the tests look at what it is
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=120))


def committing(table: Table, period: Callable[[int], str], rows: Callable[[int], pl.DataFrame]) -> Any:
    def commit(number: int, meet: Callable[[], None]) -> PartitionState:
        with table.replace(period(number), rows(number).schema) as writer:
            writer.write(rows(number))
            meet()
            return writer.commit({"number": number})

    return commit


@pytest.mark.parametrize("written_before", [False, True], ids=["new table", "old partition"])
def test_of_two_writers_of_one_partition_one_lands_and_the_others_are_told(table: Table, written_before: bool) -> None:
    if written_before:
        write(table, "1403-01", ROWS)
    rows = [ROWS.with_columns(wage=pl.lit(number, pl.Int64)) for number in range(4)]
    results = at_once(4, committing(table, lambda number: "1403-01", rows.__getitem__))
    landed = [result for result in results if isinstance(result, PartitionState)]
    assert len(landed) == 1
    for result in results:
        assert result in landed or (isinstance(result, LakeError) and "at the same time" in str(result)), result
    assert table.states() == tuple(landed)
    assert_frame_equal(rows_of(table, "1403-01"), rows[landed[0].details["number"]])
    assert len(deltalake.DeltaTable(table.url).file_uris()) == 1
    assert len(files_of(table)) == 1 + written_before


@pytest.mark.parametrize("written_before", [False, True], ids=["new table", "old table"])
@pytest.mark.parametrize("widening", [False, True], ids=["same columns", "new columns"])
def test_writers_of_different_partitions_all_land(table: Table, written_before: bool, widening: bool) -> None:
    if written_before:
        write(table, "1399-11", ROWS)
    rows = [ROWS.with_columns(pl.lit("k").alias(f"new_{n}")) if widening else ROWS for n in range(4)]
    results = at_once(4, committing(table, lambda number: f"1403-0{number + 1}", rows.__getitem__))
    assert all(isinstance(result, PartitionState) for result in results), results
    for number, frame in enumerate(rows):
        assert_frame_equal(rows_of(table, f"1403-0{number + 1}", frame.columns), frame)
    assert table.scan().collect().height == ROWS.height * (4 + written_before)


def test_a_writer_that_was_overtaken_before_its_commit_does_not_land(table: Table) -> None:
    with table.replace("1403-01", ROWS.schema) as slow:
        slow.write(ROWS)
        fast = write(table, "1403-01", ROWS[:1])
        with pytest.raises(LakeError, match="at the same time"):
            slow.commit({})
    assert table.states() == (fast,)
    assert len(files_of(table)) == 1


# ── maintenance ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def aged(path: Path, days: int) -> None:
    then = path.stat().st_mtime - timedelta(days=days).total_seconds()
    os.utime(path, (then, then))


def test_the_retention_of_the_zone_is_a_property_of_the_table(table: Table) -> None:
    write(table, "1403-01", ROWS)
    assert deltalake.DeltaTable(table.url).metadata().configuration == {
        "delta.logRetentionDuration": "interval 3650 days",
        "delta.deletedFileRetentionDuration": "interval 30 days",
    }


YEARS = [f"{year}-{month:02}" for year in (1402, 1403) for month in range(1, 13)]


def test_a_reader_opens_a_long_history_from_its_last_checkpoint(table: Table) -> None:
    ids = {period: write(table, period, ROWS.with_columns(n=pl.lit(n, pl.Int64))).content_id for n, period in enumerate(YEARS)}
    assert {state.period: state.content_id for state in table.states()} == ids
    log = Path(table.url, "_delta_log")
    newest = max(path.name.split(".")[0] for path in log.glob("*.checkpoint.parquet"))
    for commit in log.glob("*.json"):
        if commit.name.split(".")[0] <= newest:
            commit.unlink()
    assert len(list(log.glob("*.json"))) < 10
    assert table.periods() == tuple(YEARS)
    assert content_id(table.scan(YEARS[3]).drop(PARTITION_COLUMN).collect(), table.order) == ids[YEARS[3]]


def test_a_checkpoint_that_cannot_be_written_harms_no_commit(table: Table) -> None:
    for version in (9, 19):
        Path(table.url, "_delta_log", f"{version:020}.checkpoint.parquet").mkdir(parents=True)
    for period in YEARS:
        assert write(table, period, ROWS) == table.state(period)
        assert_frame_equal(rows_of(table, period), ROWS)


def test_commits_that_are_older_than_the_log_is_kept_still_say_their_partitions(tmp_path: Path) -> None:
    table = Zone("secure", str(tmp_path / "secure"), Retention(log_days=1, file_days=1)).table("raw", "organization/dataset", ())
    for period in YEARS[:5]:
        write(table, period, ROWS)
    for commit in Path(table.url, "_delta_log").iterdir():
        aged(commit, days=40)
    for period in YEARS[5:]:
        write(table, period, ROWS)
    assert [state.period for state in table.states()] == YEARS


@pytest.mark.parametrize("landed", [True, False])
def test_files_stay_where_a_commit_did_not_come_back(table: Table, landed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(table, "1403-01", ROWS)
    put = deltalake.DeltaTable.create_write_transaction

    def never_comes_back(opened: deltalake.DeltaTable, *given: Any, **named: Any) -> None:
        if landed:
            put(opened, *given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", never_comes_back)
    with pytest.raises(KeyboardInterrupt):
        write(table, "1403-01", ROWS[:1])
    state = table.state("1403-01")
    assert state is not None
    assert state.rows == rows_of(table, "1403-01").height == (1 if landed else before.rows)
    table.vacuum(retention_hours=0)
    assert len(files_of(table)) == 1


def test_optimize_joins_files_and_keeps_content_and_record(table: Table) -> None:
    rows = pl.DataFrame({"unit": [f"{n:03}" for n in range(20)], "n": range(20)})
    many = write(table, "1403-01", *(rows[n : n + 2] for n in range(0, 20, 2)), run="r1")
    one = write(table, "1403-02", rows, run="r2")
    assert table.optimize(12) == 8
    after = table.state("1403-01")
    assert after is not None
    assert (after.content_id, after.rows, after.details) == (many.content_id, many.rows, many.details)
    assert table.state("1403-02") == one
    assert [batch.height for batch in table.batches("1403-01", 100)] == [12, 8]
    assert_frame_equal(pl.concat(table.batches("1403-01", 100)), rows)
    assert table.optimize(12) == 0


def test_optimize_refuses_a_partition_that_was_changed_outside(table: Table) -> None:
    write(table, "1403-01", ROWS[:2], ROWS[2:])
    [first, _] = sorted(Path(table.url).glob("period=1403-01/*.parquet"))
    ROWS[:2].with_columns(wage=pl.lit(999, pl.Int64)).write_parquet(first)
    before = table.states()
    with pytest.raises(LakeError, match="does not say what its commit says") as caught:
        table.optimize(1000)
    assert "999" not in str(caught.value)
    assert table.states() == before


def test_vacuum_takes_what_no_commit_names_once_it_is_old_enough(table: Table) -> None:
    write(table, "1403-01", ROWS)
    live = files_of(table)
    for name in ("old", "young"):
        orphan = Path(table.url, f"period=1403-01/00000-{name}.parquet")
        ROWS.write_parquet(orphan)
    aged(Path(table.url, "period=1403-01/00000-old.parquet"), days=31)
    assert table.vacuum() == ("period=1403-01/00000-old.parquet",)
    assert files_of(table) == live | {"period=1403-01/00000-young.parquet"}
    assert table.vacuum(retention_hours=0) == ("period=1403-01/00000-young.parquet",)
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)


def test_vacuum_keeps_what_a_pinned_version_needs_and_no_other_old_version(table: Table) -> None:
    contents = [ROWS.with_columns(wage=pl.lit(number, pl.Int64)) for number in range(3)]
    states = [write(table, "1403-01", rows) for rows in contents]
    write(table, "1403-02", ROWS)
    removed = table.vacuum([states[0].version], retention_hours=0)
    assert len(removed) == 1
    pinned = deltalake.DeltaTable(table.url, version=states[0].version).to_pyarrow_table()
    assert_frame_equal(pl.DataFrame(pl.from_arrow(pinned)).select(ROWS.columns).sort("unit"), contents[0])
    with pytest.raises(FileNotFoundError):
        deltalake.DeltaTable(table.url, version=states[1].version).to_pyarrow_table()
    assert_frame_equal(rows_of(table, "1403-01"), contents[2])
    assert len(table.vacuum(retention_hours=0)) == 1
    with pytest.raises(FileNotFoundError):
        deltalake.DeltaTable(table.url, version=states[0].version).to_pyarrow_table()


def test_replaced_files_stay_within_the_retention_of_the_table(table: Table) -> None:
    first = write(table, "1403-01", ROWS[:1])
    write(table, "1403-01", ROWS)
    assert table.vacuum() == ()
    assert deltalake.DeltaTable(table.url, version=first.version).to_pyarrow_table().num_rows == 1


def test_a_commit_that_is_no_longer_in_the_log_is_told(table: Table) -> None:
    state = write(table, "1403-01", ROWS)
    write(table, "1403-02", ROWS)
    deltalake.DeltaTable(table.url).create_checkpoint()
    Path(table.url, f"_delta_log/{state.version:020}.json").unlink()
    with pytest.raises(LakeError, match="no longer in the log"):
        table.state("1403-01")


# ── other readers, other places ──────────────────────────────────────────────────────────────────────────────────────────


def test_duckdb_and_the_delta_library_read_the_same_rows(table: Table) -> None:
    write(table, "1403-01", ROWS[:1], ROWS[1:])
    wide = ROWS.with_columns(kind=pl.lit("k"))
    write(table, "1403-02", wide)
    ours = table.scan().select(*wide.columns, PARTITION_COLUMN).collect().sort(PARTITION_COLUMN, "unit")
    delta = deltalake.DeltaTable(table.url)
    arrow = pl.DataFrame(pl.from_arrow(delta.to_pyarrow_table())).select(ours.columns).sort(PARTITION_COLUMN, "unit")
    assert_frame_equal(arrow, ours, check_dtypes=True)
    query = "select * from read_parquet($files, hive_partitioning=true, union_by_name=true, hive_types={'period': varchar})"
    peer = pl.DataFrame(pl.from_arrow(duckdb.sql(query, params={"files": delta.file_uris()}).to_arrow_table()))
    assert_frame_equal(peer.select(ours.columns).sort(PARTITION_COLUMN, "unit"), ours)


@pytest.mark.parametrize("name", ["with blanks", "خانه", "a+b='c'[d]*", "100%"])
def test_the_lake_may_lie_in_a_folder_with_any_usual_name(tmp_path: Path, name: str) -> None:
    zone = Zone("research", str(tmp_path / name), Retention(30, 30))
    table = zone.table("published", "organization/dataset", ("unit",))
    write(table, "1403-01", ROWS[:2], ROWS[2:])
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)
    assert_frame_equal(pl.concat(table.batches("1403-01", 3)), ROWS)
    assert table.optimize(10) == 1
    assert len(table.vacuum(retention_hours=0)) == 2
    assert_frame_equal(rows_of(table, "1403-01"), ROWS)


def test_a_zone_in_an_object_store_makes_no_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    zone = Zone("research", "s3://bucket/research", Retention(3650, 365))
    table = zone.table("published", "organization/dataset", ("unit",))
    assert table.url == "s3://bucket/research/published/organization/dataset"
    assert table.order == ("unit",)
    assert (table.log_days, table.file_days) == (3650, 365)
    assert list(tmp_path.iterdir()) == []
