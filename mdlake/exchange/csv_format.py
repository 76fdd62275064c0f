"""Reading a delivered CSV file as text, in batches, every row numbered as the sender would count it.

Two readers. Polars' is four times as fast and lenient: it fills a line that has too few fields with blanks. It is used
for files in which that would show, having no quotation mark and no blank in the last column. All others are read by
Arrow's reader, which is strict and reports every line that does not divide. Errors never carry the text of a line.
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
from mdlake.layers import MALFORMED, ROW

__all__ = ["NeedsStrictReading", "read_header", "read_rows", "read_rows_strictly"]

_BLOCK_BYTES = 1 << 25
_HEADER_BYTES = 1 << 20
_UNCLOSED = "a quotation mark is opened and never closed"
_END = "\x1a end of file"


class NeedsStrictReading(Exception):  # control flow between the two readers, never shown
    """The fast reader cannot be trusted with this file."""


def read_header(path: Path, separator: str) -> tuple[str, ...]:
    """The header line of a file.

    Raises:
        DeliveryRefused: `empty_file` or `unreadable_file`.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    line = next(iter(start.removeprefix(codecs.BOM_UTF8).splitlines()), b"")
    if not line.strip():
        raise DeliveryRefused(
            "empty_file", "the file has no header line", where=path.name, next_step="Send the file again, complete."
        )
    try:
        return tuple(next(csv.reader([line.decode("utf-8")], delimiter=separator)))
    except (UnicodeDecodeError, csv.Error):
        raise _unreadable(path, "its header line is not UTF-8 text", 1) from None


def read_rows(path: Path, separator: str, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a file that the fast reader can be trusted with, `rows` at a time.

    Args:
        names: a column's name per field of the header line.

    Yields:
        `_row` (Int64, the first row after the header is 1), the columns as text (a blank field is null), and `_malformed`,
        which is null.

    Raises:
        NeedsStrictReading: use `read_rows_strictly`; what was yielded so far may be wrong.
    """
    if not _is_plain(path, separator):
        raise NeedsStrictReading
    frame = pl.scan_csv(
        path,
        separator=separator,
        quote_char=None,
        infer_schema=False,
        has_header=True,
        with_column_names=lambda _: list(names),
        row_index_name=ROW,
        row_index_offset=1,
    ).with_columns(pl.col(ROW).cast(pl.Int64), pl.lit(None, pl.String).alias(MALFORMED))
    try:
        for batch in frame.collect_batches(chunk_size=rows, maintain_order=True):
            if batch.get_column(names[-1]).null_count():
                raise NeedsStrictReading
            yield batch
    except pl.exceptions.PolarsError:
        # a line with too many fields, or bytes that are no text: the strict reader tells which
        raise NeedsStrictReading from None


def _is_plain(path: Path, separator: str) -> bool:
    """Whether a file has no quotation mark, no carriage return but in a line's end, and no separator as its last byte.

    There the fast reader takes a field too many for the end of the line.
    """
    chunk = b""
    with path.open("rb") as file:
        while more := file.read(_HEADER_BYTES):
            chunk = more + file.read(1) if more.endswith(b"\r") else more
            if b'"' in chunk or (b"\r" in chunk and chunk.count(b"\r") != chunk.count(b"\r\n")):
                return False
    return not chunk.endswith(separator.encode())


def read_rows_strictly(path: Path, separator: str, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of any file, at least `rows` at a time except the last; see `read_rows`.

    Yields:
        As `read_rows`; `_malformed` holds the whole line where it does not divide into the columns, which are then null.

    Raises:
        DeliveryRefused: `unreadable_file`.
    """
    if _is_header_alone(path):
        return
    reader = _Reader(path, separator, names)
    waiting: list[pl.DataFrame] = []
    try:
        for frame in reader.frames():
            waiting.append(frame)
            if sum(part.height for part in waiting) >= rows:
                yield pl.concat(waiting, rechunk=True)
                waiting = []
    except pa.ArrowInvalid:
        raise _unreadable(path, *_first_fault(path, separator)) from None
    if reader.ends_in_line_break and (line := _unclosed_quote(path, separator)):
        raise _unreadable(path, _UNCLOSED, line)
    if waiting:
        yield pl.concat(waiting, rechunk=True)


@dataclass
class _Reader:
    path: Path
    separator: str
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
                use_threads=False, block_size=_BLOCK_BYTES, column_names=list(self.names), skip_rows=1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.separator, newlines_in_values=True, invalid_row_handler=self._on_ragged
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


def _unreadable(path: Path, what: str, line: int) -> DeliveryRefused:
    fix = "Save the file as UTF-8 CSV with closed quotation marks, and send again."
    return DeliveryRefused("unreadable_file", f"{what} (line {line})", where=path.name, next_step=fix)


def _is_header_alone(path: Path) -> bool:
    """Whether the file ends with its header line; Arrow then takes the missing line break for a fault."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    return len(start) < _HEADER_BYTES and len(start.splitlines()) <= 1


def _first_fault(path: Path, separator: str) -> tuple[str, int]:
    """What is wrong with a file that could not be read, and the line; looked for only after it failed."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(1 << 20)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                return "it is not UTF-8 text", lines + error.object[: error.start].count(b"\n")
            if not chunk:
                break
            lines += chunk.count(b"\n")
    line = _unclosed_quote(path, separator)
    return (_UNCLOSED, line) if line else ("a line is longer than 32 MB", lines)


def _unclosed_quote(path: Path, separator: str) -> int | None:
    """The line where the record begins whose quotation mark is never closed, if the file has one."""
    begin = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        # one more line: it is a record of its own unless the file ends inside quotation marks
        records = csv.reader(chain(file, ["\n", _END]), delimiter=separator)
        try:
            for record in records:
                if record == [_END]:
                    return None
                last, begin = begin, records.line_num + 1
        except csv.Error:
            # a field of more than 128 kB: what follows the mark was read as one
            return begin
    return last
