"""`mdlake sql`: questions to the research zone, read-only, and the saved ones of the configuration."""

from __future__ import annotations

import csv
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdlake.cli.surroundings import as_json_option, console, installed_house, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mdlake.config import Label, SavedQuery
    from mdlake.statistics import Answer, Asked
    from mdlake.steps import House

__all__ = ["sql"]

_MOST_ROWS = 1_000


@click.command()
@click.argument("question", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file with the question.")
@click.option("--saved", metavar="NAME", help="A saved query of the configuration.")
@click.option("--period", metavar="PERIOD", help="The question's $period, such as 1403-01 or 1403-Q1.")
@click.option("--list", "listed", is_flag=True, help="List the saved queries.")
@click.option("--tables", "tabled", is_flag=True, help="List the tables that can be asked, with their periods.")
@click.option(
    "--limit", default=_MOST_ROWS, show_default=True, type=click.IntRange(min=0), help="Most rows of an answer; 0 for all."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for scripts.")
@as_json_option
def sql(
    question: str | None,
    file: Path | None,
    saved: str | None,
    period: str | None,
    listed: bool,
    tabled: bool,
    limit: int,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Ask the research zone QUESTION, one SELECT in DuckDB's SQL.

    \b
      mdlake sql "select period, count(*) from published.ORGANIZATION_DATASET group by all"
      mdlake sql --saved NAME --period 1403-01

    Tables are named published.ORGANIZATION_DATASET and pseudonymized.ORGANIZATION_DATASET. Nothing can be written, and
    no other file can be read. Small counts are shown as they are: an answer is for entitled staff, not for publication.
    """
    if sum((question is not None, file is not None, saved is not None, listed, tabled)) != 1:
        raise click.UsageError("Give one of: QUESTION, --file, --saved, --list, --tables. A period goes after --period.")
    if as_csv and as_json:
        raise click.UsageError("Give one of: --csv, --json.")
    house = installed_house("research")
    if listed:
        _print_queries(house, as_json)
    elif tabled:
        _print_tables(house, as_json)
    elif saved is not None:
        _answer_saved(house, house.configuration.query(saved), period, as_csv, as_json)
    else:
        text = file.read_text(encoding="utf-8") if file else str(question)
        _answer(house, text, period, limit, as_csv, as_json)


def _answer(house: House, text: str, period: str | None, limit: int, as_csv: bool, as_json: bool) -> None:
    from mdlake.pipeline.warehouse import ResearchWarehouse
    from mdlake.statistics import ask

    with ResearchWarehouse(house).get_connection() as connection:
        answer = ask(connection, text, {"period": period} if period else None, limit or None)
    if as_json:
        print_json(_records(answer))
    elif as_csv:
        _print_csv(answer)
    else:
        print_table("", answer.columns, [[_shown(cell) for cell in row] for row in answer.rows])
    if answer.is_cut:
        click.echo(f"the first {limit:,} rows; there are more (--limit 0 for all)", err=True)


def _answer_saved(house: House, query: SavedQuery, period: str | None, as_csv: bool, as_json: bool) -> None:
    from mdlake.pipeline.warehouse import ResearchWarehouse
    from mdlake.standard import Period
    from mdlake.statistics import ask_saved

    if period is None:
        raise click.UsageError(f"--saved {query.name} asks about a {query.file.period}: give --period.")
    with ResearchWarehouse(house).get_connection() as connection:
        answer, partitions = ask_saved(connection, house, query, Period.parse(period))
    if as_json:
        sources = [vars(partition) for partition in partitions]
        print_json({"query": query.name, "period": period, "answer": _records(answer), "sources": sources})
    elif as_csv:
        _print_csv(answer)
    else:
        _print_saved(query, period, answer, partitions)


def _print_saved(query: SavedQuery, period: str, answer: Answer, partitions: Sequence[Asked]) -> None:
    console.print(f"{query.file.label.en} · {query.file.label.fa} · {period}", style="bold", highlight=False)
    console.print(f"{query.file.question.en}\n{query.file.question.fa}\n", highlight=False, soft_wrap=True, markup=False)
    meanings = query.file.columns
    if len(answer.rows) == 1:
        cells = zip(answer.columns, answer.rows[0], strict=True)
        rows = [(_shown(cell), name, meanings[name].en, meanings[name].fa) for name, cell in cells]
        print_table("answer", ("count", "column", "meaning", "معنی"), rows)
    else:
        print_table("answer", answer.columns, [[_shown(cell) for cell in row] for row in answer.rows])
        print_table("columns", ("column", "meaning", "معنی"), [(name, *_both(meanings[name])) for name in answer.columns])
    made_from = [
        (p.table, p.period, f"{p.rows:,}", "–" if p.set_aside is None else f"{p.set_aside:,}", p.content_id[:12])
        for p in partitions
    ]
    print_table("made from", ("table", "period", "rows", "quarantined", "content"), made_from)
    console.print("Quarantined rows are in no table: they could not be read, and cannot link.", highlight=False)


def _print_queries(house: House, as_json: bool) -> None:
    queries = house.configuration.queries.values()
    if as_json:
        print_json([{"name": query.name, **query.file.model_dump(mode="json"), "sql": query.sql} for query in queries])
        return
    rows = [(query.name, query.file.period, query.file.question.en, query.file.question.fa) for query in queries]
    print_table("saved queries", ("name", "period", "question", "پرسش"), rows)
    console.print("Ask one: `mdlake sql --saved NAME --period PERIOD`.", highlight=False)


def _print_tables(house: House, as_json: bool) -> None:
    from mdlake.statistics import RESEARCH_LAYERS, table_columns

    tables: list[dict[str, Any]] = []
    for layer in RESEARCH_LAYERS:
        for dataset in house.configuration.datasets.values():
            periods = house.table(layer, dataset, dataset.newest).periods()
            columns = [
                {"name": c.name, "type": str(c.dtype), "fa": c.label.fa, "en": c.label.en} for c in table_columns(dataset, layer)
            ]
            titles = dataset.file.label.model_dump()
            tables.append({"table": f"{layer}.{dataset.table_name}", **titles, "periods": list(periods), "columns": columns})
    if as_json:
        print_json(tables)
        return
    print_table(
        "tables", ("table", "periods", "title", "عنوان"), [(t["table"], _span(t["periods"]), t["en"], t["fa"]) for t in tables]
    )
    console.print('The columns of one: `mdlake sql "describe TABLE"`; with their meanings: --tables --json.', highlight=False)


def _span(periods: Sequence[str]) -> str:
    return f"{periods[0]} … {periods[-1]} ({len(periods)})" if periods else "not written yet"


def _both(label: Label) -> tuple[str, str]:
    return label.en, label.fa


def _records(answer: Answer) -> list[dict[str, Any]]:
    return [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]


def _plain(cell: Any) -> Any:
    """A cell as JSON has it."""
    if isinstance(cell, Decimal):
        return float(cell)
    return cell if cell is None or isinstance(cell, bool | int | float | str) else str(cell)


def _shown(cell: Any) -> str:
    """A cell as a person reads it."""
    if cell is None:
        return "–"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _print_csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)
