"""Which foreigner may work where: permits are issued, expire and are renewed, and every month can be asked for by itself.

Time of a foreigner is cut into cycles of a fixed length. In some of them there is an *engagement* at one workplace, of one
permit or of several that follow one another, and then none; so the permit of any month follows from arithmetic, as the jobs of
`employment` do. How the permits are written down is in `work_permits`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import first_days, months_of
from mdlake.synthetic.codes import padded
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.population import Workplaces
from mdlake.synthetic.randomness import Ints, Permutation, Stream

__all__ = ["Permits", "PermitsInForce"]

_SHORTEST_CYCLE, _LONGEST_CYCLE = 24, 48
"""Months."""
_MOST_CYCLES = 1_024
_ENGAGED_SHARE = 0.6
"""Of the cycles. With the months that an engagement lasts, four foreigners of ten have a permit at a time."""
_TERMS = (6, 12)
"""Months for which a permit is issued; all permits of an engagement have one term."""
_YEAR_SHARE = 0.6
_FEWEST_IDLE = 2
_FEWER_PERMITS = 2
"""An engagement has as many permits as its cycle has room for, or one less."""
_DAYS_OF_ISSUE = 29
"""The day of issue is one that every month has, so that a renewal falls on the day after the expiry."""
_EIGHTEEN_YEARS = 6_575
_NUMBERS, _NUMBERS_APART = 10_000_000, 6_180_339


@dataclass(frozen=True)
class PermitsInForce:
    """The permits in force on the last day of a month, ordered by province and foreigner; arrays of equal length."""

    foreigner: Ints
    engagement: Ints
    """The engagement's number, the same in all its permits."""
    workplace: Ints
    issued: Ints
    """Day ordinals."""
    expiry: Ints
    """Day ordinals, of the last day on which the permit is in force."""

    def at(self, which: Ints | slice) -> PermitsInForce:
        """Some of them."""
        return PermitsInForce(*(getattr(self, field.name)[which] for field in fields(self)))


class Permits:
    """The work permits of the foreigners, each at an active workplace."""

    def __init__(self, foreigners: Foreigners, workplaces: Workplaces, seed: int) -> None:
        self._foreigners = foreigners
        self._workplaces = workplaces
        self._seed = seed
        self._number = Permutation(_NUMBERS, seed, "permits", "number")
        self._kept: tuple[int, PermitsInForce] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "permits", name)

    def in_force(self, month: int) -> PermitsInForce:
        """The permits in force on the last day of a month, at most one of each foreigner. The last month asked for is kept."""
        if self._kept is None or self._kept[0] != month:
            self._kept = None
            self._kept = (month, self._in_force(month))
        return self._kept[1]

    def numbers(self, permits: PermitsInForce) -> pl.Series:
        """Thirteen digits, unique: the year 4 and the month 2 of issue, a number of the foreigner in it 7."""
        month = months_of(permits.issued)
        number = self._number.at((permits.foreigner + month * _NUMBERS_APART) % _NUMBERS)
        return padded((month // 12 * 100 + month % 12 + 1) * _NUMBERS + number, 13)

    def _in_force(self, month: int) -> PermitsInForce:
        foreigner = np.arange(self._foreigners.total)
        length = _SHORTEST_CYCLE + self._stream("cycle").below(foreigner, _LONGEST_CYCLE - _SHORTEST_CYCLE + 1)
        cycle, passed = np.divmod(month + self._stream("phase").below(foreigner, length), length)
        engagement = foreigner * _MOST_CYCLES + cycle
        term = np.array(_TERMS)[self._stream("term").chance(engagement, _YEAR_SHARE).astype(np.int64)]
        room = (length - _FEWEST_IDLE) // term
        permits = np.maximum(room - self._stream("permits").below(engagement, _FEWER_PERMITS), 1)
        # of the cycle's months, those since the permit of this month was issued
        since = passed % term
        day = self._stream("day of issue").below(engagement, _DAYS_OF_ISSUE)
        issued = first_days(month - since) + day
        expiry = first_days(month - since + term) + day - 1
        has_permit = self._stream("is engaged").chance(engagement, _ENGAGED_SHARE) & (passed < permits * term)
        has_permit &= issued >= self._foreigners.birth_days(foreigner) + _EIGHTEEN_YEARS
        at = np.flatnonzero(has_permit)
        workplace = self._workplaces.employing(engagement[at], np.zeros_like(at))
        found = PermitsInForce(foreigner[at], engagement[at], workplace, issued[at], expiry[at])
        return found.at(np.argsort(self._workplaces.provinces(workplace), kind="stable"))
