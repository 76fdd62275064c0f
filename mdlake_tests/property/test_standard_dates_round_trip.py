"""Every day, in every hand and spelling, is read as the day it was; and no text at all breaks a column."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from mdlake.standard import HANDS, Period, parse_date, parse_month, period_of, persian_digits, year_start

unhurried = settings(deadline=None)

days = st.dates(year_start(1206), Period.parse("1500").last_day)
separators = st.sampled_from(["/", "-", ".", " / ", "- "])


def read(hand: str, text: str) -> date | None:
    day: date | None = pl.DataFrame({"x": [text]}).select(parse_date(pl.col("x"), hand)).item()
    return day


@unhurried
@given(days, separators, st.booleans(), st.booleans())
def test_a_solar_hijri_date_comes_back_from_every_spelling(day: date, sign: str, padded: bool, persian: bool) -> None:
    solar = JalaliDate.to_jalali(day)  # type: ignore[no-untyped-call]
    width = 2 if padded else 1
    text = sign.join([f"{solar.year}", f"{solar.month:0{width}}", f"{solar.day:0{width}}"])
    assert read("solar_hijri", persian_digits(text) if persian else text) == day
    assert read("either", f"{solar.year}{solar.month:02}{solar.day:02}") == day


@unhurried
@given(st.dates(date(1700, 1, 1)))
def test_a_gregorian_date_comes_back_as_the_standard_library_writes_it(day: date) -> None:
    for hand in ("gregorian", "either"):
        assert read(hand, day.isoformat()) == day
        assert read(hand, f"{day} 23:59:00") == day


@unhurried
@given(st.integers(1700, 2400), st.integers(0, 14), st.integers(0, 33))
def test_exactly_the_gregorian_days_of_the_standard_library_exist(year: int, month: int, day: int) -> None:
    try:
        expected = date(year, month, day)
    except ValueError:
        expected = None
    assert read("gregorian", f"{year}/{month:02}/{day:02}") == expected


@unhurried
@given(days)
def test_a_month_comes_back_from_its_key(day: date) -> None:
    key = period_of(day).key
    assert pl.DataFrame({"x": [key.replace("-", "")]}).select(parse_month(pl.col("x"))).item() == key


@unhurried
@given(
    st.lists(st.none() | st.text() | st.from_regex(r"[0-9۰-۹]{3,5}[/.\- ][0-9]{1,3}[/.\- ][0-9]{1,9}.?", fullmatch=True)),
    st.sampled_from(list(HANDS)),
)
def test_no_text_breaks_a_column_and_each_row_is_read_as_if_alone(column: list[str | None], hand: str) -> None:
    frame = pl.DataFrame({"x": pl.Series(column, dtype=pl.String)})
    together = frame.select(parse_date(pl.col("x"), hand)).to_series().to_list()
    assert together == [None if text is None else read(hand, text) for text in column]
