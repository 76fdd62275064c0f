"""Who draws a pension of which fund: pensions begin in a month and end with death, each month by itself.

Elders draw their own pension, some of two funds; who is left of an elderly couple draws a survivor's pension; a few workers
draw a pension beside their job. How the funds write them down is in `sso_benefits` and `cspf`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdlake.synthetic.calendar import first_days, month_lengths, months_of
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["CIVIL_SERVICE", "DISABILITY", "OLD_AGE", "SOCIAL_SECURITY", "SURVIVOR", "InPayment", "Pensions"]

SOCIAL_SECURITY, CIVIL_SERVICE = 0, 1
"""The funds."""
OLD_AGE, DISABILITY, SURVIVOR = 1, 2, 3
"""The kinds of pensions."""

_AT_A_TIME = 1_000_000
_NEVER = 10**6
_SHARES = (0.62, 0.18)
"""Of elders, by fund; the others never draw a pension of their own."""
_SECOND_FUND = 0.03
"""Of elders with a pension, those who draw one of the other fund too."""
_DISABLED = 0.12
_WORKING_SHARE, _WORKING_IN_CIVIL_SERVICE = 0.015, 1 / 3
"""Of workers of 55 and more, those who draw a pension beside their job; and of these, those of the second fund."""
_WORKER_MONTHS = 12 * 55 + 1
_OLD_AGE_MONTHS, _OLD_AGE_SPREAD = 12 * 55, 120
_DISABILITY_MONTHS, _DISABILITY_SPREAD = 12 * 40, 180
_WORKING_AGE_DAYS = 5479

_LEAST, _MOST_ABOVE, _AT_LEAST = (92_430_000, 104_185_000), (260_000_000, 240_000_000), (0.2, 0.0)
"""Rial a month, by fund: the smallest pension, the largest less the smallest, and the share that draws the smallest."""
_SHORTEST_SERVICE, _SERVICE_SPREAD, _FULL_SERVICE = 240, 181, 360


@dataclass(frozen=True)
class InPayment:
    """Pensions of one fund, by person and kind; arrays of equal length."""

    person: Ints
    kind: Ints
    first_month: Ints

    @property
    def deceased(self) -> Ints:
        """After whom a survivor's pension is drawn, the first of the couple; -1 for the other kinds."""
        return np.where(self.kind == SURVIVOR, self.person - 1, -1)

    def at(self, which: Bools | Ints | slice) -> InPayment:
        """Some of them."""
        return InPayment(self.person[which], self.kind[which], self.first_month[which])


class Pensions:
    """The pensions of a population."""

    def __init__(self, persons: Persons, seed: int) -> None:
        self._persons = persons
        self._seed = seed
        self._all: dict[int, InPayment] = {}
        self._kept: dict[int, tuple[int, InPayment]] = {}

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "pensions", name)

    def in_payment(self, fund: int, month: int) -> InPayment:
        """The pensions in payment on the last day of a month. Those of each fund's last month asked for are kept."""
        if fund not in self._kept or self._kept[fund][0] != month:
            every = self._ever(fund)
            begun = every.at(every.first_month <= month)
            self._kept[fund] = (month, begun.at(self._persons.are_alive(begun.person, month)))
        return self._kept[fund][1]

    def start_days(self, fund: int, pensions: InPayment, person: Ints) -> Ints:
        """The day each pension begins, in its first month; a survivor's with the month, and none before working age.

        Args:
            person: who is to draw them; others than the pensions' own persons where somebody is planted in their place.
        """
        drawn = self._stream(f"start day {fund}").below(pensions.person, month_lengths(pensions.first_month))
        day = first_days(pensions.first_month) + np.where(pensions.kind == SURVIVOR, 0, drawn)
        start: Ints = np.maximum(day, self._persons.birth_days(person) + _WORKING_AGE_DAYS)
        return start

    def service_months(self, pensions: InPayment) -> Ints:
        """Months served for each pension of civil servants."""
        return _SHORTEST_SERVICE + self._stream("service").below(pensions.person, _SERVICE_SPREAD)

    def amounts(self, fund: int, pensions: InPayment) -> Ints:
        """Rial a month, the same in all months; a survivor draws half of what the deceased drew."""
        is_survivor = pensions.kind == SURVIVOR
        of_whom = np.where(is_survivor, pensions.deceased, pensions.person)
        height = np.maximum(self._stream(f"amount {fund}").unit(of_whom) - _AT_LEAST[fund], 0) / (1 - _AT_LEAST[fund])
        full = _LEAST[fund] + (height * height * _MOST_ABOVE[fund]).astype(np.int64)
        if fund == CIVIL_SERVICE:
            return full * self.service_months(pensions) // _FULL_SERVICE
        return np.where(is_survivor, full // 2, full)

    # ── all pensions that ever begin ─────────────────────────────────────────────────────────────────────────────────

    def _ever(self, fund: int) -> InPayment:
        """All pensions of a fund, of all months."""
        if fund not in self._all:
            found = []
            for group in (self._persons.workers, self._persons.elders):
                for begin in range(group.start, group.stop, _AT_A_TIME):
                    person = np.arange(begin, min(begin + _AT_A_TIME, group.stop))
                    found.append(self._own(fund, person))
                    if fund == SOCIAL_SECURITY:
                        found.append(self._survivors(person))
            person, kind, first_month = (
                np.concatenate([getattr(part, name) for part in found]) for name in ("person", "kind", "first_month")
            )
            order = np.lexsort((kind, person))
            self._all[fund] = InPayment(person, kind, first_month).at(order)
        return self._all[fund]

    def _own(self, fund: int, person: Ints) -> InPayment:
        first_month = self._own_first_months(fund, person)
        kind = np.where(self._are_disabled(fund, person), DISABILITY, OLD_AGE)
        return InPayment(person, kind, first_month).at(first_month < _NEVER)

    def _survivors(self, person: Ints) -> InPayment:
        """From the month after the death of the first of an elderly couple, if that one drew a pension of the fund."""
        place = person - self._persons.elders.start
        second = person[(place > 0) & (place % 2 == 1)]
        died = months_of(self._persons.death_days(second - 1))
        drew = self._own_first_months(SOCIAL_SECURITY, second - 1) < died
        return InPayment(second, np.full(second.size, SURVIVOR), died + 1).at(drew)

    def _own_first_months(self, fund: int, person: Ints) -> Ints:
        """The month in which each person's own pension of a fund begins; long after all months for who never draws one."""
        old_age = _OLD_AGE_MONTHS + self._stream(f"start {fund}").below(person, _OLD_AGE_SPREAD)
        disability = _DISABILITY_MONTHS + self._stream(f"start {fund}").below(person, _DISABILITY_SPREAD)
        of_elders = np.where(self._are_disabled(fund, person), disability, old_age)
        age = np.where(person < self._persons.size, _WORKER_MONTHS, of_elders)
        return np.where(self._draw_own(fund, person), months_of(self._persons.birth_days(person)) + age, _NEVER)

    def _draw_own(self, fund: int, person: Ints) -> Bools:
        """Who draws a pension of a fund at some age."""
        draw = self._stream("fund").unit(person)
        own = np.searchsorted(np.cumsum(_SHARES), draw, side="right")
        has_both = self._stream("second fund").chance(person, _SECOND_FUND) & (own < len(_SHARES))
        is_working = self._stream("working").chance(person, _WORKING_SHARE)
        of_workers = is_working & ((draw < _WORKING_IN_CIVIL_SERVICE) == (fund == CIVIL_SERVICE))
        drawing: Bools = np.where(person < self._persons.size, of_workers, (own == fund) | has_both)
        return drawing

    def _are_disabled(self, fund: int, person: Ints) -> Bools:
        """Whose own pension is one for disability: elders of the first fund only."""
        disabled = self._stream("disabled").chance(person, _DISABLED) & (person >= self._persons.size)
        return disabled & (fund == SOCIAL_SECURITY)
