"""Where each dataset-month stands: what came, what became of it, what is next. Read from the ledger and from commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from mdlake.config import LAYERS, Dataset
from mdlake.errors import MdlakeError
from mdlake.layers import Tally
from mdlake.ledger import Delivery, Verdict
from mdlake.standard import Period
from mdlake.steps.house import House
from mdlake.steps.judge import failure_text

__all__ = ["PartitionStatus", "due_partitions", "partition_statuses"]


@dataclass(frozen=True)
class PartitionStatus:
    """One dataset-month.

    Attributes:
        state: `delivery refused`, `delivered`, `refused`, `in progress` or `published`.
        rows: number of rows by layer, as far as it was made.
        verdicts: outcome by layer; None where the layer was not judged as it stands.
        failures: what failed, in words, with what to do.
    """

    dataset: str
    period: str
    state: str
    sequence: int
    declared_rows: int | None
    rows: Mapping[str, int]
    quarantined: int
    duplicates: int
    edits: int
    verdicts: Mapping[str, str | None]
    failures: tuple[str, ...]
    next_step: str

    def as_json(self) -> dict[str, object]:
        """Plain values for scripts."""
        return asdict(self)


def partition_statuses(house: House, datasets: Iterable[Dataset], periods: Iterable[str] = ()) -> tuple[PartitionStatus, ...]:
    """The status of every dataset-month of which anything is known, by period and dataset."""
    wanted = set(periods)
    found = []
    for dataset in datasets:
        deliveries = house.ledger.deliveries(dataset.organization, dataset.name)
        known = {d.period for d in deliveries} | {
            v.period for v in house.ledger.latest_verdicts(organization=dataset.organization, dataset=dataset.name)
        }
        for key in known & wanted if wanted else known:
            period = _reference_period(house, dataset, key)
            if period is not None:
                found.append(_status(house, dataset, period, [d for d in deliveries if d.period == key]))
    return tuple(sorted(found, key=lambda status: (status.period, status.dataset)))


def due_partitions(house: House) -> tuple[tuple[Dataset, Period], ...]:
    """Dataset-months whose newest accepted delivery was neither taken through nor refused on its way, by period and dataset."""
    due = []
    for dataset in house.configuration.datasets.values():
        for key in {d.period for d in house.ledger.deliveries(dataset.organization, dataset.name) if d.state == "accepted"}:
            period = _reference_period(house, dataset, key)
            delivery = house.ledger.current_delivery(dataset.organization, dataset.name, key)
            if period and delivery and _is_due(house, delivery):
                due.append((dataset, period))
    return tuple(sorted(due, key=lambda pair: (pair[1].key, pair[0].key)))


def _is_due(house: House, delivery: Delivery) -> bool:
    """Whether a layer lacks its verdict, because it was not made yet or its run was killed; read from the ledger alone."""
    source, content = "delivery", delivery.sha256
    for layer in LAYERS:
        verdict = house.ledger.latest_verdict(layer, delivery.organization, delivery.dataset, delivery.period)
        if verdict is None or verdict.inputs.get(source) != content:
            return True
        if verdict.outcome == "refused":
            return False
        source, content = layer, verdict.content_id
    return False


def _reference_period(house: House, dataset: Dataset, key: str) -> Period | None:
    try:
        return house.configuration.period(dataset, key)
    except MdlakeError:
        return None


def _status(house: House, dataset: Dataset, period: Period, deliveries: list[Delivery]) -> PartitionStatus:
    contract = dataset.contract(period)
    states = {layer: house.table(layer, dataset, contract).state(period.key) for layer in LAYERS}
    verdicts = {
        layer: house.ledger.latest_verdict(layer, dataset.organization, dataset.name, period.key) if states[layer] else None
        for layer in LAYERS
    }
    current = house.ledger.current_delivery(dataset.organization, dataset.name, period.key)
    last = deliveries[-1] if deliveries else None
    standardized = states["standardized"]
    tally = Tally.from_json(standardized.details["tally"]) if standardized else Tally()
    refusing = next((v for v in verdicts.values() if v is not None and v.outcome == "refused"), None)
    refused_delivery = last if last and last.state == "refused" else None
    state, next_step = _standing(house, dataset, period, states, refusing, refused_delivery)
    return PartitionStatus(
        dataset=dataset.key,
        period=period.key,
        state=state,
        sequence=current.sequence if current else 0,
        declared_rows=current.declared_rows if current else None,
        rows={layer: made.rows for layer, made in states.items() if made},
        quarantined=tally.quarantined,
        duplicates=tally.duplicates,
        edits=tally.edits.total(),
        verdicts={layer: verdict.outcome if verdict else None for layer, verdict in verdicts.items()},
        failures=tuple(failure_text(r) for v in verdicts.values() if v for r in v.results if not r["passed"]),
        next_step=next_step,
    )


def _standing(
    house: House,
    dataset: Dataset,
    period: Period,
    states: Mapping[str, object],
    refusing: Verdict | None,
    refused_delivery: Delivery | None,
) -> tuple[str, str]:
    """The state of a partition in a word, and what to do next."""
    producer = house.configuration.organizations[dataset.organization].label.en
    if refused_delivery is not None:
        return "delivery refused", f"{producer}: {refused_delivery.message}"
    if refusing is not None:
        return "refused", f"{producer} corrects and sends again; then: mdlake run {dataset.key} --period {period}"
    if states["published"] is not None and not _stale(house, dataset, period):
        return "published", "nothing to do"
    if states["raw"] is None:
        return "delivered", f"mdlake run {dataset.key} --period {period}"
    return "in progress", f"mdlake run {dataset.key} --period {period}"


def _stale(house: House, dataset: Dataset, period: Period) -> bool:
    """Whether what is published was made from other content than the pseudonymized layer has now."""
    verdict = house.ledger.latest_verdict("published", dataset.organization, dataset.name, period.key)
    below = house.ledger.latest_verdict("pseudonymized", dataset.organization, dataset.name, period.key)
    return verdict is None or below is None or verdict.inputs.get("pseudonymized") != below.content_id
