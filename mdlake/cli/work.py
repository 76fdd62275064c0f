"""`mdlake synthesize`, `run`, `status`: deliveries, their way through the layers, where they stand."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from mdlake.cli.surroundings import as_json_option, chosen, console, current_home, installed_house, print_json, print_table
from mdlake.errors import DeliveryRefused
from mdlake.steps import PartitionStatus

if TYPE_CHECKING:
    from mdlake.synthetic import Ministry

__all__ = ["deliver_synthetic", "print_statuses", "run", "run_partitions", "status", "synthesize"]

_WARNED = " [yellow](warned)[/]"
_STATES = {"published": "[green]published[/]", "refused": "[red]refused[/]", "delivery refused": "[red]delivery refused[/]"}


def deliver_synthetic(
    ministry: Ministry, dataset: str, period: str, sequence: int = 1, defects: Mapping[str, float] | None = None
) -> int:
    """Let the synthetic ministry deliver one dataset-month to the landing; returns its rows."""
    folder = current_home().landing / dataset.split("/", maxsplit=1)[0]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return ministry.deliver(dataset, period, folder, sequence=sequence, defects=defects, truth=False).rows


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
def synthesize(
    periods: tuple[str, ...], persons: int, workplaces: int, seed: int, sequence: int, defects: tuple[str, ...]
) -> None:
    """Let the synthetic ministry deliver PERIODS (default: 1403-01 1403-02 1403-03) to the landing.

    The deliveries look as a producer writes them: Persian headers, digits of three scripts, dates in several hands, lost
    zeros, duplicates and invalid codes. The persons are invented.
    """
    installed_house("secure")
    rates: dict[str, float] = {}
    for text in defects:
        name, _, rate = text.partition("=")
        try:
            rates[name] = float(rate)
        except ValueError:
            raise click.BadParameter("write it as wrong_check_digit=0.2", param_hint="--defect") from None
    from mdlake.synthetic import Ministry

    ministry = Ministry(persons=persons, workplaces=workplaces, seed=seed)
    chosen_periods = periods or ("1403-01", "1403-02", "1403-03")
    delivered = []
    with console.status("the synthetic ministry is writing its deliveries"):
        for period in chosen_periods:
            for dataset in ministry.datasets:
                known = ministry.defect_rates(dataset)
                own = {name: rate for name, rate in rates.items() if name in known} if len(ministry.datasets) > 1 else rates
                delivered.append((dataset, period, deliver_synthetic(ministry, dataset, period, sequence, own)))
    print_table("delivered to the landing", ("dataset", "period", "rows"), [(d, p, f"{rows:,}") for d, p, rows in delivered])
    console.print("Next: `mdlake run`.")


@click.command()
@click.argument("datasets", nargs=-1)
@click.option("--period", "periods", multiple=True, help="A reference period, such as 1403-01. May be given several times.")
@as_json_option
def run(datasets: tuple[str, ...], periods: tuple[str, ...], as_json: bool) -> None:
    """Take deliveries through the four layers.

    Without arguments: every dataset and period with a delivery that was not taken through yet. DATASETS are named
    organization/dataset. The runs appear in the Dagster UI; a month or a delivery that is refused blocks no other, and
    makes the exit status 1.
    """
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
    from mdlake.steps import due_partitions, partition_statuses

    house = installed_house("secure")
    wanted = chosen(house, datasets)
    taken = [
        received
        for organization in sorted({dataset.organization for dataset in wanted})
        for received in house.landing.take_in(organization, house.now())
    ]
    if periods:
        work = [(dataset, house.configuration.period(dataset, key)) for key in sorted(periods) for dataset in wanted]
    else:
        work = [(dataset, period) for dataset, period in due_partitions(house) if dataset in wanted]
    if not work and not quiet:
        console.print("nothing is due: every accepted delivery was taken through. `mdlake status` shows where each month stands.")
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, disable=quiet
    )
    with LocalRuns(current_home()) as runs, bar as progress:
        task = progress.add_task("running", total=len(work))
        for dataset, period in work:
            progress.update(task, description=f"{dataset.key} {period}")
            runs.run(dataset, period)
            progress.advance(task)
        progress.update(task, description="done")
    done = {(dataset.key, period.key) for dataset, period in work}
    statuses = partition_statuses(house, wanted, {period.key for _, period in work}) if work else ()
    refusals = tuple(received.refusal for received in taken if received.refusal)
    return tuple(status for status in statuses if (status.dataset, status.period) in done), refusals


@click.command()
@click.argument("datasets", nargs=-1)
@click.option("--period", "periods", multiple=True, help="A reference period, such as 1403-01. May be given several times.")
@as_json_option
def status(datasets: tuple[str, ...], periods: tuple[str, ...], as_json: bool) -> None:
    """Show where each dataset and period stands, and what is next."""
    from mdlake.steps import partition_statuses

    house = installed_house("secure")
    statuses = partition_statuses(house, chosen(house, datasets), periods)
    if as_json:
        print_json([status.as_json() for status in statuses])
    elif not statuses:
        console.print("nothing was delivered yet. `mdlake synthesize` makes deliveries to try with.")
    else:
        print_statuses(statuses)


def print_statuses(statuses: tuple[PartitionStatus, ...]) -> None:
    """A table per dataset, then what failed and what to do."""
    columns = ("period", "delivered", "standardized", "quarantined", "duplicates", "published", "state")
    for dataset in sorted({s.dataset for s in statuses}):
        print_table(dataset, columns, [_row(s) for s in statuses if s.dataset == dataset])
    for s in statuses:
        if s.state != "published":
            console.print(f"[bold]{s.dataset} {s.period}[/]: {s.state}", highlight=False)
            for failure in s.failures:
                console.print(f"  · {failure}", highlight=False, soft_wrap=True, markup=False)
            console.print(f"  next: {s.next_step}\n", highlight=False, soft_wrap=True, markup=False)


def _row(status: PartitionStatus) -> tuple[str, ...]:
    warned = _WARNED if "passed_with_warnings" in status.verdicts.values() else ""
    counts = (
        status.declared_rows,
        status.rows.get("standardized"),
        status.quarantined,
        status.duplicates,
        status.rows.get("published"),
    )
    shown = ("–" if count is None else f"{count:,}" for count in counts)
    return (status.period, *shown, _STATES.get(status.state, status.state) + warned)
