"""Disputes between workers and their employers: who files which claim, when it is decided, and its running number.

The cases of a month are drawn from all jobs that go on or have just ended, so each month's cases can be had by themselves.
What the provincial offices write of them is in their module.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from mdlake.synthetic.calendar import first_days, month_lengths, month_text
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.places import PROVINCES, drawn
from mdlake.synthetic.population import Workplaces
from mdlake.synthetic.randomness import Bools, Ints, Permutation, Stream
from mdlake.synthetic.wages import daily_wages

__all__ = ["CLAIM_KINDS", "OUTCOMES", "Cases", "Disputes"]

_MONTHLY_SHARE = 0.0015
"""Cases filed in a month for each place of a job; a tenth more or less from month to month."""
_LONGEST_DELAY = 4
_MOST_MONTHS_KEPT = 24
_CASES_IN_MONTH = 1 << 20

CLAIM_KINDS = ("01", "02", "03", "04", "05", "06", "07")
_OF_ENDED_JOB = {"01": 25, "02": 30, "03": 8, "04": 6, "05": 22, "06": 6, "07": 3}
_OF_LASTING_JOB = {"01": 42, "02": 0, "03": 22, "04": 20, "05": 2, "06": 9, "07": 5}
_DAYS_CLAIMED = ((30, 180), (30, 300), (10, 120), (3, 60), (30, 120), (5, 60), (10, 100))
"""Of each kind of claim, the least and the most in days of the wage."""
OUTCOMES = {"1": 45, "2": 25, "3": 20, "4": 10}
"""Outcomes with their weight."""


@dataclass(frozen=True)
class Cases:
    """Cases, ordered by province, year and running number; arrays of equal length."""

    case: Ints
    """A number of its own in the whole ministry."""
    person: Ints
    workplace: Ints
    province: Ints
    filed: Ints
    """Day ordinals."""
    decided: Ints
    """Day ordinals, of all cases, whether the decision was reported yet or not."""
    year: Ints
    number: Ints
    """Running number of the cases that were filed in the province in the year, from 1."""
    claim: Ints
    """Places in `CLAIM_KINDS`."""
    amount: Ints
    """Rial."""
    outcome: Ints
    """Places in `OUTCOMES`."""

    def at(self, place: Ints | Bools) -> Cases:
        """Some of the cases."""
        return Cases(*(getattr(self, field.name)[place] for field in fields(self)))

    def with_others(self, *others: Cases) -> Cases:
        """These cases and others, in the order of all of them."""
        columns = (np.concatenate([getattr(cases, field.name) for cases in (self, *others)]) for field in fields(Cases))
        joined = Cases(*columns)
        return joined.at(np.lexsort((joined.number, joined.year, joined.province)))


class Disputes:
    """The cases of a population's jobs."""

    def __init__(self, workplaces: Workplaces, employment: Employment, seed: int) -> None:
        self._workplaces = workplaces
        self._employment = employment
        self._seed = seed
        self._kept: dict[int, Cases] = {}
        self._last_events: tuple[int, Cases, Bools] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "disputes", name)

    def events(self, month: int) -> tuple[Cases, Bools]:
        """The cases filed in a month and those decided in it, and which of them are decided. The last month's are kept."""
        if self._last_events is None or self._last_events[0] != month:
            cases = self.filed(month).with_others(self.decided(month))
            self._last_events = (month, cases, cases.filed < int(first_days(month)))
        return self._last_events[1], self._last_events[2]

    def filed(self, month: int) -> Cases:
        """The cases filed in a month."""
        cases = self._unnumbered(month)
        earlier = range(month - month % 12, month)
        before = sum((self._tally(other) for other in earlier), np.zeros(len(PROVINCES), dtype=np.int64))
        rank = np.arange(cases.case.size) - np.searchsorted(cases.province, cases.province, side="left")
        return replace(cases, number=before[cases.province] + rank + 1)

    def decided(self, month: int) -> Cases:
        """The cases decided in a month; they were filed one to four months before."""
        first, last = int(first_days(month)), int(first_days(month + 1)) - 1
        parts = []
        for earlier in range(month - _LONGEST_DELAY, month):
            cases = self.filed(earlier)
            parts.append(cases.at((cases.decided >= first) & (cases.decided <= last)))
        return parts[0].with_others(*parts[1:])

    def _tally(self, month: int) -> Ints:
        """How many cases were filed in each province."""
        return np.bincount(self._unnumbered(month).province, minlength=len(PROVINCES))

    def _unnumbered(self, month: int) -> Cases:
        """The cases filed in a month, before they have their numbers. The months last asked for are kept."""
        if month not in self._kept:
            if len(self._kept) >= _MOST_MONTHS_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[month] = self._drawn(month)
        return self._kept[month]

    def _drawn(self, month: int) -> Cases:
        slots = self._employment.slots
        more_or_less = 0.9 + 0.2 * float(self._stream("cases").unit(np.array([month]))[0])
        running = np.arange(min(slots, max(1, round(_MONTHLY_SHARE * more_or_less * slots))))
        case = month * _CASES_IN_MONTH + running
        slot = Permutation(slots, self._seed, "disputes", month_text(month)).at(running)
        spells = self._employment.spells(slot, month)
        person = self._employment.persons_of(slot)
        workplace = self._employment.workplaces_of(slot, spells.job)
        drawn_day = first_days(month) + self._stream("filed").below(case, int(month_lengths(month)))
        decided_month = month + 1 + self._stream("delay").below(case, _LONGEST_DELAY)
        claim = np.where(
            spells.is_working,
            drawn(self._stream("claim"), case, _OF_LASTING_JOB),
            drawn(self._stream("claim"), case, _OF_ENDED_JOB),
        )
        least, most = np.array(_DAYS_CLAIMED).T
        days = least[claim] + self._stream("days claimed").below(case, (most - least)[claim] + 1)
        cases = Cases(
            case=case,
            person=person,
            workplace=workplace,
            province=self._workplaces.provinces(workplace),
            # nobody complains of a job before it began
            filed=np.maximum(drawn_day, self._employment.start_days(person, spells)),
            decided=first_days(decided_month) + self._stream("decided").below(case, month_lengths(decided_month)),
            year=np.full(case.size, month // 12),
            number=np.zeros(case.size, dtype=np.int64),
            claim=claim,
            amount=days * daily_wages(self._seed, spells.job),
            outcome=drawn(self._stream("outcome"), case, OUTCOMES),
        )
        return cases.at(np.lexsort((cases.case, cases.filed, cases.province)))
