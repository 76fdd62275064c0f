"""The ledger on a PostgreSQL server: what its URL may say, who is let in, what happens when the server is away, and writers."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from conftest import CONFIG
from postgres_server import Cluster
from sqlalchemy import create_engine

from mdlake.config import Home
from mdlake.errors import LedgerError, MdlakeError
from mdlake.ledger import AcceptedDecision, Delivery, Ledger, Package, tables

AT = datetime(2024, 6, 1, 8, 30, tzinfo=UTC)
SECRET = "s3cret-of-the-ledger"
DELIVERY = Delivery("sso", "workplaces", "1403-03", 1, "a.csv", "a" * 64, 2**62, 2**62, "2", AT, "accepted")
PACKAGE = Package("sso", "بسته \ufffd.tar.age", "b" * 64, 2**62, None, AT, "refused", "not_a_file", "it is no plain file")
DECISION = AcceptedDecision(
    decision_id="1403-03-12-dataset-approved-1",
    kind="dataset_approved",
    subjects=("sso/workplaces", "تصمیم"),
    first_day=None,
    last_day=None,
    begins_at=AT,
    ends_at=None,
    accepted_at=AT,
    sha256="c" * 64,
    signatures={"committee_chair": "d" * 64},
)


# The URL


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://mdlake:{SECRET}@db/mdlake",
        f"postgresql+psycopg://mdlake:{SECRET}@db/mdlake",
        f"postgresql://:{SECRET}@db/mdlake",
        f"postgresql:///mdlake?host=db&password={SECRET}",
        f"postgresql:///mdlake?host=db&sslpassword={SECRET}",
        f"postgresql://mdlake:{SECRET}@d@b:w/mdlake",
        f"mysql://mdlake:{SECRET}@db/mdlake",
        f"postgresql://{SECRET}",
        f"postgresql+psycopg2://db/{SECRET}",
        f"no url {SECRET}",
    ],
)
def test_a_url_with_a_password_or_of_another_database_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(LedgerError) as refused:
        Ledger(url)
    assert SECRET not in str(refused.value)
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("command", "environment", "what"),
    [
        ("init", {"MDLAKE_LEDGER": f"postgresql://mdlake:{SECRET}@db/mdlake"}, "the URL holds a password"),
        ("ui", {"MDLAKE_LEDGER": f"postgresql://mdlake:{SECRET}@db/mdlake"}, "the URL holds a password"),
        ("status", {"MDLAKE_LEDGER": "postgresql:///mdlake", "PGPASSWORD": SECRET}, "PGPASSWORD: a password in the environment"),
    ],
)
def test_no_command_takes_a_password_and_none_shows_it(
    tmp_path: Path, command: str, environment: dict[str, str], what: str
) -> None:
    home = {"MDLAKE_HOME": str(tmp_path / "home"), "MDLAKE_CONFIG": str(CONFIG)}
    (tmp_path / "home" / "control").mkdir(parents=True)
    ran = subprocess.run(
        [sys.executable, "-c", "from mdlake.cli import main; main()", command],
        env={**os.environ, **home, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 1
    assert what in ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert not any(SECRET.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_password_of_another_program_is_none_of_sqlites_business(tmp_path: Path) -> None:
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path), "PGPASSWORD": SECRET})
    assert SECRET not in str(home.environment())


# The server


def told(url: str) -> str:
    with pytest.raises(LedgerError) as refused:
        Ledger(url).deliveries()
    assert "docs/data-team.md" in str(refused.value)
    return str(refused.value)


def test_a_server_that_is_away_and_a_database_that_is_missing_are_told_in_a_line(cluster: Cluster, tmp_path: Path) -> None:
    assert 'database "nothing" does not exist' in told(cluster.url("nothing"))
    assert "No such file or directory" in told(f"postgresql:///mdlake?host={tmp_path}")
    assert "Connection refused" in told("postgresql://127.0.0.1:1/mdlake")


def test_a_missing_driver_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        LedgerError, match=r"driver for PostgreSQL is not installed. Install it: pip install 'mdlake\[postgres\]'"
    ):
        Ledger("postgresql:///mdlake").deliveries()


def test_an_account_is_let_in_by_its_password_file_alone(cluster: Cluster, migrated: str, tmp_path: Path) -> None:
    cluster.execute(f"CREATE ROLE clerk LOGIN PASSWORD '{SECRET}'")
    cluster.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk", database=migrated)
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:{cluster.port}:*:clerk:{SECRET}\n", encoding="ascii")
    passwords.chmod(0o600)
    url = f"postgresql://clerk@127.0.0.1:{cluster.port}/{migrated}?passfile={passwords}"
    clerk = Ledger(url)
    assert clerk.deliveries() == ()
    with pytest.raises(LedgerError, match="permission denied") as refused:
        clerk.record_delivery(DELIVERY)
    passwords.write_text(f"127.0.0.1:{cluster.port}:*:clerk:wrong-{SECRET}\n", encoding="ascii")
    assert "password authentication failed" in told(url)
    assert SECRET not in str(refused.value) + told(url)


def test_two_accounts_share_a_ledger_that_was_made_as_the_documentation_says(cluster: Cluster, tmp_path: Path) -> None:
    page = (CONFIG.parent / "docs" / "data-team.md").read_text(encoding="utf-8")
    chapter = page.partition("## The ledger on PostgreSQL")[2]
    commands = chapter.partition("```text")[2].partition("```")[0]
    surroundings = {
        "PATH": f"{cluster.binaries}:{os.environ['PATH']}",
        "PGHOST": str(cluster.folder),
        "PGPORT": str(cluster.port),
        "PGDATABASE": "postgres",
    }
    assert commands.count("createuser") == 3
    subprocess.run(["sh", "-e", "-c", commands], env={**os.environ, **surroundings}, check=True, capture_output=True)
    accounts, passwords = ("mdlake-secure", "mdlake-research"), tmp_path / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"*:*:*:*:{SECRET}\n", encoding="ascii")
    ledgers = []
    for account in accounts:
        cluster.execute(f"ALTER ROLE {{}} PASSWORD '{SECRET}'", account)
        ledgers.append(Ledger(f"postgresql://{account}@127.0.0.1:{cluster.port}/mdlake?passfile={passwords}"))
        ledgers[-1].upgrade()
    for number, ledger in enumerate(ledgers, start=1):
        ledger.record_delivery(replace(DELIVERY, sequence=number))
        assert ledger.audit.verify().entries == number
    assert ledgers[0].deliveries() == ledgers[1].deliveries()
    cluster.drop("mdlake")


@pytest.mark.parametrize("made", ["ENCODING 'LATIN1' LOCALE 'C'", "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'fa'"])
def test_a_database_that_sorts_or_stores_texts_otherwise_is_refused_at_its_making(cluster: Cluster, made: str) -> None:
    cluster.execute(f"CREATE DATABASE other TEMPLATE template0 {made}")
    with pytest.raises(LedgerError, match=r"order of their code points. Make it anew: createdb --template=template0"):
        Ledger(cluster.url("other")).upgrade()
    cluster.drop("other")


def test_a_ledger_is_read_and_written_again_after_its_server_restarted(cluster: Cluster, server_ledger_url: str) -> None:
    ledger = Ledger(server_ledger_url)
    first = ledger.record_delivery(DELIVERY)
    cluster.stop()
    assert "No such file or directory" in told(server_ledger_url)
    with pytest.raises(LedgerError, match="docs/data-team"):
        ledger.deliveries()
    cluster.start()
    assert ledger.deliveries() == (first,)
    cluster.stop()
    cluster.start()
    assert ledger.record_delivery(replace(DELIVERY, sequence=2)).sequence == 2
    assert ledger.audit.verify().entries == 2


def test_a_reader_sees_one_moment_and_writes_nothing(server_ledger_url: str) -> None:
    ledger = Ledger(server_ledger_url)
    with ledger._database.reading() as connection:
        before = connection.execute(tables.deliveries.select()).all()
        Ledger(server_ledger_url).record_delivery(DELIVERY)
        assert connection.execute(tables.deliveries.select()).all() == before
    assert len(ledger.deliveries()) == 1
    with pytest.raises(LedgerError, match="read-only transaction"), ledger._database.reading() as connection:
        connection.execute(tables.deliveries.delete())


def test_a_writer_that_hangs_is_not_waited_for_without_end(server_ledger_url: str) -> None:
    hanging = create_engine(server_ledger_url.replace("postgresql:", "postgresql+psycopg:"))
    waiting = Ledger(f"{server_ledger_url}&options=-c%20lock_timeout%3D200ms")
    with hanging.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM alembic_version FOR UPDATE")
        assert Ledger(server_ledger_url).deliveries() == ()
        with pytest.raises(LedgerError, match="lock timeout"):
            waiting.record_delivery(DELIVERY)
    hanging.dispose()
    assert waiting.record_delivery(DELIVERY).delivery_id is not None
    with waiting._database.reading() as connection:
        limits = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("lock_timeout", "client_encoding")}
    assert limits == {"lock_timeout": "200ms", "client_encoding": "UTF8"}
    with Ledger(server_ledger_url)._database.reading() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "30s"
        assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "1min"


# What is recorded


def test_large_numbers_and_persian_names_come_back_as_they_were(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    delivery = replace(DELIVERY, sequence=2**31 - 1)
    package = ledger.record_package(replace(PACKAGE, state="accepted"), delivery)
    assert ledger.packages("sso") == (package,)
    assert ledger.deliveries() == (replace(delivery, delivery_id=package.delivery_id),)


def test_lists_have_the_order_of_code_points_in_either_database(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    names = ["b", "a_b", "ab", "B", "a-b", "پ", "ی", "1"]
    for name in names:
        ledger.record_delivery(replace(DELIVERY, dataset=name))
    assert [delivery.dataset for delivery in ledger.current_deliveries()] == sorted(names)


def test_a_text_that_postgresql_cannot_hold_is_a_ledger_error_and_leaves_nothing(server_ledger_url: str) -> None:
    ledger = Ledger(server_ledger_url)
    with pytest.raises(LedgerError, match="NUL") as refused:
        ledger.record_package(replace(PACKAGE, message="of a row: \x00 0499370899"))
    assert "0499370899" not in str(refused.value)
    assert ledger.packages("sso") == ()
    assert ledger.audit.head() is None


def test_decisions_are_indexed_paged_and_held_against_the_chain(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdlake.ledger.decisions._PAGE", 2)
    ledger = Ledger(ledger_url)
    days = [None, (date(2024, 3, 20), date(2024, 4, 19))]
    for number in range(1, 7):
        first, last = days[number % 2] or (None, None)
        ledger.decisions.accept(
            replace(
                DECISION,
                decision_id=f"d{number}",
                sha256=f"{number:064}",
                first_day=first,
                last_day=last,
                accepted_at=AT + timedelta(hours=number),
                ends_at=AT + timedelta(days=1) if number == 6 else None,
            )
        )
    assert ledger.decisions.accept(replace(DECISION, decision_id="d1", sha256=f"{1:064}")).accepted_at == AT + timedelta(hours=1)
    with pytest.raises(LedgerError, match="another decision"):
        ledger.decisions.accept(replace(DECISION, decision_id="d1"))

    def about(subject: str = "تصمیم", **asked: object) -> list[str]:
        found = ledger.decisions.about("dataset_approved", subject, AT + timedelta(days=2), **asked)  # type: ignore[arg-type]
        return [decision.decision_id for decision in found]

    assert about() == ["d5", "d4", "d3", "d2", "d1"]
    assert about(live=False) == ["d6", "d5", "d4", "d3", "d2", "d1"]
    assert about(days=(date(2024, 5, 1), date(2024, 5, 2))) == ["d4", "d2"]
    assert about("sso/pensioners") == []
    assert ledger.decisions.verify() == 6
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM decision_subjects WHERE decision_id = 'd2'")
    engine.dispose()
    with pytest.raises(LedgerError, match="decision d2"):
        ledger.decisions.verify()


# Many writers


def record_many(url: str, writer: int) -> list[int | None]:
    """The same deliveries as every other writer, packages and audit entries of its own."""
    ledger, ids = Ledger(url), []
    for number in range(8):
        delivery = replace(DELIVERY, period=f"1403-{number % 12 + 1:02}", sha256=f"{number:064}")
        ids.append(ledger.record_delivery(delivery).delivery_id)
        ledger.record_package(replace(PACKAGE, sha256=f"{writer:032}{number:032}"), delivery)
        ledger.audit.append(f"writer {writer}", "key.used", {"number": number}, AT)
        ledger.decisions.accept(replace(DECISION, decision_id=f"d{number}"))
    return ids


def test_what_many_processes_record_at_once_is_one_record_each_in_one_chain(server_ledger_url: str) -> None:
    ledger, seen, stopped = Ledger(server_ledger_url), [], threading.Event()

    def read_meanwhile() -> None:
        reader = Ledger(server_ledger_url)
        while not stopped.wait(0.05):
            seen.append(reader.audit.verify().entries)

    reading = threading.Thread(target=read_meanwhile)
    reading.start()
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as processes:
        ids = list(processes.map(record_many, [server_ledger_url] * 3, range(3)))
    stopped.set()
    reading.join()
    assert all(found == ids[0] for found in ids)
    assert len(ledger.deliveries()) == 8
    assert len(ledger.packages("sso")) == 24
    assert ledger.decisions.verify() == 8
    assert ledger.audit.verify().entries == 8 + 24 + 24 + 8
    assert seen == sorted(seen)
    numbers = [entry.details["number"] for entry in ledger.audit.entries(action="key.used") if entry.actor == "writer 2"]
    assert numbers == list(range(8))


def test_home_passes_the_url_of_the_ledger_on_to_its_children() -> None:
    url = "postgresql:///mdlake?host=/var/run/postgresql"
    home = Home.from_environment({"MDLAKE_LEDGER": url})
    assert home.environment()["MDLAKE_LEDGER"] == url
    with pytest.raises(MdlakeError, match="ledger"):
        Ledger(Home.from_environment({"MDLAKE_LEDGER": "oracle://db/x"}).ledger_url)
