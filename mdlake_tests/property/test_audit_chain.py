"""Whatever one thing is changed in an audit log with a checkpoint at its head, `verify` finds it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdlake.errors import LedgerError
from mdlake.ledger import Checkpoint, Ledger
from mdlake.seals import AllowedSigners, SigningKey

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ALLOWED = AllowedSigners.parse(f"security {KEY.public_line}")
AT = datetime(2024, 6, 1, tzinfo=UTC)
ENTRIES = 6
FIELDS = ("at", "actor", "action", "details", "previous_hash", "hash")
Change = Callable[[sqlite3.Connection], object]

numbers = st.integers(1, ENTRIES)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)


@cache
def whole_log() -> tuple[bytes, Checkpoint]:
    """A ledger file with ENTRIES entries, and the checkpoint at its head, which it also stores."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        ledger = Ledger(f"sqlite:///{file}")
        ledger.upgrade()
        for number in range(ENTRIES):
            ledger.audit.append("operator", "key.used", {"number": number, "period": "1403-03"}, AT)
        checkpoint = ledger.audit.checkpoint(KEY, AT)
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return file.read_bytes(), checkpoint


def is_found(change: Change) -> None:
    content, kept = whole_log()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        file.write_bytes(content)
        ledger = Ledger(f"sqlite:///{file}")
        connection = sqlite3.connect(file)
        try:
            before = connection.execute("SELECT * FROM audit_entries ORDER BY seq").fetchall()
            with connection:
                connection.execute("DELETE FROM audit_checkpoints")
                change(connection)
            assume(connection.execute("SELECT * FROM audit_entries ORDER BY seq").fetchall() != before)
        except sqlite3.IntegrityError:
            assume(False)
        finally:
            connection.close()
        with pytest.raises(LedgerError, match=r"^audit entry"):
            ledger.audit.verify([kept], ALLOWED)


def test_the_log_is_whole_before_it_is_changed(tmp_path: Path) -> None:
    content, kept = whole_log()
    (tmp_path / "ledger.db").write_bytes(content)
    report = Ledger(f"sqlite:///{tmp_path}/ledger.db").audit.verify([kept], ALLOWED)
    assert (report.entries, report.checkpoints_checked) == (ENTRIES, 1)


@settings(deadline=None, max_examples=100)
@given(numbers, st.sampled_from(FIELDS), text | st.binary(max_size=8) | st.integers(-9, 9))
def test_a_field_set_to_anything_else_is_found(seq: int, field: str, value: object) -> None:
    is_found(lambda log: log.execute(f"UPDATE audit_entries SET {field} = ? WHERE seq = ?", (value, seq)))


@settings(deadline=None, max_examples=100)
@given(
    numbers,
    st.sampled_from(FIELDS),
    st.integers(0, 200),
    st.integers(0, 2),
    st.text('09af ",:{}Z', max_size=2),
)
def test_a_field_with_a_small_edit_is_found(seq: int, field: str, start: int, length: int, put: str) -> None:
    def edit(log: sqlite3.Connection) -> None:
        [(old,)] = log.execute(f"SELECT {field} FROM audit_entries WHERE seq = ?", (seq,))
        place = start % (len(old) + 1)
        new = old[:place] + put + old[place + length :]
        log.execute(f"UPDATE audit_entries SET {field} = ? WHERE seq = ?", (new, seq))

    is_found(edit)


@settings(deadline=None, max_examples=30)
@given(numbers, st.integers(-(2**63), 2**63 - 1) | st.integers(-2, ENTRIES + 3))
def test_an_entry_given_another_number_is_found(seq: int, other: int) -> None:
    is_found(lambda log: log.execute("UPDATE audit_entries SET seq = ? WHERE seq = ?", (other, seq)))


@settings(deadline=None, max_examples=30)
@given(st.sets(numbers, min_size=1))
def test_entries_that_were_removed_are_found(removed: set[int]) -> None:
    is_found(lambda log: log.executemany("DELETE FROM audit_entries WHERE seq = ?", [(seq,) for seq in removed]))


@settings(deadline=None, max_examples=30)
@given(numbers, numbers, st.booleans())
def test_two_entries_that_changed_places_are_found(one: int, other: int, with_links: bool) -> None:
    """Swapped whole but for the number; or with the links left in place, so that only the content moves."""
    assume(one != other)
    moved = ("at", "actor", "action", "details") + (("previous_hash", "hash") if with_links else ())

    def swap(log: sqlite3.Connection) -> None:
        rows = {
            seq: log.execute(f"SELECT {', '.join(moved)} FROM audit_entries WHERE seq = ?", (seq,)).fetchone()
            for seq in (one, other)
        }
        log.execute("UPDATE audit_entries SET previous_hash = 'moving' WHERE seq = ? AND ?", (one, with_links))
        for seq, row in ((other, rows[one]), (one, rows[other])):
            put = ", ".join(f"{field} = ?" for field in moved)
            log.execute(f"UPDATE audit_entries SET {put} WHERE seq = ?", (*row, seq))

    is_found(swap)


@settings(deadline=None, max_examples=30)
@given(numbers, numbers)
def test_an_entry_that_was_put_in_is_found(copied: int, at: int) -> None:
    def put_in(log: sqlite3.Connection) -> None:
        columns = "at, actor, action, details, 'x' || previous_hash, hash"
        for seq in range(ENTRIES, at - 1, -1):
            log.execute("UPDATE audit_entries SET seq = seq + 1 WHERE seq = ?", (seq,))
        source = copied if copied < at else copied + 1
        log.execute(f"INSERT INTO audit_entries SELECT ?, {columns} FROM audit_entries WHERE seq = ?", (at, source))

    is_found(put_in)
