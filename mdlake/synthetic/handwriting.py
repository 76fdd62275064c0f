"""How offices write: digits, letters, dates and blanks that change the text of a value and not its meaning.

A habit belongs to an office (all its records) or falls on single records. It is recorded for a record only
where it changed something. All of this must be normalized away; what must be refused is in `defects`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from mdlake.synthetic.page import Page, overwritten
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["Habit", "Hands", "Marks", "habits_of"]

Marks = npt.NDArray[np.uint32]
"""One bit per habit, in the order of the dataset's habits, at most 32."""

_ASCII = list("0123456789")
_PERSIAN_DIGITS = [chr(0x06F0 + digit) for digit in range(10)]
_ARABIC_INDIC_DIGITS = [chr(0x0660 + digit) for digit in range(10)]
_PERSIAN_LETTERS, _ARABIC_LETTERS = ["\u06cc", "\u06a9"], ["\u064a", "\u0643"]
_NBSP, _TATWEEL = "\u00a0", "\u0640"
_JOINING = "بپتثجچحخسشصضطظعغفقکگلمنهی"


@dataclass(frozen=True)
class Habit:
    """One way of writing.

    Of the habits with the same `choice`, an office or a record has at most one. `share` is that of offices
    or of records.
    """

    name: str
    choice: str
    share: float
    of: Literal["office", "record"]
    columns: tuple[str, ...]
    """Columns it falls on; none given means all."""
    change: Callable[[pl.Expr], pl.Expr]


def _without_leading_zeros(code: pl.Expr) -> pl.Expr:
    return code.str.strip_chars_start("0")


def _with_dashes(date: pl.Expr) -> pl.Expr:
    return date.str.replace_all("/0?", "-")


def _compact(date: pl.Expr) -> pl.Expr:
    return date.str.replace_all("/", "", literal=True)


def _unpadded(date: pl.Expr) -> pl.Expr:
    return date.str.replace_all("/0", "/", literal=True)


def _unpadded_in_persian(date: pl.Expr) -> pl.Expr:
    return _in_persian_digits(_unpadded(date))


def _stretched(name: pl.Expr) -> pl.Expr:
    return name.str.replace(rf"([{_JOINING}])(\p{{L}})", rf"${{1}}{_TATWEEL}${{2}}")


def _with_double_spaces(name: pl.Expr) -> pl.Expr:
    return name.str.replace_all(" ", "  ", literal=True)


def _with_blanks_around(value: pl.Expr) -> pl.Expr:
    return " " + value + "  "


def _with_nbsp_around(value: pl.Expr) -> pl.Expr:
    return _NBSP + value + _NBSP


def _in_arabic_letters(value: pl.Expr) -> pl.Expr:
    return value.str.replace_many(_PERSIAN_LETTERS, _ARABIC_LETTERS)


def _in_persian_digits(value: pl.Expr) -> pl.Expr:
    return value.str.replace_many(_ASCII, _PERSIAN_DIGITS)


def _in_arabic_indic_digits(value: pl.Expr) -> pl.Expr:
    return value.str.replace_many(_ASCII, _ARABIC_INDIC_DIGITS)


def habits_of(
    *,
    codes: tuple[str, ...] = (),
    dates: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
    padded: tuple[str, ...] = (),
) -> tuple[Habit, ...]:
    """The habits of a dataset's offices, in the order in which they fall.

    Args:
        codes: columns that a spreadsheet takes for numbers, so that leading zeros are lost.
        dates: columns with dates.
        names: columns with names of persons or workplaces.
        words: columns with other Persian words.
        padded: columns that blanks get around.
    """
    by_columns = (
        Habit("lost_leading_zeros", "zeros", 0.08, "office", codes, _without_leading_zeros),
        Habit("date_with_dashes", "date", 0.12, "office", dates, _with_dashes),
        Habit("date_compact", "date", 0.10, "office", dates, _compact),
        Habit("date_unpadded", "date", 0.08, "office", dates, _unpadded),
        Habit("date_in_persian", "date", 0.06, "office", dates, _unpadded_in_persian),
        Habit("tatweel", "name", 0.01, "record", names, _stretched),
        Habit("double_spaces", "name", 0.05, "record", names, _with_double_spaces),
        Habit("blanks_around", "blanks", 0.015, "record", padded, _with_blanks_around),
        Habit("nbsp_around", "blanks", 0.008, "record", padded, _with_nbsp_around),
        Habit("arabic_letters", "letters", 0.15, "office", names + words, _in_arabic_letters),
    )
    everywhere = (
        Habit("persian_digits", "digits", 0.15, "office", (), _in_persian_digits),
        Habit("arabic_indic_digits", "digits", 0.05, "office", (), _in_arabic_indic_digits),
    )
    return tuple(habit for habit in by_columns if habit.columns) + everywhere


@dataclass(frozen=True)
class Hands:
    """Which office or record has which habit, by the seed, the dataset and the month."""

    habits: Sequence[Habit]
    seed: int
    dataset: str
    period: str

    def _draw(self, habit: Habit, page: Page, record: Ints) -> npt.NDArray[np.float64]:
        if habit.of == "record":
            return Stream(self.seed, self.dataset, self.period, "handwriting", habit.choice).unit(record)
        # An office keeps its hand from month to month, and in all datasets of its organization.
        organization = self.dataset.split("/")[0]
        return Stream(self.seed, organization, "handwriting", habit.choice).unit(page.office)

    def written(self, page: Page, record: Ints, plain: Ints) -> tuple[pl.DataFrame, Marks]:
        """The page's text in the hands of its offices.

        Args:
            page: the records.
            record: their running numbers in the month.
            plain: rows of the page that are written without any habit.

        Returns:
            The text, and for each record the habits that changed it.
        """
        text, marks = page.text, np.zeros(page.text.height, dtype=np.uint32)
        taken: dict[str, float] = {}
        for number, habit in enumerate(self.habits):
            begin = taken.get(habit.choice, 0.0)
            taken[habit.choice] = end = begin + habit.share
            draw = self._draw(habit, page, record)
            has_habit = (draw >= begin) & (draw < end)
            has_habit[plain] = False
            at = np.flatnonzero(has_habit)
            text, changed = _applied(text, at, habit)
            marks[at[changed]] |= np.uint32(1 << number)
        return text, marks

    def names(self, marks: Marks) -> pl.Series:
        """For each record the names of the habits that changed it, a list of text."""
        distinct, place = np.unique(marks, return_inverse=True)
        names = [[habit.name for number, habit in enumerate(self.habits) if mark >> number & 1] for mark in distinct.tolist()]
        return pl.Series(names, dtype=pl.List(pl.String)).gather(place)


def _applied(text: pl.DataFrame, at: Ints, habit: Habit) -> tuple[pl.DataFrame, Bools]:
    columns = [column for column in habit.columns or text.columns if column in text.columns]
    before = text.select(columns)[at]
    after = before.select(habit.change(pl.col(column)).alias(column) for column in columns)
    changed = pl.select(
        pl.any_horizontal(before[column].ne_missing(after[column]).alias(column) for column in columns)
    ).to_series()
    return overwritten(text, at, {column: after[column] for column in columns}), changed.to_numpy()
