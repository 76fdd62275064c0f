"""Deliveries of the synthetic ministry, read back by a parser of their own, against their truth."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from persiantools.jdatetime import JalaliDate

from mdlake.errors import ConfigurationError, UnknownName
from mdlake.synthetic import Canary, DeliveredFile, GroundTruth, Ministry

LIST, PLACES = "sso/insured_contributions", "sso/workplaces"
MONTHS = ("1403-01", "1403-02", "1403-03", "1403-04")
LETTERS = str.maketrans("يك", "یک")
NATIONALITIES = {"ایرانی": "IRN", "افغانستانی": "AFG", "عراقی": "IRQ", "پاکستانی": "PAK", "سوری": "SYR"}
SEXES = {"مرد": "1", "زن": "2", "1": "1", "2": "2"}
ENGLISH = {
    "دوره لیست": "list_month",
    "دوره": "list_month",
    "کد کارگاه": "workplace_code",
    "کد ملی": "national_code",
    "شماره ملی": "national_code",
    "شماره بیمه": "insurance_number",
    "شماره بیمه شده": "insurance_number",
    "نام": "first_name",
    "نام خانوادگی": "last_name",
    "نام پدر": "father_name",
    "تاریخ تولد": "birth_date",
    "جنسیت": "sex",
    "تابعیت": "nationality",
    "کد شغل": "occupation_code",
    "نوع قرارداد": "contract_type",
    "تاریخ شروع به کار": "job_start",
    "تاریخ ترک کار": "job_end",
    "روزهای کارکرد": "days_worked",
    "دستمزد روزانه": "daily_wage",
    "دستمزد مشمول": "insurable_wage",
    "حق بیمه": "premium",
    "نام کارگاه": "workplace_name",
    "کد ملی کارفرما": "employer_national_code",
    "شناسه ملی کارفرما": "employer_legal_id",
    "کد فعالیت": "isic",
    "استان": "province",
    "شهرستان": "county",
    "کد پستی": "postal_code",
    "تلفن": "phone",
    "تعداد کارکنان": "employees",
    "وضعیت": "status",
}
Row = dict[str, str]


def folded(text: str) -> str:
    """One hand for all: ASCII digits, Persian letters, no tatweel, single spaces, nothing around."""
    digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text)
    return " ".join(digits.translate(LETTERS).replace("\u0640", "").split())


def ten_digits(code: str) -> str:
    return code.zfill(10) if re.fullmatch(r"[0-9]{8,9}", code) else code


def plain_date(text: str) -> str:
    parts = re.fullmatch(r"([0-9]{4})[/-]([0-9]{1,2})[/-]([0-9]{1,2})", text) or re.fullmatch(
        r"([0-9]{4})([0-9]{2})([0-9]{2})", text
    )
    return "{}/{:0>2}/{:0>2}".format(*parts.groups()) if parts else text


def truth_of(delivery: DeliveredFile) -> GroundTruth:
    assert delivery.truth is not None
    return delivery.truth


def raw_rows(delivery: DeliveredFile) -> list[Row]:
    with delivery.csv_path.open(encoding="utf-8-sig", newline="") as file:
        return [{ENGLISH[header]: value for header, value in row.items()} for row in csv.DictReader(file)]


def clean_row(raw: Row) -> Row:
    row = {column: folded(value) for column, value in raw.items()}
    for column in {"national_code", "workplace_code", "employer_national_code"} & row.keys():
        row[column] = ten_digits(row[column])
    for column in {"birth_date", "job_start", "job_end"} & row.keys():
        row[column] = plain_date(row[column])
    row["nationality"] = NATIONALITIES.get(row.get("nationality", ""), row.get("nationality", ""))
    return row


def clean_rows(delivery: DeliveredFile) -> list[Row]:
    return [clean_row(raw) for raw in raw_rows(delivery)]


def is_national_code(code: str) -> bool:
    if not re.fullmatch(r"[0-9]{10}", code) or len(set(code)) == 1:
        return False
    r = sum(int(code[i]) * (10 - i) for i in range(9)) % 11
    return int(code[9]) == (r if r < 2 else 11 - r)


def is_legal_id(code: str) -> bool:
    c = int(code[9]) + 2
    total = sum((int(code[i]) + c) * [29, 27, 23, 19, 17][i % 5] for i in range(10)) % 11
    return len(code) == 11 and int(code[10]) == total % 10


def is_day(text: str) -> bool:
    year, month, day = map(int, text.split("/"))
    return 1 <= month <= 12 and 1 <= day <= JalaliDate.days_in_month(month, year)


def harms_of_list(rows: list[Row], workplaces: set[str]) -> list[str | None]:
    """Every record's defect, found by reading; a record with two would fail the test by its name."""
    found: list[str | None] = []
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        dates = [row["birth_date"], row["job_start"]]
        well_formed = re.fullmatch(r"[0-9]{10}", row["workplace_code"]) is not None
        is_dated = all(map(is_day, dates))
        harms = {
            "missing_national_code": row["national_code"] == "",
            "wrong_check_digit": row["national_code"] != "" and not is_national_code(row["national_code"]),
            "malformed_workplace_code": not well_formed,
            "orphan_workplace": well_formed and row["workplace_code"] not in workplaces,
            "unknown_sex_code": row["sex"] not in SEXES,
            "impossible_date": not is_dated,
            "days_out_of_range": int(row["days_worked"]) > 31,
            "end_before_start": is_dated and row["job_end"] != "" and row["job_end"] < row["job_start"],
            "non_numeric_wage": not row["daily_wage"].isdigit(),
            "exact_duplicate": tuple(row.values()) in seen,
        }
        seen.add(tuple(row.values()))
        found.append("+".join(name for name, is_so in harms.items() if is_so) or None)
    return found


NO_HARM_LIST = dict.fromkeys(Ministry().defect_rates(LIST), 0.0)
NO_HARM_PLACES = dict.fromkeys(Ministry().defect_rates(PLACES), 0.0)
EVERY_HARM_LIST = dict.fromkeys(NO_HARM_LIST, 0.02)
EVERY_HARM_PLACES = dict.fromkeys(NO_HARM_PLACES, 0.05)


@pytest.fixture(scope="module")
def ministry() -> Ministry:
    return Ministry(persons=6_000, workplaces=500, seed=11)


@pytest.fixture(scope="module")
def sound(ministry: Ministry, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], DeliveredFile]:
    """Four months of both datasets without defects."""
    folder = tmp_path_factory.mktemp("sound")
    return {
        (dataset, month): ministry.deliver(dataset, month, folder, defects=none)
        for month in MONTHS
        for dataset, none in ((LIST, NO_HARM_LIST), (PLACES, NO_HARM_PLACES))
    }


@pytest.fixture(scope="module")
def lists(sound: dict[tuple[str, str], DeliveredFile]) -> dict[str, list[Row]]:
    return {month: clean_rows(sound[LIST, month]) for month in MONTHS}


@pytest.fixture(scope="module")
def places(sound: dict[tuple[str, str], DeliveredFile]) -> dict[str, list[Row]]:
    return {month: clean_rows(sound[PLACES, month]) for month in MONTHS}


@pytest.fixture(scope="module")
def bad(ministry: Ministry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DeliveredFile]:
    """A month with many defects of every class."""
    folder = tmp_path_factory.mktemp("bad")
    return {
        LIST: ministry.deliver(LIST, "1403-02", folder, defects=EVERY_HARM_LIST),
        PLACES: ministry.deliver(PLACES, "1403-02", folder, defects=EVERY_HARM_PLACES),
    }


# The same seed, the same bytes


def test_the_same_seed_gives_the_same_bytes_whatever_came_before(
    sound: dict[tuple[str, str], DeliveredFile], tmp_path: Path
) -> None:
    fresh = Ministry(persons=6_000, workplaces=500, seed=11)
    for dataset, none in ((PLACES, NO_HARM_PLACES), (LIST, NO_HARM_LIST)):
        again = fresh.deliver(dataset, "1403-03", tmp_path, defects=none, truth=False)
        assert again.csv_path.read_bytes() == sound[dataset, "1403-03"].csv_path.read_bytes()
        assert again.descriptor_path.read_bytes() == sound[dataset, "1403-03"].descriptor_path.read_bytes()
        assert again.truth is None


@pytest.mark.parametrize("dataset", [LIST, PLACES])
def test_pages_of_any_size_give_the_same_bytes_and_the_same_truth(dataset: str, tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم"), Canary("0076229645", "نام‌دوم", "خانواده‌دوم")]
    whole, parts = (
        Ministry(1_000, 200, page_rows=rows).deliver(dataset, "1403-01", tmp_path / str(rows), canaries=canaries)
        for rows in (500_000, 37)
    )
    assert whole.csv_path.read_bytes() == parts.csv_path.read_bytes()
    assert truth_of(whole).rows.equals(truth_of(parts).rows)
    assert truth_of(whole).counts == truth_of(parts).counts


def test_another_seed_gives_another_population(tmp_path: Path) -> None:
    codes = [
        {row["national_code"] for row in clean_rows(Ministry(500, 50, seed).deliver(LIST, "1403-01", tmp_path))}
        for seed in (1, 2)
    ]
    assert len(codes[0] & codes[1]) <= 1  # the empty code


# The population


def test_codes_of_the_list_hold_against_the_plain_formulas(lists: dict[str, list[Row]]) -> None:
    rows = lists["1403-01"]
    assert all(is_national_code(row["national_code"]) for row in rows)
    assert all(re.fullmatch(r"[0-9]{8}|[0-9]{10}", row["insurance_number"]) for row in rows)
    codes = {row["national_code"] for row in rows}
    assert 0.10 < sum(code.startswith("0") for code in codes) / len(codes) < 0.14


def test_a_person_has_one_code_and_one_insurance_number_in_all_months(lists: dict[str, list[Row]]) -> None:
    numbers, codes = defaultdict(set), defaultdict(set)
    for row in (row for rows in lists.values() for row in rows):
        facts = (
            row["insurance_number"],
            row["birth_date"],
            SEXES[row["sex"]],
            row["first_name"],
            row["last_name"],
        )
        numbers[row["national_code"]].add(facts)
        codes[row["insurance_number"]].add(row["national_code"])
    assert all(len(facts) == 1 for facts in numbers.values())
    assert all(len(of) == 1 for of in codes.values())
    long = sum(len(number) == 10 for number in codes) / len(codes)
    assert 0.08 < long < 0.12


def test_nobody_is_twice_at_one_workplace_and_some_are_at_two(lists: dict[str, list[Row]]) -> None:
    for rows in lists.values():
        assert len({(row["national_code"], row["workplace_code"]) for row in rows}) == len(rows)
        jobs = Counter(Counter(row["national_code"] for row in rows).values())
        assert set(jobs) == {1, 2}
        assert 0.02 < jobs[2] / 6_000 < 0.04


def test_the_list_has_about_as_many_rows_as_there_are_persons(lists: dict[str, list[Row]]) -> None:
    assert all(abs(len(rows) - 6_000) < 120 for rows in lists.values())


def test_stocks_and_flows_add_up(lists: dict[str, list[Row]]) -> None:
    for before, after in itertools.pairwise(MONTHS):
        prefix = after.replace("-", "/")
        ended = {job(row) for row in lists[before] if row["job_end"]}
        started = {job(row) for row in lists[after] if row["job_start"].startswith(prefix)}
        assert {job(row) for row in lists[after]} == {job(row) for row in lists[before]} - ended | started
        assert len(lists[after]) == len(lists[before]) - len(ended) + len(started)
        assert 0.012 < len(ended) / len(lists[before]) < 0.03
        assert 0.012 < len(started) / len(lists[before]) < 0.03


def job(row: Row) -> tuple[str, str, str]:
    return row["national_code"], row["workplace_code"], row["job_start"]


def test_a_job_ends_in_the_month_that_reports_it(lists: dict[str, list[Row]]) -> None:
    for month, rows in lists.items():
        assert all(row["job_end"].startswith(month.replace("-", "/")) for row in rows if row["job_end"])


def test_days_worked_fit_in_the_job_and_the_month(lists: dict[str, list[Row]]) -> None:
    for month, rows in lists.items():
        year, number = map(int, month.split("-"))
        length = JalaliDate.days_in_month(number, year)
        for row in rows:
            first = int(row["job_start"][-2:]) if row["job_start"].startswith(month.replace("-", "/")) else 1
            last = int(row["job_end"][-2:]) if row["job_end"] else length
            assert 0 <= int(row["days_worked"]) <= last - first + 1 <= 31


def test_everybody_was_fifteen_when_the_job_began(lists: dict[str, list[Row]]) -> None:
    for row in lists["1403-01"]:
        assert (
            int(row["job_start"][:4]) * 400 + int(row["job_start"][5:7]) * 32 + int(row["job_start"][8:])
            >= (int(row["birth_date"][:4]) + 15) * 400 + int(row["birth_date"][5:7]) * 32 + int(row["birth_date"][8:]) - 2
        )


def test_wages_and_premiums_are_rebuilt_from_each_other(lists: dict[str, list[Row]]) -> None:
    for row in lists["1403-01"]:
        wage, insurable, days = int(row["daily_wage"]), int(row["insurable_wage"]), int(row["days_worked"])
        assert wage >= 2_388_728
        assert insurable >= wage * days
        assert abs(int(row["premium"]) - insurable * 0.3) <= 0.5
    wages = [int(row["daily_wage"]) for row in lists["1403-01"]]
    assert any(wage % 10 for wage in wages)


# The workplaces


def test_every_job_is_at_an_active_workplace_of_the_months_table(
    lists: dict[str, list[Row]], places: dict[str, list[Row]]
) -> None:
    for month in MONTHS:
        status = {row["workplace_code"]: row["status"] for row in places[month]}
        assert len(status) == len(places[month]) == 500
        assert {status[row["workplace_code"]] for row in lists[month]} == {"1"}
        assert set(status.values()) == {"1", "2", "3"}


def test_employees_are_the_rows_of_the_list(lists: dict[str, list[Row]], places: dict[str, list[Row]]) -> None:
    for month in MONTHS:
        rows = Counter(row["workplace_code"] for row in lists[month])
        assert {row["workplace_code"]: int(row["employees"]) for row in places[month]} == {
            row["workplace_code"]: rows[row["workplace_code"]] for row in places[month]
        }


def test_employees_are_those_before_defects(bad: dict[str, DeliveredFile], places: dict[str, list[Row]]) -> None:
    declared = Counter(row["employees"] for row in places["1403-02"])
    copies = truth_of(bad[PLACES]).rows["harm"].eq_missing("exact_duplicate").to_list()
    rows = clean_rows(bad[PLACES])
    assert Counter(row["employees"] for row, copy in zip(rows, copies, strict=True) if not copy) == declared


def test_an_employer_is_a_person_or_a_legal_person(places: dict[str, list[Row]]) -> None:
    rows = places["1403-01"]
    assert all(bool(row["employer_national_code"]) != bool(row["employer_legal_id"]) for row in rows)
    assert all(is_national_code(row["employer_national_code"]) for row in rows if row["employer_national_code"])
    assert all(is_legal_id(row["employer_legal_id"]) for row in rows if row["employer_legal_id"])


def test_places_fit_together(places: dict[str, list[Row]]) -> None:
    rows = places["1403-01"]
    assert all("00" <= row["province"] <= "30" for row in rows)
    assert all(row["county"][:2] == row["province"] and "01" <= row["county"][2:] <= "12" for row in rows)
    assert all(re.fullmatch(r"[13-9]{4}[1346-9][013-9]{5}", row["postal_code"]) for row in rows)
    assert all(re.fullmatch(r"0[0-9]{10}", row["phone"]) for row in rows)
    branches = defaultdict(set)
    for row in rows:
        branches[row["workplace_code"][:3]].add(row["province"])
    assert all(len(provinces) == 1 for provinces in branches.values())


def test_a_few_workplaces_have_many_of_the_jobs(places: dict[str, list[Row]]) -> None:
    sizes = sorted((int(row["employees"]) for row in places["1403-01"]), reverse=True)
    assert sum(sizes[:50]) > 0.4 * sum(sizes)


def test_names_with_commas_quotes_and_line_breaks_come_back_whole(
    sound: dict[tuple[str, str], DeliveredFile], places: dict[str, list[Row]]
) -> None:
    names = [row["workplace_name"] for row in places["1403-01"]]
    raw = [row["workplace_name"] for month in MONTHS for row in raw_rows(sound[PLACES, month])]
    assert any("," in name for name in names)
    assert any('"' in name for name in names)
    assert any("\n" in name for name in raw)


# Contracts and files


def test_the_list_changes_its_columns_with_the_contract(sound: dict[tuple[str, str], DeliveredFile]) -> None:
    first = (
        "دوره لیست,کد کارگاه,کد ملی,شماره بیمه,نام,نام خانوادگی,نام پدر,تاریخ تولد,جنسیت,تابعیت,کد شغل,"
        "تاریخ شروع به کار,تاریخ ترک کار,روزهای کارکرد,دستمزد روزانه,دستمزد مشمول,حق بیمه"
    )
    second = (
        "دوره لیست,کد کارگاه,شماره ملی,شماره بیمه شده,نام,نام خانوادگی,تاریخ تولد,جنسیت,تابعیت,کد شغل,"
        "نوع قرارداد,تاریخ شروع به کار,تاریخ ترک کار,روزهای کارکرد,دستمزد روزانه,دستمزد مشمول,حق بیمه"
    )
    for month, version, header in zip(MONTHS, ("1.0", "1.0", "2.0", "2.0"), (first, first, second, second), strict=True):
        assert sound[LIST, month].csv_path.read_bytes().split(b"\n")[0].decode() == header
        assert descriptor(sound[LIST, month])["mdlake"]["contract_version"] == version
        assert descriptor(sound[PLACES, month])["mdlake"]["contract_version"] == "1.0"


def test_the_month_of_the_change_is_a_parameter(tmp_path: Path) -> None:
    delivery = Ministry(500, 50, contract_change="1402-11").deliver(LIST, "1402-11", tmp_path)
    assert descriptor(delivery)["mdlake"]["contract_version"] == "2.0"
    assert {row["contract_type"] for row in clean_rows(delivery)} == {"1", "2", "3", "4"}


def descriptor(delivery: DeliveredFile) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = json.loads(delivery.descriptor_path.read_text(encoding="utf-8"))
    return document


def test_the_workplaces_begin_with_a_byte_order_mark_and_the_list_does_not(
    sound: dict[tuple[str, str], DeliveredFile],
) -> None:
    assert sound[PLACES, "1403-01"].csv_path.read_bytes().startswith(b"\xef\xbb\xbf\xd8")
    assert not sound[LIST, "1403-01"].csv_path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_descriptor_tells_of_the_file_what_is_so(bad: dict[str, DeliveredFile]) -> None:
    delivery = bad[LIST]
    content = delivery.csv_path.read_bytes()
    assert json.loads(delivery.descriptor_path.read_text(encoding="utf-8")) == {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "sso-insured_contributions-1403-02-1",
        "resources": [
            {
                "name": "insured_contributions",
                "path": "sso-insured_contributions-1403-02-1.csv",
                "format": "csv",
                "encoding": "utf-8",
                "dialect": {"delimiter": ","},
                "bytes": len(content),
                "hash": "sha256:" + hashlib.sha256(content).hexdigest(),
                "schema": {"fields": [{"name": name, "type": "string"} for name in content.decode().splitlines()[0].split(",")]},
            }
        ],
        "mdlake": {
            "organization": "sso",
            "dataset": "insured_contributions",
            "period": "1403-02",
            "contract_version": "1.0",
            "declared_rows": len(raw_rows(delivery)),
            "sequence": 1,
            "supersedes": None,
        },
    }


def test_a_folder_is_made_for_its_owner_only_and_holds_the_two_files(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "sso"
    delivery = Ministry(500, 50).deliver(LIST, "1403-01", folder, sequence=3)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == [
        "sso-insured_contributions-1403-01-3.csv",
        "sso-insured_contributions-1403-01-3.json",
    ]
    assert delivery.csv_path.parent == delivery.descriptor_path.parent == folder
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())


def test_a_later_delivery_of_a_month_has_the_same_facts(ministry: Ministry, tmp_path: Path) -> None:
    first, second = (ministry.deliver(LIST, "1403-01", tmp_path, sequence=sequence) for sequence in (1, 2))
    assert first.csv_path != second.csv_path
    assert first.csv_path.read_bytes() == second.csv_path.read_bytes()


# Defects and the truth


def test_every_defect_of_the_list_is_where_the_truth_says(bad: dict[str, DeliveredFile], places: dict[str, list[Row]]) -> None:
    truth = truth_of(bad[LIST])
    rows = clean_rows(bad[LIST])
    found = harms_of_list(rows, {row["workplace_code"] for row in places["1403-02"]})
    assert truth.rows["record"].to_list() == list(range(1, len(rows) + 1))
    assert truth.rows["harm"].to_list() == found
    assert {name: found.count(name) for name in EVERY_HARM_LIST} == truth.counts
    assert all(60 < count < 180 for count in truth.counts.values())
    assert bad[LIST].rows == len(rows)


def test_every_defect_of_the_workplaces_is_where_the_truth_says(bad: dict[str, DeliveredFile]) -> None:
    truth = truth_of(bad[PLACES])
    found: list[str | None] = []
    seen: set[tuple[str, ...]] = set()
    for row in clean_rows(bad[PLACES]):
        is_employer = is_national_code(row["employer_national_code"] or "0") or (
            row["employer_legal_id"] != "" and is_legal_id(row["employer_legal_id"])
        )
        harms = {
            "wrong_check_digit": not is_employer,
            "malformed_workplace_code": not re.fullmatch(r"[0-9]{10}", row["workplace_code"]),
            "unknown_status_code": row["status"] not in {"1", "2", "3"},
            "exact_duplicate": tuple(row.values()) in seen,
        }
        seen.add(tuple(row.values()))
        found.append("+".join(name for name, is_so in harms.items() if is_so) or None)
    assert truth.rows["harm"].to_list() == found
    assert {name: found.count(name) for name in EVERY_HARM_PLACES} == truth.counts
    assert all(count > 5 for count in truth.counts.values())


def test_the_clean_codes_of_the_truth_are_those_of_the_file(bad: dict[str, DeliveredFile]) -> None:
    truth = truth_of(bad[LIST])
    persons = defaultdict(set)
    for row, true in zip(clean_rows(bad[LIST]), truth.rows.iter_rows(named=True), strict=True):
        if true["harm"] not in {"wrong_check_digit", "missing_national_code"}:
            assert row["national_code"] == true["national_code"]
        if true["harm"] not in {"malformed_workplace_code", "orphan_workplace"}:
            assert row["workplace_code"] == true["workplace_code"]
        persons[true["person"]].add(true["national_code"])
    assert all(len(codes) == 1 for codes in persons.values())
    assert None not in persons


def test_a_malformed_code_stays_so_when_zeros_are_put_back(bad: dict[str, DeliveredFile]) -> None:
    truth = truth_of(bad[LIST])
    codes = [
        folded(row["workplace_code"])
        for row, harm in zip(raw_rows(bad[LIST]), truth.rows["harm"], strict=True)
        if harm == "malformed_workplace_code"
    ]
    assert not any(re.fullmatch(r"[0-9]{1,10}", code) for code in codes)


def test_a_month_with_the_usual_rates_has_few_defects(ministry: Ministry, tmp_path: Path) -> None:
    truth = truth_of(ministry.deliver(LIST, "1403-01", tmp_path))
    assert 0.01 < sum(truth.counts.values()) / truth.rows.height < 0.03
    assert truth.counts["non_numeric_wage"] < truth.counts["exact_duplicate"]


def test_the_usual_defects_of_workplaces_orphan_nobody(tmp_path: Path) -> None:
    delivery = Ministry(2_000, 4_000).deliver(PLACES, "1403-01", tmp_path)
    harmed = [row for row, harm in zip(clean_rows(delivery), truth_of(delivery).rows["harm"], strict=True) if harm is not None]
    assert len(harmed) > 50
    assert {row["employees"] for row in harmed} == {"0"}


def test_one_rate_can_be_raised_and_the_others_stay(ministry: Ministry, tmp_path: Path) -> None:
    truth = truth_of(ministry.deliver(LIST, "1403-01", tmp_path, defects={"wrong_check_digit": 0.2}))
    assert 0.18 < truth.counts["wrong_check_digit"] / truth.rows.height < 0.22
    assert 0 < truth.counts["exact_duplicate"] < 60


def test_a_month_without_defects_has_none(sound: dict[tuple[str, str], DeliveredFile]) -> None:
    for delivery in sound.values():
        assert set(truth_of(delivery).counts.values()) == {0}
        assert truth_of(delivery).rows["harm"].null_count() == delivery.rows


# Handwriting


def test_each_habit_is_recorded_where_and_only_where_it_can_be_seen(bad: dict[str, DeliveredFile]) -> None:
    seen: Counter[str] = Counter()
    for dataset, delivery in bad.items():
        for raw, true in zip(raw_rows(delivery), truth_of(delivery).rows.iter_rows(named=True), strict=True):
            habits, line = set(true["handwriting"]), "|".join(raw.values())
            seen.update(habits)
            dates = "|".join(raw.get(column, "") for column in ("birth_date", "job_start", "job_end"))
            is_persian = re.search("[۰-۹]", line) is not None
            assert is_persian == bool(habits & {"persian_digits", "date_in_persian"})
            assert (re.search("[٠-٩]", line) is not None) == ("arabic_indic_digits" in habits)
            assert (re.search("[يك]", line) is not None) == ("arabic_letters" in habits)
            assert ("\u0640" in line) == ("tatweel" in habits)
            assert ("\u00a0" in line) == ("nbsp_around" in habits)
            assert ("| " in line or " |" in line) == ("blanks_around" in habits)
            assert ("\n" in line) == ("line_break" in habits)
            assert (re.search(r"\w  \w", line) is not None) == ("double_spaces" in habits)
            assert ("-" in dates) == ("date_with_dashes" in habits)
            if dataset == LIST:
                assert ("/" not in dates and "-" not in dates) == ("date_compact" in habits)
            codes = [folded(raw.get(column, "")) for column in ("national_code", "workplace_code", "employer_national_code")]
            assert any(0 < len(code) < 10 for code in codes) <= ("lost_leading_zeros" in habits)
    assert all(count > 2 for count in seen.values())
    assert len(seen) == 13


def test_half_of_the_rows_need_no_more_than_reading(sound: dict[tuple[str, str], DeliveredFile]) -> None:
    truth = truth_of(sound[LIST, "1403-01"])
    plain = (truth.rows["handwriting"].list.len() == 0).mean()
    assert isinstance(plain, float)
    assert 0.2 < plain < 0.7


def test_an_office_keeps_its_hand_in_all_months(sound: dict[tuple[str, str], DeliveredFile]) -> None:
    hands = []
    for month in MONTHS:
        truth = sound[LIST, month].truth
        assert truth is not None
        rows = zip(truth.rows["workplace_code"], truth.rows["handwriting"].to_list(), strict=True)
        hands.append({code[:3]: "persian_digits" in habits for code, habits in rows})
    assert all(hands[0][office] == hand[office] for hand in hands for office in hand.keys() & hands[0].keys())


# Canaries

CANARIES = (
    Canary("0499370899", "زرتشت‌بانو", "قناری‌نشانی یکم", "09120000001"),
    Canary("1583250689", "Canary", 'O"Leak, Sr.', "02188888888"),
    Canary("1234567890", "بی‌رقم کنترل", "قناری‌نشانی سوم"),
)


def test_canaries_of_the_list_are_the_same_persons_in_all_months(ministry: Ministry, tmp_path: Path) -> None:
    persons = []
    for month in MONTHS[:2]:
        nearly_all = dict.fromkeys(NO_HARM_LIST, 0.099)
        delivery = ministry.deliver(LIST, month, tmp_path, canaries=CANARIES, defects=nearly_all)
        rows = {row["national_code"]: row for row in raw_rows(delivery)}
        for canary in CANARIES:
            row = rows[canary.national_code]
            assert (row["first_name"], row["last_name"]) == (canary.first_name, canary.last_name)
        planted = truth_of(delivery).rows.filter(truth_of(delivery).rows["person"].is_null())
        assert planted["national_code"].to_list() == [canary.national_code for canary in CANARIES]
        assert planted["harm"].null_count() == 3
        assert planted["handwriting"].list.len().sum() == 0
        columns = ("insurance_number", "birth_date", "father_name")
        persons.append([[rows[canary.national_code][column] for column in columns] for canary in CANARIES])
    assert persons[0] == persons[1]


def test_canaries_of_the_workplaces_are_employers_with_their_telephone(ministry: Ministry, tmp_path: Path) -> None:
    delivery = ministry.deliver(PLACES, "1403-01", tmp_path, canaries=CANARIES)
    rows = {row["employer_national_code"]: row for row in raw_rows(delivery)}
    for canary in CANARIES:
        row = rows[canary.national_code]
        assert canary.last_name in row["workplace_name"]
        assert row["employer_legal_id"] == ""
        assert row["phone"] == canary.phone or canary.phone is None
        assert row["phone"]


# What cannot be


def test_unknown_names_are_answered_with_what_there_is(ministry: Ministry, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"wrong_check_digit"):
        ministry.deliver(LIST, "1403-01", tmp_path, defects={"nonsense": 0.1})
    with pytest.raises(UnknownName, match=r"sso/insured_contributions.*sso/workplaces"):
        ministry.deliver("sso/nothing", "1403-01", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rates", [{"wrong_check_digit": -0.1}, {"wrong_check_digit": 0.7, "exact_duplicate": 0.4}])
def test_rates_that_are_no_shares_are_refused(ministry: Ministry, rates: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="shares"):
        ministry.deliver(LIST, "1403-01", tmp_path, defects=rates)


def test_sizes_and_numbers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="persons is 10"):
        Ministry(persons=10)
    with pytest.raises(ConfigurationError, match="workplaces is 1"):
        Ministry(workplaces=1)
    with pytest.raises(ConfigurationError, match="seed is -1"):
        Ministry(seed=-1)
    with pytest.raises(ConfigurationError, match="1403-20"):
        Ministry(contract_change="1403-20")
    with pytest.raises(ConfigurationError, match="sequence"):
        Ministry(500, 50).deliver(LIST, "1403-01", tmp_path, sequence=0)
    with pytest.raises(ConfigurationError, match="more canaries than records"):
        Ministry(500, 50).deliver(PLACES, "1403-01", tmp_path, canaries=CANARIES * 20)
