"""Texts made from a regular expression, against Python's own matching and against counting by hand."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlake.errors import MdlakeError
from mdlake.standard import spelling_of


def written(expression: str, *numbers: int) -> list[str]:
    return spelling_of(expression).written(pl.Series(numbers, dtype=pl.UInt64)).to_list()


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("M[0-9]{5}", 10**5),
        ("1[34][0-9]{2}(0[1-9]|1[0-2])[0-9]{7}", 2 * 100 * 12 * 10**7),
        (r"\d{3}-[A-Fx]+", 1000 * 7),
        ("(?:A|BC|A)?[0-9]{2,4}", 2 * 100),
        ("", 1),
        ("[0-9]{30}", 2**63),
    ],
)
def test_texts_are_counted(expression: str, count: int) -> None:
    assert spelling_of(expression).count == count


@pytest.mark.parametrize("expression", [r"[^0-9a-z]{2}", r"\w\W\D\S", ".", "[^x]x", "[\u0600-\u06ff]{3}", "(a(b|cd)){2}[0-9]"])
@settings(deadline=None)
@given(data=st.data())
def test_whatever_the_number_the_text_matches_the_expression(expression: str, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, spelling_of(expression).count - 1), min_size=1))
    assert all(re.fullmatch(expression, text) for text in written(expression, *numbers))


def test_the_texts_of_all_numbers_are_all_texts() -> None:
    texts = written("[AB](0[1-9]|1[0-2])x", *range(24))
    assert sorted(texts) == [f"{letter}{month:02}x" for letter in "AB" for month in range(1, 13)]
    assert texts[:2] == ["A01x", "A02x"]


@pytest.mark.parametrize("expression", ["^[0-9]$", r"(?=1)[0-9]", r"([0-9])\1", r"[^\s\S]"])
def test_an_expression_of_another_kind_is_refused_where_it_stands(expression: str) -> None:
    with pytest.raises(MdlakeError, match=r"^column a: no text can be made"):
        spelling_of(expression, where="column a")
