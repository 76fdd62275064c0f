"""`mdlake synthesize`, `run`, `status`: deliveries, their way through the layers, where they stand."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mdlake.cli.surroundings import (
    as_json_option,
    chosen,
    console,
    current_home,
    end_of_day,
    installed_house,
    now,
    print_grouped_table,
    print_json,
    print_table,
)
from mdlake.errors import DeliveryRefused, PartitionBusy, UnknownName
from mdlake.steps import PartitionStatus

if TYPE_CHECKING:
    from mdlake.exchange import FileCheck
    from mdlake.steps import SyntheticProducers
    from mdlake.synthetic import Ministry

__all__ = ["deliver_synthetic", "print_statuses", "run", "run_partitions", "status", "synthesize"]


def deliver_synthetic(
    producers: SyntheticProducers,
    ministry: Ministry,
    dataset: str,
    period: str,
    sequence: int = 1,
    defects: Mapping[str, float] | None = None,
    folder: Path | None = None,
) -> tuple[int, tuple[FileCheck, ...]]:
    """Let the synthetic ministry send to the landing, in packages, what a dataset owes for a period.

    Args:
        folder: write the files there in the clear, and send nothing.

    Returns:
        The rows of all its files (0 where nothing is due, such as a quarterly dataset in a quarter's first month), and what
        the statistics units found in those that were sent.
    """
    rows, checks = 0, []
    for own_period, unit in ministry.due(dataset, period):
        # what a producer has in the clear lies with its keys, and nowhere once it is sealed
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=producers.keys) as desk:
            place = folder or Path(desk)
            file = ministry.deliver(
                dataset, own_period, place, sequence=sequence, defects=defects, truth=False, reporting_unit=unit
            )
            rows += file.rows
            if folder is None:
                checks.append(producers.send(file.descriptor_path))
    return rows, tuple(checks)


@click.command()
@click.argument("periods", nargs=-1)
@click.option("--persons", default=20_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--workplaces", default=1_500, show_default=True, type=click.IntRange(min=50))
@click.option("--seed", default=1403, show_default=True, help="The same seed gives the same ministry.")
@click.option(
    "--sequence", default=1, show_default=True, type=click.IntRange(min=1), help="Higher than the delivery it corrects."
)
@click.option(
    "--defect", "defects", multiple=True, metavar="CLASS=RATE", help="Plant more of a defect, such as wrong_check_digit=0.2."
)
@click.option("--dataset", "datasets", multiple=True, help="Only this dataset, organization/dataset. May be given several times.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write data files and descriptors into this folder, in the clear, and send nothing: to pack them by hand.",
)
def synthesize(
    periods: tuple[str, ...],
    persons: int,
    workplaces: int,
    seed: int,
    sequence: int,
    defects: tuple[str, ...],
    datasets: tuple[str, ...],
    folder: Path | None,
) -> None:
    """Let the synthetic ministry send PERIODS (default: 1403-01 1403-02 1403-03) to the landing, in packages.

    What is delivered each quarter comes with the quarter's last month, or alone when PERIODS names the quarter (1403-Q1);
    where units of a producer each send their own file, all of them are written.

    The deliveries look as a producer writes them: Persian headers, digits of three scripts, dates in several hands, lost
    zeros, duplicates and invalid codes. The persons are invented.
    """
    house = installed_house("secure")
    rates: dict[str, float] = {}
    for text in defects:
        name, _, rate = text.partition("=")
        try:
            rates[name] = float(rate)
        except ValueError:
            raise click.BadParameter("write it as wrong_check_digit=0.2", param_hint="--defect") from None
    from mdlake.steps import SyntheticProducers
    from mdlake.synthetic import Ministry

    ministry, producers = Ministry(persons=persons, workplaces=workplaces, seed=seed), SyntheticProducers(house)
    wanted = datasets or ministry.datasets
    known = {dataset: set(ministry.defect_rates(dataset)) for dataset in wanted}
    if unknown := set(rates) - set().union(*known.values()):
        raise UnknownName("defect class", min(unknown), sorted(set().union(*known.values())))
    delivered = []
    with console.status("the synthetic ministry is writing its deliveries"):
        for period in periods or ("1403-01", "1403-02", "1403-03"):
            for dataset in wanted:
                due = ministry.due(dataset, period)
                own = {name: rate for name, rate in rates.items() if name in known[dataset]}
                if due:
                    rows, _ = deliver_synthetic(producers, ministry, dataset, period, sequence, own, folder)
                    delivered.append((dataset, due[0][0], f"{len(due)}", f"{rows:,}"))
    print_table("written" if folder else "sent to the landing", ("dataset", "period", "files", "rows"), delivered)
    console.print("Next: pack them, as docs/exchange-standard.md says." if folder else "Next: `mdlake run`.")


_period_option = click.option(
    "--period", "periods", multiple=True, help="A reference period, such as 1403-01 or 1403-Q1. May be given several times."
)


def _parted(names: tuple[str, ...], periods: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Datasets and periods, of which a person may write both one after another: only the name of a dataset has a slash."""
    datasets = tuple(name for name in names if "/" in name)
    return datasets, (*periods, *(name for name in names if "/" not in name))


@click.command()
@click.argument("names", nargs=-1, metavar="[DATASETS]... [PERIODS]...")
@_period_option
@as_json_option
def run(names: tuple[str, ...], periods: tuple[str, ...], as_json: bool) -> None:
    """Take deliveries through the four layers.

    Without arguments: every dataset and period with a delivery that was not taken through yet. DATASETS are named
    organization/dataset; PERIODS are months or, of quarterly datasets, quarters (1403-Q1). The runs appear in the Dagster
    UI; a month or a delivery that is refused blocks no other, and makes the exit status 1.
    """
    datasets, periods = _parted(names, periods)
    statuses, refusals = run_partitions(datasets, periods, quiet=as_json)
    for refusal in refusals:
        click.echo(f"refused {refusal}", err=True)
    if as_json:
        print_json([status.as_json() for status in statuses])
    else:
        print_statuses(statuses)
    if refusals or any(status.state != "published" for status in statuses):
        sys.exit(1)


def run_partitions(
    datasets: tuple[str, ...], periods: tuple[str, ...], *, quiet: bool = False
) -> tuple[tuple[PartitionStatus, ...], tuple[DeliveryRefused, ...]]:
    """Run the jobs of both locations for the chosen partitions, in this process.

    Returns:
        How the partitions stand afterwards, and the deliveries that were refused on the way in.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mdlake.pipeline.local_runs import LocalRuns
    from mdlake.steps import chosen_partitions, due_partitions, partition_statuses, receive_packages

    house = installed_house("secure")
    wanted = chosen(house, datasets)
    taken = receive_packages(house)
    if periods:
        work = chosen_partitions(house, wanted, periods, named=bool(datasets))
    else:
        work = [(dataset, period) for dataset, period in due_partitions(house) if dataset in wanted]
    if not work and not quiet:
        console.print("nothing is due: every accepted delivery was taken through. `mdlake status` shows where each month stands.")
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, disable=quiet
    )
    busy: list[str] = []
    with LocalRuns(current_home()) as runs, bar as progress:
        task = progress.add_task("running", total=len(work))
        for dataset, period in work:
            progress.update(task, description=f"{dataset.key} {period}")
            try:
                runs.run(dataset, period)
            except PartitionBusy as taken_by_another:
                # a sensor of an open UI may have been faster with one of them: the others go on
                busy.append(str(taken_by_another))
            progress.advance(task)
        progress.update(task, description="done")
    for reason in busy:
        click.echo(f"left alone {reason}", err=True)
    done = {(dataset.key, period.key) for dataset, period in work}
    statuses = partition_statuses(house, wanted, {period.key for _, period in work}) if work else ()
    refusals = tuple(received.refusal for received in taken if received.refusal)
    return tuple(status for status in statuses if (status.dataset, status.period) in done), refusals


@click.command()
@click.argument("names", nargs=-1, metavar="[DATASETS]... [PERIODS]...")
@_period_option
@click.option("--deliveries", is_flag=True, help="Instead: who sent in time, late, or not at all, against the delivery calendar.")
@click.option("--as-of", metavar="DAY", help="Deliveries as they stood at the end of a day: 1403-02-15, or 2024-05-04.")
@click.option("--organization", "organizations", multiple=True, help="Only of this organization. May be given several times.")
@as_json_option
def status(
    names: tuple[str, ...],
    periods: tuple[str, ...],
    deliveries: bool,
    as_of: str | None,
    organizations: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show where each dataset and period stands, and what is next; or how their deliveries stand against the calendar.

    The exit status is 0 also where something is late or refused.
    """
    from mdlake.cli.deliveries import of_organizations, show_deliveries
    from mdlake.steps import partition_statuses

    datasets, periods = _parted(names, periods)
    house = installed_house("secure")
    wanted = of_organizations(house, chosen(house, datasets), organizations)
    if deliveries:
        show_deliveries(house, wanted, periods, end_of_day(as_of) if as_of else now(), as_json=as_json)
        return
    if as_of:
        raise click.UsageError("--as-of is for --deliveries: what was made of them is shown as it is now")
    statuses = partition_statuses(house, wanted, periods)
    if as_json:
        print_json([status.as_json() for status in statuses])
    elif not statuses:
        console.print("nothing was delivered yet. `mdlake synthesize` makes deliveries to try with.")
    else:
        print_statuses(statuses)


def print_statuses(statuses: tuple[PartitionStatus, ...]) -> None:
    """A table of all, then what failed and what to do."""
    columns = ("period", "delivered", "standardized", "set aside", "published", "linked", "worst rule")
    print_grouped_table(
        columns, {key: [_row(s) for s in statuses if s.dataset == key] for key in sorted({s.dataset for s in statuses})}
    )
    for s in statuses:
        if s.units_missing:
            there, due = s.units or (0, 0)
            units = f"{there} of {due} units; missing: {', '.join(s.units_missing)}"
            console.print(f"[bold]{s.dataset} {s.period}[/]: {units}", highlight=False, soft_wrap=True)
        for fallen in s.fallen:
            told = f"stays published, and could not be published again: {fallen}"
            console.print(f"[bold]{s.dataset} {s.period}[/]: {told}", highlight=False, soft_wrap=True)
        if s.state != "published":
            console.print(f"[bold]{s.dataset} {s.period}[/]: {s.state}", highlight=False)
            for failure in s.failures:
                console.print(f"  · {failure}", highlight=False, soft_wrap=True, markup=False)
            console.print(f"  next: {s.next_step}\n", highlight=False, soft_wrap=True, markup=False)


def _short_percent(share: float) -> str:
    """With a decimal only where it matters, so that a rule and its share fit a terminal of 80 columns."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _row(status: PartitionStatus) -> tuple[str, ...]:
    counts = (status.declared_rows, status.rows.get("standardized"), status.quarantined)
    shown = ("–" if count is None else f"{count:,}" for count in counts)
    warned = "passed_with_warnings" in status.verdicts.values()
    published = f"[{'yellow' if warned else 'green'}]{status.rows.get('published', 0):,}[/]"
    state = published if status.state == "published" else f"[red]{status.state}[/]"
    linked = "–" if status.linked is None else f"{status.linked:.1%}"
    worst = "–" if status.nearest is None else f"{status.nearest[0]} {_short_percent(status.nearest[1])}"
    return (status.period, *shown, state, linked, worst)
