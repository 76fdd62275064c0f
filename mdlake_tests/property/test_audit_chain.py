"""Whatever one thing is changed in an audit log with a checkpoint at its head, `verify` finds it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Row, TextClause, create_engine, insert, text
from sqlalchemy.exc import DBAPIError

from mdlake.errors import LedgerError
from mdlake.ledger import Checkpoint, Ledger
from mdlake.ledger.tables import audit_entries
from mdlake.seals import AllowedSigners, SigningKey

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ALLOWED = AllowedSigners.parse(f"security {KEY.public_line}")
AT = datetime(2024, 6, 1, tzinfo=UTC)
ENTRIES = 6
FIELDS = ("at", "actor", "action", "details", "previous_hash", "hash")
Change = Callable[[Connection], object]
READ = text("SELECT * FROM audit_entries ORDER BY seq")

numbers = st.integers(1, ENTRIES)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)


@dataclass(frozen=True)
class WholeLog:
    """A ledger with ENTRIES entries, and the checkpoint at its head, which another office holds."""

    url: str
    entries: Sequence[Row[Any]]
    kept: Checkpoint

    @contextmanager
    def copied(self) -> Iterator[str]:
        """The URL of a ledger with the same entries and no checkpoint, to be changed."""
        if self.url.startswith("sqlite"):
            with tempfile.TemporaryDirectory() as folder:
                yield f"sqlite:///{shutil.copy(self.url.removeprefix('sqlite:///'), folder)}"
            return
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for table in ("audit_checkpoints", "audit_entries"):
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(insert(audit_entries), [row._asdict() for row in self.entries])
        engine.dispose()
        yield self.url

    def must_find(self, change: Change) -> None:
        """Make a change behind the ledger's back; `verify` finds it, unless the database did not take it."""
        with self.copied() as url:
            engine = create_engine(url)
            try:
                with engine.begin() as connection:
                    connection.execute(text("DELETE FROM audit_checkpoints"))
                    change(connection)
                    assume(connection.execute(READ).all() != self.entries)
            except DBAPIError:
                assume(False)
            finally:
                engine.dispose()
            with pytest.raises(LedgerError, match=r"^audit entry"):
                Ledger(url).audit.verify([self.kept], ALLOWED)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeLog]:
    """The log that is changed, in each of the two databases."""
    cluster = request.getfixturevalue("cluster") if request.param == "postgresql" else None
    name = cluster.create() if cluster else ""
    url = cluster.url(name) if cluster else f"sqlite:///{tmp_path_factory.mktemp('log')}/ledger.db"
    ledger = Ledger(url)
    ledger.upgrade()
    for number in range(ENTRIES):
        ledger.audit.append("operator", "key.used", {"number": number, "period": "1403-03"}, AT)
    kept = ledger.audit.checkpoint(KEY, AT)
    engine = create_engine(url)
    with engine.connect() as connection:
        entries = connection.execute(READ).all()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not cluster:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    yield WholeLog(url, entries, kept)
    if cluster:
        cluster.drop(name)


def put(log: WholeLog, field: str) -> TextClause:
    """Set a field to `:value`; SQLite keeps what it is given, PostgreSQL text alone."""
    value = ":value" if log.url.startswith("sqlite") else "CAST(:value AS TEXT)"
    return text(f"UPDATE audit_entries SET {field} = {value} WHERE seq = :seq")


def test_the_log_is_whole_before_it_is_changed(log: WholeLog) -> None:
    with log.copied() as url:
        report = Ledger(url).audit.verify([log.kept], ALLOWED)
    assert (report.entries, report.checkpoints_checked) == (ENTRIES, 1)


@settings(deadline=None, max_examples=80)
@given(seq=numbers, field=st.sampled_from(FIELDS), value=texts | st.binary(max_size=8) | st.integers(-9, 9))
def test_a_field_set_to_anything_else_is_found(log: WholeLog, seq: int, field: str, value: object) -> None:
    log.must_find(lambda table: table.execute(put(log, field), {"value": value, "seq": seq}))


@settings(deadline=None, max_examples=80)
@given(
    seq=numbers,
    field=st.sampled_from(FIELDS),
    start=st.integers(0, 200),
    length=st.integers(0, 2),
    inserted=st.text('09af ",:{}Z', max_size=2),
)
def test_a_field_with_a_small_edit_is_found(log: WholeLog, seq: int, field: str, start: int, length: int, inserted: str) -> None:
    old = str(log.entries[seq - 1]._mapping[field])
    place = start % (len(old) + 1)
    new = old[:place] + inserted + old[place + length :]
    log.must_find(lambda table: table.execute(put(log, field), {"value": new, "seq": seq}))


@settings(deadline=None, max_examples=25)
@given(seq=numbers, other=st.integers(-(2**31), 2**31 - 1) | st.integers(-2, ENTRIES + 3))
def test_an_entry_given_another_number_is_found(log: WholeLog, seq: int, other: int) -> None:
    renumbered = text("UPDATE audit_entries SET seq = :other WHERE seq = :seq")
    log.must_find(lambda table: table.execute(renumbered, {"other": other, "seq": seq}))


@settings(deadline=None, max_examples=25)
@given(removed=st.sets(numbers, min_size=1))
def test_entries_that_were_removed_are_found(log: WholeLog, removed: set[int]) -> None:
    deleted = text("DELETE FROM audit_entries WHERE seq = :seq")
    log.must_find(lambda table: table.execute(deleted, [{"seq": seq} for seq in removed]))


@settings(deadline=None, max_examples=25)
@given(one=numbers, other=numbers, with_links=st.booleans())
def test_two_entries_that_changed_places_are_found(log: WholeLog, one: int, other: int, with_links: bool) -> None:
    """Swapped whole but for the number; or with the links left in place, so that only the content moves."""
    assume(one != other)
    moved = ("at", "actor", "action", "details") + (("previous_hash", "hash") if with_links else ())
    assigned = ", ".join(f"{field} = :{field}" for field in moved)

    def swap(table: Connection) -> None:
        if with_links:
            table.execute(text("UPDATE audit_entries SET previous_hash = 'moving' WHERE seq = :one"), {"one": one})
        for seq, row in ((other, log.entries[one - 1]), (one, log.entries[other - 1])):
            values = {field: row._mapping[field] for field in moved}
            table.execute(text(f"UPDATE audit_entries SET {assigned} WHERE seq = :seq"), {**values, "seq": seq})

    log.must_find(swap)


@settings(deadline=None, max_examples=25)
@given(copied=numbers, at=numbers)
def test_an_entry_that_was_put_in_is_found(log: WholeLog, copied: int, at: int) -> None:
    def put_in(table: Connection) -> None:
        for seq in range(ENTRIES, at - 1, -1):
            table.execute(text("UPDATE audit_entries SET seq = seq + 1 WHERE seq = :seq"), {"seq": seq})
        source = log.entries[copied - 1]._asdict()
        forged = {**source, "seq": at, "previous_hash": f"x{source['previous_hash'][1:]}"}
        table.execute(insert(audit_entries).values(forged))

    log.must_find(put_in)
