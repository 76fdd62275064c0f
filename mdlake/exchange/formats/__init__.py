"""Reading the data file of a delivery, in the form that it is declared to have: CSV, XLSX, Parquet or DBF, always as text.

One module a format, each with `read_header` and `read_rows`; the form is declared, never guessed. Not here: what columns mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from mdlake.exchange.formats import csv, dbf, parquet, xlsx
from mdlake.exchange.formats.csv import NeedsStrictReading
from mdlake.exchange.formats.form import DELIMITERS, Encoding, FileFormat, Form
from mdlake.exchange.formats.xlsx import GUIDE_SHEET
from mdlake.exchange.formats.xlsx_package import MAX_CELLS

__all__ = [
    "DELIMITERS",
    "GUIDE_SHEET",
    "MAX_CELLS",
    "Encoding",
    "FileFormat",
    "Form",
    "NeedsStrictReading",
    "read_header",
    "read_rows",
]


def read_header(path: Path, form: Form) -> tuple[str, ...]:
    """The names of a file's columns, after every check that needs only its beginning or its directory.

    Raises:
        DeliveryRefused: `empty_file`, `unreadable_file`, `encoding`, `dialect`, `too_many_columns` or `too_large`.
    """
    match form.format:
        case "csv":
            return csv.read_header(path, form)
        case "xlsx":
            return xlsx.read_header(path)
        case "parquet":
            return parquet.read_header(path)
        case "dbf":
            return dbf.read_header(path, form)


def read_rows(path: Path, form: Form, names: Sequence[str], rows: int, *, strictly: bool = False) -> Iterator[pl.DataFrame]:
    """The rows of a file of which `read_header` has been read, about `rows` at a time.

    Args:
        names: a column's name for each field of the header.
        strictly: read CSV with the reader that is trusted with every file; to the other formats it is the same.

    Yields:
        `_row` (Int64, the first row is 1), the columns as text (a blank field is null), and `_malformed` (text): the whole
        line of a CSV file where it does not divide into the columns, which are then null.

    Raises:
        NeedsStrictReading: only of CSV; start again with `strictly`, what was yielded so far may be wrong.
        DeliveryRefused: as `read_header`.
    """
    match form.format:
        case "csv":
            yield from csv.read_rows(path, form, names, rows, strictly=strictly)
        case "xlsx":
            yield from xlsx.read_rows(path, names, rows)
        case "parquet":
            yield from parquet.read_rows(path, names, rows)
        case "dbf":
            yield from dbf.read_rows(path, form, names, rows)
