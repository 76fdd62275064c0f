"""Labour disputes of the provinces, read back from the 31 files of a month by a parser of its own, against their cases."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from mdlake.errors import ConfigurationError, UnknownName
from mdlake.synthetic import Canary, DeliveredFile, Ministry
from mdlake.synthetic.calendar import first_days, month_number
from mdlake.synthetic.disputes import Disputes
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.population import Persons, Workplaces

KEY = "provincial/labour_disputes"
MONTHS = tuple(f"1403-{number:02d}" for number in range(1, 7))
UNITS = tuple(f"{number:02d}" for number in range(31))
HARMLESS = dict.fromkeys(Ministry().defect_rates(KEY), 0.0)
SIZE = {"persons": 60_000, "workplaces": 2_000, "seed": 11}
Row = dict[str, str]


def folded(text: str) -> str:
    digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text)
    return " ".join(digits.translate(str.maketrans("يك", "یک")).replace("\u0640", "").split())


def plain_date(text: str) -> str:
    parts = re.fullmatch(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})", text) or re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text)
    return "{}/{:0>2}/{:0>2}".format(*parts.groups()) if parts else text


def rows_of(delivery: DeliveredFile) -> list[Row]:
    with delivery.csv_path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{header: folded(value) for header, value in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        row["شماره پرونده"] = row["شماره پرونده"].replace("-", "")
        row["کد ملی خواهان"] = row["کد ملی خواهان"].zfill(10)
        row["کد کارگاه خوانده"] = row["کد کارگاه خوانده"].zfill(10)
        for header in ("تاریخ ثبت دادخواست", "تاریخ صدور رأی"):
            row[header] = plain_date(row[header])
    return rows


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Row]]]:
    """Six months without defects, by month and province."""
    ministry, folder = Ministry(**SIZE), tmp_path_factory.mktemp("sound")
    return {
        month: {u: rows_of(ministry.deliver(KEY, month, folder, defects=HARMLESS, reporting_unit=u)) for u in UNITS}
        for month in MONTHS
    }


def events(months: dict[str, dict[str, list[Row]]], month: str) -> list[Row]:
    return [row for rows in months[month].values() for row in rows]


# The parts of a month


def test_every_event_is_in_the_file_of_its_own_province_and_in_no_other(months: dict[str, dict[str, list[Row]]]) -> None:
    persons = Persons(SIZE["persons"], SIZE["seed"])
    workplaces = Workplaces(SIZE["workplaces"], persons, SIZE["seed"])
    index = np.arange(workplaces.size)
    province_of = dict(zip(workplaces.codes(index).to_list(), workplaces.provinces(index).tolist(), strict=True))
    for month in MONTHS:
        for unit, rows in months[month].items():
            for row in rows:
                assert row["کد استان"] == row["شماره پرونده"][:2] == unit
                assert province_of[row["کد کارگاه خوانده"]] == int(unit)
        numbers = [row["شماره پرونده"] for row in events(months, month)]
        assert len(set(numbers)) == len(numbers) > 100


def test_the_parts_together_are_the_months_cases(months: dict[str, dict[str, list[Row]]]) -> None:
    persons = Persons(SIZE["persons"], SIZE["seed"])
    workplaces = Workplaces(SIZE["workplaces"], persons, SIZE["seed"])
    employment = Employment(persons, workplaces, SIZE["seed"])
    disputes = Disputes(workplaces, employment, SIZE["seed"])
    for month in MONTHS:
        filed = disputes.filed(month_number(month))
        assert 0.8 < filed.case.size / (0.0015 * employment.slots) < 1.2
        assert len(events(months, month)) == filed.case.size + disputes.decided(month_number(month)).case.size


# A case over its months


def test_a_case_is_decided_once_one_to_four_months_after_it_was_filed_and_is_the_same_in_both(
    months: dict[str, dict[str, list[Row]]],
) -> None:
    filed: dict[str, tuple[str, Row]] = {}
    decided: dict[str, str] = {}
    same = ("کد ملی خواهان", "کد کارگاه خوانده", "نوع خواسته", "مبلغ خواسته (ریال)", "تاریخ ثبت دادخواست")
    for month in MONTHS:
        for row in events(months, month):
            number = row["شماره پرونده"]
            if row["تاریخ صدور رأی"] == "":
                assert row["تاریخ ثبت دادخواست"].startswith(month.replace("-", "/"))
                assert row["نتیجه رأی"] == row["متن رأی"] == ""
                assert number not in filed
                filed[number] = (month, row)
                continue
            assert row["تاریخ صدور رأی"].startswith(month.replace("-", "/"))
            assert row["نتیجه رأی"] in {"1", "2", "3", "4"}
            assert row["متن رأی"] != ""
            assert number not in decided
            decided[number] = month
            if number in filed:
                before, first = filed[number]
                assert 1 <= month_number(month) - month_number(before) <= 4
                assert [row[header] for header in same] == [first[header] for header in same]
            else:
                assert row["تاریخ ثبت دادخواست"] < "1403/01/01"
    # what was filed in the first two months is decided by the sixth
    assert {number for number, (month, _) in filed.items() if month <= "1403-02"} <= decided.keys()


def test_cases_are_numbered_in_their_province_and_year_without_a_gap(months: dict[str, dict[str, list[Row]]]) -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    days: dict[str, list[str]] = defaultdict(list)
    for month in MONTHS:
        for unit, rows in months[month].items():
            for row in (row for row in rows if row["تاریخ صدور رأی"] == ""):
                assert row["شماره پرونده"][2:6] == "1403"
                numbers[unit].append(int(row["شماره پرونده"][6:]))
                days[unit].append(row["تاریخ ثبت دادخواست"])
    assert all(of_unit == list(range(1, len(of_unit) + 1)) for of_unit in numbers.values())
    assert all(of_unit == sorted(of_unit) for of_unit in days.values())


def test_a_claim_is_a_number_of_days_of_the_wage_of_a_job_at_the_workplace(
    months: dict[str, dict[str, list[Row]]], tmp_path: Path
) -> None:
    ministry = Ministry(**SIZE)
    wages: dict[tuple[str, str], set[int]] = defaultdict(set)
    headers = ("کد ملی", "کد کارگاه", "دستمزد روزانه")
    none = dict.fromkeys(ministry.defect_rates("sso/insured_contributions"), 0.0)
    # a job that has ended has been idle for two months at most
    for month in ("1402-11", "1402-12", "1403-01"):
        delivery = ministry.deliver("sso/insured_contributions", month, tmp_path, defects=none, truth=False)
        with delivery.csv_path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                code, workplace, wage = (folded(row[header]) for header in headers)
                wages[code.zfill(10), workplace.zfill(10)].add(int(wage))
    filed = [row for row in events(months, "1403-01") if row["تاریخ صدور رأی"] == ""]
    assert len(filed) > 50
    for row in filed:
        amount = int(row["مبلغ خواسته (ریال)"])
        paid = wages[row["کد ملی خواهان"], row["کد کارگاه خوانده"]]
        assert any(amount % wage == 0 and 3 <= amount // wage <= 300 for wage in paid)


def test_nobody_files_before_the_job_began_nor_outside_of_the_month() -> None:
    persons = Persons(20_000, 3)
    employment = Employment(persons, Workplaces(1_000, persons, 3), 3)
    disputes = Disputes(Workplaces(1_000, persons, 3), employment, 3)
    for month in (month_number("1397-01"), month_number("1403-03"), month_number("1415-12")):
        cases = disputes.filed(month)
        assert cases.case.size > 20
        assert (cases.filed >= int(first_days(month))).all()
        assert (cases.filed < int(first_days(month + 1))).all()
        assert (cases.decided >= int(first_days(month + 1))).all()
        assert (cases.decided < int(first_days(month + 5))).all()


def test_a_few_verdicts_name_the_worker_or_hold_a_code_or_a_mobile_number(months: dict[str, dict[str, list[Row]]]) -> None:
    decided = [row for month in MONTHS for row in events(months, month) if row["متن رأی"]]
    texts = [row["متن رأی"] for row in decided]
    with_code = [row for row in decided if row["کد ملی خواهان"] in row["متن رأی"]]
    mobiles = [text for text in texts if re.search(r"\b09\d{9}\b", text)]
    named = [text for text in texts if " به نام " in text]
    assert 0 < len(with_code) < 0.1 * len(texts)
    assert 0 < len(mobiles) < 0.1 * len(texts)
    assert 0 < len(named) < 0.15 * len(texts)


# Files


@pytest.mark.parametrize("unit", ["23", "05"])
def test_a_part_has_the_same_bytes_whatever_came_before_and_by_pages_of_any_size(unit: str, tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم", "09120000000")]
    rates = dict.fromkeys(HARMLESS, 0.05)
    whole = Ministry(**SIZE).deliver(KEY, "1403-03", tmp_path / "whole", canaries=canaries, defects=rates, reporting_unit=unit)
    other = Ministry(**SIZE, page_rows=3)
    for earlier, month in (("23", "1403-05"), ("00", "1403-03"), ("30", "1400-01")):
        other.deliver(KEY, month, tmp_path / "parts", reporting_unit=earlier)
    parts = other.deliver(KEY, "1403-03", tmp_path / "parts", canaries=canaries, defects=rates, reporting_unit=unit)
    assert whole.rows > 1
    assert whole.csv_path.read_bytes() == parts.csv_path.read_bytes()
    assert whole.descriptor_path.read_bytes() == parts.descriptor_path.read_bytes()
    assert whole.truth is not None
    assert parts.truth is not None
    assert whole.truth.rows.equals(parts.truth.rows)
    assert whole.truth.counts == parts.truth.counts
    text = folded(whole.csv_path.read_text(encoding="utf-8"))
    assert "نام‌یکم خانواده‌یکم به شماره 09120000000" in text
    assert "0499370899" in text


def test_defects_fall_on_other_records_in_other_provinces(tmp_path: Path) -> None:
    ministry = Ministry(**SIZE)
    rates = HARMLESS | {"wrong_check_digit": 0.3, "negative_amount": 0.3}
    harms = []
    for unit in ("23", "10"):
        truth = ministry.deliver(KEY, "1403-03", tmp_path, defects=rates, reporting_unit=unit).truth
        assert truth is not None
        harms.append(truth.rows["harm"].to_list()[:12])
    assert harms[0] != harms[1]


def test_a_part_says_whose_it_is_in_its_name_and_its_descriptor(tmp_path: Path) -> None:
    part = Ministry(**SIZE).deliver(KEY, "1403-03", tmp_path, sequence=2, reporting_unit="23")
    assert part.csv_path.name == "provincial-labour_disputes-1403-03-23-2.csv"
    assert part.descriptor_path.name == "provincial-labour_disputes-1403-03-23-2.json"
    told = json.loads(part.descriptor_path.read_text(encoding="utf-8"))
    assert told["mdlake"] == {
        "organization": "provincial",
        "dataset": "labour_disputes",
        "period": "1403-03",
        "reporting_unit": "23",
        "contract_version": "1.0",
        "declared_rows": part.rows,
        "sequence": 2,
        "supersedes": 1,
    }


def test_an_office_without_an_event_sends_the_header_alone(tmp_path: Path) -> None:
    ministry = Ministry(1_000, 50)
    parts = [ministry.deliver(KEY, "1403-01", tmp_path, reporting_unit=unit) for unit in UNITS]
    empty = [part for part in parts if part.rows == 0]
    assert 0 < len(empty) < len(UNITS)
    for part in empty:
        assert len(part.csv_path.read_text(encoding="utf-8").splitlines()) == 1
        assert part.truth is not None
        assert part.truth.rows.is_empty()
        assert set(part.truth.counts.values()) == {0}


def test_the_unit_must_be_named_known_and_asked_of_a_dataset_that_has_units(tmp_path: Path) -> None:
    ministry = Ministry(1_000, 50)
    assert ministry.reporting_units(KEY) == UNITS
    assert ministry.reporting_units("sso/workplaces") == ()
    assert ministry.due(KEY, "1403-02") == tuple(("1403-02", unit) for unit in UNITS)
    with pytest.raises(ConfigurationError, match="none is named"):
        ministry.deliver(KEY, "1403-01", tmp_path)
    with pytest.raises(UnknownName, match="reporting unit") as refused:
        ministry.deliver(KEY, "1403-01", tmp_path, reporting_unit="31")
    assert refused.value.known == UNITS
    with pytest.raises(ConfigurationError, match="without reporting units"):
        ministry.deliver("sso/workplaces", "1403-01", tmp_path, reporting_unit="23")
    assert not any(tmp_path.iterdir())
