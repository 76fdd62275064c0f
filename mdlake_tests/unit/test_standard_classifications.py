"""Classifications: validity over time, labels, and what a list must not hold."""

from __future__ import annotations

import pytest

from mdlake.errors import MdlakeError, UnknownName
from mdlake.standard import Classification, Code, Period


def month(key: str | None) -> Period | None:
    return Period.parse(key) if key else None


def code(name: str, label: str, valid_from: str | None = None, valid_to: str | None = None) -> Code:
    return Code(name, f"{label}-fa", label, month(valid_from), month(valid_to))


PROVINCES = Classification(
    "province",
    "استان",
    "Province",
    (
        code("09", "Khorasan", valid_to="1383-06"),
        code("09", "Khorasan Razavi", valid_from="1383-07"),
        code("23", "Tehran"),
        code("30", "Alborz", valid_from="1389-04"),
        code("99", "Abroad", valid_from="1380-01", valid_to="1389-05"),
    ),
)


@pytest.mark.parametrize(
    ("period", "valid"),
    [
        ("1379-12", {"09", "23"}),
        ("1389-03", {"09", "23", "99"}),
        ("1389-05", {"09", "23", "30", "99"}),
        ("1389-06", {"09", "23", "30"}),
        ("1389-Q1", {"09", "23", "99"}),
        ("1389-Q2", {"09", "23", "30"}),
        ("1388", {"09", "23", "99"}),
        ("1389", {"09", "23", "30"}),
    ],
)
def test_the_codes_of_a_period_are_those_of_its_last_month(period: str, valid: set[str]) -> None:
    assert PROVINCES.valid_at(Period.parse(period)) == valid


def test_a_code_that_came_back_has_the_label_of_the_period_and_else_the_latest() -> None:
    assert PROVINCES.label("09", "en", at=Period.parse("1383-06")) == "Khorasan"
    assert PROVINCES.label("09", "en", at=Period.parse("1383")) == "Khorasan Razavi"
    assert PROVINCES.label("09", "fa") == "Khorasan Razavi-fa"


def test_a_code_that_is_not_in_the_list_is_refused_without_being_repeated() -> None:
    for wanted, at in (("0499370899", None), ("30", Period.parse("1380-01"))):
        with pytest.raises(MdlakeError, match="classification province") as refused:
            PROVINCES.label(wanted, "fa", at=at)
        assert wanted not in str(refused.value)


def test_a_label_in_another_language_is_refused_with_the_list_of_languages() -> None:
    with pytest.raises(UnknownName, match="en, fa"):
        PROVINCES.label("23", "de")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((None, None), (None, None)),
        ((None, "1399-01"), ("1399-01", None)),
        (("1399-01", "1402-12"), ("1400-01", "1400-02")),
        (("1399-01", None), (None, "1399-05")),
    ],
)
def test_a_code_that_is_valid_twice_in_one_month_is_refused(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None]
) -> None:
    with pytest.raises(MdlakeError, match="'A' stands twice"):
        Classification("kind", "نوع", "Kind", (code("A", "one", *first), code("B", "two"), code("A", "three", *second)))


def test_a_validity_is_two_months_in_order() -> None:
    with pytest.raises(MdlakeError, match="no month"):
        code("A", "one", valid_from="1399-Q1")
    with pytest.raises(MdlakeError, match="ends in 1399-01 before it starts in 1399-02"):
        code("A", "one", valid_from="1399-02", valid_to="1399-01")
