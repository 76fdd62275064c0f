"""Accepted decisions of offices, and what each of them is about, so that the gate finds the few that it asks for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("begins_at", sa.String(32), nullable=False),
        sa.Column("ends_at", sa.String(32)),
        sa.Column("first_day", sa.String(10)),
        sa.Column("last_day", sa.String(10)),
        sa.Column("accepted_at", sa.String(32), nullable=False),
        sa.Column("audit_seq", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["audit_seq"], ["audit_entries.seq"], name="fk_decisions_audit_seq"),
        sa.UniqueConstraint("audit_seq", name="uq_decisions_audit_seq"),
    )
    op.create_table(
        "decision_subjects",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "decision_id", name="pk_decision_subjects"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_decision_subjects_decision_id"),
    )
