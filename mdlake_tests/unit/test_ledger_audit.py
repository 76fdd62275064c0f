"""The audit log: its published form, what `verify` finds, checkpoints for another office, many writers."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, insert

import mdlake.ledger.audit
from mdlake.errors import LedgerError
from mdlake.ledger import Checkpoint, Ledger, tables
from mdlake.seals import AllowedSigners, SigningKey, generate_signing_key

AT = datetime(2024, 6, 1, 8, 30, tzinfo=UTC)
SIGNER = "security@ministry"


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    return Ledger(ledger_url)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return generate_signing_key(tmp_path / "keys" / "security", "")


@pytest.fixture
def five_entries(ledger: Ledger) -> Ledger:
    for number in range(1, 6):
        ledger.audit.append("operator", "key.used" if number % 2 else "gate.asked", {"number": number}, AT)
    return ledger


def tamper(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # as a forger who rules the server: SQLite looks at foreign keys only where it is asked to
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def allowed(key: SigningKey, options: str = "") -> AllowedSigners:
    return AllowedSigners.parse(f"{SIGNER} {options} {key.public_line}".replace("  ", " "))


# The chain


def test_an_entry_has_the_published_hash(ledger: Ledger) -> None:
    first = ledger.audit.append("مسئول", "key.used", {"ب": [1, None, True], "a": 'x/"é'}, AT)
    text = (
        '{"action":"key.used","actor":"مسئول","at":"2024-06-01T08:30:00.000000+00:00",'
        '"details":{"a":"x/\\"é","ب":[1,null,true]},"format":"mdlake-audit/1",'
        '"previous_hash":"0000000000000000000000000000000000000000000000000000000000000000","seq":1}'
    )
    assert first.hash == hashlib.sha256(text.encode()).hexdigest()
    assert first.hash == "85c9ea8dc3582ce35a8939a6d29b255b3f73ac7bd375fb80ace86b77f935704d"
    second = ledger.audit.append("operator", "gate.asked", {}, AT)
    assert (second.seq, second.previous_hash) == (2, first.hash)
    assert list(ledger.audit.entries()) == [first, second]
    assert ledger.audit.head() == second


def test_an_empty_log_is_whole_and_has_no_head(ledger: Ledger) -> None:
    report = ledger.audit.verify()
    assert (report.entries, report.head, report.checkpoints_checked) == (0, None, 0)
    assert ledger.audit.head() is None


def test_a_log_that_nobody_touched_is_whole(five_entries: Ledger) -> None:
    report = five_entries.audit.verify()
    assert (report.entries, report.head) == (5, five_entries.audit.head())


def test_entries_are_streamed_in_batches_after_a_number_and_by_action(
    five_entries: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in (1, 2, 5, 6):
        monkeypatch.setattr(mdlake.ledger.audit, "_BATCH", batch)
        assert [entry.seq for entry in five_entries.audit.entries()] == [1, 2, 3, 4, 5]
        assert [entry.seq for entry in five_entries.audit.entries(after=3)] == [4, 5]
        assert [entry.seq for entry in five_entries.audit.entries(after=1, action="key.used")] == [3, 5]
        assert five_entries.audit.verify().entries == 5


def test_a_reader_of_the_log_does_not_hold_up_a_writer(five_entries: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdlake.ledger.audit, "_BATCH", 2)
    reading = five_entries.audit.entries()
    next(reading)
    five_entries.audit.append("operator", "gate.asked", {}, AT)
    assert [entry.seq for entry in reading] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("details", "error"),
    [({"a": {1: 2}}, TypeError), ({"a": object()}, TypeError), ({"a": float("nan")}, ValueError)],
)
def test_details_without_one_json_form_are_refused(ledger: Ledger, details: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        ledger.audit.append("operator", "key.used", details, AT)
    assert ledger.audit.head() is None


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        ("UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3", 3, "hash does not match"),
        ("UPDATE audit_entries SET at = replace(at, '2024', '2023') WHERE seq = 2", 2, "hash does not match"),
        ("UPDATE audit_entries SET details = '{\"number\":7}' WHERE seq = 4", 4, "hash does not match"),
        ("UPDATE audit_entries SET details = '{\"number\": 4}' WHERE seq = 4", 4, "details are not the JSON"),
        ("UPDATE audit_entries SET details = '[' WHERE seq = 4", 4, "details are not the JSON"),
        ("UPDATE audit_entries SET details = '[]' WHERE seq = 4", 4, "details are not the JSON"),
        ("UPDATE audit_entries SET hash = previous_hash WHERE seq = 5", 5, "hash does not match"),
        ("UPDATE audit_entries SET previous_hash = 'f' WHERE seq = 1", 1, "chain broken"),
        ("DELETE FROM audit_entries WHERE seq = 1", 1, "gap"),
        ("DELETE FROM audit_entries WHERE seq = 3", 3, "gap"),
        ("UPDATE audit_entries SET seq = 9 WHERE seq = 3", 3, "gap"),
        ("UPDATE audit_entries SET seq = -3 WHERE seq = 3", 1, "gap"),
        (
            "INSERT INTO audit_entries VALUES (0, '', '', '', '{}', 'f', '')",
            1,
            "gap",
        ),
    ],
)
def test_a_changed_log_is_refused_with_the_first_bad_entry(
    five_entries: Ledger, ledger_url: str, statement: str, seq: int, what: str
) -> None:
    tamper(ledger_url, statement)
    with pytest.raises(LedgerError, match=rf"^audit entry {seq}: .*{what}"):
        five_entries.audit.verify()


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE audit_entries SET at = 20240601 WHERE seq = 3", "audit entry 3: .*hash does not match"),
        ("UPDATE audit_entries SET actor = x'00ff' WHERE seq = 3", "audit entry 3: .*hash does not match"),
        ("UPDATE audit_entries SET details = x'7b7d' WHERE seq = 3", "audit entry 3: .*details are not the JSON"),
        ("UPDATE audit_entries SET actor = CAST(x'ff' AS TEXT) WHERE seq = 3", "UTF-8"),
    ],
)
def test_what_only_sqlite_lets_into_a_column_is_refused(five_entries: Ledger, ledger_url: str, statement: str, what: str) -> None:
    tamper(ledger_url, statement)
    with pytest.raises(LedgerError, match=what):
        five_entries.audit.verify()


# Checkpoints


def test_a_checkpoint_is_stored_and_counted(five_entries: Ledger, key: SigningKey) -> None:
    checkpoint = five_entries.audit.checkpoint(key, AT)
    five_entries.audit.append("operator", "gate.asked", {}, AT)
    assert five_entries.audit.checkpoints() == (checkpoint,)
    assert five_entries.audit.verify((), allowed(key)).checkpoints_checked == 1
    assert five_entries.audit.verify([checkpoint], allowed(key)).checkpoints_checked == 1


def test_an_empty_log_has_nothing_to_sign(ledger: Ledger, key: SigningKey) -> None:
    with pytest.raises(LedgerError, match="empty"):
        ledger.audit.checkpoint(key, AT)


def test_a_written_checkpoint_is_accepted_by_ssh_keygen(five_entries: Ledger, key: SigningKey, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.fail("this test needs ssh-keygen (Debian: openssh-client)")
    path = five_entries.audit.checkpoint(key, AT).write(tmp_path / "checkpoints")
    (tmp_path / "allowed").write_text(f'{SIGNER} namespaces="mdlake-checkpoint" {key.public_line}\n')
    arguments = [
        "-Y",
        "verify",
        "-f",
        "allowed",
        "-I",
        SIGNER,
        "-n",
        "mdlake-checkpoint",
        "-s",
        f"{path}.sig",
    ]
    ran = subprocess.run(["ssh-keygen", *arguments], cwd=tmp_path, input=path.read_bytes(), check=False)
    assert ran.returncode == 0
    assert json.loads(path.read_bytes()) == {
        "format": "mdlake-checkpoint/1",
        "seq": 5,
        "hash": getattr(five_entries.audit.head(), "hash", None),
        "at": "2024-06-01T08:30:00.000000+00:00",
    }


def test_a_checkpoint_is_read_as_written_and_never_written_over(five_entries: Ledger, key: SigningKey, tmp_path: Path) -> None:
    checkpoint = five_entries.audit.checkpoint(key, AT)
    path = checkpoint.write(tmp_path / "checkpoints")
    assert path.name == "5.json"
    assert checkpoint.write(path.parent) == path
    assert Checkpoint.read(path) == checkpoint
    with pytest.raises(LedgerError, match="already there"):
        five_entries.audit.checkpoint(key, AT + timedelta(days=1)).write(path.parent)
    assert Checkpoint.read(path) == checkpoint


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"at":"2024-06-01T08:30:00.000000+00:00","format":"mdlake-checkpoint/2","hash":"f","seq":5}',
        b'{"at":"2024-06-01T08:30:00.000000+00:00","format":"mdlake-checkpoint/1","hash":"f","seq":5}\n',
        b'{"at":"2024-06-01T08:30:00.000000+00:00","format":"mdlake-checkpoint/1","hash":"f","seq":true}',
        b'{"at":"2024-06-01T08:30:00Z","format":"mdlake-checkpoint/1","hash":"f","seq":5}',
        b'{"at":5,"format":"mdlake-checkpoint/1","hash":"f","seq":5}',
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, document: bytes) -> None:
    (tmp_path / "5.json").write_bytes(document)
    (tmp_path / "5.json.sig").write_text("signature")
    with pytest.raises(LedgerError, match="not a checkpoint"):
        Checkpoint.read(tmp_path / "5.json")


def test_a_checkpoint_without_its_signature_file_is_refused(five_entries: Ledger, key: SigningKey, tmp_path: Path) -> None:
    path = five_entries.audit.checkpoint(key, AT).write(tmp_path)
    os.unlink(f"{path}.sig")
    with pytest.raises(LedgerError, match="signature beside it"):
        Checkpoint.read(path)


def test_a_log_that_was_cut_off_is_found_by_a_checkpoint_kept_elsewhere(
    five_entries: Ledger, key: SigningKey, ledger_url: str
) -> None:
    kept = five_entries.audit.checkpoint(key, AT)
    tamper(ledger_url, "DELETE FROM audit_checkpoints", "DELETE FROM audit_entries WHERE seq > 3")
    assert five_entries.audit.verify().entries == 3
    with pytest.raises(LedgerError, match=r"^audit entry 4: missing tail: .* names entry 5, .* ends at 3"):
        five_entries.audit.verify([kept])
    tamper(ledger_url, "DELETE FROM audit_entries")
    with pytest.raises(LedgerError, match=r"^audit entry 1: missing tail"):
        five_entries.audit.verify([kept])


def test_a_log_that_was_cut_off_is_found_by_its_own_checkpoint_too(
    five_entries: Ledger, key: SigningKey, ledger_url: str
) -> None:
    five_entries.audit.checkpoint(key, AT)
    tamper(ledger_url, "DELETE FROM audit_entries WHERE seq > 3")
    with pytest.raises(LedgerError, match="missing tail"):
        five_entries.audit.verify()


def test_a_tail_that_was_written_anew_is_found_by_a_checkpoint_kept_elsewhere(
    five_entries: Ledger, key: SigningKey, ledger_url: str
) -> None:
    kept = five_entries.audit.checkpoint(key, AT)
    tamper(ledger_url, "DELETE FROM audit_checkpoints", "DELETE FROM audit_entries WHERE seq > 3")
    for _ in range(3):
        five_entries.audit.append("forger", "gate.asked", {}, AT)
    assert five_entries.audit.verify().entries == 6
    with pytest.raises(LedgerError, match=r"^audit entry 5: .*not the one in the signed checkpoint"):
        five_entries.audit.verify([kept])


@pytest.mark.parametrize("options", ['namespaces="file"', 'valid-before="20240101Z"', 'valid-after="20250101Z"'], ids=str)
def test_a_checkpoint_by_a_key_that_may_not_sign_it_is_refused(five_entries: Ledger, key: SigningKey, options: str) -> None:
    five_entries.audit.checkpoint(key, AT)
    with pytest.raises(LedgerError, match=r"^audit entry 5: the signature of its checkpoint does not hold"):
        five_entries.audit.verify((), allowed(key, options))


def test_a_checkpoint_by_a_stranger_or_of_a_changed_statement_is_refused(
    five_entries: Ledger, key: SigningKey, tmp_path: Path
) -> None:
    kept = five_entries.audit.checkpoint(key, AT)
    stranger = generate_signing_key(tmp_path / "stranger", "")
    with pytest.raises(LedgerError, match="not an allowed one"):
        five_entries.audit.verify((), allowed(stranger))
    head = five_entries.audit.append("operator", "gate.asked", {}, AT)
    forged = Checkpoint(head.seq, head.hash, kept.at, kept.signature)
    with pytest.raises(LedgerError, match=r"^audit entry 6: the signature"):
        five_entries.audit.verify([forged], allowed(key))


def test_a_checkpoint_of_a_key_that_expired_later_still_holds(five_entries: Ledger, key: SigningKey) -> None:
    five_entries.audit.checkpoint(key, AT)
    assert five_entries.audit.verify((), allowed(key, 'valid-before="20240701Z"')).checkpoints_checked == 1


# Many writers


def append_fifty(url: str, writer: int) -> None:
    ledger = Ledger(url)
    for number in range(50):
        ledger.audit.append(f"writer {writer}", "key.used", {"number": number}, AT)


def test_four_processes_append_to_one_chain(ledger: Ledger, ledger_url: str) -> None:
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
        assert list(processes.map(append_fifty, [ledger_url] * 4, range(4))) == [None] * 4
    assert ledger.audit.verify().entries == 200
    by_writer: dict[str, list[object]] = {}
    for entry in ledger.audit.entries():
        by_writer.setdefault(entry.actor, []).append(entry.details["number"])
    assert by_writer == {f"writer {writer}": list(range(50)) for writer in range(4)}


def test_a_writer_that_was_overtaken_starts_again_and_gives_up_in_the_end(ledger: Ledger) -> None:
    first = ledger.audit.append("operator", "gate.asked", {}, AT)
    row = {**vars(first), "details": "{}"}
    tries: list[int] = []

    def overtaken(connection: Connection, times: int) -> int:
        tries.append(times)
        if len(tries) <= times:
            connection.execute(insert(tables.audit_entries).values(row))
        return len(tries)

    assert ledger._database.write(lambda connection: overtaken(connection, 3)) == 4
    tries.clear()
    with pytest.raises(LedgerError, match=r"IntegrityError: UNIQUE|UniqueViolation: duplicate key"):
        ledger._database.write(lambda connection: overtaken(connection, 1000))
    assert len(tries) == 10
    assert ledger.audit.verify().entries == 1
