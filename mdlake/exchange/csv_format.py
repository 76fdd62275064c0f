"""Reading a delivered CSV file as text, in batches, every row numbered as the sender would count it.

Arrow's reader is used rather than Polars', because it is strict: a line with too few fields is reported, where others
fill it with blanks. It costs about 0.2 s per million rows more. Errors never carry the text of a line.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from mdlake.errors import DeliveryRefused
from mdlake.layers import MALFORMED, ROW

__all__ = ["RaggedRows", "read_header", "read_rows"]

_BLOCK_BYTES = 1 << 25
_HEADER_BYTES = 1 << 20


class RaggedRows(Exception):
    """The file has lines that do not divide into its columns; read it again with `precise=True`."""


def read_header(path: Path, separator: str) -> tuple[str, ...]:
    """The header line of a file.

    Raises:
        DeliveryRefused: `empty_file` or `unreadable_file`.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    line = start.removeprefix(codecs.BOM_UTF8).splitlines()[0] if start.strip() else b""
    if not line.strip():
        raise DeliveryRefused(
            "empty_file", "the file has no header line", where=path.name, next_step="Send the file again, complete."
        )
    try:
        return tuple(next(csv.reader([line.decode("utf-8")], delimiter=separator)))
    except (UnicodeDecodeError, csv.Error):
        raise _unreadable(path, "its header line is not UTF-8 text", 1) from None


def read_rows(path: Path, separator: str, names: Sequence[str], rows: int, *, precise: bool) -> Iterator[pl.DataFrame]:
    """The rows of a file, at least `rows` at a time except the last.

    Args:
        names: a column's name per field of the header line.
        precise: read slower, so that lines which do not divide into the columns are kept with their row number.

    Yields:
        `_row` (Int64, the first row after the header is 1), the columns as text (a blank field is null), and `_malformed`
        with the whole line where it does not divide.

    Raises:
        RaggedRows: such a line was met and `precise` is false.
        DeliveryRefused: `unreadable_file`.
    """
    reader = _Reader(path, separator, names, precise)
    waiting: list[pl.DataFrame] = []
    try:
        for frame in reader.frames():
            waiting.append(frame)
            if sum(part.height for part in waiting) >= rows:
                yield pl.concat(waiting, rechunk=True)
                waiting = []
    except pa.ArrowInvalid:
        if reader.ragged and not precise:
            raise RaggedRows from None
        raise _unreadable(path, *_first_fault(path)) from None
    if waiting:
        yield pl.concat(waiting, rechunk=True)


@dataclass
class _Reader:
    path: Path
    separator: str
    names: Sequence[str]
    precise: bool
    ragged: bool = False
    _numbers: list[int] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _next_row: int = 1

    def frames(self) -> Iterator[pl.DataFrame]:
        text = dict.fromkeys(self.names, pa.large_string())
        stream = pyarrow.csv.open_csv(
            self.path,
            read_options=pyarrow.csv.ReadOptions(
                use_threads=not self.precise, block_size=_BLOCK_BYTES, column_names=list(self.names), skip_rows=1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.separator, newlines_in_values=True, invalid_row_handler=self._on_ragged
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=text, strings_can_be_null=True, quoted_strings_can_be_null=True, null_values=[""]
            ),
        )
        for batch in stream:
            frame = pl.DataFrame(pl.from_arrow(batch))
            yield self._numbered(frame)
        if self._numbers:
            yield self._malformed()

    def _on_ragged(self, row: Any) -> str:
        self.ragged = True
        if not self.precise:
            return "error"
        # Arrow counts the header line that was skipped as its first row
        self._numbers.append(row.number - 1)
        self._lines.append(row.text if isinstance(row.text, str) else bytes(row.text).decode("utf-8", "replace"))
        return "skip"

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The batch with row numbers that leave out the malformed lines, and these lines in their places."""
        if not self._numbers:
            numbers = np.arange(self._next_row, self._next_row + frame.height, dtype=np.int64)
        else:
            span = np.arange(self._next_row, self._next_row + frame.height + len(self._numbers), dtype=np.int64)
            numbers = np.setdiff1d(span, np.array(self._numbers, dtype=np.int64))[: frame.height]
        rows = frame.select(
            pl.Series(ROW, numbers), *(pl.col(name) for name in self.names), pl.lit(None, pl.String).alias(MALFORMED)
        )
        self._next_row = int(numbers[-1]) + 1 if frame.height else self._next_row
        if not self._numbers:
            return rows
        merged = pl.concat([rows, self._malformed()]).sort(ROW)
        self._next_row = int(merged.get_column(ROW)[-1]) + 1
        self._numbers, self._lines = [], []
        return merged

    def _malformed(self) -> pl.DataFrame:
        blank = {name: pl.Series(name, [None] * len(self._numbers), pl.String) for name in self.names}
        return pl.DataFrame(
            {ROW: pl.Series(self._numbers, dtype=pl.Int64), **blank, MALFORMED: pl.Series(self._lines, dtype=pl.String)}
        )


def _unreadable(path: Path, what: str, line: int) -> DeliveryRefused:
    fix = "Save the file as UTF-8 CSV with closed quotation marks, and send again."
    return DeliveryRefused("unreadable_file", f"{what} (line {line})", where=path.name, next_step=fix)


def _first_fault(path: Path) -> tuple[str, int]:
    """What is wrong with a file that could not be read, and the line; looked for only after it failed."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return "it is not UTF-8 text", lines + chunk[: error.start].count(b"\n")
            lines += chunk.count(b"\n")
    return "a quotation mark is opened and never closed, or a line is longer than 32 MB", lines
