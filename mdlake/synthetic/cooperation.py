"""Cooperatives and who is a member of them: founded, dissolved, joined and left, each month by itself.

A cooperative has a fixed number of *seats*. Time on a seat is cut into cycles of a fixed length, each one person's
membership and up to two months in which nobody has the seat, so the members of any month follow from arithmetic. How the
deputy writes them down is in the producer's module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import first_days, month_lengths
from mdlake.synthetic.codes import legal_ids
from mdlake.synthetic.places import PROVINCES, drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bits, Bools, Ints, Permutation, Stream

__all__ = ["BOARD", "INSPECTOR", "MANAGING_DIRECTOR", "MEMBER", "Cooperatives", "Members"]

MEMBER, BOARD, MANAGING_DIRECTOR, INSPECTOR = 1, 2, 3, 4

_WORKERS_PER_COOPERATIVE = 200
_WORKER_SEATS, _ADULT_SEATS = 0.11, 0.135
"""Seats per worker and per other adult; about three of four are taken, most others are of cooperatives that do not exist."""
_FOUNDERS = 7
"""Seats that every cooperative has, and that are never idle: nobody may found one with fewer members."""
_SMALL = 15

_FIRST_FOUNDATION, _LAST_FOUNDATION = 12 * 1365, 12 * 1411
_OLD_BEFORE = 12 * 1390
_SHORTEST_LIFE, _LIFE_SPREAD = 120, 1200
_WINDING_UP = 12
"""Months for which a dissolved cooperative stays on the register."""
_NEVER = 10**6

_SHORTEST_CYCLE, _LONGEST_CYCLE = 24, 144
_MOST_CYCLES = 4096
_FIFTEEN_YEARS = 5479
_PREFIX = 12
"""In front of the legal ids; those of workplaces begin with 10 and 14."""
_SHARE_VALUES = (350_000, 730_000, 1_150_000, 2_400_000, 5_250_000, 12_300_000)
KINDS: Final = {"01": 14, "02": 10, "03": 18, "04": 9, "05": 22, "06": 5, "07": 16, "08": 6}
"""Kinds of cooperatives with their weight."""
_DIVISIONS: Final = (
    ("10", "13", "14", "22", "23", "25", "31"),
    ("46", "47"),
    ("41",),
    ("49", "52"),
    ("01", "03"),
    ("64",),
    ("62", "69", "81", "82", "96"),
    ("10", "47", "68", "81"),
)
"""Activities of each kind."""


@dataclass(frozen=True)
class Members:
    """Who is a member on the last day of a month, by cooperative, the longest membership first; arrays of equal length."""

    cooperative: Ints
    person: Ints
    joined: Ints
    """Day ordinals."""
    role: Ints
    share: Ints
    """Rial."""


class Cooperatives:
    """Cooperatives by index and the seats of their members."""

    def __init__(self, persons: Persons, seed: int) -> None:
        self._persons = persons
        self._seed = seed
        self.count = max(1, round(persons.size / _WORKERS_PER_COOPERATIVE))
        self._worker_seats = max(_FOUNDERS * self.count, round(_WORKER_SEATS * persons.size))
        self._adult_seats = round(_ADULT_SEATS * len(persons.adults))
        self._workers = Permutation(persons.size, seed, "cooperatives", "workers")
        self._adults = Permutation(max(1, len(persons.adults)), seed, "cooperatives", "adults")
        self._legal = Permutation(100_000_000, seed, "cooperatives", "legal id")
        self._kept: tuple[int, Members] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "cooperatives", name)

    # ── the cooperatives ─────────────────────────────────────────────────────────────────────────────────────────────

    def founded_months(self, index: Ints) -> Ints:
        """Running month numbers; every fourth cooperative is an old one, and stays."""
        span = np.where(index % 4 == 0, _OLD_BEFORE, _LAST_FOUNDATION) - _FIRST_FOUNDATION
        return _FIRST_FOUNDATION + self._stream("founded").below(index, span)

    def founded_days(self, index: Ints) -> Ints:
        """Day ordinals."""
        month = self.founded_months(index)
        return first_days(month) + self._stream("founded day").below(index, month_lengths(month))

    def dissolved_months(self, index: Ints) -> Ints:
        """The month in which each is dissolved; for some long after all months that are delivered."""
        life = _SHORTEST_LIFE + self._stream("life").below(index, _LIFE_SPREAD)
        return np.where(index % 4 == 0, _NEVER, self.founded_months(index) + life)

    def are_working(self, index: Ints, month: int) -> Bools:
        """Which of them exist and have members on the last day of the month."""
        working: Bools = (self.founded_months(index) <= month) & (self.dissolved_months(index) > month)
        return working

    def registered(self, month: int) -> Ints:
        """Those on the register on the last day of a month: the working ones, and those dissolved in the year before."""
        index = np.arange(self.count)
        return np.flatnonzero((self.founded_months(index) <= month) & (self.dissolved_months(index) + _WINDING_UP > month))

    def legal_ids(self, index: Ints) -> pl.Series:
        """Eleven digits, valid, unique, and none that a workplace has."""
        return legal_ids(_PREFIX * 100_000_000 + self._legal.at(index))

    def unregistered_ids(self, number: Ints) -> pl.Series:
        """Valid ids of no cooperative."""
        return self.legal_ids(self.count + number)

    def kinds(self, index: Ints) -> Ints:
        """Places in `KINDS`."""
        return drawn(self._stream("kind"), index, KINDS)

    def activities(self, index: Ints) -> pl.Series:
        """Divisions of ISIC rev. 4 that agree with the kind."""
        count = np.array([len(divisions) for divisions in _DIVISIONS])
        place = self._stream("activity").below(index, count[self.kinds(index)])
        divisions = pl.Series([division for of_kind in _DIVISIONS for division in of_kind])
        return divisions.gather((np.cumsum(count) - count)[self.kinds(index)] + place)

    def provinces(self, index: Ints) -> Ints:
        """Places in `PROVINCES`; the large provinces have more."""
        return drawn(self._stream("province"), index, {str(n): place.branches for n, place in enumerate(PROVINCES)})

    # ── their members ────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _seats(self) -> tuple[Ints, Ints]:
        """The cooperative of every seat, the founders' seats first, and how many each has; some have many more than others."""
        seats = np.arange(self._worker_seats + self._adult_seats)
        rank = np.argsort(np.argsort(self._stream("rank").bits(np.arange(self.count))))
        reach = np.cumsum((1 << 30) // (rank + 8))
        point = (self._stream("seat").bits(seats) % np.uint64(reach[-1])).astype(np.int64)
        drawn_one: Ints = np.searchsorted(reach, point, side="right")
        cooperative = np.where(seats < _FOUNDERS * self.count, seats % self.count, drawn_one)
        return cooperative, np.bincount(cooperative, minlength=self.count)

    def _persons_of(self, seat: Ints, cycle: Ints) -> Ints:
        """Who has a seat in a cycle: no two seats ever have one person, so nobody is a member twice."""
        is_worker = seat < self._worker_seats
        workers, adults = self._worker_seats, max(1, self._adult_seats)
        turn = np.where(is_worker, cycle % (self._persons.size // workers), cycle % max(1, self._adults.size // adults))
        worker = self._workers.at(np.where(is_worker, seat + workers * turn, 0))
        adult = self._persons.adults.start + self._adults.at(np.where(is_worker, 0, seat - workers + adults * turn))
        return np.where(is_worker, worker, adult)

    def members(self, month: int) -> Members:
        """The members on the last day of a month. Those of the last month asked for are kept."""
        if self._kept is None or self._kept[0] != month:
            self._kept = None
            self._kept = (month, self._called(month))
        return self._kept[1]

    def member_counts(self, month: int) -> Ints:
        """How many members each cooperative has on the last day of the month."""
        counts: Ints = np.bincount(self.members(month).cooperative, minlength=self.count)
        return counts

    def capitals(self, month: int) -> Ints:
        """The sum of the members' shares of each cooperative, rial."""
        members = self.members(month)
        total = np.zeros(self.count, dtype=np.int64)
        np.add.at(total, members.cooperative, members.share)
        return total

    def _called(self, month: int) -> Members:
        of_seat, sizes = self._seats
        seat = np.flatnonzero(self.are_working(np.arange(self.count), month)[of_seat])
        cooperative = of_seat[seat]
        length = _SHORTEST_CYCLE + self._stream("cycle").below(seat, _LONGEST_CYCLE - _SHORTEST_CYCLE + 1)
        cycle, passed = np.divmod(month + self._stream("phase").below(seat, length), length)
        membership = seat * _MOST_CYCLES + cycle
        idle = np.where(seat < _FOUNDERS * self.count, 0, self._stream("idle").below(membership, 3))
        person = self._persons_of(seat, cycle)
        first = month - passed
        drawn_day = first_days(first) + self._stream("joined").below(membership, month_lengths(first))
        of_age = self._persons.birth_days(person) + _FIFTEEN_YEARS
        joined = np.maximum.reduce([drawn_day, self.founded_days(cooperative), of_age])
        at = np.flatnonzero((passed < length - idle) & (joined < int(first_days(month + 1))))
        at = at[np.lexsort((seat[at], joined[at], cooperative[at]))]
        cooperative, membership = cooperative[at], membership[at]
        return Members(cooperative, person[at], joined[at], _roles(cooperative, sizes), self._shares(cooperative, membership))

    def _shares(self, cooperative: Ints, membership: Ints) -> Ints:
        """A member has one share or some; a share of one cooperative has one value."""
        value = np.array(_SHARE_VALUES)[self._stream("share value").below(cooperative, len(_SHARE_VALUES))]
        draw: Bits = self._stream("shares").bits(membership)
        count = 1 + ((draw >> np.uint64(40)).astype(np.float64) * 2.0**-24) ** 3 * 20
        shares: Ints = count.astype(np.int64) * value
        return shares


def _roles(cooperative: Ints, sizes: Ints) -> Ints:
    """By how long somebody is a member: the managing director, the board of two or four others, the inspector, the members."""
    position = np.arange(cooperative.size)
    rank = position - np.searchsorted(cooperative, cooperative, side="left")
    board = np.where(sizes[cooperative] < _SMALL, 2, 4)
    return np.select([rank == 0, rank <= board, rank == board + 1], [MANAGING_DIRECTOR, BOARD, INSPECTOR], default=MEMBER).astype(
        np.int64
    )
