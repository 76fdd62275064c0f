"""Pensions and unemployment benefits of the synthetic ministry: who draws what, and how the two funds write it down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mdlake.synthetic import Canary, Ministry
from mdlake.synthetic.calendar import date_texts, first_days, month_number, months_of
from mdlake.synthetic.cspf import CivilPensionerTable
from mdlake.synthetic.dataset import Dataset
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import PlantedCanaries
from mdlake.synthetic.pensions import CIVIL_SERVICE, SOCIAL_SECURITY, SURVIVOR, InPayment, Pensions
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.sso_benefits import PensionerTable, UnemploymentBenefits
from mdlake.synthetic.unemployment import Unemployment

SEED, MONTHS = 11, range(month_number("1403-01"), month_number("1403-05") + 1)
FUNDS = (SOCIAL_SECURITY, CIVIL_SERVICE)
KEYS = ("sso/pensioners", "sso/unemployment_benefits", "cspf/pensioners")

PERSONS = Persons(20_001, SEED)  # an odd number of elders: the last one has nobody
WORKPLACES = Workplaces(800, PERSONS, SEED)
EMPLOYMENT = Employment(PERSONS, WORKPLACES, SEED)
HOUSEHOLDS = Households(PERSONS, SEED)
PENSIONS = Pensions(PERSONS, SEED)
UNEMPLOYMENT = Unemployment(PERSONS, EMPLOYMENT, SEED)
TABLES: dict[str, Dataset] = {
    "sso/pensioners": PensionerTable(PERSONS, HOUSEHOLDS, PENSIONS, SEED),
    "sso/unemployment_benefits": UnemploymentBenefits(PERSONS, WORKPLACES, EMPLOYMENT, UNEMPLOYMENT, SEED),
    "cspf/pensioners": CivilPensionerTable(PERSONS, PENSIONS, SEED),
}


def told(key: str, month: int) -> pl.DataFrame:
    """A month's records before defects and hands."""
    none = np.array([], dtype=np.int64)
    return TABLES[key].page(month, 0, TABLES[key].size(month), PlantedCanaries([], none, none)).text


def keys_of(pensions: InPayment) -> set[tuple[int, int]]:
    return set(zip(pensions.person.tolist(), pensions.kind.tolist(), strict=True))


# ── pensions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fund", FUNDS)
def test_the_stock_of_a_month_is_the_stock_before_with_those_who_begin_and_without_those_who_died(fund: int) -> None:
    begun = died = 0
    for month in MONTHS[1:]:
        before, now = (keys_of(PENSIONS.in_payment(fund, m)) for m in (month - 1, month))
        pensions = PENSIONS.in_payment(fund, month)
        begin = keys_of(pensions.at(pensions.first_month == month))
        deaths = {key for key in before if months_of(PERSONS.death_days(np.array([key[0]])))[0] == month}
        assert now == (before | begin) - deaths
        assert not before & begin
        assert len(now) == len(before) + len(begin) - len(deaths) == pensions.person.size
        begun, died = begun + len(begin), died + len(deaths)
    assert begun > 0
    assert died > 0


@pytest.mark.parametrize(("key", "column"), [("sso/pensioners", "start_date"), ("cspf/pensioners", "retirement_date")])
def test_who_is_new_in_a_list_began_in_its_month_and_nobody_begins_after_it(key: str, column: str) -> None:
    unit = ["national_code", "pension_kind"] if key == "sso/pensioners" else ["national_code"]
    before, begun = told(key, MONTHS[0]), 0
    for month in MONTHS[1:]:
        now = told(key, month)
        new = now.join(before.select(unit), on=unit, how="anti")
        began = f"{month // 12}/{month % 12 + 1:02d}"
        assert set(new[column].str.head(7)) <= {began}
        assert (now[column].str.head(7) <= began).all()
        assert now.filter(pl.col(column).str.head(7) == began).height == new.height
        # all that is told of a pension stays as it was
        same = now.join(before, on=now.columns[1:], how="semi", nulls_equal=True)
        assert same.height == now.height - new.height
        begun, before = begun + new.height, now
    assert begun > 0


def test_the_shares_of_the_elders_are_those_of_the_funds() -> None:
    elders = np.array(PERSONS.elders)
    living = elders[PERSONS.are_alive(elders, MONTHS[-1])].size
    own = {}
    for fund in FUNDS:
        pensions = PENSIONS.in_payment(fund, MONTHS[-1])
        own[fund] = {p for p, k in keys_of(pensions) if k != SURVIVOR and p in PERSONS.elders}
    assert 0.55 < len(own[SOCIAL_SECURITY]) / living < 0.64
    assert 0.15 < len(own[CIVIL_SERVICE]) / living < 0.21
    assert 0.015 < len(own[SOCIAL_SECURITY] & own[CIVIL_SERVICE]) / living < 0.04


def test_a_few_workers_of_55_and_more_draw_a_pension_beside_their_job() -> None:
    month = MONTHS[-1]
    workers = np.array(PERSONS.workers)
    old = workers[months_of(PERSONS.birth_days(workers)) + 12 * 55 < month]
    drawing = {p for fund in FUNDS for p, _ in keys_of(PENSIONS.in_payment(fund, month)) if p < PERSONS.size}
    assert drawing <= set(old.tolist())
    assert 0.009 < len(drawing) / old.size < 0.021
    working = set(EMPLOYMENT.persons_of(EMPLOYMENT.roster(month).slot).tolist())
    assert len(drawing & working) > 0.8 * len(drawing)


def test_a_survivor_is_who_is_left_of_a_couple_whose_first_drew_a_pension_until_death() -> None:
    month = MONTHS[-1]
    pensions = PENSIONS.in_payment(SOCIAL_SECURITY, month)
    survivors = pensions.at(pensions.kind == SURVIVOR)
    assert survivors.person.size > 20
    expected = set()
    for first in range(PERSONS.elders.start, PERSONS.elders.stop - 1, 2):
        died = int(months_of(PERSONS.death_days(np.array([first])))[0])
        if died < month and first + 1 in PERSONS.elders and PERSONS.are_alive(np.array([first + 1]), month)[0]:
            before = PENSIONS._own_first_months(SOCIAL_SECURITY, np.array([first]))[0]
            expected |= {(first, first + 1, died + 1)} if before < died else set()
    found = zip(survivors.deceased.tolist(), survivors.person.tolist(), survivors.first_month.tolist(), strict=True)
    assert set(found) == expected
    assert (HOUSEHOLDS.heads(HOUSEHOLDS.of(survivors.person)) == survivors.deceased).all()
    assert not PERSONS.are_alive(survivors.deceased, month).any()
    # the deceased was in the list of an earlier month, with twice the pension
    one = survivors.at(np.array([0]))
    earlier = told("sso/pensioners", int(one.first_month[0]) - 2)
    text = told("sso/pensioners", month).filter(
        pl.col("national_code") == PERSONS.national_codes(one.person)[0], pl.col("deceased_national_code").is_not_null()
    )
    own = earlier.filter(pl.col("national_code") == text["deceased_national_code"][0], pl.col("deceased_national_code").is_null())
    assert int(text["pension"][0]) == int(own["pension"][0]) // 2
    assert text["start_date"][0] == date_texts(first_days(one.first_month))[0]


def test_only_survivors_have_a_deceased_and_all_of_them_have_one() -> None:
    rows = told("sso/pensioners", MONTHS[0])
    is_survivor = rows["pension_kind"].is_in(["3", "بازماندگان"])
    assert (is_survivor == rows["deceased_national_code"].is_not_null()).all()
    assert set(rows["pension_kind"]) == {"1", "2", "3", "بازنشستگی", "ازکارافتادگی", "بازماندگان"}
    assert rows.select("national_code", "pension_kind").is_duplicated().sum() == 0


def test_a_month_asked_for_by_itself_is_the_month_after_others() -> None:
    for fund in FUNDS:
        alone = Pensions(PERSONS, SEED).in_payment(fund, MONTHS[3])
        for month in (MONTHS[0], MONTHS[3]):
            after = PENSIONS.in_payment(fund, month)
        assert keys_of(alone) == keys_of(after)


# ── unemployment ─────────────────────────────────────────────────────────────────────────────────────────────────────


def rosters() -> Iterator[tuple[int, dict[int, int], dict[int, int]]]:
    """Each month, the workplace of who works at one, this month and the month before, by the roster alone."""
    for month in MONTHS[1:]:
        known: list[dict[int, int]] = []
        for asked in (month - 1, month):
            roster = EMPLOYMENT.roster(asked)
            known.append(dict(zip(EMPLOYMENT.persons_of(roster.slot).tolist(), roster.workplace.tolist(), strict=True)))
        yield month, known[0], known[1]


def test_a_benefit_begins_after_the_last_month_of_a_job_at_its_workplace() -> None:
    for month, before, now in rosters():
        benefits = UNEMPLOYMENT.benefits(month)
        first = benefits.number == 1
        person = benefits.person[first]
        workplace = EMPLOYMENT.workplaces_of(person, benefits.job[first])
        idle = set(before) - set(now)
        assert set(person.tolist()) <= idle
        assert 0.5 < person.size / len(idle) < 0.7
        assert workplace.tolist() == [before[p] for p in person.tolist()]


def test_the_months_of_a_benefit_run_and_start_in_the_first_of_them() -> None:
    before = told("sso/unemployment_benefits", MONTHS[0])
    for month in MONTHS[1:]:
        now = told("sso/unemployment_benefits", month)
        assert now["national_code"].n_unique() == now.height
        later = now.filter(pl.col("month_number") != "1").with_columns(
            month_number=(pl.col("month_number").cast(pl.Int64) - 1).cast(pl.String)
        )
        same = [name for name in now.columns if name != "month"]
        assert later.join(before, on=same, how="semi").height == later.height > 0
        new = now.filter(pl.col("month_number") == "1")
        assert set(new["start_date"].str.head(7)) == {f"{month // 12}/{month % 12 + 1:02d}"}
        assert now["month_number"].cast(pl.Int64).max() <= 36  # type: ignore[operator]
        before = now


def test_some_beneficiaries_appear_in_the_list_of_insured_for_at_most_three_months() -> None:
    both: dict[int, int] = {}
    drawn = 0
    for month, _, now in rosters():
        benefits = UNEMPLOYMENT.benefits(month)
        drawn += int((benefits.number == 1).sum())
        for person in set(benefits.person.tolist()) & set(now):
            both[person] = both.get(person, 0) + 1
    assert max(both.values()) <= 3
    assert 0.04 < len(both) / drawn < 0.14


def test_who_has_a_second_slot_draws_no_benefit() -> None:
    for month in MONTHS:
        assert UNEMPLOYMENT.benefits(month).person.min() >= EMPLOYMENT.slots - PERSONS.size


def test_the_last_workplaces_are_active_in_the_table_of_workplaces() -> None:
    rows = told("sso/unemployment_benefits", MONTHS[0])
    active = WORKPLACES.codes(np.flatnonzero(WORKPLACES.statuses == 1))
    assert rows["last_workplace_code"].is_in(active.implode()).all()


def test_a_small_share_of_the_reasons_names_somebody() -> None:
    rows = told("sso/unemployment_benefits", MONTHS[0])
    with_digits = sum(1 for text in rows["reason"] if re.search(r"[0-9]{10,11}", text))
    assert 0.03 < with_digits / rows.height < 0.12
    named = rows.filter(pl.col("reason").str.contains("به شماره ملی"))
    assert (named["reason"].str.extract(r"([0-9]{10})") == named["national_code"]).all()


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", KEYS)
def test_pages_of_any_size_and_earlier_deliveries_change_no_byte(key: str, tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم", "09121234567"), Canary("0076229645", "نام‌دوم", "خانواده‌دوم")]
    rates = dict.fromkeys(Ministry().defect_rates(key), 0.02)
    made = []
    for page_rows, before in ((500_000, False), (13, True)):
        ministry = Ministry(2_000, 150, seed=5, page_rows=page_rows)
        folder = tmp_path / str(page_rows)
        if before:
            for other in KEYS:
                ministry.deliver(other, "1403-06", folder)
        made.append(ministry.deliver(key, "1403-02", folder, defects=rates, canaries=canaries))
    whole, parts = made
    assert whole.csv_path.read_bytes() == parts.csv_path.read_bytes()
    assert whole.truth is not None
    assert parts.truth is not None
    assert whole.truth.rows.equals(parts.truth.rows)
    assert whole.truth.rows.filter(pl.col("person").is_null())["national_code"].to_list() == ["0499370899", "0076229645"]
    another = Ministry(2_000, 150, seed=6).deliver(key, "1403-02", tmp_path / "another")
    assert another.csv_path.read_bytes() != whole.csv_path.read_bytes()


@pytest.mark.parametrize("key", KEYS)
def test_the_truth_names_the_person_of_every_record(key: str, tmp_path: Path) -> None:
    made = Ministry(20_001, 800, seed=SEED).deliver(key, "1403-02", tmp_path)
    assert made.truth is not None
    truth = made.truth.rows
    assert made.rows == truth.height == TABLES[key].size(MONTHS[1]) + made.truth.counts["exact_duplicate"]
    assert truth["national_code"].equals(PERSONS.national_codes(truth["person"].to_numpy()).alias("national_code"))
    assert sum(made.truth.counts.values()) == truth["harm"].count() > 0


@pytest.mark.parametrize("key", KEYS)
def test_short_lists_are_spared_of_the_usual_defects_and_not_of_those_asked_for(key: str, tmp_path: Path) -> None:
    ministry = Ministry(400, 50, seed=SEED)
    usual = ministry.deliver(key, "1403-02", tmp_path / "usual")
    asked = ministry.deliver(key, "1403-02", tmp_path / "asked", defects={"wrong_check_digit": 0.9})
    assert usual.truth is not None
    assert asked.truth is not None
    assert sum(usual.truth.counts.values()) == usual.truth.counts["exact_duplicate"] == 0
    assert asked.truth.counts["wrong_check_digit"] > 0


def test_a_canary_is_old_enough_and_named_in_the_free_text(tmp_path: Path) -> None:
    canary = Canary("0499370899", "نام‌یکم", "خانواده‌یکم", "09121234567")
    ministry = Ministry(2_000, 150, seed=5)
    for key in KEYS:
        none = dict.fromkeys(ministry.defect_rates(key), 0.0)
        made = ministry.deliver(key, "1403-02", tmp_path, defects=none, canaries=[canary])
        rows = pl.read_csv(made.csv_path, infer_schema=False)
        row = rows.filter(pl.any_horizontal(pl.all() == canary.national_code)).row(0, named=True)
        assert row["دوره پرداخت" if "sso" in key else "ماه مرجع"] == "1403/02"
        if key == "sso/unemployment_benefits":
            assert {canary.first_name, canary.last_name, canary.national_code, canary.phone} <= set(
                re.split(r"[ .]", row["علت بیکاری"])
            )
        else:
            start = row["تاریخ برقراری" if key == "sso/pensioners" else "تاریخ بازنشستگی"]
            assert int(row["تاریخ تولد"][:4]) + 14 <= int(start[:4]) <= 1403
