"""`mdlake demo`: the whole way on invented data, with a refusal and its mending, so that a newcomer sees both."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from mdlake.cli.custody import write_checkpoint
from mdlake.cli.deliveries import show_organizations
from mdlake.cli.installation import prepare_installation
from mdlake.cli.surroundings import chosen, console, current_home, installed_house, now
from mdlake.cli.work import deliver_synthetic, print_statuses, run_partitions
from mdlake.config import PERIOD_EXCEPTION
from mdlake.standard import Period, end_of_day_in_iran, midnight_in_iran, solar_hijri_day
from mdlake.steps import delivery_standings

if TYPE_CHECKING:
    from mdlake.exchange import Received
    from mdlake.steps import House, PartitionStatus, SyntheticProducers
    from mdlake.synthetic import Ministry

__all__ = ["demo"]

_FIRST, _REFUSED = "1403-01", "1403-02"
_SEED = 1403
_SENT_ON, _SENT_LATE_ON, _CORRECTED_ON = 6, 24, 28
"""Days of the month after the period: before every due day, after every day of grace of a monthly dataset, later still."""


@click.command()
@click.option("--persons", default=20_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--workplaces", default=1_500, show_default=True, type=click.IntRange(min=50))
@click.option("--months", default=3, show_default=True, type=click.IntRange(2, 30), help=f"From {_FIRST} on.")
def demo(persons: int, workplaces: int, months: int) -> None:
    """Install, let synthetic offices decide and the synthetic ministry deliver, and take the months through the four layers."""
    from mdlake.synthetic import Ministry

    prepare_installation()
    ministry = Ministry(persons=persons, workplaces=workplaces, seed=_SEED)
    first = Period.parse(_FIRST)
    periods = [f"{first.year + number // 12}-{number % 12 + 1:02}" for number in range(months)]
    due = {(dataset, own) for period in periods for dataset in ministry.datasets for own, _ in ministry.due(dataset, period)}
    before = _standing(due)
    if [status.state for status in before] == ["published"] * len(due):
        console.print("The demo ran here before, and its months stand as below. To see it again: `make clean`, then `make demo`.")
        print_statuses(before)
        _tell_where_to_look()
        return
    spoilt = ministry.datasets[0]
    _decide()
    cast = _Cast.of(ministry)
    console.rule(f"2 · the producers check, pack and send {months} months", align="left")
    console.print("  one is late once, and one file has many wrong codes")
    for period in periods:
        _deliver(cast, period)
    _show_deliveries(periods[-1])
    console.rule("3 · the main job: raw → standardized → pseudonymized → published", align="left")
    print_statuses(run_partitions((), ())[0])
    console.rule(f"4 · the producer of {spoilt} corrects {_REFUSED} and sends again", align="left")
    _forget_the_number(cast, spoilt)
    deliver_synthetic(cast.producers, cast.ministry, spoilt, _REFUSED, sequence=2)
    _take_in(cast, _REFUSED, _CORRECTED_ON)
    print_statuses(run_partitions((), ())[0])
    console.rule("5 · both Centres sign that some datasets come each quarter (Article 7)", align="left")
    _sign_what_waits()
    print_statuses(run_partitions((), ())[0])
    _write_register()
    write_checkpoint()
    _tell_where_to_look()
    if any(status.state != "published" for status in _standing(due)):
        sys.exit(1)


@dataclass(frozen=True)
class _Cast:
    """Who plays in the demo: the house, the invented ministry, its producers with their keys."""

    house: House
    ministry: Ministry
    producers: SyntheticProducers

    @classmethod
    def of(cls, ministry: Ministry) -> _Cast:
        """The cast in the installation that the environment names; offices have to have been appointed."""
        from mdlake.steps import SyntheticProducers

        house = installed_house("secure")
        return cls(house, ministry, SyntheticProducers(house))


def _deliver(cast: _Cast, period: str) -> None:
    """Let every producer check, pack and send a month, and take it in; tell what statistics units found that will refuse it.

    In one month one dataset is spoilt; the first month of another comes late.
    """
    spoilt, late, *_ = cast.ministry.datasets
    defects = {spoilt: {"wrong_check_digit": 0.2}} if period == _REFUSED else {}
    in_time = [name for name in cast.ministry.datasets if (name, period) != (late, _FIRST)]
    sent = [deliver_synthetic(cast.producers, cast.ministry, name, period, defects=defects.get(name)) for name in in_time]
    _take_in(cast, period, _SENT_ON)
    if late not in in_time:
        sent.append(deliver_synthetic(cast.producers, cast.ministry, late, period))
        _take_in(cast, period, _SENT_LATE_ON)
    checks = [check for _, found in sent for check in found]
    counts = f"{sum(1 for rows, _ in sent if rows)} datasets, {sum(rows for rows, _ in sent):,} rows in {len(checks)} packages"
    console.print(f"  {period}: {counts}", highlight=False)
    for check in checks:
        rules = ", ".join(finding.rule.name for finding in check.findings if finding.weight == "refuses")
        if rules and not check.reporting_unit:
            told = f"its statistics unit found what will refuse it ({rules}), signed that, and sends it all the same"
            console.print(f"    {check.dataset}: {told}", highlight=False, soft_wrap=True)


def _take_in(cast: _Cast, period: str, day: int) -> tuple[Received, ...]:
    """Take in what waits on a day of the month after a period, as if it were that day: the demo plays the year 1403.

    So the delivery calendar finds the demo's months where its story has them, and not years late.
    """
    from mdlake.steps import receive_packages

    at = midnight_in_iran(Period.parse(period).next().first_day + timedelta(days=day - 1)) + timedelta(hours=12)
    return receive_packages(replace(cast.house, now=lambda: at))


def _show_deliveries(last: str) -> None:
    """Who sent in time, at the end of the month after the last."""
    day = Period.parse(last).next().last_day
    as_of = solar_hijri_day(day)
    console.print()
    show_organizations(delivery_standings(installed_house("secure"), end_of_day_in_iran(day)), as_of)
    console.print(f"  every dataset, period, province: mdlake status --deliveries --as-of {as_of}\n", highlight=False)


def _decide() -> None:
    """Keys for every office, and its decisions; the one that lets datasets come each quarter is drafted and not signed."""
    from mdlake.governance import draft_decision, rehearse

    house = installed_house("research")
    console.rule("1 · the offices decide: invented offices, with keys made for this demo", align="left")
    for standing in rehearse(house.register, now(), periods=False):
        console.print(f"  {standing.decision_id}: signed by {len(standing.signatures)}, {standing.state}", highlight=False)
    quarterly = [key for key, dataset in house.configuration.datasets.items() if dataset.file.periodicity != "month"]
    if quarterly:
        scope = {"datasets": quarterly, "periodicity": "quarter"}
        drafted = draft_decision(house.register, PERIOD_EXCEPTION, scope, now())
        console.print(f"  {drafted.id}: drafted, nobody has signed it", highlight=False)


def _forget_the_number(cast: _Cast, dataset: str) -> None:
    """Send what corrects a delivery under the same number: the intake refuses it, and nothing changes."""
    deliver_synthetic(cast.producers, cast.ministry, dataset, _REFUSED)
    for received in _take_in(cast, _REFUSED, _CORRECTED_ON):
        console.print(f"  under the same number first, and refused: {received.refusal}", highlight=False, soft_wrap=True)


def _sign_what_waits() -> None:
    """Sign what was drafted, office by office, and accept it."""
    from mdlake.governance import SyntheticOffices, rehearsal_folder, sign_decision

    house = installed_house("research")
    offices = SyntheticOffices(house.register, rehearsal_folder(house.home))
    for draft in house.register.drafts(now()):
        for office in sorted({office for lack in draft.lacks for office in lack.offices}):
            standing = sign_decision(house.register, draft.decision_id, office, offices.key(office), now())
            console.print(
                f"  mdlake decide sign {draft.decision_id} --office {office}: {standing.state}", highlight=False, soft_wrap=True
            )
    for standing in house.register.accept_complete(now()):
        console.print(f"  {standing.decision_id}: {standing.state}", highlight=False)


def _write_register() -> None:
    """The register of decisions as a page."""
    from mdlake.reports import register_page

    house = installed_house("research")
    (house.home.control / "decisions.html").write_text(register_page(house, now()), encoding="utf-8")


def _standing(due: Collection[tuple[str, str]]) -> tuple[PartitionStatus, ...]:
    """Where the datasets and periods of the demo stand."""
    from mdlake.steps import partition_statuses

    house = installed_house("secure")
    statuses = partition_statuses(house, chosen(house, {dataset for dataset, _ in due}), {period for _, period in due})
    return tuple(status for status in statuses if (status.dataset, status.period) in due)


def _tell_where_to_look() -> None:
    home = current_home()
    console.rule("where to look next", align="left")
    for line in (
        f"published tables   {home.research}/published (Delta Lake, partitioned by period)",
        f"rows set aside     {home.secure}/quarantine (identified: the secure zone)",
        f"decisions          {home.control}/decisions.html (the register), decisions/ (what was signed, and the signatures)",
        f"audit checkpoint   {home.control}/checkpoints",
        "mdlake status      where each month stands; --deliveries: who sent in time, late, or not at all",
        "mdlake decide list which decisions count, wait, have ended",
        "mdlake keys uses   which run used which key, how often",
        "make ui            the same in the Dagster UI: asset graph, checks, backfills",
        "README.md          what all of this is",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
