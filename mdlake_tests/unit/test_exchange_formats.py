"""The readers of delivered files: the same table in every form, wrong declarations, and files that are made to do harm."""

from __future__ import annotations

import gzip
import io
import resource
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from delivered_files import csv_bytes, dbf_bytes, in_iran_system, parquet_bytes, xlsx_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats import GUIDE_SHEET, Form, NeedsStrictReading, read_header, read_rows
from mdlake.layers import MALFORMED, ROW

UTF8, CSV_1256 = Form("csv", "utf-8", ","), Form("csv", "windows-1256", ",")
XLSX, PARQUET = Form("xlsx"), Form("parquet")
DBF_1256, DBF_IRAN = Form("dbf", "windows-1256"), Form("dbf", "iran-system")
FORMS = {
    "CSV, UTF-8": UTF8,
    "CSV, UTF-8, tab": Form("csv", "utf-8", "\t"),
    "CSV, UTF-8, bar": Form("csv", "utf-8", "|"),
    "CSV, Windows-1256": CSV_1256,
    "CSV, Windows-1256, semicolon": Form("csv", "windows-1256", ";"),
    "XLSX": XLSX,
    "Parquet": PARQUET,
    "DBF, Windows-1256": DBF_1256,
    "DBF, Iran System": DBF_IRAN,
}
MIDNIGHT, MOMENT = datetime.fromisoformat("2024-03-20"), datetime.fromisoformat("2024-03-20T05:06:07")
MARKER = "7731094452"
HEADER = ("CODE", "NAME", "CITY")
PEOPLE = [["0012345678", "گلپری چراغی", "شهرکرد"], [MARKER, "علی رضایی", None], ["1000000011", "ژاله (پور)", "قم، ۱۲/۳"]]

unhurried = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(form: Form, header: tuple[str, ...], rows: list[list[str | None]]) -> bytes:
    if form.format == "csv":
        assert form.encoding
        assert form.delimiter
        return csv_bytes(header, rows, "cp1256" if form.encoding == "windows-1256" else "utf-8", form.delimiter)
    if form.format == "xlsx":
        return xlsx_bytes(header, rows)
    if form.format == "parquet":
        return parquet_bytes(header, rows)
    return dbf_bytes(
        [in_code_page(name, form) for name in header], [[in_code_page(cell or "", form) for cell in row] for row in rows]
    )


def in_code_page(text: str, form: Form) -> bytes:
    return in_iran_system(text) if form.encoding == "iran-system" else text.encode("cp1256")


def as_in(text: str | None, form: Form) -> str | None:
    """Text as far as an encoding has its characters: Windows-1256 has neither the Persian ye nor Persian digits."""
    if text is None or form.encoding != "windows-1256":
        return text
    return text.translate(str.maketrans("ی۰۱۲۳۴۵۶۷۸۹", "ي0123456789"))


def read(path: Path, form: Form, rows: int = 2) -> tuple[tuple[str, ...], pl.DataFrame]:
    """The header and all rows of a file, as the caller of the readers does it."""
    header = read_header(path, form)
    names = [f"c{number}" for number in range(len(header))]
    try:
        frames = list(read_rows(path, form, names, rows))
    except NeedsStrictReading:
        assert form.format == "csv"
        frames = list(read_rows(path, form, names, rows, strictly=True))
    for frame in frames:
        assert frame.columns == [ROW, *names, MALFORMED]
        assert frame.dtypes == [pl.Int64, *[pl.String] * (len(names) + 1)]
        assert frame.height
    empty = pl.DataFrame(schema={ROW: pl.Int64, **dict.fromkeys([*names, MALFORMED], pl.String)})
    return header, pl.concat([empty, *frames])


def cells(frame: pl.DataFrame) -> list[tuple[str | None, ...]]:
    return frame.drop(ROW, MALFORMED).rows()


def peak_megabytes() -> int:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def refusal_of(tmp_path: Path, content: bytes, form: Form) -> DeliveryRefused:
    path = tmp_path / f"delivery{form.suffix}"
    path.write_bytes(content)
    with pytest.raises(DeliveryRefused) as caught:
        read(path, form, 100_000)
    refusal = caught.value
    assert refusal.where == path.name
    assert refusal.next_step
    assert MARKER not in str(refusal) + repr(refusal)
    assert sorted(tmp_path.iterdir()) == [path], "a reader left something beside the file"
    return refusal


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_form_that_goes_together_has_no_problem(form: Form) -> None:
    assert form.problem() is None
    assert form.suffix == f".{form.format}"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (Form("csv", "iran-system", ","), "utf-8 or windows-1256"),
        (Form("csv", None, ","), "utf-8 or windows-1256"),
        (Form("csv", "utf-8"), "separated by one of"),
        (Form("csv", "utf-8", ":"), "separated by one of"),
        (Form("dbf", "utf-8"), "windows-1256 or iran-system"),
        (Form("dbf", "iran-system", ","), "no delimiter"),
        (Form("xlsx", "utf-8"), "no encoding"),
        (Form("parquet", None, ","), "no delimiter"),
    ],
)
def test_a_form_says_what_does_not_go_together(form: Form, told: str) -> None:
    assert told in (form.problem() or "")


# ── the same table in every form ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_table_reads_the_same_in_every_form(tmp_path: Path, form: Form) -> None:
    people = [[as_in(cell, form) for cell in row] for row in PEOPLE]
    path = tmp_path / f"d{form.suffix}"
    path.write_bytes(written(form, HEADER, people))
    header, frame = read(path, form)
    assert header == HEADER
    assert cells(frame) == [tuple(row) for row in people]
    assert frame[ROW].to_list() == [1, 2, 3]
    assert frame[MALFORMED].null_count() == 3


ALPHABET = "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیئء"
# words without a joint that only a half-space would show; «ئ» has one shape, which begins a word or stands inside it
WORDS = st.text(st.sampled_from([letter for letter in ALPHABET if letter != "ئ"]), min_size=1, max_size=9)
NUMBERS = st.sampled_from(["۱۲", "12", "۱۴۰۳/۰۱/۱۵", "3.5", "۰"])
# blanks between two numbers are the one thing that a line of DOS does not tell apart
CELLS = st.none() | st.lists(WORDS, min_size=1, max_size=3).map(" ".join) | st.tuples(WORDS, NUMBERS).map(" ".join) | NUMBERS
TABLES = st.lists(st.tuples(st.sampled_from(["0012345678", "1000000011"]), CELLS, CELLS).map(list), min_size=1, max_size=8)


@unhurried
@given(TABLES, st.sampled_from([1, 3, 100]))
def test_any_table_reads_the_same_in_every_form(tmp_path: Path, table: list[list[str | None]], rows: int) -> None:
    for form in FORMS.values():
        expected = [[as_in(cell, form) for cell in row] for row in table]
        path = tmp_path / f"d{form.suffix}"
        path.write_bytes(written(form, HEADER, expected))
        header, frame = read(path, form, rows)
        assert header == HEADER
        assert cells(frame) == [tuple(row) for row in expected], form
        assert frame[ROW].to_list() == list(range(1, len(table) + 1))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_changed_byte_never_ends_in_anything_but_rows_or_a_refusal(tmp_path: Path, form: Form) -> None:
    content = written(form, HEADER, [[as_in(cell, form) for cell in row] for row in PEOPLE * 20])
    path = tmp_path / f"d{form.suffix}"

    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
    def changed(changes: list[tuple[int, int]], cut: bool) -> None:
        spoilt = bytearray(content)
        for at, byte in changes:
            spoilt[at] = byte
        path.write_bytes(spoilt[: changes[0][0]] if cut else spoilt)
        before = peak_megabytes()
        with suppress(DeliveryRefused):
            read(path, form)
        assert peak_megabytes() - before < 300

    changed()


# ── wrong declarations ───────────────────────────────────────────────────────────────────────────────────────────────────


def people_in(form: Form) -> bytes:
    return written(form, HEADER, [[as_in(cell, form) for cell in row] for row in PEOPLE * 3])


WRONG = {
    "UTF-8 declared as Windows-1256": (people_in(UTF8), CSV_1256, "encoding", "is UTF-8"),
    "UTF-8 with its mark declared as Windows-1256": (b"\xef\xbb\xbf" + people_in(UTF8), CSV_1256, "encoding", "is UTF-8"),
    "one word of UTF-8": ("CODE,NAME\n1,علی\n".encode(), CSV_1256, "encoding", "is UTF-8"),
    "UTF-8 with a fault, as Windows-1256": (people_in(UTF8) + b"\xd8,,\n", CSV_1256, "encoding", "not those of Persian"),
    "Windows-1256 declared as UTF-8": (people_in(CSV_1256), UTF8, "encoding", "not UTF-8 text (line 2)"),
    "UTF-16": ("\ufeffCODE,NAME\n".encode("utf-16-le"), UTF8, "encoding", "UTF-16"),
    "UTF-16 declared as Windows-1256": ("\ufeffCODE,NAME\n".encode("utf-16-be"), CSV_1256, "encoding", "UTF-16"),
    "UTF-32": ("CODE,NAME\n".encode("utf-32"), UTF8, "encoding", "UTF-32"),
    "UTF-16 without its mark": ("CODE,NAME\n".encode("utf-16-le"), UTF8, "unreadable_file", "zero"),
    "Iran System as Windows-1256": (people_in(DBF_IRAN), DBF_1256, "encoding", "not those of Persian"),
    "Windows-1256 as Iran System": (people_in(DBF_1256), DBF_IRAN, "encoding", "not those of Persian"),
    "UTF-8 in a DBF, as Windows-1256": (
        dbf_bytes([b"A", b"B"], [[b"1", "علی رضایی".encode()]]),
        DBF_1256,
        "encoding",
        "is UTF-8",
    ),
    "Iran System in reading order": (
        dbf_bytes([b"A"], [[in_iran_system("محمد حسینی")[::-1]] for _ in range(9)]),
        DBF_IRAN,
        "encoding",
        "reading order",
    ),
    "another separator": (people_in(Form("csv", "utf-8", ";")), UTF8, "dialect", "not separated by ','"),
    "a workbook declared as CSV": (people_in(XLSX), UTF8, "unreadable_file", "packed"),
    "CSV declared as a workbook": (people_in(UTF8), XLSX, "unreadable_file", "not a workbook"),
    "CSV declared as Parquet": (people_in(UTF8), PARQUET, "unreadable_file", "Parquet"),
    "CSV declared as DBF": (people_in(UTF8), DBF_1256, "unreadable_file", "not a DBF"),
}


@pytest.mark.parametrize(("content", "form", "reason", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_declaration_is_found(tmp_path: Path, content: bytes, form: Form, reason: str, told: str) -> None:
    refusal = refusal_of(tmp_path, content, form)
    assert (refusal.reason, told in refusal.what) == (reason, True), refusal


def test_windows_1256_that_could_be_two_bytes_of_utf8_is_read(tmp_path: Path) -> None:
    """«تک» is CA 98, which is a character of UTF-8 too; a French name has bytes that Persian has not."""
    path = tmp_path / "d.csv"
    path.write_bytes("CODE,NAME\n1,تک\n2,رگ\n3,René\n".encode("cp1256"))
    assert cells(read(path, CSV_1256)[1]) == [("1", "تک"), ("2", "رگ"), ("3", "René")]


def test_windows_1256_is_read_alike_by_both_readers(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes('CODE,NAME\n1,"علي\nرضا"\n2,x,y\n3,كارگر\n'.encode("cp1256"))
    frame = read(path, CSV_1256)[1]
    assert frame.rows() == [(1, "1", "علي\nرضا", None), (2, None, None, "2,x,y"), (3, "3", "كارگر", None)]


def test_every_block_of_windows_1256_is_read_under_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdlake.exchange.formats.csv._BLOCK_BYTES", 64)
    path = tmp_path / "d.csv"
    path.write_bytes(("CODE,NAME\r\n" + "".join(f"{number},كارگر {number}\r\n" for number in range(1, 60))).encode("cp1256"))
    frames = list(read_rows(path, CSV_1256, ["a", "b"], 7))
    assert [frame.height for frame in frames] == [7] * 8 + [3]
    assert pl.concat(frames).rows() == [(number, str(number), f"كارگر {number}", None) for number in range(1, 60)]


# ── too much ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def repacked(content: bytes, change: Callable[[str, bytes], bytes], more: dict[str, bytes] | None = None) -> bytes:
    """A workbook with its parts changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, part in (more or {}).items():
            new.writestr(name, part)
    return file.getvalue()


def in_sheet(old: bytes, new: bytes, part: str = "sheet1.xml") -> bytes:
    def change(name: str, content: bytes) -> bytes:
        assert not name.endswith(part) or old in content
        return content.replace(old, new, 1) if name.endswith(part) else content

    return repacked(people_in(XLSX), change)


def same(_: str, content: bytes) -> bytes:
    return content


ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'


def long_text_repeated() -> bytes:
    """One text of 30,000 letters that 60,000 cells refer to: 1.8 GB from a few kilobytes."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "CODE")
    for number in range(60_000):
        sheet.write(number + 1, 0, "x" * 30_000)
    book.close()
    return file.getvalue()


def with_lying_directory() -> bytes:
    """A part of 100 MB of which the directory says one byte, and its checksum is that of the byte."""
    content = bytearray(repacked(people_in(XLSX), same, {"xl/more.xml": b" " * 100_000_000}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 16 : at + 20] = zlib.crc32(b" ").to_bytes(4, "little")
    content[at + 24 : at + 28] = (1).to_bytes(4, "little")
    return bytes(content)


def with_sheets(*names: str, blank: str = "") -> bytes:
    """A workbook with a cell in each sheet but the blank one."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        for name in names:
            sheet = book.add_worksheet(name)
            if name != blank:
                sheet.write(0, 0, name)
    return file.getvalue()


def flagged(content: bytes) -> bytes:
    """The first part said to be encrypted."""
    spoilt = bytearray(content)
    spoilt[spoilt.index(b"PK\x01\x02") + 8] |= 1
    return bytes(spoilt)


def parquet_of(**columns: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=1 << 22)
    return file.getvalue()


HARMFUL: dict[str, tuple[Callable[[], bytes], Form, str, str]] = {
    "CSV with zero bytes": (lambda: b"A,B\n1,\x00\n", UTF8, "unreadable_file", "zero"),
    "CSV with zero bytes far on": (lambda: b"A,B\n" + b"1,2\n" * 500_000 + b"\0", UTF8, "unreadable_file", "zero"),
    "a million columns": (lambda: b",".join([b"x"] * 1_000_000) + b"\n", UTF8, "too_many_columns", "longer"),
    "2,001 columns": (lambda: b",".join([b"x"] * 2_001) + b"\n", CSV_1256, "too_many_columns", "2,000"),
    "a header of megabytes": (lambda: b"x" * (5 << 20), UTF8, "too_many_columns", "longer"),
    "packed zeros as CSV": (lambda: gzip.compress(bytes(50_000_000)), UTF8, "unreadable_file", "packed"),
    "packed zeros as Windows-1256": (lambda: zlib.compress(bytes(50_000_000)), CSV_1256, "unreadable_file", "packed"),
    "a bomb of zeros": (lambda: repacked(people_in(XLSX), same, {"xl/a.xml": bytes(90_000_000)}), XLSX, "too_large", "200 times"),
    "a directory that lies": (with_lying_directory, XLSX, "unreadable_file", "size"),
    "entities": (lambda: in_sheet(b"<worksheet", ENTITY + b"<worksheet"), XLSX, "unreadable_file", "declarations"),
    "entities in shared text": (
        lambda: repacked(with_sheets("one", "two"), lambda n, c: ENTITY + c if "shared" in n else c),
        XLSX,
        "unreadable_file",
        "declarations",
    ),
    "entities in another part": (
        lambda: repacked(people_in(XLSX), lambda n, c: ENTITY + c if "styles" in n else c),
        XLSX,
        "unreadable_file",
        "declarations",
    ),
    "macros": (
        lambda: repacked(people_in(XLSX), same, {"xl/vbaProject.bin": b"x"}),
        XLSX,
        "unreadable_file",
        "macros",
    ),
    "a part outside": (
        lambda: repacked(people_in(XLSX), same, {"../../x": b"x"}),
        XLSX,
        "unreadable_file",
        "leads out",
    ),
    "a part with a root": (lambda: repacked(people_in(XLSX), same, {"/etc/x": b"x"}), XLSX, "unreadable_file", "leads out"),
    "the same part twice": (
        lambda: repacked(people_in(XLSX), same, {"XL/workbook.xml": b"x"}),
        XLSX,
        "unreadable_file",
        "same name",
    ),
    "an encrypted part": (lambda: flagged(people_in(XLSX)), XLSX, "unreadable_file", "encrypted"),
    "an old or protected workbook": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 99, XLSX, "unreadable_file", "password"),
    "two sheets": (lambda: with_sheets("one", "two"), XLSX, "unreadable_file", "more than one"),
    "two sheets and a guide": (lambda: with_sheets("one", "two", GUIDE_SHEET), XLSX, "unreadable_file", "more than two"),
    "two sheets and a blank guide": (
        lambda: with_sheets("one", "two", GUIDE_SHEET, blank=GUIDE_SHEET),
        XLSX,
        "unreadable_file",
        "more than one",
    ),
    "a cell in the last corner": (lambda: in_sheet(b'r="A2"', b'r="XFD1048576"'), XLSX, "too_many_columns", "2,000"),
    "a sheet of a hundred million cells": (lambda: in_sheet(b'r="A2"', b'r="CV1000000"'), XLSX, "too_large", "cells"),
    "a row beyond any sheet": (lambda: in_sheet(b'r="A2"', b'r="A99999999999"'), XLSX, "unreadable_file", "where they stand"),
    "cells without a place": (lambda: in_sheet(b'<c r="A2"', b"<c"), XLSX, "unreadable_file", "where they stand"),
    "a long text in many cells": (long_text_repeated, XLSX, "too_large", "cells"),
    "nested columns": (lambda: parquet_of(a=[1], b=[[1, 2]]), PARQUET, "unreadable_file", "position 2"),
    "binary columns": (lambda: parquet_of(a=[b"x"]), PARQUET, "unreadable_file", "position 1"),
    "universal time": (
        lambda: parquet_of(a=pa.array([0], pa.timestamp("us", "UTC"))),
        PARQUET,
        "unreadable_file",
        "position 1",
    ),
    "an encrypted Parquet file": (lambda: b"PARE" + bytes(50) + b"PARE", PARQUET, "unreadable_file", "encrypted"),
    "a long text in many rows": (
        lambda: parquet_of(a=pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), ["x" * 1_000_000])),
        PARQUET,
        "too_large",
        "",
    ),
    "the same number without end": (lambda: parquet_of(a=pa.nulls(80_000_000, pa.int8())), PARQUET, "too_large", "200 times"),
    "a table of 2,001 columns": (lambda: parquet_of(**{f"c{n}": [1] for n in range(2_001)}), PARQUET, "too_many_columns", ""),
    "a DBF with a memo": (lambda: b"\x83" + people_in(DBF_1256)[1:], DBF_1256, "unreadable_file", "memo"),
    "a DBF with a column of memos": (
        lambda: dbf_bytes([b"A"], [[b"x" * 10]], "M"),
        DBF_1256,
        "unreadable_file",
        "memo",
    ),
    "a DBF cut off": (lambda: people_in(DBF_1256)[:-20], DBF_1256, "unreadable_file", "size"),
    "a DBF with more behind it": (lambda: people_in(DBF_1256) + b"x", DBF_1256, "unreadable_file", "size"),
    "a DBF of another type": (lambda: dbf_bytes([b"A"], [[b"12345678"]], "B"), DBF_1256, "unreadable_file", "memo"),
    "a DBF with moments": (lambda: dbf_bytes([b"A"], [[b"12345678"]], "T"), DBF_1256, "unreadable_file", "column 1"),
    "nothing, as DBF": (lambda: b"", DBF_1256, "empty_file", "empty"),
    "nothing, as XLSX": (lambda: b"", XLSX, "empty_file", "empty"),
    "nothing, as Parquet": (lambda: b"", PARQUET, "empty_file", "empty"),
    "a workbook without a cell": (lambda: xlsx_bytes([], []), XLSX, "empty_file", "no sheet"),
}


@pytest.mark.parametrize(("content", "form", "reason", "told"), HARMFUL.values(), ids=HARMFUL.keys())
def test_a_harmful_file_is_refused(tmp_path: Path, content: Callable[[], bytes], form: Form, reason: str, told: str) -> None:
    refusal = refusal_of(tmp_path, content(), form)
    assert (refusal.reason, told in refusal.what) == (reason, True), refusal


# ── XLSX ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def workbook(tmp_path: Path, fill: Callable[[xlsxwriter.Workbook, xlsxwriter.worksheet.Worksheet], None]) -> Path:
    path = tmp_path / "d.xlsx"
    with xlsxwriter.Workbook(path) as book:
        fill(book, book.add_worksheet())
    return path


def test_cells_of_every_type_come_as_text(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
        day, moment = book.add_format({"num_format": "yyyy/mm/dd"}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.write_row(0, 0, list("abcdefg"))
        sheet.write_row(1, 0, ["0012345678", 12345678901, 1e15, 0.5])
        sheet.write_datetime(1, 4, MIDNIGHT, day)
        sheet.write_datetime(1, 5, MOMENT, moment)
        sheet.write_boolean(1, 6, True)
        sheet.write_formula(2, 0, "=B2+1", None, 7)
        sheet.write(2, 1, 'quoted "text", & <more>\nof it')
        sheet.write_boolean(2, 6, False)
        sheet.write_blank(9, 2, None, day)

    header, frame = read(workbook(tmp_path, fill), XLSX)
    assert header == tuple("abcdefg")
    assert cells(frame) == [
        ("0012345678", "12345678901", "1000000000000000", "0.5", "2024-03-20", "2024-03-20 05:06:07", "1"),
        ("7", 'quoted "text", & <more>\nof it', None, None, None, None, "0"),
    ]


def test_blank_rows_inside_a_sheet_are_rows_and_those_at_its_end_are_none(tmp_path: Path) -> None:
    def fill(_: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
        for row, text in ((2, "a"), (3, "x"), (5, "y"), (8, "")):
            sheet.write_string(row, 1, text)

    header, frame = read(workbook(tmp_path, fill), XLSX)
    assert header == ("a",)
    assert frame.rows() == [(1, "x", None), (2, None, None), (3, "y", None)]


def test_an_error_in_a_cell_is_told_by_its_place(tmp_path: Path) -> None:
    def fill(_: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write_formula(2, 1, "=1/0", None, "#DIV/0!")

    with pytest.raises(DeliveryRefused, match="row 3, column 2") as caught:
        read(workbook(tmp_path, fill), XLSX)
    assert caught.value.reason == "unreadable_file"


def test_a_formula_without_its_result_is_refused_and_one_with_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "d.xlsx"
    path.write_bytes(xlsx_bytes(["a", "b"], [["=1+1", "x"]]))
    with pytest.raises(DeliveryRefused, match="formulas without"):
        read(path, XLSX)


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_type_of_parquet_has_one_way_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    path.write_bytes(
        parquet_of(
            whole=pa.array([10**18, None], pa.int64()),
            number=pa.array([1e20, 0.1]),
            small=pa.array([3.0, float("nan")], pa.float32()),
            exact=[Decimal("12.50"), None],
            truth=[True, False],
            day=[date(2024, 3, 20), None],
            moment=[MIDNIGHT, MOMENT],
            text=["", "  x"],
            coded=pa.array(["ک", None]).dictionary_encode(),
            nothing=pa.nulls(2),
        )
    )
    header, frame = read(path, PARQUET)
    assert header == ("whole", "number", "small", "exact", "truth", "day", "moment", "text", "coded", "nothing")
    assert cells(frame) == [
        (str(10**18), "1" + "0" * 20, "3", "12.50", "1", "2024-03-20", "2024-03-20", None, "ک", None),
        (None, "0.1", None, None, "0", None, "2024-03-20 05:06:07", "  x", None, None),
    ]


def test_parquet_comes_in_batches_over_its_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"a": [str(number) for number in range(25)]}), path, row_group_size=10)
    frames = list(read_rows(path, PARQUET, ["a"], 7))
    assert all(frame.height <= 7 for frame in frames)
    assert pl.concat(frames).rows() == [(number + 1, str(number), None) for number in range(25)]


# ── DBF and Iran System ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_deleted_records_are_left_out_and_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "d.dbf"
    rows = [[b"%d" % number] for number in range(1, 8)]
    path.write_bytes(dbf_bytes([b"A"], rows, deleted=frozenset({1, 4, 5})))
    _, frame = read(path, DBF_1256)
    assert frame.rows() == [(number, str(number), None) for number in (2, 3, 6, 7)]


def test_columns_of_every_type_of_dbf_come_as_text(tmp_path: Path) -> None:
    path = tmp_path / "d.dbf"
    rows = [[b" x ", b"  12.50", b" -3", b"20240320", b"T"], [b"", b"", b"", b"        ", b"?"], [b"", b"0", b"", b"", b"n"]]
    path.write_bytes(dbf_bytes([b"A", b"B", b"C", b"D", b"E"], rows, "CNFDL"))
    _, frame = read(path, DBF_1256)
    assert cells(frame) == [("x", "12.50", "-3", "20240320", "1"), (None,) * 5, (None, "0", None, None, "0")]


def test_names_of_columns_come_in_the_encoding_of_the_file(tmp_path: Path) -> None:
    for form, name in ((DBF_1256, "کد ملي"), (DBF_IRAN, "کد ملی")):
        path = tmp_path / "d.dbf"
        path.write_bytes(dbf_bytes([in_code_page(name, form), b"X\0garbage"], [[b"1", b"2"]]))
        assert read_header(path, form) == (name, "X")


def iran_system(tmp_path: Path, *texts: bytes) -> list[str | None]:
    path = tmp_path / "d.dbf"
    path.write_bytes(dbf_bytes([b"A"], [[text] for text in texts]))
    return read(path, DBF_IRAN, 100)[1]["c0"].to_list()


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b"\xf4\xf2\xa8", "سلام"),
        (b"\x91\xfb \xf9\xf7\x91\xa1", "خانه ها"),
        # the example of the table that Roozbeh Pournader published
        (b"\x91\xfa\xf9\xf7\x91\xa1", "خانه\u200cها"),
        (b"\x81\x82/\x83 \xf4\xf2\xa8", "سلام ۱۲/۳"),
        (b"1403/01/15", "1403/01/15"),
        (b"AB 12 cd \xf4\xf2\xa8 (3.5)", "(3.5) سلام AB 12 cd"),
        (b"\x80\x81\x82", "۰۱۲"),
        (b"   \xf4\xf2\xa8", "سلام"),
        (b"ASCII only (1) ", "ASCII only (1)"),
    ],
)
def test_iran_system_is_read_in_reading_order(tmp_path: Path, stored: bytes, text: str) -> None:
    assert iran_system(tmp_path, stored) == [text]


def test_every_letter_of_the_alphabet_is_read_in_each_of_its_forms(tmp_path: Path) -> None:
    words = [letter for letter in ALPHABET if letter != "ئ"]
    words += (
        [f"ب{letter}" for letter in words] + [f"{letter}ب" for letter in words] + [f"ب{letter}ب" for letter in words] + ["بئب"]
    )
    assert iran_system(tmp_path, *(in_iran_system(word.replace("ئ", "")) for word in words[:-1])) == words[:-1]
    assert iran_system(tmp_path, b"\x92\x8e\x93") == ["بئب"]


def test_frames_of_tables_are_those_of_code_page_437(tmp_path: Path) -> None:
    frames = bytes(range(0xB0, 0xB7))
    assert iran_system(tmp_path, b"x" + frames) == ["x" + frames.decode("cp437")]


@pytest.mark.parametrize("names", [("one", GUIDE_SHEET), (GUIDE_SHEET, "one"), ("empty", "one", GUIDE_SHEET)])
def test_the_guide_of_a_template_is_not_read_wherever_it_stands(names: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    path.write_bytes(with_sheets(*names, blank="empty"))
    assert read_header(path, XLSX) == ("one",)
    assert list(read_rows(path, XLSX, ["one"], 10)) == []
