"""Courses and skill certificates of the synthetic ministry: who learns, who is certified, and how it is written down."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mdlake.synthetic import Canary, Ministry
from mdlake.synthetic.calendar import first_days, month_number, month_text, months_of
from mdlake.synthetic.dataset import Dataset
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import PlantedCanaries
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.training import LONGEST_WAIT, PASSED, UNFINISHED, Training
from mdlake.synthetic.tvto import SkillCertificates, Trainees

SEED, MONTHS = 11, range(month_number("1403-01"), month_number("1403-12") + 1)
TRAINEES, CERTIFICATES = "tvto/trainees", "tvto/skill_certificates"
KEYS = (TRAINEES, CERTIFICATES)

PERSONS = Persons(20_000, SEED)
WORKPLACES = Workplaces(800, PERSONS, SEED)
EMPLOYMENT = Employment(PERSONS, WORKPLACES, SEED)
HOUSEHOLDS = Households(PERSONS, SEED)
FOREIGNERS = Foreigners(PERSONS, SEED)
TRAINING = Training(PERSONS, HOUSEHOLDS, EMPLOYMENT, FOREIGNERS, SEED)
TABLES: dict[str, Dataset] = {
    TRAINEES: Trainees(PERSONS, FOREIGNERS, TRAINING, SEED),
    CERTIFICATES: SkillCertificates(PERSONS, TRAINING, SEED),
}


def told(key: str, month: int) -> pl.DataFrame:
    """A month's records before defects and hands, with the person of each."""
    none = np.array([], dtype=np.int64)
    page = TABLES[key].page(month, 0, TABLES[key].size(month), PlantedCanaries([], none, none))
    return page.text.with_columns(person=page.person)


# ── courses ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_between_one_and_two_persons_of_a_hundred_end_a_course_in_a_month() -> None:
    sizes = [TABLES[TRAINEES].size(month) for month in MONTHS]
    assert min(sizes) > 0.01 * PERSONS.size
    assert max(sizes) < 0.02 * PERSONS.size
    certificates = sum(TABLES[CERTIFICATES].size(month) for month in MONTHS)
    assert 0.5 < certificates / sum(sizes) < 0.7


def test_a_course_ends_in_its_month_and_nobody_sits_in_two_at_a_time() -> None:
    spells: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for month in range(MONTHS[0] - 24, MONTHS[-1] + 1):
        courses = TRAINING.ended(month)
        assert set(months_of(courses.end).tolist()) == {month}
        assert (courses.start <= courses.end).all()
        who = zip(courses.person.tolist(), courses.foreigner.tolist(), strict=True)
        for one, start, end in zip(who, courses.start.tolist(), courses.end.tolist(), strict=True):
            spells.setdefault(one, []).append((start, end))
    repeated = [taken for taken in spells.values() if len(taken) > 1]
    assert len(repeated) > 20
    assert all(before[1] < after[0] for taken in repeated for before, after in pairwise(taken))


def test_trainees_are_workers_other_adults_and_foreigners_of_an_age_to_learn() -> None:
    starting = workers_among = foreign = total = 0
    for month in MONTHS:
        courses = TRAINING.ended(month)
        is_foreign = courses.person < 0
        assert ((courses.foreigner >= 0) == is_foreign).all()
        assert courses.person.max() < PERSONS.adults.stop
        birth = np.where(
            is_foreign,
            FOREIGNERS.birth_days(np.maximum(courses.foreigner, 0)),
            PERSONS.birth_days(np.maximum(courses.person, 0)),
        )
        age = (courses.start - birth) / 365.25
        assert age.min() >= 15
        assert age.max() < 55
        workers = courses.person[(courses.person >= 0) & (courses.person < PERSONS.size)]
        starting += int((EMPLOYMENT.spells(workers, month + 6).first_month > month).sum())
        workers_among += workers.size
        foreign, total = foreign + int(is_foreign.sum()), total + is_foreign.size
    # who is about to begin a job learns more
    everybody = EMPLOYMENT.spells(np.array(PERSONS.workers), MONTHS[0] + 6)
    assert starting / workers_among > 1.5 * (everybody.first_month > MONTHS[0]).mean()
    assert 0.005 < foreign / total < 0.08


def test_results_and_hours_are_those_of_the_standard_and_who_does_not_finish_leaves_earlier() -> None:
    courses = TRAINING.ended(MONTHS[0]).with_others(*(TRAINING.ended(month) for month in MONTHS[1:]))
    assert 0.74 < (courses.result == PASSED).mean() < 0.82
    hours, days = TRAINING.standards.hours(courses.course), courses.end - courses.start
    is_left = courses.result == UNFINISHED
    assert (days[~is_left] == hours[~is_left] * 7 // 20).all()
    assert (days[is_left] < np.maximum(hours[is_left] * 7 // 20, 1)).all()
    assert set(TRAINING.standards.fields(courses.course).tolist()) == set(range(1, 21))


def test_a_standard_course_has_a_code_of_its_own_that_holds_its_occupation_its_field_and_its_level() -> None:
    standards = TRAINING.standards
    every = np.arange(standards.count)
    codes = standards.codes(every)
    assert codes.n_unique() == standards.count
    assert codes.str.len_chars().unique().to_list() == [15]
    assert codes.str.head(2).cast(pl.Int64).to_list() == standards.occupations(every).tolist()
    assert codes.str.slice(4, 3).cast(pl.Int64).to_list() == standards.fields(every).tolist()
    assert codes.str.slice(7, 1).cast(pl.Int64).to_list() == standards.levels(every).tolist()


def test_each_record_has_a_national_code_or_a_foreigners_code_and_foreigners_are_of_no_person() -> None:
    rows = pl.concat(told(TRAINEES, month) for month in MONTHS)
    assert (rows["national_code"].is_null() == rows["foreigner_code"].is_not_null()).all()
    assert (rows["national_code"].is_null() == (rows["person"] == -1)).all()
    persons = rows.filter(pl.col("person") >= 0)
    assert persons["national_code"].equals(PERSONS.national_codes(persons["person"].to_numpy()), check_names=False)
    foreigners = rows.filter(pl.col("person") < 0)
    assert foreigners["foreigner_code"].is_in(FOREIGNERS.codes(np.arange(FOREIGNERS.total)).implode()).all()
    unit = ["month", "national_code", "foreigner_code", "course_code", "start_date"]
    assert rows.select(unit).is_duplicated().sum() == 0
    assert (rows["end_date"].str.head(7) == rows["month"]).all()


def test_a_trainee_lives_in_the_province_of_the_centre() -> None:
    rows = told(TRAINEES, MONTHS[0])
    assert (rows["centre_code"].str.slice(1, 2) == rows["province"]).all()
    persons = rows.filter(pl.col("person") >= 0)
    provinces = HOUSEHOLDS.provinces(HOUSEHOLDS.of(persons["person"].to_numpy()))
    assert persons["province"].cast(pl.Int64).to_list() == provinces.tolist()


def test_a_small_share_of_the_notes_names_somebody() -> None:
    notes = pl.concat(told(TRAINEES, month) for month in MONTHS)["note"]
    with_digits = sum(1 for text in notes.drop_nulls() if re.search(r"[0-9]{10,11}", text))
    assert 0.04 < with_digits / len(notes) < 0.08
    assert 0.02 < notes.str.contains(r" معرف \D+ است").sum() / len(notes) < 0.06
    assert 0.4 < notes.null_count() / len(notes) < 0.6


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_certificates_of_a_month_are_for_courses_passed_one_to_three_months_before_each_once() -> None:
    certified: set[tuple[str, str]] = set()
    for month in MONTHS[LONGEST_WAIT:]:
        before = pl.concat(told(TRAINEES, month - waited) for waited in range(1, LONGEST_WAIT + 1))
        passed = before.filter(pl.col("result").is_in(["1", "قبول"]), pl.col("national_code").is_not_null())
        rows = told(CERTIFICATES, month)
        known = passed.select("national_code", "province", occupation=pl.col("course_code").str.head(2))
        assert rows.join(known, on=known.columns, how="semi").height == rows.height > 0
        assert set(rows["issue_date"].str.head(7)) == {month_text(month)}
        courses = TRAINING.certificates(month).courses
        assert not certified & set(courses.number.tolist())
        certified |= set(courses.number.tolist())


def test_some_who_pass_never_ask_for_a_certificate() -> None:
    passed = TRAINING.ended(MONTHS[0])
    entitled = set(passed.number[(passed.result == PASSED) & (passed.person >= 0)].tolist())
    later = range(MONTHS[0] + 1, MONTHS[0] + 1 + LONGEST_WAIT)
    asked = entitled & {number for month in later for number in TRAINING.certificates(month).courses.number.tolist()}
    assert 0.7 < len(asked) / len(entitled) < 0.9


def test_certificates_are_numbered_within_their_month() -> None:
    for month in MONTHS[:3]:
        numbers = told(CERTIFICATES, month)["certificate_number"]
        assert numbers.str.head(6).unique().to_list() == [month_text(month).replace("/", "")]
        assert numbers.str.slice(6).cast(pl.Int64).to_list() == list(range(1, len(numbers) + 1))


def test_a_month_asked_for_by_itself_is_the_month_after_others() -> None:
    alone = Training(PERSONS, HOUSEHOLDS, EMPLOYMENT, FOREIGNERS, SEED).certificates(MONTHS[5])
    for month in (MONTHS[0], MONTHS[9], MONTHS[5]):
        after = TRAINING.certificates(month)
    assert alone.courses.number.tolist() == after.courses.number.tolist()
    assert alone.issued.tolist() == after.issued.tolist()
    assert months_of(after.issued).tolist() == [MONTHS[5]] * after.issued.size
    assert (after.issued > after.courses.end).all()
    assert (after.courses.end >= first_days(MONTHS[5] - LONGEST_WAIT)).all()


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", KEYS)
def test_pages_of_any_size_and_earlier_deliveries_change_no_byte(key: str, tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم", "09121234567"), Canary("0076229645", "نام‌دوم", "خانواده‌دوم")]
    rates = dict.fromkeys(Ministry().defect_rates(key), 0.02)
    made = []
    for page_rows, before in ((500_000, False), (13, True)):
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
    made = Ministry(20_000, 800, seed=SEED, page_rows=page_rows).deliver(key, "1403-02", tmp_path)
    assert made.truth is not None
    truth = made.truth.rows
    assert made.rows == truth.height == TABLES[key].size(MONTHS[1]) + made.truth.counts["exact_duplicate"]
    assert (truth["person"].is_null() == truth["national_code"].is_null()).all()
    known = truth.drop_nulls("person")
    assert known["national_code"].equals(PERSONS.national_codes(known["person"].to_numpy()), check_names=False)
    assert (truth.height > known.height) == (key == TRAINEES)
    assert sum(made.truth.counts.values()) == truth["harm"].count() > 0


@pytest.mark.parametrize("key", KEYS)
def test_short_lists_are_spared_of_the_usual_defects_and_not_of_those_asked_for(key: str, tmp_path: Path) -> None:
    ministry = Ministry(3_000, 150, seed=SEED)
    usual = ministry.deliver(key, "1403-02", tmp_path / "usual")
    asked = ministry.deliver(key, "1403-02", tmp_path / "asked", defects={"wrong_check_digit": 0.9})
    assert usual.truth is not None
    assert asked.truth is not None
    assert sum(usual.truth.counts.values()) == 0
    assert asked.truth.counts["wrong_check_digit"] > 0


def test_a_defect_of_the_codes_falls_on_foreigners_as_on_others(tmp_path: Path) -> None:
    ministry = Ministry(20_000, 800, seed=SEED)
    none = dict.fromkeys(ministry.defect_rates(TRAINEES), 0.0)
    codes = ("کد ملی کارآموز", "کد فراگیر اتباع")
    filled = {"wrong_check_digit": {1, 2}, "malformed_foreigner_code": {1}, "both_codes": {2}, "no_code": {0}}
    for harm, counts in filled.items():
        made = ministry.deliver(TRAINEES, "1403-02", tmp_path / harm, defects=none | {harm: 1.0})
        rows = pl.read_csv(made.csv_path, infer_schema=False)
        found = rows.select(pl.sum_horizontal(pl.col(code).is_not_null() for code in codes).alias("filled"))["filled"]
        assert set(found) == counts, harm


def test_a_canary_has_a_national_code_alone_and_is_named_in_the_note(tmp_path: Path) -> None:
    ministry = Ministry(6_000, 300, seed=5)
    size = ministry.deliver(TRAINEES, "1403-02", tmp_path, defects=dict.fromkeys(ministry.defect_rates(TRAINEES), 0.0)).rows
    canaries = [Canary(f"{number:010d}", f"نام{number}", f"خانواده{number}", f"0912{number:07d}") for number in range(size)]
    for key in KEYS:
        none = dict.fromkeys(ministry.defect_rates(key), 0.0)
        planted = canaries if key == TRAINEES else canaries[:5]
        made = ministry.deliver(key, "1403-02", tmp_path / "planted", defects=none, canaries=planted)
        rows = pl.read_csv(made.csv_path, infer_schema=False)
        code = "کد ملی کارآموز" if key == TRAINEES else "کد ملی"
        mine = rows.filter(pl.col(code).is_in([canary.national_code for canary in planted]))
        assert mine.height == len(planted)
        assert mine["نام"].to_list() == [canary.first_name for canary in planted]
        if key == TRAINEES:
            assert mine["کد فراگیر اتباع"].null_count() == mine.height
            assert mine["تلفن همراه"].to_list() == [canary.phone for canary in planted]
            for canary, note in zip(planted, mine["توضیحات"], strict=True):
                assert {canary.first_name, canary.last_name, canary.national_code, canary.phone} <= set(note.split(" "))
