"""The outbox of messages to people: since when who is told of what, which events a message tells, and what became of it.

An event is told to a receiver once, and everything about a message is written down before and after it is handed over: a
process that is killed in between leaves a message that is tried again under the same id. Not here: what an event means to a
reader, or how a message travels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mdlake.ledger.audit import append_entry
from mdlake.ledger.database import Database
from mdlake.ledger.records import canonical_json, moment, moment_text
from mdlake.ledger.tables import alert_events, alert_messages, alert_subscriptions

__all__ = ["AlertEvent", "AlertMessage", "AlertOutbox", "Subscription"]

_ACTOR = "mdlake"
_UNROUTED = "no route of the configuration leads to this receiver any more"

MessageState = Literal["waiting", "delivered", "undeliverable"]


@dataclass(frozen=True)
class AlertEvent:
    """Something that people are told of.

    Attributes:
        event: its identity, the same however often it is looked at.
        facts: names, codes, counts and periods; never a cell value.
    """

    event: str
    kind: str
    happened_at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Subscription:
    """That a receiver is told of a kind of event: of what happens `since`; everything before `looked_until` was looked at."""

    kind: str
    receiver: str
    since: datetime
    looked_until: datetime


@dataclass(frozen=True)
class AlertMessage:
    """Events that are told to one receiver together.

    Attributes:
        attempts: how often somebody set out to hand it over.
        next_at: before this moment nobody tries (again).
        fault: why the last attempt failed.
        settled_at: when it was delivered, or given up.
    """

    message_id: str
    receiver: str
    created_at: datetime
    state: MessageState
    attempts: int
    next_at: datetime
    fault: str | None
    settled_at: datetime | None
    events: tuple[AlertEvent, ...]


class AlertOutbox:
    """The messages of a ledger; every method raises LedgerError if the ledger is absent or behind this program."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Who is told of what, by kind and receiver."""
        columns = alert_subscriptions.c
        with self._database.reading() as connection:
            rows = connection.execute(select(alert_subscriptions).order_by(columns.kind, columns.receiver))
            return tuple(Subscription(row.kind, row.receiver, moment(row.since), moment(row.looked_until)) for row in rows)

    def subscribe(self, wanted: Iterable[tuple[str, str]], at: datetime) -> tuple[Subscription, ...]:
        """Let exactly these (kind, receiver) be told, the new ones of what happens from now on.

        What waits for a receiver that is told of nothing any more is given up.
        """
        pairs = frozenset(wanted)
        known = self.subscriptions()
        if pairs != {(one.kind, one.receiver) for one in known}:
            self._database.write(lambda connection: _subscribe(connection, pairs, at))
            known = self.subscriptions()
        return known

    def post(self, told: Mapping[str, Sequence[AlertEvent]], at: datetime) -> int:
        """Put what each receiver was not told yet into one message to it, and note that everything until now was looked at.

        Returns:
            How many messages were written.
        """
        return self._database.write(lambda connection: _post(connection, told, at))

    def due(self, at: datetime) -> tuple[AlertMessage, ...]:
        """The messages that wait and may be tried now, oldest first."""
        waiting = (alert_messages.c.state == "waiting", alert_messages.c.next_at <= moment_text(at))
        with self._database.reading() as connection:
            return _messages(connection, *waiting)

    def waiting(self) -> int:
        """How many messages wait."""
        query = select(func.count()).select_from(alert_messages).where(alert_messages.c.state == "waiting")
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def messages(self) -> tuple[AlertMessage, ...]:
        """All messages, oldest first."""
        with self._database.reading() as connection:
            return _messages(connection)

    def claim(self, message: AlertMessage, at: datetime, again_at: datetime) -> bool:
        """Set out to hand a message over: until `again_at` no other process does. False if another came first."""
        same = (alert_messages.c.message_id == message.message_id, alert_messages.c.state == "waiting")
        due = (alert_messages.c.next_at <= moment_text(at), alert_messages.c.attempts == message.attempts)
        values = {"attempts": message.attempts + 1, "next_at": moment_text(again_at)}
        statement = update(alert_messages).where(*same, *due).values(values)
        return self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    def delivered(self, message: AlertMessage, at: datetime) -> None:
        """Record that a server took a message."""
        self._database.write(lambda connection: _settle(connection, message, "delivered", None, at))

    def failed(self, message: AlertMessage, fault: str, at: datetime, *, for_good: bool) -> None:
        """Record why an attempt failed; `for_good`: nobody tries again by itself."""
        if for_good:
            self._database.write(lambda connection: _settle(connection, message, "undeliverable", fault, at))
            return
        statement = update(alert_messages).where(alert_messages.c.message_id == message.message_id).values(fault=fault)
        self._database.write(lambda connection: connection.execute(statement))

    def try_again(self, at: datetime) -> int:
        """Let every message that was given up, and every one that waits, be tried at once; how many that are."""
        values = {"state": "waiting", "attempts": 0, "next_at": moment_text(at), "settled_at": None}
        statement = update(alert_messages).where(alert_messages.c.state != "delivered").values(values)
        return self._database.write(lambda connection: connection.execute(statement).rowcount)


def _subscribe(connection: Connection, pairs: frozenset[tuple[str, str]], at: datetime) -> None:
    columns = alert_subscriptions.c
    known = {(row.kind, row.receiver) for row in connection.execute(select(columns.kind, columns.receiver))}
    for kind, receiver in known - pairs:
        connection.execute(delete(alert_subscriptions).where(columns.kind == kind, columns.receiver == receiver))
    for kind, receiver in sorted(pairs - known):
        values = {"kind": kind, "receiver": receiver, "since": moment_text(at), "looked_until": moment_text(at)}
        connection.execute(insert(alert_subscriptions).values(values))
    changes = {"told": sorted(map(list, pairs - known)), "not_told": sorted(map(list, known - pairs))}
    append_entry(connection, _ACTOR, "alerts.routed", changes, at)
    left = {receiver for _, receiver in pairs}
    for message in _messages(connection, alert_messages.c.state == "waiting"):
        if message.receiver not in left:
            _settle(connection, message, "undeliverable", _UNROUTED, at)


def _post(connection: Connection, told: Mapping[str, Sequence[AlertEvent]], at: datetime) -> int:
    written = 0
    for receiver, events in told.items():
        before = select(alert_events.c.event).where(alert_events.c.receiver == receiver)
        known = frozenset(connection.execute(before.where(alert_events.c.event.in_([e.event for e in events]))).scalars())
        new = {event.event: event for event in events if event.event not in known}
        if new:
            _write(connection, receiver, new, at)
            written += 1
    connection.execute(update(alert_subscriptions).values(looked_until=moment_text(at)))
    return written


def _write(connection: Connection, receiver: str, events: Mapping[str, AlertEvent], at: datetime) -> None:
    # of what is told, so that no other message can have it
    message_id = hashlib.sha256("\n".join((receiver, *sorted(events))).encode()).hexdigest()[:32]
    now = moment_text(at)
    values = {
        "message_id": message_id,
        "receiver": receiver,
        "created_at": now,
        "state": "waiting",
        "attempts": 0,
        "next_at": now,
    }
    connection.execute(insert(alert_messages).values(values))
    rows = [
        vars(event)
        | {"receiver": receiver, "message_id": message_id}
        | {"happened_at": moment_text(event.happened_at), "facts": canonical_json(event.facts)}
        for event in events.values()
    ]
    connection.execute(insert(alert_events), rows)


def _settle(connection: Connection, message: AlertMessage, state: MessageState, fault: str | None, at: datetime) -> None:
    same = alert_messages.c.message_id == message.message_id
    connection.execute(update(alert_messages).where(same).values(state=state, fault=fault, settled_at=moment_text(at)))
    details = {"message_id": message.message_id, "receiver": message.receiver, "events": len(message.events)}
    append_entry(connection, _ACTOR, f"alert.{state}", details, at)


def _messages(connection: Connection, *conditions: Any) -> tuple[AlertMessage, ...]:
    query = select(alert_messages).where(*conditions).order_by(alert_messages.c.created_at, alert_messages.c.message_id)
    rows = connection.execute(query).all()
    named = select(alert_messages.c.message_id).where(*conditions)
    events: dict[str, list[AlertEvent]] = {row.message_id: [] for row in rows}
    told = select(alert_events).where(alert_events.c.message_id.in_(named))
    for row in connection.execute(told.order_by(alert_events.c.happened_at, alert_events.c.event)):
        event = AlertEvent(row.event, row.kind, moment(row.happened_at), json.loads(row.facts))
        events.setdefault(row.message_id, []).append(event)
    return tuple(_message(row, events[row.message_id]) for row in rows)


def _message(row: Row[Any], events: Sequence[AlertEvent]) -> AlertMessage:
    fields = dict(row._mapping)
    moments = {name: moment(fields[name]) for name in ("created_at", "next_at")}
    settled_at = moment(row.settled_at) if row.settled_at else None
    return AlertMessage(**fields | moments | {"settled_at": settled_at, "events": tuple(events)})
