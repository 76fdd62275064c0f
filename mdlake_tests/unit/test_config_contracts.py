"""The contract of a period, the periods of a dataset, what a column may do, and where an installation has its parts."""

from __future__ import annotations

import shutil
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from pydantic import ValidationError

from mdlake.config import Configuration, Dataset, Home, load_configuration
from mdlake.errors import MdlakeError, UnknownName
from mdlake.principles import RULES
from mdlake.standard import Period

SHIPPED = Path(__file__).resolve().parents[2] / "assets_config"


@pytest.fixture(scope="module")
def insured(configuration: Configuration) -> Dataset:
    return configuration.dataset("sso/insured_contributions")


@pytest.fixture(scope="module")
def with_quarters(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    """The shipped configuration with a dataset that is sent each quarter, and a calendar that begins within one."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path_factory.mktemp("configuration") / "assets_config"))
    path = folder / "organizations/sso/workplaces.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("periodicity: month", "periodicity: quarter"), encoding="utf-8")
    return load_configuration(folder, RULES)


@pytest.mark.parametrize(
    ("period", "version"),
    [
        ("1399-11", "1.0"),
        ("1403-02", "1.0"),
        ("1403-03", "2.0"),
        ("1405-12", "2.0"),
        ("1403-Q1", "2.0"),
        ("1402-Q4", "1.0"),
        ("1403", "2.0"),
    ],
)
def test_a_period_has_the_contract_in_force_at_its_end(insured: Dataset, period: str, version: str) -> None:
    assert insured.contract(Period.parse(period)).version == version


def test_a_period_before_the_first_contract_has_none(insured: Dataset) -> None:
    with pytest.raises(MdlakeError, match=r"no contract is in force in 1399-10.*begins in 1399-11"):
        insured.contract(Period.parse("1399-10"))


def test_the_versions_follow_one_another_without_a_gap(insured: Dataset) -> None:
    first, second = insured.versions
    assert (first.valid_from.key, first.valid_to and first.valid_to.key) == ("1399-11", "1403-02")
    assert (second.valid_from.key, second.valid_to) == ("1403-03", None)
    assert insured.newest is second
    assert set(first.by_name) - set(second.by_name) == {"father_name"}
    assert set(second.by_name) - set(first.by_name) == {"contract_type"}


def test_a_column_has_what_its_shared_variable_says_and_its_own_label(configuration: Configuration) -> None:
    column = configuration.dataset("sso/workplaces").newest.column("employer_national_code")
    assert column.identifier is not None
    assert (column.identifier.name, column.type, column.disclosure) == ("national_code", "identifier", "direct")
    assert column.label.en == "employer's national code"
    assert (column.pseudonym, column.unlinkable) == ("employer_national_code_pseudonym", "employer_national_code_unlinkable")
    assert column.is_linked
    assert not column.stays_secure


def test_what_names_a_person_or_a_place_stays_in_the_secure_zone(configuration: Configuration) -> None:
    for dataset in configuration.datasets.values():
        for contract in dataset.versions:
            secure = {column.name for column in contract.columns if column.stays_secure}
            assert secure >= {name for name in contract.by_name if name.endswith("_name")}
            assert {column.publish.action for column in contract.columns if column.stays_secure} <= {"drop"}
            assert not secure & {column.name for column in contract.linked}
    assert configuration.dataset("sso/workplaces").newest.column("postal_code").stays_secure


def test_an_unknown_column_or_dataset_is_told_with_what_exists(configuration: Configuration, insured: Dataset) -> None:
    with pytest.raises(UnknownName, match=r"insured_contributions 2\.0.*father_name.*Known: .*contract_type"):
        insured.newest.column("father_name")
    with pytest.raises(UnknownName, match=r"Known: .*sso/insured_contributions, .*sso/workplaces"):
        configuration.dataset("sso/payments")


def test_the_strictness_of_a_contract_goes_before_the_ministrys(configuration: Configuration, insured: Dataset) -> None:
    assert configuration.dataset("sso/workplaces").newest.rules["rows_against_previous"].threshold == 0.15
    assert insured.newest.rules["rows_against_previous"].threshold == 0.3


def test_the_rule_version_moves_with_the_strictness_and_with_nothing_else(configuration: Configuration, tmp_path: Path) -> None:
    def version_after(name: str, before: str, after: str) -> str:
        folder = Path(shutil.copytree(SHIPPED, tmp_path / str(len(list(tmp_path.iterdir())))))
        text = (folder / name).read_text(encoding="utf-8")
        assert before in text
        (folder / name).write_text(text.replace(before, after, 1), encoding="utf-8")
        return load_configuration(folder, RULES).dataset("sso/workplaces").newest.rule_version

    path = "organizations/sso/workplaces.yaml"
    now = configuration.dataset("sso/workplaces").newest.rule_version
    assert len(now) == 16
    assert version_after(path, "en: Workplaces", "en: Establishments") == now
    assert version_after("principles.yaml", "quarantined_rows: {severity: error, threshold: 0.05}",
                         "quarantined_rows: {severity: error, threshold: 0.04}") != now  # fmt: skip
    assert version_after(path, "threshold: 0.15", "threshold: 0.16") != now
    assert version_after(path, "minimum: 0", "minimum: 1") != now
    assert version_after(path, "columns: [province]", "columns: [status]") != now
    required = 'requirements: [{column: phone, where: status, among: ["1"]}]'
    assert version_after(path, "    agreements:", f"    {required}\n    agreements:") != now


def test_the_months_are_those_of_the_calendar_file(configuration: Configuration) -> None:
    months = configuration.months
    assert (months[0].key, months[-1].key, len(months)) == ("1399-11", "1405-12", 74)
    assert configuration.periods(configuration.dataset("sso/workplaces")) == months


def test_quarters_lie_whole_within_the_calendar(with_quarters: Configuration) -> None:
    quarters = with_quarters.periods(with_quarters.dataset("sso/workplaces"))
    assert (quarters[0].key, quarters[-1].key, len(quarters)) == ("1400-Q1", "1405-Q4", 24)
    assert with_quarters.periods(with_quarters.dataset("sso/insured_contributions")) == with_quarters.months


@pytest.mark.parametrize("key", ["1399-10", "1406-01"])
def test_a_period_that_the_dataset_does_not_have_is_told_with_its_bounds(configuration: Configuration, key: str) -> None:
    with pytest.raises(MdlakeError, match=r"not a reference period of this dataset.*from 1399-11 to 1405-12"):
        configuration.period(configuration.dataset("sso/workplaces"), key)


@pytest.mark.parametrize(("key", "kind"), [("1403-Q1", "quarter"), ("1403", "year")])
def test_a_period_of_another_kind_is_told_with_those_that_are_meant(configuration: Configuration, key: str, kind: str) -> None:
    with pytest.raises(MdlakeError, match=f"{key} is a {kind}, and this dataset comes once a month.*1403-01 or 1403-02"):
        configuration.period(configuration.dataset("sso/workplaces"), key)


def test_a_text_that_is_no_period_is_refused(configuration: Configuration) -> None:
    assert configuration.period(configuration.dataset("sso/workplaces"), "1403-01") == Period("month", 1403, 1)
    with pytest.raises(MdlakeError, match="is not a period"):
        configuration.period(configuration.dataset("sso/workplaces"), "1403/01")


def test_the_configuration_cannot_be_changed_once_loaded(configuration: Configuration, insured: Dataset) -> None:
    with pytest.raises(FrozenInstanceError):
        configuration.datasets = {}  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        insured.newest.version = "9.9"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        insured.file.periodicity = "quarter"


# ── the places of an installation ────────────────────────────────────────────────────────────────────────────────────────


def test_everything_lies_under_one_root(tmp_path: Path) -> None:
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path)})
    assert home.root == tmp_path
    parts = {name: str(Path(str(value)).relative_to(tmp_path)) for name, value in vars(home).items() if name not in _ELSEWHERE}
    assert parts == {name: name for name in ("landing", "outbox", "keys", "control", "dagster", "secure", "research")}
    assert home.ledger_url == f"sqlite:///{tmp_path}/control/ledger.db"
    assert home.scratch == tmp_path / "secure" / ".scratch"
    assert list(tmp_path.iterdir()) == []


_ELSEWHERE = ("root", "config", "ledger_url")


def test_without_a_word_the_root_is_in_the_folder_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home.from_environment({})
    assert home.root == tmp_path / ".mdlake"
    assert home.config == tmp_path / "assets_config"
    assert not home.root.exists()


@pytest.mark.parametrize(
    ("variable", "part"),
    [
        ("MDLAKE_CONFIG", "config"),
        ("MDLAKE_LANDING", "landing"),
        ("MDLAKE_OUTBOX", "outbox"),
        ("MDLAKE_KEYS", "keys"),
        ("MDLAKE_CONTROL", "control"),
        ("DAGSTER_HOME", "dagster"),
    ],
)
def test_a_part_of_this_machine_moves_alone_and_is_never_an_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    usual = vars(Home.from_environment({}))
    moved = vars(Home.from_environment({variable: "elsewhere"}))
    assert moved[part] == tmp_path / "elsewhere"
    assert {name for name in usual if usual[name] != moved[name]} == {part, *(["ledger_url"] if part == "control" else [])}
    with pytest.raises(MdlakeError, match="must be a folder of this machine") as caught:
        Home.from_environment({variable: "s3://bucket/keys"})
    assert caught.value.where == variable


@pytest.mark.parametrize("zone", ["secure", "research"])
def test_a_zone_may_be_a_path_or_an_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.chdir(tmp_path)
    variable = f"MDLAKE_{zone.upper()}"
    assert Home.from_environment({variable: "s3://bucket/lake/"}).zone(zone) == "s3://bucket/lake"
    assert Home.from_environment({variable: "lake"}).zone(zone) == str(tmp_path / "lake")
    assert Home.from_environment({}).zone(zone) == str(tmp_path / ".mdlake" / zone)


def test_a_child_process_sees_the_same_home(tmp_path: Path) -> None:
    given = {
        "MDLAKE_HOME": str(tmp_path / "home"),
        "MDLAKE_KEYS": str(tmp_path / "keys"),
        "MDLAKE_RESEARCH": "s3://bucket/research",
        "MDLAKE_LEDGER": "postgresql://ledger.example/mdlake",
    }
    home = Home.from_environment(given)
    assert Home.from_environment(home.environment()) == home
    assert given.items() <= home.environment().items()
