"""Who has a disability, of which kind, how severe and since when, whichever producer knows of it.

A pure function of the person. Who is helped because of it is in `welfare`.
"""

from __future__ import annotations

import numpy as np

from mdlake.synthetic.calendar import first_days
from mdlake.synthetic.places import drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["Disabilities"]

_SHARE = 0.025
_BORN_WITH = 0.6
_FIRST_ONSET, _ONSET_YEARS = 12 * 1370, 36
_NEVER = 10**7
_KINDS = {"1": 38, "2": 12, "3": 14, "4": 20, "5": 11, "6": 5}
"""Motor, visual, hearing, intellectual, mental, speech; with their weight."""
_SEVERITIES = {"1": 20, "2": 35, "3": 30, "4": 15}
"""Mild to very severe."""


class Disabilities:
    """The disabilities of a population; at most one each."""

    def __init__(self, persons: Persons, seed: int) -> None:
        self._persons = persons
        self._seed = seed

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "disability", name)

    def onset_days(self, person: Ints) -> Ints:
        """Day ordinals: that of birth for six of ten, a later one for the others, long after all months for who has none."""
        has_one = self._stream("has one").chance(person, _SHARE)
        drawn_day = first_days(_FIRST_ONSET + self._stream("onset").below(person, 12 * _ONSET_YEARS))
        birth = self._persons.birth_days(person)
        is_born_with = self._stream("born with").chance(person, _BORN_WITH)
        return np.where(has_one, np.where(is_born_with, birth, np.maximum(birth, drawn_day)), _NEVER)

    def are_disabled(self, person: Ints, month: int) -> Bools:
        """Who has a disability on the last day of the month."""
        disabled: Bools = self.onset_days(person) < int(first_days(month + 1))
        return disabled

    def kinds(self, person: Ints) -> Ints:
        """1–6, of those who ever have a disability."""
        return 1 + drawn(self._stream("kind"), person, _KINDS)

    def severities(self, person: Ints) -> Ints:
        """1–4, of those who ever have a disability."""
        return 1 + drawn(self._stream("severity"), person, _SEVERITIES)
