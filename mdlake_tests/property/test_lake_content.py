"""Laws of the partition content id, and of replacing partitions, against a plain reference in memory."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from blake3 import blake3
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mdlake.errors import LakeError
from mdlake.lake import ContentHasher, Table, canonical_order, content_id

unhurried = settings(deadline=None)
SCHEMA = pl.Schema({"unit": pl.String(), "wage": pl.Int64(), "title": pl.String(), "born": pl.Date(), "flag": pl.Boolean()})
LEAD = ("unit",)
LEADS = (LEAD, ("unit", "wage"), ("unit", "title"), ("title", "unit"), ("born", "title", "wage"), ("flag", "title"), ())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
CELLS: Mapping[str, st.SearchStrategy[object]] = {
    "unit": st.sampled_from(["", "u1", "u2", "u3", "u33"]),
    "wage": st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 1),
    "title": TEXT | st.sampled_from(["", "a", "aa", "nat1_a", "nat1_a\0", "nat1_abcdefgh", "nat1_abcdefghi", "nat1_abcdefgj"]),
    "born": st.dates(date(1800, 1, 1), date(2100, 1, 1)) | st.just(date(1970, 1, 1)),
    "flag": st.booleans(),
}
ROW = st.tuples(*(st.none() | CELLS[name] for name in SCHEMA))


def frame_of(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


FRAMES = st.lists(ROW, max_size=12).map(frame_of)
NOT_EMPTY = st.lists(ROW, min_size=1, max_size=12).map(frame_of)


def hashed(*batches: pl.DataFrame) -> str:
    hasher = ContentHasher(batches[0].schema)
    for batch in batches:
        hasher.update(batch)
    return hasher.hexdigest()


def key(row: tuple[object, ...], names: list[str], order: list[str]) -> list[tuple[bool, object]]:
    """The place of a row, missing values first, in plain Python; text by its bytes."""
    values = [row[names.index(name)] for name in order]
    return [(v is not None, v.encode() if isinstance(v, str) else v) if v is not None else (False, 0) for v in values]


@unhurried
@given(FRAMES, st.sampled_from(LEADS))
def test_the_canonical_order_is_that_of_a_plain_sort(frame: pl.DataFrame, lead: tuple[str, ...]) -> None:
    order = [*lead, *sorted(set(frame.columns) - set(lead))]
    expected = sorted(frame.rows(), key=lambda row: key(row, frame.columns, order))
    assert canonical_order(frame, lead).rows() == expected
    assert canonical_order(canonical_order(frame, lead), lead).rows() == expected


@unhurried
@given(FRAMES, FRAMES, st.sampled_from(LEADS[:-1]))
def test_rows_that_are_in_order_at_first_only_are_put_in_order(
    first: pl.DataFrame, then: pl.DataFrame, lead: tuple[str, ...]
) -> None:
    pieces = pl.concat([canonical_order(first, lead), canonical_order(then, lead)], rechunk=False)
    order = [*lead, *sorted(set(pieces.columns) - set(lead))]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mdlake.lake.order._LOOK", 2)
        assert canonical_order(pieces, lead).rows() == sorted(pieces.rows(), key=lambda row: key(row, pieces.columns, order))


@unhurried
@given(FRAMES, st.data())
def test_the_content_id_does_not_depend_on_the_order_of_rows_or_columns(frame: pl.DataFrame, data: st.DataObject) -> None:
    shuffled = frame[data.draw(st.permutations(range(frame.height)))] if frame.height else frame
    assert content_id(shuffled, LEAD) == content_id(frame, LEAD)
    assert content_id(frame.select(data.draw(st.permutations(frame.columns))), LEAD) == content_id(frame, LEAD)


@unhurried
@given(FRAMES, st.data())
def test_the_content_id_does_not_depend_on_batches_or_chunks(frame: pl.DataFrame, data: st.DataObject) -> None:
    ordered = canonical_order(frame, LEAD)
    cuts = sorted(data.draw(st.lists(st.integers(0, frame.height), max_size=4)))
    bounds = [0, *cuts, frame.height]
    parts = [ordered[begin:end] for begin, end in pairwise(bounds)]
    assert hashed(*parts) == content_id(frame, LEAD)
    assert hashed(pl.concat(parts, rechunk=False)) == content_id(frame, LEAD)


@unhurried
@given(NOT_EMPTY, st.data())
def test_any_changed_cell_changes_the_content_id(frame: pl.DataFrame, data: st.DataObject) -> None:
    row, name = data.draw(st.integers(0, frame.height - 1)), data.draw(st.sampled_from(frame.columns))
    other = data.draw(st.none() | CELLS[name])
    assume(other != frame[row, name] or (other is None) != (frame[row, name] is None))
    rows = frame.rows()
    rows[row] = tuple(other if column == name else value for column, value in zip(frame.columns, rows[row], strict=True))
    assert content_id(frame_of(rows), LEAD) != content_id(frame, LEAD)


@unhurried
@given(NOT_EMPTY, st.data())
def test_a_row_more_or_less_changes_the_content_id(frame: pl.DataFrame, data: st.DataObject) -> None:
    twice = pl.concat([frame, frame[data.draw(st.integers(0, frame.height - 1))]])
    assert content_id(twice, LEAD) != content_id(frame, LEAD)


@unhurried
@given(st.lists(TEXT | st.none(), min_size=2, max_size=6), st.data())
def test_text_does_not_flow_from_one_cell_into_the_next(cells: list[str | None], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len("".join(c or "" for c in cells))))
    joined = "".join(c or "" for c in cells)
    other = [joined[:cut], joined[cut:], *([""] * (len(cells) - 2))]
    assume(other != cells)
    numbers = pl.Series("n", range(len(cells)))
    one, two = (pl.DataFrame([numbers, pl.Series("t", texts, dtype=pl.String)]) for texts in (cells, other))
    assert content_id(one, ("n",)) != content_id(two, ("n",))


@unhurried
@given(FRAMES, st.sampled_from(["aa", "zz"]))
def test_a_later_column_without_values_does_not_change_the_content_id(frame: pl.DataFrame, name: str) -> None:
    for dtype in (pl.String(), pl.Int64(), pl.Date(), pl.Boolean()):
        assert content_id(frame.with_columns(pl.lit(None, dtype).alias(name)), LEAD) == content_id(frame, LEAD)


@unhurried
@given(NOT_EMPTY)
def test_the_name_and_the_type_of_a_column_count(frame: pl.DataFrame) -> None:
    filled = frame.with_columns(wage=pl.lit(1, pl.Int64))
    assert content_id(filled.rename({"wage": "pay"}), LEAD) != content_id(filled, LEAD)
    assert content_id(filled.with_columns(pl.col("wage").cast(pl.Boolean)), LEAD) != content_id(filled, LEAD)


@unhurried
@given(NOT_EMPTY, st.data())
def test_how_a_value_became_missing_does_not_matter(frame: pl.DataFrame, data: st.DataObject) -> None:
    """An expression may leave bytes behind a missing text; files do not."""
    mask = pl.Series(data.draw(st.lists(st.booleans(), min_size=frame.height, max_size=frame.height)))
    masked = frame.with_columns(pl.when(mask).then(pl.col(name)).alias(name) for name in ("wage", "title", "born", "flag"))
    plain = frame_of(masked.rows())
    assert hashed(masked) == hashed(plain)
    assert hashed(pl.concat([frame, masked, frame])[frame.height : 2 * frame.height]) == hashed(plain)


def test_the_content_id_is_what_its_description_says() -> None:
    """Recomputed byte by byte from the description of `ContentHasher`: another result makes every recorded id worthless."""
    frame = pl.DataFrame(
        {"n": [3, 1, 2], "t": ["é", None, "ab"], "d": [date(1970, 1, 3), None, None], "void": [None] * 3},
        schema_overrides={"void": pl.String()},
    )
    columns = [
        ["d", "Date", struct.pack("<qqq", 0, 0, 2), b"", struct.pack("<QQ", 0, 1)],
        ["n", "Int64", struct.pack("<qqq", 1, 2, 3), b"", b""],
        ["t", "String", "abé".encode(), struct.pack("<III", 0, 2, 2), struct.pack("<Q", 0)],
    ]
    hashed_columns = [[c[0], c[1], *(blake3(part).hexdigest() for part in c[2:])] for c in columns]
    text = json.dumps(["mdlake-content/1", 3, hashed_columns], separators=(",", ":"))
    assert content_id(frame, ("n",)) == blake3(text.encode()).hexdigest()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["1403-01", "1403-02", "1403-03"]), FRAMES, st.booleans(), st.integers(1, 5)),
        min_size=1,
        max_size=6,
    )
)
def test_replacing_partitions_agrees_with_a_dictionary(writes: list[tuple[str, pl.DataFrame, bool, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Table(f"{folder}/table", LEAD, 30, 30)
        reference: dict[str, pl.DataFrame] = {}
        for period, frame, abandoned, rows in writes:
            ordered = canonical_order(frame, LEAD)
            with table.replace(period, SCHEMA) as writer:
                for begin in range(0, ordered.height, rows):
                    writer.write(ordered[begin : begin + rows])
                if not abandoned:
                    state = writer.commit({"rows": frame.height})
                    reference[period] = ordered
                    assert state.content_id == content_id(frame, LEAD)
            table.optimize(rows_per_file=4)
            for month in ("1403-01", "1403-02", "1403-03"):
                assert_same(table, month, reference.get(month))
        if reference:
            table.vacuum(retention_hours=0)
            files = {path.name for path in Path(table.url).glob("period=*/*.parquet")}
            assert len(files) <= sum(-(-frame.height // 4) for frame in reference.values())
            for month, frame in reference.items():
                assert_same(table, month, frame)


def assert_same(table: Table, month: str, expected: pl.DataFrame | None) -> None:
    state = table.state(month)
    if expected is None:
        assert state is None
        return
    assert state is not None
    assert (state.content_id, state.rows) == (content_id(expected, LEAD), expected.height)
    batches = list(table.batches(month, 3))
    found = pl.concat(batches) if batches else pl.DataFrame(schema=SCHEMA)
    assert_frame_equal(found.select(SCHEMA.names()), expected)


@unhurried
@given(NOT_EMPTY)
def test_a_type_without_canonical_bytes_is_refused(frame: pl.DataFrame) -> None:
    with pytest.raises(LakeError, match="no canonical bytes"):
        content_id(frame.with_columns(odd=pl.lit(0.5)), LEAD)
