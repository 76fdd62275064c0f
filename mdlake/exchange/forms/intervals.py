"""Where the values of numbers, dates and months may lie so that every comparison of a contract holds, whichever are taken.

The intervals of columns that are compared do not overlap: each column is then drawn by itself. Not here: drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from mdlake.config import Comparison, Contract
from mdlake.errors import MdlakeError
from mdlake.standard import Period

__all__ = ["Interval", "equal_columns", "intervals_of", "months_of"]

ORDERED = frozenset({"integer", "amount", "date"})
_OTHER_WAY_ROUND = {"<": ">", "<=": ">=", "==": "==", ">=": "<=", ">": "<"}
_EPOCH = date(1970, 1, 1)
_YEARS_BACK = 60
_MONTHS_BACK = 24
_THOUSAND, _MILLION = 1_000, 1_000_000


class Interval(NamedTuple):
    """Whole numbers from `low` to `high`, both included; of a date the days since 1970-01-01, None: without bound."""

    low: int | None
    high: int | None


class _Edge(NamedTuple):
    """`left + gap <= right`."""

    left: str
    right: str
    gap: int


def equal_columns(contract: Contract) -> dict[str, str]:
    """For each column that must equal another one of its kind, the first of those that are equal to it."""
    first: dict[str, str] = {}
    for edit in contract.edits:
        if edit.operator == "==" and not _is_of_month(contract, edit):
            one, other = (first.get(name, name) for name in (edit.left, edit.right))
            first |= dict.fromkeys((edit.left, edit.right, *(n for n, f in first.items() if f == other)), one)
    return first


def months_of(contract: Contract, period: Period) -> dict[str, Period]:
    """The month that each month column has in every row: the last of the period where it states the reference period."""
    reference = period.months()[-1]
    same = equal_columns(contract)
    own, last = contract.month_column, _number_of(reference)
    names = [same.get(column.name, column.name) for column in contract.columns if column.type == "month"]
    hard = dict.fromkeys(names, Interval(None, None))
    if own is not None:
        hard[same.get(own.name, own.name)] = Interval(last, last)
    solved = _solved(contract, hard, _edges(contract, same, {"month"}), lambda _: (last - _MONTHS_BACK, last))
    months = {name: reference if last in range(low, high + 1) else _month_of(high) for name, (low, high) in solved.items()}
    return {column.name: months[same.get(column.name, column.name)] for column in contract.columns if column.type == "month"}


def intervals_of(contract: Contract, period: Period, rows: int) -> dict[str, tuple[int, int]]:
    """The lowest and the highest value of each number and date.

    Args:
        rows: how many values a number of the statistical unit needs at least, where nothing bounds it.

    Raises:
        MdlakeError: the comparisons of the contract contradict each other or its bounds.
    """
    same = equal_columns(contract)
    hard: dict[str, Interval] = {}
    for column in contract.columns:
        if column.type in ORDERED:
            name = same.get(column.name, column.name)
            bounds = Interval(column.minimum, column.maximum) if column.type != "date" else Interval(None, None)
            hard[name] = _both(hard.get(name, Interval(None, None)), bounds)
    months = months_of(contract, period)
    for edit in contract.edits:
        if _is_of_month(contract, edit):
            by_date = contract.column(edit.left).type == "date"
            name, month = (edit.left, edit.right) if by_date else (edit.right, edit.left)
            name = same.get(name, name)
            operator = edit.operator if by_date else _OTHER_WAY_ROUND[edit.operator]
            hard[name] = _both(hard[name], _days(operator, months[month]))

    def usual(name: str) -> tuple[int, int]:
        column = contract.column(name)
        if column.type == "date":
            last = (period.last_day - _EPOCH).days
            return last - 365 * _YEARS_BACK, last
        if column.type == "amount":
            return _MILLION, 10 * _MILLION
        return 1, max(_THOUSAND, rows if name in contract.unit_key else 0)

    solved = _solved(contract, hard, _edges(contract, same, ORDERED), usual)
    return {c.name: solved[same.get(c.name, c.name)] for c in contract.columns if c.type in ORDERED}


def _is_of_month(contract: Contract, edit: Comparison) -> bool:
    """Whether a date is compared with a month."""
    return {contract.column(edit.left).type, contract.column(edit.right).type} == {"date", "month"}


def _days(operator: str, month: Period) -> Interval:
    """The days of which the month compares so with another one."""
    first, last = ((day - _EPOCH).days for day in (month.first_day, month.last_day))
    return {
        "<": Interval(None, first - 1),
        "<=": Interval(None, last),
        "==": Interval(first, last),
        ">=": Interval(first, None),
        ">": Interval(last + 1, None),
    }[operator]


def _number_of(month: Period) -> int:
    return month.year * 12 + month.number - 1


def _month_of(number: int) -> Period:
    return Period("month", number // 12, number % 12 + 1)


def _both(one: Interval, other: Interval) -> Interval:
    return Interval(_largest(one.low, other.low), _least(one.high, other.high))


def _largest(*numbers: int | None) -> int | None:
    return max((number for number in numbers if number is not None), default=None)


def _least(*numbers: int | None) -> int | None:
    return min((number for number in numbers if number is not None), default=None)


def _edges(contract: Contract, same: Mapping[str, str], types: Iterable[str]) -> list[_Edge]:
    edges = []
    for edit in contract.edits:
        left, right = (same.get(name, name) for name in (edit.left, edit.right))
        if edit.operator != "==" and {contract.column(left).type, contract.column(right).type} <= set(types):
            low, high = (left, right) if edit.operator in ("<", "<=") else (right, left)
            edges.append(_Edge(low, high, int(edit.operator in ("<", ">"))))
    return edges


def _solved(
    contract: Contract, hard: Mapping[str, Interval], edges: list[_Edge], usual: Callable[[str], tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Intervals within the bounds of which every pair keeps its comparison; where nothing bounds, the usual ones or more."""
    before = {name: [edge for edge in edges if edge.right == name] for name in hard}
    after = {name: [edge for edge in edges if edge.left == name] for name in hard}
    try:
        order = tuple(TopologicalSorter({name: [edge.left for edge in before[name]] for name in hard}).static_order())
    except CycleError:
        raise _contradiction(contract, "") from None
    high: dict[str, int | None] = {}
    for name in reversed(order):
        high[name] = _least(hard[name].high, *(_moved(high[edge.right], -edge.gap) for edge in after[name]))
    low: dict[str, int] = {}
    bounded: dict[str, int | None] = {}
    for name in order:
        bounded[name] = _largest(hard[name].low, *(_moved(bounded[edge.left], edge.gap) for edge in before[name]))
        low[name] = max([_lowest(bounded[name], high[name], usual(name)), *(low[edge.left] + edge.gap for edge in before[name])])
    top: dict[str, int] = {}
    for name in reversed(order):
        least, most = usual(name)
        ends = high[name]
        # a date that must lie after the period lies some years after it, not a life
        ends = max(most, low[name] + (most - least) // 12) if ends is None else ends
        top[name] = min([ends, *(top[edge.right] - edge.gap for edge in after[name])])
        if top[name] < low[name]:
            raise _contradiction(contract, name)
    return _parted(order, before, after, low, top)


def _moved(number: int | None, by: int) -> int | None:
    return None if number is None else number + by


def _lowest(bounded: int | None, high: int | None, usual: tuple[int, int]) -> int:
    least, most = usual
    if bounded is None:
        return least if high is None or least <= high else high - (most - least)
    # an amount that may be anything from zero on is one of some millions all the same
    return least if bounded <= least and (high is None or high >= most) else bounded


def _parted(
    order: tuple[str, ...],
    before: Mapping[str, list[_Edge]],
    after: Mapping[str, list[_Edge]],
    low: Mapping[str, int],
    top: Mapping[str, int],
) -> dict[str, tuple[int, int]]:
    """The same intervals without what overlaps: each gets an equal part of what is left for it and those after it."""
    following: dict[str, int] = {}
    for name in reversed(order):
        following[name] = max((following[edge.right] + 1 for edge in after[name]), default=0)
    parted: dict[str, tuple[int, int]] = {}
    for name in order:
        start = max([low[name], *(parted[edge.left][1] + edge.gap for edge in before[name])])
        parted[name] = start, start + (top[name] - start) // (following[name] + 1)
    return parted


def _contradiction(contract: Contract, name: str) -> MdlakeError:
    what = f"the comparisons of {name or 'the columns'} contradict each other or the bounds, so that no row is right"
    fix = "Have `edits`, `minimum` and `maximum` of the contract corrected."
    return MdlakeError(what, where=f"{contract.dataset} {contract.version}", next_step=fix)
