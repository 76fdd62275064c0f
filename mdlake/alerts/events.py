"""What there is to tell, derived from the ledger and from the runs that failed: each thing with an identity of its own.

Nothing here is remembered from an earlier look, so that nothing is lost when nobody looked. Not here: who is told, and in what
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from mdlake.ledger import AlertEvent, Verdict
from mdlake.steps import House, worst_part

__all__ = ["RunFailure", "failed_runs", "refused_months", "refused_packages"]

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
