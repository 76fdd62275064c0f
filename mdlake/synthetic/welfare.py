"""Who is a client of welfare, and which households are supported: cases that begin and end, each month by itself.

A case is a pure function of the person, support one of the household. How the producers write them down is in
`behzisti` and `social_welfare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdlake.synthetic.calendar import months_of
from mdlake.synthetic.disability import Disabilities
from mdlake.synthetic.households import HEAD, Households
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["HouseholdSupport", "WelfareCases"]

_AT_A_TIME = 1_000_000
_NEVER = 10**6

_DISABLED_SHARE = 0.75
"""Of those who ever have a disability; as some come late and some leave, six of ten are clients in a month."""
_FIRST_CASE, _CASE_MONTHS = 12 * 1378, 12 * 30
_WAITING_MONTHS = 24
_CLOSED_SHARE = 0.15
_WOMEN_SHARES = (0.04, 0.10, 0.08)
"""Of the women who head a household: workers, other adults, elders."""
_FIRST_WOMEN, _WOMEN_MONTHS = 12 * 1388, 12 * 19
_ADULT_MONTHS = 12 * 18

_SUPPORTED_BY_DECILE = np.array([0, 0.95, 0.9, 0.8, 0.6, 0.35, 0.2, 0.1, 0.05, 0.0, 0.0])
_POOR_DECILES = 3
_JOINING_SHARE, _LEAVING_SHARE = 0.15, 0.08
_FIRST_CHANGE, _CHANGE_MONTHS = 12 * 1398, 12 * 10


@dataclass(frozen=True)
class _Cases:
    """All cases of all months, by province, household and person; arrays of equal length."""

    person: Ints
    first_month: Ints
    last_month: Ints


class WelfareCases:
    """The clients of welfare: disabled persons, and women who head a household."""

    def __init__(self, persons: Persons, households: Households, disabilities: Disabilities, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._disabilities = disabilities
        self._seed = seed

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "welfare", name)

    def are_for_disability(self, person: Ints) -> Bools:
        """Which cases are those of a disability; the others are those of women who head a household."""
        disabled: Bools = self._disabilities.onset_days(person) < _NEVER
        return disabled

    def first_months(self, person: Ints) -> Ints:
        """The month in which each person's case begins; long after all months for who has none."""
        onset = self._disabilities.onset_days(person)
        is_disabled = onset < _NEVER
        asked = months_of(np.where(is_disabled, onset, self._persons.birth_days(person)))
        enrolled = _FIRST_CASE + self._stream("enrolled").below(person, _CASE_MONTHS)
        waited = asked + self._stream("waiting").below(person, _WAITING_MONTHS)
        for_disability = np.where(self._stream("disabled").chance(person, _DISABLED_SHARE), np.maximum(enrolled, waited), _NEVER)
        accepted = _FIRST_WOMEN + self._stream("accepted").below(person, _WOMEN_MONTHS)
        for_women = np.where(self._are_accepted_women(person), np.maximum(accepted, asked + _ADULT_MONTHS), _NEVER)
        return np.where(is_disabled, for_disability, for_women)

    def _are_accepted_women(self, person: Ints) -> Bools:
        share = np.array([*_WOMEN_SHARES, 0.0])[self._persons.kinds(person)]
        is_head = self._households.relations(person) == HEAD
        accepted: Bools = is_head & ~self._persons.is_male(person) & (self._stream("women").unit(person) < share)
        return accepted

    def last_months(self, person: Ints) -> Ints:
        """The last month of each person's case, were nobody to die; few cases of disability are ever closed."""
        is_open = self.are_for_disability(person) & ~self._stream("closed").chance(person, _CLOSED_SHARE)
        lasting = self.first_months(person) + 36 + self._stream("lasting").below(person, 144)
        return np.where(is_open, _NEVER, lasting)

    @cached_property
    def _cases(self) -> _Cases:
        found = []
        for begin in range(0, self._persons.total, _AT_A_TIME):
            person = np.arange(begin, min(begin + _AT_A_TIME, self._persons.total))
            found.append(person[self.first_months(person) < _NEVER])
        person = np.concatenate(found)
        household = self._households.of(person)
        person = person[np.lexsort((person, household, self._households.provinces(household)))]
        return _Cases(person, self.first_months(person), self.last_months(person))

    def clients(self, month: int) -> Ints:
        """Who is a client on the last day of the month, by province, household and person."""
        cases = self._cases
        open_now = cases.person[(cases.first_month <= month) & (cases.last_month >= month)]
        return open_now[self._persons.are_alive(open_now, month)]

    @cached_property
    def known_households(self) -> Bools:
        """Which households ever have a client."""
        known = np.zeros(self._households.count, dtype=np.bool_)
        known[self._households.of(self._cases.person)] = True
        return known


class HouseholdSupport:
    """The supported households: those of the lower deciles, and all that welfare knows."""

    def __init__(self, persons: Persons, households: Households, cases: WelfareCases, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._cases = cases
        self._seed = seed
        self._kept: tuple[int, Ints] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "household support", name)

    def deciles(self, household: Ints) -> Ints:
        """1–10, the poorest first; a household that welfare knows is in one of the first three."""
        deciles = np.where(self._cases.known_households[household], _POOR_DECILES, 10)
        return 1 + self._stream("decile").below(household, deciles)

    def are_supported(self, household: Ints, month: int) -> Bools:
        """Which households are supported in the month; four of ten, some only from or until a month."""
        is_chosen = self._stream("chosen").unit(household) < _SUPPORTED_BY_DECILE[self.deciles(household)]
        change = _FIRST_CHANGE + self._stream("change").below(household, _CHANGE_MONTHS)
        draw = self._stream("kind of change").unit(household)
        is_before = (draw < _JOINING_SHARE) & (month < change)
        is_after = (draw >= 1 - _LEAVING_SHARE) & (month >= change)
        supported: Bools = self._cases.known_households[household] | (is_chosen & ~is_before & ~is_after)
        return supported

    def members(self, month: int) -> Ints:
        """The living members of the supported households, household by household. The last month's are kept."""
        if self._kept is None or self._kept[0] != month:
            self._kept = None
            self._kept = (month, self._listed(month))
        return self._kept[1]

    def _listed(self, month: int) -> Ints:
        listed = []
        for begin in range(0, self._households.count, _AT_A_TIME):
            person = self._households.members(begin, min(begin + _AT_A_TIME, self._households.count))
            person = person[self.are_supported(self._households.of(person), month)]
            listed.append(person[self._persons.are_alive(person, month)])
        return np.concatenate(listed)
