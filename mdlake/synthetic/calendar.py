"""The synthetic ministry's own Solar Hijri calendar: months as numbers, days as ordinals, dates as text.

It shares no code with the standard that will read the dates. The lengths of months come from persiantools;
one table of a thousand month beginnings is made at first use, and everything else is a look-up in it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import numpy as np
import polars as pl
from persiantools.jdatetime import JalaliDate

from mdlake.errors import ConfigurationError
from mdlake.synthetic.randomness import Bools, Ints

__all__ = [
    "FIRST_PERIOD",
    "LAST_PERIOD",
    "Periodicity",
    "date_texts",
    "first_days",
    "month_lengths",
    "month_number",
    "month_text",
    "months_of",
    "period_text",
    "reference_month",
]

FIRST_PERIOD, LAST_PERIOD = "1397-01", "1415-12"
"""Bounds of what can be delivered: everybody in the population has reached working age by the first."""

Periodicity = Literal["month", "quarter"]
"""How often a dataset is delivered."""

_FIRST_YEAR, _LAST_YEAR = 1300, 1420
_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")


def month_number(period: str) -> int:
    """The running number of a month, 12·year + month − 1.

    Raises:
        ConfigurationError: the period is not written YYYY-MM, or lies outside what can be delivered.
    """
    if not _PERIOD.fullmatch(period) or not FIRST_PERIOD <= period <= LAST_PERIOD:
        raise ConfigurationError(
            "the period is not a month that the synthetic ministry can deliver",
            where=period,
            next_step=f"Give a Solar Hijri month from {FIRST_PERIOD} to {LAST_PERIOD}, such as 1403-01.",
        )
    year, month = period.split("-")
    return 12 * int(year) + int(month) - 1


def reference_month(period: str, periodicity: Periodicity) -> int:
    """The running number of the month at whose end a period is reported: the month itself, or a quarter's last one.

    Raises:
        ConfigurationError: the period is of another kind than the periodicity, or cannot be delivered.
    """
    if periodicity == "month":
        return month_number(period)
    quarter = _QUARTER.fullmatch(period)
    if not quarter or not FIRST_PERIOD[:4] <= quarter[1] <= LAST_PERIOD[:4]:
        raise ConfigurationError(
            "the period is not a quarter that the synthetic ministry can deliver",
            where=period,
            next_step=f"Give a quarter from {FIRST_PERIOD[:4]}-Q1 to {LAST_PERIOD[:4]}-Q4, such as 1403-Q1.",
        )
    return 12 * int(quarter[1]) + 3 * int(quarter[2]) - 1


def period_text(month: int, periodicity: Periodicity) -> str | None:
    """The period that is reported at the end of a month, YYYY-MM or YYYY-Qn; None where no quarter ends with the month."""
    year, before = divmod(month, 12)
    if periodicity == "month":
        return f"{year}-{before + 1:02d}"
    quarter, rest = divmod(before + 1, 3)
    return None if rest else f"{year}-Q{quarter}"


def month_text(month: int) -> str:
    """A running month number as its producer writes it, such as 1403/01."""
    return f"{month // 12}/{month % 12 + 1:02d}"


@cache
def _month_beginnings() -> Ints:
    return np.array(
        [
            JalaliDate(year, month, 1).to_gregorian().toordinal()  # type: ignore[no-untyped-call]
            for year in range(_FIRST_YEAR, _LAST_YEAR + 1)
            for month in range(1, 13)
        ],
        dtype=np.int64,
    )


@cache
def _day_texts() -> pl.Series:
    """Every day of the table as YYYY/MM/DD, from its first day on."""
    beginnings = _month_beginnings()
    days = np.arange(beginnings[0], beginnings[-1])
    month = np.searchsorted(beginnings, days, side="right") - 1
    parts = {"year": _FIRST_YEAR + month // 12, "month": month % 12 + 1, "day": days - beginnings[month] + 1}
    two = [pl.col(name).cast(pl.String).str.zfill(2) for name in ("month", "day")]
    return pl.DataFrame(parts).select(pl.concat_str(pl.col("year"), *two, separator="/")).to_series()


def first_days(month: Ints | int) -> Ints:
    """The ordinal (as of ``datetime.date.toordinal``) of the first day of each running month number."""
    return np.asarray(_month_beginnings()[np.asarray(month) - 12 * _FIRST_YEAR])


def month_lengths(month: Ints | int) -> Ints:
    """Days in each month: 31, 30, or 29 in an Esfand of a common year."""
    return np.asarray(first_days(np.asarray(month) + 1) - first_days(month))


def months_of(day: Ints) -> Ints:
    """The running number of the month in which each ordinal lies."""
    return np.asarray(12 * _FIRST_YEAR - 1 + np.searchsorted(_month_beginnings(), day, side="right"))


def date_texts(day: Ints, present: Bools | None = None) -> pl.Series:
    """Ordinals as YYYY/MM/DD; null where not `present`."""
    beginning = int(_month_beginnings()[0])
    if present is None:
        return _day_texts().gather(day - beginning)
    place = pl.Series(np.where(present, day - beginning, 0))
    return _day_texts().gather(place).set(pl.Series(~present), None)
