"""Dates and months as people and systems write them, read into Gregorian dates and month keys.

The instruction of a column names the hand its dates are written in; only ``either`` lets the year tell. The
calendar itself is in `calendar.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

import polars as pl

from mdlake.errors import UnknownName
from mdlake.standard.calendar import FIRST_YEAR, LAST_YEAR, gregorian_from_solar_hijri
from mdlake.standard.text import fold_digits, normalize_text, rewrite_rows

__all__ = ["HANDS", "DateOf", "Hand", "parse_date", "parse_month"]

Hand = Literal["solar_hijri", "gregorian", "either"]

DateOf = Callable[[pl.Expr, pl.Expr, pl.Expr], pl.Expr]

_FIRST_GREGORIAN_YEAR: Final = 1700
"""No date of a Solar Hijri calendar that ends in 1500 can be taken for a Gregorian one from here on."""

_PLAIN: Final = r"^[0-9]{4}(?:/[0-9]{2}/|-[0-9]{2}-)[0-9]{2}$"
_TIME: Final = r"[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?Z| ?[+-][0-9]{2}:?[0-9]{2})?"
_DATE: Final = (
    r"^'?(?<year>[0-9]{4})"
    r"(?: ?(?<sign>[/.-]) ?(?<month>[0-9]{1,2}) ?(?<second_sign>[/.-]) ?(?<day>[0-9]{1,2})"
    rf"|(?<month_8>[0-9]{{2}})(?<day_8>[0-9]{{2}})(?:\.0)?)(?:{_TIME})?$"
)
# No point between year and month: a spreadsheet writes 1403.10 as 1403.1.
_MONTH: Final = r"^'?(?<year>[0-9]{4})(?: ?[/-] ?(?<month>[0-9]{1,2})|(?<month_6>[0-9]{2})(?:\.0)?)$"


def parse_date(text: pl.Expr, hand: str) -> pl.Expr:
    """A Date from text; null where it is no date of that hand.

    Read are ``1403/01/15``, ``1403-1-5``, ``1403.1.5``, ``14030115`` and these with spaces or with Persian or
    Arabic-Indic digits. A time of day behind the date is dropped with its offset. A year has four digits: two
    are ambiguous and give null.

    Args:
        hand: ``solar_hijri`` (years 1206 to 1500), ``gregorian`` (from 1700 on) or ``either`` (by the year).

    Raises:
        UnknownName: there is no such hand.
    """
    if hand not in HANDS:
        raise UnknownName("hand of dates", hand, HANDS)
    return text.cast(pl.String).map_batches(partial(_dates, date_of=HANDS[hand]), return_dtype=pl.Date, is_elementwise=True)


def parse_month(text: pl.Expr) -> pl.Expr:
    """String: the key ``1403-01`` of a Solar Hijri month; null where the text is no month.

    Read are ``1403/1``, ``1403-01``, ``140301`` and these with spaces or with Persian or Arabic-Indic digits.
    """
    return text.cast(pl.String).map_batches(_months, return_dtype=pl.String, is_elementwise=True)


def _dates(column: pl.Series, date_of: DateOf) -> pl.Series:
    text = _rewrite_unplain(column, _plain_digits).alias("text")
    parts = text.to_frame().select(
        pl.col("text").str.slice(offset, length).cast(pl.Int32, strict=False).alias(part)
        for part, offset, length in (("year", 0, 4), ("month", 5, 2), ("day", 8, 2))
    )
    date = date_of(pl.col("year"), pl.col("month"), pl.col("day"))
    return parts.select(date.alias(column.name)).to_series()


def _rewrite_unplain(column: pl.Series, rewrite: Callable[[pl.Series], pl.Series]) -> pl.Series:
    return rewrite_rows(column, ~column.str.contains(_PLAIN), rewrite)


def _plain_digits(rows: pl.Series) -> pl.Series:
    # most that is not plain is so by its digits alone, and taking a date apart costs three times as much as folding them
    folded = rows.alias("text").to_frame().select(fold_digits(pl.col("text"))).to_series()
    return _rewrite_unplain(folded, _plain)


def _plain(rows: pl.Series) -> pl.Series:
    """The same dates as YYYY/MM/DD; null where there is none."""
    month, day = (pl.coalesce(part, f"{part}_8").str.zfill(2) for part in ("month", "day"))
    one_sign = pl.col("sign").eq_missing(pl.col("second_sign"))
    plain = pl.when(one_sign).then(pl.concat_str("year", month, day, separator="/"))
    return _parts(rows, _DATE).select(plain).to_series()


def _months(column: pl.Series) -> pl.Series:
    return rewrite_rows(column, column.is_not_null(), _month_keys)


def _month_keys(rows: pl.Series) -> pl.Series:
    month = pl.coalesce("month", "month_6").str.zfill(2)
    in_calendar = pl.col("year").cast(pl.Int32).is_between(FIRST_YEAR, LAST_YEAR)
    in_year = month.cast(pl.Int32).is_between(1, 12)
    key = pl.when(in_calendar & in_year).then(pl.concat_str("year", month, separator="-"))
    return _parts(rows, _MONTH).select(key).to_series()


def _parts(rows: pl.Series, pattern: str) -> pl.DataFrame:
    tidy = fold_digits(normalize_text(pl.col("text")))
    return rows.alias("text").to_frame().select(tidy.str.extract_groups(pattern).struct.unnest())


def _gregorian(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length = 30 + (month + month // 8) % 2 - pl.when(month == 2).then(2 - leap.cast(pl.Int32)).otherwise(0)
    exists = (year >= _FIRST_GREGORIAN_YEAR) & month.is_between(1, 12) & day.is_between(1, length)
    return pl.date(*(pl.when(exists).then(part) for part in (year, month, day)))


def _either(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    return pl.coalesce(gregorian_from_solar_hijri(year, month, day), _gregorian(year, month, day))


HANDS: Final[Mapping[str, DateOf]] = MappingProxyType(
    {"solar_hijri": gregorian_from_solar_hijri, "gregorian": _gregorian, "either": _either}
)
"""How dates are written, and what turns year, month and day of that hand into a Date."""
