"""What the commands share: the installation that the environment names, the clock, and tables for people or for scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from mdlake.config import Dataset, Home
from mdlake.errors import MdlakeError
from mdlake.steps import House, Room, open_house

__all__ = ["as_json_option", "chosen", "console", "current_home", "installed_house", "now", "print_json", "print_table"]

console = Console()
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def now() -> datetime:
    """The command's clock; everything below gets the moment handed."""
    return datetime.now(UTC)


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
    table = Table(
        title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        numeric = column in {"rows", "delivered", "standardized", "quarantined", "duplicates", "published", "count"}
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric or column == "period")
    for row in rows:
        table.add_row(*row)
    console.print(table, "")
