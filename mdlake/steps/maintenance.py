"""Maintenance of the lake: few files per partition, nothing kept that nobody needs, nothing left behind by a killed run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from mdlake.steps.house import BATCH_ROWS, House

__all__ = ["Maintained", "maintain"]

_SECURE_TABLES = ("raw", "standardized", "quarantine")
_RESEARCH_TABLES = ("pseudonymized", "published")


@dataclass(frozen=True)
class Maintained:
    """What maintenance did to one table."""

    table: str
    rewritten: int
    removed: int


def maintain(house: House, retention_hours: int | None = None) -> tuple[Maintained, ...]:
    """Optimize and vacuum every table that the room may write, and clear what killed runs left in the scratch folder.

    Args:
        retention_hours: another retention of unused files than the zone's own; 0 only while nothing runs.
    """
    layers = _SECURE_TABLES + _RESEARCH_TABLES if house.room == "secure" else _RESEARCH_TABLES[1:]
    done = []
    for dataset in house.configuration.datasets.values():
        for layer in layers:
            table = house.table(layer, dataset, dataset.newest)
            pinned = house.ledger.pins(f"{layer}/{dataset.key}")
            rewritten = table.optimize(BATCH_ROWS)
            removed = table.vacuum(pinned, retention_hours)
            done.append(Maintained(f"{layer}/{dataset.key}", rewritten, len(removed)))
    if house.room == "secure" and house.home.scratch.is_dir() and retention_hours == 0:
        shutil.rmtree(house.home.scratch)
    return tuple(done)
