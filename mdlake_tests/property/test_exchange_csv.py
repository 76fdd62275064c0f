"""Both readers of a delivered file against Python's `csv` module: every row under its number, every field as it was sent."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdlake.errors import DeliveryRefused
from mdlake.exchange import Form, NeedsStrictReading, read_header, read_rows
from mdlake.exchange.formats import csv as csv_format
from mdlake.layers import MALFORMED, ROW

unhurried = settings(deadline=None)
NAMES = ("a", "b", "c")
UTF8 = Form("csv", "utf-8", ",")
BREAKS = st.sampled_from(["\n", "\r\n"])
PLAIN = st.text(st.sampled_from("x0ی\u200c ۱-.;'"), max_size=4)
QUOTED = st.text(st.sampled_from('x,"\nی '), max_size=6).map(lambda text: '"' + text.replace('"', '""') + '"')
FIELDS = st.lists(PLAIN, min_size=1, max_size=5) | st.lists(PLAIN | QUOTED, min_size=3, max_size=3)
LINES = st.lists(FIELDS.map(",".join) | st.just(""), max_size=12)
PLAIN_LINES = st.lists(st.lists(PLAIN, min_size=1, max_size=4).map(",".join) | st.just(""), max_size=12)
FILES = st.tuples(st.booleans(), BREAKS, st.booleans(), LINES)
PLAIN_FILES = st.tuples(st.booleans(), BREAKS, st.booleans(), PLAIN_LINES)

Row = tuple[int, str | None, str | None, str | None, bool]


def content_of(file: tuple[bool, str, bool, list[str]]) -> bytes:
    mark, line_break, ends, lines = file
    text = line_break.join(["a,b,c", *lines]) + (line_break if ends else "")
    return (b"\xef\xbb\xbf" if mark else b"") + text.encode()


def expected_rows(content: bytes) -> list[Row]:
    """The reference: blank lines count for nothing, a row that does not have three fields is malformed."""
    records = [record for record in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if record][1:]
    return [
        (number, *(field or None for field in record), False) if len(record) == len(NAMES) else (number, None, None, None, True)  # type: ignore[misc]
        for number, record in enumerate(records, start=1)
    ]


def found_rows(frames: Iterator[pl.DataFrame]) -> list[Row]:
    rows: list[Row] = []
    for frame in frames:
        assert frame.columns == [ROW, *NAMES, MALFORMED]
        assert frame.schema[ROW] == pl.Int64
        assert all(frame.schema[name] == pl.String for name in (*NAMES, MALFORMED))
        rows += [(*row[:4], row[4] is not None) for row in frame.rows()]
    return rows


@contextmanager
def delivered(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "delivery.csv"
        path.write_bytes(content)
        yield path


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    """Read in small blocks, so that a small file shows what happens in a large one."""
    usual = csv_format._BLOCK_BYTES
    csv_format._BLOCK_BYTES = size
    try:
        yield
    finally:
        csv_format._BLOCK_BYTES = usual


@settings(deadline=None, max_examples=300)
@given(FILES, st.sampled_from([40, 64, 1000]), st.sampled_from([1, 3, 100]))
def test_the_strict_reader_finds_the_rows_of_pythons_csv_under_their_numbers(
    file: tuple[bool, str, bool, list[str]], block: int, rows: int
) -> None:
    content = content_of(file)
    with delivered(content) as path, blocks_of(block):
        assert found_rows(read_rows(path, UTF8, NAMES, rows, strictly=True)) == expected_rows(content)


@settings(deadline=None, max_examples=300)
@example((False, "\n", False, [",,0,"]), 1)
@example((False, "\r\n", False, ["1,2,3", "1,2,3,"]), 3)
@given(PLAIN_FILES, st.sampled_from([1, 3, 100]))
def test_the_fast_reader_finds_the_same_rows_or_leaves_the_file_to_the_strict_one(
    file: tuple[bool, str, bool, list[str]], rows: int
) -> None:
    content = content_of(file)
    expected = expected_rows(content)
    with delivered(content) as path:
        try:
            found = found_rows(read_rows(path, UTF8, NAMES, rows))
        except NeedsStrictReading:
            spoiled = any(malformed or last is None for *_, last, malformed in expected)
            assert spoiled or b"\n\n" in content.replace(b"\r", b"")
        else:
            assert found == expected


@unhurried
@given(FILES)
def test_the_fast_reader_never_reads_a_file_that_has_quotation_marks(file: tuple[bool, str, bool, list[str]]) -> None:
    content = content_of(file)
    with delivered(content) as path:
        try:
            found = found_rows(read_rows(path, UTF8, NAMES, 10))
        except NeedsStrictReading:
            return
        assert b'"' not in content
        assert found == expected_rows(content)


@unhurried
@given(FILES)
def test_a_malformed_line_is_kept_whole(file: tuple[bool, str, bool, list[str]]) -> None:
    content = content_of(file)
    with delivered(content) as path:
        for frame in read_rows(path, UTF8, NAMES, 100, strictly=True):
            for line in frame.get_column(MALFORMED).drop_nulls():
                assert line.encode() in content
                assert len(next(csv.reader(io.StringIO(line, newline="")))) != len(NAMES)


@unhurried
@given(
    st.lists(st.lists(PLAIN, min_size=3, max_size=3).map(",".join), min_size=1, max_size=6),
    st.data(),
    st.sampled_from([b"\xff", b"\xd8", b"\xe2\x80", b"\xc0\xaf"]),
)
def test_bytes_that_are_no_text_are_refused_with_their_line(lines: list[str], data: st.DataObject, fault: bytes) -> None:
    number = data.draw(st.integers(0, len(lines) - 1))
    encoded = [line.encode() for line in lines]
    encoded[number] += fault
    content, told = b"\n".join([b"a,b,c", *encoded]), rf"not UTF-8 text \(line {number + 2}\)"
    with delivered(content) as path, pytest.raises(DeliveryRefused, match=told) as caught:
        list(read_rows(path, UTF8, NAMES, 10, strictly=True))
    assert caught.value.reason == "encoding"


@unhurried
@given(
    st.lists(st.lists(PLAIN | QUOTED, min_size=3, max_size=3).map(",".join), max_size=4),
    st.integers(0, 2),
    st.lists(PLAIN, min_size=1, max_size=4),
)
def test_a_quotation_mark_that_is_never_closed_is_refused_with_its_line(before: list[str], at: int, rest: list[str]) -> None:
    fields = ["x", "x", "x"]
    fields[at] = '"never closed'
    text = "\n".join(["a,b,c", *before, ",".join(fields), *rest]) + "\n"
    line = 2 + sum(row.count("\n") + 1 for row in before)
    told = rf"never closed \(line {line}\)"
    with delivered(text.encode()) as path, pytest.raises(DeliveryRefused, match=told) as caught:
        list(read_rows(path, UTF8, NAMES, 10, strictly=True))
    assert caught.value.reason == "unreadable_file"


@unhurried
@given(st.booleans(), st.lists(PLAIN | QUOTED.filter(lambda text: "\n" not in text), min_size=1, max_size=5))
def test_the_header_is_that_of_pythons_csv(mark: bool, fields: list[str]) -> None:
    line = ",".join(fields)
    content = (b"\xef\xbb\xbf" if mark else b"") + f"{line}\n1,2,3\n".encode()
    declared = len(next(csv.reader([line]), [])) > 1 or ";" not in line
    with delivered(content) as path:
        if line.strip() and declared:
            assert list(read_header(path, UTF8)) == next(csv.reader([line]))
