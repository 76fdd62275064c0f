"""The tables of the ledger, as they are at the latest migration.

Here: schema only. A moment is stored as UTC ISO-8601 text of one width
(`2024-06-01T08:30:00.000000+00:00`), which sorts and compares the same in SQLite and PostgreSQL; JSON is
stored as canonical text, because it is hashed.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    column,
    table,
)

__all__ = [
    "HEAD",
    "alert_events",
    "alert_messages",
    "alert_subscriptions",
    "audit_checkpoints",
    "audit_entries",
    "decision_subjects",
    "decisions",
    "deliveries",
    "metadata",
    "month_closes",
    "packages",
    "pins",
    "schema_version",
    "verdicts",
]

HEAD = "0006"
"""The migration that these tables are at."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

schema_version = table("alembic_version", column("version_num", String))

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True),
    Column("organization", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("declared_rows", BigInteger),
    Column("contract_version", Text),
    Column("received_at", String(32), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("message", Text),
    Column("reporting_unit", Text, nullable=False, server_default=""),
    CheckConstraint("state IN ('accepted', 'refused')", name="state"),
    UniqueConstraint("organization", "dataset", "period", "reporting_unit", "sha256", name="uq_deliveries_file"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("verdict_id", Integer, primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("layer", Text, nullable=False),
    Column("organization", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("content_id", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("contract_version", Text, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("results", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("decided_at", String(32), nullable=False),
    Column("confirmed_at", String(32), nullable=False),
    CheckConstraint("outcome IN ('passed', 'passed_with_warnings', 'refused')", name="outcome"),
    UniqueConstraint("identity", name="uq_verdicts_identity"),
    Index("ix_verdicts_latest", "layer", "organization", "dataset", "period", "confirmed_at", "verdict_id"),
)

pins = Table(
    "pins",
    metadata,
    Column("pin_id", Integer, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("pinned_at", String(32), nullable=False),
    UniqueConstraint("table_name", "version", "reason", name="uq_pins_version"),
)

month_closes = Table(
    "month_closes",
    metadata,
    Column("close_id", Integer, primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("month", Text, nullable=False),
    Column("members", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("closed_at", String(32), nullable=False),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("previous_hash", name="uq_audit_entries_previous_hash"),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("checkpoint_id", Integer, primary_key=True),
    Column("seq", Integer, ForeignKey("audit_entries.seq"), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Column("signature", Text, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("begins_at", String(32), nullable=False),
    Column("ends_at", String(32)),
    Column("first_day", String(10)),
    Column("last_day", String(10)),
    Column("accepted_at", String(32), nullable=False),
    Column("audit_seq", Integer, ForeignKey("audit_entries.seq"), nullable=False),
    UniqueConstraint("audit_seq", name="uq_decisions_audit_seq"),
)

decision_subjects = Table(
    "decision_subjects",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("decision_id", Text, ForeignKey("decisions.decision_id"), primary_key=True),
)

packages = Table(
    "packages",
    metadata,
    Column("package_id", Integer, primary_key=True),
    Column("organization", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("signer", Text),
    Column("received_at", String(32), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("message", Text),
    Column("delivery_id", Integer, ForeignKey("deliveries.delivery_id")),
    CheckConstraint("state IN ('accepted', 'refused')", name="state"),
    Index("ix_packages_sha256", "organization", "sha256"),
)

alert_subscriptions = Table(
    "alert_subscriptions",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("since", String(32), nullable=False),
    Column("looked_until", String(32), nullable=False),
)

alert_messages = Table(
    "alert_messages",
    metadata,
    Column("message_id", String(32), primary_key=True),
    Column("receiver", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", String(32), nullable=False),
    Column("fault", Text),
    Column("settled_at", String(32)),
    CheckConstraint("state IN ('waiting', 'delivered', 'undeliverable')", name="state"),
    Index("ix_alert_messages_next", "state", "next_at"),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("event", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("message_id", String(32), ForeignKey("alert_messages.message_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("happened_at", String(32), nullable=False),
    Column("facts", Text, nullable=False),
    Index("ix_alert_events_message", "message_id"),
)
