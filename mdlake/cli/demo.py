"""`mdlake demo`: the whole way on invented data, with a refusal and its mending, so that a newcomer sees both."""

from __future__ import annotations

import sys

import click

from mdlake.cli.custody import write_checkpoint
from mdlake.cli.installation import prepare_installation
from mdlake.cli.surroundings import console, current_home
from mdlake.cli.work import deliver_synthetic, print_statuses, run_partitions

__all__ = ["demo"]

_PERIODS = ("1403-01", "1403-02", "1403-03")
_REFUSED = "1403-02"
_SEED = 1403


@click.command()
@click.option("--persons", default=20_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--workplaces", default=1_500, show_default=True, type=click.IntRange(min=50))
def demo(persons: int, workplaces: int) -> None:
    """Install, let the synthetic ministry deliver three months, and take them through the four layers."""
    from mdlake.synthetic import Ministry

    prepare_installation()
    ministry = Ministry(persons=persons, workplaces=workplaces, seed=_SEED)
    spoilt = ministry.datasets[0]
    console.rule("1 · a producer delivers three months; in one, many national codes are wrong", align="left")
    for period in _PERIODS:
        for dataset in ministry.datasets:
            defects = {"wrong_check_digit": 0.2} if (dataset, period) == (spoilt, _REFUSED) else None
            rows = deliver_synthetic(ministry, dataset, period, defects=defects)
            console.print(f"  {period} {dataset}: {rows:,} rows", highlight=False)
    console.rule("2 · the main job: raw → standardized → pseudonymized → published", align="left")
    print_statuses(run_partitions((), ())[0])
    console.rule(f"3 · the producer corrects {_REFUSED} and sends again", align="left")
    deliver_synthetic(ministry, spoilt, _REFUSED, sequence=2)
    mended, _ = run_partitions((), ())
    print_statuses(mended)
    checkpoint = write_checkpoint()
    home = current_home()
    console.rule("where to look next", align="left")
    for line in (
        f"published tables   {home.research}/published (Delta Lake, partitioned by period)",
        f"rows set aside     {home.secure}/quarantine (identified: the secure zone)",
        f"audit checkpoint   {checkpoint}",
        "mdlake status      where each month stands",
        "mdlake keys uses   which run used which key, how often",
        "make ui            the same in the Dagster UI: asset graph, checks, backfills",
        "README.md          what all of this is",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if any(status.state != "published" for status in mended) or not mended:
        sys.exit(1)
