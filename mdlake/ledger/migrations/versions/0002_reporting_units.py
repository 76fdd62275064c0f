"""Deliveries of reporting units: of a dataset that several units send, each delivery says whose part of the period it is.

The empty unit is that of a dataset delivered in one file, which all deliveries were before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the unit, and let two units send equal files for one period."""
    with op.batch_alter_table("deliveries", copy_from=_deliveries()) as batch:
        batch.add_column(sa.Column("reporting_unit", sa.Text, nullable=False, server_default=""))
        batch.drop_constraint("uq_deliveries_file", type_="unique")
        batch.create_unique_constraint("uq_deliveries_file", ["organization", "dataset", "period", "reporting_unit", "sha256"])


def _deliveries() -> sa.Table:
    """The table as revision 0001 made it: SQLite cannot change a constraint, and its checks cannot be read back."""
    return sa.Table(
        "deliveries",
        sa.MetaData(),
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
