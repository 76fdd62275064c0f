"""The close of a month: with which contents and verdicts of the datasets that were due, and what is missing. Ledger only.

A month is ready when every dataset that is due for it passed up to the standardized layer. Rules across sources, which need
all of a month, will run at its close; here is which contents they are to run on. Time is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mdlake.config import Configuration, Dataset
from mdlake.governance import Missing
from mdlake.ledger import Delivery, MonthClose, Verdict
from mdlake.standard import Period
from mdlake.steps.deliveries import current_by_partition, of_units
from mdlake.steps.house import House, Run
from mdlake.steps.status import VerdictsByLayer

__all__ = ["MonthMember", "MonthStanding", "close_month", "month_standing", "months_to_close"]

_LAYER = "standardized"


@dataclass(frozen=True)
class MonthMember:
    """A dataset that is due for a month.

    Attributes:
        period: the month, or the quarter that ends with it.
        state: `passed` up to the standardized layer, `refused` on the way, `under way`, or `not delivered`.
        verdict: the one by which it passed or was refused.
        missing: what stands in the way of the month, or what the passed content lacks.
        since: when the newest of its deliveries came.
    """

    dataset: Dataset
    period: Period
    state: Literal["passed", "refused", "under way", "not delivered"]
    verdict: Verdict | None
    missing: Missing | None
    since: datetime | None

    def as_json(self) -> dict[str, object]:
        """Plain values for the ledger."""
        verdict, missing = self.verdict, self.missing
        return {
            "dataset": self.dataset.key,
            "period": self.period.key,
            "state": self.state,
            "layer": verdict.layer if verdict else None,
            "content_id": verdict.content_id if verdict else None,
            "outcome": verdict.outcome if verdict else None,
            "contract_version": verdict.contract_version if verdict else None,
            "rule_version": verdict.rule_version if verdict else None,
            "missing": missing._asdict() if missing else None,
        }


@dataclass(frozen=True)
class MonthStanding:
    """How all datasets that are due for a month stand."""

    month: Period
    members: tuple[MonthMember, ...]

    @property
    def is_ready(self) -> bool:
        """Whether every dataset passed."""
        return all(member.state == "passed" for member in self.members)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing, no reporting unit's part either."""
        return all(member.missing is None for member in self.members)

    def close(self, run: Run, at: datetime) -> MonthClose:
        """The record of a close as the month stands."""
        members = tuple(member.as_json() for member in self.members)
        return MonthClose(self.month.key, members, self.is_complete, run.run_id, at)


def month_standing(house: House, month: Period) -> MonthStanding:
    """How a month stands in the ledger now."""
    return _Records(house).standing(month)


def months_to_close(house: House, at: datetime) -> tuple[MonthStanding, ...]:
    """The months that are to be closed now: those that are ready and were not closed with the same contents, and those whose
    deadline (the calendar's `closing_days` after the month's end) passed and that were never closed.

    A month for which nothing ever came is not looked at. After the deadline what is under way is waited for, unless it came
    so many days ago too.
    """
    records = _Records(house)
    last = {close.month: close for close in house.ledger.month_closes()}
    patience = timedelta(days=house.configuration.calendar.closing_days)
    found = []
    for month in house.configuration.months:
        if not records.anything_came(month):
            continue
        standing, closed = records.standing(month), last.get(month.key)
        if standing.is_ready:
            again = closed is not None and closed.identity == standing.close(Run(""), at).identity
            if not again:
                found.append(standing)
        elif closed is None and at.date() > month.last_day + patience and not _awaited(standing, at - patience):
            found.append(standing)
    return tuple(found)


def _awaited(standing: MonthStanding, long_ago: datetime) -> bool:
    return any(m.state == "under way" and m.since is not None and m.since > long_ago for m in standing.members)


def close_month(house: House, month: Period, run: Run) -> tuple[MonthStanding, MonthClose]:
    """Record with what a month is closed now; closed with the same as last, the last record stands."""
    standing = month_standing(house, month)
    return standing, house.ledger.record_month_close(standing.close(run, house.now()))


class _Records:
    """What the ledger knows of all partitions, read at once."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._current = current_by_partition(house.ledger)
        self._verdicts = VerdictsByLayer(house, _LAYER)
        self._refused: Mapping[tuple[str, str], Delivery] = {
            (f"{d.organization}/{d.dataset}", d.period): d for d in house.ledger.deliveries() if d.state == "refused"
        }

    def standing(self, month: Period) -> MonthStanding:
        """How a month stands."""
        return MonthStanding(month, tuple(self._member(*pair) for pair in _due(self._house.configuration, month)))

    def anything_came(self, month: Period) -> bool:
        """Whether anybody ever sent something for the month, or for the quarter that ends with it."""
        keys = {(dataset.key, period.key) for dataset, period in _due(self._house.configuration, month)}
        return not keys.isdisjoint(self._current) or not keys.isdisjoint(self._refused)

    def _member(self, dataset: Dataset, period: Period) -> MonthMember:
        contract = dataset.contract(period)
        producer = self._house.configuration.organizations[dataset.organization].label.en
        parts = of_units(self._current.get((dataset.key, period.key), ()), contract, period)
        if not parts:
            missing = self._not_delivered(dataset, period, producer)
            return MonthMember(dataset, period, "not delivered", None, missing, None)
        since, verdict = max(part.received_at for part in parts), self._verdicts.last(parts)
        if verdict is None:
            missing = Missing(
                "what was delivered has not passed its principles yet", "data team", f"mdlake run {dataset.key} {period}"
            )
            return MonthMember(dataset, period, "under way", None, missing, since)
        objection = self._house.gate.objection(verdict, producer)
        if objection is not None:
            return MonthMember(dataset, period, "refused", verdict, objection, since)
        absent = sorted(set(contract.units(period)) - {part.reporting_unit for part in parts})
        units = Missing(
            f"the parts of {len(absent)} of {len(absent) + len(parts)} reporting units: {', '.join(absent)}",
            producer,
            f"the units send their parts; then: mdlake run {dataset.key} {period}",
        )
        return MonthMember(dataset, period, "passed", verdict, units if absent else None, since)

    def _not_delivered(self, dataset: Dataset, period: Period, producer: str) -> Missing:
        refused = self._refused.get((dataset.key, period.key))
        landing = f"{producer} sends its package; then: mdlake run {dataset.key} {period}"
        if refused is None:
            return Missing("nothing was delivered", producer, landing)
        return Missing(f"nothing was accepted; the last delivery was refused for {refused.reason}", producer, landing)


def _due(configuration: Configuration, month: Period) -> Iterator[tuple[Dataset, Period]]:
    """The datasets that are due for a month with their period: monthly ones, and quarterly ones whose quarter ends with it."""
    for dataset in configuration.datasets.values():
        if dataset.versions[0].valid_from > month:
            continue
        quarter = month.quarter()
        if dataset.file.periodicity == "month":
            yield dataset, month
        elif quarter.months()[-1] == month and quarter in configuration.periods(dataset):
            yield dataset, quarter
