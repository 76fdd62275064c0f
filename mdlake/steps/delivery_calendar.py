"""How deliveries stand against the calendar at a moment: who is not due yet, in time, late, refused, and has not come at all.

A period is owed by the dataset's due day in the month after it; what comes within the days of grace is in time. All of it is
asked of the ledger as it was at that moment: what came later does not count. Not here: what became of what was accepted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, get_args

from mdlake.config import Dataset, Deadline
from mdlake.errors import MdlakeError
from mdlake.ledger import Submission
from mdlake.standard import Period, day_in_iran, solar_hijri_day
from mdlake.steps.house import House

__all__ = [
    "DELIVERY_STATES",
    "DeliveryStanding",
    "DeliveryState",
    "behind_calendar",
    "days_late",
    "delivery_counts",
    "delivery_standings",
]

DeliveryState = Literal["on time", "late", "overdue", "refused", "awaited", "not due"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
_RESUBMITTED = "resubmitted"


@dataclass(frozen=True)
class DeliveryStanding:
    """What one sender owes of one period: an organization, or one of its reporting units.

    Attributes:
        dataset: `organization/dataset`.
        unit: code of the reporting unit; empty where one file is all.
        state: `on time` and `late`: it was accepted; `refused`: something came, the last of it was refused and nothing accepted;
            without either `not due`, `awaited` (within the days of grace) or `overdue`.
        due_day, last_day: Gregorian; the last day is that of grace.
        days_late: from the due day until it was first accepted, or until now; 0 up to the last day of grace.
        received_at: when what was first accepted came; None where nothing was.
        accepted, refused: how often something was.
        reason: for which the last was refused, where that is the state.
    """

    dataset: str
    period: str
    unit: str
    state: DeliveryState
    due_day: date
    last_day: date
    days_late: int
    received_at: datetime | None
    accepted: int
    refused: int
    reason: str | None

    @property
    def organization(self) -> str:
        """Who owes it."""
        return self.dataset.split("/")[0]

    @property
    def is_overdue(self) -> bool:
        """Whether nothing was accepted, and the days of grace are over."""
        return self.received_at is None and self.days_late > 0

    @property
    def is_resubmitted(self) -> bool:
        """Whether what was accepted was replaced by a later sequence."""
        return self.accepted > 1

    def as_json(self) -> dict[str, object]:
        """Plain values for scripts; days are Solar Hijri."""
        return {
            **vars(self),
            "organization": self.organization,
            "due_day": solar_hijri_day(self.due_day),
            "last_day": solar_hijri_day(self.last_day),
            "received_at": self.received_at.isoformat() if self.received_at else None,
            "resubmissions": max(self.accepted - 1, 0),
        }


def delivery_standings(
    house: House, as_of: datetime, datasets: Iterable[Dataset] | None = None, periods: Iterable[str] = ()
) -> tuple[DeliveryStanding, ...]:
    """How everything that is owed stands at a moment, by dataset, period and reporting unit.

    Periods that are not over are left out, unless something came for them already.

    Args:
        as_of: the moment, with a time zone; its day is that in Iran.
        datasets: only these; without them all.
        periods: only those of these keys; without them all that are owed.

    Raises:
        MdlakeError: a key is no period, or one that nobody owes.
    """
    chosen = tuple(house.configuration.datasets.values() if datasets is None else datasets)
    keys = frozenset(periods)
    owed = {dataset.key: house.configuration.owed_periods(dataset) for dataset in chosen}
    _require_owed(house, keys, frozenset(period.key for found in owed.values() for period in found))
    came = _submissions(house, as_of)
    return tuple(
        _standing((dataset.key, period.key, unit), deadline, as_of, came[dataset.key, period.key, unit])
        for dataset in chosen
        for period in owed[dataset.key]
        if not keys or period.key in keys
        for deadline in [house.configuration.deadline(dataset, period)]
        for unit in dataset.contract(period).units(period)
        if period.last_day < day_in_iran(as_of) or came[dataset.key, period.key, unit]
    )


def delivery_counts(standings: Iterable[DeliveryStanding]) -> dict[str, int]:
    """How many are in each state, those without any left out; `resubmitted` beside them, because it is no state of its own."""
    standings = tuple(standings)
    counts = Counter[str](standing.state for standing in standings)
    counts[_RESUBMITTED] = sum(standing.is_resubmitted for standing in standings)
    return {name: counts[name] for name in (*DELIVERY_STATES, _RESUBMITTED) if counts[name]}


def behind_calendar(standings: Iterable[DeliveryStanding], as_of: date) -> tuple[DeliveryStanding, ...]:
    """What somebody has to be asked about on a day: all that is overdue, and what came late for the newest period that could.

    What came late for an earlier period is past, once the next came in time.

    Args:
        standings: of one dataset.
    """
    standings = tuple(standings)
    over = [standing.period for standing in standings if standing.last_day < as_of]
    newest = max(over, key=lambda key: Period.parse(key).last_day, default=None)
    return tuple(s for s in standings if s.is_overdue or (s.state == "late" and s.period == newest))


def days_late(house: House, dataset: Dataset, period: Period) -> dict[str, int]:
    """How late who sent something for a period was, by reporting unit: by the first that was accepted of each.

    So it is settled with the first acceptance, and a correction changes nothing. Empty where the period is not owed by a day.
    """
    if period not in house.configuration.owed_periods(dataset):
        return {}
    came: dict[str, list[Submission]] = defaultdict(list)
    for submission in house.ledger.submissions(house.now(), dataset.organization, dataset.name, period.key):
        came[submission.reporting_unit].append(submission)
    deadline, now = house.configuration.deadline(dataset, period), house.now()
    standings = (_standing((dataset.key, period.key, unit), deadline, now, found) for unit, found in came.items())
    return {standing.unit: standing.days_late for standing in standings if standing.accepted}


_Place = tuple[str, str, str]
"""Dataset, period key, reporting unit."""


def _submissions(house: House, as_of: datetime) -> Mapping[_Place, Sequence[Submission]]:
    found: dict[_Place, list[Submission]] = defaultdict(list)
    for submission in house.ledger.submissions(as_of):
        key = f"{submission.organization}/{submission.dataset}"
        found[key, submission.period, submission.reporting_unit].append(submission)
    return found


def _standing(place: _Place, deadline: Deadline, as_of: datetime, came: Sequence[Submission]) -> DeliveryStanding:
    accepted = [submission for submission in came if submission.state == "accepted"]
    counted = day_in_iran(accepted[0].received_at if accepted else as_of)
    days_late = (counted - deadline.due_day).days if counted > deadline.last_day else 0
    state: DeliveryState
    if accepted:
        state = "late" if days_late else "on time"
    elif came:
        state = "refused"
    elif days_late:
        state = "overdue"
    else:
        state = "awaited" if counted > deadline.due_day else "not due"
    return DeliveryStanding(
        *place,
        state=state,
        due_day=deadline.due_day,
        last_day=deadline.last_day,
        days_late=days_late,
        received_at=accepted[0].received_at if accepted else None,
        accepted=len(accepted),
        refused=len(came) - len(accepted),
        reason=came[-1].reason if state == "refused" else None,
    )


def _require_owed(house: House, keys: Iterable[str], owed: frozenset[str]) -> None:
    for key in sorted(keys):
        if Period.parse(key).key not in owed:
            first = house.configuration.calendar.owed_from
            fix = f"Deliveries are owed from {first} on (calendar.yaml), each month or quarter as the dataset comes."
            raise MdlakeError(f"nobody owes a delivery of {key}", where="delivery calendar", next_step=fix)
