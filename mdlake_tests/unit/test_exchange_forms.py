"""Empty tables and invented rows made from contracts: judged by the standardization and the rules that judge deliveries."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner

from mdlake.cli import cli
from mdlake.config import Configuration, Contract, load_configuration
from mdlake.errors import MdlakeError, UnknownName
from mdlake.exchange import Form, read_header, read_rows
from mdlake.exchange.formats import GUIDE_SHEET
from mdlake.exchange.forms import invented_rows, write_dummy, write_template
from mdlake.layers import MALFORMED, ROW, Duplicates, match_headers, standardize_batch
from mdlake.principles import RULES, RuleResult, Subject, evaluate
from mdlake.standard import Period, normalize_text

TESTS = Path(__file__).resolve().parents[1]
SHIPPED = TESTS.parent / "assets_config"
OF_THE_CONTRACT_ALONE = {"shared_variables"}
"""Rules whose answer no row changes."""

PERIOD = Period.parse("1403-02")
UTF8, XLSX = Form("csv", "utf-8", ","), Form("xlsx")

DIFFICULT = """
label: {fa: دشوار, en: difficult}
description: {fa: هر آنچه قرارداد می‌تواند بگوید, en: All that a contract can say.}
temporal_type: event
statistical_unit: {fa: سطر, en: row}
periodicity: month
delivery: {due_day: 10, grace_days: 5}
versions:
  - version: "1.0"
    valid_from: 1399-11
    unit_key: [kind, section, number]
    missing_values: [NA, "9", IRN]
    columns:
      month: {variable: reference_month, header: month, role: time, required: true, on_invalid: quarantine, publish: keep}
      # a word of the producer that looks like another code
      kind: {header: kind, label: {fa: ا, en: a}, type: code, classification: sex, disclosure: plain, role: unit, required: true,
        on_invalid: quarantine, publish: keep, values: {"2": "1", مرد: "1", زن: "2"}}
      section: {header: section, label: {fa: ا, en: a}, type: code, classification: isic4_section, disclosure: plain, role: unit,
        required: true, on_invalid: quarantine, publish: keep}
      number: {header: number, label: {fa: ا, en: a}, type: integer, unit: point, disclosure: plain, role: unit, required: true,
        on_invalid: quarantine, minimum: 0, maximum: 30, publish: keep}
      household: {variable: household_id, header: household, role: unit, required: true, on_invalid: quarantine, publish: keep}
      relation: {header: relation, label: {fa: ا, en: a}, type: code, classification: household_relation, disclosure: plain,
        role: classifying, required: true, on_invalid: quarantine, publish: keep}
      borrower: {header: borrower, label: {fa: ا, en: a}, type: code, classification: contract_type, disclosure: plain,
        role: classifying, required: true, on_invalid: quarantine, publish: keep}
      person: {variable: national_code, header: person, role: unit, required: false, on_invalid: quarantine, publish: keep}
      firm: {variable: legal_id, header: firm, role: unit, required: false, on_invalid: quarantine, publish: keep}
      town: {variable: province, header: town, role: classifying, required: true, on_invalid: quarantine, publish: keep}
      town_size: {header: town size, label: {fa: ا, en: a}, type: integer, unit: person, disclosure: plain, role: measure,
        required: true, on_invalid: quarantine, publish: keep}
      nationality: {variable: nationality, header: nationality, role: classifying, required: true, on_invalid: quarantine,
        publish: keep}
      earlier: {header: earlier month, label: {fa: ا, en: a}, type: month, disclosure: plain, role: attribute, required: true,
        on_invalid: quarantine, publish: keep}
      day: {header: day, label: {fa: ا, en: a}, type: date, dates: gregorian, disclosure: plain, role: attribute, required: true,
        on_invalid: quarantine, publish: keep}
      later: {header: later, label: {fa: ا, en: a}, type: date, dates: either, disclosure: plain, role: attribute, required: true,
        on_invalid: quarantine, publish: keep}
      same_day: {header: same day, label: {fa: ا, en: a}, type: date, dates: solar_hijri, disclosure: plain, role: attribute,
        required: true, on_invalid: quarantine, publish: keep}
      small: {header: small, label: {fa: ا, en: a}, type: integer, unit: point, disclosure: plain, role: measure, required: true,
        on_invalid: quarantine, publish: keep}
      middle: {variable: wage, header: middle, role: measure, required: true, on_invalid: quarantine, publish: keep}
      large: {header: large, label: {fa: ا, en: a}, type: integer, unit: point, disclosure: plain, role: measure, required: true,
        on_invalid: quarantine, maximum: -40, publish: keep}
      as_large: {header: as large, label: {fa: ا, en: a}, type: integer, unit: point, disclosure: plain, role: measure,
        required: true, on_invalid: quarantine, minimum: -60, publish: keep}
    edits:
      - {left: earlier, operator: <, right: month}
      - {left: day, operator: "==", right: same_day}
      - {left: earlier, operator: <, right: day}
      - {left: later, operator: ">", right: month}
      - {left: later, operator: ">=", right: day}
      - {left: small, operator: <, right: middle}
      - {left: large, operator: ">", right: middle}
      - {left: large, operator: "==", right: as_large}
    alternatives: [[person, firm]]
    requirements:
      - {column: person, where: borrower, among: ["1"]}
      - {column: firm, where: borrower, among: ["2"]}
    agreements:
      - {unit: town, columns: [town_size]}
      - {unit: household, columns: [town]}
      - {unit: person, columns: [nationality]}
      - {unit: firm, columns: [nationality]}
    compositions:
      - {unit: household, column: relation, code: "1"}
      - {unit: household, column: relation, code: "2"}
"""


def configuration_of(folder: Path, **organizations: Path) -> Configuration:
    """The ministry's standard with datasets of another world."""
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("organizations", "queries", "schema"))
    for name, source in organizations.items():
        shutil.copytree(source, folder / "organizations" / name)
    return load_configuration(folder, RULES)


@pytest.fixture(scope="module")
def difficult(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    folder = tmp_path_factory.mktemp("difficult")
    own = folder / "world"
    own.mkdir()
    (own / "difficult.yaml").write_text(DIFFICULT, encoding="utf-8")
    shutil.copy(SHIPPED / "organizations/sso/organization.yaml", own)
    return configuration_of(folder / "config", world=own).dataset("world/difficult").newest


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    folder = tmp_path_factory.mktemp("public") / "config"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("organizations", "queries", "schema"))
    shutil.copytree(TESTS / "public_data", folder, dirs_exist_ok=True)
    return load_configuration(folder, RULES)


def contracts(*configurations: Configuration) -> list[tuple[Contract, Period]]:
    """Every version of every contract, with the last period that it governs."""
    return [
        (contract, [period for period in c.periods(dataset) if dataset.contract(period) is contract][-1])
        for c in configurations
        for dataset in c.datasets.values()
        for contract in dataset.versions
    ]


def unit_of(contract: Contract, period: Period) -> str | None:
    return contract.units(period)[-1] if contract.reporting_units else None


def made(contract: Contract, period: Period, rows: int, seed: int = 1, **options: object) -> pl.DataFrame:
    options = {"unit": unit_of(contract, period)} | options
    return pl.concat(invented_rows(contract, period, rows, seed=seed, **options))  # type: ignore[arg-type]


def judged(contract: Contract, period: Period, rows: pl.DataFrame) -> Mapping[str, RuleResult]:
    """What the rules say of rows that are delivered as they are; every value is read, unchanged."""
    numbers = pl.int_range(1, rows.height + 1, dtype=pl.Int64, eager=True).alias(ROW)
    raw = pl.DataFrame([numbers, *rows.get_columns(), pl.Series(MALFORMED, [None] * rows.height, pl.String)])
    batch = standardize_batch(raw, contract, period, Duplicates(contract.unit_key))
    assert batch.tally.as_json() == {
        "rows_in": rows.height,
        "rows_out": rows.height,
        "quarantined": 0,
        "duplicates": 0,
        "edits": {},
        "faults": {},
    }
    filled = {name: rows.height - batch.rows[name].null_count() for name in batch.rows.columns}
    unit = unit_of(contract, period)
    subject = Subject(
        layer="standardized",
        contract=contract,
        period=period,
        rows=batch.rows.lazy(),
        row_count=rows.height,
        filled=filled,
        below=raw.lazy(),
        below_count=rows.height,
        tally=batch.tally,
        unit_rows={unit: (1, rows.height)} if unit else {},
    )
    return {result.rule: result for result in evaluate(RULES.values(), subject)}


def failed(results: Mapping[str, RuleResult]) -> dict[str, Mapping[str, object]]:
    return {rule: result.parts for rule, result in results.items() if result.failed and rule not in OF_THE_CONTRACT_ALONE}


# ── invented rows ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rows", [1, 7, 1003])
def test_no_rule_finds_anything_in_the_invented_rows_of_any_contract(
    rows: int, configuration: Configuration, public: Configuration
) -> None:
    seen = contracts(configuration, public)
    assert len(seen) > 18
    for contract, period in seen:
        results = judged(contract, period, made(contract, period, rows))
        assert failed(results) == {}, (contract.dataset, contract.version)
        asked = {"logical_edits": contract.edits, "compositions": contract.compositions, "ranges": [], "unit_unique": [1]}
        assert all(results[rule].checked for rule, said in asked.items() if said), contract.dataset


@pytest.mark.parametrize("rows", [2, 50, 600])
def test_no_rule_finds_anything_where_a_contract_says_all_that_it_can(difficult: Contract, rows: int) -> None:
    frame = made(difficult, PERIOD, rows)
    assert frame["kind"].unique().sort().to_list() == ["1", "زن"]
    frame = frame.with_columns(kind=pl.col("kind").replace({"زن": "2"}))
    plain = replace(difficult, columns=tuple(replace(c, values={}) if c.name == "kind" else c for c in difficult.columns))
    results = judged(plain, PERIOD, frame)
    assert failed(results) == {}
    assert results["logical_edits"].checked == len(difficult.edits) * rows
    assert results["exactly_one_filled"].checked == rows
    assert {*frame["number"], *frame["nationality"]}.isdisjoint(difficult.missing_values)
    if rows > 2:
        assert frame["person"].null_count() * frame["firm"].null_count()


def test_few_amounts_are_no_outliers_of_each_other(configuration: Configuration) -> None:
    contract = configuration.dataset("sso/insured_contributions").newest
    for rows in (2, 3, 4, 5, 8, 13):
        results = judged(contract, PERIOD, made(contract, PERIOD, rows))
        assert not results["outliers"].failed, rows


def test_a_word_that_the_producer_means_is_written_where_the_code_would_be_taken_for_another(difficult: Contract) -> None:
    raw = made(difficult, PERIOD, 100).with_row_index(ROW, 1).with_columns(pl.lit(None, pl.String).alias(MALFORMED))
    batch = standardize_batch(raw.cast({ROW: pl.Int64}), difficult, PERIOD, Duplicates(difficult.unit_key))
    assert (batch.tally.rows_out, dict(batch.tally.faults)) == (100, {})
    assert batch.tally.edits == {"kind": (raw["kind"] == "زن").sum()}
    assert batch.rows["kind"].n_unique() == 2


def test_rows_depend_on_the_seed_and_their_number_and_not_on_the_batch(configuration: Configuration) -> None:
    for contract, period in contracts(configuration)[::3]:
        rows = made(contract, period, 60)
        assert rows.equals(made(contract, period, 60, batch_rows=17)), contract.dataset
        assert not rows.equals(made(contract, period, 60, seed=2))
        assert not rows.drop(contract.month_column.name).equals(  # type: ignore[union-attr]
            made(contract, Period(period.kind, period.year - 1, period.number), 60).drop(contract.month_column.name)  # type: ignore[union-attr]
        )


def test_no_two_reporting_units_name_the_same_statistical_unit(configuration: Configuration) -> None:
    [(contract, period)] = [(c, p) for c, p in contracts(configuration) if c.reporting_units]
    units = contract.units(period)
    parts = {unit: made(contract, period, 40, unit=unit) for unit in units}
    assert all(parts[unit][str(contract.reporting_unit_column)].unique().to_list() == [unit] for unit in units)
    assert pl.concat(parts.values()).select(contract.unit_key).is_unique().all()


def test_invented_texts_are_plain_and_say_that_they_are_samples(configuration: Configuration) -> None:
    for contract, period in contracts(configuration):
        rows = made(contract, period, 20)
        for column in contract.columns:
            if column.type == "free_text" or (column.type == "text" and column.pattern is None):
                texts = rows.select(column.name, plain=normalize_text(pl.col(column.name)))
                assert texts[column.name].str.starts_with("نمونه").all()
                assert (texts[column.name] == texts["plain"]).all()


def test_what_cannot_be_made_is_said(configuration: Configuration, difficult: Contract) -> None:
    [(by_units, period)] = [(c, p) for c, p in contracts(configuration) if c.reporting_units]
    with pytest.raises(MdlakeError, match=r"each reporting unit sends its own file\. Name yours, one of: 00, 01"):
        made(by_units, period, 1, unit=None)
    with pytest.raises(UnknownName, match="there is no reporting unit called '77'"):
        made(by_units, period, 1, unit="77")
    with pytest.raises(MdlakeError, match="in one file for all"):
        made(difficult, PERIOD, 2, unit="00")
    with pytest.raises(MdlakeError, match=r"tell apart 8\d\d rows at most, and 5000 are asked for\. Ask for fewer rows"):
        made(difficult, PERIOD, 5000)
    with pytest.raises(MdlakeError, match=r"made of rows has 2 of them at least\. Ask for 2 rows or more"):
        made(difficult, PERIOD, 1)
    circle = difficult.edits[-3].model_copy(update={"left": "large", "right": "small"})
    with pytest.raises(MdlakeError, match=r"world/difficult 1\.0: the comparisons of .* contradict"):
        made(replace(difficult, edits=(*difficult.edits, circle)), PERIOD, 2)
    columns = tuple(replace(c, minimum=-40) if c.name == "small" else c for c in difficult.columns)
    with pytest.raises(MdlakeError, match=r"the comparisons of .* contradict"):
        made(replace(difficult, columns=columns), PERIOD, 2)
    nothing = replace(difficult, missing_values=("1", "سرپرست"))
    with pytest.raises(MdlakeError, match=r"world/difficult 1403-02, column relation: no code that it needs"):
        made(nothing, PERIOD, 2)
    always = tuple(r.model_copy(update={"among": ("1", "2", "3", "4", "5", "6")}) for r in difficult.requirements)
    with pytest.raises(MdlakeError, match="alternatives and requirements contradict"):
        made(replace(difficult, requirements=always), PERIOD, 2)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

FORMS = {
    "CSV": UTF8,
    "CSV, semicolon": Form("csv", "utf-8", ";"),
    "CSV, Windows-1256, tab": Form("csv", "windows-1256", "\t"),
    "XLSX": XLSX,
    "Parquet": Form("parquet"),
}


def read(path: Path, form: Form, contract: Contract) -> pl.DataFrame:
    """A delivered file as the intake reads it, under the contract's names."""
    match = match_headers(read_header(path, form), contract)
    assert (match.missing, match.unknown, match.repeated, match.by_alias) == ((), (), (), 0)
    names = [str(name) for name in match.names]
    return pl.concat(read_rows(path, form, names, 100)).drop(ROW, MALFORMED).select(c.name for c in contract.columns)


@pytest.mark.parametrize("name", FORMS)
def test_the_intake_reads_what_was_invented_from_a_file_of_every_form(
    name: str, configuration: Configuration, tmp_path: Path
) -> None:
    form = FORMS[name]
    for contract, period in contracts(configuration)[:: 1 if form == UTF8 else 4]:
        path = tmp_path / f"{contract.dataset.replace('/', '-')}-{contract.version}-dummy{form.suffix}"
        rows = made(contract, period, 120, batch_rows=50)
        batches = [rows[:50], rows[50:100], rows[100:]]
        write_dummy(path, form, contract, period, batches)
        assert read(path, form, contract).equals(rows), path.name
        again = path.with_name(f"again-{path.name}")
        write_dummy(again, form, contract, period, batches)
        assert path.read_bytes() == again.read_bytes()


def test_a_file_that_is_there_is_not_overwritten_and_one_that_fails_leaves_nothing(difficult: Contract, tmp_path: Path) -> None:
    path = tmp_path / "work.csv"
    path.write_text("somebody's work", encoding="utf-8")
    for write in (lambda: write_template(path, UTF8, difficult, PERIOD), lambda: write_dummy(path, UTF8, difficult, PERIOD, [])):
        with pytest.raises(MdlakeError, match="is there already"):
            write()
    with pytest.raises(MdlakeError, match="at most"):
        write_dummy(tmp_path / "more.csv", UTF8, difficult, PERIOD, invented_rows(difficult, PERIOD, 5000, seed=1))
    foreign = replace(difficult, columns=(replace(difficult.columns[0], header="月"), *difficult.columns[1:]))
    with pytest.raises(MdlakeError, match="Windows-1256 does not have"):
        write_template(tmp_path / "foreign.csv", FORMS["CSV, Windows-1256, tab"], foreign, PERIOD)
    for form in (Form("dbf", "windows-1256"), Form("parquet")):
        with pytest.raises(MdlakeError, match="by hand"):
            write_template(tmp_path / f"table{form.suffix}", form, difficult, PERIOD)
    assert [file.name for file in tmp_path.iterdir()] == ["work.csv"]
    assert path.read_text(encoding="utf-8") == "somebody's work"


# ── templates ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", [UTF8, FORMS["CSV, Windows-1256, tab"], XLSX], ids=str)
def test_the_template_of_every_contract_has_its_headers_and_no_row(
    form: Form, configuration: Configuration, public: Configuration, tmp_path: Path
) -> None:
    for contract, period in contracts(configuration, public)[:: 2 if form == XLSX else 1]:
        path = tmp_path / f"{contract.dataset.replace('/', '-')}-{contract.version}{form.suffix}"
        write_template(path, form, contract, period)
        match = match_headers(read_header(path, form), contract)
        assert match.names == tuple(column.name for column in contract.columns)
        assert match.by_alias == 0
        assert sum(batch.height for batch in read_rows(path, form, [str(name) for name in match.names], 100)) == 0


def filled_in(path: Path, contract: Contract, rows: pl.DataFrame) -> None:
    """Fill a template as a person does: numbers as numbers, all else as it is typed into a cell of text."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    numbers = {column.name for column in contract.columns if column.type in ("integer", "amount")}
    for number, row in enumerate(rows.iter_rows(named=True), start=2):
        for at, (name, cell) in enumerate(row.items(), start=1):
            sheet.cell(number, at).value = int(cell) if name in numbers and cell else cell
    book.save(path)


def test_a_template_that_was_filled_in_and_saved_is_read_with_its_guide_beside_it(
    configuration: Configuration, tmp_path: Path
) -> None:
    for contract, period in contracts(configuration)[::4]:
        path = tmp_path / f"{contract.dataset.replace('/', '-')}.xlsx"
        write_template(path, XLSX, contract, period)
        rows = made(contract, period, 12)
        filled_in(path, contract, rows)
        assert read(path, XLSX, contract).equals(rows)
        assert openpyxl.load_workbook(path).sheetnames[1] == GUIDE_SHEET


def test_a_template_that_went_through_libreoffice_is_read(configuration: Configuration, tmp_path: Path) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is missing (Debian: libreoffice-calc)")
    contract = configuration.dataset("social_welfare/household_support").newest
    path = tmp_path / "table.xlsx"
    write_template(path, XLSX, contract, PERIOD)
    rows = made(contract, PERIOD, 12)
    filled_in(path, contract, rows)
    options = [f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML"]
    command = [office, *options, "--outdir", tmp_path / "saved", path]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert read(tmp_path / "saved/table.xlsx", XLSX, contract).equals(rows)


def test_a_template_explains_itself(configuration: Configuration, tmp_path: Path) -> None:
    contract = configuration.dataset("social_welfare/household_support").newest
    path = tmp_path / "table.xlsx"
    write_template(path, XLSX, contract, PERIOD)
    sheet, guide = openpyxl.load_workbook(path).worksheets
    assert sheet.sheet_view.rightToLeft
    assert sheet.freeze_panes == "A2"
    columns = dict(zip((column.name for column in contract.columns), sheet.columns, strict=True))
    for column in contract.columns:
        header = columns[column.name][0]
        assert header.font.bold
        note = header.comment.text
        assert column.label.fa in note
        assert column.label.en in note
        assert ("needed in every row" in note) == column.required
        assert sheet.column_dimensions[header.column_letter].width >= len(column.header)
    assert "واحد: ریال" in columns["support_amount"][0].comment.text
    assert "unit: rial" in columns["support_amount"][0].comment.text
    assert "1403/02" in columns["month"][0].comment.text
    offered = {str(rule.sqref).split(":")[0]: rule for rule in sheet.data_validations.dataValidation}
    first, last = offered[columns["relation"][0].column_letter + "2"].formula1.replace("$", "").split("!")[1].split(":")
    relation = contract.column("relation").classification
    assert relation is not None
    assert [cell.value for (cell,) in guide[first:last]] == [code.code for code in relation.codes]
    decile = offered[columns["income_decile"][0].column_letter + "2"]
    assert (decile.type, decile.formula1, decile.formula2) == ("whole", "1", "10")
    told = [cell.value for row in guide.rows for cell in row if cell.value]
    assert {column.header for column in contract.columns} <= set(told)
    assert "in each «شناسه خانوار» exactly one row has «نسبت با سرپرست» 1" in told


# ── the commands ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_commands_need_no_installation_and_say_that_the_rows_are_invented(tmp_path: Path) -> None:
    environment = {"MDLAKE_HOME": str(tmp_path / "nowhere"), "MDLAKE_CONFIG": str(SHIPPED)}
    asked = ["sso/workplaces", "1403-01", "--to", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, ["deliver", "dummy", *asked, "--rows", "5"], env=environment, catch_exceptions=False)
    assert "sso-workplaces-1403-01-dummy.csv: 5 rows of contract 1.0" in done.output
    assert "invented and mean nothing" in done.output
    CliRunner().invoke(cli, ["deliver", "template", *asked], env=environment, catch_exceptions=False)
    for options, refusal in (([], "is there already"), (["--encoding", "utf-8"], "no encoding to declare")):
        with pytest.raises(MdlakeError, match=refusal):
            CliRunner().invoke(cli, ["deliver", "template", *asked, *options], env=environment, catch_exceptions=False)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "sso-workplaces-1403-01-dummy.csv",
        "sso-workplaces-1403-01-template.xlsx",
    }
    assert not (tmp_path / "nowhere").exists()
