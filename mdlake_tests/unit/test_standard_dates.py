"""Dates as producers write them: each accepted form, each refused one, and the hands."""

from __future__ import annotations

from datetime import date
from typing import get_args

import polars as pl
import pytest

from mdlake.errors import UnknownName
from mdlake.standard import HANDS, Hand, parse_date, parse_month

FIFTEENTH, FIFTH = date(2024, 4, 3), date(2024, 3, 24)


def dates(hand: str, *texts: str | None) -> list[date | None]:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    return frame.select(parse_date(pl.col("text"), hand)).to_series().to_list()


def months(*texts: str | None) -> list[str | None]:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    return frame.select(parse_month(pl.col("text"))).to_series().to_list()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1403/01/15", FIFTEENTH),
        ("1403-01-15", FIFTEENTH),
        ("1403-1-5", FIFTH),
        ("14030115", FIFTEENTH),
        ("۱۴۰۳/۱/۱۵", FIFTEENTH),
        ("١٤٠٣/٠١/١٥", FIFTEENTH),
        ("1403.1.5", FIFTH),
        ("1403 / 1 / 5", FIFTH),
        (" 1403/01/15\u200f", FIFTEENTH),
        ("'1403/01/15", FIFTEENTH),
        ("14030115.0", FIFTEENTH),
        ("1403/01/15 00:00:00", FIFTEENTH),
        ("1403/1/5 8:30", FIFTH),
        ("1403-01-15T23:59:59.123Z", FIFTEENTH),
        ("1403-01-15T23:59:59+03:30", FIFTEENTH),
        ("1403/12/30", date(2025, 3, 20)),
    ],
)
def test_a_solar_hijri_date_is_read_in_every_form_it_arrives_in(text: str, day: date) -> None:
    assert dates("solar_hijri", text) == [day]
    assert dates("either", text) == [day]
    assert dates("gregorian", text) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "03/1/5",
        "1403/01-15",
        "1403/13/01",
        "1404/12/30",
        "1403/07/31",
        "1403/01/00",
        "0000/00/00",
        "1205/12/29",
        "1501/01/01",
        "1403/01",
        "140301",
        "15/01/1403",
        "1403/01/15 noon",
        "1403/01/15 00:00:00 x",
        "01403/01/15",
        "1403//01/15",
        "",
        "-",
        None,
    ],
)
def test_a_text_that_is_no_date_of_the_calendar_becomes_null(text: str | None) -> None:
    assert dates("solar_hijri", text) == dates("either", text) == [None]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-03-20", date(2024, 3, 20)),
        ("2024/3/20", date(2024, 3, 20)),
        ("20240320", date(2024, 3, 20)),
        ("۲۰۲۴-۰۳-۲۰ 00:00:00.000000", date(2024, 3, 20)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2000-02-29", date(2000, 2, 29)),
        ("1900-02-29", None),
        ("2023-02-29", None),
        ("2024-04-31", None),
        ("2024-00-10", None),
        ("1699-12-31", None),
        ("9999-12-31", date(9999, 12, 31)),
    ],
)
def test_a_gregorian_date_is_read_where_the_hand_allows_it(text: str, day: date | None) -> None:
    assert dates("gregorian", text) == dates("either", text) == [day]
    assert dates("solar_hijri", text) == [None]


def test_a_typed_delivery_is_read_too() -> None:
    frame = pl.DataFrame({"number": [14030115, None], "day": [FIFTEENTH, None]})
    read = frame.select(parse_date(pl.col("number"), "solar_hijri"), parse_date(pl.col("day"), "gregorian"))
    assert read.rows() == [(FIFTEENTH, FIFTEENTH), (None, None)]


def test_a_hand_that_does_not_exist_is_refused_with_the_list_of_hands() -> None:
    with pytest.raises(UnknownName, match="either, gregorian, solar_hijri"):
        parse_date(pl.col("day"), "lunar")
    assert set(get_args(Hand)) == set(HANDS)


def test_a_month_is_read_in_every_form_it_arrives_in() -> None:
    assert months("1403/1", "1403-01", "140301", "۱۴۰۳-۰۱", "1403 / 01", "140301.0") == ["1403-01"] * 6


def test_a_text_that_is_no_month_becomes_null() -> None:
    refused = (
        "1403/01/15",
        "1403.1",
        "1403/13",
        "140300",
        "1403",
        "03/1",
        "1205/12",
        "1501/1",
        "2024-01",
        "",
        None,
    )
    assert months(*refused) == [None] * len(refused)


def test_dates_keep_name_and_type_in_every_engine_and_on_no_rows() -> None:
    frame = pl.LazyFrame({"born": ["1403/1/15", None, "x", "1403/01/15"] * 10})
    query = frame.select(parse_date(pl.col("born"), "either"), month=parse_month(pl.col("born")))
    assert query.collect_schema() == {"born": pl.Date, "month": pl.String}
    assert query.collect(engine="streaming").equals(query.collect(engine="in-memory"))
    assert query.head(0).collect().schema == query.collect_schema()
    assert pl.DataFrame({"born": [None]}).select(parse_date(pl.col("born"), "either")).schema == {"born": pl.Date}
