"""An empty table with a contract's columns, to be filled by hand. As a workbook it explains itself: notes, lists, a guide.

Cells of identifiers, codes and dates are text, so that a spreadsheet neither drops a zero nor makes a date of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mdlake.config import Column, Contract
from mdlake.errors import MdlakeError
from mdlake.exchange.formats import GUIDE_SHEET, Form
from mdlake.exchange.forms.explanation import conditions, explained
from mdlake.exchange.forms.writing import appearing, encoded, new_workbook
from mdlake.standard import Period

__all__ = ["write_template"]

_LAST_ROW = 1_048_575
_WIDTHS = {"identifier": 15, "text": 18, "free_text": 40, "code": 10, "integer": 10, "amount": 16, "date": 12, "month": 10}
_LISTED = 120
"""A list of more codes is no help in a cell; it stands on the guide's sheet all the same."""

_GUIDE = ((26, "fa"), (26, "fa"), (26, "en"), (48, "fa"), (48, "en"), (16, "fa"))
"""Width and language of the columns of the guide."""


_NOTE_WIDTH, _LINE_HEIGHT, _LINE_LETTERS = 330, 17, 45
_BYTE_ORDER_MARK = "\ufeff"

_Formats = Mapping[str, Any]


def write_template(path: Path, form: Form, contract: Contract, period: Period) -> None:
    """Write the empty table of a period, CSV or XLSX, to a new file.

    Raises:
        MdlakeError: the file is there already, or the form is another one.
    """
    with appearing(path) as temporary:
        match form.format:
            case "csv":
                temporary.write_bytes(_header_line(contract, form))
            case "xlsx":
                _write_workbook(temporary, contract, period)
            case _:
                raise MdlakeError("nobody fills such a table by hand", where=path.name, next_step="Choose xlsx or csv.")


def _header_line(contract: Contract, form: Form) -> bytes:
    delimiter = form.delimiter or ","
    headers = (column.header for column in contract.columns)
    line = delimiter.join(f'"{header}"' if delimiter in header or '"' in header else header for header in headers)
    # a spreadsheet takes a CSV file for UTF-8 only if it begins so
    return encoded((_BYTE_ORDER_MARK if form.encoding == "utf-8" else "") + line + "\n", form)


def _write_workbook(path: Path, contract: Contract, period: Period) -> None:
    with new_workbook(path, period) as workbook:
        bold = {"bold": True, "border": 1, "text_wrap": True, "valign": "vcenter", "align": "center"}
        formats = {
            "required": workbook.add_format(bold | {"bg_color": "#FFE699"}),
            "optional": workbook.add_format(bold | {"bg_color": "#E7E6E6"}),
            "text": workbook.add_format({"num_format": "@"}),
            "number": workbook.add_format({"num_format": "#,##0"}),
        }
        for language, direction, side in (("fa", 2, "right"), ("en", 1, "left")):
            words = {"num_format": "@", "text_wrap": True, "valign": "top", "reading_order": direction, "align": side}
            formats |= {language: workbook.add_format(words), f"title {language}": workbook.add_format(words | {"bold": True})}
        table, guide = workbook.add_worksheet("data"), workbook.add_worksheet(GUIDE_SHEET)
        for sheet in (table, guide):
            sheet.right_to_left()
            sheet.freeze_panes(1, 0)
            sheet.set_landscape()
            sheet.fit_to_pages(1, 0)
        places = _write_guide(guide, contract, period, formats)
        table.set_comments_author("mdlake")
        for at, column in enumerate(contract.columns):
            _write_column(table, at, column, contract, period, formats)
            _restrict(table, at, column, places)


def _write_column(sheet: Any, at: int, column: Column, contract: Contract, period: Period, formats: _Formats) -> None:
    is_number = column.type in ("integer", "amount")
    width = max(_WIDTHS[column.type], len(column.header) + 2)
    sheet.set_column(at, at, width, formats["number" if is_number else "text"])
    sheet.write_string(0, at, column.header, formats["required" if column.required else "optional"])
    lines = explained(contract, column, period).lines()
    height = _LINE_HEIGHT * (1 + sum(1 + len(line) // _LINE_LETTERS for line in lines))
    sheet.write_comment(0, at, "\n".join(lines), {"width": _NOTE_WIDTH, "height": height, "font_size": 9})


def _restrict(sheet: Any, at: int, column: Column, places: Mapping[str, tuple[int, int]]) -> None:
    """What a spreadsheet warns of while the column is filled. It only warns: the contract's words are right as well."""
    rule: dict[str, Any] = {"error_type": "warning", "error_title": "mdlake", "error_message": "قرارداد این مقدار را ندارد"}
    if column.classification is not None:
        first, last = places[column.classification.name]
        if last - first >= _LISTED:
            return
        rule |= {"validate": "list", "source": f"='{GUIDE_SHEET}'!$B${first + 1}:$B${last + 1}"}
    elif column.minimum is not None and column.maximum is not None:
        rule |= {"validate": "integer", "criteria": "between", "minimum": column.minimum, "maximum": column.maximum}
    elif column.minimum is not None:
        rule |= {"validate": "integer", "criteria": ">=", "value": column.minimum}
    else:
        return
    sheet.data_validation(1, at, _LAST_ROW, at, rule)


def _write_guide(sheet: Any, contract: Contract, period: Period, formats: _Formats) -> dict[str, tuple[int, int]]:
    """The columns, what holds between them, and the lists of codes; the first and last row of each list, by its name."""
    for at, (width, _) in enumerate(_GUIDE):
        sheet.set_column(at, at, width)
    titles = ("سرستون / header", "معنا", "meaning", "چه بنویسید", "what to write", "لازم / required")
    at = _write_texts(sheet, 0, titles, formats, "title ")
    for column in contract.columns:
        told = explained(contract, column, period)
        fa, en = (f"، {told.unit.fa}", f", {told.unit.en}") if told.unit else ("", "")
        forms = (f"{told.kind.fa}{fa}: {told.form.fa}", f"{told.kind.en}{en}: {told.form.en}")
        needed = "بله / yes" if column.required else "خیر / no"
        at = _write_texts(sheet, at, (column.header, told.label.fa, told.label.en, *forms, needed), formats)
    at = _write_texts(sheet, at + 1, ("شرط‌ها / conditions",), formats, "title ")
    for condition in conditions(contract):
        at = _write_texts(sheet, at, ("", "", "", condition.fa, condition.en), formats)
    at = _write_texts(sheet, at + 1, ("فهرست / list", "کد / code", "", "معنا", "meaning"), formats, "title ")
    places: dict[str, tuple[int, int]] = {}
    for classification in dict.fromkeys(c.classification for c in contract.columns if c.classification):
        first = at
        for code in (entry for entry in classification.codes if entry.is_valid_at(period)):
            at = _write_texts(sheet, at, (classification.title_fa, code.code, "", code.label_fa, code.label_en), formats)
        places[classification.name] = first, at - 1
    return places


def _write_texts(sheet: Any, row: int, texts: Sequence[str], formats: _Formats, style: str = "") -> int:
    """Write texts into a row that is high enough for them, and return the number of the next one."""
    lines = max(math.ceil(len(text) / width) for text, (width, _) in zip(texts, _GUIDE, strict=False))
    sheet.set_row(row, _LINE_HEIGHT * max(lines, 1))
    for at, text in enumerate(texts):
        sheet.write_string(row, at, text, formats[style + _GUIDE[at][1]])
    return row + 1
