"""What there is to tell, derived from the ledger and from the runs that failed: each thing with an identity of its own.

Nothing here is remembered from an earlier look, so that nothing is lost when nobody looked. Not here: who is told, and in what
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from mdlake.config import Dataset
from mdlake.ledger import AlertEvent, Verdict
from mdlake.standard import Period, midnight_in_iran
from mdlake.steps import DeliveryStanding, House, delivery_standings, worst_part

__all__ = ["RunFailure", "failed_runs", "late_deliveries", "refused_months", "refused_packages"]

_SHOWN_RULES = 8


@dataclass(frozen=True)
class RunFailure:
    """A run that did not come to its end.

    Attributes:
        organization, dataset, period: of what it was a run; None where of nothing in particular.
        what, where, next_step: as a step of ours told it; empty where it was killed, or a foreign error ended it.
        killed: whether no step of it failed.
    """

    run_id: str
    job: str
    failed_at: datetime
    organization: str | None = None
    dataset: str | None = None
    period: str | None = None
    what: str = ""
    where: str = ""
    next_step: str = ""
    killed: bool = False


def refused_packages(house: House, since: datetime) -> Iterator[AlertEvent]:
    """The packages that came since a moment and were refused."""
    for package in house.ledger.refused_packages(since):
        delivery = house.ledger.delivery(package.delivery_id) if package.delivery_id is not None else None
        facts = {
            "organization": package.organization,
            "dataset": delivery.dataset if delivery else None,
            "period": delivery.period if delivery else None,
            "reporting_unit": delivery.reporting_unit if delivery else None,
            "package": package.package_id,
            "reason": package.reason,
            "detail": package.message,
        }
        yield AlertEvent(f"package:{package.package_id}", "package_refused", package.received_at, facts)


def refused_months(house: House, since: datetime) -> Iterator[AlertEvent]:
    """The periods that the rules refuse by a verdict first given since a moment, unless exceptions set all of it aside."""
    for verdict in house.ledger.refused_verdicts(since):
        if house.gate.objection(verdict, verdict.organization) is not None:
            yield AlertEvent(f"verdict:{verdict.identity}", "month_refused", verdict.decided_at, _refusal(verdict))


def _refusal(verdict: Verdict) -> dict[str, object]:
    refusing = [result for result in verdict.results if result["severity"] == "error" and not result["passed"]]
    counts = ("rule", "checked", "failed", "share", "threshold")
    return {
        "organization": verdict.organization,
        "dataset": verdict.dataset,
        "period": verdict.period,
        "layer": verdict.layer,
        "rules": [
            {name: result[name] for name in counts} | {"most_in": worst_part(result)} for result in refusing[:_SHOWN_RULES]
        ],
        "rules_failed": len(refusing),
    }


def failed_runs(house: House, failures: Sequence[RunFailure]) -> Iterator[AlertEvent]:
    """The runs that failed, without those that a verdict ended: the refused month tells of them."""
    refused = house.ledger.runs_that_refused([failure.run_id for failure in failures])
    for failure in failures:
        if failure.run_id not in refused:
            facts = {name: value for name, value in asdict(failure).items() if name != "failed_at"}
            yield AlertEvent(f"run:{failure.run_id}", "run_failed", failure.failed_at, facts)


def late_deliveries(house: House, since: datetime) -> Iterator[AlertEvent]:
    """The periods of datasets whose days of grace ended since a moment, and of which something has still not been accepted.

    Where reporting units send a part each, all that owe one are one event.
    """
    now = house.now()
    became_late = dict(_became_late(house, since, now))
    if not became_late:
        return
    datasets = [house.configuration.dataset(key) for key in {key for key, _ in became_late}]
    owing: dict[tuple[str, str], list[DeliveryStanding]] = {}
    for standing in delivery_standings(house, now, datasets, {period for _, period in became_late}):
        if standing.is_overdue:
            owing.setdefault((standing.dataset, standing.period), []).append(standing)
    for (key, period), at in became_late.items():
        if late := owing.get((key, period)):
            facts = _lateness(house.configuration.dataset(key), Period.parse(period), late)
            yield AlertEvent(f"late:{key}:{period}", "delivery_late", at, facts)


def _became_late(house: House, since: datetime, now: datetime) -> Iterator[tuple[tuple[str, str], datetime]]:
    """What is late, if it did not come, from a moment between two others on: the midnight after the last day of grace."""
    for dataset in house.configuration.datasets.values():
        for period in house.configuration.owed_periods(dataset):
            at = midnight_in_iran(house.configuration.deadline(dataset, period).last_day + timedelta(days=1))
            if since <= at <= now:
                yield (dataset.key, period.key), at


def _lateness(dataset: Dataset, period: Period, late: Sequence[DeliveryStanding]) -> dict[str, object]:
    owed = dataset.contract(period).units(period)
    return {
        "organization": dataset.organization,
        "dataset": dataset.name,
        "period": period.key,
        "due_day": late[0].due_day.isoformat(),
        "days_late": late[0].days_late,
        "units": [standing.unit for standing in late if standing.unit],
        "units_owed": len([unit for unit in owed if unit]),
        "refused_for": sorted({standing.reason for standing in late if standing.reason}),
    }
