"""Job seekers and employment loans of the synthetic ministry: who looks for work, who borrows, and how it is written down."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mdlake.synthetic import Canary, Ministry
from mdlake.synthetic.calendar import first_days, month_number, month_text, months_of
from mdlake.synthetic.cooperation import Cooperatives
from mdlake.synthetic.dataset import Dataset
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.employment_deputy import EmploymentLoans, JobSeekers
from mdlake.synthetic.households import Households
from mdlake.synthetic.labour_market import LOAN_INTERVAL, LOOKING_BACK, RENEWED, VALID, LabourMarket
from mdlake.synthetic.page import PlantedCanaries
from mdlake.synthetic.places import ISIC_DIVISIONS
from mdlake.synthetic.population import Persons, Workplaces

SEED, MONTHS = 11, range(month_number("1403-01"), month_number("1403-12") + 1)
SEEKERS, LOANS = "employment/job_seekers", "employment/employment_loans"
KEYS = (SEEKERS, LOANS)

PERSONS = Persons(20_000, SEED)
WORKPLACES = Workplaces(1_500, PERSONS, SEED)
EMPLOYMENT = Employment(PERSONS, WORKPLACES, SEED)
HOUSEHOLDS = Households(PERSONS, SEED)
COOPERATIVES = Cooperatives(PERSONS, SEED)


def labour_market() -> LabourMarket:
    return LabourMarket(PERSONS, WORKPLACES, EMPLOYMENT, HOUSEHOLDS, COOPERATIVES, SEED)


MARKET = labour_market()
TABLES: dict[str, Dataset] = {
    SEEKERS: JobSeekers(PERSONS, HOUSEHOLDS, MARKET, SEED),
    LOANS: EmploymentLoans(PERSONS, WORKPLACES, COOPERATIVES, MARKET, SEED),
}


def told(key: str, month: int) -> pl.DataFrame:
    """A month's records before defects and hands, with the person of each."""
    none = np.array([], dtype=np.int64)
    page = TABLES[key].page(month, 0, TABLES[key].size(month), PlantedCanaries([], none, none))
    return page.text.with_columns(person=page.person)


def registered(month: int) -> pl.DataFrame:
    seekers = MARKET.seekers(month)
    return pl.DataFrame({"person": seekers.person, "number": seekers.number, "registered": seekers.registered})


# ── job seekers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_about_six_persons_for_a_hundred_workers_look_for_work_and_few_of_them_have_a_job() -> None:
    for month in MONTHS:
        person = MARKET.seekers(month).person
        assert 0.055 < person.size / PERSONS.size < 0.067
        assert np.unique(person).size == person.size
        assert person.max() < PERSONS.adults.stop
        workers = person[person < PERSONS.size]
        assert 0.3 < workers.size / person.size < 0.45
        assert 0.03 < EMPLOYMENT.spells(workers, month).is_working.sum() / person.size < 0.12


def test_the_stock_of_a_month_is_that_of_the_month_before_with_those_who_came_and_without_those_who_left() -> None:
    for before, month in pairwise(MONTHS[:4]):
        then, now = registered(before), registered(month)
        came, left = now.join(then, on="number", how="anti"), then.join(now, on="number", how="anti")
        assert now.height == then.height + came.height - left.height
        assert set(months_of(came["registered"].to_numpy()).tolist()) == {month}
        assert months_of(now["registered"].to_numpy()).max() == month
        stayed = now.join(then, on="person", suffix="_then")
        assert stayed["number"].equals(stayed["number_then"])
        assert stayed["registered"].equals(stayed["registered_then"])


def test_who_leaves_has_a_job_or_gives_up_and_no_registration_lasts_longer_than_it_is_valid() -> None:
    ages = []
    for before, month in pairwise(MONTHS):
        left = registered(before).join(registered(month), on="number", how="anti")
        person = left["person"].to_numpy()
        workers = person[person < PERSONS.size]
        assert (EMPLOYMENT.spells(workers, month).first_month == month).all()
        others = left.filter(pl.col("person") >= PERSONS.size)
        ages += (month - months_of(others["registered"].to_numpy())).tolist()
    assert set(ages) <= {*range(2, VALID + 1), RENEWED}
    assert 0.3 < ages.count(VALID) / len(ages) < 0.5
    assert 0.08 < ages.count(RENEWED) / len(ages) < 0.25


def test_a_seeker_is_of_working_age_on_the_day_of_the_registration() -> None:
    seekers = MARKET.seekers(MONTHS[0])
    age = (seekers.registered - PERSONS.birth_days(seekers.person)) / 365.25
    assert age.min() >= 15
    assert age.max() < 60


def test_records_of_one_registration_differ_between_months_in_nothing_but_the_month_if_nobody_moved() -> None:
    now, later = (told(SEEKERS, month).drop("month") for month in MONTHS[:2])
    both = now.join(later, on="national_code", how="inner")
    assert both.height > 900
    for column in set(now.columns) - {"national_code"}:
        assert both[column].equals(both[f"{column}_right"], null_equal=True, check_names=False), column


def test_a_seeker_lives_where_the_household_does_and_seeks_no_post_of_the_armed_forces() -> None:
    rows = told(SEEKERS, MONTHS[0])
    household = HOUSEHOLDS.of(rows["person"].to_numpy())
    assert rows["province"].cast(pl.Int64).to_list() == HOUSEHOLDS.provinces(household).tolist()
    assert (rows["county"].str.head(2) == rows["province"]).all()
    assert rows["province"].is_sorted()
    assert not rows["occupation"].str.starts_with("0").any()
    assert rows["mobile"].str.contains("^09[0-9]{9}$").all()


# ── loans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_about_three_loans_for_a_thousand_workers_are_approved_in_a_month_some_of_them_to_legal_persons() -> None:
    loans = [MARKET.loans(month) for month in MONTHS]
    size = sum(loan.number.size for loan in loans)
    assert 0.0025 < size / len(MONTHS) / PERSONS.size < 0.004
    assert 0.15 < sum((loan.person < 0).sum() for loan in loans) / size < 0.4
    for month, loan in zip(MONTHS, loans, strict=True):
        assert ((loan.person < 0) == (loan.workplace >= 0)).all()
        assert set(months_of(loan.approved).tolist()) == {month}
        assert (loan.amount % 50_000_000 == 0).all()
        per_job = loan.amount / loan.jobs
        assert per_job.min() >= 800_000_000
        assert per_job.max() <= 2_500_000_000
        assert 1 <= loan.jobs.min() <= loan.jobs.max() <= 60
        assert (loan.jobs[loan.workplace < 0] <= 4).all()


def test_nobody_gets_a_second_loan_within_two_years() -> None:
    months: dict[tuple[int, int], list[int]] = {}
    for month in range(MONTHS[0] - 60, MONTHS[0]):
        loans = MARKET.loans(month)
        for borrower in zip(loans.person.tolist(), loans.workplace.tolist(), strict=True):
            months.setdefault(borrower, []).append(month)
    repeated = [lent for lent in months.values() if len(lent) > 1]
    assert len(repeated) > 100
    assert all(second - first >= LOAN_INTERVAL for lent in repeated for first, second in pairwise(lent))


def test_even_a_small_ministry_has_a_loan_to_report_in_every_month() -> None:
    for seed in range(1, 5):
        ministry = Persons(1_000, seed)
        workplaces = Workplaces(50, ministry, seed)
        employment, households = Employment(ministry, workplaces, seed), Households(ministry, seed)
        market = LabourMarket(ministry, workplaces, employment, households, Cooperatives(ministry, seed), seed)
        assert all(market.loans(month).number.size for month in MONTHS)


def test_borrowers_are_often_seekers_of_the_months_before_and_members_of_cooperatives_and_of_age() -> None:
    had_sought = were_members = size = 0
    for month in MONTHS[::3]:
        loans = MARKET.loans(month)
        person, approved = loans.person[loans.person >= 0], loans.approved[loans.person >= 0]
        age = (approved - PERSONS.birth_days(person)) / 365.25
        assert age.min() >= 18
        assert age.max() < 60
        seekers = np.concatenate([MARKET.seekers(earlier).person for earlier in range(month - LOOKING_BACK, month)])
        had_sought += int(np.isin(person, seekers).sum())
        were_members += int(np.isin(person, COOPERATIVES.members(month - 1).person).sum())
        size += person.size
    assert 0.3 < had_sought / size < 0.75
    assert 0.1 < were_members / size < 0.5


def test_each_record_of_a_loan_has_the_code_of_its_borrower_and_a_tracking_number_of_its_own() -> None:
    rows = pl.concat(told(LOANS, month) for month in MONTHS)
    assert (rows["national_code"].is_null() == rows["legal_id"].is_not_null()).all()
    assert (rows["national_code"].is_null() == (rows["person"] == -1)).all()
    natural = rows.filter(pl.col("person") >= 0)
    assert natural["national_code"].equals(PERSONS.national_codes(natural["person"].to_numpy()), check_names=False)
    workplaces = np.arange(WORKPLACES.size)
    employers = pl.DataFrame(
        {
            "legal_id": WORKPLACES.employer_legal_ids(workplaces),
            "status": WORKPLACES.statuses,
            "activity": WORKPLACES.activities(workplaces),
            "borrower_name": WORKPLACES.names(workplaces),
        }
    )
    legal = rows.filter(pl.col("legal_id").is_not_null())
    assert legal.join(employers.filter(status=1), on=["legal_id", "activity", "borrower_name"], how="semi").height == legal.height
    assert rows["tracking_number"].n_unique() == rows.height
    assert (rows["tracking_number"].str.slice(2, 6) == rows["month"].str.replace("/", "")).all()
    assert (rows["approval_date"].str.head(7) == rows["month"]).all()
    assert rows["activity"].is_in(list(ISIC_DIVISIONS)).all()


# ── notes, pages, deliveries ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_small_share_of_the_notes_names_somebody() -> None:
    remarks = [told(LOANS, month)["bank_remark"] for month in range(MONTHS[0] - 12, MONTHS[-1] + 1)]
    for notes in (told(SEEKERS, MONTHS[0])["note"], pl.concat(remarks)):
        with_digits = sum(1 for text in notes.drop_nulls() if re.search(r"[0-9]{10,11}", text))
        assert 0.03 < with_digits / len(notes) < 0.09
        assert 0.02 < notes.str.contains(r" معرف [^0-9]+ است").sum() / len(notes) < 0.065
        assert 0.38 < notes.null_count() / len(notes) < 0.52


def test_a_month_asked_for_by_itself_is_the_month_after_others() -> None:
    alone = labour_market()
    seekers, loans = alone.seekers(MONTHS[5]), alone.loans(MONTHS[5])
    for month in (MONTHS[0], MONTHS[9], MONTHS[5]):
        again, lent = MARKET.seekers(month), MARKET.loans(month)
    assert seekers.number.tolist() == again.number.tolist()
    assert seekers.registered.tolist() == again.registered.tolist()
    assert loans.number.tolist() == lent.number.tolist()
    assert loans.amount.tolist() == lent.amount.tolist()
    assert lent.approved.min() >= first_days(MONTHS[5])


@pytest.mark.parametrize("key", KEYS)
def test_pages_of_any_size_and_earlier_deliveries_change_no_byte(key: str, tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم", "09121234567"), Canary("0076229645", "نام‌دوم", "خانواده‌دوم")]
    rates = dict.fromkeys(Ministry().defect_rates(key), 0.03)
    made = []
    for page_rows, before in ((500_000, False), (7, True)):
        ministry = Ministry(6_000, 300, seed=5, page_rows=page_rows)
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
    planted = whole.truth.rows.filter(pl.col("person").is_null(), pl.col("national_code").is_not_null())
    assert planted["national_code"].to_list() == ["0499370899", "0076229645"]
    another = Ministry(6_000, 300, seed=6).deliver(key, "1403-02", tmp_path / "another")
    assert another.csv_path.read_bytes() != whole.csv_path.read_bytes()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("page_rows", [500_000, 40])
def test_the_truth_names_the_person_of_every_record_that_is_of_one(key: str, page_rows: int, tmp_path: Path) -> None:
    made = Ministry(20_000, 1_500, seed=SEED, page_rows=page_rows).deliver(key, "1403-02", tmp_path)
    assert made.truth is not None
    truth = made.truth.rows
    assert made.rows == truth.height == TABLES[key].size(MONTHS[1]) + made.truth.counts["exact_duplicate"]
    assert (truth["person"].is_null() == truth["national_code"].is_null()).all()
    known = truth.drop_nulls("person")
    assert known["national_code"].equals(PERSONS.national_codes(known["person"].to_numpy()), check_names=False)
    assert (truth.height > known.height) == (key == LOANS)
    assert sum(made.truth.counts.values()) == truth["harm"].count() > 0


@pytest.mark.parametrize("key", KEYS)
def test_short_lists_are_spared_of_the_usual_defects_and_not_of_those_asked_for(key: str, tmp_path: Path) -> None:
    ministry = Ministry(3_000, 225, seed=SEED)
    usual = ministry.deliver(key, "1403-02", tmp_path / "usual")
    asked = ministry.deliver(key, "1403-02", tmp_path / "asked", defects={"wrong_check_digit": 0.9})
    assert usual.truth is not None
    assert asked.truth is not None
    assert sum(usual.truth.counts.values()) == 0
    assert asked.truth.counts["wrong_check_digit"] > 0


def test_a_defect_of_the_codes_falls_on_legal_persons_as_on_others(tmp_path: Path) -> None:
    ministry = Ministry(20_000, 1_500, seed=SEED)
    none = dict.fromkeys(ministry.defect_rates(LOANS), 0.0)
    filled = {
        "wrong_check_digit": (True, False),
        "wrong_legal_id": (False, True),
        "both_codes": (True, True),
        "no_code": (False, False),
    }
    for harm, codes in filled.items():
        made = ministry.deliver(LOANS, "1403-02", tmp_path / harm, defects=none | {harm: 1.0})
        rows = pl.read_csv(made.csv_path, infer_schema=False)
        found = rows.select(pl.col("کد ملی متقاضی", "شناسه ملی متقاضی").is_not_null())
        assert set(found.rows()) == {codes}, harm


def test_an_approval_outside_of_the_month_lies_before_or_after_it() -> None:
    loans = TABLES[LOANS]
    none = np.array([], dtype=np.int64)
    page = loans.page(MONTHS[1], 0, loans.size(MONTHS[1]), PlantedCanaries([], none, none))
    spoil = next(defect.spoil for defect in loans.defects if defect.name == "approved_outside_month")
    assert spoil is not None
    at = np.arange(page.text.height)
    months = spoil(page, at, np.arange(at.size, dtype=np.uint64))["approval_date"].str.head(7)
    own = month_text(MONTHS[1])
    assert (months != own).all()
    assert (months < own).any()
    assert (months > own).any()


def test_a_canary_has_a_national_code_alone_and_is_named_in_the_note(tmp_path: Path) -> None:
    ministry = Ministry(6_000, 450, seed=5)
    columns = {
        SEEKERS: ("کد ملی کارجو", "توضیحات کاریابی"),
        LOANS: ("کد ملی متقاضی", "توضیحات بانک عامل"),
    }
    for key, (code, note) in columns.items():
        none = dict.fromkeys(ministry.defect_rates(key), 0.0)
        size = ministry.deliver(key, "1403-02", tmp_path, defects=none).rows
        canaries = [Canary(f"{n:010d}", f"نام{n}", f"خانواده{n}", f"0912{n:07d}" if n % 2 else None) for n in range(size)]
        made = ministry.deliver(key, "1403-02", tmp_path / "planted", defects=none, canaries=canaries)
        rows = pl.read_csv(made.csv_path, infer_schema=False)
        assert rows[code].to_list() == [canary.national_code for canary in canaries]
        for canary, row in zip(canaries, rows.iter_rows(named=True), strict=True):
            known = {canary.first_name, canary.last_name, canary.national_code} | ({canary.phone} if canary.phone else set())
            assert known <= set(row[note].split(" "))
            if key == SEEKERS:
                assert row["نام"] == canary.first_name
                assert canary.phone is None or row["تلفن همراه"] == canary.phone
            else:
                assert row["نام متقاضی"] == f"{canary.first_name} {canary.last_name}"
                assert row["شناسه ملی متقاضی"] is None
