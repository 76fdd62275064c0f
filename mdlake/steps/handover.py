"""What the research room has to publish: partitions whose pseudonymized content passed and is not published yet.

What lacks a decision is not asked for: a run would only be refused. It becomes due when the decision is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

from mdlake.governance import Missing
from mdlake.ledger import Verdict
from mdlake.standard import Period
from mdlake.steps.house import House

__all__ = ["Handover", "Handovers", "handovers", "unexcepted_periods"]


@dataclass(frozen=True)
class Handover:
    """A pseudonymized verdict that waits for publication, and the decisions that allow it."""

    verdict: Verdict
    decisions: tuple[str, ...]


@dataclass(frozen=True)
class Handovers:
    """What may be published now, and how much more waits for decisions."""

    due: tuple[Handover, ...]
    undecided: int


def handovers(house: House) -> Handovers:
    """What waits for publication; read from the ledger and the register, never from a table."""
    due, undecided = [], 0
    for verdict in _passed(house):
        dataset = house.configuration.dataset(f"{verdict.organization}/{verdict.dataset}")
        period = Period.parse(verdict.period)
        passage = house.passage_of("published", dataset, dataset.contract(period), period, verdict.content_id)
        answer = house.gate.ask_decisions(passage)
        if answer.allowed:
            due.append(Handover(verdict, answer.decisions))
        undecided += not answer.allowed
    return Handovers(tuple(due), undecided)


def _passed(house: House) -> tuple[Verdict, ...]:
    published = {
        (verdict.organization, verdict.dataset, verdict.period): verdict.inputs.get("pseudonymized")
        for verdict in house.ledger.latest_verdicts("published")
    }
    return tuple(
        verdict
        for verdict in house.ledger.latest_verdicts("pseudonymized")
        if f"{verdict.organization}/{verdict.dataset}" in house.configuration.datasets
        and published.get((verdict.organization, verdict.dataset, verdict.period)) != verdict.content_id
        and house.gate.objection(verdict, verdict.organization) is None
    )


def unexcepted_periods(house: House) -> tuple[Missing, ...]:
    """What the datasets lack that do not come each month: a warning where the configuration is loaded, later a refusal."""
    periodicities = {key: dataset.file.periodicity for key, dataset in house.configuration.datasets.items()}
    found = (house.gate.period_exception_missing(key, kind) for key, kind in periodicities.items() if kind != "month")
    return tuple(missing for missing in found if missing is not None)
