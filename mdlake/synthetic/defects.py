"""What is wrong in a delivery on purpose: classes of defects, how often they fall, what they do to a record.

A record has at most one defect, so that the ground truth can say which rule must find it. Ways of writing
that do no harm are in `handwriting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mdlake.errors import ConfigurationError, UnknownName
from mdlake.synthetic.calendar import date_texts
from mdlake.synthetic.page import Page, overwritten
from mdlake.synthetic.randomness import Bits, Ints, Stream

__all__ = [
    "Defect",
    "Spoil",
    "after_the_month",
    "default_rates",
    "drawn_defects",
    "end_before_start",
    "impossible_date",
    "malformed_code",
    "missing",
    "one_of",
    "rates_with",
    "spoiled",
    "wrong_check_digit",
]

Spoil = Callable[[Page, Ints, Bits], dict[str, pl.Series]]
"""(page, rows of it, 64 random bits per row) → new values for these rows, by column."""

_NOT_A_DAY = ("1403/13/45", "1402/00/10", "1399/12/31")


@dataclass(frozen=True)
class Defect:
    """One class of defects; `rate` is its usual share. Without `spoil`, the record is written twice."""

    name: str
    rate: float
    spoil: Spoil | None


def default_rates(defects: Sequence[Defect]) -> dict[str, float]:
    """The usual share of records of each class."""
    return {defect.name: defect.rate for defect in defects}


def rates_with(defects: Sequence[Defect], overrides: Mapping[str, float], *, where: str) -> dict[str, float]:
    """The rates of a delivery: the usual ones, with those asked for in their place.

    Raises:
        UnknownName: a class that the dataset does not have.
        ConfigurationError: a rate below 0, or rates that are more than 1 together.
    """
    rates = default_rates(defects)
    for name in overrides:
        if name not in rates:
            raise UnknownName("defect class", name, rates, where=where)
    rates |= overrides
    if min(rates.values(), default=0.0) < 0 or sum(rates.values()) > 1:
        raise ConfigurationError(
            "the rates of defects are not shares of the records",
            where=where,
            next_step="Give rates from 0 whose sum, with the usual rates of the other classes, is 1 at most.",
        )
    return rates


def drawn_defects(stream: Stream, record: Ints, rates: Mapping[str, float]) -> Ints:
    """For each record the place of its defect class in `rates`, or -1."""
    place = np.searchsorted(np.cumsum(list(rates.values())), stream.unit(record), side="right")
    return np.where(place < len(rates), place, -1)


def spoiled(page: Page, defects: Sequence[Defect], drawn: Ints, draw: Bits) -> Page:
    """The page with each record's defect in it; records that are to be written twice are as they were."""
    text = page.text
    for place, defect in enumerate(defects):
        at = np.flatnonzero(drawn == place)
        if at.size and defect.spoil is not None:
            text = overwritten(text, at, defect.spoil(page, at, draw[at]))
    return page.with_text(text)


def _chosen(values: Sequence[str], draw: Bits) -> pl.Series:
    return pl.Series(values).gather((draw % np.uint64(len(values))).astype(np.int64))


def wrong_check_digit(*columns: str) -> Spoil:
    """Another last digit, in each of the columns that holds a code."""

    def spoil(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        step = pl.Series((1 + draw % np.uint64(9)).astype(np.int64))
        result = {}
        for column in columns:
            code = page.text[column].gather(at)
            last = (code.str.slice(-1).cast(pl.Int64) + step) % 10
            result[column] = code.str.replace(r".$", "") + last.cast(pl.String)
        return result

    return spoil


def missing(column: str) -> Spoil:
    """No value."""
    return lambda page, at, draw: {column: page.text[column].clear(at.size)}


def one_of(column: str, *values: str) -> Spoil:
    """One of some values that nobody should write there."""
    return lambda page, at, draw: {column: _chosen(values, draw)}


def malformed_code(column: str) -> Spoil:
    """A letter among the digits, or three digits too many: nothing that padding with zeros could mend."""

    def spoil(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        code = page.text[column].gather(at)
        lettered = code.str.head(3) + "X" + code.str.slice(4)
        return {column: lettered.zip_with(pl.Series(draw % np.uint64(2) == 0), code + "123")}

    return spoil


def impossible_date(*columns: str) -> Spoil:
    """A day that the calendar does not have, in one of the columns."""

    def spoil(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        column_number = (draw >> np.uint64(32)) % np.uint64(len(columns))
        bad = _chosen(_NOT_A_DAY, draw)
        return {
            column: bad.zip_with(pl.Series(column_number == number), page.text[column].gather(at))
            for number, column in enumerate(columns)
        }

    return spoil


def end_before_start(start: str, end: str) -> Spoil:
    """An end up to 300 days before the start."""
    return lambda page, at, draw: {end: date_texts(page.days[start][at] - 1 - (draw % np.uint64(300)).astype(np.int64))}


def after_the_month(column: str) -> Spoil:
    """A day up to 300 days after the month of the record; the page's day `month` is the last of it."""
    return lambda page, at, draw: {column: date_texts(page.days["month"][at] + 1 + (draw % np.uint64(300)).astype(np.int64))}
