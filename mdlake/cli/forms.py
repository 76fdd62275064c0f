"""`mdlake deliver template`, `mdlake deliver dummy`: what a producer makes from a contract before it has data.

Both work at a desk without an installation: they read the configuration, and write one file.
"""

from __future__ import annotations

from pathlib import Path

import click

from mdlake.cli.surroundings import console, current_home

__all__ = ["dummy", "template"]

_DELIMITERS = {",": ",", ";": ";", "tab": "\t", "|": "|"}

_to = click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="The folder (default: this one)."
)
_encoding = click.option("--encoding", type=click.Choice(["utf-8", "windows-1256"]), help="Of a CSV file (default: utf-8).")
_delimiter = click.option("--delimiter", type=click.Choice([*_DELIMITERS]), help="Of a CSV file (default: a comma).")


@click.command()
@click.argument("dataset")
@click.argument("period")
@click.option("--format", "format_", type=click.Choice(["xlsx", "csv"]), default="xlsx", show_default=True)
@_encoding
@_delimiter
@_to
def template(dataset: str, period: str, format_: str, encoding: str | None, delimiter: str | None, to: Path) -> None:
    """Write the empty table of a DATASET (organization/dataset) in a PERIOD, to be filled by hand.

    The workbook explains each column in a note on its header, offers the codes of short lists, and holds all lists on its
    second sheet, which may stay there when the table is delivered.
    """
    from mdlake.exchange.forms import write_template

    asked = _Asked(dataset, period, format_, encoding, delimiter)
    path = to / f"{asked.name}-template.{format_}"
    write_template(path, asked.form, asked.contract, asked.period)
    columns = f"{len(asked.contract.columns)} columns of contract {asked.contract.version}"
    console.print(f"wrote {path}: {columns}", highlight=False, soft_wrap=True, markup=False)


@click.command()
@click.argument("dataset")
@click.argument("period")
@click.option("--rows", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same rows.")
@click.option("--reporting-unit", "unit", help="Code of the reporting unit, where each sends its own file.")
@click.option("--format", "format_", type=click.Choice(["csv", "xlsx", "parquet"]), default="csv", show_default=True)
@_encoding
@_delimiter
@_to
def dummy(
    dataset: str,
    period: str,
    rows: int,
    seed: int,
    unit: str | None,
    format_: str,
    encoding: str | None,
    delimiter: str | None,
    to: Path,
) -> None:
    """Write invented rows of a DATASET (organization/dataset) in a PERIOD, to try programs with.

    They are valid by the contract, and statistically meaningless on purpose. An invented code may be somebody's by chance.
    """
    from mdlake.exchange.forms import invented_rows, write_dummy

    asked = _Asked(dataset, period, format_, encoding, delimiter)
    name = f"{asked.name}-{unit}" if unit else asked.name
    path = to / f"{name}-dummy.{format_}"
    batches = invented_rows(asked.contract, asked.period, rows, seed=seed, unit=unit)
    write_dummy(path, asked.form, asked.contract, asked.period, batches)
    console.print(
        f"wrote {path}: {rows} rows of contract {asked.contract.version}", highlight=False, soft_wrap=True, markup=False
    )
    click.secho(
        "These rows are invented and mean nothing: never deliver them as data, never publish a number of them.", fg="yellow"
    )


class _Asked:
    """What the arguments of a command name: the contract of a period, and the form of a file."""

    def __init__(self, dataset: str, period: str, format_: str, encoding: str | None, delimiter: str | None) -> None:
        from mdlake.config import load_configuration
        from mdlake.errors import MdlakeError
        from mdlake.exchange import Form
        from mdlake.principles import RULES

        configuration = load_configuration(current_home().config, RULES)
        found = configuration.dataset(dataset)
        self.period = configuration.period(found, period)
        self.contract = found.contract(self.period)
        self.name = f"{found.organization}-{found.name}-{self.period}"
        if format_ == "csv":
            encoding, delimiter = encoding or "utf-8", _DELIMITERS[delimiter or ","]
        self.form = Form(format_, encoding, delimiter)  # type: ignore[arg-type]
        if problem := self.form.problem():
            fix = "Leave --encoding and --delimiter to CSV files."
            raise MdlakeError(problem, where=f"--format {format_}", next_step=fix)
