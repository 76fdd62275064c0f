"""Persian text: each rule of the standard once, on the spellings that producers send."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from mdlake.standard import (
    clean_code,
    fold_digits,
    match_key,
    match_key_value,
    normalize_text,
    normalize_text_value,
)

ZWNJ = "\u200c"


def of(function: Callable[[pl.Expr], pl.Expr], *texts: str | None) -> list[str | None]:
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    return frame.select(function(pl.col("text"))).to_series().to_list()


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("علي كاظمى", "علی کاظمی"),
        ("مـحـمـد", "محمد"),
        ("مُحَمَّد", "محمد"),
        ("  زهرا \t\n سادات ", "زهرا سادات"),
        ("زهرا\xa0سادات\u3000حسینی", "زهرا سادات حسینی"),
        ("\u202bرضا\u202c\u200f", "رضا"),
        ("\ufeffرضا\x00\x9d", "رضا"),
        (f"می{ZWNJ}نا", f"می{ZWNJ}نا"),
        (f"{ZWNJ}رضا {ZWNJ} پور{ZWNJ}", "رضا پور"),
        (f"رضا{ZWNJ}{ZWNJ}پور", f"رضا{ZWNJ}پور"),
        ("ا\u0653ذر", "آذر"),
        ("ا\u0640\u0653", "ا"),
        ("e\u0640\u0301", "é"),
        ("سال ۱۴۰۳", "سال ۱۴۰۳"),
        ("Tehran", "Tehran"),
        ("دو\u2028سطر", "دو سطر"),
    ],
)
def test_text_is_stored_in_one_spelling(written: str, stored: str) -> None:
    assert of(normalize_text, written) == [stored]
    assert normalize_text_value(written) == stored


def test_a_text_of_nothing_becomes_null_and_a_value_of_nothing_empty() -> None:
    assert of(normalize_text, "", "  ", f" {ZWNJ}\u200f", "\u0640", None) == [None] * 5
    assert of(clean_code, "", "'", "\xa0", None) == [None] * 4
    assert of(match_key, "", f" {ZWNJ}", None) == [None] * 3
    assert normalize_text_value(" ") == match_key_value(" ") == ""


def test_digits_of_both_scripts_are_folded_and_nothing_else_is_touched() -> None:
    assert of(fold_digits, "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", " كد ۱ ", "", None) == [
        "0123456789",
        "0123456789",
        " كد 1 ",
        "",
        None,
    ]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("0499370899", "0499370899"),
        (" ۰۴۹ ۹۳۷٠٨٩۹\u200f", "0499370899"),
        ("'0499370899", "0499370899"),
        ("499370899.0", "499370899"),
        ("-12.0", "-12"),
        ("12.50", "12.50"),
        ("A.0", "A.0"),
        ("1403.1.0", "1403.1.0"),
        ("۱۲٫۵", "12.5"),
        ("۱٬۲۳۴", "1234"),
        (f"الف{ZWNJ} -ي", "الف-ی"),
    ],
)
def test_a_code_loses_what_keyboards_and_spreadsheets_put_around_it(written: str, code: str) -> None:
    assert of(clean_code, written) == [code]


def test_numbers_of_a_typed_delivery_are_codes_too() -> None:
    frame = pl.DataFrame({"whole": [499370899], "real": [499370899.0]})
    assert frame.select(clean_code(pl.all())).row(0) == ("499370899", "499370899")


@pytest.mark.parametrize("spelling", ["كد ملّي", f"کد{ZWNJ}ملی", "کدملی", "  کد   ملی  ", "کـد ملی"])
def test_two_spellings_of_a_header_meet_under_one_key(spelling: str) -> None:
    assert match_key_value(spelling) == "کدملی"
    assert of(match_key, spelling) == ["کدملی"]


def test_a_key_folds_digits_case_and_the_ezafe_after_heh() -> None:
    assert match_key_value("ISIC كد ۴") == "isicکد4"
    assert match_key_value("بیمۀ") == match_key_value("بیمهٔ") == "بیمه"


def test_many_repeated_dirty_values_come_out_as_each_of_them_alone() -> None:
    texts = ["علي", " ", None, "رضا", "كاظم "] * 50
    assert of(normalize_text, *texts) == ["علی", None, None, "رضا", "کاظم"] * 50


@pytest.mark.parametrize("function", [fold_digits, normalize_text, clean_code, match_key])
def test_an_expression_keeps_name_and_type_in_every_engine_and_on_no_rows(
    function: Callable[[pl.Expr], pl.Expr],
) -> None:
    frame = pl.LazyFrame({"name": ["علي ۱", None, "x"] * 10})
    query = frame.select(function(pl.col("name")))
    assert query.collect_schema() == {"name": pl.String}
    assert query.collect(engine="streaming").equals(query.collect(engine="in-memory"))
    assert query.head(0).collect().schema == {"name": pl.String}
    assert pl.DataFrame({"name": [None]}).select(function(pl.col("name"))).schema == {"name": pl.String}


def test_the_column_that_was_read_is_not_changed() -> None:
    frame = pl.DataFrame({"name": ["علي", "رضا"]})
    frame.select(normalize_text(pl.col("name")))
    assert frame["name"].to_list() == ["علي", "رضا"]
