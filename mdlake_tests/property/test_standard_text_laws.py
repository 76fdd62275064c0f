"""Text against a slow plain-Python reference, and the laws every spelling must keep."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlake.standard import (
    clean_code,
    fold_digits,
    match_key,
    match_key_value,
    normalize_text,
    normalize_text_value,
)

unhurried = settings(deadline=None)

ZWNJ = "\u200c"
# Blocks that are the same in every version of Unicode, so that two implementations of NFC must agree.
blocks = [
    (0x00, 0x17F),
    (0x300, 0x36F),
    (0x600, 0x6FF),
    (0x1680, 0x1680),
    (0x180E, 0x180E),
    (0x2000, 0x206F),
    (0xFEFF, 0xFEFF),
]
spoilt = st.sampled_from("يكىـ ًٰٓٔ ۰۹٠٩ۀهآایک" + ZWNJ + " \xa0\t\u200f\u202b\ufeff'.0Aaé")
texts = st.text(spoilt | st.one_of(*(st.characters(min_codepoint=a, max_codepoint=b) for a, b in blocks)), max_size=12)
columns = st.lists(st.none() | texts, max_size=20)


def of(function: Callable[[pl.Expr], pl.Expr], column: list[str | None]) -> list[str | None]:
    return pl.DataFrame({"x": pl.Series(column, dtype=pl.String)}).select(function(pl.col("x"))).to_series().to_list()


def is_space(character: str) -> bool:
    return character.isspace() and character not in "\x1c\x1d\x1e\x1f"


def is_dropped(character: str) -> bool:
    point = ord(character)
    return (
        character in "\u0640\u061c\u180e\u200b\u200d\u200e\u200f\ufeff\xad"
        or unicodedata.category(character) == "Cc"
        or 0x202A <= point <= 0x202E
        or 0x2060 <= point <= 0x206F
        or (unicodedata.category(character) == "Mn" and 0x600 <= point <= 0x6FF)
    )


def letters_of(text: str) -> str:
    kept = (" " if is_space(c) else "" if is_dropped(c) else c for c in unicodedata.normalize("NFC", text))
    plain = "".join(kept).replace("ي", "ی").replace("ى", "ی").replace("ك", "ک")
    return unicodedata.normalize("NFC", plain)


def digits_of(text: str) -> str:
    return "".join(str(unicodedata.digit(c)) if c in "۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩" else c for c in text)


def slow_normalized(text: str | None) -> str | None:
    if text is None:
        return None
    words = (word.strip(ZWNJ) for word in re.split(" +", letters_of(text)))
    return re.sub(f"{ZWNJ}+", ZWNJ, " ".join(filter(None, words))) or None


def slow_folded(text: str) -> str:
    return unicodedata.normalize("NFC", digits_of(letters_of(text)).replace(" ", "").replace(ZWNJ, ""))


def slow_code(text: str | None) -> str | None:
    if text is None:
        return None
    code = slow_folded(text).replace("٫", ".").replace("٬", "").lstrip("'")
    return re.sub(r"^([+-]?[0-9]+)\.0$", r"\1", code) or None


@unhurried
@given(columns)
def test_normalized_text_is_that_of_the_slow_reference(column: list[str | None]) -> None:
    assert of(normalize_text, column) == [slow_normalized(text) for text in column]


@unhurried
@given(columns)
def test_a_clean_code_is_that_of_the_slow_reference(column: list[str | None]) -> None:
    assert of(clean_code, column) == [slow_code(text) for text in column]


@unhurried
@given(columns)
def test_a_match_key_is_that_of_the_slow_reference(column: list[str | None]) -> None:
    lower = [None if t is None else slow_folded(t).replace("ۀ", "ه") or None for t in column]
    assert of(match_key, column) == pl.Series(lower, dtype=pl.String).str.to_lowercase().to_list()


@unhurried
@given(columns)
def test_folded_digits_are_those_of_the_slow_reference(column: list[str | None]) -> None:
    assert of(fold_digits, column) == [None if text is None else digits_of(text) for text in column]


@unhurried
@given(st.text())
def test_a_header_and_a_column_are_spelled_alike_on_all_of_unicode(text: str) -> None:
    assert normalize_text_value(text) == (of(normalize_text, [text])[0] or "")
    assert match_key_value(text) == (of(match_key, [text])[0] or "")


@unhurried
@given(st.lists(st.none() | st.text() | texts))
def test_spelling_a_text_twice_changes_nothing_more(column: list[str | None]) -> None:
    for function in (normalize_text, clean_code, fold_digits):
        once = of(function, column)
        assert of(function, once) == once


@unhurried
@given(texts)
def test_two_texts_that_are_stored_alike_have_one_key(text: str) -> None:
    assert match_key_value(normalize_text_value(text)) == match_key_value(text)
