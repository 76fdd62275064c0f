"""What a step reports of the layer that it made: for metadata and for people. Counts and names only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mdlake.config import Contract
from mdlake.lake import PartitionState, Table

__all__ = ["Made"]


@dataclass(frozen=True)
class Made:
    """A partition that was just written.

    Attributes:
        changed: whether its content differs from what was there before.
        counts: numbers worth showing, by name.
        decisions: ids of the decisions that it was made under.
    """

    layer: str
    contract: Contract
    table: Table
    state: PartitionState
    changed: bool
    counts: Mapping[str, int]
    decisions: tuple[str, ...] = ()
