"""Reading the one table of a delivered XLSX workbook as text; the first row that is not blank is its header.

Numbers come as spreadsheets keep them, without exponent and without a point where they are whole: a code that was stored as a
number has lost its leading zeros before it came here. Dates come as YYYY-MM-DD, truth as 1 and 0. A cell that holds an error
(#N/A) is refused, because blank would hide it. One sheet beside the table may have content, if its name says that it is the
guide of a template; it is not read. Not here: whether the package is sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats.xlsx_package import check_package
from mdlake.layers import MALFORMED, ROW

__all__ = ["GUIDE_SHEET", "read_header", "read_rows"]

GUIDE_SHEET = "راهنما"
"""Name of the sheet that explains the columns of a template."""

_MIDNIGHT = r"^(\d{4,}-\d{2}-\d{2}) 00:00:00$"


def read_header(path: Path) -> tuple[str, ...]:
    """The first row of the table.

    Raises:
        DeliveryRefused: `empty_file`, `unreadable_file`, `too_many_columns` or `too_large`.
    """
    header = _table(path, check_package(path), rows=1)
    return tuple("" if name is None else name for name in header.row(0))


def read_rows(path: Path, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a table, at most `rows` at a time. Blank rows at its end are none; inside it they are rows.

    Yields:
        `_row` (Int64, the row after the header is 1), the columns as text (a blank cell is null), and `_malformed`, which is
        null.

    Raises:
        DeliveryRefused: as `read_header`.
    """
    table = _table(path, check_package(path))
    table.columns = list(names)
    filled = table.select(pl.any_horizontal(pl.all() != "").arg_true().max()).item()
    table = table.slice(1, filled)
    for start in range(0, table.height, rows):
        batch = table.slice(start, rows).select(_as_delivered(pl.all()))
        numbers = pl.int_range(start + 1, start + 1 + batch.height, dtype=pl.Int64, eager=True).alias(ROW)
        yield batch.select(numbers, pl.all(), pl.lit(None, pl.String).alias(MALFORMED))


def _as_delivered(text: pl.Expr) -> pl.Expr:
    """Text of a cell as the parser gives it, in the way that every format writes it."""
    written = text.str.replace(_MIDNIGHT, "$1").replace({"true": "1", "false": "0"})
    return pl.when(written != "").then(written)


def _table(path: Path, filled: int, rows: int | None = None) -> pl.DataFrame:
    """The sheet that has content and is no guide, from its first row that is not blank, every cell as text."""
    try:
        workbook = fastexcel.read_excel(path)
        names = list(workbook.sheet_names)
        if filled > 1:
            if GUIDE_SHEET not in names or not workbook.load_sheet(GUIDE_SHEET, header_row=None, n_rows=1).total_height:
                fix = "Leave only the sheet with the table, and send again."
                raise _unreadable(path, "more than one of its sheets has content", fix)
            names.remove(GUIDE_SHEET)
        for name in names:
            sheet = workbook.load_sheet(name, header_row=None, n_rows=rows, dtypes="string")
            if sheet.total_height:
                break
        else:
            raise _unreadable(path, "its sheets and its list of sheets do not agree")
        cells, errors = sheet.to_arrow_with_errors()
    except fastexcel.FastExcelError:
        raise _unreadable(path, "it is damaged, or not as spreadsheet programs write workbooks") from None
    if errors is not None and errors.errors:
        raise _has_errors(path, errors.errors)
    return pl.DataFrame(pl.from_arrow(cells))


def _has_errors(path: Path, errors: Sequence[Any]) -> DeliveryRefused:
    row, column = errors[0].position
    what = f"{len(errors):,} cells hold an error instead of a value, the first in row {row + 1}, column {column + 1} of the table"
    return DeliveryRefused("unreadable_file", what, where=path.name, next_step="Correct these cells, and send again.")


_SAVE_ANEW = "Open the table in a spreadsheet program, save it as a new .xlsx workbook, and send again."


def _unreadable(path: Path, what: str, fix: str = _SAVE_ANEW) -> DeliveryRefused:
    return DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)
