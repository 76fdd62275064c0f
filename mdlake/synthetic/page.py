"""A page: consecutive records of a dataset as text, next to what is true of them, and planted canaries.

A page travels from the dataset that makes it, past defects and handwriting, to the file. It knows nothing
of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from mdlake.synthetic.randomness import Bools, Ints

__all__ = ["Canary", "Page", "PlantedCanaries", "overwritten"]


@dataclass(frozen=True)
class Canary:
    """A person too rare to be anybody else, planted so that a leak of the record can be searched for."""

    national_code: str
    first_name: str
    last_name: str
    phone: str | None = None


@dataclass(frozen=True)
class PlantedCanaries:
    """The canaries of one page."""

    canaries: Sequence[Canary]
    at: Ints
    """Rows of the page."""
    number: Ints
    """Which canary stands in each of these rows."""

    def column(self, attribute: str) -> pl.Series:
        """One attribute of the canary in each row."""
        values = [getattr(canary, attribute) for canary in self.canaries]
        return pl.Series(values, dtype=pl.String).gather(self.number)


@dataclass(frozen=True)
class Page:
    """Records of a dataset before anything is done to them; every member has one value per record."""

    text: pl.DataFrame
    """Every column that any version of the contract has, by canonical name, all text."""
    national_code: pl.Series
    workplace_code: pl.Series
    person: Ints
    """Index in the population, -1 where the record is of no person of it."""
    office: Ints
    """Number of the office that wrote the record, whose hand it has."""
    spared: Bools
    """True where no defect falls unless its rate was asked for."""
    days: Mapping[str, Ints] = field(default_factory=dict)
    """Date columns as ordinals, for the defects that move a date."""

    def with_text(self, text: pl.DataFrame) -> Page:
        """The same records in other words."""
        return replace(self, text=text)


def overwritten(frame: pl.DataFrame, at: Ints, values: Mapping[str, pl.Series]) -> pl.DataFrame:
    """The frame with new values in the rows `at` of some columns; one value per row of `at`."""
    if not at.size:
        return frame
    place = np.arange(frame.height)
    place[at] = frame.height + np.arange(at.size)
    return frame.with_columns(pl.concat([frame[column], new.alias(column)]).gather(place) for column, new in values.items())
