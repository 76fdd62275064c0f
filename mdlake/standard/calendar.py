"""The Solar Hijri calendar and the reporting periods built on it: months, quarters and years of the ministry.

Everything is integer arithmetic, so a conversion needs no table and no join. Years 1206 to 1500 only: there
the 33-year cycle of leap years agrees with the astronomical calendar (the tests compare every day with
`persiantools`). Text that looks like a date is read in `dates.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache, total_ordering
from types import MappingProxyType
from typing import Final, Literal

import polars as pl

from mdlake.errors import MdlakeError, UnknownName

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "Language",
    "Period",
    "PeriodKind",
    "day_in_iran",
    "day_of_solar_hijri",
    "end_of_day_in_iran",
    "gregorian_from_solar_hijri",
    "is_leap",
    "midnight_in_iran",
    "period_of",
    "periods_between",
    "persian_digits",
    "solar_hijri_day",
    "solar_hijri_from_gregorian",
    "solar_hijri_month",
    "year_start",
]

FIRST_YEAR: Final = 1206
LAST_YEAR: Final = 1500

PeriodKind = Literal["month", "quarter", "year"]
Language = Literal["fa", "en"]

_EPOCH: Final = date(1970, 1, 1)
_BEFORE_EPOCH: Final = 492_633
"""Days from the zero of the 33-year arithmetic to 1970-01-01, the zero of a Polars Date."""

_MONTHS_IN: Final = MappingProxyType({"month": 1, "quarter": 3, "year": 12})
_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_IRAN: Final = timezone(timedelta(hours=3, minutes=30))
"""The time of Iran since summer time was given up in 1401; the decisions of this system are younger."""
_KEY: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})|-Q([0-9]))?")
_ALLOWED: Final = (
    f"Write a month as 1403-01, a quarter as 1403-Q1 or a year as 1403, with a year from {FIRST_YEAR} to {LAST_YEAR}."
)
_MONTH_NAMES: Final = (
    ("فروردین", "Farvardin"),
    ("اردیبهشت", "Ordibehesht"),
    ("خرداد", "Khordad"),
    ("تیر", "Tir"),
    ("مرداد", "Mordad"),
    ("شهریور", "Shahrivar"),
    ("مهر", "Mehr"),
    ("آبان", "Aban"),
    ("آذر", "Azar"),
    ("دی", "Dey"),
    ("بهمن", "Bahman"),
    ("اسفند", "Esfand"),
)
_ORDINALS_FA: Final = ("اول", "دوم", "سوم", "چهارم")
_TO_PERSIAN: Final = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def persian_digits(text: str) -> str:
    """The same text with ASCII digits written in Persian, for people; never for keys or stored data."""
    return text.translate(_TO_PERSIAN)


def is_leap(year: int) -> bool:
    """Whether Esfand of this Solar Hijri year has 30 days. Raises MdlakeError outside 1206 to 1500."""
    _require_year(year)
    return _day_number(year + 1) - _day_number(year) == 366


def year_start(year: int) -> date:
    """The Gregorian date of 1 Farvardin. Raises MdlakeError outside 1206 to 1500."""
    _require_year(year)
    return _EPOCH + timedelta(days=_day_number(year))


def solar_hijri_day(day: date) -> str:
    """A Gregorian date as machines read it in the Solar Hijri calendar: ``1403-03-12``.

    Raises MdlakeError outside 1206 to 1500.
    """
    month = period_of(day)
    return f"{month.key}-{(day - month.first_day).days + 1:02}"


def day_of_solar_hijri(text: str) -> date:
    """The Gregorian date of ``1403-03-12``, ASCII digits and two of them for month and day.

    Raises MdlakeError if there is no such day from 1206 to 1500.
    """
    found = _DAY.fullmatch(text)
    if found is not None and FIRST_YEAR <= int(found[1]) <= LAST_YEAR and 1 <= int(found[2]) <= 12 and int(found[3]):
        month = Period("month", int(found[1]), int(found[2]))
        day = month.first_day + timedelta(days=int(found[3]) - 1)
        if day <= month.last_day:
            return day
    raise MdlakeError("this is no day of the Solar Hijri calendar", next_step="Write it as 1403-03-12.")


def day_in_iran(at: datetime) -> date:
    """The Gregorian date in Iran at a moment. Raises ValueError if the moment has no time zone."""
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return at.astimezone(_IRAN).date()


def midnight_in_iran(day: date) -> datetime:
    """The moment, with a time zone, at which a Gregorian date begins in Iran."""
    return datetime(day.year, day.month, day.day, tzinfo=_IRAN)


def end_of_day_in_iran(day: date) -> datetime:
    """The last moment, with a time zone, of a Gregorian date in Iran."""
    return midnight_in_iran(day + timedelta(days=1)) - timedelta(microseconds=1)


def _day_number(year: int) -> int:
    # 33 years hold 8 leap years: 33 * 365 + 8 = 12053 days. The 21 sets the phase of the cycle.
    return (12_053 * year + 21) // 33 - _BEFORE_EPOCH


def _require_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise MdlakeError(f"the Solar Hijri year {year} is outside the calendar", next_step=_ALLOWED)


@total_ordering
@dataclass(frozen=True, slots=True)
class Period:
    """A Solar Hijri month, quarter or year: the reference period of a partition.

    Periods sort by time; where two start together, the shorter comes first.

    Args:
        kind: ``month``, ``quarter`` or ``year``.
        year: Solar Hijri year, 1206 to 1500.
        number: of the month or quarter; 1 for a year.

    Raises:
        MdlakeError: there is no such period; the message shows the allowed forms.
    """

    kind: PeriodKind
    year: int
    number: int = 1

    def __post_init__(self) -> None:
        if self.kind not in _MONTHS_IN:
            raise UnknownName("kind of period", self.kind, _MONTHS_IN)
        _require_year(self.year)
        if not 1 <= self.number <= 12 // _MONTHS_IN[self.kind]:
            raise MdlakeError(f"a year has no {self.kind} with the number {self.number}", next_step=_ALLOWED)

    @classmethod
    def parse(cls, key: str) -> Period:
        """The period of a partition key: ``1403-01``, ``1403-Q1`` or ``1403``."""
        found = _KEY.fullmatch(key)
        if found is None:
            # A long text is not a mistyped key and may be content: it is not repeated.
            shown = repr(key) if len(key) <= 7 else f"a text of {len(key)} characters"
            raise MdlakeError(f"{shown} is not a period", next_step=_ALLOWED)
        year, month, quarter = found.groups()
        if month:
            return cls("month", int(year), int(month))
        return cls("quarter", int(year), int(quarter)) if quarter else cls("year", int(year))

    @property
    def key(self) -> str:
        """The partition key, ASCII."""
        if self.kind == "year":
            return f"{self.year}"
        return f"{self.year}-{self.number:02}" if self.kind == "month" else f"{self.year}-Q{self.number}"

    @property
    def first_day(self) -> date:
        """The first day, as a Gregorian date."""
        return year_start(self.year) + timedelta(days=_days_before_month(self._first_month))

    @property
    def last_day(self) -> date:
        """The last day, as a Gregorian date."""
        after = self._first_month + _MONTHS_IN[self.kind]
        days = _days_before_month(after) if after <= 12 else 365 + is_leap(self.year)
        return year_start(self.year) + timedelta(days=days - 1)

    @property
    def _first_month(self) -> int:
        return (self.number - 1) * _MONTHS_IN[self.kind] + 1

    def previous(self) -> Period:
        """The period of the same kind just before. Raises MdlakeError at the edge of the calendar."""
        return self._moved(-1)

    def next(self) -> Period:
        """The period of the same kind just after. Raises MdlakeError at the edge of the calendar."""
        return self._moved(1)

    def _moved(self, steps: int) -> Period:
        per_year = 12 // _MONTHS_IN[self.kind]
        year, before = divmod(self.year * per_year + self.number - 1 + steps, per_year)
        return Period(self.kind, year, before + 1)

    def months(self) -> tuple[Period, ...]:
        """The months it is made of, in order."""
        first = self._first_month
        return tuple(Period("month", self.year, n) for n in range(first, first + _MONTHS_IN[self.kind]))

    def quarter(self) -> Period:
        """The quarter a month lies in; a quarter is its own. Raises MdlakeError for a year."""
        if self.kind == "year":
            raise MdlakeError(f"the year {self} lies in no quarter", next_step="Ask a month of it: `period.months()`.")
        return Period("quarter", self.year, (self._first_month + 2) // 3)

    def contains(self, day: date) -> bool:
        """Whether a Gregorian date lies in it."""
        return self.first_day <= day <= self.last_day

    def label(self, language: Language) -> str:
        """Its name for people: ``فروردین ۱۴۰۳`` or ``Farvardin 1403``.

        Raises UnknownName for a language that is neither ``fa`` nor ``en``.
        """
        if language not in ("fa", "en"):
            raise UnknownName("language", language, ("fa", "en"))
        return persian_digits(self._label_fa) if language == "fa" else self._label_en

    @property
    def _label_fa(self) -> str:
        if self.kind == "month":
            return f"{_MONTH_NAMES[self.number - 1][0]} {self.year}"
        if self.kind == "quarter":
            return f"سه‌ماههٔ {_ORDINALS_FA[self.number - 1]} {self.year}"
        return f"{self.year}"

    @property
    def _label_en(self) -> str:
        if self.kind == "month":
            return f"{_MONTH_NAMES[self.number - 1][1]} {self.year}"
        return f"Q{self.number} {self.year}" if self.kind == "quarter" else f"{self.year}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Period):
            return NotImplemented
        return self._place < other._place

    @property
    def _place(self) -> tuple[int, int, int]:
        return (self.year, self._first_month, _MONTHS_IN[self.kind])

    def __str__(self) -> str:
        return self.key


def period_of(day: date, kind: PeriodKind = "month") -> Period:
    """The period of this kind that a Gregorian date lies in. Raises MdlakeError outside 1206 to 1500."""
    if kind not in _MONTHS_IN:
        raise UnknownName("kind of period", kind, _MONTHS_IN)
    number = (day - _EPOCH).days
    year = (33 * (number + _BEFORE_EPOCH) + 11) // 12_053
    day_of_year = number - _day_number(year)
    month = day_of_year // 31 + 1 if day_of_year < 186 else (day_of_year - 186) // 30 + 7
    return Period(kind, year, (month - 1) // _MONTHS_IN[kind] + 1)


def periods_between(first: Period, last: Period) -> tuple[Period, ...]:
    """All periods from `first` to `last`, both included; none when `last` is the earlier.

    Raises MdlakeError when they are of two kinds.
    """
    if first.kind != last.kind:
        raise MdlakeError(f"{first} is a {first.kind} and {last} a {last.kind}", next_step="Give two periods of one kind.")
    return tuple(_walk(first, last))


def _walk(first: Period, last: Period) -> Iterator[Period]:
    period = first
    while period < last:
        yield period
        period = period.next()
    if period == last:
        yield period


def gregorian_from_solar_hijri(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """A Date from three integer columns; null where there is no such day from 1206 to 1500."""
    year, month, day = (part.cast(pl.Int32, strict=False) for part in (year, month, day))
    in_calendar = year.is_between(FIRST_YEAR, LAST_YEAR)
    year = pl.when(in_calendar).then(year)
    start, next_start = _day_numbers(year), _day_numbers(year + 1)
    number = start + _days_before_months(month) + day - 1
    exists = (
        month.is_between(1, 12)
        & day.is_between(1, 31 - (month > 6).cast(pl.Int32))
        & (number < next_start)  # the thirtieth of Esfand
    )
    return pl.when(exists).then(number).cast(pl.Date)


def solar_hijri_from_gregorian(day: pl.Expr) -> pl.Expr:
    """A struct ``{year: Int32, month: Int32, day: Int32}`` from a Date column.

    The fields are null for a null date and outside 1206 to 1500.
    """
    first, after = _day_number(FIRST_YEAR), _day_number(LAST_YEAR + 1)
    number = day.cast(pl.Date).cast(pl.Int32)
    number = pl.when((number >= first) & (number < after)).then(number)
    year = (33 * (number + _BEFORE_EPOCH) + 11) // 12_053
    day_of_year = number - _day_numbers(year)
    month = pl.when(day_of_year < 186).then(day_of_year // 31 + 1).otherwise((day_of_year - 186) // 30 + 7)
    return pl.struct(year=year, month=month, day=day_of_year - _days_before_months(month) + 1)


def solar_hijri_month(day: pl.Expr) -> pl.Expr:
    """The month of a Date as its period key, ``1403-01``; null for a null date and outside of the years 1206 to 1500.

    Looked up by the day in a table of all days: a fifth of the time of computing and writing year and month of each row.
    """
    keys = _month_keys()
    place = day.cast(pl.Date).cast(pl.Int32) - _day_number(FIRST_YEAR)
    return pl.lit(keys).gather(pl.when(place.is_between(0, len(keys) - 1)).then(place))


@lru_cache(maxsize=1)
def _month_keys() -> pl.Series:
    """The period key of every day from the first of `FIRST_YEAR` to the last of `LAST_YEAR`."""
    days = pl.int_range(_day_number(FIRST_YEAR), _day_number(LAST_YEAR + 1), dtype=pl.Int32, eager=True).cast(pl.Date)
    parts = days.to_frame("day").select(solar_hijri_from_gregorian(pl.col("day")).alias("parts")).unnest("parts")
    month = pl.col("month").cast(pl.String).str.zfill(2)
    return parts.select(pl.concat_str(pl.col("year").cast(pl.String), pl.lit("-"), month).alias("month")).to_series()


def _day_numbers(year: pl.Expr) -> pl.Expr:
    return (12_053 * year + 21) // 33 - _BEFORE_EPOCH


def _days_before_month(month: int) -> int:
    return 30 * (month - 1) + min(month - 1, 6)


def _days_before_months(month: pl.Expr) -> pl.Expr:
    return 30 * (month - 1) + (month - 1).clip(upper_bound=6)
