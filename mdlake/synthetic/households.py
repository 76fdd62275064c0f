"""Who lives with whom, and where: households of the synthetic ministry, the same in every month but for births and deaths.

A household is a head with, where there is one, a wife or husband and children; or an elderly couple; or an adult alone.
Which of them a producer knows, and what it pays them, is not here.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl

from mdlake.synthetic.codes import padded
from mdlake.synthetic.places import PROVINCES, drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Ints, Permutation, Stream

__all__ = ["CHILD", "HEAD", "SPOUSE", "Households"]

HEAD, SPOUSE, CHILD = range(3)
_FIRST_NUMBER, _NUMBERS = 10_000_000_000, 80_000_000_000


class Households:
    """Households by number, 0 to `count`."""

    def __init__(self, persons: Persons, seed: int) -> None:
        self._persons = persons
        self._seed = seed
        self._couples = (len(persons.elders) + 1) // 2
        self.count = persons.heads + self._couples + len(persons.adults)
        self._number = Permutation(_NUMBERS, seed, "households", "number")

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "households", name)

    def of(self, person: Ints) -> Ints:
        """The household of each person of the population."""
        persons, kind = self._persons, self._persons.kinds(person)
        child = self._stream("child").below(person, persons.heads)
        return np.select(
            [kind == 0, kind == 1, kind == 2],
            [
                np.where(person < persons.heads, person, (person - persons.heads) % persons.heads),
                persons.heads + self._couples + person - persons.adults.start,
                persons.heads + (person - persons.elders.start) // 2,
            ],
            child,
        )

    def relations(self, person: Ints) -> Ints:
        """HEAD, SPOUSE or CHILD: what each person is to the head."""
        persons, kind = self._persons, self._persons.kinds(person)
        is_spouse = ((kind == 0) & (person >= persons.heads)) | ((kind == 2) & ((person - persons.elders.start) % 2 == 1))
        return np.where(kind == 3, CHILD, np.where(is_spouse, SPOUSE, HEAD))

    def heads(self, household: Ints) -> Ints:
        """The person who is the head of each household."""
        persons = self._persons
        couple, alone = household - persons.heads, household - persons.heads - self._couples
        return np.where(
            couple < 0, household, np.where(alone < 0, persons.elders.start + 2 * couple, persons.adults.start + alone)
        )

    def living_heads(self, household: Ints, month: int) -> Ints:
        """The head of each household on the last day of the month: where the head of an elderly couple died, who is left."""
        head = self.heads(household)
        is_widowed = ~self._persons.are_alive(head, month)
        # only elders die, and the second of a couple follows the first
        return np.where(is_widowed & (head + 1 < self._persons.elders.stop), head + 1, head)

    @cached_property
    def _by_household(self) -> tuple[Ints, Ints]:
        """All persons in the order of their households, and where each household begins."""
        household = self.of(np.arange(self._persons.total))
        order = np.argsort(household, kind="stable")
        return order, np.searchsorted(household[order], np.arange(self.count + 1))

    def members(self, begin: int, end: int) -> Ints:
        """The persons of the households `begin` to `end` (not included), household by household, in all months together."""
        order, begins = self._by_household
        return order[begins[begin] : begins[end]]

    def ids(self, household: Ints) -> pl.Series:
        """Eleven digits, unique."""
        return pl.Series(_FIRST_NUMBER + self._number.at(household)).cast(pl.String)

    def provinces(self, household: Ints) -> Ints:
        """Places in `PROVINCES`; the large provinces have more households."""
        return drawn(self._stream("province"), household, {str(n): place.branches for n, place in enumerate(PROVINCES)})

    def counties(self, household: Ints) -> Ints:
        """The province's number, then 01 to the number of its counties; the first counties are the larger."""
        province = self.provinces(household)
        counties = np.array([place.counties for place in PROVINCES])[province]
        county: Ints = province * 100 + 1 + (self._stream("county").unit(household) ** 2 * counties).astype(np.int64)
        return county

    def county_codes(self, household: Ints) -> pl.Series:
        """Four digits."""
        return padded(self.counties(household), 4)
