"""Alerts: since when who is told of what, the messages, and the events in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "alert_subscriptions",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("looked_until", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("kind", "receiver", name="pk_alert_subscriptions"),
    )
    op.create_table(
        "alert_messages",
        sa.Column("message_id", sa.String(32), nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.String(32), nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("settled_at", sa.String(32)),
        sa.PrimaryKeyConstraint("message_id", name="pk_alert_messages"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'undeliverable')", name="ck_alert_messages_state"),
    )
    op.create_index("ix_alert_messages_next", "alert_messages", ["state", "next_at"])
    op.create_table(
        "alert_events",
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("message_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("happened_at", sa.String(32), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("event", "receiver", name="pk_alert_events"),
        sa.ForeignKeyConstraint(["message_id"], ["alert_messages.message_id"], name="fk_alert_events_message_id"),
    )
    op.create_index("ix_alert_events_message", "alert_events", ["message_id"])
