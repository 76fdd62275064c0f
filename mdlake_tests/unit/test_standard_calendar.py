"""Periods and the calendar: published leap years, names for people, and the errors a person reads."""

from __future__ import annotations

import copy
import pickle
from datetime import date

import polars as pl
import pytest

from mdlake.errors import MdlakeError, UnknownName
from mdlake.standard import (
    Period,
    gregorian_from_solar_hijri,
    is_leap,
    period_of,
    periods_between,
    persian_digits,
    solar_hijri_from_gregorian,
    year_start,
)


def test_the_leap_years_of_our_time_are_the_published_ones() -> None:
    assert [year for year in range(1390, 1413) if is_leap(year)] == [1391, 1395, 1399, 1403, 1408, 1412]


def test_the_year_1403_starts_on_20_march_2024() -> None:
    assert year_start(1403) == date(2024, 3, 20)
    assert Period.parse("1403").last_day == date(2025, 3, 20)


@pytest.mark.parametrize("year", [1205, 1501])
def test_a_year_outside_the_calendar_is_refused(year: int) -> None:
    for refused in (is_leap, year_start):
        with pytest.raises(MdlakeError, match=f"{year} is outside the calendar"):
            refused(year)


@pytest.mark.parametrize(("key", "kind", "number"), [("1403-01", "month", 1), ("1403-Q4", "quarter", 4), ("1403", "year", 1)])
def test_a_period_is_read_from_its_key_and_written_back(key: str, kind: str, number: int) -> None:
    period = Period.parse(key)
    assert (period.kind, period.year, period.number) == (kind, 1403, number)
    assert period.key == str(period) == key
    assert key.isascii()


@pytest.mark.parametrize(
    "key",
    [
        "1403-1",
        "1403-13",
        "1403-00",
        "1403-Q0",
        "1403-Q5",
        "1205-01",
        "1501",
        "۱۴۰۳-۰۱",
        "",
        "1403-01\n",
        "2024-01",
    ],
)
def test_a_text_that_is_no_period_is_refused_with_the_allowed_forms(key: str) -> None:
    with pytest.raises(MdlakeError) as refused:
        Period.parse(key)
    assert "1403-01" in refused.value.next_step
    assert "1403-Q1" in refused.value.next_step


def test_a_text_too_long_for_a_period_is_not_repeated_in_the_message() -> None:
    with pytest.raises(MdlakeError) as refused:
        Period.parse("0499370899")
    assert "0499370899" not in str(refused.value)


def test_a_kind_of_period_that_does_not_exist_is_refused_with_the_list_of_kinds() -> None:
    with pytest.raises(UnknownName, match="month, quarter, year"):
        Period("week", 1403, 1)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="month, quarter, year"):
        period_of(date(2024, 3, 20), "week")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "fa", "en"),
    [
        ("1403-01", "فروردین ۱۴۰۳", "Farvardin 1403"),
        ("1403-12", "اسفند ۱۴۰۳", "Esfand 1403"),
        ("1403-Q1", "سه‌ماههٔ اول ۱۴۰۳", "Q1 1403"),
        ("1403", "۱۴۰۳", "1403"),
    ],
)
def test_a_period_has_a_name_for_people_in_both_languages(key: str, fa: str, en: str) -> None:
    assert Period.parse(key).label("fa") == fa
    assert Period.parse(key).label("en") == en


def test_a_name_in_another_language_is_refused_with_the_list_of_languages() -> None:
    with pytest.raises(UnknownName, match="en, fa"):
        Period.parse("1403").label("de")  # type: ignore[arg-type]


def test_the_period_before_and_after_cross_the_year() -> None:
    for key, after in (("1403-12", "1404-01"), ("1403-Q4", "1404-Q1"), ("1403", "1404")):
        assert Period.parse(key).next() == Period.parse(after)
        assert Period.parse(after).previous() == Period.parse(key)


def test_the_calendar_ends_with_a_message_and_not_with_a_wrong_period() -> None:
    assert Period.parse("1500-12").last_day == date(2122, 3, 20)
    for step in (Period.parse("1500-12").next, Period.parse("1206-01").previous):
        with pytest.raises(MdlakeError, match="outside the calendar"):
            step()


def test_a_quarter_is_made_of_three_months_and_a_year_of_twelve() -> None:
    assert [month.key for month in Period.parse("1403-Q2").months()] == ["1403-04", "1403-05", "1403-06"]
    assert [month.number for month in Period.parse("1403").months()] == list(range(1, 13))
    assert Period.parse("1403-05").months() == (Period.parse("1403-05"),)


def test_every_month_lies_in_the_quarter_that_lists_it() -> None:
    for number in range(1, 5):
        quarter = Period("quarter", 1403, number)
        assert {month.quarter() for month in quarter.months()} == {quarter}
        assert quarter.quarter() == quarter


def test_a_year_lies_in_no_quarter() -> None:
    with pytest.raises(MdlakeError, match="no quarter"):
        Period.parse("1403").quarter()


def test_esfand_of_a_leap_year_holds_its_thirtieth_day() -> None:
    assert Period.parse("1403-12").contains(date(2025, 3, 20))
    assert not Period.parse("1403-12").contains(date(2025, 3, 21))
    assert not Period.parse("1404-12").contains(date(2026, 3, 21))


def test_periods_sort_by_time_and_a_shorter_one_stands_before_a_longer() -> None:
    keys = ["1402-12", "1403-01", "1403-Q1", "1403", "1403-02", "1403-Q2", "1404-01"]
    assert [period.key for period in sorted(map(Period.parse, reversed(keys)))] == keys


def test_a_period_survives_copying_and_pickling_and_can_be_a_key() -> None:
    period = Period.parse("1403-01")
    assert {period: 1}[pickle.loads(pickle.dumps(period))] == 1
    assert copy.deepcopy(period) == period


def test_periods_between_two_months_include_both() -> None:
    keys = [p.key for p in periods_between(Period.parse("1402-11"), Period.parse("1403-02"))]
    assert keys == ["1402-11", "1402-12", "1403-01", "1403-02"]
    assert periods_between(Period.parse("1403-02"), Period.parse("1403-01")) == ()
    assert periods_between(Period.parse("1500"), Period.parse("1500")) == (Period.parse("1500"),)


def test_periods_between_two_kinds_are_refused() -> None:
    with pytest.raises(MdlakeError, match="1403-01 is a month and 1403-Q2 a quarter"):
        periods_between(Period.parse("1403-01"), Period.parse("1403-Q2"))


@pytest.mark.parametrize("day", [date(1827, 3, 21), date(2122, 3, 21)])
def test_a_date_outside_the_calendar_has_no_period(day: date) -> None:
    with pytest.raises(MdlakeError, match="outside the calendar"):
        period_of(day)


def test_persian_digits_are_for_people() -> None:
    assert persian_digits("1403-Q1") == "۱۴۰۳-Q۱"


def test_a_day_that_does_not_exist_becomes_null() -> None:
    days = pl.DataFrame(
        [
            (1403, 12, 30),
            (1404, 12, 30),
            (1403, 7, 31),
            (1403, 13, 1),
            (1403, 0, 1),
            (1403, 1, 0),
            (1501, 1, 1),
            (1403, None, 1),
        ],
        schema=["year", "month", "day"],
        orient="row",
    )
    dates = days.select(gregorian_from_solar_hijri(pl.col("year"), pl.col("month"), pl.col("day"))).to_series()
    assert dates.to_list() == [date(2025, 3, 20)] + [None] * 7


def test_numbers_far_outside_a_date_become_null_and_not_an_overflow() -> None:
    huge = pl.DataFrame({"year": [2**40, 1403, 1403], "month": [1, 2**31 - 1, 1], "day": [1, 1, -(2**31)]})
    assert huge.select(gregorian_from_solar_hijri(*map(pl.col, huge.columns))).to_series().null_count() == 3
    far = pl.Series("day", [date(1, 1, 1), date(9999, 12, 31), None])
    assert far.to_frame().select(solar_hijri_from_gregorian(pl.col("day"))).unnest("year").null_count().row(0) == (3, 3, 3)
