"""Accepted decisions: each is an entry of the audit chain, and tables beside it find those about something.

The entry is the record, with the hashes of the file and of each signature; the tables only lead to it, so that changing
them makes no decision: whatever is read goes through the entry. Not here: whether a decision was rightly signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, insert, select

from mdlake.errors import LedgerError
from mdlake.ledger.audit import AuditEntry, AuditLog, append_entry, read_entry
from mdlake.ledger.database import Database
from mdlake.ledger.records import AcceptedDecision, moment, moment_text
from mdlake.ledger.tables import audit_entries, decision_subjects, decisions

__all__ = ["DecisionIndex"]

_ACTION = "decision.accepted"
_PAGE = 20
"""The gate seldom needs more than the newest decision about something."""


class DecisionIndex:
    """The accepted decisions of a ledger; every method raises LedgerError if the ledger is absent or was changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, decision: AcceptedDecision) -> AcceptedDecision:
        """Record a decision. Recorded again as it stands it is returned as first recorded.

        Raises LedgerError if another decision has its id.
        """
        return self._database.write(lambda connection: _accept(connection, decision))

    def get(self, decision_id: str) -> AcceptedDecision | None:
        """The decision of that id, or None."""
        with self._database.reading() as connection:
            return _find(connection, decision_id)

    def about(
        self, kind: str, subject: str, at: datetime, days: tuple[date, date] | None = None, *, live: bool = True
    ) -> Iterator[AcceptedDecision]:
        """The decisions of a kind about something that were accepted at a time, newest first, read as they are asked for.

        Args:
            days: only those that cover everything from the first of these days to the last.
            live: only those that had begun and not ended then.
        """
        named = select(decision_subjects.c.decision_id).where(
            decision_subjects.c.kind == kind, decision_subjects.c.subject == subject
        )
        query = _accepted(at).where(decisions.c.decision_id.in_(named)).order_by(decisions.c.audit_seq.desc())
        if days is not None:
            first, last = (day.isoformat() for day in days)
            query = query.where(decisions.c.first_day.is_(None) | (decisions.c.first_day <= first))
            query = query.where(decisions.c.last_day.is_(None) | (decisions.c.last_day >= last))
        if live:
            text = moment_text(at)
            query = query.where(decisions.c.begins_at <= text, decisions.c.ends_at.is_(None) | (decisions.c.ends_at > text))
        before: int | None = None
        while True:
            page = (query if before is None else query.where(decisions.c.audit_seq < before)).limit(_PAGE)
            with self._database.reading() as connection:
                rows = connection.execute(page).all()
            # a forged line of the table leads to a decision that is about something else
            yield from (found for found in map(_decision, rows) if found.kind == kind and subject in found.subjects)
            if len(rows) < _PAGE:
                return
            before = rows[-1].audit_seq

    def verify(self) -> int:
        """Hold the tables against the whole audit log, and return how many decisions were accepted.

        Raises LedgerError naming the decisions that the tables hide, add or show otherwise than the log does.
        """
        logged = dict(_indexed(entry) for entry in AuditLog(self._database).entries(action=_ACTION))
        stored: dict[str, _Indexed] = {}
        with self._database.reading() as connection:
            for row in connection.execute(select(decisions)):
                stored[row.decision_id] = _Indexed(row._asdict(), set())
            for row in connection.execute(select(decision_subjects)):
                stored.setdefault(row.decision_id, _Indexed({}, set())).subjects.add((row.kind, row.subject))
        different = sorted(name for name in {*logged, *stored} if logged.get(name) != stored.get(name))
        if different:
            raise _otherwise(", ".join(different[:5]) + (", …" if len(different) > 5 else ""))
        return len(logged)

    def ids(self, at: datetime) -> frozenset[str]:
        """The ids of all that were accepted at a time."""
        query = select(decisions.c.decision_id).where(decisions.c.accepted_at <= moment_text(at))
        with self._database.reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def all(self, at: datetime) -> tuple[AcceptedDecision, ...]:
        """Every decision that was accepted at a time, oldest first."""
        with self._database.reading() as connection:
            return tuple(map(_decision, connection.execute(_accepted(at).order_by(decisions.c.audit_seq))))


_ENTRY = [audit_entries.c[name] for name in ("seq", "at", "actor", "action", "details", "previous_hash", "hash")]


def _joined() -> Select[Any]:
    return select(decisions, *_ENTRY).join_from(decisions, audit_entries, decisions.c.audit_seq == audit_entries.c.seq)


def _accepted(at: datetime) -> Select[Any]:
    return _joined().where(decisions.c.accepted_at <= moment_text(at))


def _find(connection: Connection, decision_id: str) -> AcceptedDecision | None:
    row = connection.execute(_joined().where(decisions.c.decision_id == decision_id)).first()
    return None if row is None else _decision(row)


def _accept(connection: Connection, decision: AcceptedDecision) -> AcceptedDecision:
    known = _find(connection, decision.decision_id)
    if known is not None:
        if known.sha256 != decision.sha256:
            raise LedgerError(
                "another decision was accepted under this id",
                where=decision.decision_id,
                next_step="A decision is never changed: draft a new one under an id of its own.",
            )
        return known
    details = {
        "decision_id": decision.decision_id,
        "kind": decision.kind,
        "subjects": decision.subjects,
        "first_day": decision.first_day.isoformat() if decision.first_day else None,
        "last_day": decision.last_day.isoformat() if decision.last_day else None,
        "begins_at": moment_text(decision.begins_at),
        "ends_at": moment_text(decision.ends_at) if decision.ends_at else None,
        "sha256": decision.sha256,
        "signatures": decision.signatures,
    }
    decision_id, indexed = _indexed(append_entry(connection, "mdlake", _ACTION, details, decision.accepted_at))
    connection.execute(insert(decisions).values(indexed.fields))
    for kind, subject in sorted(indexed.subjects):
        connection.execute(insert(decision_subjects).values(kind=kind, subject=subject, decision_id=decision_id))
    return decision


class _Indexed(NamedTuple):
    """What the tables say of one decision: the line of `decisions`, and kinds with subjects."""

    fields: dict[str, Any]
    subjects: set[tuple[str, str]]


def _indexed(entry: AuditEntry) -> tuple[str, _Indexed]:
    """What the tables must say of the decision that an entry records, by its id."""
    details: Any = entry.details
    fields = {name: details[name] for name in ("decision_id", "kind", "begins_at", "ends_at", "first_day", "last_day")}
    subjects = {(details["kind"], subject) for subject in details["subjects"]}
    return details["decision_id"], _Indexed({**fields, "accepted_at": entry.at, "audit_seq": entry.seq}, subjects)


def _decision(row: Row[Any]) -> AcceptedDecision:
    """What the chain says, if it still says what was written and the table leads to the entry of this decision.

    Raises LedgerError otherwise.
    """
    entry = read_entry(row)
    details: Any = entry.details
    decision_id: str = row.decision_id
    if entry.action != _ACTION or details["decision_id"] != decision_id or row.accepted_at != entry.at:
        raise _otherwise(decision_id)
    return AcceptedDecision(
        decision_id=details["decision_id"],
        kind=details["kind"],
        subjects=tuple(details["subjects"]),
        first_day=date.fromisoformat(details["first_day"]) if details["first_day"] else None,
        last_day=date.fromisoformat(details["last_day"]) if details["last_day"] else None,
        begins_at=moment(details["begins_at"]),
        ends_at=moment(details["ends_at"]) if details["ends_at"] else None,
        accepted_at=moment(entry.at),
        sha256=details["sha256"],
        signatures=details["signatures"],
    )


def _otherwise(decision_ids: str) -> LedgerError:
    return LedgerError(
        "the table of decisions does not say what the audit log does",
        where=f"decision {decision_ids}",
        next_step="Keep the ledger as it is for the security review, and compare it with the last backup.",
    )
