"""Saved queries over the warehouse: checked against the contracts, and asked only of partitions that are there.

A count over a month that was not published would be a wrong zero, so every partition that a query declares must exist.
The answer says of what content it is, and how many rows of each source had been set aside before they could link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mdlake.config import ASKED, Configuration, Problem, SavedQuery
from mdlake.errors import MdlakeError
from mdlake.standard import Period
from mdlake.statistics.asking import Answer, ask
from mdlake.statistics.warehouse import RESEARCH_LAYERS, furnish_empty
from mdlake.steps import House

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Asked", "ask_saved", "saved_query_problems"]


@dataclass(frozen=True)
class Asked:
    """A partition that an answer was made from.

    Attributes:
        table: its name in SQL.
        set_aside: rows of the delivery that went to quarantine; None where no verdict is kept.
    """

    table: str
    period: str
    rows: int
    content_id: str
    set_aside: int | None


def ask_saved(
    connection: DuckDBPyConnection, house: House, query: SavedQuery, period: Period
) -> tuple[Answer, tuple[Asked, ...]]:
    """The answer to a saved query, with the partitions that it was made from.

    Raises:
        MdlakeError: another kind of period is asked for, or a partition is not there; the message says what to run.
    """
    values = query.periods(period)
    partitions = tuple(_partitions(house, query, values))
    answer = ask(connection, query.sql, {name: value.key for name, value in values.items()})
    return answer, partitions


def _partitions(house: House, query: SavedQuery, values: dict[str, Period]) -> Iterator[Asked]:
    for source in query.file.sources:
        dataset = house.configuration.dataset(source.dataset)
        table = house.table(source.layer, dataset, dataset.newest)
        wanted, last = values[source.first], values[source.last]
        while wanted <= last:
            state = table.state(wanted.key)
            if state is None:
                raise MdlakeError(
                    f"{source.layer} {dataset.key} of {wanted} is not there, and the answer would be wrong without it",
                    where=query.name,
                    next_step=f"mdlake run {dataset.key} --period {wanted}",
                )
            verdict = house.ledger.latest_verdict("standardized", dataset.organization, dataset.name, wanted.key)
            aside = [r["failed"] for r in verdict.results if r["rule"] == "quarantined_rows"] if verdict else []
            yield Asked(
                table=f"{source.layer}.{dataset.table_name}",
                period=wanted.key,
                rows=state.rows,
                content_id=state.content_id,
                set_aside=int(str(aside[0])) if aside else None,
            )
            wanted = wanted.next()


def saved_query_problems(configuration: Configuration) -> tuple[Problem, ...]:
    """What the engine finds wrong with the saved queries, tried on tables without rows; and what their texts leave out."""
    import duckdb  # noqa: PLC0415 - as in `asking`

    with duckdb.connect(":memory:") as connection:
        furnish_empty(connection, configuration)
        return tuple(
            problem for query in configuration.queries.values() for problem in _problems(connection, query, configuration)
        )


def _problems(connection: DuckDBPyConnection, query: SavedQuery, configuration: Configuration) -> Iterator[Problem]:
    sql, described = f"queries/{query.name}.sql", f"queries/{query.name}.yaml"
    sources = {(source.layer, source.dataset): source for source in query.file.sources}
    used = _tables_used(query.sql, configuration)
    for layer, dataset in sorted(used - set(sources)):
        yield Problem(described, 0, "sources", f"{layer} {dataset} is asked and not declared", "Add it with its periods.")
    for layer, dataset in sorted(set(sources) - used):
        yield Problem(described, 0, "sources", f"{layer} {dataset} is declared and not asked", "Remove it.")
    try:
        found = ask(connection, query.sql, dict.fromkeys((ASKED, *query.file.derived), "")).columns
    except MdlakeError as error:
        yield Problem(sql, 0, "", error.what, error.next_step)
        return
    if found != tuple(query.file.columns):
        fix = f"The answer has: {', '.join(found)}."
        yield Problem(described, 0, "columns", "are not the columns of the answer, in their order", fix)


def _tables_used(sql: str, configuration: Configuration) -> set[tuple[str, str]]:
    """Layer and dataset of every table that the text names outside of comments."""
    words = set(re.findall(r"\w+\.\w+", re.sub(r"--.*|/\*.*?\*/", "", sql.lower())))
    return {
        (layer, dataset.key)
        for layer in RESEARCH_LAYERS
        for dataset in configuration.datasets.values()
        if f"{layer}.{dataset.table_name}" in words
    }
