"""The month of a day, looked up in a table, against the conversion of each day and against persiantools."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from mdlake.standard import solar_hijri_from_gregorian, solar_hijri_month, year_start

_FIRST, _LAST = year_start(1206), year_start(1500) + timedelta(days=400)


def test_the_month_of_every_day_is_the_one_that_conversion_gives() -> None:
    days = pl.DataFrame({"day": pl.date_range(_FIRST - timedelta(days=40), _LAST, eager=True)})
    looked_up = days.select(solar_hijri_month(pl.col("day"))).to_series()
    parts = days.select(solar_hijri_from_gregorian(pl.col("day")).alias("p")).unnest("p")
    computed = parts.select(pl.col("year").cast(pl.String) + "-" + pl.col("month").cast(pl.String).str.zfill(2)).to_series()
    assert looked_up.to_list() == computed.to_list()
    assert looked_up.null_count() > 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | st.dates(_FIRST, date(2121, 1, 1)), max_size=8))
def test_the_month_of_a_day_is_that_of_the_peer_library(days: list[date | None]) -> None:
    got = pl.DataFrame({"day": pl.Series(days, dtype=pl.Date)}).select(solar_hijri_month(pl.col("day"))).to_series().to_list()
    assert got == [None if day is None else JalaliDate(day).strftime("%Y-%m") for day in days]
