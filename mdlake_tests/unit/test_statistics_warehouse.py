"""The warehouse shows the research zone's tables and nothing else: what a view holds, what a question may not do."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest
from click.testing import CliRunner
from conftest import CONFIG

from mdlake.cli import cli
from mdlake.config import ASKED, Configuration, Home, Problem, check_configuration
from mdlake.errors import MdlakeError
from mdlake.layers import layer_schema
from mdlake.pipeline.warehouse import ResearchWarehouse
from mdlake.principles import RULES
from mdlake.standard import Period
from mdlake.statistics import RESEARCH_LAYERS, ask, saved_query_problems, table_columns
from mdlake.steps import House

LIST = "sso/insured_contributions"
TABLE = "published.sso_insured_contributions"
MONTHS = ("1403-02", "1403-03")
"""Before and after the dataset's second contract begins."""


def write(house: House, month: str, rows: int, layer: str = "published") -> None:
    """Rows of a month by its own contract: a pseudonym that counts up, all else alike."""
    dataset = house.configuration.dataset(LIST)
    contract = dataset.contract(Period.parse(month))
    schema = layer_schema(contract, layer)
    samples = {pl.String(): pl.lit("1"), pl.Int64(): pl.lit(7, pl.Int64), pl.Date(): pl.lit("2024-01-01").str.to_date()}
    lead = house.table(layer, dataset, contract).order[0]
    frame = pl.select(number=pl.int_range(rows).cast(pl.String).str.zfill(6)).with_columns(
        pl.col("number").alias(name) if name == lead else samples[dtype].alias(name) for name, dtype in schema.items()
    )
    with house.table(layer, dataset, contract).replace(month, schema) as writer:
        writer.write(frame.select(schema.names()))
        writer.commit({})


@pytest.fixture
def furnished(home: Home, research: House) -> House:
    """Two months of one dataset in both layers."""
    for layer in RESEARCH_LAYERS:
        for rows, month in enumerate(MONTHS, start=3):
            write(research, month, rows, layer)
    (home.root / "secure" / "identified.csv").write_text("0499370899")
    (home.keys / "extra").write_text("key")
    return research


def file_of(house: House) -> Path:
    """The only published file of the first month."""
    (file,) = Path(house.home.research, "published", LIST, f"period={MONTHS[0]}").glob("*.parquet")
    return file


@pytest.fixture
def warehouse(furnished: House) -> Iterator[duckdb.DuckDBPyConnection]:
    with ResearchWarehouse(furnished).get_connection() as connection:
        yield connection


# ── what it shows ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_is_one_table_over_both_contract_versions(warehouse: duckdb.DuckDBPyConnection) -> None:
    answer = ask(warehouse, f"select period, count(*), count(contract_type) from {TABLE} group by period order by period")
    assert answer.rows == (("1403-02", 3, 0), ("1403-03", 4, 4))


def test_the_columns_of_a_view_are_those_of_the_contracts_with_their_types_and_titles(
    warehouse: duckdb.DuckDBPyConnection, configuration: Configuration
) -> None:
    for layer in RESEARCH_LAYERS:
        expected = [
            (c.name, str(c.dtype), f"{c.label.fa} · {c.label.en}") for c in table_columns(configuration.dataset(LIST), layer)
        ]
        types = {"String": "VARCHAR", "Int64": "BIGINT", "Date": "DATE"}
        asked = ask(
            warehouse,
            "select column_name, data_type, comment from duckdb_columns() where schema_name = $layer order by column_index",
            {"layer": layer},
        )
        assert list(asked.rows) == [(name, types[dtype], titles) for name, dtype, titles in expected]


def test_a_column_of_a_contract_that_no_month_has_followed_yet_is_null(research: House) -> None:
    write(research, "1403-02", 2)
    with ResearchWarehouse(research).get_connection() as connection:
        assert ask(connection, f"select distinct contract_type from {TABLE}").rows == ((None,),)


def test_an_answer_is_of_the_files_that_the_table_has_now(furnished: House) -> None:
    write(furnished, "1403-02", 9)
    with ResearchWarehouse(furnished).get_connection() as connection:
        assert ask(connection, f"select count(*) from {TABLE} where period = '1403-02'").rows == ((9,),)


def test_a_period_reads_its_own_files_only(furnished: House, warehouse: duckdb.DuckDBPyConnection) -> None:
    file_of(furnished).unlink()
    assert ask(warehouse, f"select count(*), max(daily_wage) from {TABLE} where period = $p", {"p": "1403-03"}).rows == ((4, 7),)


def test_a_blank_and_persian_letters_in_the_path_do_no_harm(tmp_path: Path, research: House) -> None:
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / "خانه من ۱"), "MDLAKE_CONFIG": str(CONFIG)})
    house = House(home, research.configuration, "research", research.ledger, research.gate, research.now)
    write(house, "1403-02", 5)
    with ResearchWarehouse(house).get_connection() as connection:
        assert ask(connection, f"select count(*) from {TABLE} where period = '1403-02'").rows == ((5,),)


# ── what it does not do ──────────────────────────────────────────────────────────────────────────────────────────────

ESCAPES = (
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('{secure}/identified.csv')",
    "select * from '{secure}/identified.csv'",
    "select * from read_blob('{keys}/extra')",
    "select * from glob('{root}/**')",
    "select * from read_parquet('{file}')",
    "select * from parquet_metadata('{file}')",
    "select * from sniff_csv('{secure}/identified.csv')",
    "select * from read_duckdb('{root}/x.db')",
    "select * from 'https://example.org/x.csv'",
    "select * from query('attach ''{root}/x.db''')",
    "select getenv('HOME')",
)
"""Questions that would read something else."""

WRITES = (
    "copy (select 1) to '{root}/out.csv'",
    "copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
    "explain analyze copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
    "attach '{root}/x.db'",
    "attach ':memory:' as other",
    "export database '{root}/exported'",
    "import database '{root}/exported'",
    "create table t as select 1",
    "create view v as select 1",
    "insert into " + TABLE + " (period) values ('1403-01')",
    "delete from " + TABLE,
    "drop view " + TABLE,
    "set enable_external_access = true",
    "reset lock_configuration",
    "set temp_directory = '{root}'",
    "install httpfs",
    "load httpfs",
    "create secret s (type s3)",
    "call enable_logging(storage = 'file', storage_path = '{root}/log')",
    "pragma enable_profiling",
    "begin",
    "use published",
    "prepare p as select 1",
)
"""Statements that would change something."""


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sql", [*ESCAPES, *WRITES])
def test_a_question_reads_nothing_but_the_views_and_changes_nothing(
    sql: str, furnished: House, warehouse: duckdb.DuckDBPyConnection
) -> None:
    home, file = furnished.home, file_of(furnished)
    sql = sql.format(root=home.root, secure=home.secure, keys=home.keys, file=file)
    before = everything(home.root)
    with pytest.raises(MdlakeError) as refused:
        ask(warehouse, sql)
    if sql in WRITES:
        assert "is not allowed" in refused.value.what
    assert everything(home.root) == before


@pytest.mark.parametrize(
    "sql", [s for s in (*ESCAPES, *WRITES) if "file" in s or "read_" in s or "copy" in s or "attach '{" in s]
)
def test_the_engine_itself_refuses_files_whatever_kind_of_statement_it_is(
    sql: str, furnished: House, warehouse: duckdb.DuckDBPyConnection
) -> None:
    """Without the guard of statements in front: two locks, each of which holds alone."""
    home, file = furnished.home, file_of(furnished)
    before = everything(home.root)
    with pytest.raises(duckdb.Error):
        warehouse.execute(sql.format(root=home.root, secure=home.secure, keys=home.keys, file=file))
    assert everything(home.root) == before


def test_no_view_of_the_secure_zone_is_made(warehouse: duckdb.DuckDBPyConnection) -> None:
    views = ask(warehouse, "select distinct schema_name from duckdb_views() where not internal").rows
    assert sorted(views) == [(layer,) for layer in sorted(RESEARCH_LAYERS)]


def test_what_does_not_fit_into_memory_goes_to_a_folder_that_is_gone_afterwards(
    furnished: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ResearchWarehouse(furnished).get_connection() as connection:
        ((setting,),) = ask(connection, "select current_setting('temp_directory')").rows
        assert Path(setting).parent == tmp_path
        assert Path(setting).stat().st_mode & 0o077 == 0
    assert list(tmp_path.glob("mdlake-warehouse-*")) == []


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "sql",
    [
        "select cast(secret as integer) from (values ('4993708990')) as t (secret)",
        "select error(secret) from (values ('4993708990')) as t (secret)",
        "select cast(secret as tinyint) from (select cast('4993708990' as bigint) as secret)",
        "select strptime(secret, '%Y') from (values ('4993708990')) as t (secret)",
    ],
)
def test_a_complaint_about_a_value_does_not_repeat_it(sql: str, warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(MdlakeError, match="held back") as told:
        ask(warehouse, sql)
    assert "4993708990" not in str(told.value)
    assert told.value.__cause__ is None


def test_a_complaint_about_a_name_says_what_there_is(warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(MdlakeError, match=r'column "daily_wages" not found.*"daily_wage"'):
        ask(warehouse, f"select daily_wages from {TABLE}")


def test_a_parameter_without_value_and_a_value_without_parameter_are_told(warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(MdlakeError, match=r"\$period has no value"):
        ask(warehouse, f"select * from {TABLE} where period = $period")
    with pytest.raises(MdlakeError, match=r"\$period does not occur"):
        ask(warehouse, f"select * from {TABLE}", {"period": "1403-02"})


@pytest.mark.parametrize(("sql", "count"), [("", 0), ("-- nothing", 0), ("select 1; select 2", 2)])
def test_one_question_at_a_time(sql: str, count: int, warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(MdlakeError, match=f"{count} statements where one is expected"):
        ask(warehouse, sql)


@pytest.mark.parametrize(("most", "shown", "is_cut"), [(None, 3, False), (3, 3, False), (2, 2, True), (0, 0, True)])
def test_an_answer_is_cut_where_it_is_longer_than_asked_for(
    most: int | None, shown: int, is_cut: bool, warehouse: duckdb.DuckDBPyConnection
) -> None:
    answer = ask(warehouse, f"select * from {TABLE} where period = '1403-02'", most_rows=most)
    assert (len(answer.rows), answer.is_cut) == (shown, is_cut)


# ── the pipeline and the command ─────────────────────────────────────────────────────────────────────────────────────


def test_an_asset_asks_the_same_warehouse_by_the_resource(furnished: House) -> None:
    @dg.asset
    def persons(warehouse: dg.ResourceParam[ResearchWarehouse]) -> dg.MaterializeResult[None]:
        with warehouse.get_connection() as connection:
            ((count,),) = ask(connection, f"select count(*) from {TABLE}").rows
        return dg.MaterializeResult(metadata={"count": count})

    done = dg.materialize([persons], resources={"warehouse": ResearchWarehouse(furnished)})
    (made,) = done.asset_materializations_for_node("persons")
    assert made.metadata["count"].value == 7


@pytest.fixture
def command(furnished: House, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, place in furnished.home.environment().items():
        monkeypatch.setenv(name, place)
    return CliRunner()


def test_the_command_prints_for_people_and_for_scripts(command: CliRunner, tmp_path: Path) -> None:
    question = f"select period, count(*) as lines from {TABLE} where period = $period group by all"
    (tmp_path / "q.sql").write_text(question)
    told = command.invoke(cli, ["sql", question, "--period", "1403-03"])
    assert told.exit_code == 0, told.output
    assert told.output.split() == ["period", "lines", told.output.split()[2], "1403-03", "4"]
    as_json = command.invoke(cli, ["sql", "--file", str(tmp_path / "q.sql"), "--period", "1403-03", "--json"])
    assert json.loads(as_json.output) == [{"period": "1403-03", "lines": 4}]
    as_csv = command.invoke(cli, ["sql", f"select period from {TABLE} order by 1", "--limit", "2", "--csv"])
    assert as_csv.stdout == "period\n1403-02\n1403-02\n"
    assert "the first 2 rows; there are more" in as_csv.stderr


def test_the_command_lists_the_tables_and_the_queries(command: CliRunner, configuration: Configuration) -> None:
    tables = json.loads(command.invoke(cli, ["sql", "--tables", "--json"]).output)
    assert len(tables) == 2 * len(configuration.datasets)
    assert {t["table"]: t["periods"] for t in tables}[TABLE] == list(MONTHS)
    queries = json.loads(command.invoke(cli, ["sql", "--list", "--json"]).output)
    assert [query["name"] for query in queries] == sorted(configuration.queries)


@pytest.mark.parametrize("arguments", [[], ["select 1", "--list"], ["select 1", "--csv", "--json"]])
def test_the_command_wants_one_question_and_one_form(arguments: list[str], command: CliRunner) -> None:
    told = command.invoke(cli, ["sql", *arguments])
    assert told.exit_code == 2
    assert "Give one of" in told.output


# ── saved queries: what the configuration check finds ────────────────────────────────────────────────────────────────

DESCRIBED = """
label: {fa: پرسش, en: question}
question: {fa: "چند؟", en: "how many?"}
period: month
derived:
  until: {kind: month, months_after: 2, label: {fa: تا, en: until}}
sources:
  - {dataset: sso/insured_contributions, layer: published, first: period, last: until}
columns:
  lines: {fa: سطر, en: lines}
"""
SQL = f"select count(*) as lines from {TABLE} where period between $period and $until -- published.sso_workplaces\n"


def saved(tmp_path: Path, described: str = DESCRIBED, sql: str | None = SQL) -> tuple[Problem, ...]:
    """The problems of a configuration with one organization and this query alone."""
    folder = tmp_path / "assets_config"
    for path in CONFIG.rglob("*.yaml"):
        if path.parent.parent.name != "organizations" or path.parent.name == "sso":
            (folder / path.relative_to(CONFIG)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(CONFIG)).write_bytes(path.read_bytes())
    shutil.rmtree(folder / "queries", ignore_errors=True)
    (folder / "queries").mkdir()
    (folder / "queries/asked.yaml").write_text(described, encoding="utf-8")
    if sql is not None:
        (folder / "queries/asked.sql").write_text(sql, encoding="utf-8")
    configuration, problems = check_configuration(folder, RULES)
    return saved_query_problems(configuration) if configuration else problems


def test_a_saved_query_that_fits_has_no_problem(tmp_path: Path) -> None:
    assert saved(tmp_path) == ()


@pytest.mark.parametrize(
    ("before", "after", "file", "field", "message"),
    [
        ("kind: month", "kind: week", "asked.yaml", "derived.until.kind", "'month' or 'quarter'"),
        ("sso/insured_contributions", "sso/insured", "asked.yaml", "sources.0.dataset", "no dataset called 'sso/insured'"),
        ("last: until", "last: untill", "asked.yaml", "sources.0.last", "no period called 'untill'"),
        ("kind: month", "kind: quarter", "asked.yaml", "sources.0.last", "is a quarter, and the dataset has months"),
        ("layer: published", "layer: pseudonymized", "asked.yaml", "sources", "is asked and not declared"),
        ("layer: published", "layer: raw", "asked.yaml", "sources.0.layer", "'published' or 'pseudonymized'"),
        ("lines: {fa", "rows: {fa", "asked.yaml", "columns", "not the columns of the answer"),
        ("  until:", "  period:", "asked.yaml", "derived.period", "is the period that is asked for"),
        ("  until:", "  later:", "asked.yaml", "sources.0.last", "no period called 'until'"),
        ("columns:", "colums:", "asked.yaml", "colums", "unknown field"),
        ("as lines", "as rows", "asked.yaml", "columns", "not the columns of the answer"),
        ("$until", "'1403-04'", "asked.sql", "", "$until does not occur"),
        ("$until", "$untill", "asked.sql", "", "$until does not occur"),
        ("count(*)", "count(premiums)", "asked.sql", "", '"premiums" not found'),
        ("select", "create table t as select", "asked.sql", "", "CREATE is not allowed"),
        (TABLE, "published.sso_workplaces", "asked.yaml", "sources", "is asked and not declared"),
    ],
)
def test_a_saved_query_that_does_not_fit_is_told_with_file_and_field(
    before: str, after: str, file: str, field: str, message: str, tmp_path: Path
) -> None:
    assert (before in DESCRIBED) != (before in SQL)
    problems = saved(tmp_path, DESCRIBED.replace(before, after, 1), SQL.replace(before, after, 1))
    assert any((p.file, p.field) == (f"queries/{file}", field) and message in p.message for p in problems), problems


def test_a_description_without_sql_and_sql_without_a_description_are_told(tmp_path: Path) -> None:
    assert [(p.file, p.message) for p in saved(tmp_path, sql=None)] == [("queries/asked.sql", "the file is missing")]
    (tmp_path / "other").mkdir()
    folder = tmp_path / "assets_config/queries"
    (folder / "asked.yaml").rename(folder / "another.yaml")
    (folder / "asked.sql").write_text(SQL)
    _, problems = check_configuration(folder.parent, RULES)
    assert {p.file for p in problems} == {"queries/another.sql", "queries/asked.yaml"}


def test_every_saved_query_of_the_ministry_fits_the_contracts(configuration: Configuration) -> None:
    assert saved_query_problems(configuration) == ()
    assert ASKED == "period"
