"""From the columns as the producer names them to the contract's names. Values are untouched: raw is what was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mdlake.config import Contract
from mdlake.layers.columns import MALFORMED
from mdlake.standard import match_key

__all__ = ["MALFORMED", "HeaderMatch", "match_headers"]


@dataclass(frozen=True)
class HeaderMatch:
    """How a delivery's header line fits a contract.

    Attributes:
        names: the contract's name of each delivered column, in the delivered order; None where there is none.
        missing: contract columns that were not delivered, by their header.
        unknown: positions (from 1) of delivered columns that the contract does not have.
        repeated: contract columns that were delivered more than once.
        by_alias: how many columns came under another header than the contract's own.
    """

    names: tuple[str | None, ...]
    missing: tuple[str, ...]
    unknown: tuple[int, ...]
    repeated: tuple[str, ...]
    by_alias: int


def match_headers(headers: Sequence[str], contract: Contract) -> HeaderMatch:
    """Match headers to columns by meaning: letters, digits, spaces and half-spaces folded."""
    own_names = [column.name for column in contract.columns]
    named = [(alias, column.name) for column in contract.columns for alias in column.aliases]
    written = [*(column.header for column in contract.columns), *(alias for alias, _ in named)]
    contracted, keys = _parted(_keys([*written, *headers]), len(written))
    own_keys, alias_keys = _parted(contracted, len(own_names))
    own = dict(zip(own_keys, own_names, strict=True))
    aliases = dict(zip(alias_keys, (name for _, name in named), strict=True))
    names = tuple(own.get(key) or aliases.get(key) for key in keys)
    found = [name for name in names if name is not None]
    return HeaderMatch(
        names=names,
        missing=tuple(column.header for column in contract.columns if column.name not in found),
        unknown=tuple(number for number, name in enumerate(names, start=1) if name is None),
        repeated=tuple(sorted({name for name in found if found.count(name) > 1})),
        by_alias=sum(1 for key, name in zip(keys, names, strict=True) if name is not None and key not in own),
    )


def _parted(keys: list[str], at: int) -> tuple[list[str], list[str]]:
    return keys[:at], keys[at:]


def _keys(headers: Sequence[str]) -> list[str]:
    """The match keys of headers, all in one call: one by one they cost more than reading a small file."""
    return (
        pl.DataFrame({"header": pl.Series(headers, dtype=pl.String)})
        .select(match_key(pl.col("header")).fill_null(""))
        .to_series()
        .to_list()
    )
