"""The keyed hash: identifiers in, pseudonyms out, every use reported. Here: the protocol and its in-process form.

The hash works on materialized series inside one function, because the key would stand in a serialized query plan. Every
use is handed to `report` before its result is given out: path, epoch, count and run, never a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import polars as pl
import polars_hash as plh

from mdlake.errors import MdlakeError
from mdlake.pseudonyms.custody import KeyFile
from mdlake.pseudonyms.tree import DIGITS, derive_key, warehouse_path
from mdlake.standard import identifier_type, once_per_value

__all__ = ["InProcessKeyedHash", "KeyUse", "KeyedHash"]


@dataclass(frozen=True)
class KeyUse:
    """One use of a derived key. `count` is the number of identifiers that were hashed for the caller."""

    path: str
    epoch: int
    count: int
    run: str


class KeyedHash(Protocol):
    """Turns canonical identifiers into pseudonyms, in this process or in another one."""

    @property
    def epoch(self) -> int:
        """The key epoch of the pseudonyms it makes."""

    def pseudonyms(self, identifier: str, values: pl.Series, run: str) -> pl.Series:
        """Pseudonyms of canonical identifiers of one type; null stays null.

        Args:
            identifier: the identifier type, such as ``national_code``.
            values: canonical identifiers as text; the caller has validated them.
            run: the run on whose behalf, for the audit.

        Returns:
            Text of the same length and order.
        """


class InProcessKeyedHash:
    """A `KeyedHash` over a key file, for one machine under one account."""

    def __init__(self, key_file: KeyFile, report: Callable[[KeyUse], None]) -> None:
        self._epoch = key_file.read().current
        self._report = report

    @property
    def epoch(self) -> int:
        """The newest epoch of the key file."""
        return self._epoch.number

    def pseudonyms(self, identifier: str, values: pl.Series, run: str) -> pl.Series:
        """See `KeyedHash.pseudonyms`."""
        if values.dtype != pl.String:
            raise MdlakeError("identifiers are text", where=identifier, next_step="Report this defect.")
        path = warehouse_path(identifier)
        self._report(KeyUse(path, self.epoch, len(values) - values.null_count(), run))
        key = derive_key(self._epoch.root, path)
        prefix = f"{identifier_type(identifier).marker}{self.epoch}_"
        return once_per_value(values, partial(_hash, key=key, prefix=prefix))


def _hash(values: pl.Series, key: str, prefix: str) -> pl.Series:
    digest = plh.col(values.name).chash.hmac_sha256(key=key)
    return values.to_frame().select(pl.lit(prefix) + digest.str.slice(0, DIGITS)).to_series().alias(values.name)
