"""The arithmetic calendar against persiantools on every day of 1206 to 1500, and laws of periods."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from mdlake.standard import (
    FIRST_YEAR,
    LAST_YEAR,
    Period,
    PeriodKind,
    gregorian_from_solar_hijri,
    is_leap,
    period_of,
    solar_hijri_from_gregorian,
    year_start,
)

unhurried = settings(deadline=None)

FIRST_DAY, LAST_DAY = year_start(FIRST_YEAR), Period("year", LAST_YEAR).last_day
days = st.dates(FIRST_DAY, LAST_DAY)
kinds = st.sampled_from(["month", "quarter", "year"])


def test_leap_years_and_year_starts_are_those_of_persiantools() -> None:
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        assert is_leap(year) == JalaliDate.is_leap(year)
        assert year_start(year) == JalaliDate(year, 1, 1).to_gregorian()  # type: ignore[no-untyped-call]


def test_every_day_of_the_calendar_is_the_same_as_in_persiantools_and_comes_back() -> None:
    gregorian = pl.date_range(FIRST_DAY, LAST_DAY, eager=True).alias("gregorian")
    expected = pl.DataFrame(
        [(day.year, day.month, day.day) for day in map(JalaliDate.to_jalali, gregorian)],
        schema={"year": pl.Int32, "month": pl.Int32, "day": pl.Int32},
        orient="row",
    )
    solar = gregorian.to_frame().select(solar_hijri_from_gregorian(pl.col("gregorian")).struct.unnest())
    assert solar.equals(expected)
    back = solar.select(gregorian_from_solar_hijri(pl.col("year"), pl.col("month"), pl.col("day"))).to_series()
    assert back.equals(gregorian)


def test_exactly_the_days_that_persiantools_knows_exist() -> None:
    months = pl.DataFrame({"month": range(14)}, schema={"month": pl.Int32})
    numbers = pl.DataFrame({"day": range(33)}, schema={"day": pl.Int32})
    years = pl.DataFrame({"year": range(FIRST_YEAR - 1, LAST_YEAR + 2)}, schema={"year": pl.Int32})
    grid = years.join(months, how="cross").join(numbers, how="cross")
    dates = grid.select(gregorian_from_solar_hijri(pl.col("year"), pl.col("month"), pl.col("day"))).to_series()
    assert dates.count() == (LAST_DAY - FIRST_DAY).days + 1
    assert dates.drop_nulls().n_unique() == dates.count()


@unhurried
@given(days, kinds)
def test_a_day_lies_in_its_period_and_in_no_neighbour(day: date, kind: PeriodKind) -> None:
    period = period_of(day, kind)
    assert period.contains(day)
    assert Period.parse(period.key) == period
    assert period_of(period.first_day, kind) == period_of(period.last_day, kind) == period


@unhurried
@given(st.dates(FIRST_DAY + timedelta(400), LAST_DAY - timedelta(400)), kinds)
def test_periods_of_one_kind_follow_each_other_without_gap_in_sorting_order(day: date, kind: PeriodKind) -> None:
    period = period_of(day, kind)
    assert period.previous() < period < period.next()
    assert period.next().previous() == period
    assert period.next().first_day == period.last_day + timedelta(days=1)
    assert period.months()[0].first_day == period.first_day
    assert period.months()[-1].last_day == period.last_day
