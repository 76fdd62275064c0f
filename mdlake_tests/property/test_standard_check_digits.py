"""Each vectorised checksum against a slow plain-Python reference written from its definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlake.standard import FAULTS, IDENTIFIER_TYPES, identifier_type

unhurried = settings(deadline=None)

ASCII_DIGITS = "0123456789"


def national_code(text: str) -> bool:
    remainder = sum(int(text[i]) * (10 - i) for i in range(9)) % 11
    return int(text[9]) == (remainder if remainder < 2 else 11 - remainder)


def legal_id(text: str) -> bool:
    shift = int(text[9]) + 2
    remainder = sum((int(text[i]) + shift) * (29, 27, 23, 19, 17)[i % 5] for i in range(10)) % 11
    return int(text[10]) == (0 if remainder == 10 else remainder)


def bank_card(text: str) -> bool:
    total = 0
    for position, digit in enumerate(map(int, reversed(text))):
        total += sum(map(int, str(2 * digit))) if position % 2 else digit
    return total % 10 == 0


def sheba(text: str) -> bool:
    moved = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


CHECKS: dict[str, tuple[Callable[[str], bool], int, Callable[[str], list[str]]]] = {
    "national_code": (national_code, 9, lambda body: [f"{body}{check}" for check in range(10)]),
    "legal_id": (legal_id, 10, lambda body: [f"{body}{check}" for check in range(10)]),
    "bank_card": (bank_card, 15, lambda body: [f"{body}{check}" for check in range(10)]),
    "sheba": (sheba, 22, lambda body: [f"IR{check:02}{body}" for check in range(100)]),
}
"""The reference, the digits without the check, and the body with every check there could be."""


def faults(name: str, column: Sequence[str | None]) -> list[str | None]:
    return identifier_type(name).read(pl.Series(column, dtype=pl.String))["fault"].to_list()


@pytest.mark.parametrize("name", CHECKS)
@unhurried
@given(data=st.data())
def test_every_check_a_number_could_have_is_judged_as_by_the_slow_reference(name: str, data: st.DataObject) -> None:
    agrees, length, with_every_check = CHECKS[name]
    body = data.draw(st.text(ASCII_DIGITS, min_size=length, max_size=length).filter(lambda text: text.strip("0")))
    texts = with_every_check(body)
    assert faults(name, texts) == [None if agrees(text) else "check_digit" for text in texts]


@pytest.mark.parametrize("name", IDENTIFIER_TYPES)
@unhurried
@given(column=st.lists(st.none() | st.text() | st.text(ASCII_DIGITS + "۰۱٩- IR+.'", max_size=28)))
def test_whatever_is_written_is_either_in_form_or_has_a_reason(name: str, column: list[str | None]) -> None:
    read = identifier_type(name).read(pl.Series(column, dtype=pl.String))
    for canonical, fault in read.rows():
        assert fault is None or fault in FAULTS
        assert (canonical is None) == (fault in ("missing", "not_digits", "wrong_length", "wrong_form"))
        assert canonical is None or canonical.isascii()
    again = identifier_type(name).read(read["canonical"])
    assert again["canonical"].equals(read["canonical"], null_equal=True)


@unhurried
@given(st.integers(10**7, 10**10 - 1))
def test_a_national_code_read_as_a_number_is_the_code_it_was(number: int) -> None:
    national = identifier_type("national_code")
    assert national.read(pl.Series([number]))["canonical"].item() == f"{number:010}"


@pytest.mark.parametrize("name", IDENTIFIER_TYPES)
@unhurried
@given(data=st.data())
def test_an_identifier_made_from_a_number_is_right_plain_unflagged_and_another_one_for_each_number(
    name: str, data: st.DataObject
) -> None:
    made = identifier_type(name)
    numbers = data.draw(st.lists(st.integers(0, made.count - 1), min_size=1, max_size=30, unique=True))
    numbers += [0, made.count - 1]
    texts = made.numbered(pl.Series(numbers, dtype=pl.UInt64))
    assert made.read(texts).rows() == [(text, None) for text in texts]
    assert texts.to_frame("id").select(made.flag(pl.col("id"))).to_series().null_count() == len(texts)
    assert texts.n_unique() == len(set(numbers))
    if name in CHECKS:
        assert all(CHECKS[name][0](text) for text in texts)
