"""The values that a column of a contract may have in a period, numbered from 0, as a producer would write them best.

Here: one column by itself. Which row gets which value is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from mdlake.config import Column, Contract
from mdlake.errors import MdlakeError
from mdlake.exchange.forms.intervals import intervals_of, months_of
from mdlake.standard import (
    Period,
    match_key_value,
    solar_hijri_from_gregorian,
    spelling_of,
)

__all__ = ["Values", "codes_of", "values_of"]

_NAME = "نمونه"
_NOTE = "نمونه است و معنا ندارد"
"""Both are of letters that every encoding of the exchange standard has, and need no change by the standard."""

_USUAL_NAMES = 1_000


@dataclass(frozen=True)
class Values:
    """The values of a column.

    Attributes:
        count: how many there are, one at least.
        written: String, the values of numbers (UInt64, below `count`).
    """

    count: int
    written: Callable[[pl.Series], pl.Series]


def values_of(contract: Contract, period: Period, rows: int, unit: str | None) -> dict[str, Values]:
    """The values of every column of a contract.

    Args:
        rows: how many different ones the statistical unit needs.
        unit: the reporting unit that each row names; None where there is none.

    Raises:
        MdlakeError: there is no right value of a column, or none that can be made.
    """
    intervals, months = intervals_of(contract, period, rows), months_of(contract, period)
    values: dict[str, Values] = {}
    for column in contract.columns:
        where = f"{contract.dataset} {contract.version}, column {column.name}"
        match column.type:
            case "identifier":
                assert column.identifier is not None
                values[column.name] = Values(column.identifier.count, column.identifier.numbered)
            case "code":
                own = unit if unit and column.name == contract.reporting_unit_column else None
                values[column.name] = _listed(
                    [codes_of(contract, column, period)[own]] if own else _codes(contract, column, period)
                )
            case "month":
                month = months[column.name]
                values[column.name] = _listed([f"{month.year}/{month.number:02}"])
            case "date":
                values[column.name] = _dates(*intervals[column.name], str(column.dates))
            case "integer" | "amount":
                values[column.name] = _numbers(*intervals[column.name], contract.missing_values)
            case "free_text":
                values[column.name] = _listed([_NOTE])
            case _ if column.pattern is not None:
                spelling = spelling_of(column.pattern, where=where)
                values[column.name] = Values(spelling.count, spelling.written)
            case _:
                values[column.name] = Values(max(_USUAL_NAMES, rows), _names)
    return values


def codes_of(contract: Contract, column: Column, period: Period) -> dict[str, str]:
    """The codes of a column that are valid in a period, each with how it is written so that it is read as this code.

    Raises:
        MdlakeError: no code is valid in the period, or it would be read as another one.
    """
    assert column.classification is not None
    words = {match_key_value(word): code for word, code in column.values.items()}
    written: dict[str, str] = {}
    for code in sorted(column.classification.valid_at(period)):
        # a word of the producer goes before a code: it may look like another one
        texts = [code, *(word for word, meant in column.values.items() if meant == code)]
        right = [text for text in texts if words.get(match_key_value(text), text) == code and text not in contract.missing_values]
        if right:
            written[code] = right[0]
    if not written:
        raise _unwritten(contract, column, period)
    return written


def _unwritten(contract: Contract, column: Column, period: Period) -> MdlakeError:
    what, fix = "no code that it needs can be written in this period", "Have the classification or the contract corrected."
    return MdlakeError(what, where=f"{contract.dataset} {period}, column {column.name}", next_step=fix)


def _codes(contract: Contract, column: Column, period: Period) -> list[str]:
    """Codes as they are written; first those that one row of a unit made of rows must have."""
    written = codes_of(contract, column, period)
    needed = [composition.code for composition in contract.compositions if composition.column == column.name]
    if not set(needed) <= set(written):
        raise _unwritten(contract, column, period)
    return [written[code] for code in dict.fromkeys([*needed, *written])]


def _listed(texts: Sequence[str]) -> Values:
    options = pl.Series(texts, dtype=pl.String)
    return Values(len(options), options.gather)


def _names(numbers: pl.Series) -> pl.Series:
    return f"{_NAME} " + (numbers + 1).cast(pl.String)


def _numbers(low: int, high: int, missing_values: Sequence[str]) -> Values:
    """Whole numbers without those by which the producer says that there is nothing."""
    nothing = sorted(int(text) for text in missing_values if text.lstrip("-").isdigit() and low <= int(text) <= high)
    if nothing:
        parts = zip([low - 1, *nothing], [*nothing, high + 1], strict=True)
        low, high = max(((before + 1, after - 1) for before, after in parts), key=lambda part: part[1] - part[0])
    return Values(high - low + 1, lambda numbers: (numbers.cast(pl.Int64) + low).cast(pl.String))


def _dates(first: int, last: int, hand: str) -> Values:
    day = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date).to_frame("day")
    parts = day.select(solar_hijri_from_gregorian(pl.col("day")).alias("parts")).unnest("parts")
    if hand == "gregorian":
        return _listed(day.to_series().dt.strftime("%Y/%m/%d").to_list())
    padded = (pl.col(part).cast(pl.String).str.zfill(width) for part, width in (("year", 4), ("month", 2), ("day", 2)))
    return _listed(parts.select(pl.concat_str(*padded, separator="/")).to_series().to_list())
