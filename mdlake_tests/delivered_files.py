"""Writers of data files for the tests of their readers, each by another hand than the reader's: no code of `mdlake` is used."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Sequence

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["csv_bytes", "dbf_bytes", "in_iran_system", "parquet_bytes", "xlsx_bytes"]

Table = Sequence[Sequence[str | None]]

_ISOLATED, _FINAL, _INITIAL, _MEDIAL = range(4)
_TWO_FORMS = {
    "ب": 0x92, "پ": 0x94, "ت": 0x96, "ث": 0x98, "ج": 0x9A, "چ": 0x9C, "ح": 0x9E, "خ": 0xA0, "س": 0xA7, "ش": 0xA9, "ص": 0xAB,
    "ض": 0xAD, "ف": 0xE9, "ق": 0xEB, "ک": 0xED, "گ": 0xEF, "م": 0xF4, "ن": 0xF6,
}  # fmt: skip
_FORMS = {letter: (code, code, code + 1, code + 1) for letter, code in _TWO_FORMS.items()} | {
    "ط": (0xAF,) * 4,
    "ظ": (0xE0,) * 4,
    "ع": (0xE1, 0xE2, 0xE4, 0xE3),
    "غ": (0xE5, 0xE6, 0xE8, 0xE7),
    "ل": (0xF1, 0xF1, 0xF3, 0xF3),
    "ه": (0xF9, 0xF9, 0xFB, 0xFA),
    "ی": (0xFD, 0xFC, 0xFE, 0xFE),
    "ا": (0x90, 0x91),
    **{letter: (code, code) for letter, code in zip("آدذرزژو", (0x8D, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xF8), strict=True)},
}
_OTHERS = {"ء": 0x8F, "،": 0x8A, "؟": 0x8C, **{chr(0x06F0 + digit): 0x80 + digit for digit in range(10)}}
_MIRRORED = dict(zip("()[]{}<>", ")(][}{><", strict=True))


def in_iran_system(text: str) -> bytes:
    """Persian text with numbers as a DOS program stores it: shaped, then turned around but for the numbers."""
    if text.isascii():
        return text.encode()
    line: list[bytes] = []
    number = bytearray()
    joins = False
    at = 0
    while at < len(text):
        letter, after = text[at], text[at + 1 : at + 2]
        if letter.isdigit() or (number and letter in "./" and after.isdigit()):
            number.append(_OTHERS.get(letter, ord(letter) & 0xFF))
            joins, at = False, at + 1
            continue
        line.append(bytes(number))
        number.clear()
        if letter in _FORMS:
            joined = joins
            joins = len(_FORMS[letter]) == 4 and after in _FORMS
            if letter + after == "لا":
                line.append(b"\xf2")
                joins, at = False, at + 1
            else:
                line.append(bytes([_FORMS[letter][joined + 2 * joins]]))
        elif letter != "\u200c":
            line.append(bytes([_OTHERS.get(letter, ord(_MIRRORED.get(letter, letter)) & 0xFF)]))
            joins = False
        else:
            joins = False
        at += 1
    return b"".join([*line, bytes(number)][::-1])


def csv_bytes(header: Sequence[str], rows: Table, encoding: str, delimiter: str, line_end: str = "\r\n") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerows([header, *([cell or "" for cell in row] for row in rows)])
    return text.getvalue().encode(encoding)


def xlsx_bytes(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (header, *rows):
        sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parquet_bytes(header: Sequence[str], rows: Table, **options: object) -> bytes:
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(header))]
    file = io.BytesIO()
    pq.write_table(pa.table(columns, names=list(header)), file, **options)
    return file.getvalue()


def dbf_bytes(
    header: Sequence[bytes], rows: Sequence[Sequence[bytes]], types: str | None = None, deleted: frozenset[int] = frozenset()
) -> bytes:
    """A table of dBase III; `deleted` are the numbers (from 1) of records that are."""
    widths = [max([1, *(len(row[at]) for row in rows)]) for at in range(len(header))]
    types = types or "C" * len(header)
    file = struct.pack("<B3BIHH20x", 3, 124, 3, 20, len(rows), 33 + 32 * len(header), 1 + sum(widths))
    for name, type_, width in zip(header, types, widths, strict=True):
        file += struct.pack("<11sc4xBB14x", name, type_.encode(), width, 0)
    file += b"\x0d"
    for number, row in enumerate(rows, start=1):
        file += b"*" if number in deleted else b" "
        file += b"".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return file + b"\x1a"
