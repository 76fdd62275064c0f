"""The configuration as shipped is right; a broken one is told with file, line, field and fix, everything at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mdlake.cli import cli
from mdlake.config import Configuration, Problem, check_configuration, configuration_schemas, load_configuration
from mdlake.errors import ConfigurationError
from mdlake.principles import RULES

SHIPPED = Path(__file__).resolve().parents[2] / "assets_config"
WORKPLACES = "organizations/sso/workplaces.yaml"
INSURED = "organizations/sso/insured_contributions.yaml"
DISPUTES = "organizations/provincial/labour_disputes.yaml"
SEX = "classifications/sex.yaml"
COUNTY = "classifications/county.yaml"

Edit = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped configuration."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "assets_config"))


def problems_of(folder: Path) -> tuple[Problem, ...]:
    configuration, problems = check_configuration(folder, RULES)
    assert (configuration is None) == bool(problems)
    return problems


def replacing(before: str, after: str) -> Callable[[str], str]:
    def replaced(text: str) -> str:
        assert before in text, before
        return text.replace(before, after, 1)

    return replaced


def edited(folder: Path, name: str, edit: Callable[[str], str]) -> str:
    text = edit((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(text, encoding="utf-8")
    return text


def test_a_reporting_unit_that_no_descriptor_can_name_is_told_of_the_dataset(folder: Path) -> None:
    edited(folder, "classifications/province.yaml", replacing('code: "30"', 'code: "Alborz 30"'))
    (problem,) = [problem for problem in problems_of(folder) if problem.field == "reporting_units"]
    assert problem.file == DISPUTES
    assert "cannot name a unit in a descriptor" in problem.message
    assert "ASCII letters" in problem.fix


def test_the_shipped_configuration_is_right(configuration: Configuration) -> None:
    assert check_configuration(SHIPPED, RULES) == (configuration, ())
    assert len(configuration.datasets) == 16
    assert [contract.version for contract in configuration.dataset("sso/insured_contributions").versions] == ["1.0", "2.0"]


def test_every_rule_that_exists_has_a_setting_in_every_contract(configuration: Configuration) -> None:
    for dataset in configuration.datasets.values():
        for contract in dataset.versions:
            assert set(contract.rules) == set(RULES)


# Broken in one place: what is replaced by what, in which file; the field that is told, a word on its line, what is said, the fix.
BROKEN: dict[str, tuple[str, str, str, str, str, str, str]] = {
    "a misspelt field": (
        WORKPLACES, "temporal_type: status", "temporal_typ: status",
        "temporal_typ", "temporal_typ:", "unknown field", "Did you mean 'temporal_type'?",
    ),
    "a misspelt field far inside": (
        WORKPLACES, "on_invalid: quarantine", "on_invalidd: quarantine",
        "versions.0.columns.month.on_invalidd", "on_invalidd:", "unknown field", "Did you mean 'on_invalid'?",
    ),
    "a missing field": (
        "standard.yaml", "    owner: it_centre\n", "",
        "layers.raw.owner", "raw:", "the field is missing", "Add it.",
    ),
    "a number for a code": (
        SEX, 'code: "2"', "code: 2",
        "codes.1.code", "code: 2", "text is expected", "quotation marks",
    ),
    "a value that is not allowed": (
        WORKPLACES, "periodicity: month", "periodicity: week",
        "periodicity", "periodicity:", "'month' or 'quarter'", "Correct it.",
    ),
    "reporting units that are no classification": (
        DISPUTES, "reporting_units: province", "reporting_units: provinces",
        "reporting_units", "reporting_units:", "no classification called 'provinces'", "province",
    ),
    "a column of reporting units with other codes": (
        DISPUTES, "reporting_unit_column: province", "reporting_unit_column: claim_kind",
        "versions.0.reporting_unit_column", "claim_kind", "other codes than the reporting units", "reporting_units",
    ),
    "a column of reporting units that is not there": (
        DISPUTES, "reporting_unit_column: province", "reporting_unit_column: region",
        "versions.0.reporting_unit_column", "region", "no column called 'region'", "province",
    ),
    "a month that does not exist": (
        "calendar.yaml", "1399-11", "1399-13",
        "first_period", "first_period:", "no month with the number 13", "Correct it.",
    ),
    "a calendar that ends before it begins": (
        "calendar.yaml", "1405-12", "1398-12",
        "", "first_period:", "last_period lies before first_period", "Correct it.",
    ),
    "a calendar of years": (
        "calendar.yaml", "1399-11", "1399",
        "", "first_period:", "must be months", "Correct it.",
    ),
    "deliveries owed from a month outside of the calendar": (
        "calendar.yaml", "owed_from: 1403-01", "owed_from: 1399-10",
        "", "first_period:", "owed_from must be a month from first_period to last_period", "Correct it.",
    ),
    "a reopening without an end": (
        "decisions.yaml", "    scope: {required: [datasets, periods]}\n    longest_days: 31\n",
        "    scope: {required: [datasets, periods]}\n",
        "kinds.period_reopened.longest_days", "period_reopened:", "the field is missing", "would undo the closing",
    ),
    "a closing of no periods": (
        "decisions.yaml", "    scope: {required: [datasets, periods]}\n\n", "    scope: {required: [datasets]}\n\n",
        "kinds.period_closed.scope.required", "scope:", "could not tell what it covers", "Add periods.",
    ),
    "a due day that not every month has": (
        WORKPLACES, "due_day: 10", "due_day: 30",
        "delivery.due_day", "due_day: 30", "less than or equal to 29", "Correct it.",
    ),
    "no due day": (
        WORKPLACES, "{due_day: 10, grace_days: 5}", "{grace_days: 5}",
        "delivery.due_day", "grace_days: 5", "the field is missing", "Add it.",
    ),
    "an unknown day of the week": (
        "holidays.yaml", "weekend: [friday]", "weekend: [juma]",
        "weekend.0", "weekend:", "'friday'", "Correct it.",
    ),
    "a week of seven free days": (
        "holidays.yaml", "[friday]", "[monday, tuesday, wednesday, thursday, friday, saturday, sunday]",
        "weekend", "weekend:", "at most 6", "Correct it.",
    ),
    "a yearly holiday that is no day": (
        "holidays.yaml", "  11-22:", "  22-11:",
        "yearly.22-11.[key]", "22-11:", "no day of a Solar Hijri year", "Correct it.",
    ),
    "an announced holiday that is no day": (
        "holidays.yaml", "  1404-12-20:", "  1404-12-30:",
        "announced.1404-12-30.[key]", "1404-12-30:", "no day of the Solar Hijri calendar", "Correct it.",
    ),
    "a key written twice": (
        WORKPLACES, "periodicity: month", "periodicity: month\nperiodicity: quarter",
        "periodicity", "periodicity: quarter", "written twice", "Keep one",
    ),
    "a column written twice": (
        WORKPLACES, "      county:\n", "      province:\n",
        "versions.0.columns.province", "province:", "written twice", "Keep one",
    ),
    "broken YAML": (
        WORKPLACES, "label: {fa: کارگاه‌ها, en: Workplaces}", "label: {fa: کارگاه‌ها, en: Workplaces",
        "", "description:", "broken YAML", "Correct the line or the one above it.",
    ),
    "a tabulator": (
        WORKPLACES, "periodicity: month", "\tperiodicity: month",
        "", "periodicity:", "broken YAML", "Correct the line",
    ),
    "an unknown rule": (
        "principles.yaml", "  heaping:", "  heapings:",
        "rules.heapings", "heapings:", "no rule called 'heapings'", "heaping, ",
    ),
    "a rule without a setting": (
        "principles.yaml", "  heaping: {severity: warn, threshold: 0.5}\n", "",
        "rules", "rules:", "the rule 'heaping' has no setting", "severity and threshold",
    ),
    "an unknown rule of a contract": (
        WORKPLACES, "      rows_against_previous: {", "      rows_against_next: {",
        "versions.0.rules.rows_against_next", "rows_against_next:", "no rule called 'rows_against_next'", "rows_against_previous",
    ),
    "an unknown severity": (
        "principles.yaml", "declared_rows: {severity: error", "declared_rows: {severity: fatal",
        "rules.declared_rows.severity", "declared_rows:", "'error' or 'warn'", "Correct it.",
    ),
    "a negative threshold": (
        "principles.yaml", "threshold: 0.03}", "threshold: -0.03}",
        "rules.identifiers_valid.threshold", "identifiers_valid:", "greater than or equal to 0", "Correct it.",
    ),
    "an unknown classification": (
        WORKPLACES, "classification: workplace_status", "classification: status",
        "versions.0.columns.status.classification", "classification:", "no classification called 'status'", "workplace_status",
    ),
    "an unknown classification of a variable": (
        "standard.yaml", "classification: sex", "classification: gender",
        "variables.sex.classification", "classification: gender", "no classification called 'gender'", "sex",
    ),
    "an unknown shared variable": (
        WORKPLACES, "variable: activity", "variable: activty",
        "versions.0.columns.activity.variable", "variable: activty", "no shared variable called 'activty'", "activity",
    ),
    "an unknown identifier": (
        "standard.yaml", "identifier: postal_code", "identifier: postcode",
        "variables.postal_code.identifier", "identifier: postcode", "no identifier type called 'postcode'", "postal_code",
    ),
    "an unknown office": (
        "standard.yaml", "owner: it_centre", "owner: it_center",
        "layers.raw.owner", "owner: it_center", "no office called 'it_center'", "it_centre",
    ),
    "an unknown dataset of a foreign key": (
        INSURED, "dataset: sso/workplaces", "dataset: sso/workplace",
        "versions.0.columns.workplace_code.references.dataset",
        "references:", "no dataset called 'sso/workplace'", "sso/workplaces",
    ),
    "an unknown column of a foreign key": (
        INSURED, "column: workplace_code}", "column: workplace}",
        "versions.0.columns.workplace_code.references.column", "references:", "no column called 'workplace'", "workplace_code",
    ),
    "an unknown column of the unit": (
        WORKPLACES, "unit_key: [workplace_code]", "unit_key: [workplace]",
        "versions.0.unit_key", "unit_key:", "no column called 'workplace'", "workplace_code",
    ),
    "an unknown column of an edit": (
        INSURED, "right: job_end", "right: job_finish",
        "versions.0.edits.0", "left: job_start", "no column called 'job_finish'", "job_end",
    ),
    "an unknown column of an agreement": (
        WORKPLACES, "columns: [province]}", "columns: [region]}",
        "versions.0.agreements.0", "unit: workplace_code", "no column called 'region'", "province",
    ),
    "an edit between a date and a number": (
        INSURED, "right: job_end", "right: premium",
        "versions.0.edits.0", "left: job_start", "cannot be compared", "dates with dates",
    ),
    "an unknown column of a requirement": (
        WORKPLACES, "    agreements:", "    requirements:\n"
        "      - {column: closed, where: status, among: [\"3\"]}\n    agreements:",
        "versions.0.requirements.0", "column: closed", "no column called 'closed'", "status",
    ),
    "a requirement where there are no codes": (
        WORKPLACES, "    agreements:", "    requirements:\n"
        "      - {column: phone, where: employees, among: [\"3\"]}\n    agreements:",
        "versions.0.requirements.0", "column: phone", "'employees' has no codes", "type code",
    ),
    "a requirement of an unknown code": (
        WORKPLACES, "    agreements:", "    requirements:\n"
        "      - {column: phone, where: status, among: [\"7\"]}\n    agreements:",
        "versions.0.requirements.0", "column: phone", "no code called '7'", "Known: 1, 2, 3",
    ),
    "alternatives of which one must be filled": (
        WORKPLACES, "    agreements:", "    alternatives:\n      - [phone, workplace_code]\n    agreements:",
        "versions.0.alternatives.0", "phone, workplace_code", "'workplace_code' is required in every row", "required: false",
    ),
    "alternatives that are no lists": (
        WORKPLACES, "    agreements:", "    alternatives: phone\n    agreements:",
        "versions.0.alternatives", "alternatives: phone", "a list is expected", "a line with a dash",
    ),
    "alternatives of one column": (
        WORKPLACES, "    agreements:", "    alternatives:\n      - [phone, phone]\n    agreements:",
        "versions.0.alternatives.0", "phone, phone", "not two columns or more", "different columns",
    ),
    "a composition of no column": (
        WORKPLACES, "    agreements:", "    compositions:\n"
        "      - {unit: household, column: status, code: \"1\"}\n    agreements:",
        "versions.0.compositions.0", "unit: household", "no column called 'household'", "status",
    ),
    "a composition by an unknown code": (
        WORKPLACES, "    agreements:", "    compositions:\n"
        "      - {unit: province, column: status, code: \"7\"}\n    agreements:",
        "versions.0.compositions.0", "unit: province", "no code called '7'", "Known: 1, 2, 3",
    ),
    "a pattern on a number": (
        WORKPLACES, "minimum: 0", "pattern: '[0-9]+'",
        "versions.0.columns.employees.pattern", "pattern:", "does not fit type integer", "Remove it",
    ),
    "a pattern that is none": (
        WORKPLACES, "header: تلفن", "header: تلفن\n        pattern: '[0-9'",
        "versions.0.columns.phone.pattern", "pattern:", "not a regular expression", "such as [0-9]{10}",
    ),
    "a version out of order": (
        INSURED, "valid_from: 1403-03", "valid_from: 1399-01",
        "versions.1.valid_from", "valid_from: 1399-01", "no later than the version before", "from the oldest to the newest",
    ),
    "a version at the edge of the calendar": (
        INSURED, "valid_from: 1403-03", "valid_from: 1206-01",
        "versions.1.valid_from", "valid_from: 1206-01", "no later than the version before", "from the oldest to the newest",
    ),
    "a version given twice": (
        INSURED, 'version: "2.0"', 'version: "1.0"',
        "versions.1.version", 'version: "1.0"', "given twice", "once",
    ),
    "a version from a quarter": (
        WORKPLACES, "valid_from: 1399-11", "valid_from: 1400-Q1",
        "versions.0.valid_from", "valid_from: 1400-Q1", "must be a month", "1403-01",
    ),
    "a type that changes between versions": (
        INSURED, "      contract_type:\n        label: {fa: نوع قرارداد, en: kind of contract}\n        type: code\n"
        "        classification: contract_type\n",
        "      father_name:\n        label: {fa: نوع قرارداد, en: kind of contract}\n        type: integer\n",
        "versions.1.columns.father_name.type", "type: integer", "was stored as text in version 1.0", "a new name",
    ),
    "a direct identifier that is published": (
        WORKPLACES, "        header: تلفن\n        role: attribute\n        required: false\n        on_invalid: blank\n"
        "        publish: drop",
        "        header: تلفن\n        role: attribute\n        required: false\n        on_invalid: blank\n"
        "        publish: keep",
        "versions.0.columns.phone.publish", "publish: keep", "never leaves the secure zone", "publish: drop",
    ),
    "free text that is published": (
        WORKPLACES, "        type: text\n        disclosure: direct\n        header: نام کارگاه\n        role: attribute\n"
        "        required: false\n        on_invalid: blank\n        publish: drop",
        "        type: free_text\n        disclosure: plain\n        header: نام کارگاه\n        role: attribute\n"
        "        required: false\n        on_invalid: blank\n        publish: {prefix: 3}",
        "versions.0.columns.workplace_name.publish", "publish: {prefix: 3}", "never leaves the secure zone", "free text",
    ),
    "an identifier called plain": (
        WORKPLACES, "        header: کد پستی\n", "        header: کد پستی\n        disclosure: plain\n",
        "versions.0.columns.postal_code.disclosure", "disclosure: plain", "an identifier is a direct identifier", "direct",
    ),
    "a pseudonym that is cut": (
        WORKPLACES, "        on_invalid: quarantine\n        publish: keep\n      workplace_name:",
        "        on_invalid: quarantine\n        publish: {prefix: 3}\n      workplace_name:",
        "versions.0.columns.workplace_code.publish", "publish: {prefix: 3}", "does not fit type identifier", "code, text",
    ),
    "an exact date of birth": (
        INSURED, "        dates: solar_hijri\n        publish: year_month", "        dates: solar_hijri\n        publish: keep",
        "versions.0.columns.birth_date.publish", "publish: keep", "quasi-identifying date", "year_month or year",
    ),
    "a generalization that does not fit": (
        WORKPLACES, "publish: {band: 5}", "publish: {prefix: 5}",
        "versions.0.columns.employees.publish", "publish: {prefix: 5}", "prefix does not fit type integer", "code, text",
    ),
    "a generalization without its number": (
        WORKPLACES, "publish: {band: 5}", "publish: band",
        "versions.0.columns.employees.publish", "publish: band", "band needs a number", "Correct it.",
    ),
    "a generalization with a number too many": (
        WORKPLACES, "publish: {band: 5}", "publish: {keep: 5}",
        "versions.0.columns.employees.publish", "publish: {keep: 5}", "keep takes no number", "Correct it.",
    ),
    "bounds the wrong way round": (
        WORKPLACES, "        minimum: 0\n", "        minimum: 9\n        maximum: 3\n",
        "versions.0.columns.employees.maximum", "maximum: 3", "below the minimum", "Exchange",
    ),
    "a bound of a text": (
        WORKPLACES, "        header: نام کارگاه\n", "        header: نام کارگاه\n        minimum: 3\n",
        "versions.0.columns.workplace_name.minimum", "minimum: 3", "does not fit type text", "Remove it.",
    ),
    "a word for a code that does not exist": (
        INSURED, 'values: {مرد: "1", زن: "2"}', 'values: {مرد: "1", زن: "3"}',
        "versions.0.columns.sex.values.زن", "values:", "a code that does not exist", "sex",
    ),
    "words without a classification": (
        WORKPLACES, "        header: نام کارگاه\n", "        header: نام کارگاه\n        values: {تهران: \"1\"}\n",
        "versions.0.columns.workplace_name.values", "values:", "words do not fit type text", "classification",
    ),
    "one header for two columns": (
        WORKPLACES, "header: تلفن", "header: كد\u200cپستی",
        "versions.0.columns.phone.header", "header: كد", "'postal_code' has the same header", "to one column",
    ),
    "a column without a type": (
        WORKPLACES, "        type: text\n        disclosure: direct\n        header: تلفن",
        "        disclosure: direct\n        header: تلفن",
        "versions.0.columns.phone.type", "phone:", "states the type", "shared variable",
    ),
    "a code without a classification": (
        WORKPLACES, "        classification: workplace_status\n", "",
        "versions.0.columns.status.classification", "status:", "type code needs classification", "Add or remove",
    ),
    "a date without a calendar": (
        INSURED, "        dates: solar_hijri\n", "",
        "versions.0.columns.birth_date.dates", "birth_date:", "type date needs dates", "Add or remove",
    ),
    "a column that differs from its variable": (
        WORKPLACES, "        header: کد پستی\n", "        header: کد پستی\n        type: text\n",
        "versions.0.columns.postal_code.type", "type: text", "differs from the shared variable 'postal_code'", "Leave it out",
    ),
    "a name that is no name": (
        WORKPLACES, "      county:\n", "      County:\n",
        "versions.0.columns.County.[key]", "County:", "not the right form", "^[a-z]",
    ),
    "a code that stands twice": (
        SEX, 'code: "2"', 'code: "1"',
        "codes", "codes:", "stands twice", "valid_to",
    ),
    "an owner of codes that is no office": (
        SEX, "owner: statistics_centre", "owner: statistics",
        "owner", "owner:", "no office called 'statistics'", "statistics_centre",
    ),
    "a level above that does not exist": (
        COUNTY, "level_above: province", "level_above: provinces",
        "level_above", "level_above:", "no classification called 'provinces'", "province",
    ),
    "a classification above itself": (
        COUNTY, "level_above: province", "level_above: county",
        "level_above", "level_above:", "the level above itself", "Leave it out",
    ),
    "a parent that does not exist on the level above": (
        COUNTY, 'code: "0002", parent: "00"', 'code: "0002", parent: "77"',
        "codes.1.parent", '"0002"', "the parent is a code that does not exist", "Use a code of province.",
    ),
    "a parent that does not exist in its own file": (
        SEX, 'code: "2",', 'code: "2", parent: "3",',
        "codes.1.parent", 'parent: "3"', "the parent is a code that does not exist", "Use a code of sex.",
    ),
    "a code that is its own parent": (
        SEX, 'code: "2",', 'code: "2", parent: "2",',
        "codes.1.parent", 'parent: "2"', "its own parent", "leave the parent out",
    ),
    "a code without its place on the level above": (
        COUNTY, 'code: "0002", parent: "00"', 'code: "0002"',
        "codes.1.parent", '"0002"', "no parent on the level above", "Use a code of province.",
    ),
    "a label in one language": (
        SEX, 'label: {fa: جنسیت, en: "sex"}', "label: {fa: جنسیت}",
        "label.en", "label:", "the field is missing", "Add it.",
    ),
    "a layer without an entry": (
        "standard.yaml", "  published:\n    label: {fa: منتشرشده, en: published}\n", "  x:\n    label: {fa: منتشرشده, en: x}\n",
        "layers.x.[key]", "x:", "'raw', 'standardized', 'pseudonymized' or 'published'", "Correct it.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after", "field", "on_line", "message", "fix"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_configuration_is_told_with_file_line_field_and_fix(
    folder: Path, name: str, before: str, after: str, field: str, on_line: str, message: str, fix: str
) -> None:
    text = edited(folder, name, replacing(before, after))
    problems = problems_of(folder)
    told = [problem for problem in problems if message in problem.message and problem.field == field]
    assert told, [str(problem) for problem in problems]
    problem = told[0]
    assert problem.file == name
    assert problem.line > 0
    near = text.splitlines()[problem.line - 1]
    assert on_line in near or on_line in "\n".join(text.splitlines()[problem.line - 3 : problem.line + 2]), near
    assert fix in problem.fix
    assert str(problem).startswith(f"{name}:{problem.line}:")
    assert all(p.file == name for p in problems), [str(p) for p in problems if p.file != name]


LINE_OF = {"periodicity: month": 8, "role: time": 18, "publish: {band: 5}": 103}


@pytest.mark.parametrize(("text", "line"), LINE_OF.items())
def test_the_line_is_that_of_the_field(folder: Path, text: str, line: int) -> None:
    key = text.partition(":")[0]
    whole = edited(folder, WORKPLACES, replacing(text, f"{key}: [wrong]"))
    assert f"{key}: [wrong]" in whole.splitlines()[line - 1], "the shipped file changed: adjust the number"
    assert [problem.line for problem in problems_of(folder)] == [line]


FORMS = {
    "empty": (b"", 1, "the file is empty"),
    "only a comment": (b"# nothing yet\n", 1, "the file is empty"),
    "not UTF-8": (b"first_period: 1399-11\nlast_period: 1405-12 # \xc7\xed\n", 2, "not UTF-8"),
    "a control character": (b'first_period: 1399-11\nlast_period: "1405-12\x01"\n', 2, "no text"),
    "two documents": (b"first_period: 1399-11\nlast_period: 1405-12\n---\nfirst_period: 1399-11\n", 3, "broken YAML"),
    "a list": (b"- first_period: 1399-11\n", 1, "fields are expected"),
    "a text": (b"1399-11 to 1405-12\n", 1, "fields are expected"),
    "an object of Python": (b"first_period: !!python/name:os.system\nlast_period: 1405-12\n", 1, "broken YAML"),
    "an alias of itself": (b"first_period: &a [*a]\nlast_period: 1405-12\n", 1, "an alias (*a) is not read"),
    "very deep": (b"first_period: " + b"[" * 5000, 1, "nested deeper than 100 levels"),
    "an alias of nothing": (b"first_period: 1399-11\nlast_period: *nothing\n", 2, "an alias (*nothing) is not read"),
    "a key that is a list": (b"? [a]\n: 1\n", 1, ""),
}


@pytest.mark.parametrize(("content", "line", "message"), FORMS.values(), ids=FORMS.keys())
def test_a_file_of_wrong_form_is_told_with_its_line(folder: Path, content: bytes, line: int, message: str) -> None:
    (folder / "calendar.yaml").write_bytes(content)
    problems = problems_of(folder)
    assert {problem.file for problem in problems} == {"calendar.yaml"}
    assert problems[0].line == line
    assert message in problems[0].message
    assert problems[0].fix


def test_a_byte_order_mark_does_not_matter(folder: Path) -> None:
    for path in folder.rglob("*.yaml"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert problems_of(folder) == ()


@pytest.mark.parametrize("name", ["calendar.yaml", "standard.yaml", "principles.yaml", "organizations/sso/organization.yaml"])
def test_a_missing_file_is_told(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert [(problem.file, problem.message) for problem in problems_of(folder)] == [(name, "the file is missing")]


def test_a_folder_without_datasets_or_without_anything_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "organizations")
    shutil.rmtree(folder / "queries")
    assert [problem.message for problem in problems_of(folder)] == ["no dataset is configured"]
    (tmp_path / "empty").mkdir()
    assert {problem.file for problem in problems_of(tmp_path / "empty")} >= {"calendar.yaml", "standard.yaml", "principles.yaml"}


def test_a_file_that_nobody_would_read_is_told(folder: Path) -> None:
    shutil.copy(folder / SEX, folder / "classifications/gender.yml")
    [problem] = problems_of(folder)
    assert (problem.file, problem.fix) == ("classifications/gender.yml", "Let its name end in .yaml.")


def test_a_name_that_cannot_be_part_of_an_asset_key_is_told(folder: Path) -> None:
    (folder / "organizations/sso").rename(folder / "organizations/SSO-1")
    assert "cannot be part of an asset key" in {problem.message.partition("name ")[2] for problem in problems_of(folder)}


def test_all_problems_of_all_files_are_told_at_once_in_their_order(folder: Path) -> None:
    edited(folder, "calendar.yaml", replacing("1405-12", "1405-99"))
    edited(folder, "principles.yaml", replacing("severity: error", "severity: fatal"))
    edited(folder, SEX, replacing("codes:", "kodes:"))
    edited(folder, "organizations/sso/organization.yaml", replacing("kind: affiliated", "kind: friendly"))
    edited(folder, INSURED, replacing("right: job_end", "right: job_finish"))
    edited(folder, INSURED, replacing("classification: contract_type", "classification: contract"))
    edited(folder, WORKPLACES, replacing("variable: activity", "variable: activty"))
    problems = problems_of(folder)
    assert list(problems) == sorted(problems)
    assert [(problem.file, problem.field) for problem in problems] == [
        ("calendar.yaml", "last_period"),
        (SEX, "codes"),
        (SEX, "kodes"),
        (INSURED, "versions.0.edits.0"),
        (INSURED, "versions.1.columns.contract_type.classification"),
        ("organizations/sso/organization.yaml", "kind"),
        (WORKPLACES, "versions.0.columns.activity.variable"),
        ("principles.yaml", "rules.declared_rows.severity"),
    ]
    with pytest.raises(ConfigurationError, match="8 problems in the configuration") as caught:
        load_configuration(folder, RULES)
    for problem in problems:
        assert str(problem) in str(caught.value)
    assert "mdlake config check" in str(caught.value)


def test_what_refers_to_a_broken_file_is_not_blamed_for_it(folder: Path) -> None:
    edited(folder, SEX, replacing('code: "1"', "code: 1"))
    edited(folder, WORKPLACES, replacing("periodicity: month", "periodicity: moon"))
    assert [problem.file for problem in problems_of(folder)] == [SEX, WORKPLACES]


YAML_TRAPS = {
    "01": "01",
    "0o7": "0o7",
    "no": "no",
    "on": "on",
    "1_000": "1_000",
    "12:30:45": "12:30:45",
    "1403-01-02": "1403-01-02",
    "1e3": "1e3",
    "0x1F": "0x1F",
    "=": "=",
    "<<": "<<",
}


@pytest.mark.parametrize(("written", "code"), YAML_TRAPS.items())
def test_what_looks_like_something_else_in_old_yaml_stays_text(folder: Path, written: str, code: str) -> None:
    edited(folder, SEX, lambda text: text + f"  - {{code: {written}, fa: نامعلوم, en: unknown}}\n")
    configuration, problems = check_configuration(folder, RULES)
    assert problems == ()
    assert configuration is not None
    assert [entry.code for entry in configuration.classifications["sex"].codes] == ["1", "2", code]


def test_a_parent_may_stand_in_the_file_itself_and_a_broken_level_above_is_not_asked(folder: Path) -> None:
    edited(folder, SEX, replacing('code: "2",', 'code: "2", parent: "1",'))
    assert problems_of(folder) == ()
    edited(folder, "classifications/province.yaml", replacing('code: "30"', "code: 30"))
    assert {problem.file for problem in problems_of(folder)} == {"classifications/province.yaml"}


def test_the_json_schemas_beside_the_configuration_are_up_to_date() -> None:
    schemas = configuration_schemas()
    assert {path.name for path in (SHIPPED / "schema").iterdir()} == set(schemas)
    for name, text in schemas.items():
        assert (SHIPPED / "schema" / name).read_text(encoding="utf-8") == text, f"run `mdlake config schema` ({name})"


def test_the_json_schemas_allow_no_field_that_the_models_do_not_have() -> None:
    for name, text in configuration_schemas().items():
        schema = json.loads(text)
        objects = [schema, *schema.get("$defs", {}).values()]
        assert all(o["additionalProperties"] is False for o in objects if "properties" in o), name


def test_every_file_names_the_schema_of_its_kind_for_editors() -> None:
    kinds = {"classifications": "classification", "queries": "query", "organizations": "dataset"}
    for path in SHIPPED.rglob("*.yaml"):
        folder = path.relative_to(SHIPPED).parts[0]
        kind = "organization" if path.name == "organization.yaml" else kinds.get(folder, path.stem)
        first = path.read_text(encoding="utf-8").splitlines()[0]
        target = (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve()
        assert target == SHIPPED / "schema" / f"{kind}.schema.json"


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def checked(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["config", "check", *options], env={"MDLAKE_CONFIG": str(folder)})
    return result.exit_code, result.stdout


def test_the_command_says_that_the_configuration_is_right(folder: Path) -> None:
    status, text = checked(folder)
    assert status == 0
    assert "right" in text
    assert checked(folder, "--json") == (0, "[]\n")


def test_the_command_lists_every_problem_and_fails(folder: Path) -> None:
    edited(folder, "calendar.yaml", replacing("1405-12", "1405-99"))
    edited(folder, WORKPLACES, replacing("variable: activity", "variable: activty"))
    problems = problems_of(folder)
    status, text = checked(folder)
    assert status == 1
    assert text.splitlines() == [str(problem) for problem in problems]
    status, text = checked(folder, "--json")
    assert status == 1
    assert [Problem(**entry) for entry in json.loads(text)] == list(problems)


@pytest.mark.parametrize("broken", [False, True])
def test_the_exit_status_tells_a_script(folder: Path, tmp_path: Path, broken: bool) -> None:
    if broken:
        edited(folder, "calendar.yaml", replacing("1405-12", "1405-99"))
    run = subprocess.run(
        [sys.executable, "-c", "from mdlake.cli import main; main()", "config", "check"],
        env={**os.environ, "MDLAKE_CONFIG": str(folder), "MDLAKE_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == broken
    assert "Traceback" not in run.stdout + run.stderr
    assert not (tmp_path / "home").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["config", "check"], env={"MDLAKE_CONFIG": str(tmp_path / "nowhere")})
    assert result.exit_code == 1
    assert "there is no configuration" in str(result.exception)


def test_the_command_writes_the_schemas(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["config", "schema", str(tmp_path / "schema")])
    assert result.exit_code == 0
    assert {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "schema").iterdir()} == configuration_schemas()
