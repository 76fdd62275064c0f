"""The foreigners who live in the country under a code of their own: beside the population, whose members have national codes.

As with persons, each is a pure function of the seed and an index. Who may work where is in `permits`; how a producer writes a
foreigner down is not here.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import first_days, month_lengths
from mdlake.synthetic.codes import padded
from mdlake.synthetic.places import drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bools, Ints, Permutation, Stream
from mdlake.synthetic.words import FEMALE_NAMES, MALE_NAMES, SURNAMES

__all__ = ["Foreigners"]

_SHARE, _FEWEST = 0.03, 20
"""Of the workers of the population; at least so many."""
_FIRST_CODE, _CODES = 100_000_000_000, 90_000_000
_STEP = 9_973
"""Codes lie so far apart, so that no two neighbours in a list look like one code mistyped."""
_NATIONALITIES = {"AFG": 820, "IRQ": 70, "PAK": 60, "SYR": 20, "IND": 15, "CHN": 15}
_FIRST_BIRTH_YEAR, _LAST_BIRTH_YEAR = 1335, 1384
_MALE_SHARE = 0.72


class Foreigners:
    """Foreigners of working age by index.

    Args:
        persons: the population beside which they live; `total` is about three in a hundred of its workers.
    """

    def __init__(self, persons: Persons, seed: int) -> None:
        self.total = max(_FEWEST, round(_SHARE * persons.size))
        self._seed = seed
        self._code = Permutation(_CODES, seed, "foreigners", "code")

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "foreigners", name)

    def codes(self, index: Ints) -> pl.Series:
        """Twelve digits, unique."""
        return padded(_FIRST_CODE + _STEP * self._code.at(index), 12)

    def is_male(self, index: Ints) -> Bools:
        """Seven of ten."""
        return self._stream("sex").chance(index, _MALE_SHARE)

    def birth_days(self, index: Ints) -> Ints:
        """Day ordinals."""
        month = 12 * _FIRST_BIRTH_YEAR + self._stream("birth month").below(index, 12 * (_LAST_BIRTH_YEAR - _FIRST_BIRTH_YEAR))
        return first_days(month) + self._stream("birth day").below(index, month_lengths(month))

    def first_names(self, index: Ints) -> pl.Series:
        """A man's or a woman's first name."""
        male = self._stream("first name").below(index, len(MALE_NAMES))
        female = len(MALE_NAMES) + self._stream("first name").below(index, len(FEMALE_NAMES))
        return pl.Series(MALE_NAMES + FEMALE_NAMES).gather(np.where(self.is_male(index), male, female))

    def last_names(self, index: Ints) -> pl.Series:
        """A surname."""
        return pl.Series(SURNAMES).gather(self._stream("last name").below(index, len(SURNAMES)))

    def nationalities(self, index: Ints) -> pl.Series:
        """ISO 3166-1 alpha-3; never the country's own."""
        return pl.Series(list(_NATIONALITIES)).gather(drawn(self._stream("nationality"), index, _NATIONALITIES))
