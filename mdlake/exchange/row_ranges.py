"""Row numbers of a file in ranges, so that a million bad rows in a row cost as much as one. Not here: why they are bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowRanges"]


@dataclass(frozen=True, eq=False)
class RowRanges:
    """Ascending ranges that do not touch: Int64 arrays of the first and of the last row of each, both included."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, rows: NDArray[np.int64]) -> RowRanges:
        """The ranges of ascending row numbers."""
        breaks = np.flatnonzero(np.diff(rows) != 1)
        return cls(rows[np.concatenate(([0], breaks + 1))], rows[np.append(breaks, -1)]) if rows.size else cls.none()

    @classmethod
    def none(cls) -> RowRanges:
        """No row at all."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def joined(cls, parts: Sequence[RowRanges]) -> RowRanges:
        """The ranges of consecutive pieces of a file; what touches from one piece to the next becomes one range."""
        first = np.concatenate([part.first for part in parts]) if parts else np.empty(0, np.int64)
        last = np.concatenate([part.last for part in parts]) if parts else np.empty(0, np.int64)
        apart = np.flatnonzero(first[1:] != last[:-1] + 1)
        if not first.size:
            return cls.none()
        return cls(first[np.concatenate(([0], apart + 1))], last[np.append(apart, -1)])

    @property
    def count(self) -> int:
        """How many rows they hold."""
        return int((self.last - self.first + 1).sum())

    def __len__(self) -> int:
        """How many ranges there are."""
        return int(self.first.size)

    def pairs(self, most: int | None = None) -> Iterator[tuple[int, int]]:
        """The first `most` ranges, or all."""
        yield from zip(self.first[:most].tolist(), self.last[:most].tolist(), strict=True)
