"""Standardization against a slow plain-Python reading of every column type, and the laws that no batch may break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow_reading import read

from mdlake.config import Column, Configuration, Contract, Generalization, Label
from mdlake.exchange import Form, read_header, read_rows
from mdlake.layers import MALFORMED, REASONS, ROW, Duplicates, Tally, layer_schema, match_headers, standardize_batch
from mdlake.standard import IDENTIFIER_TYPES, Classification, Code, Period
from mdlake.synthetic import DeliveredFile

PERIOD = Period.parse("1403-02")
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

unhurried = settings(deadline=None, max_examples=40)


def column(name: str, kind: str, **other: Any) -> Column:
    """A column of a contract that exists only here."""
    fields: dict[str, Any] = {
        "header": name,
        "aliases": (),
        "variable": None,
        "label": Label(fa=name, en=name),
        "identifier": IDENTIFIER_TYPES[name.partition("__")[0]] if kind == "identifier" else None,
        "classification": None,
        "unit": None,
        "role": "attribute",
        "disclosure": "direct" if kind == "identifier" else "plain",
        "required": False,
        "on_invalid": "blank",
        "dates": None,
        "values": {},
        "references": None,
        "minimum": None,
        "maximum": None,
        "pattern": None,
        "publish": Generalization(action="keep"),
    }
    return Column(name=name, type=kind, **{**fields, **other})


def codes(*entries: tuple[str, str | None, str | None]) -> Classification:
    """A classification of (code, valid from, valid to)."""
    return Classification(
        "list", "فهرست", "list", tuple(Code(c, c, c, _month(first), _month(last)) for c, first, last in entries)
    )


def _month(key: str | None) -> Period | None:
    return Period.parse(key) if key else None


SEX = codes(("1", None, None), ("2", None, None))
PROVINCE = codes(("00", None, None), ("07", None, "1403-01"), ("30", "1403-02", None))
COUNTRY = codes(("IRN", None, None), ("AFG", None, None))

EVERY_TYPE = Contract(
    dataset="tests/every_type",
    version="1.0",
    valid_from=Period.parse("1399-11"),
    valid_to=None,
    unit_key=("national_code",),
    missing_values=(),
    columns=(
        column("national_code", "identifier", required=True, on_invalid="quarantine"),
        column("national_code__of_employer", "identifier"),
        column("workplace_code", "identifier", required=True, on_invalid="quarantine"),
        column("insurance_number", "identifier", required=True),
        column("legal_id", "identifier", on_invalid="quarantine"),
        column("postal_code", "identifier"),
        column("name", "text"),
        column("note", "free_text"),
        column("village", "text", pattern="0[0-9]{9}|1[0-9]{9}"),
        column("sex", "code", classification=SEX, values={"مرد": "1", "زن": "2"}),
        column("province", "code", classification=PROVINCE, on_invalid="quarantine"),
        column("nationality", "code", classification=COUNTRY, values={"ایرانی": "IRN"}, required=True),
        column("days", "integer", on_invalid="quarantine"),
        column("wage", "amount"),
        column("born", "date", dates="solar_hijri"),
        column("born_abroad", "date", dates="gregorian", on_invalid="quarantine"),
        column("issued", "date", dates="either"),
        column("month", "month", on_invalid="quarantine"),
    ),
    edits=(),
    requirements=(),
    alternatives=(),
    agreements=(),
    compositions=(),
    rules={},
)

# ── values as people write them ──────────────────────────────────────────────────────────────────────────────────────

SOUND = {
    "identifier": ["0499370899", "0076229645", "1583250689", "1000000011", "10380284790", "0010100171", "12345678", "1619735744"],
    "text": ["علی اکبر", "شركت يزد", "می‌رود", "A  b"],
    "code": ["1", "2", "0", "7", "07", "30", "IRN", "AFG", "مرد", "زن", "ایرانی", "9", "irn"],
    "number": ["0", "31", "1234567", "-5", "007", "9223372036854775807", "9223372036854775808", "1.5", "1403.0"],
    "date": [
        "1403/01/15",
        "1403/12/30",
        "1404/12/30",
        "1370/6/31",
        "14030115",
        "2024-03-20",
        "20240320",
        "1403/13/01",
        "1403.1.5",
    ],
    "month": ["1403/02", "1403-2", "140302", "1403/13", "1403.1", "1403"],
}
GROUPED = ["1,234,567", "1٬234", "1'234", "1 234", "1,23,4", "12٫5"]
NOISE = ["", " ", "\u200f", "\u200c", "\xa0 \xa0", "-", "0", "0000000000", "نامشخص", "#N/A", "12O000", "\t1\t", "'", "null"]

written = st.sampled_from([value for values in SOUND.values() for value in values] + GROUPED + NOISE)
hands: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "Persian digits": lambda text: text.translate(_PERSIAN),
    "Arabic-Indic digits": lambda text: text.translate(_ARABIC),
    "blanks around": lambda text: f"  {text} ",
    "no-break spaces": lambda text: f"\xa0{text}\xa0",
    "right-to-left mark": lambda text: f"\u200f{text}",
    "lost zeros": lambda text: text.lstrip("0"),
    "spreadsheet number": lambda text: f"{text}.0",
    "spreadsheet text": lambda text: f"'{text}",
    "hyphens": lambda text: "-".join((text[:3], text[3:9], text[9:])) if len(text) > 9 else text,
    "dashes for slashes": lambda text: text.replace("/", "-"),
    "a time of day": lambda text: f"{text} 00:00:00",
    "Arabic letters": lambda text: text.replace("ی", "ي").replace("ک", "ك"),
    "tatweel": lambda text: text.replace("م", "مـ"),
}


def _in_hands(text: str, names: Sequence[str]) -> str:
    for name in names:
        text = hands[name](text)
    return text


messy = st.builds(_in_hands, written, st.lists(st.sampled_from(sorted(hands)), max_size=2))
values = st.none() | messy | st.text(alphabet=st.sampled_from("0123456789۰۹٤/-.,' \u200c\u200fیيمXx"), max_size=11)


def raw_frame(rows: Sequence[Mapping[str, str | None]], contract: Contract = EVERY_TYPE) -> pl.DataFrame:
    """Rows of text as the raw layer has them; a column that a row leaves out is blank."""
    names = [*(c.name for c in contract.columns), MALFORMED]
    columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    return pl.DataFrame({ROW: pl.Series(range(1, len(rows) + 1), dtype=pl.Int64), **columns})


def in_batches(raw: pl.DataFrame, contract: Contract, cuts: Sequence[int], period: Period = PERIOD) -> tuple[Any, Any, Tally]:
    """Standardize the rows cut into batches: standardized rows, quarantine, and the tally of all."""
    edges = [0, *sorted({min(cut, raw.height) for cut in cuts}), raw.height]
    duplicates, tally, rows, aside = Duplicates(contract.unit_key), Tally(), [], []
    for begin, end in pairwise(edges):
        done = standardize_batch(raw[begin:end], contract, period, duplicates)
        rows.append(done.rows)
        aside.append(done.quarantine)
        tally.add(done.tally)
    return pl.concat(rows), pl.concat(aside), tally


# ── one value ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [c.name for c in EVERY_TYPE.columns])
@unhurried
@given(st.lists(values, min_size=1, max_size=12), st.booleans())
@example(["", " ", "\u200f", "\u200c", None], True)
@example(["1,234", "۱٬۲۳۴", "1'234", "+5", "--5", "1e3", "9223372036854775808"], False)
@example([_in_hands(text, [hand]) for text in chain(*SOUND.values()) for hand in hands], False)
def test_every_value_is_read_as_the_slow_reference_reads_it(name: str, texts: list[str | None], repeated: bool) -> None:
    # values that repeat take another way through the code than values that do not
    texts = texts * 4 if repeated else texts
    # the rows are numbered by a column of their own, so that none is a duplicate of another one
    two = replace(EVERY_TYPE, columns=(replace(EVERY_TYPE.column(name), on_invalid="blank"), column("number", "text")))
    raw = raw_frame([{name: text, "number": str(number)} for number, text in enumerate(texts)], two)
    expected = [read(text, two.columns[0], PERIOD) for text in texts]
    done = standardize_batch(raw, two, PERIOD, Duplicates(("number",)))
    assert done.rows[name].to_list() == [reading.value for reading in expected]
    assert done.tally.edits == Counter({name: n} if (n := sum(r.edited for r in expected)) else {})
    assert done.tally.faults == Counter(f"{name}:{reading.fault}" for reading in expected if reading.fault)


def test_what_a_producer_writes_for_nothing_is_nothing_and_neither_a_fault_nor_an_edit() -> None:
    for kept in EVERY_TYPE.columns:
        own = replace(EVERY_TYPE, columns=(replace(kept, required=False),), missing_values=("NA", "ندارد"))
        raw = raw_frame([{kept.name: "NA"}, {kept.name: "ندارد"}, {kept.name: None}], own)
        done = standardize_batch(raw, own, PERIOD, Duplicates((kept.name,)))
        assert (done.tally.faults, done.tally.edits) == ({}, {}), kept.name
        assert done.rows[kept.name].null_count() == done.rows.height
        # only the one that stands in the contract, and only as it stands there
        other = standardize_batch(raw_frame([{kept.name: "na"}], own), own, PERIOD, Duplicates((kept.name,)))
        assert other.tally.faults or (kept.type in ("text", "free_text") and kept.pattern is None), kept.name


def test_a_blank_of_invisible_characters_is_a_blank_in_every_type() -> None:
    blanks = ["", " ", "\u200f", "\u200b\u200c", "\xa0", "\t", "\u202b \u202c", None]
    for kept in EVERY_TYPE.columns:
        only = replace(EVERY_TYPE, columns=(replace(kept, required=False),))
        raw = raw_frame([{kept.name: blank} for blank in blanks], only)
        done = standardize_batch(raw, only, PERIOD, Duplicates((kept.name,)))
        assert done.tally.faults == {}, kept.name
        assert done.tally.edits == {}, kept.name
        assert set(done.rows[kept.name]) == {None}


# ── whole rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = {
    "national_code": "0499370899",
    "workplace_code": "0010100171",
    "insurance_number": "12345678",
    "days": "31",
    "month": "1403/02",
    "born_abroad": "2000-01-01",
    "name": "علی",
    "sex": "1",
}
rows = st.lists(
    st.one_of(
        st.just(GOOD),
        st.builds(lambda name, value: {**GOOD, name: value}, st.sampled_from([c.name for c in EVERY_TYPE.columns]), values),
        st.just({MALFORMED: "0499370899,1403/02"}),
        st.builds(lambda name: {**GOOD, "name": name}, st.sampled_from(["علی", "علي", "علی ", "رضا", None])),
    ),
    max_size=30,
)


def slow_parting(raw: pl.DataFrame, contract: Contract, period: Period) -> tuple[list[Any], list[tuple[int, str]], Tally]:
    """Row by row: what stays, which rows leave with which reasons, and the counts."""
    kept: list[tuple[object, ...]] = []
    seen: set[tuple[object, ...]] = set()
    left: list[tuple[int, str]] = []
    tally = Tally(rows_in=raw.height)
    for row in raw.iter_rows(named=True):
        readings = {c.name: read(row[c.name], c, period) for c in contract.columns}
        faults = {name: r.fault for name, r in readings.items() if r.fault}
        if row[MALFORMED] is not None:
            faults = {"row": "malformed"}
        else:
            tally.edits.update(name for name, r in readings.items() if r.edited)
        tally.faults.update(f"{name}:{fault}" for name, fault in faults.items())
        reasons = [
            f"{name}:{f}" for name, f in faults.items() if name == "row" or contract.column(name).on_invalid == "quarantine"
        ]
        stored: list[object] = []
        for name, reading in readings.items():
            stored += [reading.value, reading.fault] if contract.column(name).unlinkable else [reading.value]
        if reasons:
            left.append((row[ROW], ",".join(reasons)))
            tally.quarantined += 1
        elif tuple(stored) in seen:
            left.append((row[ROW], "row:duplicate"))
            tally.duplicates += 1
        else:
            seen.add(tuple(stored))
            kept.append((row[ROW], *stored))
    tally.rows_out = len(kept)
    return kept, left, tally


@unhurried
@given(rows, st.lists(st.integers(0, 30), max_size=4))
def test_rows_are_parted_as_the_slow_reference_parts_them_however_they_are_cut(
    given_rows: list[dict[str, str | None]], cuts: list[int]
) -> None:
    raw = raw_frame(given_rows)
    standardized, aside, tally = in_batches(raw, EVERY_TYPE, cuts)
    kept, left, counted = slow_parting(raw, EVERY_TYPE, PERIOD)
    assert standardized.rows() == kept
    assert list(aside.select(ROW, REASONS).iter_rows()) == left
    assert tally == counted
    assert tally.rows_in == tally.rows_out + tally.quarantined + tally.duplicates == raw.height
    # what leaves is the delivered text, untouched
    assert aside.drop(REASONS).equals(raw.filter(pl.col(ROW).is_in([number for number, _ in left])))
    assert Tally.from_json(tally.as_json()) == tally


def test_a_row_with_several_faults_leaves_with_every_reason_code() -> None:
    bad = {**GOOD, "national_code": "0499370898", "days": "many", "month": "1403/13", "sex": "X", "province": "07"}
    standardized, aside, tally = in_batches(raw_frame([bad]), EVERY_TYPE, [])
    assert standardized.height == 0
    assert aside[REASONS].item() == (
        "national_code:check_digit,province:code_not_valid_in_period,days:not_a_number,month:not_a_month"
    )
    assert aside.row(0, named=True)["national_code"] == "0499370898"
    # a column that only goes blank is counted, and is no reason to leave
    assert tally.faults["sex:unknown_code"] == 1


def test_an_identifier_that_goes_blank_leaves_a_reason_and_never_the_text() -> None:
    standardized, aside, _ = in_batches(raw_frame([{**GOOD, "insurance_number": "12a45678"}]), EVERY_TYPE, [])
    row = standardized.row(0, named=True)
    assert aside.height == 0
    assert row["insurance_number"] is None
    assert row["insurance_number_unlinkable"] == "not_digits"
    assert row["national_code__of_employer_unlinkable"] is None, "what need not be there and is not, is no fault"


def test_a_code_is_judged_by_the_classification_of_the_reference_period() -> None:
    row = {**GOOD, "province": "7"}
    before, after = (
        in_batches(raw_frame([row]), EVERY_TYPE, [], Period.parse(month))[0]["province"].to_list()
        for month in ("1403-01", "1403-02")
    )
    assert (before, after) == (["07"], [])


def test_a_refused_row_makes_no_later_row_a_duplicate() -> None:
    bad = {**GOOD, "days": "x"}
    _, aside, tally = in_batches(raw_frame([bad, bad, GOOD, GOOD]), EVERY_TYPE, [1, 3])
    assert aside[REASONS].to_list() == ["days:not_a_number", "days:not_a_number", "row:duplicate"]
    assert (tally.rows_out, tally.quarantined, tally.duplicates) == (1, 2, 1)


@pytest.mark.parametrize("month", ["1403-01", "1403-03"])
@pytest.mark.parametrize("dataset", ["sso/insured_contributions", "sso/workplaces"])
def test_a_whole_delivery_is_parted_as_the_slow_reference_parts_it(
    dataset: str,
    month: str,
    configuration: Configuration,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
) -> None:
    file = deliveries[dataset, month]
    contract, period = configuration.dataset(dataset).contract(Period.parse(month)), Period.parse(month)
    raw = delivered_raw(file.csv_path, contract)
    standardized, aside, tally = in_batches(raw, contract, [500, 501, 1500], period)
    kept, left, counted = slow_parting(raw, contract, period)
    assert standardized.rows() == kept
    assert list(aside.select(ROW, REASONS).iter_rows()) == left
    assert tally == counted
    assert tally.edits.total() > 0


def delivered_raw(path: Path, contract: Contract) -> pl.DataFrame:
    """A delivered file as the raw layer has it."""
    form = Form("csv", "utf-8", ",")
    names = [name for name in match_headers(read_header(path, form), contract).names if name]
    batches = list(read_rows(path, form, names, 1_000_000, strictly=True))
    return pl.concat(batches).select(layer_schema(contract, "raw").names())
