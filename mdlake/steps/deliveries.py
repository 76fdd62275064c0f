"""The deliveries that a partition is made of: one file, or the newest part of each reporting unit. Not here: their content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mdlake.config import Contract, Dataset
from mdlake.ledger import Delivery, Ledger
from mdlake.standard import Period

__all__ = ["current_by_partition", "current_parts", "delivered", "delivery_inputs", "of_units"]

_INPUT = "delivery"


def current_parts(ledger: Ledger, dataset: Dataset, contract: Contract, period: Period) -> tuple[Delivery, ...]:
    """The accepted deliveries of which the partition is made now, in the order of their units; one or none without units."""
    return of_units(ledger.current_deliveries(dataset.organization, dataset.name, period.key), contract, period)


def current_by_partition(ledger: Ledger) -> dict[tuple[str, str], tuple[Delivery, ...]]:
    """The current deliveries of every partition, by `organization/dataset` and period key; of whatever units they are."""
    found: dict[tuple[str, str], tuple[Delivery, ...]] = {}
    for delivery in ledger.current_deliveries():
        key = (f"{delivery.organization}/{delivery.dataset}", delivery.period)
        found[key] = (*found.get(key, ()), delivery)
    return found


def of_units(current: Iterable[Delivery], contract: Contract, period: Period) -> tuple[Delivery, ...]:
    """Those of a partition's current deliveries whose unit owes a part of the period, in the order of their units."""
    units = contract.units(period)
    return tuple(sorted((d for d in current if d.reporting_unit in units), key=lambda d: d.reporting_unit))


def delivered(inputs: Mapping[str, str]) -> dict[str, str]:
    """Those of a raw verdict's inputs that are deliveries, as `delivery_inputs` names them."""
    return {name: value for name, value in inputs.items() if name.partition(":")[0] == _INPUT}


def delivery_inputs(parts: Iterable[Delivery]) -> dict[str, str]:
    """What a raw partition made of these deliveries names as its inputs: their SHA-256 (hex), by unit where there are any."""
    return {f"{_INPUT}:{part.reporting_unit}" if part.reporting_unit else _INPUT: part.sha256 for part in parts}
