"""Who draws an unemployment benefit: after a job that lasted, in the idle months, and a few into their next job.

Each month follows from the jobs of `employment` by itself. How the fund writes it down is in `sso_benefits`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdlake.synthetic.calendar import first_days
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Ints, Stream
from mdlake.synthetic.wages import daily_wages

__all__ = ["Benefits", "Unemployment"]

_AT_A_TIME = 1_000_000
_SHORTEST_JOB = 12
_SHARE = 0.6
_STAYING_SHARE, _LONGEST_STAY = 0.08, 3
"""Of the beneficiaries, those who go on drawing in their next job, and for how many months at most."""
_CLAIM_DAYS = 12
_OF_A_HUNDRED, _DAYS = 55, 30
_LARGEST = 119_436_400


@dataclass(frozen=True)
class Benefits:
    """The benefits of a month, by person; arrays of equal length."""

    person: Ints
    job: Ints
    """The job that was lost."""
    number: Ints
    """1 in the first month of a benefit, 2 in the next one."""

    def at(self, which: slice) -> Benefits:
        """Some of them."""
        return Benefits(self.person[which], self.job[which], self.number[which])


class Unemployment:
    """The unemployment benefits of a population."""

    def __init__(self, persons: Persons, employment: Employment, seed: int) -> None:
        self._persons = persons
        self._employment = employment
        self._seed = seed
        self._kept: tuple[int, Benefits] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "unemployment", name)

    def benefits(self, month: int) -> Benefits:
        """Everybody who draws a benefit for the month. The last month asked for is kept."""
        if self._kept is None or self._kept[0] != month:
            self._kept = (month, self._all(month))
        return self._kept[1]

    def start_days(self, benefits: Benefits, month: int) -> Ints:
        """The day from which each benefit is paid, in its first month."""
        return first_days(month + 1 - benefits.number) + self._stream("start day").below(benefits.job, _CLAIM_DAYS)

    def amounts(self, benefits: Benefits) -> Ints:
        """Rial a month: 55 % of the wage, at most fifty smallest daily wages."""
        return np.minimum(daily_wages(self._seed, benefits.job) * _DAYS * _OF_A_HUNDRED // 100, _LARGEST)

    def _all(self, month: int) -> Benefits:
        # who has a second slot may still hold the job there
        first, end = self._employment.slots - self._persons.size, self._persons.size
        parts = []
        for begin in range(first, end, _AT_A_TIME):
            parts += self._of_slots(np.arange(begin, min(begin + _AT_A_TIME, end)), month)
        person, job, number = (np.concatenate([getattr(part, name) for part in parts]) for name in ("person", "job", "number"))
        order = np.argsort(person)
        return Benefits(person[order], job[order], number[order])

    def _of_slots(self, slot: Ints, month: int) -> list[Benefits]:
        """The benefits of who is idle, and of who is in the first months of the next job."""
        spells = self._employment.spells(slot, month)
        found = [self._after(slot[~spells.is_working], month, month)]
        for passed in range(_LONGEST_STAY):
            began = slot[spells.is_working & (spells.first_month == month - passed)]
            staying = self._after(began, month - passed - 1, month)
            stay = self._stream("stays").chance(staying.job, _STAYING_SHARE)
            stay &= self._stream("stay").below(staying.job, _LONGEST_STAY) >= passed
            found.append(Benefits(staying.person[stay], staying.job[stay], staying.number[stay]))
        return found

    def _after(self, slot: Ints, idle_month: int, month: int) -> Benefits:
        """The benefits in a month of those who were idle in a month not after it."""
        ended = self._employment.spells(slot, idle_month)
        has_lasted = ended.last_month - ended.first_month + 1 >= _SHORTEST_JOB
        draws = has_lasted & self._stream("draws").chance(ended.job, _SHARE)
        return Benefits(self._employment.persons_of(slot)[draws], ended.job[draws], month - ended.last_month[draws])
