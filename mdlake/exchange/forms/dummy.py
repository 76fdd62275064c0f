"""Invented rows that a contract calls right: valid in every rule that needs neither another table nor another period.

They are meaningless on purpose: each column is drawn by itself, evenly from all that is allowed, whatever the truth is. A row
depends on the seed and its number alone, so that rows are made in batches and come out the same. Not here: which values a
column may have, and files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mdlake.config import Contract
from mdlake.errors import MdlakeError, UnknownName
from mdlake.exchange.forms.intervals import equal_columns
from mdlake.exchange.forms.values import Values, codes_of, values_of
from mdlake.standard import Period

__all__ = ["invented_rows"]

_BATCH_ROWS = 100_000
_GROUP_ROWS = 4
_MOST_SPREAD = 2**31
_GOLDEN = 0.6180339887498949

Numbers = NDArray[np.uint64]
"""Numbers of rows, of units or of values, one for each row."""


def invented_rows(
    contract: Contract, period: Period, rows: int, *, seed: int, unit: str | None = None, batch_rows: int = _BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """Invented rows in batches, as text: a column for each of the contract, under its name and in its order.

    Args:
        rows: how many, one at least.
        seed: the same seed gives the same rows; the rows of two periods or reporting units are different ones.
        unit: the reporting unit that sends them, where each sends its own file.

    Raises:
        UnknownName: the reporting unit is none of those that owe a part of the period.
        MdlakeError: no rows, or not so many, can be made by the contract.
    """
    plan = _Plan(contract, period, rows, seed, _checked_unit(contract, period, unit))
    names = [column.name for column in contract.columns]
    for start in range(0, rows, batch_rows):
        batch = _Batch(plan, np.arange(start, min(start + batch_rows, rows), dtype=np.uint64))
        yield pl.DataFrame([batch.text(name).alias(name) for name in names])


def _checked_unit(contract: Contract, period: Period, unit: str | None) -> str | None:
    where = f"{contract.dataset} {period}"
    if contract.reporting_units is None:
        if unit is not None:
            fix = "Ask for it without a reporting unit."
            raise MdlakeError("the dataset comes in one file for all reporting units", where=where, next_step=fix)
        return None
    units = contract.units(period)
    if unit is None:
        fix = f"Name yours, one of: {', '.join(units)}."
        raise MdlakeError("each reporting unit sends its own file", where=where, next_step=fix)
    if unit not in units:
        raise UnknownName("reporting unit", unit, units, where=where)
    return unit


@dataclass(frozen=True)
class _Plan:
    """What decides the value of a column in a row, worked out once for all rows."""

    contract: Contract
    period: Period
    rows: int
    seed: int
    unit: str | None

    @cached_property
    def units(self) -> tuple[str, ...]:
        return self.contract.units(self.period)

    @cached_property
    def first_row(self) -> int:
        """Rows are numbered through all reporting units, so that no two of them name the same statistical unit."""
        return self.units.index(self.unit or "") * self.rows

    @cached_property
    def all_rows(self) -> int:
        return len(self.units) * self.rows

    @cached_property
    def values(self) -> Mapping[str, Values]:
        return values_of(self.contract, self.period, self.all_rows, self.unit)

    @cached_property
    def equals(self) -> Mapping[str, str]:
        return equal_columns(self.contract)

    # ── units made of rows ──

    @cached_property
    def grouped(self) -> frozenset[str]:
        """Columns that name a unit made of rows."""
        return frozenset(composition.unit for composition in self.contract.compositions)

    @cached_property
    def needed_codes(self) -> Mapping[str, int]:
        """How many codes of a column exactly one row of each unit has; they are the first of its values."""
        columns = {composition.column for composition in self.contract.compositions}
        return {name: len({c.code for c in self.contract.compositions if c.column == name}) for name in columns}

    @cached_property
    def group_rows(self) -> int:
        if set(self.contract.unit_key) <= self.grouped:
            return 1
        most = max(self.needed_codes.values(), default=1)
        if self.rows < most:
            raise self.impossible(f"a unit made of rows has {most} of them at least", f"Ask for {most} rows or more.")
        return max(_GROUP_ROWS, most)

    @cached_property
    def groups(self) -> int:
        groups = max(self.rows // self.group_rows, 1)
        for name in self.grouped:
            if self.values[name].count < groups * len(self.units):
                what = f"there are {self.values[name].count} different {name} at most"
                raise self.impossible(what, "Ask for fewer rows.")
        return groups

    # ── what must not repeat ──

    @cached_property
    def distinct(self) -> frozenset[str]:
        """Columns of which no two rows have the same value: what tells units apart, as far as there are enough values."""
        inside = {name for a in self.contract.agreements if a.unit in self.grouped for name in a.columns}
        drawn_otherwise = self.grouped | self.required_by | inside | self.needed_codes.keys()
        wanted = {*self.contract.unit_key, *(a.unit for a in self.contract.agreements)} - drawn_otherwise
        return frozenset(name for name in wanted if self.values[name].count >= self.all_rows)

    @cached_property
    def digits(self) -> Mapping[str, int]:
        """Columns that tell units apart together, as the digits of a number do: what one of them stands for.

        Raises:
            MdlakeError: there are not so many units.
        """
        key = [name for name in self.contract.unit_key if name not in self.grouped]
        if not key or self.distinct & set(key):
            return {}
        within = len(key) < len(self.contract.unit_key)
        needed, worth, digits = (2 * self.group_rows if within else self.all_rows), 1, {}
        for name in sorted(key, key=lambda name: -self.values[name].count):
            if worth < needed:
                digits[name] = worth
                worth *= self.values[name].count
        if worth < needed:
            what = f"its columns {', '.join(key)} tell apart {worth} rows at most, and {needed} are asked for"
            raise self.impossible(what, "Ask for fewer rows.")
        return digits

    @cached_property
    def counted_within(self) -> bool:
        """Whether the digits tell apart the rows of one unit made of rows, not all rows."""
        return bool(self.grouped & set(self.contract.unit_key))

    # ── what a unit has one value of ──

    @cached_property
    def follows(self) -> Mapping[str, frozenset[str]]:
        """For each column the units, each of several rows, that have one value of it."""
        follows: dict[str, set[str]] = {}
        for agreement in self.contract.agreements:
            if agreement.unit not in self.distinct:
                for name in agreement.columns:
                    follows.setdefault(self.equals.get(name, name), set()).add(agreement.unit)
        return {name: frozenset(units) for name, units in follows.items()}

    # ── alternatives and what they require ──

    @cached_property
    def fillings(self) -> tuple[frozenset[str], ...]:
        """The sets of alternative columns that a row may leave blank."""
        every = {name for names in self.contract.alternatives for name in names}
        chosen = {frozenset(choice) for choice in product(*self.contract.alternatives)}
        right = [c for c in chosen if all(len(c & set(names)) == 1 for names in self.contract.alternatives)]
        # a row is told from others by what it does not leave blank
        telling = [c for c in right if self.distinct & set(self.contract.unit_key) - (every - c)]
        blank = sorted((frozenset(every - c) for c in telling or right), key=sorted)
        fillings = tuple(b for b in blank if all(self.codes_beside(name, b).size for name in self.required_by))
        if not fillings:
            raise self.impossible("its alternatives and requirements contradict each other", "Have the contract corrected.")
        return fillings

    @cached_property
    def required_by(self) -> frozenset[str]:
        """Columns whose codes make an alternative column necessary."""
        every = {name for names in self.contract.alternatives for name in names}
        return frozenset(r.where for r in self.contract.requirements if r.column in every)

    def codes_beside(self, name: str, blank: frozenset[str]) -> Numbers:
        """The numbers of the codes of a column that need none of some columns."""
        needing = {c for r in self.contract.requirements if r.where == name and r.column in blank for c in r.among}
        written = codes_of(self.contract, self.contract.column(name), self.period)
        numbers = np.arange(self.values[name].count, dtype=np.uint64)
        texts = self.values[name].written(pl.Series(numbers)).to_list()
        refused = {text for code, text in written.items() if code in needing}
        return numbers[[text not in refused for text in texts]]

    def stream(self, *names: str) -> int:
        """A number that stands for the seed, the period and a purpose."""
        text = "|".join((str(self.seed), self.contract.dataset, self.period.key, *names))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def impossible(self, what: str, fix: str) -> MdlakeError:
        """The contract does not allow it."""
        return MdlakeError(what, where=f"{self.contract.dataset} {self.contract.version}", next_step=fix)


@dataclass(frozen=True)
class _Batch:
    """Some rows, by their numbers from 0 in the file."""

    plan: _Plan
    row: Numbers

    def text(self, name: str) -> pl.Series:
        """A column as it is written."""
        values = self.plan.values[name]
        text = values.written(pl.Series(self.numbers(name) % np.uint64(values.count)))
        blank = self._is_blank(name)
        return text.set(pl.Series(blank), None) if blank.any() else text

    def numbers(self, name: str) -> Numbers:
        """The number of each row's value."""
        plan, first = self.plan, self.plan.equals.get(name, name)
        count = plan.values[first].count
        spread = self._spread_by(first)
        if spread is not None:
            return _spread(spread, count, plan.stream(first))
        if first in plan.digits:
            counted = self._place if plan.counted_within else self._row
            return counted // np.uint64(plan.digits[first]) % np.uint64(count)
        drawn = _drawn(self._index(first), plan.stream(first))
        if first in plan.needed_codes:
            return self._composed(first, drawn, count)
        if first in plan.required_by:
            return self._beside_blanks(first, drawn)
        return drawn % np.uint64(count)

    def _spread_by(self, name: str) -> Numbers | None:
        """What numbers a column's values, where they must not meet by chance."""
        if name in self.plan.grouped:
            return self._group
        # where chance brings most of few amounts together, the others are outliers
        is_amount = self.plan.contract.column(name).type == "amount" and name not in self.plan.follows
        return self._row if is_amount or name in self.plan.distinct else None

    def _index(self, name: str) -> Numbers:
        """What a column's value is drawn by: the row, or the unit of several rows that has one value of it."""
        units = self.plan.follows.get(name, frozenset())
        if not units:
            return self._row
        if units <= self.plan.grouped:
            return self._group
        # one value for all is right whatever agrees with what
        return self.numbers(next(iter(units))) if len(units) == 1 else np.zeros_like(self.row)

    @property
    def _row(self) -> Numbers:
        return self.row + np.uint64(self.plan.first_row)

    @property
    def _local_group(self) -> Numbers:
        # the rows that are left over belong to the last whole group
        last = np.full_like(self.row, self.plan.groups - 1)
        group: Numbers = np.minimum(self.row // np.uint64(self.plan.group_rows), last)
        return group

    @property
    def _group(self) -> Numbers:
        return self._local_group + np.uint64(self.plan.units.index(self.plan.unit or "") * self.plan.groups)

    @property
    def _place(self) -> Numbers:
        """Where a row stands in its group."""
        return self.row - self._local_group * np.uint64(self.plan.group_rows)

    def _composed(self, name: str, drawn: Numbers, count: int) -> Numbers:
        needed = self.plan.needed_codes[name]
        if count == needed and self.plan.group_rows > needed:
            raise self.plan.impossible(f"no code of {name} is left for the other rows of a unit", "Have the contract corrected.")
        others = np.uint64(needed) + drawn % np.uint64(max(count - needed, 1))
        return np.where(self._place < needed, self._place, others)

    def _beside_blanks(self, name: str, drawn: Numbers) -> Numbers:
        numbers = np.zeros_like(drawn)
        for at, blank in enumerate(self.plan.fillings):
            allowed, here = self.plan.codes_beside(name, blank), self._filling == at
            numbers[here] = allowed[drawn[here] % np.uint64(len(allowed))]
        return numbers

    @property
    def _filling(self) -> Numbers:
        return _drawn(self._row, self.plan.stream("alternatives", "")) % np.uint64(len(self.plan.fillings))

    def _is_blank(self, name: str) -> NDArray[np.bool_]:
        if not any(name in names for names in self.plan.contract.alternatives):
            return np.zeros(len(self.row), dtype=np.bool_)
        return np.array([name in blank for blank in self.plan.fillings])[self._filling]


def _drawn(numbers: Numbers, stream: int) -> Numbers:
    """A random number of 64 bits for each number, always the same: SplitMix64 (Steele, Lea & Flood 2014) at that place."""
    with np.errstate(over="ignore"):
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(stream)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def _spread(numbers: Numbers, count: int, stream: int) -> Numbers:
    """Numbers below `count`, evenly over all of them, and no two the same while there are fewer than `count`."""
    size = min(count, _MOST_SPREAD)
    step = max(int(size * _GOLDEN) + stream % 1000, 1)
    while math.gcd(step, size) > 1:
        step += 1
    return (numbers * np.uint64(step) + np.uint64(stream % size)) % np.uint64(size) * np.uint64(count // size)
