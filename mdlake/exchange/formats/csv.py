"""Reading a delivered CSV file as text, in batches, every row numbered as the sender would count it.

Two readers. Polars' is four times as fast and lenient: it fills a line that has too few fields with blanks. It is used
for files in which that would show, having no quotation mark and no blank in the last column. All others are read by
Arrow's reader, which is strict and reports every line that does not divide. Windows-1256 is decoded on the way to either.
Errors never carry the text of a line.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats.declared import Windows1256Check, check_beginning
from mdlake.exchange.formats.form import DELIMITERS, Form
from mdlake.exchange.formats.limits import MAX_COLUMNS, check_count_of_columns, in_batches
from mdlake.layers import MALFORMED, ROW
from mdlake.standard import use_up

__all__ = ["NeedsStrictReading", "read_header", "read_rows"]

_BLOCK_BYTES = 1 << 25
_HEADER_BYTES = 1 << 20
_UNCLOSED = "a quotation mark is opened and never closed"
_END = "\x1a end of file"


class NeedsStrictReading(Exception):  # control flow between the two readers, never shown
    """The fast reader cannot be trusted with this file."""


def read_header(path: Path, form: Form) -> tuple[str, ...]:
    """The header line of a file, after a look at the file's first megabyte.

    Raises:
        DeliveryRefused: `empty_file`, `unreadable_file`, `encoding`, `dialect` or `too_many_columns`.
    """
    delimiter = _delimiter(form)
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES + 1)
    check_beginning(path, start)
    line = next(iter(start.removeprefix(codecs.BOM_UTF8).splitlines()), b"")
    if not line.strip():
        raise DeliveryRefused(
            "empty_file", "the file has no header line", where=path.name, next_step="Send the file again, complete."
        )
    look = _Look(path, form)
    look.at(start)
    look.judge()
    if len(line) > _HEADER_BYTES or line.count(delimiter.encode()) > 2 * MAX_COLUMNS:
        fix = "Send the contract's columns alone, with the header line as the contract has it."
        raise DeliveryRefused("too_many_columns", "its header line is longer than any contract's", where=path.name, next_step=fix)
    fields = _fields(path, line, form, delimiter)
    check_count_of_columns(path, len(fields))
    if len(fields) == 1 and any(len(_fields(path, line, form, other)) > 1 for other in DELIMITERS):
        fix = f"Separate the fields by {delimiter!r} as declared, or declare the separator that the file has."
        raise DeliveryRefused("dialect", f"its header line is not separated by {delimiter!r}", where=path.name, next_step=fix)
    return fields


def _delimiter(form: Form) -> str:
    if form.delimiter is None or form.encoding is None:
        raise ValueError(form.problem())
    return form.delimiter


def _fields(path: Path, line: bytes, form: Form, delimiter: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([line.decode(form.encoding or "")], delimiter=delimiter)))
    except UnicodeDecodeError:
        raise _not_utf8(path, "its header line", 1) from None
    except csv.Error:
        raise _unreadable(path, "its header line cannot be divided into fields", 1) from None


class _Look:
    """What is known of a file from its bytes, looked at in pieces before any reader starts.

    Attributes:
        is_plain: it has no quotation mark, no carriage return but in a line's end, and no separator as its last byte. There
            the fast reader takes a field too many for the end of the line.
    """

    def __init__(self, path: Path, form: Form) -> None:
        self.is_plain = True
        self._path = path
        self._separator = _delimiter(form).encode()
        self._encoding = Windows1256Check(path) if form.encoding == "windows-1256" else None

    def at(self, piece: bytes) -> None:
        """The next piece; a carriage return and its line feed come in one."""
        if b"\0" in piece:
            what = "it holds bytes that are zero, as text never does"
            raise DeliveryRefused(
                "unreadable_file", what, where=self._path.name, next_step="Save the table as CSV, and send again."
            )
        if self.is_plain:
            self.is_plain = b'"' not in piece and (b"\r" not in piece or piece.count(b"\r") == piece.count(b"\r\n"))
        self._ends_in_separator = piece.endswith(self._separator)
        if self._encoding:
            self._encoding.feed(piece)

    def judge(self) -> None:
        """Refuse the file if its text is not of the declared encoding; UTF-8 is for the readers to find."""
        if self._encoding:
            self._encoding.judge()

    @classmethod
    def through(cls, path: Path, form: Form) -> _Look:
        """The look at a whole file."""
        look = cls(path, form)
        with path.open("rb") as file:
            while piece := file.read(_HEADER_BYTES):
                look.at(piece + file.read(1) if piece.endswith(b"\r") else piece)
        look.judge()
        look.is_plain = look.is_plain and not look._ends_in_separator
        return look


def read_rows(path: Path, form: Form, names: Sequence[str], rows: int, *, strictly: bool) -> Iterator[pl.DataFrame]:
    """The rows of a file, `rows` at a time, with `strictly` at least so many.

    Args:
        names: a column's name per field of the header line.

    Yields:
        `_row` (Int64, the first row after the header is 1), the columns as text (a blank field is null), and `_malformed`:
        the whole line where it does not divide into the columns, which are then null.

    Raises:
        NeedsStrictReading: start again with `strictly`; what was yielded so far may be wrong.
        DeliveryRefused: `unreadable_file` or `encoding`.
    """
    is_plain = _Look.through(path, form).is_plain
    if strictly:
        yield from _read_strictly(path, form, names, rows)
        return
    if not is_plain:
        raise NeedsStrictReading
    frames = _scan(path, form, names, rows) if form.encoding == "utf-8" else in_batches(_decode(path, form, names), rows)
    try:
        for batch in frames:
            if batch.get_column(names[-1]).null_count():
                raise NeedsStrictReading
            yield batch.with_columns(pl.col(ROW).cast(pl.Int64), pl.lit(None, pl.String).alias(MALFORMED))
    except pl.exceptions.PolarsError:
        # a line with too many fields, or bytes that are no text: the strict reader tells which
        raise NeedsStrictReading from None


def _scan(path: Path, form: Form, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a plain UTF-8 file."""
    frame = pl.scan_csv(
        path,
        separator=_delimiter(form),
        quote_char=None,
        infer_schema=False,
        has_header=True,
        with_column_names=lambda _: list(names),
        row_index_name=ROW,
        row_index_offset=1,
    )
    for batch in frame.collect_batches(chunk_size=rows, maintain_order=True):
        columns = batch.get_columns()
        del batch
        # a column comes in some seventy pieces, and all that follows would go through them
        yield use_up(columns, pl.Series.rechunk)


def _decode(path: Path, form: Form, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of a plain file of another encoding, decoded block by block in memory: no clear copy is ever written."""
    first_row, rest = 1, b""
    with path.open("rb") as file:
        file.readline()
        while block := file.read(_BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if len(rest) > _BLOCK_BYTES:
                raise NeedsStrictReading
            if end:
                yield (frame := _lines(block[:end], form, names, first_row))
                first_row += frame.height
        if rest:
            yield _lines(rest, form, names, first_row)


def _lines(block: bytes, form: Form, names: Sequence[str], first_row: int) -> pl.DataFrame:
    return pl.read_csv(
        block.decode(form.encoding or "").encode(),
        separator=_delimiter(form),
        quote_char=None,
        schema=dict.fromkeys(names, pl.String()),
        has_header=False,
        row_index_name=ROW,
        row_index_offset=first_row,
    )


def _read_strictly(path: Path, form: Form, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of any file."""
    if _is_header_alone(path):
        return
    reader = _Reader(path, form, names)
    waiting: list[pl.DataFrame] = []
    try:
        for frame in reader.frames():
            waiting.append(frame)
            if sum(part.height for part in waiting) >= rows:
                yield pl.concat(waiting, rechunk=True)
                waiting = []
    except pa.ArrowInvalid:
        raise _first_fault(path, form) from None
    if reader.ends_in_line_break and (line := _unclosed_quote(path, form)):
        raise _unreadable(path, _UNCLOSED, line)
    if waiting:
        yield pl.concat(waiting, rechunk=True)


@dataclass
class _Reader:
    path: Path
    form: Form
    names: Sequence[str]
    ends_in_line_break: bool = False
    _numbers: list[int] = field(default_factory=list)
    # without `repr`: Python prints the object that a failing callback belongs to
    _lines: list[str] = field(default_factory=list, repr=False)
    _next_row: int = 1

    def frames(self) -> Iterator[pl.DataFrame]:
        text = dict.fromkeys(self.names, pa.large_string())
        stream = pyarrow.csv.open_csv(
            self.path,
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                column_names=list(self.names),
                skip_rows=1,
                encoding="utf8" if self.form.encoding == "utf-8" else self.form.encoding,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.form.delimiter, newlines_in_values=True, invalid_row_handler=self._on_ragged
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=text, strings_can_be_null=True, quoted_strings_can_be_null=True, null_values=[""]
            ),
        )
        for batch in stream:
            frame = self._numbered(pl.DataFrame(pl.from_arrow(batch)))
            self._look_at_end(frame)
            yield frame
        if self._numbers:
            frame = self._malformed(len(self._numbers))
            self._look_at_end(frame)
            yield frame

    def _look_at_end(self, frame: pl.DataFrame) -> None:
        """Arrow ends a quoted field at the end of the file in silence; it can only have if the last row holds a line break."""
        if frame.height:
            self.ends_in_line_break = any("\n" in text for text in frame.row(-1) if isinstance(text, str))

    def _on_ragged(self, row: Any) -> str:
        # Arrow counts the header line that was skipped as its first row
        self._numbers.append(row.number - 1)
        self._lines.append(row.text if isinstance(row.text, str) else bytes(row.text).decode("utf-8", "replace"))
        return "skip"

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The batch with row numbers that leave out the malformed lines, and these lines in their places."""
        # Arrow reads ahead: lines behind this batch wait for theirs. A line has as many good rows before it as its number
        # says, less the malformed lines before it.
        malformed = np.array(self._numbers, dtype=np.int64)
        good_before = malformed - np.arange(malformed.size) - self._next_row
        inside = int(np.searchsorted(good_before, frame.height))
        span = np.arange(self._next_row, self._next_row + frame.height + inside, dtype=np.int64)
        self._next_row += span.size
        rows = frame.select(
            pl.Series(ROW, np.setdiff1d(span, malformed[:inside], assume_unique=True)),
            *(pl.col(name) for name in self.names),
            pl.lit(None, pl.String).alias(MALFORMED),
        )
        return pl.concat([rows, self._malformed(inside)]).sort(ROW) if inside else rows

    def _malformed(self, count: int) -> pl.DataFrame:
        """The first `count` of the malformed lines that wait; they no longer do."""
        blank = {name: pl.Series(name, [None] * count, pl.String) for name in self.names}
        numbers, lines = self._numbers[:count], self._lines[:count]
        del self._numbers[:count], self._lines[:count]
        return pl.DataFrame({ROW: pl.Series(numbers, dtype=pl.Int64), **blank, MALFORMED: pl.Series(lines, dtype=pl.String)})


def _not_utf8(path: Path, what: str, line: int) -> DeliveryRefused:
    fix = "Save the file as UTF-8 CSV, or declare the encoding that it has, and send again."
    return DeliveryRefused("encoding", f"{what} is not UTF-8 text (line {line})", where=path.name, next_step=fix)


def _unreadable(path: Path, what: str, line: int) -> DeliveryRefused:
    fix = "Save the file as CSV with closed quotation marks, and send again."
    return DeliveryRefused("unreadable_file", f"{what} (line {line})", where=path.name, next_step=fix)


def _is_header_alone(path: Path) -> bool:
    """Whether the file ends with its header line; Arrow then takes the missing line break for a fault."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    return len(start) < _HEADER_BYTES and len(start.splitlines()) <= 1


def _first_fault(path: Path, form: Form) -> DeliveryRefused:
    """What is wrong with a file that could not be read, and the line; looked for only after it failed."""
    decoder = codecs.getincrementaldecoder(form.encoding or "")()
    lines = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(1 << 20)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                return _not_utf8(path, "it", lines + error.object[: error.start].count(b"\n"))
            if not chunk:
                break
            lines += chunk.count(b"\n")
    line = _unclosed_quote(path, form)
    return _unreadable(path, _UNCLOSED, line) if line else _unreadable(path, "a line is longer than 32 MB", lines)


def _unclosed_quote(path: Path, form: Form) -> int | None:
    """The line where the record begins whose quotation mark is never closed, if the file has one."""
    begin = 1
    with path.open(encoding="utf-8-sig" if form.encoding == "utf-8" else form.encoding, newline="") as file:
        # one more line: it is a record of its own unless the file ends inside quotation marks
        records = csv.reader(chain(file, ["\n", _END]), delimiter=_delimiter(form))
        try:
            for record in records:
                if record == [_END]:
                    return None
                last, begin = begin, records.line_num + 1
        except csv.Error:
            # a field of more than 128 kB: what follows the mark was read as one
            return begin
    return last
