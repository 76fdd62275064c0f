"""Classifications that the producers use: provinces, branches, activities, occupations, nationalities.

Codes with the weight they have in the population. They are copies on purpose: the standard keeps its own,
and a code that is only here must be caught there. Words are in `words`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mdlake.synthetic.randomness import Ints, Stream

__all__ = [
    "ISCO_SUB_MAJOR_GROUPS",
    "ISIC_DIVISIONS",
    "NATIONALITIES",
    "PROVINCES",
    "Province",
    "branch_provinces",
    "drawn",
]


@dataclass(frozen=True)
class Province:
    """A province: its title, telephone area code, number of branches of the fund, number of counties."""

    title: str
    area_code: str
    branches: int
    counties: int


PROVINCES = (
    Province("مرکزی", "86", 7, 8),
    Province("گیلان", "13", 10, 10),
    Province("مازندران", "11", 13, 12),
    Province("آذربایجان شرقی", "41", 14, 12),
    Province("آذربایجان غربی", "44", 10, 11),
    Province("کرمانشاه", "83", 7, 9),
    Province("خوزستان", "61", 18, 12),
    Province("فارس", "71", 18, 12),
    Province("کرمان", "34", 12, 12),
    Province("خراسان رضوی", "51", 20, 12),
    Province("اصفهان", "31", 24, 12),
    Province("سیستان و بلوچستان", "54", 6, 10),
    Province("کردستان", "87", 5, 8),
    Province("همدان", "81", 6, 8),
    Province("چهارمحال و بختیاری", "38", 4, 7),
    Province("لرستان", "66", 6, 8),
    Province("ایلام", "84", 3, 6),
    Province("کهگیلویه و بویراحمد", "74", 3, 5),
    Province("بوشهر", "77", 7, 8),
    Province("زنجان", "24", 5, 6),
    Province("سمنان", "23", 5, 5),
    Province("یزد", "35", 8, 7),
    Province("هرمزگان", "76", 7, 8),
    Province("تهران", "21", 48, 12),
    Province("اردبیل", "45", 5, 7),
    Province("قم", "25", 5, 3),
    Province("قزوین", "28", 7, 5),
    Province("گلستان", "17", 6, 8),
    Province("خراسان شمالی", "58", 3, 5),
    Province("خراسان جنوبی", "56", 3, 6),
    Province("البرز", "26", 12, 5),
)
"""Codes "00" to "30" in this order, as the Statistical Centre of Iran has them; a county's code is its province's and 01,
02, … up to `counties`."""

ISIC_DIVISIONS = dict.fromkeys(
    [f"{number:02d}" for number in (1, 2, 3, *range(5, 10), *range(10, 34), *range(35, 40), *range(41, 44))]
    + [str(number) for number in (45, 46, 47, *range(49, 54), 55, 56, *range(58, 64), 64, 65, 66, 68)]
    + [str(number) for number in (*range(69, 76), *range(77, 83), 84, 85, *range(86, 89), *range(90, 100))],
    1,
) | {
    "47": 14,
    "41": 12,
    "10": 6,
    "46": 6,
    "43": 5,
    "49": 5,
    "25": 4,
    "45": 4,
    "56": 4,
    "85": 4,
    "14": 3,
    "22": 3,
    "23": 3,
    "28": 3,
    "86": 3,
    "96": 3,
    "13": 2,
    "62": 2,
    "69": 2,
    "84": 2,
}
"""The 88 divisions of ISIC rev. 4 with their weight."""

ISCO_SUB_MAJOR_GROUPS = dict.fromkeys(
    [f"{number:02d}" for number in (1, 2, 3, *range(11, 15), *range(21, 27), *range(31, 36), *range(41, 45))]
    + [str(number) for number in (*range(51, 55), *range(61, 64), *range(71, 76), *range(81, 84), *range(91, 97))],
    1,
) | {
    "93": 10,
    "71": 8,
    "52": 8,
    "83": 7,
    "81": 6,
    "72": 6,
    "41": 6,
    "91": 5,
    "51": 4,
    "82": 4,
    "54": 4,
    "43": 3,
    "42": 3,
    "75": 3,
    "74": 3,
}
"""The 43 sub-major groups of ISCO-08 with their weight."""

NATIONALITIES = {"IRN": 970, "AFG": 22, "IRQ": 4, "PAK": 2, "SYR": 2}
"""Nationalities with their weight per thousand."""


@cache
def branch_provinces() -> Ints:
    """The province number (0–30) of branch 001, 002, …; the branch of place i has the code i + 1."""
    return np.repeat(np.arange(len(PROVINCES)), [province.branches for province in PROVINCES])


def drawn(stream: Stream, position: Ints, weights: dict[str, int]) -> Ints:
    """Places in the list of `weights`' keys, each as often as its weight says."""
    return np.repeat(np.arange(len(weights)), list(weights.values()))[stream.below(position, sum(weights.values()))]
