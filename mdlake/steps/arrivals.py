"""What has arrived and may be run: for each partition its newest parts, in the landing or taken in already, and if they settled.

Parts come one by one, and the partition is to be run once, when all are there or nothing came for a while. No data file is
read here: what a delivery says of itself is checked when it is taken in. Time is handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mdlake.config import Dataset
from mdlake.errors import MdlakeError
from mdlake.exchange import Received, Waiting
from mdlake.ledger import Delivery
from mdlake.standard import Period
from mdlake.steps.deliveries import current_by_partition
from mdlake.steps.house import House
from mdlake.steps.status import due_partitions, running_order

__all__ = ["Arrival", "Arrivals", "arrivals", "take_in_strays"]

_LAST_SECURE_LAYER = "pseudonymized"


@dataclass(frozen=True)
class Arrival:
    """A partition for which something came that was not run yet.

    Attributes:
        parts: of how many reporting units a part is there; 1 where one file is all.
        parts_due: how many owe one.
        settled: every part is there and complete, or nothing came for the calendar's `settling_minutes`.
        fingerprint: SHA-256 (hex) of what is there: units, sequences and hashes of files.
    """

    dataset: Dataset
    period: Period
    parts: int
    parts_due: int
    settled: bool
    fingerprint: str


@dataclass(frozen=True)
class Arrivals:
    """One look at the landing and the ledger.

    Attributes:
        partitions: in the order in which they are to be run.
        strays: by organization the names of descriptors that change no partition, so that no run would take them in: they
            cannot be read, are not expected, or are superseded. Only those about which nothing changed for the calendar's
            `settling_minutes`, because the others may still be arriving.
    """

    partitions: tuple[Arrival, ...]
    strays: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class _Part:
    """The newest part of a unit; of equal sequences the one that came later."""

    sequence: int
    sha256: str
    complete: bool
    since: datetime


def arrivals(house: House, at: datetime) -> Arrivals:
    """What came that no run has taken through the secure room."""
    patience = timedelta(minutes=house.configuration.calendar.settling_minutes)
    accepted = current_by_partition(house.ledger)
    found = {(dataset.key, period.key): (dataset, period) for dataset, period in due_partitions(house, _LAST_SECURE_LAYER)}
    parts = {key: _accepted(accepted[key]) for key in found}
    strays: dict[str, frozenset[str]] = {}
    for organization in house.configuration.organizations:
        waiting = house.landing.waiting(organization)
        useful = set()
        for dataset, period, unit, one in _expected(house, organization, waiting):
            key = (dataset.key, period.key)
            known = parts.get(key, _accepted(accepted.get(key, ())))
            part = _part(one)
            if unit not in known or _supersedes(part, known[unit]):
                found[key] = (dataset, period)
                parts[key] = {**known, unit: part}
                useful.add(one.name)
        strays[organization] = frozenset(w.name for w in waiting if w.name not in useful and at - w.since >= patience)
    seen = (_arrival(dataset, period, parts[key], at - patience) for key, (dataset, period) in found.items())
    ordered = sorted(seen, key=lambda arrival: (running_order(arrival.period), arrival.dataset.key))
    return Arrivals(tuple(ordered), {organization: names for organization, names in strays.items() if names})


def take_in_strays(house: House, strays: Mapping[str, frozenset[str]], at: datetime) -> tuple[Received, ...]:
    """Take in what no run would, so that its sender gets an answer."""
    return tuple(
        received for organization, names in strays.items() for received in house.landing.take_in(organization, at, names)
    )


def _expected(house: House, organization: str, waiting: tuple[Waiting, ...]) -> Iterator[tuple[Dataset, Period, str, Waiting]]:
    """What waits for a partition that there is, from a unit that owes it, in the order in which it would count."""
    said = [(one.descriptor.mdlake, one) for one in waiting if one.descriptor]
    for properties, one in sorted(said, key=lambda pair: (pair[0].sequence, pair[1].name)):
        dataset = house.configuration.datasets.get(f"{properties.organization}/{properties.dataset}")
        if dataset is None or properties.organization != organization:
            continue
        try:
            period = house.configuration.period(dataset, properties.period)
            units = dataset.contract(period).units(period)
        except MdlakeError:
            continue
        if (properties.reporting_unit or "") in units:
            yield dataset, period, properties.reporting_unit or "", one


def _part(waiting: Waiting) -> _Part:
    assert waiting.descriptor is not None
    digest = waiting.descriptor.resource.hash.removeprefix("sha256:")
    return _Part(waiting.descriptor.mdlake.sequence, digest, waiting.complete, waiting.since)


def _supersedes(part: _Part, known: _Part) -> bool:
    return part.sequence >= known.sequence and (part.sequence, part.sha256) != (known.sequence, known.sha256)


def _accepted(deliveries: tuple[Delivery, ...]) -> dict[str, _Part]:
    return {d.reporting_unit: _Part(d.sequence, d.sha256, True, d.received_at) for d in deliveries}


def _arrival(dataset: Dataset, period: Period, parts: Mapping[str, _Part], long_ago: datetime) -> Arrival:
    units = dataset.contract(period).units(period)
    parts = {unit: parts[unit] for unit in units if unit in parts}
    is_quiet = all(part.since <= long_ago for part in parts.values())
    is_whole = len(parts) == len(units) and all(part.complete for part in parts.values())
    lines = [f"{unit} {part.sequence} {part.sha256}\n" for unit, part in parts.items()]
    fingerprint = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Arrival(dataset, period, len(parts), len(units), is_quiet or is_whole, fingerprint)
