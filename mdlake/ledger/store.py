"""The ledger as the rest of the house sees it: record a delivery or a verdict, and ask for them.

Here: what makes a record the same as one already there, and its audit entry in the same transaction. Not
here: connections and migrations (`database`), the chain of hashes (`audit`), what a verdict follows from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, case, func, insert, select, update

from mdlake.errors import LedgerError
from mdlake.ledger.alerts import AlertOutbox
from mdlake.ledger.audit import AuditLog, append_entry
from mdlake.ledger.database import Database
from mdlake.ledger.decisions import DecisionIndex
from mdlake.ledger.records import Delivery, MonthClose, Package, Submission, Verdict, canonical_json, moment, moment_text
from mdlake.ledger.tables import deliveries, month_closes, packages, pins, verdicts

__all__ = ["Ledger"]

_ACTOR = "mdlake"
_CHANGING = ("sequence", "file_name", "declared_rows", "contract_version", "state", "reason", "message")
"""What may become different of a delivery whose file is known."""


class Ledger:
    """The control records of a lake. Making the object connects to nothing; `upgrade` makes the database.

    Every method raises LedgerError if the ledger is absent or behind this program; `mdlake init` mends both.
    Several processes may read and write at the same time.
    """

    def __init__(self, url: str) -> None:
        """`url`: a file in SQLite (`sqlite:////srv/mdlake/control/ledger.db`) or a database in PostgreSQL, without a password."""
        self._database = Database(url)
        self.audit = AuditLog(self._database)
        self.decisions = DecisionIndex(self._database)
        self.alerts = AlertOutbox(self._database)

    def upgrade(self) -> None:
        """Make the ledger if it is absent, and bring it to the tables of this program; quick if it is so."""
        self._database.upgrade()

    # Deliveries

    def record_delivery(self, delivery: Delivery) -> Delivery:
        """Record a delivery, and return it as stored, with its `delivery_id`.

        The same file (by its hash) of the same reporting unit for the same dataset and period is one delivery, whose
        state is the latest: one that was accepted may turn out unreadable, one that was refused may come again.
        Recorded again as it stands, it is returned and nothing is written.
        """
        return self._database.write(lambda connection: _record_delivery(connection, delivery))

    def record_package(self, package: Package, delivery: Delivery | None = None) -> Package:
        """Record a package that came, with the delivery in it as far as one is known, and return it with its `package_id`."""
        return self._database.write(lambda connection: _record_package(connection, package, delivery))

    def packages(self, organization: str, sha256: str | None = None) -> tuple[Package, ...]:
        """The packages that came by an organization's folder, all or those with one hash, oldest first."""
        query = (
            select(packages).where(*_matching(packages, organization=organization, sha256=sha256)).order_by(packages.c.package_id)
        )
        with self._database.reading() as connection:
            return tuple(map(_package, connection.execute(query)))

    def refused_packages(self, since: datetime) -> tuple[Package, ...]:
        """The packages that came since a moment and were refused, oldest first."""
        query = select(packages).where(packages.c.state == "refused", packages.c.received_at >= moment_text(since))
        with self._database.reading() as connection:
            return tuple(map(_package, connection.execute(query.order_by(packages.c.package_id))))

    def delivery(self, delivery_id: int) -> Delivery | None:
        """The delivery of that id, or None."""
        with self._database.reading() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.delivery_id == delivery_id)).first()
            return None if row is None else _delivery(row)

    def current_delivery(self, organization: str, dataset: str, period: str, reporting_unit: str = "") -> Delivery | None:
        """The accepted delivery of the highest sequence, of equals the later recorded; None without any."""
        current = self.current_deliveries(organization, dataset, period)
        return next((delivery for delivery in current if delivery.reporting_unit == reporting_unit), None)

    def current_deliveries(
        self, organization: str | None = None, dataset: str | None = None, period: str | None = None
    ) -> tuple[Delivery, ...]:
        """The current delivery of every period and reporting unit, by organization, dataset, period and unit."""
        part = [deliveries.c[name] for name in ("organization", "dataset", "period", "reporting_unit")]
        query = (
            select(deliveries)
            .where(*_matching(deliveries, organization=organization, dataset=dataset, period=period))
            .where(deliveries.c.state == "accepted")
            .order_by(*part, deliveries.c.sequence, deliveries.c.delivery_id)
        )
        with self._database.reading() as connection:
            found = map(_delivery, connection.execute(query))
            newest = {(d.organization, d.dataset, d.period, d.reporting_unit): d for d in found}
        return tuple(newest.values())

    def deliveries(
        self, organization: str | None = None, dataset: str | None = None, period: str | None = None
    ) -> tuple[Delivery, ...]:
        """All deliveries of the given organization, dataset and period, oldest first."""
        query = (
            select(deliveries)
            .where(*_matching(deliveries, organization=organization, dataset=dataset, period=period))
            .order_by(deliveries.c.received_at, deliveries.c.delivery_id)
        )
        with self._database.reading() as connection:
            return tuple(map(_delivery, connection.execute(query)))

    def submissions(
        self, until: datetime, organization: str | None = None, dataset: str | None = None, period: str | None = None
    ) -> tuple[Submission, ...]:
        """Every coming of a delivery (of the given organization, dataset and period) up to a moment, oldest first,
        each with the answer that it got then.

        A delivery of which no package is known, recorded before packages were, came once.
        """
        came = [packages.c[name] for name in ("received_at", "state", "reason")]
        alone = [deliveries.c[name] for name in ("received_at", "state", "reason")]
        # a package without a reason was accepted, whatever became of the delivery since
        answers = [case((packages.c.package_id.is_not(None), one), else_=other) for one, other in zip(came, alone, strict=True)]
        place = [deliveries.c[name] for name in ("organization", "dataset", "period", "reporting_unit")]
        query = (
            select(*place, *(answer.label(column.name) for answer, column in zip(answers, alone, strict=True)))
            .join_from(deliveries, packages, packages.c.delivery_id == deliveries.c.delivery_id, isouter=True)
            .where(*_matching(deliveries, organization=organization, dataset=dataset, period=period))
            .where(answers[0] <= moment_text(until))
            .order_by(answers[0], packages.c.package_id, deliveries.c.delivery_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(Submission(**dict(row._mapping) | {"received_at": moment(row.received_at)}) for row in rows)

    # Month closes

    def record_month_close(self, close: MonthClose) -> MonthClose:
        """Record the close of a month, and return it as stored; closed with the same as last, nothing is written."""
        return self._database.write(lambda connection: _record_month_close(connection, close))

    def month_closes(self, month: str | None = None) -> tuple[MonthClose, ...]:
        """All closes of a month (of all months without one), by month, the latest last."""
        query = select(month_closes).where(*_matching(month_closes, month=month)).order_by(month_closes.c.month)
        with self._database.reading() as connection:
            return tuple(map(_month_close, connection.execute(query.order_by(month_closes.c.close_id))))

    # Pins

    def pin(self, table: str, version: int, reason: str, at: datetime) -> None:
        """Keep a version of a table from `vacuum`; pinned again for the same reason, it stays pinned once."""
        self._database.write(lambda connection: _pin(connection, table, version, reason, at))

    def pins(self, table: str) -> tuple[int, ...]:
        """The pinned versions of a table (`layer/organization/dataset`), ascending."""
        query = select(pins.c.version).where(pins.c.table_name == table).distinct().order_by(pins.c.version)
        with self._database.reading() as connection:
            return tuple(connection.execute(query).scalars())

    # Verdicts

    def record_verdict(self, verdict: Verdict) -> Verdict:
        """Record a verdict, and return it as stored, with its `verdict_id`.

        A verdict of the same `identity` is confirmed: its `confirmed_at` and `run_id` become those of the
        later run. Raises LedgerError if it has another outcome or other results: the same inputs give the
        same verdict.
        """
        return self._database.write(lambda connection: _record_verdict(connection, verdict))

    def verdict_for(
        self,
        layer: str,
        organization: str,
        dataset: str,
        period: str,
        content_id: str,
        rule_version: str | None = None,
    ) -> Verdict | None:
        """The latest confirmed verdict on this content of the partition, or None."""
        partition = {"layer": layer, "organization": organization, "dataset": dataset, "period": period}
        return self._latest(_matching(verdicts, **partition, content_id=content_id, rule_version=rule_version))

    def latest_verdict(self, layer: str, organization: str, dataset: str, period: str) -> Verdict | None:
        """The latest confirmed verdict on the partition, whatever its content, or None."""
        partition = {"layer": layer, "organization": organization, "dataset": dataset, "period": period}
        return self._latest(_matching(verdicts, **partition))

    def latest_verdicts(
        self, layer: str | None = None, organization: str | None = None, dataset: str | None = None
    ) -> tuple[Verdict, ...]:
        """The latest confirmed verdict of each partition, by layer, organization, dataset and period."""
        with self._database.reading() as connection:
            found = _latest_of_partitions(_matching(verdicts, layer=layer, organization=organization, dataset=dataset))
            return tuple(map(_verdict, connection.execute(found)))

    def refused_verdicts(self, since: datetime) -> tuple[Verdict, ...]:
        """Of the latest verdicts of all partitions those that refuse and were first given since a moment, in the same order."""
        refusing = (verdicts.c.outcome == "refused", verdicts.c.decided_at >= moment_text(since))
        with self._database.reading() as connection:
            return tuple(map(_verdict, connection.execute(_latest_of_partitions([]).where(*refusing))))

    def runs_that_refused(self, run_ids: Collection[str]) -> frozenset[str]:
        """Those of some runs by which a verdict that refuses was given or last confirmed."""
        query = select(verdicts.c.run_id).where(verdicts.c.outcome == "refused", verdicts.c.run_id.in_(run_ids))
        with self._database.reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def verdict_history(self, layer: str, organization: str, dataset: str, period: str) -> tuple[Verdict, ...]:
        """All verdicts on one partition, the latest confirmed last."""
        partition = {"layer": layer, "organization": organization, "dataset": dataset, "period": period}
        query = select(verdicts).where(*_matching(verdicts, **partition)).order_by(verdicts.c.confirmed_at, verdicts.c.verdict_id)
        with self._database.reading() as connection:
            return tuple(map(_verdict, connection.execute(query)))

    def _latest(self, conditions: list[ColumnElement[bool]]) -> Verdict | None:
        query = (
            select(verdicts).where(*conditions).order_by(verdicts.c.confirmed_at.desc(), verdicts.c.verdict_id.desc()).limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _verdict(row)


def _latest_of_partitions(conditions: list[ColumnElement[bool]]) -> Select[Any]:
    partition = [verdicts.c[name] for name in ("layer", "organization", "dataset", "period")]
    # Ascending like the index ix_verdicts_latest, so that it answers without a sort: the latest has none following.
    following = func.lead(verdicts.c.verdict_id).over(
        partition_by=partition, order_by=[verdicts.c.confirmed_at, verdicts.c.verdict_id]
    )
    ranked = select(verdicts.c.verdict_id, following.label("following")).where(*conditions).subquery()
    latest = select(verdicts).join(ranked, ranked.c.verdict_id == verdicts.c.verdict_id)
    return latest.where(ranked.c.following.is_(None)).order_by(*partition)


def _matching(table: Table, **values: str | None) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items() if value is not None]


def _record_delivery(connection: Connection, delivery: Delivery) -> Delivery:
    file = {name: getattr(delivery, name) for name in ("organization", "dataset", "period", "reporting_unit", "sha256")}
    same = select(deliveries).where(*_matching(deliveries, **file))
    values = asdict(delivery) | {"received_at": moment_text(delivery.received_at)}
    del values["delivery_id"]
    known = connection.execute(same).first()
    if known is None:
        connection.execute(insert(deliveries).values(values))
    else:
        changed = {name: values[name] for name in _CHANGING if values[name] != known._mapping[name]}
        if not changed:
            return _delivery(known)
        connection.execute(update(deliveries).where(deliveries.c.delivery_id == known.delivery_id).values(changed))
    stored = _delivery(connection.execute(same).one())
    # The message is left out: it may quote names that the producer chose.
    named = ("delivery_id", "organization", "dataset", "period", "sequence", "sha256", "size_bytes", "reason")
    details = {name: getattr(stored, name) for name in named}
    details |= {"reporting_unit": stored.reporting_unit} if stored.reporting_unit else {}
    append_entry(connection, _ACTOR, f"delivery.{stored.state}", details, delivery.received_at)
    return stored


def _record_package(connection: Connection, package: Package, delivery: Delivery | None) -> Package:
    stored = _record_delivery(connection, delivery) if delivery is not None else None
    values = asdict(package) | {"received_at": moment_text(package.received_at)}
    del values["package_id"]
    values["delivery_id"] = stored.delivery_id if stored is not None else None
    inserted = connection.execute(insert(packages).values(values)).inserted_primary_key
    package_id = inserted[0] if inserted is not None else None
    recorded = replace(package, package_id=package_id, delivery_id=values["delivery_id"])
    # its name is the sender's choice, and its message may quote such names
    named = ("package_id", "organization", "sha256", "size_bytes", "signer", "reason", "delivery_id")
    details = {name: getattr(recorded, name) for name in named}
    append_entry(connection, _ACTOR, f"package.{package.state}", details, package.received_at)
    return recorded


def _package(row: Row[Any]) -> Package:
    return Package(**dict(row._mapping) | {"received_at": moment(row.received_at)})


def _record_month_close(connection: Connection, close: MonthClose) -> MonthClose:
    last = select(month_closes).where(month_closes.c.month == close.month).order_by(month_closes.c.close_id.desc()).limit(1)
    known = connection.execute(last).first()
    if known is None or known.identity != close.identity:
        values = vars(close) | {"members": canonical_json(close.members), "closed_at": moment_text(close.closed_at)}
        del values["close_id"]
        connection.execute(insert(month_closes).values(values | {"identity": close.identity}))
        known = connection.execute(last).one()
        details = {name: known._mapping[name] for name in ("close_id", "identity", "month", "complete", "run_id")}
        append_entry(connection, _ACTOR, "month.closed", details, close.closed_at)
    return _month_close(known)


def _month_close(row: Row[Any]) -> MonthClose:
    fields = dict(row._mapping)
    del fields["identity"]
    return MonthClose(**fields | {"members": tuple(json.loads(row.members)), "closed_at": moment(row.closed_at)})


def _pin(connection: Connection, table: str, version: int, reason: str, at: datetime) -> None:
    values = {"table_name": table, "version": version, "reason": reason}
    if connection.execute(select(pins.c.pin_id).where(*(pins.c[name] == value for name, value in values.items()))).first():
        return
    connection.execute(insert(pins).values(values | {"pinned_at": moment_text(at)}))
    append_entry(connection, _ACTOR, "version.pinned", {"table": table, "version": version, "reason": reason}, at)


def _delivery(row: Row[Any]) -> Delivery:
    fields = dict(row._mapping)
    return Delivery(**fields | {"received_at": moment(row.received_at)})


def _record_verdict(connection: Connection, verdict: Verdict) -> Verdict:
    values = _verdict_values(verdict)
    same = select(verdicts).where(verdicts.c.identity == values["identity"])
    known = connection.execute(same).first()
    if known is None:
        connection.execute(insert(verdicts).values(values))
        action = "verdict.recorded"
    else:
        _require_same_verdict(known, values)
        if values["confirmed_at"] <= known.confirmed_at:
            return _verdict(known)
        later = {name: values[name] for name in ("confirmed_at", "run_id")}
        connection.execute(update(verdicts).where(verdicts.c.verdict_id == known.verdict_id).values(later))
        action = "verdict.confirmed"
    row = connection.execute(same).one()
    named = ("verdict_id", "identity", "layer", "organization", "dataset", "period", "content_id", "outcome")
    details = {name: row._mapping[name] for name in (*named, "contract_version", "rule_version", "run_id")}
    # With its hash here, a result that is changed in its table later can be shown to have been.
    details["results_sha256"] = hashlib.sha256(row.results.encode()).hexdigest()
    append_entry(connection, _ACTOR, action, details, moment(row.confirmed_at))
    return _verdict(row)


def _verdict_values(verdict: Verdict) -> dict[str, Any]:
    values = dict(vars(verdict))
    del values["verdict_id"]
    return values | {
        "identity": verdict.identity,
        "inputs": canonical_json(verdict.inputs),
        "results": canonical_json(verdict.results),
        "decided_at": moment_text(verdict.decided_at),
        "confirmed_at": moment_text(verdict.confirmed_at or verdict.decided_at),
    }


def _verdict(row: Row[Any]) -> Verdict:
    fields = dict(row._mapping)
    del fields["identity"]
    return Verdict(
        **fields
        | {
            "inputs": json.loads(row.inputs),
            "results": tuple(json.loads(row.results)),
            "decided_at": moment(row.decided_at),
            "confirmed_at": moment(row.confirmed_at),
        }
    )


def _require_same_verdict(stored: Row[Any], given: dict[str, Any]) -> None:
    differing = [name for name in ("outcome", "results") if stored._mapping[name] != given[name]]
    if differing:
        raise LedgerError(
            f"the same inputs gave another verdict: another {' and '.join(differing)} than in verdict {stored.verdict_id}",
            where="{layer}/{organization}/{dataset}, {period}".format(**given),
            next_step="A rule changed without a new rule version, or is not deterministic: mend it, rerun.",
        )
