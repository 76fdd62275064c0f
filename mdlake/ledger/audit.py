"""The audit log: who did what, when, in a chain of hashes that no one can change in the middle unseen.

Here: appending, reading and verifying entries, and the signed checkpoints that another office holds,
because a chain alone does not show that its end was cut off or written anew. Not here: what deserves an
entry.

An entry's `hash` is the SHA-256 (hex) of the UTF-8 canonical JSON of `{"action", "actor", "at", "details",
"format": "mdlake-audit/1", "previous_hash", "seq"}`; `previous_hash` is the hash of the entry before, 64
zeros for the first; `seq` counts from 1 without a gap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from mdlake.errors import LedgerError, SealError
from mdlake.ledger.database import Database
from mdlake.ledger.records import canonical_json, moment, moment_text
from mdlake.ledger.tables import audit_checkpoints, audit_entries
from mdlake.seals import AllowedSigners, SigningKey, sign, signer_of

__all__ = ["AuditEntry", "AuditLog", "AuditReport", "Checkpoint", "append_entry", "read_entry"]

_ENTRY_FORMAT = "mdlake-audit/1"
_CHECKPOINT_FORMAT = "mdlake-checkpoint/1"
_NAMESPACE = "mdlake-checkpoint"
_GENESIS = "0" * 64
_BATCH = 1000
_RESTORE = "Keep the ledger as it is for the security review, and compare it with the last backup."


@dataclass(frozen=True)
class AuditEntry:
    """One act. `at` is UTC ISO-8601 text; `details` is a JSON object of names, codes, counts and hashes."""

    seq: int
    at: str
    actor: str
    action: str
    details: Mapping[str, object]
    previous_hash: str
    hash: str

    @property
    def computed_hash(self) -> str:
        """The hash that the other fields call for; an entry that was not changed has it as `hash`."""
        hashed = {name: value for name, value in vars(self).items() if name != "hash"}
        return hashlib.sha256(canonical_json({"format": _ENTRY_FORMAT, **hashed}).encode()).hexdigest()


@dataclass(frozen=True)
class AuditReport:
    """What `AuditLog.verify` went through: how many entries, the last of them, how many checkpoints."""

    entries: int
    head: AuditEntry | None
    checkpoints_checked: int


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement that entry `seq` had this `hash` at the time `at` (UTC ISO-8601 text)."""

    seq: int
    hash: str
    at: str
    signature: str

    @property
    def document(self) -> bytes:
        """What is signed, in the namespace `mdlake-checkpoint`: canonical JSON without a line end."""
        return canonical_json({"format": _CHECKPOINT_FORMAT, "seq": self.seq, "hash": self.hash, "at": self.at}).encode()

    def write(self, folder: Path) -> Path:
        """Write `<seq>.json` (returned) and `<seq>.json.sig`, which `ssh-keygen -Y verify` accepts.

        Raises LedgerError if another checkpoint of the entry is already there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.seq}.json"
        for file, data in ((path, self.document), (_signature_path(path), self.signature.encode())):
            try:
                with file.open("xb") as new:
                    new.write(data)
            except FileExistsError:
                if file.read_bytes() != data:
                    raise LedgerError(
                        f"another checkpoint of entry {self.seq} is already there",
                        where=str(file),
                        next_step="Write to another folder; a checkpoint is never written over.",
                    ) from None
        return path

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read what `write` wrote, signature unchecked. Raises LedgerError if it is anything else."""
        try:
            document = path.read_bytes()
            signature = _signature_path(path).read_bytes().decode("ascii")
            fields = json.loads(document)
            checkpoint = cls(fields["seq"], fields["hash"], fields["at"], signature)
            moment(checkpoint.at)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            checkpoint = None
        if checkpoint is None or checkpoint.document != document or type(checkpoint.seq) is not int:
            raise LedgerError(
                "this is not a checkpoint with its signature beside it",
                where=str(path),
                next_step="Fetch <seq>.json and <seq>.json.sig again from the office that holds them.",
            )
        return checkpoint


def _signature_path(path: Path) -> Path:
    return path.with_name(path.name + ".sig")


class AuditLog:
    """The audit log of a ledger; every method raises LedgerError if the ledger is absent or behind."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, actor: str, action: str, details: Mapping[str, object], at: datetime) -> AuditEntry:
        """Add an entry at the end, safely beside other processes. `details` never holds a cell value.

        Raises TypeError if `details` has no JSON form, ValueError for NaN in it or if `at` has no time zone.
        """
        return self._database.write(lambda connection: append_entry(connection, actor, action, details, at))

    def entries(self, after: int = 0, action: str | None = None) -> Iterator[AuditEntry]:
        """The entries with `seq` greater than `after`, in order, a thousand in memory at a time.

        Raises LedgerError at an entry whose details were changed beyond reading.
        """
        return self._stream(after, action)

    def head(self) -> AuditEntry | None:
        """The last entry, or None in an empty log."""
        with self._database.reading() as connection:
            return _head(connection)

    def checkpoint(self, key: SigningKey, at: datetime) -> Checkpoint:
        """Sign the present head and store the statement.

        Verify first: a signature on a log that was already changed vouches for the change. Raises LedgerError
        if the log is empty.
        """
        return self._database.write(lambda connection: _add_checkpoint(connection, key, moment_text(at)))

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints stored in the ledger itself, oldest first."""
        columns = [audit_checkpoints.c[name] for name in ("seq", "hash", "at", "signature")]
        with self._database.reading() as connection:
            rows = connection.execute(select(*columns).order_by(audit_checkpoints.c.checkpoint_id))
            return tuple(Checkpoint(*row) for row in rows)

    def verify(self, checkpoints: Iterable[Checkpoint] = (), allowed_signers: AllowedSigners | None = None) -> AuditReport:
        """Go through the whole log, and hold it against `checkpoints` and those stored in the ledger.

        Only checkpoints kept elsewhere show that the end of the log was removed or written anew. With
        `allowed_signers`, each signature must be by one of them, allowed at the time the checkpoint names.
        Raises LedgerError naming the first bad entry and what is wrong with it.
        """
        stated = _by_entry(set(chain(checkpoints, self.checkpoints())), allowed_signers)
        head: AuditEntry | None = None
        for entry in self._stream(None, None):
            _require_next(entry, head)
            for checkpoint in stated.get(entry.seq, ()):
                if checkpoint.hash != entry.hash:
                    raise _broken(entry.seq, "its hash is not the one in the signed checkpoint")
            head = entry
        length = head.seq if head else 0
        beyond = [seq for seq in stated if not 1 <= seq <= length]
        if beyond:
            raise _broken(
                length + 1,
                f"missing tail: a checkpoint names entry {min(beyond)}, and the log ends at {length}",
            )
        return AuditReport(length, head, sum(map(len, stated.values())))

    def _stream(self, after: int | None, action: str | None) -> Iterator[AuditEntry]:
        # In batches by key, so that a slow reader holds no transaction open.
        query = select(audit_entries).order_by(audit_entries.c.seq).limit(_BATCH)
        if action is not None:
            query = query.where(audit_entries.c.action == action)
        while True:
            page = query if after is None else query.where(audit_entries.c.seq > after)
            with self._database.reading() as connection:
                rows = connection.execute(page).all()
            yield from map(_entry, rows)
            if len(rows) < _BATCH:
                return
            after = rows[-1].seq


def append_entry(connection: Connection, actor: str, action: str, details: Mapping[str, object], at: datetime) -> AuditEntry:
    """Add an entry in the transaction of `Database.write` that also writes the record it tells of."""
    columns = audit_entries.c
    head = connection.execute(select(columns.seq, columns.hash).order_by(columns.seq.desc()).limit(1)).first()
    seq, previous_hash = (head.seq + 1, head.hash) if head else (1, _GENESIS)
    text = canonical_json(details)
    unsealed = AuditEntry(seq, moment_text(at), actor, action, json.loads(text), previous_hash, "")
    entry = replace(unsealed, hash=unsealed.computed_hash)
    connection.execute(insert(audit_entries).values(vars(entry) | {"details": text}))
    return entry


def _head(connection: Connection) -> AuditEntry | None:
    row = connection.execute(select(audit_entries).order_by(audit_entries.c.seq.desc()).limit(1)).first()
    return None if row is None else _entry(row)


def _entry(row: Row[Any]) -> AuditEntry:
    """Raises LedgerError if the details are not canonical: the hash covers one form, so no other passes."""
    try:
        details = json.loads(row.details)
        canonical = isinstance(details, dict) and canonical_json(details) == row.details
    except (TypeError, ValueError, RecursionError):
        canonical = False
    if not canonical:
        raise _broken(row.seq, "its details are not the JSON that was written")
    return AuditEntry(row.seq, row.at, row.actor, row.action, details, row.previous_hash, row.hash)


def read_entry(row: Row[Any]) -> AuditEntry:
    """The entry in the columns of `audit_entries`. Raises LedgerError if it is not what its hash was made of."""
    entry = _entry(row)
    _require_own_hash(entry)
    return entry


def _require_own_hash(entry: AuditEntry) -> None:
    try:
        holds = entry.computed_hash == entry.hash
    except (TypeError, ValueError):
        holds = False
    if not holds:
        raise _broken(entry.seq, "its hash does not match what it says")


def _require_next(entry: AuditEntry, previous: AuditEntry | None) -> None:
    expected_seq, expected_hash = (previous.seq + 1, previous.hash) if previous else (1, _GENESIS)
    if entry.seq != expected_seq:
        raise _broken(expected_seq, f"gap: it is missing, and entry {entry.seq} stands in its place")
    if entry.previous_hash != expected_hash:
        raise _broken(entry.seq, "chain broken: it does not follow from the entry before it")
    _require_own_hash(entry)


def _by_entry(checkpoints: Iterable[Checkpoint], allowed_signers: AllowedSigners | None) -> dict[int, list[Checkpoint]]:
    """The checkpoints by the entry they name, signatures checked if there is a list to check them by."""
    by_entry: dict[int, list[Checkpoint]] = {}
    for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint.seq):
        if allowed_signers is not None:
            _require_signature(checkpoint, allowed_signers)
        by_entry.setdefault(checkpoint.seq, []).append(checkpoint)
    return by_entry


def _require_signature(checkpoint: Checkpoint, allowed_signers: AllowedSigners) -> None:
    try:
        at = moment(checkpoint.at)
        signer_of(checkpoint.document, checkpoint.signature, allowed_signers, _NAMESPACE, at)
    except (SealError, ValueError) as error:
        raise _broken(checkpoint.seq, f"the signature of its checkpoint does not hold ({error})") from error


def _add_checkpoint(connection: Connection, key: SigningKey, at: str) -> Checkpoint:
    head = _head(connection)
    if head is None:
        raise LedgerError(
            "the log is empty, so there is nothing to sign",
            where="audit log",
            next_step="Sign a checkpoint after the first entry.",
        )
    unsigned = Checkpoint(head.seq, head.hash, at, "")
    checkpoint = Checkpoint(head.seq, head.hash, at, sign(unsigned.document, key, _NAMESPACE))
    connection.execute(insert(audit_checkpoints).values(asdict(checkpoint)))
    return checkpoint


def _broken(seq: int, what: str) -> LedgerError:
    return LedgerError(what, where=f"audit entry {seq}", next_step=_RESTORE)
