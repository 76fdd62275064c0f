"""How deliveries stand at any moment: not due, awaited, in time, late, overdue, refused; what came later does not count."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from mdlake.cli import cli
from mdlake.cli.surroundings import console
from mdlake.errors import MdlakeError
from mdlake.ledger import Delivery, Package
from mdlake.standard import Period, day_of_solar_hijri, midnight_in_iran
from mdlake.steps import DeliveryStanding, House, delivery_counts, delivery_standings

PLACES, DISPUTES, REGISTER = "sso/workplaces", "provincial/labour_disputes", "cooperatives/cooperatives"
MONTH = "1403-01"
"""Of the first dataset: due on 1403-02-10, with grace up to 1403-02-16."""


def noon(day: str) -> datetime:
    return midnight_in_iran(day_of_solar_hijri(day)) + timedelta(hours=12)


Come = Callable[..., None]


@pytest.fixture
def come(secure: House) -> Come:
    """Records what the intake would: a package on a day, with a delivery in it."""
    number = 0

    def come(day: str | datetime, *, refused: str | None = None, of: str = PLACES, period: str = MONTH, **changed: Any) -> None:
        nonlocal number
        number += 1
        organization, dataset = of.split("/")
        at = noon(day) if isinstance(day, str) else day
        state: Any = "refused" if refused else "accepted"
        fields: dict[str, Any] = {"sha256": f"{number:064}", "size_bytes": 1, "received_at": at, "reason": refused}
        delivery = Delivery(
            organization, dataset, period, number, file_name="x", declared_rows=1, contract_version="1.0", state=state, **fields
        )
        package = Package(organization, "x", signer=None, state=state, **fields)
        secure.ledger.record_package(package, Delivery(**{**vars(delivery), **changed}))

    return come


def standing(house: House, day: str, of: str = PLACES, period: str = MONTH) -> DeliveryStanding:
    [found] = delivery_standings(house, noon(day), [house.configuration.dataset(of)], [period])
    return found


@pytest.mark.parametrize(
    ("day", "state", "days_late"),
    [
        ("1403-02-01", "not due", 0),
        ("1403-02-10", "not due", 0),
        ("1403-02-11", "awaited", 0),
        ("1403-02-16", "awaited", 0),
        ("1403-02-17", "overdue", 7),
        ("1403-03-01", "overdue", 22),
    ],
)
def test_what_has_not_come_is_due_awaited_and_then_overdue_by_days(secure: House, day: str, state: str, days_late: int) -> None:
    found = standing(secure, day)
    assert (found.state, found.days_late, found.is_overdue) == (state, days_late, state == "overdue")
    assert (found.due_day, found.last_day) == (day_of_solar_hijri("1403-02-10"), day_of_solar_hijri("1403-02-16"))


@pytest.mark.parametrize(
    ("came", "state", "days_late"), [("1403-02-03", "on time", 0), ("1403-02-16", "on time", 0), ("1403-02-17", "late", 7)]
)
def test_what_came_is_in_time_up_to_the_last_day_of_grace(
    secure: House, come: Come, came: str, state: str, days_late: int
) -> None:
    come(came)
    found = standing(secure, "1403-12-01")
    assert (found.state, found.days_late, found.received_at) == (state, days_late, noon(came))


def test_the_day_is_that_in_iran_and_not_in_greenwich(secure: House, come: Come) -> None:
    """A quarter of an hour before the midnight of Tehran it is still the last day, and after it, when Greenwich has it, not."""
    midnight = midnight_in_iran(day_of_solar_hijri("1403-02-17"))
    dataset = [secure.configuration.dataset(PLACES)]
    before, after = (delivery_standings(secure, midnight + timedelta(minutes=m), dataset, [MONTH])[0] for m in (-15, 15))
    assert (before.state, after.state) == ("awaited", "overdue")
    come(midnight + timedelta(minutes=15))
    assert standing(secure, "1403-03-01").state == "late"


def test_what_was_refused_and_never_accepted_is_told_with_its_reason_and_is_overdue_after_the_grace(
    secure: House, come: Come
) -> None:
    come("1403-02-05", refused="row_count")
    come("1403-02-06", refused="encoding")
    early, late = standing(secure, "1403-02-07"), standing(secure, "1403-02-17")
    assert (early.state, early.reason, early.refused, early.is_overdue) == ("refused", "encoding", 2, False)
    assert (late.state, late.days_late, late.is_overdue) == ("refused", 7, True)
    come("1403-02-18")
    mended = standing(secure, "1403-02-19")
    assert (mended.state, mended.days_late, mended.reason, mended.refused) == ("late", 8, None, 2)


def test_a_resubmission_after_the_deadline_does_not_make_the_first_late(secure: House, come: Come) -> None:
    come("1403-02-03")
    come("1403-03-20")
    come("1403-03-25", refused="row_count")
    found = standing(secure, "1403-04-01")
    assert (found.state, found.accepted, found.refused, found.is_resubmitted) == ("on time", 2, 1, True)
    assert found.as_json()["resubmissions"] == 1


def test_what_came_after_the_moment_does_not_count_whatever_came_of_it(secure: House, come: Come) -> None:
    """Also of a file that was refused and accepted later: the ledger keeps the delivery once, and each package of its own."""
    come("1403-02-05", refused="unknown_column", sha256="a" * 64)
    come("1403-02-20", sha256="a" * 64)
    come("1403-02-25")
    by_day = {day: standing(secure, day) for day in ("1403-02-04", "1403-02-05", "1403-02-19", "1403-02-20", "1403-02-26")}
    assert [found.state for found in by_day.values()] == ["not due", "refused", "refused", "late", "late"]
    assert [found.accepted for found in by_day.values()] == [0, 0, 0, 1, 2]
    assert by_day["1403-02-19"].reason == "unknown_column"
    assert by_day["1403-02-26"].days_late == 10


def test_each_reporting_unit_stands_for_itself(secure: House, come: Come) -> None:
    come("1403-02-05", of=DISPUTES, reporting_unit="05")
    come("1403-02-28", of=DISPUTES, reporting_unit="07")
    come("1403-02-06", of=DISPUTES, reporting_unit="08", refused="row_count")
    dataset = secure.configuration.dataset(DISPUTES)
    found = delivery_standings(secure, noon("1403-02-30"), [dataset], [MONTH])
    assert [one.unit for one in found] == list(dataset.contract(Period.parse(MONTH)).units(Period.parse(MONTH)))
    assert len(found) == 31
    assert delivery_counts(found) == {"on time": 1, "late": 1, "overdue": 28, "refused": 1}


def test_a_period_is_there_from_its_end_on_or_when_something_came_for_it(secure: House, come: Come) -> None:
    dataset = [secure.configuration.dataset(PLACES)]
    periods = [one.period for one in delivery_standings(secure, noon("1403-03-10"), dataset)]
    assert periods == ["1403-01", "1403-02"]
    come("1403-03-09", period="1403-03")
    assert [one.period for one in delivery_standings(secure, noon("1403-03-10"), dataset)] == ["1403-01", "1403-02", "1403-03"]
    assert delivery_standings(secure, noon("1403-01-31"), dataset) == ()


def test_a_quarter_is_owed_in_the_month_after_it(secure: House) -> None:
    assert standing(secure, "1403-04-19", REGISTER, "1403-Q1").state == "not due"
    assert standing(secure, "1403-04-31", REGISTER, "1403-Q1").state == "overdue"


@pytest.mark.parametrize(("key", "said"), [("1402-12", "nobody owes"), ("1403-Q1", "nobody owes"), ("1403-13", "no month")])
def test_a_period_that_nobody_owes_is_told(secure: House, key: str, said: str) -> None:
    with pytest.raises(MdlakeError, match=said):
        delivery_standings(secure, noon("1403-03-10"), [secure.configuration.dataset(PLACES)], [key])


def slow_state(events: list[tuple[int, bool]], day: int, due: int, last: int) -> tuple[str, int]:
    """The same in other words: days counted from one day on, what came as (day, accepted)."""
    seen = [(at, accepted) for at, accepted in events if at <= day]
    first = min((at for at, accepted in seen if accepted), default=None)
    if first is not None:
        return ("on time", 0) if first <= last else ("late", first - due)
    over = max(day - due, 0) if day > last else 0
    if seen:
        return "refused", over
    return ("overdue", over) if over else ("awaited" if day > due else "not due", 0)


def test_every_day_of_random_histories_is_as_a_plain_recomputation_says(secure: House, come: Come) -> None:
    chance, begin = random.Random(5), day_of_solar_hijri("1403-02-01")
    dataset = secure.configuration.dataset(DISPUTES)
    deadline = secure.configuration.deadline(dataset, Period.parse(MONTH))
    histories: dict[str, list[tuple[int, bool]]] = {}
    for unit in dataset.contract(Period.parse(MONTH)).units(Period.parse(MONTH)):
        days = sorted(chance.sample(range(50), chance.randrange(4)))
        histories[unit] = [(day, chance.random() < 0.5) for day in days]
        for day, accepted in histories[unit]:
            at = midnight_in_iran(begin) + timedelta(days=day, hours=9)
            come(at, of=DISPUTES, reporting_unit=unit, refused=None if accepted else "row_count")
    due, last = ((day - begin).days for day in (deadline.due_day, deadline.last_day))
    seen = set()
    for day in range(51):
        at = midnight_in_iran(begin + timedelta(days=day)) + timedelta(hours=20)
        for found in delivery_standings(secure, at, [dataset], [MONTH]):
            assert (found.state, found.days_late) == slow_state(histories[found.unit], day, due, last), (found.unit, day)
            seen.add(found.state)
    assert len(seen) == 6


def test_the_json_has_solar_days_and_plain_values(secure: House, come: Come) -> None:
    come("1403-02-17")
    said = standing(secure, "1403-02-20").as_json()
    assert (said["due_day"], said["last_day"], said["organization"]) == ("1403-02-10", "1403-02-16", "sso")
    assert said["received_at"] == "2024-05-06T08:30:00+00:00"
    assert not any(isinstance(value, date) for value in said.values())


# ── mdlake status --deliveries ───────────────────────────────────────────────────────────────────────────────────────


Told = Callable[..., str]


@pytest.fixture
def told(secure: House, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What the command says on a wide terminal; its exit status is 0, also where something is late."""
    home = {"MDLAKE_HOME": str(secure.home.root), "MDLAKE_CONFIG": str(secure.home.config)}
    monkeypatch.setattr(console, "width", 120)

    def told(*words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(cli, ["status", *words], env=home)
        assert (done.exit_code != 0) == fails, done.output
        return done.output if not fails else f"{done.output}{done.exception}"

    return told


def cells(output: str, first: str) -> list[str]:
    """The words of the line that begins so."""
    [line] = [line for line in output.splitlines() if line.startswith(first)]
    return line.removeprefix(first).split()


def test_the_command_shows_organizations_datasets_and_provinces(told: Told, come: Come) -> None:
    come("1403-02-03")
    come("1403-02-04")
    come("1403-02-25", of=DISPUTES, reporting_unit="05")
    come("1403-02-08", of=DISPUTES, reporting_unit="07", refused="row_count")
    output = told("--deliveries", "--as-of", "1403-02-30")
    assert "deliveries as of 1403-02-30" in output
    assert cells(output, "provincial ") == ["1", "29", "1"]
    assert cells(output, "05 Kermanshah") == ["1"]
    places = [line.split() for line in output.split("sso/workplaces")[1].splitlines() if line.startswith("1403-01")]
    assert places[0] == ["1403-01", "1403-02-10", "on", "time", "1403-02-03", "2"]
    assert "29 overdue, 1 refused (07), 1 late (05)" in " ".join(output.split())


def test_the_command_narrows_to_organizations_datasets_and_periods(told: Told) -> None:
    def seen(*words: str) -> set[tuple[str, str]]:
        said = json.loads(told("--deliveries", "--as-of", "1403-04-30", "--json", *words))
        return {(one["dataset"], one["period"]) for one in said["deliveries"]}

    assert {dataset for dataset, _ in seen("--organization", "tvto")} == {"tvto/trainees", "tvto/skill_certificates"}
    assert seen(PLACES) == {(PLACES, month) for month in ("1403-01", "1403-02", "1403-03")}
    assert seen(PLACES, "1403-02") == {(PLACES, "1403-02")}
    assert seen("1403-Q1") == {("cooperatives/cooperatives", "1403-Q1"), ("cooperatives/cooperative_members", "1403-Q1")}
    assert "organization called 'tvtoo'" in told("--deliveries", "--organization", "tvtoo", fails=True)
    assert "nobody owes" in told("--deliveries", PLACES, "--period", "1402-01", fails=True)


def test_the_json_of_the_command_is_that_of_the_standings(told: Told, secure: House, come: Come) -> None:
    come("1403-02-25", of=DISPUTES, reporting_unit="05")
    said = json.loads(told("--deliveries", "--as-of", "1403-03-01", "--json"))
    expected = delivery_standings(secure, noon("1403-03-01"))
    assert said["as_of"] == "1403-03-01"
    assert said["deliveries"] == [one.as_json() for one in expected]
    assert said["counts"] == delivery_counts(expected)
    assert json.loads(told("--deliveries", "--as-of", "2024-05-21", "--json")) == said


def test_months_of_which_nothing_came_stand_in_one_line(told: Told, come: Come) -> None:
    come("1403-04-03", period="1403-03")
    output = told("--deliveries", PLACES, "--as-of", "1403-07-30")
    rows = [line.split() for line in output.split(PLACES)[1].splitlines() if line.startswith("1403-")]
    assert [" ".join(row[:3]) for row in rows if row[1] == "–"] == ["1403-01 – 1403-02", "1403-04 – 1403-06"]
    assert [row[0] for row in rows if row[1] != "–"] == ["1403-03"]


def test_a_day_that_is_none_and_a_day_without_deliveries_are_told(told: Told) -> None:
    assert "no day of the Solar Hijri calendar" in told("--deliveries", "--as-of", "1403-13-01", fails=True)
    assert "no day of the Gregorian calendar" in told("--deliveries", "--as-of", "2024-13-01", fails=True)
    assert "--as-of is for --deliveries" in told("--as-of", "1403-02-01", fails=True)


def test_a_year_whose_holidays_were_not_announced_is_named(told: Told) -> None:
    assert "lunar holidays" not in told("--deliveries", PLACES, "--as-of", "1404-11-30")
    assert "no lunar holidays of 1405 are configured" in told("--deliveries", PLACES, "--as-of", "1405-02-30")


def test_before_anything_is_owed_the_command_says_since_when_it_is(told: Told) -> None:
    assert "nothing is owed yet: deliveries are owed from 1403-01 on" in " ".join(
        told("--deliveries", "--as-of", "1402-11-01").split()
    )
