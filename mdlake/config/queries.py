"""Saved questions: a SQL file and what is to be known of it, resolved against the datasets that it asks.

Here: which periods follow from the one asked for, and whether the datasets and periods named exist. Not here: SQL, which
only the statistical warehouse understands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mdlake.config.models import QueryFile
from mdlake.config.yaml_source import Problem, YamlSource
from mdlake.errors import MdlakeError
from mdlake.standard import Period

__all__ = ["ASKED", "SavedQuery", "query_problems"]

ASKED = "period"
"""Name of the period that a person gives; further ones are derived from it."""


@dataclass(frozen=True)
class SavedQuery:
    """A question with its SQL, whose parameters are `$period` and the derived periods."""

    name: str
    file: QueryFile
    sql: str

    def periods(self, asked: Period) -> dict[str, Period]:
        """The value of every parameter.

        Raises:
            MdlakeError: the question asks for another kind of period.
        """
        if asked.kind != self.file.period:
            example = {"month": "1403-01", "quarter": "1403-Q1"}[self.file.period]
            raise MdlakeError(
                f"{asked} is no {self.file.period}", where=self.name, next_step=f"Give a {self.file.period}, such as {example}."
            )
        values = {ASKED: asked}
        for name, derived in self.file.derived.items():
            month = _months_after(asked.months()[-1], derived.months_after)
            values[name] = month if derived.kind == "month" else month.quarter()
        return values


def _months_after(month: Period, months: int) -> Period:
    for _ in range(abs(months)):
        month = month.next() if months > 0 else month.previous()
    return month


def query_problems(file: QueryFile, periodicities: Mapping[str, str | None], source: YamlSource) -> Iterator[Problem]:
    """What does not fit in a saved query.

    Args:
        periodicities: `month` or `quarter` by dataset; None for one that could not be read.
    """
    kinds: dict[str, str] = {ASKED: file.period}
    for name, derived in file.derived.items():
        if name == ASKED:
            yield source.problem(("derived", name), f"{ASKED!r} is the period that is asked for", "Use another name.")
        else:
            kinds[name] = derived.kind
    for number, asked in enumerate(file.sources):
        path = ("sources", number)
        yield from source.unknown((*path, "dataset"), "dataset", asked.dataset, periodicities)
        for field in ("first", "last"):
            name = getattr(asked, field)
            periodicity = periodicities.get(asked.dataset)
            if name not in kinds:
                fix = f"Known: {', '.join(kinds)}."
                yield source.problem((*path, field), f"there is no period called {name!r}", fix)
            elif periodicity is not None and kinds[name] != periodicity:
                fix = f"Name a {periodicity}; `derived` makes one from the period asked for."
                yield source.problem((*path, field), f"is a {kinds[name]}, and the dataset has {periodicity}s", fix)
