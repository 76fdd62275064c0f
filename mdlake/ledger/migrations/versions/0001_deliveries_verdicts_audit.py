"""The first ledger: deliveries, verdicts, the audit log and its checkpoints.

Frozen: it holds its own copy of the tables as they were, so that it does not change when `tables.py` does.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the four tables."""
    _create_deliveries()
    _create_verdicts()
    _create_pins()
    _create_audit()


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Integer, nullable=False),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("declared_rows", sa.BigInteger),
        sa.Column("contract_version", sa.Text),
        sa.Column("received_at", sa.String(32), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
        sa.CheckConstraint("state IN ('accepted', 'refused')", name="ck_deliveries_state"),
        sa.UniqueConstraint("organization", "dataset", "period", "sha256", name="uq_deliveries_file"),
    )


def _create_pins() -> None:
    op.create_table(
        "pins",
        sa.Column("pin_id", sa.Integer, nullable=False),
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("pinned_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("pin_id", name="pk_pins"),
        sa.UniqueConstraint("table_name", "version", "reason", name="uq_pins_version"),
    )


def _create_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("verdict_id", sa.Integer, nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("content_id", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("contract_version", sa.Text, nullable=False),
        sa.Column("rule_version", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("results", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("decided_at", sa.String(32), nullable=False),
        sa.Column("confirmed_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("verdict_id", name="pk_verdicts"),
        sa.CheckConstraint("outcome IN ('passed', 'passed_with_warnings', 'refused')", name="ck_verdicts_outcome"),
        sa.UniqueConstraint("identity", name="uq_verdicts_identity"),
    )
    op.create_index(
        "ix_verdicts_latest",
        "verdicts",
        ["layer", "organization", "dataset", "period", "confirmed_at", "verdict_id"],
    )


def _create_audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("seq", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_entries"),
        sa.UniqueConstraint("previous_hash", name="uq_audit_entries_previous_hash"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("checkpoint_id", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("checkpoint_id", name="pk_audit_checkpoints"),
        sa.ForeignKeyConstraint(["seq"], ["audit_entries.seq"], name="fk_audit_checkpoints_seq"),
    )
