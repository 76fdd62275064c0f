"""Reading a delivered DBF file (dBase III and IV, FoxPro; tables without a memo file) as text.

A table of fixed width is read as NumPy arrays, a block of records at a time. A deleted record is left out and keeps its
number, so that a row's number leads to its record in the sender's program. Columns of type D come as they are stored,
YYYYMMDD; those of type L as 1 and 0. Not here: the code pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats.declared import EncodingCheck, IranSystemCheck, Windows1256Check
from mdlake.exchange.formats.fixed_width import TextTable, text_column, text_table
from mdlake.exchange.formats.form import Form
from mdlake.exchange.formats.iran_system import decoding_table, reading_order
from mdlake.exchange.formats.limits import check_count_of_columns
from mdlake.layers import MALFORMED, ROW

__all__ = ["read_header", "read_rows"]

_START, _DESCRIPTOR, _NAME = 32, 32, 11
_VERSIONS = frozenset({0x03, 0x30, 0x31, 0x32})
_MEMO_VERSIONS = frozenset({0x83, 0x8B, 0x8E, 0xCB, 0xE5, 0xF5, 0xFB})
_HAS_MEMO = 0x02
_MEMO_TYPES = frozenset("MGPBW")
_END_OF_FIELDS, _END_OF_FILE = b"\x0d", b"\x1a"
_LIVE, _DELETED = 0x20, 0x2A
_BLOCK_BYTES = 1 << 23
_LOOKED_AT = 1 << 20
_TRUTH = np.frombuffer(bytes.maketrans(b"TtYyFfNn?", b"11110000 "), np.uint8)


@dataclass(frozen=True)
class _Field:
    """One column: its name as bytes, its type, and where in a record it lies."""

    name: bytes
    type: str
    place: slice


@dataclass(frozen=True)
class _Layout:
    """What the header of a file says, all of which fits its size."""

    fields: tuple[_Field, ...]
    header_bytes: int
    record_bytes: int
    records: int


def read_header(path: Path, form: Form) -> tuple[str, ...]:
    """The names of the columns, after a look at the file's first megabyte.

    Raises:
        DeliveryRefused: `empty_file`, `unreadable_file`, `encoding` or `too_many_columns`.
    """
    layout = _layout(path)
    decoded = _Decoding.of(form)
    check = decoded.check(path)
    for records in _blocks(path, layout, _LOOKED_AT):
        _feed(check, records, layout)
        break
    # a name ends at its first zero; what lies behind it is left over from another
    names = [field.name.split(b"\0")[0].ljust(_NAME) for field in layout.fields]
    codes = np.frombuffer(b"".join(names), np.uint8).reshape(-1, _NAME)
    check.feed(b"\n".join(names))
    check.judge()
    return tuple(decoded.column("name", codes).fill_null("").to_list())


def read_rows(path: Path, form: Form, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a file, at most `rows` at a time.

    Yields:
        `_row` (Int64, the number of the record from 1), the columns as text without the blanks around it (null where nothing
        is left), and `_malformed`, which is null.

    Raises:
        DeliveryRefused: `unreadable_file` or `encoding`.
    """
    layout = _layout(path)
    decoded = _Decoding.of(form)
    check = decoded.check(path)
    first = 1
    for records in _blocks(path, layout, min(_BLOCK_BYTES, rows * layout.record_bytes)):
        _feed(check, records, layout)
        check.judge()
        live = _live(path, records, first)
        kept = records if live.all() else records[live]
        columns = [_column(kept, field, name, decoded) for field, name in zip(layout.fields, names, strict=True)]
        numbers = pl.Series(ROW, np.flatnonzero(live) + first, dtype=pl.Int64)
        first += len(records)
        if len(kept):
            yield pl.DataFrame([numbers, *columns, pl.Series(MALFORMED, [None] * len(kept), pl.String)])


@dataclass(frozen=True)
class _Decoding:
    """How the text of a code page is read."""

    encoding: str
    table: TextTable

    @classmethod
    def of(cls, form: Form) -> _Decoding:
        if form.encoding == "iran-system":
            return cls("iran-system", decoding_table())
        return cls("windows-1256", text_table([bytes([code]).decode("windows-1256") for code in range(256)]))

    def check(self, path: Path) -> EncodingCheck:
        return IranSystemCheck(path) if self.encoding == "iran-system" else Windows1256Check(path)

    def column(self, name: str, codes: NDArray[np.uint8]) -> pl.Series:
        blanked = np.where(codes == 0, np.uint8(0x20), codes)
        return text_column(name, reading_order(blanked) if self.encoding == "iran-system" else blanked, self.table)


def _column(records: NDArray[np.uint8], field: _Field, name: str, decoded: _Decoding) -> pl.Series:
    codes = records[:, field.place]
    if field.type == "L":
        return text_column(name, _TRUTH[codes], decoded.table)
    return decoded.column(name, codes)


def _feed(check: EncodingCheck, records: NDArray[np.uint8], layout: _Layout) -> None:
    """Show a check the text of some records, each value with an end that it cannot have itself."""
    for field in layout.fields:
        if field.type == "C":
            codes = records[:, field.place]
            ended = np.full((codes.shape[0], codes.shape[1] + 1), ord("\n"), dtype=np.uint8)
            ended[:, :-1] = codes
            check.feed(ended.tobytes())


def _live(path: Path, records: NDArray[np.uint8], first: int) -> NDArray[np.bool_]:
    """Which records are not deleted."""
    live: NDArray[np.bool_] = records[:, 0] == _LIVE
    odd = ~live & (records[:, 0] != _DELETED)
    if odd.any():
        raise _unreadable(path, f"record {first + int(odd.argmax())} does not begin as records of this format do")
    return live


def _blocks(path: Path, layout: _Layout, size: int) -> Iterator[NDArray[np.uint8]]:
    """The records in blocks of about `size` bytes, each (n, record length)."""
    together = max(1, size // layout.record_bytes)
    with path.open("rb") as file:
        file.seek(layout.header_bytes)
        for start in range(0, layout.records, together):
            count = min(together, layout.records - start)
            block = file.read(count * layout.record_bytes)
            if len(block) != count * layout.record_bytes:
                raise _unreadable(path, "it ends before its last record")
            yield np.frombuffer(block, np.uint8).reshape(count, layout.record_bytes)


def _layout(path: Path) -> _Layout:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_START)
        if not start:
            raise DeliveryRefused("empty_file", "the file is empty", where=path.name, next_step="Send the file again, complete.")
        if len(start) < _START:
            raise _unreadable(path, "it is too short for a DBF file")
        _check_version(path, start)
        records, header_bytes, record_bytes = (int.from_bytes(start[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
        described = file.read(max(0, header_bytes - _START))
        file.seek(max(0, size - 1))
        trailing = file.read(1)
    end = described[::_DESCRIPTOR].find(_END_OF_FIELDS)
    if end < 1:
        raise _unreadable(path, "its header describes no column")
    check_count_of_columns(path, end)
    fields = _fields(path, [described[at : at + _DESCRIPTOR] for at in range(0, end * _DESCRIPTOR, _DESCRIPTOR)], record_bytes)
    expected = header_bytes + records * record_bytes
    if size != expected and not (size == expected + 1 and trailing == _END_OF_FILE):
        raise _unreadable(path, "its size is not that of the records that its header counts")
    return _Layout(fields, header_bytes, record_bytes, records)


def _check_version(path: Path, start: bytes) -> None:
    if start[0] in _MEMO_VERSIONS or (start[0] in _VERSIONS - {0x03} and start[28] & _HAS_MEMO):
        raise _unreadable(path, "it belongs to a memo file, which is not part of a delivery")
    if start[0] not in _VERSIONS:
        raise _unreadable(path, "it is not a DBF file of dBase III, dBase IV or FoxPro")
    if start[15]:
        raise _unreadable(path, "it is encrypted")


def _fields(path: Path, described: Sequence[bytes], record_bytes: int) -> tuple[_Field, ...]:
    types = [chr(field[_NAME]) for field in described]
    if _MEMO_TYPES & set(types):
        raise _unreadable(path, "a column refers to a memo file, which is not part of a delivery")
    if odd := [number for number, type_ in enumerate(types, start=1) if type_ not in "CNFDL"]:
        raise _unreadable(path, f"column {odd[0]} is of none of the types C, N, F, D and L")
    widths = [field[16] for field in described]
    if sum(widths) + 1 != record_bytes:
        # FoxPro and Clipper write the length of long text in two bytes, the second where numbers have their decimals
        widths = [
            field[16] + 256 * field[17] if type_ == "C" else field[16] for field, type_ in zip(described, types, strict=True)
        ]
    if sum(widths) + 1 != record_bytes or 0 in widths:
        raise _unreadable(path, "the widths of its columns are not the length of its records")
    ends = (np.cumsum(widths) + 1).tolist()
    return tuple(
        _Field(field[:_NAME], type_, slice(end - width, end))
        for field, type_, width, end in zip(described, types, widths, ends, strict=True)
    )


def _unreadable(path: Path, what: str) -> DeliveryRefused:
    fix = "Export the table anew as dBase III without memo columns, and send again."
    return DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)
