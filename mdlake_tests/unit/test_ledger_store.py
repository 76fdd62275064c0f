"""Deliveries, verdicts, migrations and the door to the database."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text

import mdlake.ledger.store
from mdlake.errors import LedgerError
from mdlake.ledger import AuditEntry, Delivery, Ledger, MonthClose, Verdict, tables
from mdlake.ledger.records import moment_text

AT = datetime(2024, 6, 1, 8, 30, tzinfo=UTC)
DELIVERY = Delivery(
    organization="sso",
    dataset="workplaces",
    period="1403-03",
    sequence=1,
    file_name="workplaces-1403-03.zip",
    sha256="a" * 64,
    size_bytes=5_000_000_000,
    declared_rows=3_000_000_000,
    contract_version="2",
    received_at=AT,
    state="accepted",
)
VERDICT = Verdict(
    layer="standardized",
    organization="sso",
    dataset="workplaces",
    period="1403-03",
    content_id="c1",
    inputs={"raw": "r1", "classification": "k1"},
    contract_version="2",
    rule_version="7",
    outcome="passed",
    results=({"rule": "rows_balance", "checked": 10, "failed": 0}, {"rule": "اصل سیستم", "share": 0.1}),
    run_id="run-1",
    decided_at=AT,
)


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    return Ledger(ledger_url)


@pytest.fixture
def file(tmp_path: Path, empty_ledger: Path) -> Path:
    return Path(shutil.copy(empty_ledger, tmp_path / "ledger.db"))


@pytest.fixture
def in_sqlite(file: Path) -> Ledger:
    return Ledger(f"sqlite:///{file}")


def made_empty(url: str) -> str:
    """A database without tables, which SQLite's is as an empty file."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        file.parent.mkdir()
        file.touch()
    return url


def execute(url: str, statement: str, **values: object) -> None:
    """Change a ledger behind its back."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def entries(ledger: Ledger) -> list[tuple[str, Mapping[str, object]]]:
    return [(entry.action, entry.details) for entry in ledger.audit.entries()]


# The database


def test_making_a_ledger_object_connects_to_nothing(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path}/control/ledger.db")
    Ledger("sqlite:///relative.db")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_at_its_latest_migration_is_used_without_importing_alembic(ledger_url: str) -> None:
    program = (
        "import sys; from mdlake.ledger import Ledger;"
        "ledger = Ledger(sys.argv[1]); ledger.upgrade(); ledger.deliveries(); print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program, ledger_url], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_an_absent_ledger_is_refused_and_not_made_by_using_it(tmp_path: Path) -> None:
    absent = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(LedgerError, match="mdlake init"):
        absent.deliveries()
    with pytest.raises(LedgerError, match="mdlake init"):
        absent.record_delivery(DELIVERY)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_without_tables_is_refused(absent_ledger_url: str) -> None:
    ledger = Ledger(made_empty(absent_ledger_url))
    with pytest.raises(LedgerError, match=r"no tables yet.*mdlake init"):
        ledger.deliveries()
    with pytest.raises(LedgerError, match=r"no tables yet.*mdlake init"):
        ledger.record_delivery(DELIVERY)


def test_a_ledger_of_another_schema_is_refused_for_reading_and_writing(ledger: Ledger, ledger_url: str) -> None:
    execute(ledger_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="schema 9999, and this program needs"):
        ledger.deliveries()
    with pytest.raises(LedgerError, match="mdlake init"):
        ledger.record_delivery(DELIVERY)
    with pytest.raises(LedgerError, match="update mdlake"):
        ledger.upgrade()


def test_a_damaged_ledger_file_is_a_ledger_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").deliveries()


@pytest.mark.parametrize("url", ["ledger.db", "sqlite://", "sqlite:///:memory:", "sqlite:////tmp/a.db?mode=ro"])
def test_a_url_that_names_no_lasting_ledger_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="sqlite:////"):
        Ledger(url)


def test_upgrading_twice_keeps_what_was_recorded(ledger: Ledger) -> None:
    stored = ledger.record_delivery(DELIVERY)
    ledger.upgrade()
    assert ledger.deliveries() == (stored,)


def test_a_new_ledger_file_is_owner_only_and_so_is_all_that_sqlite_lays_beside_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = Ledger(f"sqlite:///{tmp_path}/control/ledger.db")
        ledger.upgrade()
        with ledger._database.reading() as connection:
            ledger.record_delivery(DELIVERY)
            connection.exec_driver_sql("SELECT 1")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    finally:
        os.umask(before)
    assert modes == {"control": 0o700, "ledger.db": 0o600, "ledger.db-shm": 0o600, "ledger.db-wal": 0o600}


def test_a_connection_has_the_settings_that_two_processes_need(in_sqlite: Ledger) -> None:
    with in_sqlite._database.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}


def constraints(engine: Engine) -> dict[str, set[str]]:
    """The named constraints of each table with what they say; Alembic compares no checks and no names."""
    found: dict[str, set[str]] = {}
    for name in tables.metadata.tables:
        of_table = inspect(engine)
        found[name] = {
            f"{of_table.get_pk_constraint(name)['name']}",
            *(f"{one['name']}: {one['sqltext']}" for one in of_table.get_check_constraints(name)),
            *(f"{one['name']}: {one['column_names']}" for one in of_table.get_unique_constraints(name)),
            *(f"{one['name']}: {one['constrained_columns']}" for one in of_table.get_foreign_keys(name)),
        }
    return found


def test_the_migrations_lead_to_the_tables_of_the_program(absent_ledger_url: str) -> None:
    Ledger(absent_ledger_url).upgrade()
    engine = create_engine(absent_ledger_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    migrated = constraints(engine)
    assert "ck_deliveries_state" in str(migrated)
    tables.metadata.drop_all(engine)
    tables.metadata.create_all(engine)
    assert constraints(engine) == migrated
    engine.dispose()


def test_the_program_names_the_last_migration() -> None:
    assert ScriptDirectory(str(Path(tables.__file__).parent / "migrations")).get_current_head() == tables.HEAD


def upgrade_at_once(url: str) -> None:
    Ledger(url).upgrade()


def test_several_processes_may_make_the_ledger_at_once(absent_ledger_url: str) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as processes:
        assert list(processes.map(upgrade_at_once, [absent_ledger_url] * 3)) == [None] * 3
    assert Ledger(absent_ledger_url).deliveries() == ()


def record_the_same(url: str) -> tuple[int | None, int | None]:
    ledger = Ledger(url)
    return ledger.record_delivery(DELIVERY).delivery_id, ledger.record_verdict(VERDICT).verdict_id


def test_the_same_records_from_several_processes_are_one_record_each(ledger: Ledger, ledger_url: str) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as processes:
        assert set(processes.map(record_the_same, [ledger_url] * 9)) == {(1, 1)}
    assert [action for action, _ in entries(ledger)] == ["delivery.accepted", "verdict.recorded"]


def test_a_record_without_its_audit_entry_is_not_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> AuditEntry:
        raise OSError("disk full")

    monkeypatch.setattr(mdlake.ledger.store, "append_entry", fails)
    with pytest.raises(OSError, match="disk full"):
        ledger.record_delivery(DELIVERY)
    with pytest.raises(OSError, match="disk full"):
        ledger.record_verdict(VERDICT)
    assert ledger.deliveries() == ()
    assert ledger.latest_verdicts() == ()


# Deliveries


def test_a_recorded_delivery_comes_back_whole_with_its_id_in_utc(ledger: Ledger) -> None:
    tehran = timezone(timedelta(hours=3, minutes=30))
    stored = ledger.record_delivery(replace(DELIVERY, received_at=AT.astimezone(tehran)))
    assert stored == replace(DELIVERY, delivery_id=1)
    assert stored.received_at.tzinfo is UTC
    assert ledger.deliveries() == (stored,)


def test_the_same_file_again_is_the_first_record_and_leaves_no_second_entry(ledger: Ledger) -> None:
    first = ledger.record_delivery(DELIVERY)
    assert ledger.record_delivery(replace(DELIVERY, received_at=AT + timedelta(days=1))) == first
    assert ledger.deliveries() == (first,)
    assert len(entries(ledger)) == 1


def test_a_file_that_comes_back_after_another_one_is_the_current_delivery_again(ledger: Ledger) -> None:
    first = ledger.record_delivery(DELIVERY)
    ledger.record_delivery(replace(DELIVERY, sequence=2, sha256="b" * 64))
    again = ledger.record_delivery(replace(DELIVERY, sequence=3, file_name="again.zip"))
    assert again == replace(first, sequence=3, file_name="again.zip")
    assert ledger.current_delivery("sso", "workplaces", "1403-03") == again
    assert [details["sequence"] for _, details in entries(ledger)] == [1, 2, 3]


def test_a_file_has_the_state_it_was_found_in_last_and_the_audit_log_tells_all_of_them(ledger: Ledger) -> None:
    refused = replace(DELIVERY, state="refused", reason="missing_column", message="ستون نیست")
    stored = ledger.record_delivery(refused)
    assert ledger.current_delivery("sso", "workplaces", "1403-03") is None
    accepted = ledger.record_delivery(DELIVERY)
    assert accepted == replace(DELIVERY, delivery_id=stored.delivery_id)
    assert ledger.current_delivery("sso", "workplaces", "1403-03") == accepted
    ledger.record_delivery(replace(refused, reason="unreadable"))
    assert ledger.current_delivery("sso", "workplaces", "1403-03") is None
    assert [(action, details["reason"]) for action, details in entries(ledger)] == [
        ("delivery.refused", "missing_column"),
        ("delivery.accepted", None),
        ("delivery.refused", "unreadable"),
    ]


def test_a_file_that_was_refused_for_what_was_said_of_it_counts_by_what_is_said_of_it_now(ledger: Ledger) -> None:
    said_wrong = replace(DELIVERY, declared_rows=7, contract_version="1", state="refused", reason="row_count")
    ledger.record_delivery(said_wrong)
    accepted = ledger.record_delivery(DELIVERY)
    assert (accepted.declared_rows, accepted.contract_version) == (DELIVERY.declared_rows, DELIVERY.contract_version)
    assert ledger.current_delivery("sso", "workplaces", "1403-03") == accepted


def test_the_message_of_a_refusal_is_not_in_the_audit_log(ledger: Ledger) -> None:
    ledger.record_delivery(replace(DELIVERY, state="refused", reason="bad_rows", message="line 7"))
    [(_, details)] = entries(ledger)
    assert details["reason"] == "bad_rows"
    assert "message" not in details


def test_the_current_delivery_has_the_highest_sequence_then_the_latest_record(ledger: Ledger) -> None:
    for number, sequence in enumerate([3, 1, 3, 2]):
        ledger.record_delivery(replace(DELIVERY, sequence=sequence, sha256=f"{number:064}"))
    ledger.record_delivery(replace(DELIVERY, sequence=9, sha256="f" * 64, state="refused", reason="late"))
    current = ledger.current_delivery("sso", "workplaces", "1403-03")
    assert current is not None
    assert (current.sequence, current.delivery_id) == (3, 3)
    assert ledger.current_delivery("sso", "workplaces", "1403-04") is None


def test_each_reporting_unit_has_its_own_current_delivery_also_of_equal_files(ledger: Ledger) -> None:
    for unit, sequence, digest in (("05", 1, "a"), ("17", 1, "a"), ("05", 2, "b"), ("17", 3, "c"), ("17", 2, "d")):
        ledger.record_delivery(replace(DELIVERY, reporting_unit=unit, sequence=sequence, sha256=digest * 64))
    whole = ledger.record_delivery(replace(DELIVERY, dataset="insured_contributions"))
    assert len(ledger.deliveries(dataset="workplaces")) == 5
    current = ledger.current_deliveries("sso", "workplaces", "1403-03")
    assert [(d.reporting_unit, d.sequence, d.sha256[0]) for d in current] == [("05", 2, "b"), ("17", 3, "c")]
    assert ledger.current_deliveries() == (whole, *current)
    assert ledger.current_delivery("sso", "workplaces", "1403-03") is None
    assert ledger.current_delivery("sso", "workplaces", "1403-03", "17") == current[1]
    units = [details.get("reporting_unit") for _, details in entries(ledger)]
    assert units == ["05", "17", "05", "17", "17", None]


def test_deliveries_of_the_first_ledger_keep_what_was_said_of_them(absent_ledger_url: str) -> None:
    engine = create_engine(made_empty(absent_ledger_url))
    with engine.begin() as connection:
        config, scripts = Config(), ScriptDirectory(str(Path(tables.__file__).parent / "migrations"))
        first = EnvironmentContext(config, scripts, fn=lambda at, _: scripts._upgrade_revs("0001", at))
        with first:
            first.configure(connection=connection)
            first.run_migrations()
        connection.exec_driver_sql(
            "INSERT INTO deliveries (organization, dataset, period, sequence, file_name, sha256, size_bytes, received_at, state) "
            f"VALUES ('sso', 'workplaces', '1403-03', 2, 'a.csv', '{'a' * 64}', 7, '{moment_text(AT)}', 'accepted')"
        )
    engine.dispose()
    ledger = Ledger(absent_ledger_url)
    with pytest.raises(LedgerError, match="mdlake init"):
        ledger.deliveries()
    ledger.upgrade()
    (delivery,) = ledger.deliveries()
    assert (delivery.reporting_unit, delivery.sequence, delivery.sha256, delivery.received_at) == ("", 2, "a" * 64, AT)
    assert ledger.record_delivery(replace(delivery, received_at=AT + timedelta(days=1))) == delivery
    with pytest.raises(LedgerError):
        ledger.record_delivery(replace(DELIVERY, sha256="b" * 64, state="lost"))  # type: ignore[arg-type]


# Month closes

CLOSE = MonthClose("1403-03", ({"dataset": "sso/workplaces", "content_id": "c1", "missing": None},), True, "run-1", AT)


def test_a_month_closed_again_with_the_same_is_the_last_record_and_with_other_content_a_new_one(ledger: Ledger) -> None:
    first = ledger.record_month_close(CLOSE)
    assert first == replace(CLOSE, close_id=1)
    assert ledger.record_month_close(replace(CLOSE, run_id="run-2", closed_at=AT + timedelta(days=1))) == first
    other = replace(CLOSE, members=({"dataset": "sso/workplaces", "content_id": "c2", "missing": None},))
    second = ledger.record_month_close(other)
    back = ledger.record_month_close(CLOSE)
    ledger.record_month_close(replace(CLOSE, month="1403-02", complete=False))
    assert (
        [close.close_id for close in ledger.month_closes("1403-03")]
        == [1, 2, 3]
        == [first.close_id, second.close_id, back.close_id]
    )
    assert [close.month for close in ledger.month_closes()] == ["1403-02", *["1403-03"] * 3]
    assert [(action, details["month"], details["complete"]) for action, details in entries(ledger)] == [
        ("month.closed", "1403-03", True),
        ("month.closed", "1403-03", True),
        ("month.closed", "1403-03", True),
        ("month.closed", "1403-02", False),
    ]


def test_deliveries_are_listed_oldest_first_and_by_what_is_asked(ledger: Ledger) -> None:
    for day, (organization, period) in enumerate([("sso", "1403-02"), ("cspf", "1403-02"), ("sso", "1403-01")]):
        at = AT - timedelta(days=day)
        ledger.record_delivery(replace(DELIVERY, organization=organization, period=period, received_at=at))
    assert [delivery.delivery_id for delivery in ledger.deliveries()] == [3, 2, 1]
    assert [delivery.delivery_id for delivery in ledger.deliveries("sso")] == [3, 1]
    assert [delivery.delivery_id for delivery in ledger.deliveries(period="1403-02")] == [2, 1]
    assert ledger.deliveries("sso", "workplaces", "1402-01") == ()


def test_a_moment_without_a_zone_is_a_defect_of_the_caller(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="time zone"):
        ledger.record_delivery(replace(DELIVERY, received_at=AT.replace(tzinfo=None)))
    with pytest.raises(ValueError, match="time zone"):
        ledger.record_verdict(replace(VERDICT, decided_at=AT.replace(tzinfo=None)))


def test_a_state_that_does_not_exist_is_refused_by_the_database(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="ck_deliveries_state"):
        ledger.record_delivery(replace(DELIVERY, state="lost"))  # type: ignore[arg-type]


# Pins


def test_a_version_is_pinned_once_for_each_reason_and_listed_once(ledger: Ledger) -> None:
    for version, reason in [(7, "release 2"), (3, "release 1"), (7, "release 2"), (7, "release 3")]:
        ledger.pin("published/sso/workplaces", version, reason, AT)
    assert ledger.pins("published/sso/workplaces") == (3, 7)
    assert ledger.pins("published/sso/pensioners") == ()
    assert [(details["version"], details["reason"]) for _, details in entries(ledger)] == [
        (7, "release 2"),
        (3, "release 1"),
        (7, "release 3"),
    ]


# Verdicts


def test_a_recorded_verdict_comes_back_whole(ledger: Ledger) -> None:
    stored = ledger.record_verdict(VERDICT)
    assert stored == replace(VERDICT, verdict_id=1, confirmed_at=AT)
    assert ledger.verdict_for("standardized", "sso", "workplaces", "1403-03", "c1") == stored
    assert ledger.latest_verdict("standardized", "sso", "workplaces", "1403-03") == stored
    assert ledger.verdict_for("standardized", "sso", "workplaces", "1403-03", "c2") is None
    assert ledger.latest_verdict("raw", "sso", "workplaces", "1403-03") is None


def test_the_same_verdict_again_is_confirmed_by_the_later_run_only(ledger: Ledger) -> None:
    ledger.record_verdict(VERDICT)
    reordered = {name: VERDICT.inputs[name] for name in reversed(list(VERDICT.inputs))}
    later = replace(VERDICT, inputs=reordered, run_id="run-2", decided_at=AT + timedelta(days=1))
    confirmed = ledger.record_verdict(later)
    assert confirmed == replace(VERDICT, verdict_id=1, run_id="run-2", confirmed_at=AT + timedelta(days=1))
    assert ledger.record_verdict(replace(VERDICT, run_id="run-0")) == confirmed
    assert [(action, details["run_id"]) for action, details in entries(ledger)] == [
        ("verdict.recorded", "run-1"),
        ("verdict.confirmed", "run-2"),
    ]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(VERDICT, outcome="refused"), "another outcome"),
        (replace(VERDICT, results=VERDICT.results[:1]), "another results"),
        (replace(VERDICT, results=VERDICT.results[::-1]), "another results"),
    ],
    ids=["outcome", "fewer results", "results in another order"],
)
def test_the_same_inputs_with_another_verdict_are_refused(ledger: Ledger, other: Verdict, what: str) -> None:
    stored = ledger.record_verdict(VERDICT)
    with pytest.raises(LedgerError, match=what):
        ledger.record_verdict(replace(other, decided_at=AT + timedelta(days=1)))
    assert ledger.latest_verdicts() == (stored,)
    assert len(entries(ledger)) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(VERDICT, layer="raw"),
        replace(VERDICT, organization="cspf"),
        replace(VERDICT, dataset="pensioners"),
        replace(VERDICT, period="1403-04"),
        replace(VERDICT, content_id="c2"),
        replace(VERDICT, inputs={"raw": "r2", "classification": "k1"}),
        replace(VERDICT, contract_version="3"),
        replace(VERDICT, rule_version="8"),
    ],
)
def test_whatever_determines_a_verdict_makes_another_one(ledger: Ledger, other: Verdict) -> None:
    assert ledger.record_verdict(VERDICT).verdict_id == 1
    assert ledger.record_verdict(replace(other, outcome="refused")).verdict_id == 2


def test_a_verdict_is_found_by_content_and_rule_version_and_the_latest_confirmed_wins(ledger: Ledger) -> None:
    key = ("standardized", "sso", "workplaces", "1403-03")
    ledger.record_verdict(VERDICT)
    ledger.record_verdict(replace(VERDICT, rule_version="8", decided_at=AT + timedelta(days=1)))
    ledger.record_verdict(replace(VERDICT, content_id="c2", decided_at=AT + timedelta(days=2)))
    ledger.record_verdict(replace(VERDICT, run_id="run-2", decided_at=AT + timedelta(days=3)))
    by_rule = {version: ledger.verdict_for(*key, "c1", version) for version in (None, "7", "8", "9")}
    assert {version: found and found.verdict_id for version, found in by_rule.items()} == {
        None: 1,
        "7": 1,
        "8": 2,
        "9": None,
    }
    assert [verdict.verdict_id for verdict in ledger.verdict_history(*key)] == [2, 3, 1]


def test_the_audit_entry_of_a_verdict_binds_its_results_without_holding_them(ledger: Ledger) -> None:
    stored = ledger.record_verdict(VERDICT)
    [(_, details)] = entries(ledger)
    assert details["identity"] == stored.identity
    assert details["outcome"] == "passed"
    assert "results" not in details
    assert len(str(details["results_sha256"])) == 64


def test_the_latest_verdicts_are_those_a_plain_search_finds(ledger: Ledger) -> None:
    choose = random.Random(0)
    for number in range(120):
        ledger.record_verdict(
            replace(
                VERDICT,
                layer=choose.choice(["raw", "standardized"]),
                organization=choose.choice(["sso", "cspf"]),
                dataset=choose.choice(["pensioners", "workplaces"]),
                period=choose.choice(["1403-01", "1403-02"]),
                content_id=f"c{number}",
                decided_at=AT + timedelta(hours=choose.randrange(5)),
            )
        )
    with ledger._database.reading() as connection:
        rows = connection.execute(tables.verdicts.select()).mappings().all()
    for asked in [{}, {"layer": "raw"}, {"organization": "sso"}, {"layer": "raw", "dataset": "pensioners"}]:
        latest: dict[tuple[str, ...], tuple[str, int]] = {}
        for row in rows:
            if all(row[name] == value for name, value in asked.items()):
                partition = (row["layer"], row["organization"], row["dataset"], row["period"])
                latest[partition] = max(latest.get(partition, ("", 0)), (row["confirmed_at"], row["verdict_id"]))
        found = [verdict.verdict_id for verdict in ledger.latest_verdicts(**asked)]
        assert found == [number for _, (_, number) in sorted(latest.items())]


def test_the_latest_verdicts_are_ranked_by_the_index(in_sqlite: Ledger) -> None:
    plan: list[str] = []

    def explain(_connection: Connection, cursor: sqlite3.Cursor, *query: object) -> None:
        steps = cursor.connection.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1])  # type: ignore[arg-type]
        plan.extend(step[-1] for step in steps)

    with in_sqlite._database.reading() as connection:
        event.listen(connection.engine, "before_cursor_execute", explain)
    in_sqlite.latest_verdicts(layer="raw")
    assert any("USING COVERING INDEX ix_verdicts_latest" in step for step in plan)
