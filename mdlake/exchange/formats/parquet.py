"""Reading a delivered Parquet file as text, a batch of rows at a time.

Every type has one way to be written: whole numbers without point or exponent, truth as 1 and 0, dates as YYYY-MM-DD, a moment
as a date if it is midnight. Nested, binary and duration columns are refused, and moments of universal time, because their
date depends on where they are read. Not here: the other formats' text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats.limits import check_content, check_count_of_columns
from mdlake.exchange.formats.plain_text import plain_text
from mdlake.layers import MALFORMED, ROW

__all__ = ["read_header", "read_rows"]

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_BATCH_BYTES = 1 << 29
_BUFFER_BYTES = 1 << 20
_FIRST_DAY, _LAST_DAY = ((day - date(1970, 1, 1)).days for day in (date.min, date.max))
_OF_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_ARROW_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, MemoryError)
"""What the library raises of a file whose footer or pages lie; `ArrowInvalid` is a `ValueError`."""


def read_header(path: Path) -> tuple[str, ...]:
    """The names of the columns, after every check that needs only the footer.

    Raises:
        DeliveryRefused: `empty_file`, `unreadable_file`, `too_many_columns` or `too_large`.
    """
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def read_rows(path: Path, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a file, at most `rows` at a time.

    Yields:
        `_row` (Int64 from 1), the columns as text (null where it is empty), and `_malformed`, which is null.

    Raises:
        DeliveryRefused: `unreadable_file` or `too_large`.
    """
    size, content, first = path.stat().st_size, 0, 1
    with _opened(path) as file:
        declared = file.metadata.num_rows
        try:
            for batch in file.iter_batches(batch_size=rows, use_threads=False):
                batch.validate(full=True)
                height = batch.num_rows
                content += _text_bytes(path, batch)
                check_content(path, content, size)
                columns = [_column(path, column, name) for column, name in zip(batch.columns, names, strict=True)]
                numbers = pl.int_range(first, first + height, eager=True).alias(ROW)
                first += height
                yield pl.DataFrame([numbers, *columns, pl.Series(MALFORMED, [None] * height, pl.String)])
        except _ARROW_ERRORS:
            raise _unreadable(path, "its pages are damaged, or are not as its footer says") from None
    if first - 1 != declared:
        raise _unreadable(path, "it has another number of rows than its footer says")


def _opened(path: Path) -> pq.ParquetFile:
    """The file with its footer read and found to be one that can be read."""
    _check_ends(path)
    try:
        metadata = pq.read_metadata(path)
        check_count_of_columns(path, metadata.num_columns)
        schema = metadata.schema.to_arrow_schema()
        texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
        # text stays in its dictionary until it is known how long it gets: a page of one long value, repeated a million
        # times, takes no more room in a file than one
        file = pq.ParquetFile(
            path,
            metadata=metadata,
            read_dictionary=texts,
            buffer_size=_BUFFER_BYTES,
            page_checksum_verification=True,
            arrow_extensions_enabled=False,
        )
        # of the groups only, never of their columns: asking for a column whose statistics lie ends the whole process
        unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    except _ARROW_ERRORS:
        raise _unreadable(path, "its footer is damaged, or not that of a Parquet file") from None
    if len(file.schema_arrow) == 0:
        raise DeliveryRefused("empty_file", "the file has no column", where=path.name, next_step="Send the file again, complete.")
    check_content(path, unpacked, path.stat().st_size)
    odd = [number for number, field in enumerate(file.schema_arrow, start=1) if not _is_readable(field.type)]
    if odd:
        numbers = ", ".join(map(str, odd[:10]))
        fix = "Send text, numbers, truth values, dates or local times in flat columns."
        what = f"columns of a type that is not read, at position {numbers}"
        raise DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)
    return file


def _check_ends(path: Path) -> None:
    size = path.stat().st_size
    if size == 0:
        raise DeliveryRefused("empty_file", "the file is empty", where=path.name, next_step="Send the file again, complete.")
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(max(0, size - 4))
        end = file.read(4)
    if _ENCRYPTED in (start, end):
        raise _unreadable(path, "it is encrypted")
    if start != _MAGIC or end != _MAGIC or size < 3 * len(_MAGIC):
        raise _unreadable(path, "it does not begin and end as Parquet files do")


def _is_readable(type_: Any) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_readable(type_.value_type)
    if pa.types.is_timestamp(type_):
        return type_.tz is None
    is_kind = pa.types
    return any(
        of_kind(type_)
        for of_kind in (
            is_kind.is_string,
            is_kind.is_large_string,
            is_kind.is_string_view,
            is_kind.is_integer,
            is_kind.is_floating,
            is_kind.is_boolean,
            is_kind.is_decimal,
            is_kind.is_date,
            is_kind.is_null,
        )
    )


def _text_bytes(path: Path, batch: Any) -> int:
    """How long the text of a batch gets, a byte between two values included, before it is made.

    Raises:
        DeliveryRefused: `too_large`.
    """
    content: int = batch.num_rows * batch.num_columns
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and len(column.dictionary):
            lengths = pc.binary_length(column.dictionary.cast(pa.large_string()))
            content += pc.sum(lengths.take(column.indices)).as_py() or 0
        else:
            content += column.nbytes
    if content > _BATCH_BYTES:
        what = f"{batch.num_rows:,} of its rows hold more than {_BATCH_BYTES >> 20} MB of text"
        raise DeliveryRefused(
            "too_large", what, where=path.name, next_step="Send the contract's columns alone, without documents."
        )
    return content


def _column(path: Path, column: Any, name: str) -> pl.Series:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    series = pl.Series(name, column)
    _check_days(path, series)
    return plain_text(pl.DataFrame([series])).to_series()


def _check_days(path: Path, moments: pl.Series) -> None:
    """Refuse dates that no calendar writes with four digits; the largest that a file may hold are none at all."""
    if isinstance(moments.dtype, pl.Datetime):
        days = moments.to_physical() // _OF_A_DAY[moments.dtype.time_unit]
    elif moments.dtype == pl.Date:
        days = moments.to_physical()
    else:
        return
    if not days.is_between(_FIRST_DAY, _LAST_DAY).all():
        fix = "Write dates as dates, and what is no date as null."
        what = "it holds dates outside of the years 1 to 9999"
        raise DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)


def _unreadable(path: Path, what: str) -> DeliveryRefused:
    fix = "Write the table anew as a plain, unencrypted Parquet file, and send again."
    return DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)
