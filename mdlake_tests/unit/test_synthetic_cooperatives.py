"""Cooperatives and their members over the quarters, read back from the files by a parser of its own, and from their lives."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from mdlake.errors import ConfigurationError
from mdlake.synthetic import Canary, DeliveredFile, Ministry
from mdlake.synthetic.calendar import first_days, month_number, reference_month
from mdlake.synthetic.cooperation import BOARD, INSPECTOR, MANAGING_DIRECTOR, Cooperatives
from mdlake.synthetic.population import Persons, Workplaces

REGISTER, MEMBERS = "cooperatives/cooperatives", "cooperatives/cooperative_members"
QUARTERS = ("1402-Q4", "1403-Q1", "1403-Q2")
HARMLESS = {key: dict.fromkeys(Ministry().defect_rates(key), 0.0) for key in (REGISTER, MEMBERS)}
KINDS = dict(
    zip(
        ("تولیدی", "توزیعی", "مسکن", "حمل و نقل", "کشاورزی", "اعتبار", "خدماتی", "چندمنظوره"),
        (f"{number:02d}" for number in range(1, 9)),
        strict=True,
    )
)
ROLES = {"عضو": "1", "عضو هیئت مدیره": "2", "مدیرعامل": "3", "بازرس": "4"}
Row = dict[str, str]


def folded(text: str) -> str:
    digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text)
    return " ".join(digits.translate(str.maketrans("يك", "یک")).replace("\u0640", "").split())


def plain_date(text: str) -> str:
    parts = re.fullmatch(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})", text) or re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text)
    assert parts is not None
    return "{}/{:0>2}/{:0>2}".format(*parts.groups())


def rows_of(delivery: DeliveredFile) -> list[Row]:
    with delivery.csv_path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{header: folded(value) for header, value in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        for header in {"تاریخ ثبت", "تاریخ عضویت"} & row.keys():
            row[header] = plain_date(row[header])
        if "کد ملی عضو" in row:
            row["کد ملی عضو"] = row["کد ملی عضو"].zfill(10)
    return rows


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], DeliveredFile]:
    """Three quarters of both datasets without defects."""
    ministry, folder = Ministry(persons=6_000, workplaces=300, seed=11), tmp_path_factory.mktemp("sound")
    return {
        (key, quarter): ministry.deliver(key, quarter, folder, defects=HARMLESS[key])
        for quarter in QUARTERS
        for key in (REGISTER, MEMBERS)
    }


@pytest.fixture(scope="module")
def registers(sound: dict[tuple[str, str], DeliveredFile]) -> dict[str, dict[str, Row]]:
    """The register of each quarter by legal id."""
    return {q: {row["شناسه ملی تعاونی"]: row for row in rows_of(sound[REGISTER, q])} for q in QUARTERS}


@pytest.fixture(scope="module")
def lists(sound: dict[tuple[str, str], DeliveredFile]) -> dict[str, list[Row]]:
    return {quarter: rows_of(sound[MEMBERS, quarter]) for quarter in QUARTERS}


# The register and the list tell of the same


@pytest.mark.parametrize("quarter", QUARTERS)
def test_the_number_of_members_and_the_capital_are_those_of_the_list(
    quarter: str, registers: dict[str, dict[str, Row]], lists: dict[str, list[Row]]
) -> None:
    members: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    for row in lists[quarter]:
        members[row["شناسه ملی تعاونی"]] += 1
        capital[row["شناسه ملی تعاونی"]] += int(row["مبلغ سهم (ریال)"])
    assert members.keys() <= registers[quarter].keys()
    for legal_id, row in registers[quarter].items():
        assert int(row["تعداد اعضا"]) == members[legal_id]
        assert int(row["سرمایه ثبتی (ریال)"]) == capital[legal_id]
        assert (members[legal_id] == 0) == (row["وضعیت تعاونی"] == "3")


@pytest.mark.parametrize("quarter", QUARTERS)
def test_every_cooperative_has_one_managing_director_a_board_and_an_inspector(quarter: str, lists: dict[str, list[Row]]) -> None:
    roles: dict[str, Counter[str]] = defaultdict(Counter)
    for row in lists[quarter]:
        roles[row["شناسه ملی تعاونی"]][ROLES.get(row["سمت"], row["سمت"])] += 1
    assert len(roles) > 10
    for counted in roles.values():
        assert counted["3"] == counted["4"] == 1
        assert counted["2"] in (2, 4)
        assert counted["1"] > 0
        assert counted.keys() <= {"1", "2", "3", "4"}


@pytest.mark.parametrize(("before", "quarter"), [QUARTERS[:2], QUARTERS[1:]])
def test_members_enter_in_the_quarter_in_which_they_joined_and_stay_as_they_are(
    before: str, quarter: str, lists: dict[str, list[Row]]
) -> None:
    stock, then = (
        {(row["شناسه ملی تعاونی"], row["کد ملی عضو"]): row["تاریخ عضویت"] for row in lists[q]} for q in (quarter, before)
    )
    assert len(stock) == len(lists[quarter])  # nobody is a member of one cooperative twice
    month = int(quarter[-1]) * 3
    begin, end = (f"{quarter[:4]}/{m:02d}/{d:02d}" for m, d in ((month - 2, 1), (month, 31)))
    entries = {member for member, joined in stock.items() if begin <= joined <= end}
    assert entries == stock.keys() - then.keys()
    assert entries
    assert then.keys() - stock.keys()
    assert all(then[member] == stock[member] for member in stock.keys() & then.keys())
    assert max(stock.values()) <= end


@pytest.mark.parametrize("quarter", QUARTERS)
def test_words_and_codes_are_of_the_classifications(quarter: str, registers: dict[str, dict[str, Row]]) -> None:
    rows = registers[quarter].values()
    assert {KINDS.get(row["نوع تعاونی"], row["نوع تعاونی"]) for row in rows} <= set(KINDS.values())
    assert {row["ماه پایان فصل"] for row in rows} == {f"{quarter[:4]}/{int(quarter[-1]) * 3:02d}"}


def test_a_cooperative_keeps_its_name_place_and_foundation(registers: dict[str, dict[str, Row]]) -> None:
    known: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for register in registers.values():
        for legal_id, row in register.items():
            known[legal_id].add(tuple(row[h] for h in ("نام تعاونی", "تاریخ ثبت", "کد استان", "کد رشته فعالیت")))
    assert all(len(facts) == 1 for facts in known.values())


# Lives


def test_cooperatives_are_founded_dissolved_and_wound_up_within_a_year() -> None:
    lives = Cooperatives(Persons(40_000, 3), 3)
    months = range(month_number("1400-01"), month_number("1406-01"))
    before = set(lives.registered(months[0] - 1).tolist())
    founded = dissolved = 0
    for month in months:
        now = set(lives.registered(month).tolist())
        working = {int(i) for i in np.flatnonzero(lives.are_working(np.arange(lives.count), month))}
        entries = now - before
        assert entries == {i for i in range(lives.count) if lives.founded_months(np.array([i]))[0] == month}
        gone = before - now
        assert all(lives.dissolved_months(np.array([i]))[0] + 12 == month for i in gone)
        assert {int(i) for i in np.unique(lives.members(month).cooperative)} == working <= now
        founded, dissolved, before = founded + len(entries), dissolved + len(gone), now
    assert founded > 5
    assert dissolved > 2


def test_about_eight_of_a_hundred_workers_and_ten_of_other_adults_are_members_and_nobody_twice() -> None:
    persons = Persons(40_000, 3)
    lives = Cooperatives(persons, 3)
    members = lives.members(month_number("1403-06"))
    workers = int((members.person < persons.size).sum())
    assert 0.06 < workers / persons.size < 0.10
    assert 0.08 < (members.person.size - workers) / len(persons.adults) < 0.12
    assert np.unique(members.person).size == members.person.size
    assert 20 < members.person.size / np.unique(members.cooperative).size < 60
    assert (members.joined >= lives.founded_days(members.cooperative)).all()
    assert (members.joined - persons.birth_days(members.person) > 15 * 365).all()


@pytest.mark.parametrize("month", ["1397-01", "1403-03", "1415-12"])
def test_every_working_cooperative_has_its_officers_in_every_month_and_of_any_size(month: str) -> None:
    for size in (100, 333, 5_000):
        lives = Cooperatives(Persons(size, 5), 5)
        members = lives.members(month_number(month))
        working = np.flatnonzero(lives.are_working(np.arange(lives.count), month_number(month)))
        assert working.size
        for role, least, most in ((MANAGING_DIRECTOR, 1, 1), (BOARD, 2, 4), (INSPECTOR, 1, 1)):
            officers = np.bincount(members.cooperative[members.role == role], minlength=lives.count)[working]
            assert (officers >= least).all()
            assert (officers <= most).all()
        assert (members.joined < int(first_days(month_number(month) + 1))).all()


def test_legal_ids_are_valid_unique_and_none_of_a_workplace() -> None:
    persons = Persons(40_000, 3)
    lives, workplaces = Cooperatives(persons, 3), Workplaces(3_000, persons, 3)
    ids = lives.legal_ids(np.arange(lives.count)).to_list()
    strangers = lives.unregistered_ids(np.arange(1_000)).to_list()
    for code in ids + strangers:
        c = int(code[9]) + 2
        total = sum((int(code[i]) + c) * [29, 27, 23, 19, 17][i % 5] for i in range(10)) % 11
        assert len(code) == 11
        assert int(code[10]) == total % 10
    assert len(set(ids)) == len(ids)
    assert not set(ids) & (set(strangers) | set(workplaces.employer_legal_ids(np.arange(3_000)).to_list()))


# Files


@pytest.mark.parametrize("key", [REGISTER, MEMBERS])
def test_the_same_seed_gives_the_same_bytes_whatever_came_before_and_by_pages_of_any_size(key: str, tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم")]
    whole = Ministry(6_000, 300, 5).deliver(key, "1403-Q1", tmp_path / "whole", canaries=canaries)
    other = Ministry(6_000, 300, 5, page_rows=7)
    other.deliver(MEMBERS, "1403-Q3", tmp_path / "parts")
    other.deliver(REGISTER, "1402-Q2", tmp_path / "parts")
    parts = other.deliver(key, "1403-Q1", tmp_path / "parts", canaries=canaries)
    assert whole.csv_path.read_bytes() == parts.csv_path.read_bytes()
    assert whole.descriptor_path.read_bytes() == parts.descriptor_path.read_bytes()
    assert whole.truth is not None
    assert parts.truth is not None
    assert whole.truth.rows.equals(parts.truth.rows)


def test_the_truth_of_a_member_is_the_right_code_whatever_the_file_says(tmp_path: Path) -> None:
    ministry = Ministry(6_000, 300, 5)
    rates = dict.fromkeys(ministry.defect_rates(MEMBERS), 0.03)
    delivery = ministry.deliver(MEMBERS, "1403-Q1", tmp_path, defects=rates)
    assert delivery.truth is not None
    truth = delivery.truth
    assert all(count > 5 for count in truth.counts.values())
    right = Persons(6_000, 5).national_codes(truth.rows["person"].to_numpy())
    assert right.equals(truth.rows["national_code"])
    assert truth.rows["workplace_code"].null_count() == delivery.rows


@pytest.mark.parametrize("period", ["1403-01", "1403", "1403-Q5", "1403-q1", "1396-Q4", "1416-Q1"])
def test_a_quarterly_dataset_is_delivered_for_a_quarter_and_nothing_else(period: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="quarter"):
        Ministry(100, 10).deliver(REGISTER, period, tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_monthly_dataset_is_not_delivered_for_a_quarter(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="month"):
        Ministry(100, 10).deliver("sso/workplaces", "1403-Q1", tmp_path)


def test_a_quarter_is_due_with_its_last_month_and_by_its_own_name() -> None:
    ministry = Ministry(100, 10)
    assert ministry.periodicity(REGISTER) == "quarter"
    due = {month: ministry.due(REGISTER, month) for month in ("1403-01", "1403-02", "1403-03", "1403-12", "1403-Q2")}
    assert due == {
        "1403-01": (),
        "1403-02": (),
        "1403-03": (("1403-Q1", None),),
        "1403-12": (("1403-Q4", None),),
        "1403-Q2": (("1403-Q2", None),),
    }
    assert ministry.due("sso/workplaces", "1403-02") == (("1403-02", None),)
    assert ministry.due("sso/workplaces", "1403-Q2") == ()
    assert reference_month("1403-Q2", "quarter") == month_number("1403-06")
