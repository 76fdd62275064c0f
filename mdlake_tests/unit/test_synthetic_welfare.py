"""Welfare, supported households and the fund of farmers: who is in them, that stocks and flows add up, that they fit together."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from persiantools.jdatetime import JalaliDate

from mdlake.synthetic import Canary, DeliveredFile, Ministry
from mdlake.synthetic.behzisti import WelfareClients
from mdlake.synthetic.calendar import month_number
from mdlake.synthetic.dataset import Dataset
from mdlake.synthetic.disability import Disabilities
from mdlake.synthetic.farmers_fund import InsuredMembers
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import PlantedCanaries
from mdlake.synthetic.population import Persons
from mdlake.synthetic.rural_insurance import RuralInsurance
from mdlake.synthetic.social_welfare import HouseholdMembers
from mdlake.synthetic.welfare import HouseholdSupport, WelfareCases

CLIENTS, SUPPORT, FARMERS = "behzisti/welfare_clients", "social_welfare/household_support", "farmers_fund/insured_members"
KEYS = (CLIENTS, SUPPORT, FARMERS)
MONTHS = ("1403-01", "1403-02", "1403-03")
SEED = 7


@dataclass(frozen=True)
class World:
    """A population with everything that the three producers look at."""

    persons: Persons
    households: Households
    disabilities: Disabilities
    cases: WelfareCases
    support: HouseholdSupport
    datasets: dict[str, Dataset]

    def records(self, key: str, month: str) -> pl.DataFrame:
        """A month before defects and handwriting, with the person of each record."""
        number, none = month_number(month), np.arange(0)
        page = self.datasets[key].page(number, 0, self.datasets[key].size(number), PlantedCanaries((), none, none))
        return page.text.with_columns(person=page.person)


@pytest.fixture(scope="module")
def world() -> World:
    persons = Persons(20_000, SEED)
    households, disabilities = Households(persons, SEED), Disabilities(persons, SEED)
    cases = WelfareCases(persons, households, disabilities, SEED)
    support = HouseholdSupport(persons, households, cases, SEED)
    datasets: tuple[Dataset, ...] = (
        WelfareClients(persons, households, disabilities, cases, SEED),
        HouseholdMembers(persons, households, support, SEED),
        InsuredMembers(persons, households, RuralInsurance(persons, households, SEED), SEED),
    )
    return World(persons, households, disabilities, cases, support, {dataset.key: dataset for dataset in datasets})


@pytest.fixture(scope="module")
def ministry() -> Ministry:
    return Ministry(persons=3000, workplaces=100, seed=SEED)


def day(text: str) -> JalaliDate:
    return JalaliDate(*(int(part) for part in text.split("/")))  # type: ignore[no-untyped-call]


def month_of(text: str) -> str:
    return text[:7].replace("/", "-")


def persons_of(records: pl.DataFrame) -> set[int]:
    return set(records["person"].to_list())


# ── welfare ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_in_forty_has_a_disability_and_six_of_ten_of_them_are_clients(world: World) -> None:
    month, everybody = month_number("1403-02"), np.arange(world.persons.total)
    living = everybody[world.persons.are_alive(everybody, month)]
    disabled = living[world.disabilities.are_disabled(living, month)]
    assert disabled.size / living.size == pytest.approx(0.025, abs=0.003)
    clients = world.cases.clients(month)
    for_disability = clients[world.cases.are_for_disability(clients)]
    assert set(for_disability.tolist()) <= set(disabled.tolist())
    assert for_disability.size / disabled.size == pytest.approx(0.6, abs=0.06)
    later = world.disabilities.onset_days(disabled) > world.persons.birth_days(disabled)
    assert 0.2 < later.mean() < 0.5


def test_a_client_is_disabled_or_a_woman_who_heads_a_household(world: World) -> None:
    frame = world.records(CLIENTS, "1403-02").with_columns(
        pl.col("disability_kind").replace({"ندارد": "0"}), pl.col("disability_severity").replace({"ندارد": "0"})
    )
    women = frame.filter(pl.col("disability_kind") == "0")
    assert 20 < women.height < frame.height / 2
    assert set(women["disability_severity"]) == {"0"}
    assert set(women["support_kind"]) == {"4"}
    assert set(women["sex"]) <= {"2", "زن"}
    disabled = frame.filter(pl.col("disability_kind") != "0")
    assert "0" not in set(disabled["disability_severity"])
    assert set(disabled["support_kind"]) == {"1", "2", "3", "5"}
    assert frame["person"].is_unique().all()


def test_clients_come_with_their_first_month_and_leave_with_their_last_or_by_death(world: World) -> None:
    came = left = 0
    for before, after in pairwise(MONTHS):
        number = month_number(after)
        then, now = persons_of(world.records(CLIENTS, before)), persons_of(world.records(CLIENTS, after))
        entered, gone = np.array(sorted(now - then), dtype=np.int64), np.array(sorted(then - now), dtype=np.int64)
        assert (world.cases.first_months(entered) == number).all()
        assert ((world.cases.last_months(gone) == number - 1) | ~world.persons.are_alive(gone, number)).all()
        came, left = came + entered.size, left + gone.size
    assert came > 0
    assert left > 0


@pytest.mark.parametrize(("register", "month"), [("1403-01", "1403-02"), ("1403-02", "1403-02")])
def test_the_head_of_every_client_is_in_the_list_of_supported_households(world: World, register: str, month: str) -> None:
    heads = world.records(CLIENTS, month)["head_national_code"]
    assert set(heads) <= set(world.records(SUPPORT, register)["national_code"])


def test_allowances_are_raised_once_a_year(world: World) -> None:
    def allowances(month: str) -> dict[int, int]:
        return {person: int(text) for person, text in world.records(CLIENTS, month).select("person", "allowance").iter_rows()}

    before, after, next_year = allowances("1403-01"), allowances("1403-12"), allowances("1404-01")
    assert all(after[person] == amount for person, amount in before.items() if person in after)
    assert all(1.19 < next_year[person] / amount < 1.21 for person, amount in after.items() if person in next_year)


def test_a_small_share_of_the_notes_tells_who_somebody_is(world: World) -> None:
    notes = world.records(CLIENTS, "1403-02")["case_note"]
    assert 0.6 < notes.is_not_null().mean() < 0.8  # type: ignore[operator]
    told = notes.drop_nulls()
    for pattern, least, most in ((r"\b\d{10}\b", 0.02, 0.12), (r"\b09\d{9}\b", 0.01, 0.1), ("پیگیری با ", 0.02, 0.15)):
        assert least < told.str.contains(pattern).mean() < most, pattern  # type: ignore[operator]


# ── households ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_four_of_ten_households_are_supported_the_poorer_the_more(world: World) -> None:
    household, month = np.arange(world.households.count), month_number("1403-02")
    supported, decile = world.support.are_supported(household, month), world.support.deciles(household)
    assert supported.mean() == pytest.approx(0.4, abs=0.04)
    shares = [supported[decile == number].mean() for number in range(1, 11)]
    assert shares == sorted(shares, reverse=True)


def test_every_household_has_one_head_and_all_its_living_members_stand_together(world: World) -> None:
    number, frame = month_number("1403-02"), world.records(SUPPORT, "1403-02")
    is_head = pl.col("relation").is_in(["1", "سرپرست"])
    by_household = frame.group_by("household_id", maintain_order=True).agg(is_head.sum().alias("heads"), is_head.first())
    assert set(by_household["heads"]) == {1}
    assert by_household["relation"].all(), "the head stands first"
    assert frame["household_id"].rle().len() == by_household.height, "members stand together"
    listed = Counter(world.households.of(frame["person"].to_numpy()).tolist())
    everybody = np.arange(world.persons.total)
    living = everybody[world.persons.are_alive(everybody, number)]
    assert listed == Counter(h for h in world.households.of(living).tolist() if h in listed)
    for column in ("income_decile", "province"):
        assert frame.group_by("household_id").agg(pl.col(column).n_unique())[column].max() == 1


def test_births_enter_deaths_leave_and_nobody_else_comes_or_goes_alone(world: World) -> None:
    first, last = "1403-01", "1403-12"
    then, now = world.records(SUPPORT, first), world.records(SUPPORT, last)
    stayed = set(then["household_id"]) & set(now["household_id"])
    born = now.filter(pl.col("household_id").is_in(stayed) & ~pl.col("person").is_in(then["person"].implode()))
    assert born.height > 0
    assert all(first < month_of(text) <= last for text in born["birth_date"])
    assert set(born["relation"]) <= {"3", "فرزند"}
    died = then.filter(pl.col("household_id").is_in(stayed) & ~pl.col("person").is_in(now["person"].implode()))
    assert died.height > 0
    assert not world.persons.are_alive(died["person"].to_numpy(), month_number(last)).any()
    assert set(now["household_id"]) - stayed
    assert set(then["household_id"]) - stayed


def test_who_survives_the_head_becomes_the_head(world: World) -> None:
    frame = world.records(SUPPORT, "1405-12")
    person = frame["person"].to_numpy()
    was_spouse = world.households.relations(person) == 1
    head = world.households.heads(world.households.of(person))
    widowed = was_spouse & ~world.persons.are_alive(head, month_number("1405-12"))
    assert widowed.any()
    assert set(frame["relation"].filter(pl.Series(widowed))) <= {"1", "سرپرست"}
    assert set(frame["relation"].filter(pl.Series(was_spouse & ~widowed))) <= {"2", "همسر"}


# ── the fund of farmers ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_third_of_the_other_adults_and_a_few_workers_are_members(world: World) -> None:
    kinds = Counter(world.persons.kinds(world.records(FARMERS, "1403-02")["person"].to_numpy()).tolist())
    assert set(kinds) == {0, 1}
    assert kinds[1] / len(world.persons.adults) == pytest.approx(0.35, abs=0.03)
    assert kinds[0] / world.persons.size == pytest.approx(0.01, abs=0.003)


def test_a_membership_begins_in_the_month_that_reports_it_first_and_one_month_is_paid(world: World) -> None:
    for before, after in pairwise(MONTHS):
        then, now = world.records(FARMERS, before), world.records(FARMERS, after)
        new = now.filter(~pl.col("person").is_in(then["person"].implode()))
        assert new.height > 0
        assert {month_of(text) for text in new["first_membership"]} == {after}
        assert set(new["paid_months"]) == {"1"}
        known = now.filter(pl.col("person").is_in(then["person"].implode()))
        assert all(month_of(text) < after for text in known["first_membership"])


def test_paid_months_run_and_what_does_not_change_stays(world: World) -> None:
    then, now = (world.records(FARMERS, month) for month in ("1403-01", "1403-02"))
    both = then.join(now, on="person", suffix="_now")
    step = both["paid_months_now"].cast(pl.Int64) - both["paid_months"].cast(pl.Int64)
    assert set(step) == {0, 1}
    assert 0.85 < step.mean() < 1  # type: ignore[operator]
    for column in ("national_code", "birth_date", "member_kind", "village_code", "first_membership", "province"):
        assert both[column].equals(both[f"{column}_now"].alias(column)), column
    assert set(now["premium_bracket"].cast(pl.Int64)) <= set(range(1, 15))


def test_members_are_adults_of_the_province_of_their_village(world: World) -> None:
    frame = world.records(FARMERS, "1403-02")
    assert (frame["village_code"].str.head(2) == frame["province"]).all()
    assert frame["village_code"].str.contains("^[0-9]{10}$").all()
    ages = [day(joined).year - day(born).year for born, joined in frame.select("birth_date", "first_membership").iter_rows()]
    assert min(ages) >= 17


def test_some_persons_are_insured_in_two_funds_in_one_month(ministry: Ministry, tmp_path: Path) -> None:
    def persons(key: str) -> set[int]:
        truth = ministry.deliver(key, "1403-02", tmp_path).truth
        assert truth is not None
        return set(truth.rows["person"].drop_nulls().to_list())

    in_both = persons(FARMERS) & persons("sso/insured_contributions")
    assert 0 < len(in_both) < 60


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", KEYS)
def test_the_same_seed_gives_the_same_bytes_by_any_page_and_whatever_came_before(
    key: str, ministry: Ministry, tmp_path: Path
) -> None:
    for other in KEYS:
        ministry.deliver(other, "1404-05", tmp_path / "before")
    one = ministry.deliver(key, "1403-02", tmp_path / "one")
    fresh = Ministry(persons=3000, workplaces=100, seed=SEED, page_rows=97).deliver(key, "1403-02", tmp_path / "other")
    assert one.csv_path.read_bytes() == fresh.csv_path.read_bytes()
    assert one.truth is not None
    assert fresh.truth is not None
    assert one.truth.rows.equals(fresh.truth.rows)


@pytest.mark.parametrize("key", KEYS)
def test_every_class_of_defects_falls_when_it_is_asked_for_and_none_in_a_month_without(
    key: str, ministry: Ministry, tmp_path: Path
) -> None:
    classes = ministry.defect_rates(key)
    assert len(classes) >= 8
    harmed = ministry.deliver(key, "1403-02", tmp_path / "harmed", defects=dict.fromkeys(classes, 0.06))
    assert harmed.truth is not None
    assert min(harmed.truth.counts.values()) > 0
    sound = ministry.deliver(key, "1403-02", tmp_path / "sound", defects=dict.fromkeys(classes, 0.0))
    assert sound.truth is not None
    assert not any(sound.truth.counts.values())


def canary_lines(delivery: DeliveredFile, code: str) -> list[str]:
    text = delivery.csv_path.read_text(encoding="utf-8-sig")
    return [line for line in text.splitlines() if re.search(rf"\b{code}\b", line)]


@pytest.mark.parametrize("key", KEYS)
def test_a_canary_is_the_same_person_in_all_months(key: str, ministry: Ministry, tmp_path: Path) -> None:
    canary = Canary("0499370899", "زرین‌تاج", "کبوترآهنگی")
    births = set()
    for month in MONTHS:
        delivery = ministry.deliver(key, month, tmp_path, canaries=[canary])
        (line,) = canary_lines(delivery, canary.national_code)
        births.add(re.findall(r"1[34]\d\d/\d\d/\d\d", line)[0])
        assert key == SUPPORT or f"{canary.first_name},{canary.last_name}" in line
    assert len(births) == 1
