"""Who works where in a month: jobs begin, last and end, and every month can be asked for by itself.

A *slot* is a person's place for one job at a time. Time on a slot is cut into cycles of a fixed length,
each a job followed by one or two idle months, so the job of a slot in any month follows from arithmetic,
not from the months before; stocks and flows add up all the same. Wages and how a list writes them are in
the producers' modules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdlake.synthetic.calendar import first_days, month_lengths
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["Employment", "Roster", "Spells"]

_SHORTEST_CYCLE, _LONGEST_CYCLE = 18, 105
"""Months. Uniform between them, 1 in 49 slots begins a job each month and 3.1 % are idle."""
_SECOND_SLOTS = 0.0316
"""Persons with a second slot: 3 % hold two jobs, and a list has as many rows as there are persons."""
_MOST_CYCLES = 4096
_WORKING_AGE_DAYS = 5479
_SLOTS_AT_A_TIME = 1_000_000


@dataclass(frozen=True)
class Spells:
    """The jobs of some slots in one month; arrays of equal length."""

    job: Ints
    """The job's number, the same in all its months."""
    first_month: Ints
    last_month: Ints
    is_working: Bools
    """False in the idle months at the end of a cycle."""


@dataclass(frozen=True)
class Roster:
    """Everybody who worked in a month, ordered by workplace; arrays of equal length."""

    slot: Ints
    workplace: Ints


class Employment:
    """The jobs of a population."""

    def __init__(self, persons: Persons, workplaces: Workplaces, seed: int) -> None:
        self._persons = persons
        self._workplaces = workplaces
        self._seed = seed
        self._second_slots = round(_SECOND_SLOTS * persons.size)
        self._kept: tuple[int, Roster] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "employment", name)

    def persons_of(self, slot: Ints) -> Ints:
        """The person who holds each slot."""
        return np.where(slot < self._persons.size, slot, slot - self._persons.size)

    def spells(self, slot: Ints, month: int) -> Spells:
        """The job that each slot holds in the month, or has just left."""
        length = _SHORTEST_CYCLE + self._stream("cycle").below(slot, _LONGEST_CYCLE - _SHORTEST_CYCLE + 1)
        number, passed = np.divmod(month + self._stream("phase").below(slot, length), length)
        job = slot * _MOST_CYCLES + number
        worked = length - 1 - self._stream("idle").below(job, 2)
        return Spells(job, month - passed, month - passed + worked - 1, passed < worked)

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return self._persons.size + self._second_slots

    def workplaces_of(self, slot: Ints, job: Ints) -> Ints:
        """The workplace of each slot's job."""
        second = slot >= self._persons.size
        has_two = slot < self._second_slots
        return self._workplaces.employing(job, np.where(second, 2, np.where(has_two, 1, 0)))

    def roster(self, month: int) -> Roster:
        """Everybody who worked in the month. The last roster is kept, for the other datasets of the month."""
        if self._kept is None or self._kept[0] != month:
            self._kept = None
            self._kept = (month, self._called(month))
        return self._kept[1]

    def _called(self, month: int) -> Roster:
        slots = self.slots
        # Workplace and slot in one number, so that one array is sorted in place and none is copied.
        packed = []
        for begin in range(0, slots, _SLOTS_AT_A_TIME):
            slot = np.arange(begin, min(begin + _SLOTS_AT_A_TIME, slots))
            spells = self.spells(slot, month)
            slot, job = slot[spells.is_working], spells.job[spells.is_working]
            packed.append(self.workplaces_of(slot, job) << 32 | slot)
        both = np.concatenate(packed)
        both.sort()
        return Roster(both & 0xFFFFFFFF, both >> 32)

    def employees(self, month: int) -> Ints:
        """How many worked in the month at each workplace."""
        employees: Ints = np.bincount(self.roster(month).workplace, minlength=self._workplaces.size)
        return employees

    def start_days(self, person: Ints, spells: Spells) -> Ints:
        """The day each job began, never before the person's fifteenth birthday."""
        drawn = first_days(spells.first_month) + self._stream("start day").below(spells.job, month_lengths(spells.first_month))
        start: Ints = np.maximum(drawn, self._persons.birth_days(person) + _WORKING_AGE_DAYS)
        return start

    def end_days(self, spells: Spells) -> Ints:
        """The day each job ends, in its last month."""
        return first_days(spells.last_month) + self._stream("end day").below(spells.job, month_lengths(spells.last_month))
