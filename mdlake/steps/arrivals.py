"""What was accepted and may be run: for each partition the newest parts that no run has taken through, and if they settled.

Parts come one by one, and the partition is to be run once, when all are there or nothing came for a while. All of it is asked
of the ledger; the landing is the intake's. Time is handed in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from mdlake.config import Dataset
from mdlake.standard import Period
from mdlake.steps.deliveries import current_by_partition, of_units
from mdlake.steps.house import House
from mdlake.steps.status import due_partitions

__all__ = ["Arrival", "arrivals"]

_LAST_SECURE_LAYER = "pseudonymized"


@dataclass(frozen=True)
class Arrival:
    """A partition for which something was accepted that was not run yet.

    Attributes:
        parts: of how many reporting units a part is there; 1 where one file is all.
        parts_due: how many owe one.
        settled: every part is there, or nothing came for the calendar's `settling_minutes`.
        fingerprint: SHA-256 (hex) of what is there: units, sequences and hashes of files.
    """

    dataset: Dataset
    period: Period
    parts: int
    parts_due: int
    settled: bool
    fingerprint: str


def arrivals(house: House, at: datetime) -> tuple[Arrival, ...]:
    """What was accepted and no run has taken through the secure room, in the order in which it is to be run."""
    patience = timedelta(minutes=house.configuration.calendar.settling_minutes)
    accepted, found = current_by_partition(house.ledger), []
    for dataset, period in due_partitions(house, _LAST_SECURE_LAYER):
        contract = dataset.contract(period)
        parts, units = of_units(accepted[dataset.key, period.key], contract, period), contract.units(period)
        settled = len(parts) == len(units) or all(part.received_at <= at - patience for part in parts)
        lines = [f"{part.reporting_unit} {part.sequence} {part.sha256}\n" for part in parts]
        fingerprint = hashlib.sha256("".join(lines).encode()).hexdigest()
        found.append(Arrival(dataset, period, len(parts), len(units), settled, fingerprint))
    return tuple(found)
