"""`mdlake demo`: the whole way on invented data, with a refusal and its mending, so that a newcomer sees both."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mdlake.cli.custody import write_checkpoint
from mdlake.cli.installation import prepare_installation
from mdlake.cli.surroundings import chosen, console, current_home, installed_house
from mdlake.cli.work import deliver_synthetic, print_statuses, run_partitions

if TYPE_CHECKING:
    from mdlake.steps import PartitionStatus
    from mdlake.synthetic import Ministry

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
    before = _standing(ministry)
    partitions = len(_PERIODS) * len(ministry.datasets)
    if [status.state for status in before] == ["published"] * partitions:
        console.print("The demo ran here before, and its months stand as below. To see it again: `make clean`, then `make demo`.")
        print_statuses(before)
        _tell_where_to_look()
        return
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
    print_statuses(run_partitions((), ())[0])
    write_checkpoint()
    _tell_where_to_look()
    if any(status.state != "published" for status in _standing(ministry)):
        sys.exit(1)


def _standing(ministry: Ministry) -> tuple[PartitionStatus, ...]:
    """Where the months of the demo stand."""
    from mdlake.steps import partition_statuses

    house = installed_house("secure")
    return partition_statuses(house, chosen(house, ministry.datasets), _PERIODS)


def _tell_where_to_look() -> None:
    home = current_home()
    console.rule("where to look next", align="left")
    for line in (
        f"published tables   {home.research}/published (Delta Lake, partitioned by period)",
        f"rows set aside     {home.secure}/quarantine (identified: the secure zone)",
        f"audit checkpoint   {home.control}/checkpoints",
        "mdlake status      where each month stands",
        "mdlake keys uses   which run used which key, how often",
        "make ui            the same in the Dagster UI: asset graph, checks, backfills",
        "README.md          what all of this is",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
