"""What an XLSX package holds, looked at before any of it is parsed: a zip of XML parts that may lie about all it says.

Every part is unpacked once and thrown away, so that no number of its directory is believed: sizes, names, how far the cells of
a sheet reach, and how long its text gets. The parser that comes after gets only what it can hold. Not here: values of cells.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats.limits import check_content, check_count_of_columns

__all__ = ["MAX_CELLS", "check_package"]

_MAX_PARTS = 2_000
MAX_CELLS = 32_000_000
"""The parser holds a sheet as a whole rectangle, up to 100 bytes a cell: here a full sheet of 30 columns, in 3 GB."""

_MAX_TEXT_BYTES = 1 << 30
_MAX_ROW_BYTES = 1 << 24
_PIECE_BYTES = 1 << 20
_LOCAL_HEADER = 30
_OLE = b"\xd0\xcf\x11\xe0"
_MACROS = re.compile(r"vbaproject|macrosheets/|vbadata", re.IGNORECASE)
_DECLARATIONS = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_NO_RESULT = re.compile(
    # a formula that nothing follows, or a result that is empty and is not said to be text
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f(?:\s[^>]*)?/>)\s*</(?:\w+:)?c>"
    rb"|<(?:\w+:)?c\s(?![^>]*\bt=\"str\")[^>]*>\s*<(?:\w+:)?f[\s>/][^<]*(?:</(?:\w+:)?f>)?\s*<(?:\w+:)?v\s*(?:/>|></)"
)
_SPACE = np.isin(np.arange(256), list(b" \t\r\n/>"))
_SHEET, _SHARED = re.compile(rb"<(?:\w+:)?sheetData[\s/>]"), re.compile(rb"<(?:\w+:)?sst[\s/>]")


def check_package(path: Path) -> int:
    """How many sheets have content, one or two; refuse what is no sound XLSX package with at most one sheet beside its table.

    Raises:
        DeliveryRefused: `empty_file`, `unreadable_file`, `too_large` or `too_many_columns`.
    """
    with path.open("rb") as file:
        start = file.read(4)
        if not start:
            raise DeliveryRefused("empty_file", "the file is empty", where=path.name, next_step="Send the file again, complete.")
        if start == _OLE:
            fix = "Save it as an .xlsx workbook without a password, and send again."
            raise _unreadable(path, "it is protected by a password, or a workbook of the old .xls kind", fix)
        parts = _parts(path, file)
        if not any(part.filename.lower() == "xl/workbook.xml" for part in parts):
            raise _unreadable(path, "it is a zip file and no workbook")
        return _check_sheets(path, file, parts)


def _parts(path: Path, file: IO[bytes]) -> list[zipfile.ZipInfo]:
    """The directory of the package, of which names and declared sizes are sound."""
    try:
        with zipfile.ZipFile(file) as package:
            parts = [part for part in package.infolist() if not part.filename.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError):
        raise _unreadable(path, "it is not a workbook, or it is damaged") from None
    names = [part.filename for part in parts]
    if len(parts) > _MAX_PARTS:
        raise DeliveryRefused("too_large", "it is packed of more parts than a table has", where=path.name, next_step=_SAVE_ANEW)
    if any(name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/") for name in names):
        raise _unreadable(path, "a part of it has a name that leads out of the workbook")
    if len({name.lower() for name in names}) < len(names):
        raise _unreadable(path, "two parts of it have the same name")
    if any(part.flag_bits & 0x1 for part in parts):
        raise _unreadable(path, "a part of it is encrypted")
    if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
        raise _unreadable(path, "a part of it is packed in a way that workbooks are not")
    if any(_MACROS.search(name) for name in names):
        raise _unreadable(path, "it holds macros", "Save it as an .xlsx workbook, without macros, and send again.")
    size = path.stat().st_size
    if any(not 0 <= part.header_offset < size for part in parts):
        raise _unreadable(path, "it is damaged")
    for part in parts:
        check_content(path, part.file_size, part.compress_size)
    check_content(path, sum(part.file_size for part in parts), size)
    return parts


def _check_sheets(path: Path, file: IO[bytes], parts: list[zipfile.ZipInfo]) -> int:
    # a sheet refers to the text that its workbook shares, which is measured first
    shared = _Shared(path)
    sheets: list[_Sheet] = []
    waiting = sorted(parts, key=lambda part: "sharedstrings" not in part.filename.lower())
    for part in waiting:
        pieces = _unpacked(path, file, part)
        start = next(pieces, b"")
        if part.filename.lower().endswith((".xml", ".rels")) and (start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start[:4]):
            raise _unreadable(path, "a part of it is XML of another encoding than UTF-8")
        if _SHEET.search(start):
            sheets.append(_Sheet(path, shared))
            sheets[-1].read(start, pieces)
        elif _SHARED.search(start):
            if sheets or shared.lengths.size > 1:
                raise _unreadable(path, "its shared text is not where spreadsheet programs write it")
            shared.read(start, pieces)
        else:
            _check_other(path, start, pieces)
    filled = sum(sheet.filled for sheet in sheets)
    if filled == 0:
        raise DeliveryRefused("empty_file", "no sheet has a cell", where=path.name, next_step="Send the file again, complete.")
    if filled > 2:
        raise _unreadable(
            path, "more than two of its sheets have content", "Leave only the sheet with the table, and send again."
        )
    return filled


def _unpacked(path: Path, file: IO[bytes], part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a part in pieces, to the end of its stream: the directory's size does not cut it off."""
    file.seek(part.header_offset)
    local = file.read(_LOCAL_HEADER)
    if len(local) < _LOCAL_HEADER or not local.startswith(b"PK\x03\x04"):
        raise _unreadable(path, "it is damaged")
    file.seek(int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little"), 1)
    left, unpacked, checksum = part.compress_size, 0, 0
    stream = zlib.decompressobj(-zlib.MAX_WBITS) if part.compress_type == zipfile.ZIP_DEFLATED else None
    place = file.tell()
    while left:
        file.seek(place)
        packed = file.read(min(left, _PIECE_BYTES))
        if not packed:
            raise _unreadable(path, "it is damaged")
        left, place = left - len(packed), place + len(packed)
        for piece in _inflated(path, stream, packed):
            unpacked += len(piece)
            checksum = zlib.crc32(piece, checksum)
            if unpacked > part.file_size:
                break
            yield piece
    ended = stream is None or (stream.eof and not stream.unused_data)
    if unpacked != part.file_size or checksum != part.CRC or not ended:
        raise _unreadable(path, "a part of it is damaged, or not of the size that its directory says")


def _inflated(path: Path, stream: zlib._Decompress | None, packed: bytes) -> Iterator[bytes]:
    if stream is None:
        yield packed
        return
    try:
        while packed:
            yield stream.decompress(packed, _PIECE_BYTES)
            packed = stream.unconsumed_tail
    except zlib.error:
        raise _unreadable(path, "a part of it is damaged") from None


def _check_other(path: Path, start: bytes, pieces: Iterator[bytes]) -> None:
    """A part that is neither a sheet nor shared text: it may not declare anything, nor turn out to be a sheet."""
    before = b""
    for piece in _and_rest(start, pieces):
        seen = before + piece
        if _DECLARATIONS.search(seen):
            raise _declares(path)
        if _SHEET.search(seen):
            raise _unreadable(path, "a sheet of it does not begin as sheets do")
        before = piece[-32:]


def _and_rest(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from pieces


def _whole(path: Path, start: bytes, pieces: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    """The same content in blocks that end where an element ends, but for the last one."""
    rest = b""
    for piece in _and_rest(start, pieces):
        rest += piece
        if cut := rest.rfind(end) + 1:
            cut += len(end) - 1
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > _MAX_ROW_BYTES:
            raise _unreadable(path, f"a row of it is longer than {_MAX_ROW_BYTES >> 20} MB")
    yield rest


def _elements(codes: NDArray[np.uint8], name: str) -> NDArray[np.int64]:
    """Where elements of a name of one letter begin, with or without a prefix: the places of the letter."""
    # first the letter alone, which few bytes are: all conditions on all bytes cost four times as much
    places = np.flatnonzero(codes[1:-1] == ord(name)) + 1
    before = codes[places - 1]
    begins: NDArray[np.bool_] = _SPACE[codes[places + 1]] & ((before == ord("<")) | (before == ord(":")))
    return places[begins]


def _padded(block: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(block + bytes(32), np.uint8)


@dataclass
class _Shared:
    """The text that the cells of a workbook share: how long each is, its markup included."""

    path: Path
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    def read(self, start: bytes, pieces: Iterator[bytes]) -> None:
        found: list[NDArray[np.int64]] = []
        for block in _whole(self.path, start, pieces, b"si>"):
            if b"<!" in block:
                raise _declares(self.path)
            places = np.array([match.end() for match in re.finditer(rb"<(?:\w+:)?si[\s/>]", block)], dtype=np.int64)
            found.append(np.diff(places, append=len(block)))
        # what refers to no text finds the last length, zero
        self.lengths = np.concatenate([*found, np.zeros(1, dtype=np.int64)])


@dataclass
class _Sheet:
    """How far the cells of one sheet reach, and how much text they refer to."""

    path: Path
    shared: _Shared
    filled: bool = False
    columns: int = 0
    rows: int = 0
    text_bytes: int = 0

    def read(self, start: bytes, pieces: Iterator[bytes]) -> None:
        for block in _whole(self.path, start, pieces, b"row>"):
            if b"<!" in block:
                raise _declares(self.path)
            if (b"<f" in block or b":f" in block) and _NO_RESULT.search(block):
                fix = "Open the workbook in a spreadsheet program and save it, or replace formulas by their values."
                raise _unreadable(self.path, "it holds formulas without their results", fix)
            codes = _padded(block)
            self._measure(codes, _elements(codes, "c"))
            self._count_text(codes, _elements(codes, "v"))
            self.filled = self.filled or re.search(rb"<(?:\w+:)?is[\s>]", block) is not None
            check_count_of_columns(self.path, self.columns)
            if self.rows * self.columns > MAX_CELLS or self.text_bytes > _MAX_TEXT_BYTES:
                what = f"a sheet of it reaches over more than {MAX_CELLS:,} cells, or repeats too long a text"
                fix = "Delete what stands outside the table; send a table of this size as CSV or Parquet."
                raise DeliveryRefused("too_large", what, where=self.path.name, next_step=fix)

    def _measure(self, codes: NDArray[np.uint8], cells: NDArray[np.int64]) -> None:
        """Take in where the cells stand, by the reference that each begins with."""
        if not cells.size:
            return
        refers = np.ones(cells.size, dtype=np.bool_)
        for offset, expected in enumerate(b' r="', start=1):
            refers &= codes[cells + offset] == expected
        column = np.zeros(cells.size, dtype=np.int64)
        row = np.zeros(cells.size, dtype=np.int64)
        # three letters and seven digits reach to the last cell of a sheet
        in_letters = np.ones(cells.size, dtype=np.bool_)
        open_ = in_letters.copy()
        for place in range(5, 16):
            code = codes[cells + place]
            letter = (code | 0x20) - np.uint8(ord("a"))
            digit = code - np.uint8(ord("0"))
            in_letters &= letter < 26
            column = np.where(in_letters, column * 26 + letter + 1, column)
            row = np.where(open_ & (digit < 10), row * 10 + digit, row)
            open_ &= code != ord('"')
        if open_.any() or not refers.all():
            raise _unreadable(self.path, "its cells do not say where they stand, as those of spreadsheet programs do")
        self.columns = max(self.columns, int(column.max()))
        self.rows = max(self.rows, int(row.max()))

    def _count_text(self, codes: NDArray[np.uint8], values: NDArray[np.int64]) -> None:
        """Count the text that values refer to. A whole number is taken for a reference too, which errs on the safe side."""
        if not values.size:
            return
        self.filled = True
        number = np.zeros(values.size, dtype=np.int64)
        going = np.ones(values.size, dtype=np.bool_)
        for place in range(2, 11):
            digit = codes[values + place] - np.uint8(ord("0"))
            going &= digit < 10
            number = np.where(going, number * 10 + digit, number)
        last = self.shared.lengths.size - 1
        self.text_bytes += int(self.shared.lengths[np.minimum(number, last)].sum())


_SAVE_ANEW = "Open the table in a spreadsheet program, save it as a new .xlsx workbook, and send again."


def _declares(path: Path) -> DeliveryRefused:
    return _unreadable(path, "a part of it holds declarations or comments, which spreadsheet programs do not write")


def _unreadable(path: Path, what: str, fix: str = _SAVE_ANEW) -> DeliveryRefused:
    return DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)
