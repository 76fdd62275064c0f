"""Where each dataset-month stands: what came, what became of it, what is next. Read from the ledger and from commits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from mdlake.config import LAYERS, Contract, Dataset
from mdlake.errors import MdlakeError
from mdlake.governance import Missing, Standing
from mdlake.lake import PartitionState
from mdlake.layers import Tally
from mdlake.ledger import Delivery, Verdict
from mdlake.standard import Period
from mdlake.steps.deliveries import current_by_partition, delivered, delivery_inputs, of_units
from mdlake.steps.house import House
from mdlake.steps.judge import failure_text

__all__ = [
    "PartitionStatus",
    "VerdictsByLayer",
    "chosen_partitions",
    "due_partitions",
    "partition_statuses",
    "running_order",
]


@dataclass(frozen=True)
class PartitionStatus:
    """One dataset and period.

    Attributes:
        sequence: of the newest delivery that counts.
        units: of how many reporting units a part is there, and how many owe one; None where one file is all.
        units_missing: codes of those whose part is not there.
        state: `delivery refused`, `delivered`, `refused`, `in progress`, `undecided` or `published`.
        rows: number of rows by layer, as far as it was made.
        linked: share of the delivered rows that reached the research zone with every pseudonym that a row must have, or one
            of several alternatives (of a dataset that requires none: with the one that most rows have); None before.
        nearest: the rule that came nearest to its threshold or passed it, with the share that failed; None where none did.
        verdicts: outcome by layer; None where the layer was not judged as it stands.
        failures: what failed or is missing, in words, with what to do.
        fallen: of the decisions that it was published under, those that count no more and why, where it could not be published
            again as it stands; what was published stays.
    """

    dataset: str
    period: str
    state: str
    sequence: int
    declared_rows: int | None
    units: tuple[int, int] | None
    units_missing: tuple[str, ...]
    rows: Mapping[str, int]
    quarantined: int
    duplicates: int
    edits: int
    linked: float | None
    nearest: tuple[str, float] | None
    verdicts: Mapping[str, str | None]
    failures: tuple[str, ...]
    fallen: tuple[str, ...]
    next_step: str

    def as_json(self) -> dict[str, object]:
        """Plain values for scripts."""
        return asdict(self)


def partition_statuses(house: House, datasets: Iterable[Dataset], periods: Iterable[str] = ()) -> tuple[PartitionStatus, ...]:
    """The status of every dataset-month of which anything is known, by period and dataset."""
    wanted, at = frozenset(periods), house.now()
    # all months of a year were published under the same few decisions
    standing = cache(lambda decision_id: house.register.standing(decision_id, at))
    found = []
    for dataset in datasets:
        known = _Known.of(house, dataset, wanted)
        for key in sorted(known.periods):
            period = _reference_period(house, dataset, key)
            if period is not None:
                found.append(_status(house, dataset, period, known, standing))
    return tuple(sorted(found, key=lambda status: (running_order(Period.parse(status.period)), status.dataset)))


@dataclass(frozen=True)
class _Known:
    """What the ledger and the lake say of a dataset, read once for all its periods.

    Attributes:
        periods: of which anything came or was judged; of these the wanted ones, if any is named.
        deliveries: by period, oldest first.
        current: of them those that count, by period.
        verdicts: the latest, by layer and period.
        states: the last commits, by layer and period.
    """

    periods: frozenset[str]
    deliveries: Mapping[str, Sequence[Delivery]]
    current: Mapping[str, Sequence[Delivery]]
    verdicts: Mapping[tuple[str, str], Verdict]
    states: Mapping[tuple[str, str], PartitionState]

    @classmethod
    def of(cls, house: House, dataset: Dataset, wanted: frozenset[str]) -> _Known:
        """Read it; commits of the wanted periods only, if any is named."""
        named = {"organization": dataset.organization, "dataset": dataset.name}
        deliveries: dict[str, list[Delivery]] = {}
        for delivery in house.ledger.deliveries(**named):
            deliveries.setdefault(delivery.period, []).append(delivery)
        current: dict[str, list[Delivery]] = {}
        for delivery in house.ledger.current_deliveries(**named):
            current.setdefault(delivery.period, []).append(delivery)
        verdicts = {(verdict.layer, verdict.period): verdict for verdict in house.ledger.latest_verdicts(**named)}
        # a table is the same in all versions of its contract
        tables = {layer: house.table(layer, dataset, dataset.newest) for layer in LAYERS}
        known = frozenset(deliveries) | {period for _, period in verdicts}
        periods = known & wanted if wanted else known
        # by name, because a partition without a row, of which all was set aside, is in no list of partitions
        found = ((layer, table.states(*periods)) for layer, table in tables.items() if periods)
        states = {(layer, state.period): state for layer, of_layer in found for state in of_layer}
        return cls(periods, deliveries, current, verdicts, states)


def due_partitions(house: House, through: str = LAYERS[-1]) -> tuple[tuple[Dataset, Period], ...]:
    """Partitions whose newest accepted deliveries were neither taken through nor refused on their way, by period and dataset.

    Those that only lack a decision are left out: running them would change nothing.

    Args:
        through: the last layer that has to have its verdict.
    """
    verdicts, handed_over = VerdictsByLayer(house, through), VerdictsByLayer(house, LAYERS[-2])
    due = []
    for (name, key), deliveries in current_by_partition(house.ledger).items():
        dataset = house.configuration.datasets.get(name)
        period = _reference_period(house, dataset, key) if dataset else None
        if dataset and period:
            parts = of_units(deliveries, dataset.contract(period), period)
            if parts and verdicts.last(parts) is None and not _undecided(house, dataset, period, handed_over.last(parts)):
                due.append((dataset, period))
    return tuple(sorted(due, key=lambda pair: (running_order(pair[1]), pair[0].key)))


def _undecided(house: House, dataset: Dataset, period: Period, handed_over: Verdict | None) -> bool:
    """Whether a partition passed up to the last layer but one, and no decision lets it be published."""
    if handed_over is None or handed_over.layer != LAYERS[-2] or house.gate.objection(handed_over, dataset.organization):
        return False
    passage = house.passage_of(LAYERS[-1], dataset, dataset.contract(period), period, handed_over.content_id)
    return not house.gate.ask_decisions(passage).allowed


def chosen_partitions(
    house: House, datasets: Iterable[Dataset], keys: Iterable[str], *, named: bool
) -> list[tuple[Dataset, Period]]:
    """The partitions of datasets and period keys that a person chose, in the order in which they are run.

    Args:
        named: whether the person named the datasets; if not, a month is for those that come each month, a quarter for the
            others.

    Raises:
        MdlakeError: a key is no period, or not one of a dataset that was named, or of no dataset at all.
    """
    datasets, chosen = tuple(datasets), set()
    for key in keys:
        kind = Period.parse(key).kind
        fitting = [dataset for dataset in datasets if named or dataset.file.periodicity == kind] or datasets
        chosen |= {(dataset.key, house.configuration.period(dataset, key)) for dataset in fitting}
    pairs = [(house.configuration.dataset(name), period) for name, period in chosen]
    return sorted(pairs, key=lambda pair: (running_order(pair[1]), pair[0].key))


def running_order(period: Period) -> tuple[object, ...]:
    """By the day on which it ends, the shorter first: what a period is compared with comes before it."""
    return period.last_day, -period.first_day.toordinal()


class VerdictsByLayer:
    """The latest verdicts of the layers up to one, read from the ledger at once.

    Args:
        through: the last layer.
    """

    def __init__(self, house: House, through: str) -> None:
        self._house = house
        self._layers = LAYERS[: LAYERS.index(through) + 1]
        self._latest = {
            layer: {(v.organization, v.dataset, v.period): v for v in house.ledger.latest_verdicts(layer)}
            for layer in self._layers
        }

    def last(self, parts: Sequence[Delivery]) -> Verdict | None:
        """The verdict that refused what was made of a partition's current deliveries (at least one), or the last layer's.

        None while a layer lacks its own, because it was not made yet or its run was killed.
        """
        inputs = delivery_inputs(parts)
        for layer in self._layers:
            verdict = self._latest[layer].get((parts[0].organization, parts[0].dataset, parts[0].period))
            if verdict is None or not _made_of(verdict, layer, inputs):
                return None
            if layer == self._layers[-1] or self._house.gate.objection(verdict, parts[0].organization) is not None:
                return verdict
            inputs = {layer: verdict.content_id}
        raise AssertionError("the last layer answers")


def _made_of(verdict: Verdict, layer: str, inputs: Mapping[str, str]) -> bool:
    """Whether the content that a verdict is about was made of these; what it was compared with stands among its inputs too."""
    if layer == LAYERS[0]:
        return delivered(verdict.inputs) == inputs
    return all(verdict.inputs.get(name) == content for name, content in inputs.items())


def _reference_period(house: House, dataset: Dataset, key: str) -> Period | None:
    try:
        return house.configuration.period(dataset, key)
    except MdlakeError:
        return None


def _status(
    house: House, dataset: Dataset, period: Period, known: _Known, standing: Callable[[str], Standing]
) -> PartitionStatus:
    contract = dataset.contract(period)
    states = {layer: known.states.get((layer, period.key)) for layer in LAYERS}
    verdicts = {layer: known.verdicts.get((layer, period.key)) if states[layer] else None for layer in LAYERS}
    current = of_units(known.current.get(period.key, ()), contract, period)
    missing = set(contract.units(period)) - {part.reporting_unit for part in current}
    standardized = states["standardized"]
    tally = Tally.from_json(standardized.details["tally"]) if standardized else Tally()
    producer = house.configuration.organizations[dataset.organization].label.en
    objections = (house.gate.objection(v, producer) for v in verdicts.values() if v is not None)
    refusing = next((objection for objection in objections if objection), None)
    refused_delivery = _refused_last(known.deliveries.get(period.key, ()), contract.units(period))
    stale = _stale(known, period)
    state, undecided, next_step = _standing(house, dataset, period, states, refusing, refused_delivery, stale)
    return PartitionStatus(
        dataset=dataset.key,
        period=period.key,
        state=state,
        sequence=max((part.sequence for part in current), default=0),
        declared_rows=sum(part.declared_rows or 0 for part in current) if current else None,
        units=(len(current), len(current) + len(missing)) if contract.reporting_units else None,
        units_missing=tuple(sorted(missing)) if contract.reporting_units else (),
        rows={layer: made.rows for layer, made in states.items() if made},
        quarantined=tally.quarantined,
        duplicates=tally.duplicates,
        edits=tally.edits.total(),
        linked=_linked(contract, states["pseudonymized"], tally),
        nearest=_nearest(v for v in verdicts.values() if v is not None),
        verdicts={layer: verdict.outcome if verdict else None for layer, verdict in verdicts.items()},
        failures=(*undecided, *(failure_text(r) for v in verdicts.values() if v for r in v.results if not r["passed"])),
        fallen=_fallen(house, dataset, period, states[LAYERS[-1]], standing) if state == "published" else (),
        next_step=next_step,
    )


def _refused_last(deliveries: Sequence[Delivery], units: tuple[str, ...]) -> Delivery | None:
    """The latest refused delivery after which nothing of its reporting unit was accepted; of no unit's: nothing at all came."""
    last = {delivery.reporting_unit: delivery for delivery in deliveries if delivery.reporting_unit in units}
    refused = [delivery for delivery in (*last.values(), *deliveries[-1:]) if delivery.state == "refused"]
    return max(refused, key=lambda delivery: (delivery.received_at, delivery.delivery_id or 0), default=None)


def _linked(contract: Contract, pseudonymized: PartitionState | None, tally: Tally) -> float | None:
    if pseudonymized is None or not contract.linked or not tally.rows_in:
        return None
    filled = {column.name: pseudonymized.filled[column.pseudonym] for column in contract.linked}
    required = [filled[column.name] for column in contract.linked if column.required]
    # a row that fills several of the alternatives is counted as often; the rule on them tells of such rows
    required += [sum(filled[n] for n in names) for names in contract.alternatives if filled.keys() >= set(names)]
    return (min(required) if required else max(filled.values())) / tally.rows_in


def _nearest(verdicts: Iterable[Verdict]) -> tuple[str, float] | None:
    """Of all rules in which anything failed; one that lets nothing pass is the nearest of all."""
    failed: list[Mapping[str, Any]] = [result for verdict in verdicts for result in verdict.results if result["failed"]]
    if not failed:
        return None
    nearest = max(failed, key=lambda result: result["share"] / (result["threshold"] or math.ulp(0.0)))
    return str(nearest["rule"]), float(nearest["share"])


def _standing(
    house: House,
    dataset: Dataset,
    period: Period,
    states: Mapping[str, PartitionState | None],
    refusing: Missing | None,
    refused_delivery: Delivery | None,
    stale: bool,
) -> tuple[str, tuple[str, ...], str]:
    """The state of a partition in a word, the decisions that are missing, and what to do next."""
    producer = house.configuration.organizations[dataset.organization].label.en
    run = f"mdlake run {dataset.key} --period {period}"
    if refused_delivery is not None:
        return "delivery refused", (), f"{producer}: {refused_delivery.message}"
    if refusing is not None:
        return "refused", (), f"{producer} corrects and sends again; then: {run}"
    if states["published"] is not None and not stale:
        return "published", (), "nothing to do"
    if states["raw"] is None:
        return "delivered", (), run
    below = states["pseudonymized"]
    if below is not None:
        passage = house.passage_of("published", dataset, dataset.contract(period), period, below.content_id)
        missing = house.gate.ask_decisions(passage).missing
        if missing:
            return "undecided", tuple(map(str, missing)), f"{missing[0].next_step}; when it is accepted: {run}"
    return "in progress", (), run


def _fallen(
    house: House, dataset: Dataset, period: Period, published: PartitionState | None, standing: Callable[[str], Standing]
) -> tuple[str, ...]:
    """The decisions under which a partition was published and that count no more, unless others took their place."""
    standings = [standing(name) for name in (published.details.get("decisions", ()) if published else ())]
    fallen = tuple(f"decision {one.decision_id}: {one.reason}" for one in standings if not one.counts)
    if not fallen:
        return ()
    passage = house.passage("published", dataset, dataset.contract(period), period)
    return () if house.gate.ask_decisions(passage).allowed else fallen


def _stale(known: _Known, period: Period) -> bool:
    """Whether what is published was made from other content than the pseudonymized layer has now."""
    published, below = (known.verdicts.get((layer, period.key)) for layer in ("published", "pseudonymized"))
    return published is None or below is None or published.inputs.get("pseudonymized") != below.content_id
