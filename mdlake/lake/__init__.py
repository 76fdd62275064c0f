"""The only folder that imports `deltalake`: zones of tables, one partition replaced in one commit, content ids, maintenance.

Not here: what a table means, who may write it, and any rule of the business.
"""

from __future__ import annotations

from mdlake.lake.content import ContentHasher, content_id
from mdlake.lake.order import canonical_order
from mdlake.lake.table import PARTITION_COLUMN, PartitionState, PartitionWriter, Table
from mdlake.lake.zone import Retention, Zone

__all__ = [
    "PARTITION_COLUMN",
    "ContentHasher",
    "PartitionState",
    "PartitionWriter",
    "Retention",
    "Table",
    "Zone",
    "canonical_order",
    "content_id",
]
