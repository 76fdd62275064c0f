"""A zone: the root of one room's tables, with its retention. Here: from a dataset's name to its table; not here: who may enter.

A zone is a folder of this machine or an object store URL; the object store's credentials come from where its own client
looks for them, never from the configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mdlake.lake.table import Table

__all__ = ["Retention", "Zone"]


@dataclass(frozen=True)
class Retention:
    """How many days a table keeps its log, and the files that it no longer uses."""

    log_days: int
    file_days: int


@dataclass(frozen=True)
class Zone:
    """Attributes: name: `secure` or `research`; root: a path or an URL."""

    name: str
    root: str
    retention: Retention

    def table(self, kind: str, dataset: str, order: Sequence[str]) -> Table:
        """The table of a kind (a layer, or `quarantine`) of `organization/dataset`, whether or not it exists yet.

        Args:
            order: the leading columns of its canonical order.
        """
        return Table(f"{self.root}/{kind}/{dataset}", tuple(order), self.retention.log_days, self.retention.file_days)
