"""How much a data file may hold, whatever its format, and the refusals of what holds more. Not here: how it is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mdlake.errors import DeliveryRefused

__all__ = ["MAX_COLUMNS", "MAX_CONTENT_BYTES", "MAX_RATIO", "check_content", "check_count_of_columns", "in_batches"]

MAX_COLUMNS = 2_000
"""No contract comes near it, and every reader costs memory by the column before the first row."""

MAX_CONTENT_BYTES = 8 << 30
"""What a file may unpack to. A month of 16 million rows of 16 columns, the largest in sight, has 2.5 GB as CSV."""

MAX_RATIO = 200
"""What a file may unpack to for each of its bytes. Deflate ends at 1032, which only repetition reaches; sheets of registers
unpack to 5 to 20 times, one that repeats a single row to about 100."""

_UNMEASURED_BYTES = 64 << 20
"""Below this the ratio says nothing: a small table of one repeated value packs to almost nothing, and harms nobody."""


def check_content(path: Path, unpacked: int, packed: int) -> None:
    """Refuse what unpacks to more than is read.

    Raises:
        DeliveryRefused: `too_large`.
    """
    if unpacked > MAX_CONTENT_BYTES:
        what = f"it unpacks to more than {MAX_CONTENT_BYTES >> 30} GB"
    elif unpacked > _UNMEASURED_BYTES and unpacked > packed * MAX_RATIO:
        what = f"it unpacks to more than {MAX_RATIO} times its size"
    else:
        return
    raise DeliveryRefused("too_large", what, where=path.name, next_step="Send the table alone, as your system exports it.")


def check_count_of_columns(path: Path, count: int) -> None:
    """Refuse a table of more columns than any contract has.

    Raises:
        DeliveryRefused: `too_many_columns`.
    """
    if count > MAX_COLUMNS:
        what = f"it has more than {MAX_COLUMNS:,} columns"
        fix = "Send the contract's columns alone, with the header as the contract has it."
        raise DeliveryRefused("too_many_columns", what, where=path.name, next_step=fix)


def in_batches(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in frames of `rows`, and a last one of what is left."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for frame in frames:
        waiting.append(frame)
        height += frame.height
        if height < rows:
            continue
        whole = pl.concat(waiting)
        for start in range(0, height - rows + 1, rows):
            yield whole.slice(start, rows)
        rest = height % rows
        waiting, height = ([whole.tail(rest)], rest) if rest else ([], 0)
    if height:
        yield pl.concat(waiting)
