"""Texts that a simple regular expression allows, numbered: the inverse of a check of form. Not here: check digits, the checks.

A text is spelt of places, each with its options, as a number is of digits; so the n-th text of an expression is known without
those before it, and a column of a million is written in one go. Of repetition the least is taken, one at least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

import polars as pl

from mdlake.errors import MdlakeError

__all__ = ["MAX_PLACE", "Spelling", "spelling_of"]

# Python's own reading of regular expressions, which it gives no public name
_code: Final[Any] = _constants
_parse: Final[Any] = _parser.parse

MAX_PLACE: Final = 2**63
"""Texts from here on are not numbered: no column needs so many."""

_TOGETHER: Final = 10_000
"""So many options are looked up at once: seven digits in two looks instead of seven."""

_CANDIDATES: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_/.:#+*"
_CLASSES: Final[Mapping[Any, Callable[[str], bool]]] = {
    _code.CATEGORY_DIGIT: str.isdigit,
    _code.CATEGORY_NOT_DIGIT: lambda character: not character.isdigit(),
    _code.CATEGORY_WORD: lambda character: character.isalnum() or character == "_",
    _code.CATEGORY_NOT_WORD: lambda character: not (character.isalnum() or character == "_"),
    _code.CATEGORY_NOT_SPACE: lambda _: True,
}


@dataclass(frozen=True)
class Spelling:
    """The texts that are made by taking one option of each place, one place after another.

    Attributes:
        places: the options of each place, none of them twice.
    """

    places: tuple[tuple[str, ...], ...]

    @cached_property
    def count(self) -> int:
        """How many texts are numbered, `MAX_PLACE` at most."""
        return min(math.prod(map(len, self.places)), MAX_PLACE)

    def written(self, numbers: pl.Series) -> pl.Series:
        """String: the texts of the numbers (UInt64, from 0, below `count`). Of two numbers the texts differ where all options
        of a place are of one length.
        """
        left, parts = numbers, []
        for options in reversed(_joined(self.places)):
            parts.append(pl.Series(options, dtype=pl.String).gather(left % len(options)))
            left = left // len(options)
        if not parts:
            return pl.repeat("", len(numbers), dtype=pl.String, eager=True)
        frame = pl.DataFrame({str(at): part for at, part in enumerate(reversed(parts))})
        return frame.select(pl.concat_str(pl.all())).to_series()


def spelling_of(expression: str, *, where: str = "") -> Spelling:
    """The texts of a regular expression: characters, classes, groups, alternatives and counts.

    Raises:
        MdlakeError: the expression has anything else, such as an anchor.
    """
    try:
        return Spelling(tuple(_places(_parse(expression), where)))
    except RecursionError:
        raise _unspelt(where) from None


def _joined(places: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The same texts in the same order, in fewer places of more options."""
    joined: list[tuple[str, ...]] = []
    for options in places:
        if joined and len(joined[-1]) * len(options) <= _TOGETHER:
            joined[-1] = tuple(before + option for before in joined[-1] for option in options)
        else:
            joined.append(options)
    return joined


def _places(parsed: Iterable[Any], where: str) -> Iterator[tuple[str, ...]]:
    for kind, argument in parsed:
        if kind is _code.LITERAL:
            yield (chr(argument),)
        elif kind in (_code.IN, _code.ANY, _code.NOT_LITERAL):
            yield _allowed(kind, argument, where)
        elif kind in (_code.MAX_REPEAT, _code.MIN_REPEAT):
            least, most, repeated = argument
            yield from list(_places(repeated, where)) * min(max(int(least), 1), int(most))
        elif kind is _code.SUBPATTERN:
            yield from _places(argument[-1], where)
        elif kind is _code.BRANCH:
            yield from _either([tuple(_places(branch, where)) for branch in argument[1]])
        else:
            raise _unspelt(where)


def _either(branches: Sequence[tuple[tuple[str, ...], ...]]) -> tuple[tuple[str, ...], ...]:
    """One place for all texts of alternatives, or the first alternative alone where those are too many."""
    if sum(math.prod(map(len, branch)) for branch in branches) > _TOGETHER:
        return branches[0]
    return (tuple(dict.fromkeys("".join(parts) for branch in branches for parts in product(*branch))),)


def _allowed(kind: Any, argument: Any, where: str) -> tuple[str, ...]:
    """The characters of a class: those that it names, or of the plain ones those that it does not exclude."""
    if kind is _code.ANY:
        return tuple(_CANDIDATES)
    items = [(_code.NEGATE, None), (_code.LITERAL, argument)] if kind is _code.NOT_LITERAL else list(argument)
    excludes = items[0][0] is _code.NEGATE
    named = [item for item in items if item[0] is not _code.NEGATE]
    own = [chr(point) for kind, item in named for point in _points(kind, item)]
    characters = [c for c in dict.fromkeys([*_CANDIDATES, *([] if excludes else own)]) if _is_named(c, named) != excludes]
    if not characters:
        raise _unspelt(where)
    return tuple(sorted(characters))


def _points(kind: Any, item: Any) -> range:
    if kind is _code.LITERAL:
        return range(item, item + 1)
    return range(item[0], item[1] + 1) if kind is _code.RANGE else range(0)


def _is_named(character: str, named: Sequence[tuple[Any, Any]]) -> bool:
    return any(
        _is_of_class(character, item) if kind is _code.CATEGORY else ord(character) in _points(kind, item) for kind, item in named
    )


def _is_of_class(character: str, kind: Any) -> bool:
    return kind in _CLASSES and _CLASSES[kind](character)


def _unspelt(where: str) -> MdlakeError:
    fix = "Write the expression with characters, classes, groups, alternatives and counts alone."
    return MdlakeError("no text can be made by a regular expression of this kind", where=where, next_step=fix)
