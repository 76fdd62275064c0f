"""Packages: each that came, by its own hash, with the answer that its sender was given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "packages",
        sa.Column("package_id", sa.Integer, nullable=False),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("signer", sa.Text),
        sa.Column("received_at", sa.String(32), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("delivery_id", sa.Integer),
        sa.PrimaryKeyConstraint("package_id", name="pk_packages"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.delivery_id"], name="fk_packages_delivery_id"),
        sa.CheckConstraint("state IN ('accepted', 'refused')", name="ck_packages_state"),
    )
    op.create_index("ix_packages_sha256", "packages", ["organization", "sha256"])
