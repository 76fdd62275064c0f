"""Identifiers: the published vectors, the canonical forms, and a reason code for everything else."""

from __future__ import annotations

import polars as pl
import pytest

from mdlake.errors import UnknownName
from mdlake.standard import FAULTS, FLAGS, IDENTIFIER_TYPES, identifier_type

VALID = {
    "national_code": ["0499370899", "0076229645", "1583250689", "1000000011", "1000000060"],
    "legal_id": ["10380284790", "10100171920", "10861677542"],
    "sheba": ["IR820540102680020817909002"],
    "bank_card": ["6219861034529007", "5022291070873466"],
    "postal_code": ["1619735744", "1614763574"],
}
INVALID = {
    "national_code": ["1234567890", "0499370898", "0684159415"],
    "legal_id": ["10380285692", "09053433454"],
    "sheba": ["IR820540102680020817909003"],
    "bank_card": ["6219861034529008"],
}


def reading(name: str, *texts: str | None) -> list[tuple[str | None, str | None]]:
    return identifier_type(name).read(pl.Series(texts, dtype=pl.String)).rows()


def flags(name: str, *texts: str | None) -> list[str | None]:
    frame = pl.DataFrame({"raw": pl.Series(texts, dtype=pl.String)})
    return frame.select(identifier_type(name).flag(pl.col("raw"))).to_series().to_list()


@pytest.mark.parametrize("name", VALID)
def test_every_published_valid_identifier_is_right_and_its_own_canonical_form(name: str) -> None:
    assert reading(name, *VALID[name]) == [(text, None) for text in VALID[name]]
    assert flags(name, *VALID[name]) == [None] * len(VALID[name])


@pytest.mark.parametrize("name", INVALID)
def test_every_published_invalid_identifier_fails_its_check_digit(name: str) -> None:
    assert reading(name, *INVALID[name]) == [(text, "check_digit") for text in INVALID[name]]


@pytest.mark.parametrize("name", ["national_code", "workplace_code"])
def test_a_code_of_eight_or_nine_digits_gets_back_the_zeros_a_spreadsheet_dropped(name: str) -> None:
    assert reading(name, "76229645", "499370899") == [("0076229645", None), ("0499370899", None)]


@pytest.mark.parametrize("name", ["postal_code", "legal_id", "bank_card"])
def test_no_other_type_is_padded(name: str) -> None:
    assert reading(name, "76229645") == [(None, "wrong_length")]


@pytest.mark.parametrize(
    "text",
    [
        " ۰۴۹۹۳۷۰۸۹۹ ",
        "٠٤٩٩٣٧٠٨٩٩",
        "049-937089-9",
        "'0499370899",
        "499370899.0",
        "0499\u200f370899",
        "049\u2013937089\u20139",
    ],
)
def test_a_national_code_is_found_under_digits_separators_and_spreadsheet_traces(text: str) -> None:
    assert reading("national_code", text) == [("0499370899", None)]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("national_code", None, "missing"),
        ("national_code", "", "missing"),
        ("national_code", " \u200f", "missing"),
        ("national_code", "04993708X9", "not_digits"),
        ("national_code", "-499370899", "not_digits"),
        ("national_code", "4.99370899e8", "not_digits"),
        ("national_code", "1234567", "wrong_length"),
        ("national_code", "04993708990", "wrong_length"),
        ("foreigner_code", "123456789", "wrong_length"),
        ("household_id", "1234567890123", "wrong_length"),
        ("insurance_number", "123456789", "wrong_length"),
        ("mobile", "02188776655", "wrong_form"),
        ("mobile", "0912345678", "wrong_length"),
        ("mobile", "+441234567890", "not_digits"),
        ("sheba", "820540102680020817909002", "wrong_form"),
        ("sheba", "FR7630006000011234567890189", "not_digits"),
        ("sheba", "IR82054010268002081790900", "wrong_length"),
    ],
)
def test_a_text_that_cannot_be_put_in_form_is_null_with_its_reason(name: str, text: str | None, fault: str) -> None:
    assert reading(name, text) == [(None, fault)]


@pytest.mark.parametrize(
    ("name", "digits"),
    [(t.name, n) for t in IDENTIFIER_TYPES.values() for n in t.lengths if t.name != "mobile"],
)
def test_a_placeholder_of_zeros_is_wrong_for_every_type(name: str, digits: int) -> None:
    zeros = identifier_type(name).prefix + "0" * digits
    assert reading(name, zeros) == [(zeros, "all_zero")]


def test_zeros_that_a_spreadsheet_shortened_are_still_a_placeholder() -> None:
    assert reading("national_code", "00000000") == [("0000000000", "all_zero")]


def test_a_case_number_has_one_form_with_hyphens_and_without() -> None:
    assert reading("case_number", "23-1403-000012", "۰۷۱۴۰۳۰۰۰۰۰۱", "14-03") == [
        ("231403000012", None),
        ("071403000001", None),
        (None, "wrong_length"),
    ]


def test_identifiers_of_several_lengths_are_taken_as_they_are() -> None:
    assert reading("insurance_number", "12345678", "1234567890") == [("12345678", None), ("1234567890", None)]
    for name in ("foreigner_code", "household_id"):
        assert reading(name, *("1" * n for n in (10, 11, 12))) == [("1" * n, None) for n in (10, 11, 12)]


@pytest.mark.parametrize(
    "text", ["+989123456789", "00989123456789", "989123456789", "09123456789", "9123456789", "0912 345-6789"]
)
def test_a_mobile_number_has_one_form_whatever_stands_in_front(text: str) -> None:
    assert reading("mobile", text) == [("09123456789", None)]


def test_a_sheba_in_groups_and_small_letters_is_found() -> None:
    assert reading("sheba", "ir82 0540 1026 8002 0817 9090 02") == [("IR820540102680020817909002", None)]


def test_a_national_code_of_one_repeated_digit_is_right_and_flagged() -> None:
    repeated = [str(digit) * 10 for digit in range(1, 10)]
    assert reading("national_code", *repeated) == [(text, None) for text in repeated]
    assert flags("national_code", *repeated, "0499370899", None) == ["repeated_digits"] * 9 + [None, None]


def test_a_postal_code_that_the_postal_system_does_not_give_is_right_and_flagged() -> None:
    unusual = ["1219735744", "1619235744", "1619735724", "1111735744"]
    assert reading("postal_code", *unusual) == [(text, None) for text in unusual]
    assert flags("postal_code", *unusual, None) == ["unusual_form"] * 4 + [None]


def test_a_type_without_a_flag_flags_nothing() -> None:
    assert flags("legal_id", "10380284790", None) == [None, None]


def test_an_unknown_type_is_refused_with_the_list_of_all() -> None:
    with pytest.raises(UnknownName) as refused:
        identifier_type("passport")
    assert refused.value.known == tuple(sorted(IDENTIFIER_TYPES))


def test_each_type_that_gets_a_pseudonym_has_a_marker_of_its_own() -> None:
    markers = [identifier.marker for identifier in IDENTIFIER_TYPES.values() if identifier.marker]
    assert sorted(markers) == ["for", "hhd", "ins", "leg", "nat", "wrk"]
    assert {t.name for t in IDENTIFIER_TYPES.values() if t.marker is None} == {
        "postal_code",
        "mobile",
        "sheba",
        "bank_card",
        "case_number",
    }
    assert all(name == identifier.name for name, identifier in IDENTIFIER_TYPES.items())


def test_every_reason_given_is_explained() -> None:
    given = {identifier.flag_reason for identifier in IDENTIFIER_TYPES.values()} - {None}
    assert given == set(FLAGS)
    assert next(iter(FAULTS)) == "missing"


def test_an_empty_column_is_read_to_the_same_columns() -> None:
    for name in IDENTIFIER_TYPES:
        read = identifier_type(name).read(pl.Series([], dtype=pl.String))
        assert read.schema == {"canonical": pl.String, "fault": pl.String}
        assert read.is_empty()


def test_a_column_of_numbers_is_read_too() -> None:
    assert identifier_type("national_code").read(pl.Series([499370899, None])).rows() == [
        ("0499370899", None),
        (None, "missing"),
    ]


@pytest.mark.parametrize(
    ("name", "digits"),
    [("national_code", slice(9)), ("legal_id", slice(10)), ("bank_card", slice(15)), ("sheba", slice(4, None))],
)
def test_the_check_digits_of_every_published_identifier_are_found_from_its_other_digits(name: str, digits: slice) -> None:
    completed = identifier_type(name).complete(pl.Series([text[digits] for text in VALID[name]]))
    assert completed.to_list() == VALID[name]
