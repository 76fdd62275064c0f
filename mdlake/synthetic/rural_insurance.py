"""Who is insured as a farmer, villager or nomad: members join, pay most months and a few leave, each month by itself.

Most are adults without a job; a few workers are members beside their job, and so insured in two funds. How the fund
writes them down is in `farmers_fund`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import first_days, month_lengths, months_of
from mdlake.synthetic.codes import padded
from mdlake.synthetic.households import Households
from mdlake.synthetic.places import drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["RuralInsurance"]

_AT_A_TIME = 1_000_000
_NEVER = 10**6
_SHARES = (0.012, 0.42, 0.0, 0.0)
"""Of workers, other adults, elders and children who are ever members; as some join late, an eighth less in a month."""
_FIRST_MONTH, _JOINING_MONTHS = 12 * 1384, 12 * 22
_ADULT_MONTHS = 12 * 18
_LEAVING_SHARE = 0.06
_KINDS = {"1": 55, "2": 35, "3": 10}
"""Farmers, villagers, nomads."""
_UNPAID_OF_TWELVE = {"0": 70, "1": 18, "3": 12}
"""Months of a year that a member does not pay, with their weight."""
_HIGHEST_FIRST_BRACKET, _HIGHEST_BRACKET = 9, 14
_VILLAGES = 400


@dataclass(frozen=True)
class _Memberships:
    """All memberships of all months, by province, household and person; arrays of equal length."""

    person: Ints
    first_month: Ints
    last_month: Ints


class RuralInsurance:
    """The members of the fund."""

    def __init__(self, persons: Persons, households: Households, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._seed = seed

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "rural insurance", name)

    def first_months(self, person: Ints) -> Ints:
        """The month in which each person becomes a member, as an adult; long after all months for who never does."""
        share = np.array(_SHARES)[self._persons.kinds(person)]
        joined = _FIRST_MONTH + self._stream("joined").below(person, _JOINING_MONTHS)
        adult = months_of(self._persons.birth_days(person)) + _ADULT_MONTHS
        return np.where(self._stream("member").unit(person) < share, np.maximum(joined, adult), _NEVER)

    def last_months(self, person: Ints) -> Ints:
        """The last month of each membership."""
        leaves = self._stream("leaves").chance(person, _LEAVING_SHARE)
        return np.where(leaves, self.first_months(person) + 23 + self._stream("lasting").below(person, 160), _NEVER)

    def first_days(self, person: Ints, first_month: Ints) -> Ints:
        """The day on which each membership begins, in its first month."""
        return first_days(first_month) + self._stream("first day").below(person, month_lengths(first_month))

    @cached_property
    def _memberships(self) -> _Memberships:
        found = []
        for begin in range(0, self._persons.total, _AT_A_TIME):
            person = np.arange(begin, min(begin + _AT_A_TIME, self._persons.total))
            found.append(person[self.first_months(person) < _NEVER])
        person = np.concatenate(found)
        household = self._households.of(person)
        person = person[np.lexsort((person, household, self._households.provinces(household)))]
        return _Memberships(person, self.first_months(person), self.last_months(person))

    def members(self, month: int) -> Ints:
        """Who is a member on the last day of the month, by province, household and person."""
        all_months = self._memberships
        is_open: Bools = (all_months.first_month <= month) & (all_months.last_month >= month)
        return all_months.person[is_open]

    def paid_months(self, person: Ints, month: int) -> Ints:
        """Months paid since the first one, this one included: one more each month, but for those not paid."""
        passed = month - self.first_months(person) + 1
        weights = list(_UNPAID_OF_TWELVE)
        unpaid = np.array([int(months) for months in weights])[drawn(self._stream("unpaid"), person, _UNPAID_OF_TWELVE)]
        paid: Ints = passed - passed * unpaid // 12
        return paid

    def brackets(self, person: Ints, month: int) -> Ints:
        """1–14: the bracket of premium that a member chose, one higher after every four years."""
        first = 1 + (self._stream("bracket").unit(person) ** 2 * _HIGHEST_FIRST_BRACKET).astype(np.int64)
        risen: Ints = np.minimum(_HIGHEST_BRACKET, first + (month - self.first_months(person)) // 48)
        return risen

    def kinds(self, person: Ints) -> Ints:
        """1 farmer, 2 villager, 3 nomad."""
        return 1 + drawn(self._stream("kind"), self._households.of(person), _KINDS)

    def village_codes(self, person: Ints) -> pl.Series:
        """Ten digits: the county's four, and six of the village."""
        household = self._households.of(person)
        village = 100_001 + self._stream("village").below(household, _VILLAGES)
        return padded(self._households.counties(household) * 1_000_000 + village, 10)
