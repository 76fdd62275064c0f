"""A zone: the root of one room's tables, with its retention. Here: from a dataset's name to its table; not here: who may enter.

A zone is a folder of this machine or an object store URL; the object store's credentials come from where its own client
looks for them, never from the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mdlake.lake.table import Table

__all__ = ["Retention", "Zone"]


@dataclass(frozen=True)
class Retention:
    """How many days a table keeps its log, and the files that it no longer uses."""

    log_days: int
    file_days: int


@dataclass(frozen=True)
class Zone:
    """Attributes: name: `secure` or `research`; root: a path or an URL; owner_only: whether its folders are the owner's alone."""

    name: str
    root: str
    retention: Retention
    owner_only: bool

    @property
    def is_remote(self) -> bool:
        """Whether the zone lies in an object store."""
        return "://" in self.root

    def prepare(self) -> None:
        """Make the zone's folder; owner-only from its first moment where the zone asks for it."""
        if not self.is_remote:
            Path(self.root).mkdir(parents=True, exist_ok=True, mode=0o700 if self.owner_only else 0o755)
            if self.owner_only:
                os.chmod(self.root, 0o700)

    def table(self, kind: str, dataset: str, order: Sequence[str]) -> Table:
        """The table of a kind (a layer, or `quarantine`) of `organization/dataset`, whether or not it exists yet.

        Args:
            order: the leading columns of its canonical order.
        """
        return Table(f"{self.root}/{kind}/{dataset}", tuple(order), self.retention.log_days, self.retention.file_days)
