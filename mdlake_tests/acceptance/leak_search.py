"""A search of folders and texts for values that must not be there, in every form that a program may have given them.

Here: the forms of a value, and how files are opened up (Parquet, SQLite, gzip, zlib, escaped and wide text). Not here:
which values are looked for, and where. It imports nothing of mdlake, so that it cannot share a blind spot with it.
"""

from __future__ import annotations

import base64
import gzip
import re
import sqlite3
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import polars as pl

__all__ = ["Needles", "found_in_bytes", "found_in_folder"]

_DEPTH = 4
_DIGITS = str.maketrans({ord(digit): str(n % 10) for n, digit in enumerate("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩")})
_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "أ": "ا", "إ": "ا", "آ": "ا"})
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\u0640\ufeff\u00ad]")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_PERCENT = re.compile(rb"(?:%[0-9a-fA-F]{2})+")
_GZIP_HEAD = b"\x1f\x8b"
_ZLIB_HEADS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


@dataclass(frozen=True)
class Needles:
    """Values to look for: `codes` are of digits, `names` of letters."""

    codes: tuple[str, ...]
    names: tuple[str, ...]

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """What to look for in folded text, with the value that it stands for; codes also without their first zeros."""
        short = {code.lstrip("0"): code for code in self.codes}
        return {**short, **{_folded(value): value for value in (*self.codes, *self.names)}}

    @cached_property
    def forms(self) -> Mapping[bytes, str]:
        """What to look for in bytes: hexadecimal, Base64 at each of its three alignments, wide text."""
        forms: dict[bytes, str] = {}
        for text, value in self.texts.items():
            for encoded in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
                forms |= dict.fromkeys((encoded, encoded.hex().encode(), encoded.hex().upper().encode()), value)
                forms |= dict.fromkeys(_base64_forms(encoded), value)
        return forms


def found_in_folder(folder: Path, needles: Needles, without: Iterable[str] = ()) -> dict[str, set[str]]:
    """The values that stand anywhere below a folder, by relative path; names of files and folders are searched too.

    Args:
        without: names of direct subfolders that are passed over.
    """
    passed_over = set(without)
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if relative.parts[0] in passed_over:
            continue
        hits = found_in_bytes(str(relative).encode(), needles)
        if path.is_file():
            hits |= found_in_bytes(path.read_bytes(), needles)
            hits |= {hit for part in _sqlite_parts(path) for hit in found_in_bytes(part, needles)}
        if hits:
            found[str(relative)] = hits
    return found


def found_in_bytes(data: bytes, needles: Needles) -> set[str]:
    """The values that stand in some bytes, or in what these bytes unpack to."""
    found: set[str] = set()
    for part in _unpacked(data, _DEPTH):
        found |= {value for form, value in needles.forms.items() if form in part}
        text = _folded(part.decode("utf-8", "ignore"))
        found |= {value for form, value in needles.texts.items() if form in text}
    return found


def _unpacked(data: bytes, depth: int) -> Iterator[bytes]:
    """The bytes as they are, and everything that is packed in them."""
    yield data
    unquoted = _unquoted(data)
    if unquoted:
        yield unquoted
    for part in (_gunzipped(data), _inflated(data), _parquet_text(data)):
        if part and depth:
            yield from _unpacked(part, depth - 1)


def _gunzipped(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data) if data.startswith(_GZIP_HEAD) else None
    except (OSError, EOFError, zlib.error):
        return None


def _inflated(data: bytes) -> bytes | None:
    try:
        return zlib.decompress(data) if data.startswith(_ZLIB_HEADS) else None
    except zlib.error:
        return None


def _parquet_text(data: bytes) -> bytes | None:
    """All columns as text, a line per row."""
    if not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        return None
    text = BytesIO()
    pl.read_parquet(BytesIO(data), hive_partitioning=False).write_ndjson(text)
    return text.getvalue()


def _unquoted(data: bytes) -> bytes | None:
    r"""The bytes with percent signs and \u escapes undone; None where there are none."""
    text = _PERCENT.sub(lambda match: bytes.fromhex(match[0].replace(b"%", b"").decode()), data)
    if b"\\u" in text:
        decoded = text.decode("utf-8", "replace")
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), decoded).encode("utf-8", "replace")
    return None if text == data else text


def _sqlite_parts(path: Path) -> Iterator[bytes]:
    """Every table of a database as text, and every packed value; what was deleted still stands in the bytes of the file."""
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\x00":
            return
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
            values = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
            yield b"\n".join(values)
            yield from (value for value in values if value.startswith((_GZIP_HEAD, *_ZLIB_HEADS)))


def _folded(text: str) -> str:
    """Text with the digits and letters of one script, and without what the eye does not see."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).translate(_DIGITS).translate(_LETTERS)


def _base64_forms(data: bytes) -> set[bytes]:
    """The part of the Base64 of `data` that does not depend on its neighbours, at each alignment, in both alphabets."""
    forms = set()
    for lead in range(3):
        text = base64.b64encode(b"\x00" * lead + data)
        body = text[-(-lead * 8 // 6) : len(lead * b"\x00" + data) * 8 // 6]
        forms |= {body, body.replace(b"+", b"-").replace(b"/", b"_")}
    return forms
