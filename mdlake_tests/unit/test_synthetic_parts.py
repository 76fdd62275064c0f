"""The synthetic ministry's draws, calendar, codes and words, against plain references and a peer library."""

from __future__ import annotations

import ast
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

import mdlake.synthetic
from mdlake.errors import ConfigurationError
from mdlake.synthetic.calendar import date_texts, first_days, month_lengths, month_number, month_text
from mdlake.synthetic.codes import legal_ids, national_codes, postal_codes
from mdlake.synthetic.places import ISCO_SUB_MAJOR_GROUPS, ISIC_DIVISIONS, PROVINCES, branch_provinces
from mdlake.synthetic.randomness import Permutation, Stream
from mdlake.synthetic.words import FEMALE_NAMES, MALE_NAMES, SURNAMES


def splitmix64(state: int) -> int:
    mask = (1 << 64) - 1
    z = state & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)


def test_a_draw_is_the_published_splitmix64_at_its_position() -> None:
    stream = Stream(7, "anything")
    key = int(stream._key[0])
    positions = [0, 1, 5, 1_000_000, 2**50]
    expected = [splitmix64(key + (position + 1) * 0x9E3779B97F4A7C15) for position in positions]
    assert stream.bits(np.array(positions)).tolist() == expected


def test_draws_do_not_depend_on_order_or_company() -> None:
    stream = Stream(7, "anything")
    together = stream.bits(np.arange(1000))
    assert (stream.bits(np.arange(999, -1, -1))[::-1] == together).all()
    assert stream.bits(np.array([613]))[0] == together[613]


def test_streams_of_other_names_and_seeds_are_others() -> None:
    position = np.arange(100)
    streams = [Stream(7, "a"), Stream(7, "b"), Stream(8, "a"), Stream(7, "a", "b")]
    drawn = [stream.bits(position).tobytes() for stream in streams]
    assert len(set(drawn)) == 4


def test_draws_below_a_bound_reach_all_of_it_and_nothing_else() -> None:
    draw = Stream(7, "die").below(np.arange(60_000), 6)
    counts = np.bincount(draw)
    assert counts.size == 6
    assert abs(counts - 10_000).max() < 500


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**32))
def test_a_permutation_takes_every_value_once(size: int, seed: int) -> None:
    assert sorted(Permutation(size, seed, "p").at(np.arange(size)).tolist()) == list(range(size))


def test_months_and_days_agree_with_the_calendar_library() -> None:
    months = np.arange(12 * 1385, 12 * 1412)
    for month, first, length in zip(months, first_days(months), month_lengths(months), strict=True):
        day = JalaliDate(int(month) // 12, int(month) % 12 + 1, 1)  # type: ignore[no-untyped-call]
        assert day.to_gregorian().toordinal() == first
        assert JalaliDate.days_in_month(day.month, day.year) == length


def test_dates_are_written_as_the_calendar_library_writes_them() -> None:
    days = np.arange(date(2019, 3, 21).toordinal(), date(2025, 4, 1).toordinal())
    expected = [
        JalaliDate(date.fromordinal(int(day))).strftime("%Y/%m/%d")  # type: ignore[no-untyped-call]
        for day in days
    ]
    assert date_texts(days).to_list() == expected


def test_a_date_that_is_not_there_is_null() -> None:
    day = first_days(np.array([month_number("1403-01")] * 2))
    assert date_texts(day, np.array([True, False])).to_list() == ["1403/01/01", None]


def test_a_month_is_written_as_its_period() -> None:
    assert month_text(month_number("1403-12")) == "1403/12"


@pytest.mark.parametrize("period", ["1403-13", "1403-00", "1403/01", "403-01", "1396-12", "1416-01", "1403-01\n"])
def test_a_period_that_cannot_be_delivered_is_refused(period: str) -> None:
    with pytest.raises(ConfigurationError):
        month_number(period)


def is_national_code(code: str) -> bool:
    r = sum(int(code[i]) * (10 - i) for i in range(9)) % 11
    return len(code) == 10 and int(code[9]) == (r if r < 2 else 11 - r)


def is_legal_id(code: str) -> bool:
    c = int(code[9]) + 2
    total = sum((int(code[i]) + c) * [29, 27, 23, 19, 17][i % 5] for i in range(10)) % 11
    return len(code) == 11 and int(code[10]) == (0 if total == 10 else total)


@pytest.mark.parametrize("code", ["0499370899", "0076229645", "1583250689", "1000000011", "1000000060"])
def test_published_national_codes_are_completed_from_their_serial(code: str) -> None:
    assert national_codes(np.array([int(code[:9])])).to_list() == [code]


@pytest.mark.parametrize("code", ["10380284790", "10100171920", "10861677542"])
def test_published_legal_ids_are_completed_from_their_serial(code: str) -> None:
    assert legal_ids(np.array([int(code[:10])])).to_list() == [code]


@given(st.lists(st.integers(0, 999_999_999), min_size=1, max_size=50))
def test_national_codes_hold_against_the_plain_formula(serials: list[int]) -> None:
    assert all(map(is_national_code, national_codes(np.array(serials)).to_list()))


@given(st.lists(st.integers(0, 9_999_999_999), min_size=1, max_size=50))
def test_legal_ids_hold_against_the_plain_formula(serials: list[int]) -> None:
    assert all(map(is_legal_id, legal_ids(np.array(serials)).to_list()))


def test_postal_codes_are_in_the_postal_alphabet() -> None:
    codes = postal_codes(Stream(7, "post").bits(np.arange(20_000))).to_list()
    assert all(re.fullmatch(r"[13-9]{4}[1346-9][013-9]{5}", code) for code in codes)
    assert not any(len(set(code[:4])) == 1 for code in codes)
    assert {code[4] for code in codes} == set("1346789")


def test_postal_codes_do_not_begin_with_one_digit_four_times() -> None:
    assert postal_codes(np.zeros(1, dtype=np.uint64)).to_list() == ["1113100000"]


def test_names_are_many_and_in_persian_letters() -> None:
    assert len(MALE_NAMES) >= 150
    assert len(FEMALE_NAMES) >= 150
    assert len(SURNAMES) >= 200
    for words in (MALE_NAMES, FEMALE_NAMES, SURNAMES):
        assert len(set(words)) == len(words)
        assert all(re.fullmatch(r"[آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیئ\u200c ]+", word) for word in words)
        assert any("\u200c" in word for word in words)
        assert any(" " in word for word in words)


def test_classifications_have_the_sizes_of_their_originals() -> None:
    assert len(PROVINCES) == 31
    assert len(ISIC_DIVISIONS) == 88
    assert len(ISCO_SUB_MAJOR_GROUPS) == 43
    assert all(3 <= province.counties <= 12 for province in PROVINCES)
    assert branch_provinces().size < 1000


def test_nothing_of_the_house_is_imported_but_its_errors() -> None:
    for module in Path(mdlake.synthetic.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            own = [name for name in names if name.split(".")[0] == "mdlake"]
            assert all(name == "mdlake.errors" or name.startswith("mdlake.synthetic") for name in own)
