"""What the commands share: the installation that the environment names, the clock, and tables for people or for scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

import click
from rich import box
from rich.console import Console
from rich.table import Table

from mdlake.config import Dataset, Home
from mdlake.errors import MdlakeError
from mdlake.standard import LAST_YEAR, day_of_solar_hijri, end_of_day_in_iran
from mdlake.steps import House, Room, open_house

__all__ = [
    "as_json_option",
    "chosen",
    "console",
    "current_home",
    "end_of_day",
    "installed_house",
    "now",
    "print_grouped_table",
    "print_json",
    "print_table",
]

_NUMERIC = frozenset(
    {
        *("rows", "files", "delivered", "standardized", "quarantined", "set aside", "duplicates", "published", "linked", "count"),
        *("on time", "late", "overdue", "refused", "awaited", "not due", "resubmitted", "late by", "sent"),
    }
)
_WIDTHS = {"period": 7, "linked": 6, "published": 9, "worst rule": 21, "owed": 17, "due": 10, "delivery": 18, "came": 10}
"""Least widths, so that the tables of several groups stand in line."""

console = Console()
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def now() -> datetime:
    """The command's clock; everything below gets the moment handed."""
    return datetime.now(UTC)


def end_of_day(text: str) -> datetime:
    """The last moment, in Iran, of a Solar Hijri day such as ``1403-02-15``, or of a Gregorian one.

    Raises:
        MdlakeError: it is neither.
    """
    try:
        day = date.fromisoformat(text) if text[:4].isdecimal() and int(text[:4]) > LAST_YEAR else day_of_solar_hijri(text)
    except ValueError:
        fix = "Write it as 2024-05-04, or in the Solar Hijri calendar as 1403-02-15."
        raise MdlakeError("this is no day of the Gregorian calendar", next_step=fix) from None
    return end_of_day_in_iran(day)


def current_home() -> Home:
    """The installation that the environment names."""
    return Home.from_environment(os.environ)


def installed_house(room: Room) -> House:
    """The house of the installation, seen from a room.

    Raises:
        MdlakeError: nothing is installed there.
    """
    home = current_home()
    if not home.control.is_dir():
        raise MdlakeError("nothing is installed here yet", where=str(home.root), next_step="Run `mdlake init`.")
    return open_house(home, room, now)


def chosen(house: House, names: Iterable[str]) -> tuple[Dataset, ...]:
    """The datasets of the given names, or all."""
    keys = tuple(names) or tuple(house.configuration.datasets)
    return tuple(house.configuration.dataset(key) for key in keys)


def print_json(value: Any) -> None:
    """JSON on standard output, Persian as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table that fits the terminal."""
    table = _table(columns, title)
    for row in rows:
        table.add_row(*row)
    console.print(table, "")


def print_grouped_table(columns: Sequence[str], groups: Mapping[str, Iterable[Sequence[str]]]) -> None:
    """One table whose rows stand under the names of their groups, which may be longer than the first column is wide."""
    console.print(_table(columns))
    for name, rows in groups.items():
        table = _table(columns, f"[bold]{name}[/]")
        table.show_header = False
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print()


def _table(columns: Sequence[str], title: str | None = None) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        # the box itself parts two columns by a blank
        padding=(0, 0, 0, 0),
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in _NUMERIC else "left"
        narrow = (column in _NUMERIC and column != "published") or column in ("period", "owed", "due", "came")
        table.add_column(column, justify=justify, overflow="fold", no_wrap=narrow, min_width=_WIDTHS.get(column, len(column)))
    return table
