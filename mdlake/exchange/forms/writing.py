"""Writing rows of a contract as a producer would: CSV, XLSX or Parquet, batch by batch, under the contract's headers.

A file has its name when it is complete, and takes nobody else's place. DBF is not written: its names of columns end after ten
characters, and headers of contracts do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, time
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import xlsxwriter

from mdlake.config import Contract
from mdlake.errors import MdlakeError
from mdlake.exchange.formats import MAX_CELLS, Form
from mdlake.standard import Period

__all__ = ["appearing", "encoded", "new_workbook", "write_dummy"]

_SHEET_ROWS = 1_048_576
_NUMBERS = frozenset({"integer", "amount"})
_FOLDED = str.maketrans({"ی": "ي", "ۀ": "ه", "ٔ": None} | {chr(0x06F0 + digit): str(digit) for digit in range(10)})
"""What Windows-1256 has no character for, in another spelling of the same header."""


def write_dummy(path: Path, form: Form, contract: Contract, period: Period, rows: Iterable[pl.DataFrame]) -> None:
    """Write rows, as `invented_rows` gives them, to a new file.

    Raises:
        MdlakeError: the file is there already, or the form cannot hold these rows.
    """
    with appearing(path) as temporary:
        match form.format:
            case "csv":
                _write_csv(temporary, form, contract, rows)
            case "xlsx":
                _write_xlsx(temporary, contract, period, rows)
            case "parquet":
                _write_parquet(temporary, contract, rows)
            case "dbf":
                fix = "Choose csv, xlsx or parquet."
                raise MdlakeError("headers of contracts are too long for DBF", where=path.name, next_step=fix)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Where to write a file that gets its name when it is complete.

    Raises:
        MdlakeError: there is a file of this name.
    """
    if path.exists():
        fix = "Move it away, or choose another folder."
        raise MdlakeError("the file is there already, and may hold somebody's work", where=str(path), next_step=fix)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def encoded(text: str, form: Form) -> bytes:
    """Text of a CSV file in its encoding.

    Raises:
        MdlakeError: the encoding has no character for a letter of it.
    """
    if form.encoding == "utf-8":
        return text.encode()
    try:
        return text.translate(_FOLDED).encode("windows-1256")
    except UnicodeEncodeError:
        fix = "Choose utf-8."
        raise MdlakeError("a header or a code has a letter that Windows-1256 does not have", next_step=fix) from None


def new_workbook(path: Path, period: Period) -> Any:
    """A workbook whose cells are written row by row, and which is the same whenever it is written."""
    workbook = xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    workbook.set_properties({"created": datetime.combine(period.first_day, time())})
    return workbook


def _write_csv(path: Path, form: Form, contract: Contract, rows: Iterable[pl.DataFrame]) -> None:
    with path.open("wb") as file:
        for number, batch in enumerate(rows):
            text = BytesIO()
            batch.rename(_headers(contract)).write_csv(text, separator=form.delimiter or ",", include_header=number == 0)
            file.write(text.getbuffer() if form.encoding == "utf-8" else encoded(text.getvalue().decode(), form))


def _write_xlsx(path: Path, contract: Contract, period: Period, rows: Iterable[pl.DataFrame]) -> None:
    width, at = len(contract.columns), 1
    with new_workbook(path, period) as workbook:
        sheet = workbook.add_worksheet("data")
        sheet.right_to_left()
        sheet.write_row(0, 0, [column.header for column in contract.columns], workbook.add_format({"bold": True}))
        for batch in rows:
            if at + batch.height > _SHEET_ROWS or (at + batch.height) * width > MAX_CELLS:
                fix = "Ask for fewer rows, or for csv or parquet."
                raise MdlakeError("a sheet does not hold so many rows", where=contract.dataset, next_step=fix)
            for row in _with_numbers(batch, contract).iter_rows():
                for place, cell in enumerate(row):
                    if isinstance(cell, str):
                        sheet.write_string(at, place, cell)
                    elif cell is not None:
                        sheet.write_number(at, place, cell)
                at += 1


def _write_parquet(path: Path, contract: Contract, rows: Iterable[pl.DataFrame]) -> None:
    writer = None
    try:
        for batch in rows:
            table = _with_numbers(batch, contract).rename(_headers(contract)).to_arrow()
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _headers(contract: Contract) -> dict[str, str]:
    return {column.name: column.header for column in contract.columns}


def _with_numbers(batch: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Numbers as numbers; what is made of digits and is none, such as a code, stays text and keeps its zeros."""
    return batch.with_columns(pl.col(c.name).cast(pl.Int64) for c in contract.columns if c.type in _NUMBERS)
