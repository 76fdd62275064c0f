"""From values of a fixed width, bytes of a code page, to a column of text: all values at once. Not here: any code page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["TextTable", "text_column", "text_table"]


class TextTable(NamedTuple):
    """The UTF-8 bytes of each code.

    Attributes:
        text: (codes, longest), padded with zeros.
        lengths: (codes,), number of bytes.
    """

    text: NDArray[np.uint8]
    lengths: NDArray[np.uint8]


def text_table(characters: Sequence[str]) -> TextTable:
    """The table of the text that stands for each code from 0."""
    encoded = [character.encode() for character in characters]
    longest = max(map(len, encoded))
    text = np.frombuffer(b"".join(code.ljust(longest, b"\0") for code in encoded), np.uint8).reshape(-1, longest)
    return TextTable(text, np.array([len(code) for code in encoded], dtype=np.uint8))


def text_column(name: str, codes: NDArray[Any], table: TextTable, *, blank: int = 0x20) -> pl.Series:
    """A column of the values without the blanks around them; null where nothing is left.

    Args:
        codes: one value a line, (n, width), indices into the table.
    """
    count, width = codes.shape
    filled = codes != blank
    some = filled.any(axis=1)
    first = np.where(some, filled.argmax(axis=1), width)
    last = np.where(some, width - filled[:, ::-1].argmax(axis=1), width)
    places = np.arange(width)
    flat = codes[(places >= first[:, None]) & (places < last[:, None])]
    ends = np.cumsum(last - first)
    if flat.size and int(flat.max()) >= 0x80:
        lengths = table.lengths[flat]
        content = table.text[flat][np.arange(table.text.shape[1]) < lengths[:, None]]
        ends = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))[ends]
    else:
        content = table.text[flat, 0]
    offsets = np.concatenate(([0], ends)).astype(np.int64)
    validity = np.packbits(some, bitorder="little")
    buffers = [pa.py_buffer(part) for part in (validity, offsets, np.ascontiguousarray(content))]
    return pl.Series(name, pa.LargeStringArray.from_buffers(count, buffers[1], buffers[2], buffers[0], int(count - some.sum())))
