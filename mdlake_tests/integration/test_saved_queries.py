"""The Statistics Centre's questions on pseudonymized data, held against the synthetic ministry's ground truth.

The truth knows persons by their index in the population and has no pseudonyms. What a defect took out of a source is
taken out of the truth by the defect's class, so every planted link that survives its defects must be found, and no other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner
from conftest import CONFIG, MAKERS, Clock, Install, desk
from rich.console import Console
from rich.table import Table as Shown

from mdlake.cli import cli
from mdlake.config import SavedQuery
from mdlake.errors import MdlakeError
from mdlake.pipeline.warehouse import ResearchWarehouse
from mdlake.standard import Period
from mdlake.statistics import Answer, Asked, ask_saved
from mdlake.steps import House, Run, judge, open_house
from mdlake.synthetic import DeliveredFile, Ministry
from mdlake.synthetic.calendar import month_number, months_of
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.pensions import OLD_AGE, SOCIAL_SECURITY, Pensions
from mdlake.synthetic.population import Persons, Workplaces

LIST, BENEFITS, PENSIONERS = "sso/insured_contributions", "sso/unemployment_benefits", "sso/pensioners"
CIVIL, FUND, COOPERATIVES = "cspf/pensioners", "farmers_fund/insured_members", "cooperatives/cooperative_members"
CERTIFICATES = "tvto/skill_certificates"
PERSONS, WORKPLACES, SEED = 4_000, 300, 7
PEOPLE = Persons(PERSONS, SEED)
EMPLOYMENT = Employment(PEOPLE, Workplaces(WORKPLACES, PEOPLE, SEED), SEED)
QUERIES = {
    "two_funds": "1403-02",
    "insured_beneficiaries": "1403-02",
    "employed_after_certificate": "1403-01",
    "contributing_pensioners": "1403-02",
    "insured_cooperative_members": "1403-Q1",
}
"""Every saved query with the period it is asked for."""

WITHOUT_LINK: Mapping[str, frozenset[str]] = {
    LIST: frozenset({"wrong_check_digit", "missing_national_code", "malformed_workplace_code", "non_numeric_wage"}),
    BENEFITS: frozenset({"wrong_check_digit", "missing_national_code", "malformed_workplace_code", "non_numeric_allowance"}),
    PENSIONERS: frozenset({"wrong_check_digit", "missing_national_code", "unknown_pension_kind", "non_numeric_pension"}),
    CIVIL: frozenset({"wrong_check_digit", "missing_national_code", "non_numeric_pension"}),
    FUND: frozenset({"wrong_check_digit", "missing_national_code", "non_numeric_paid_months"}),
    CERTIFICATES: frozenset({"wrong_check_digit", "missing_national_code"}),
    COOPERATIVES: frozenset({"wrong_check_digit", "missing_national_code", "wrong_legal_id", "non_numeric_share"}),
}
"""Classes of defects whose records are set aside, so that they are in no table and link to nothing."""


@dataclass(frozen=True)
class Asking:
    """Every partition that the queries need, delivered with the usual defects and taken through all layers."""

    research: House
    delivered: Mapping[tuple[str, str], DeliveredFile]

    def ask(self, name: str) -> tuple[dict[str, int], tuple[Asked, ...]]:
        """The one row of a query's answer."""
        with ResearchWarehouse(self.research).get_connection() as connection:
            answer, partitions = ask_saved(connection, self.research, self.query(name), Period.parse(QUERIES[name]))
        return named(answer), partitions

    def query(self, name: str) -> SavedQuery:
        return self.research.configuration.query(name)

    def truth(self, key: str, *periods: str) -> pl.DataFrame:
        """What is true of the records of some periods that are of a person."""
        told = []
        for period in periods:
            truth = self.delivered[key, period].truth
            assert truth is not None
            told.append(truth.rows.filter(pl.col("person").is_not_null()).with_columns(period=pl.lit(period)))
        return pl.concat(told)

    def planted(self, key: str, *periods: str) -> set[int]:
        """The persons that the producer means."""
        return set(self.truth(key, *periods)["person"])

    def linkable(self, key: str, *periods: str) -> set[int]:
        """Those of them with a record that survives its defect."""
        return set(self.surviving(self.truth(key, *periods), key)["person"])

    def surviving(self, truth: pl.DataFrame, key: str) -> pl.DataFrame:
        """The records of a truth that are not set aside for their defect."""
        return truth.filter(~pl.col("harm").fill_null("").is_in(WITHOUT_LINK[key]))

    def facts(self, key: str, period: str) -> pl.DataFrame:
        """The truth of each record once, in the order in which the population tells of them."""
        return self.truth(key, period).filter(pl.col("harm").ne_missing("exact_duplicate"))


def named(answer: Answer) -> dict[str, int]:
    (row,) = answer.rows
    return dict(zip(answer.columns, row, strict=True))


def needed(house: House) -> set[tuple[str, str]]:
    """Dataset and period of every partition that the queries declare."""
    found = set()
    for name, asked in QUERIES.items():
        query = house.configuration.query(name)
        values = query.periods(Period.parse(asked))
        for source in query.file.sources:
            period = values[source.first]
            while period <= values[source.last]:
                found.add((source.dataset, period.key))
                period = period.next()
    return found


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, install: Install) -> Asking:
    clock = Clock()
    clock.moment += timedelta(days=30)  # the last of these months is over, and may be sent
    home = install(tmp_path_factory.mktemp("asked"))
    secure, research = open_house(home, "secure", clock), open_house(home, "research", clock)
    ministry = Ministry(persons=PERSONS, workplaces=WORKPLACES, seed=SEED)
    delivered = {}
    for key, name in sorted(needed(secure), key=lambda pair: (pair[1], pair[0])):
        delivered[key, name] = ministry.deliver(key, name, desk(secure))
        dataset, period = secure.configuration.dataset(key), Period.parse(name)
        for layer, make in MAKERS.items():
            house = research if layer == "published" else secure
            make(house, dataset, period, Run("run"))
            judgement = judge(house, layer, dataset, period, Run("run"))
            assert judgement.verdict.outcome != "refused", (key, name, layer, judgement.failures)
    return Asking(research, delivered)


# ── the answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def both_funds(asking: Asking) -> dict[str, int]:
    period = QUERIES["two_funds"]
    insured, members = asking.linkable(LIST, period), asking.linkable(FUND, period)
    return {"insured_persons": len(insured), "members": len(members), "in_two_funds": len(insured & members)}


def insured_beneficiaries(asking: Asking) -> dict[str, int]:
    period = QUERIES["insured_beneficiaries"]
    drawing = asking.linkable(BENEFITS, period)
    jobs = job_starts(asking, period).filter(pl.col("person").is_in(drawing))
    older = jobs.filter(pl.col("start") < month_number(period))
    return {
        "beneficiaries": len(drawing),
        "insured_beneficiaries": jobs["person"].n_unique(),
        "in_an_older_job": older["person"].n_unique(),
    }


def employed_after_certificate(asking: Asking) -> dict[str, int]:
    period = QUERIES["employed_after_certificate"]
    holders = asking.linkable(CERTIFICATES, period)
    jobs = job_starts(asking, "1403-02", "1403-03", "1403-04").filter(pl.col("person").is_in(holders))
    return {
        "holders": len(holders),
        "employed": jobs["person"].n_unique(),
        "in_a_new_job": jobs.filter(pl.col("start") >= month_number(period))["person"].n_unique(),
    }


def contributing_pensioners(asking: Asking) -> dict[str, int]:
    period = QUERIES["contributing_pensioners"]
    insured = asking.linkable(LIST, period)
    social, civil = asking.linkable(PENSIONERS, period), asking.linkable(CIVIL, period)
    kinds = Pensions(PEOPLE, SEED).in_payment(SOCIAL_SECURITY, month_number(period)).kind
    facts = asking.facts(PENSIONERS, period).with_columns(kind=kinds)
    # this defect writes another kind over the right one: the row links, and says what is not so
    old_age = facts.filter((pl.col("kind") == OLD_AGE) & pl.col("harm").ne_missing("survivor_without_deceased"))
    return {
        "pensioners": len(social | civil),
        "contributing": len((social | civil) & insured),
        "contributing_sso": len(social & insured),
        "contributing_cspf": len(civil & insured),
        "contributing_sso_old_age": len(set(asking.surviving(old_age, PENSIONERS)["person"]) & insured),
    }


def job_starts(asking: Asking, *periods: str) -> pl.DataFrame:
    """Person and month of the job's start of every record of the lists that survives its defect."""
    found = []
    for period in periods:
        month = month_number(period)
        slot = EMPLOYMENT.roster(month).slot
        person = EMPLOYMENT.persons_of(slot)
        start = months_of(EMPLOYMENT.start_days(person, EMPLOYMENT.spells(slot, month)))
        facts = asking.facts(LIST, period).with_columns(start=start)
        assert facts["person"].to_list() == person.tolist()
        found.append(asking.surviving(facts, LIST))
    return pl.concat(found)


def insured_members(asking: Asking) -> dict[str, int]:
    members, insured = asking.linkable(COOPERATIVES, "1403-Q1"), asking.linkable(LIST, "1403-03")
    return {"members": len(members), "insured_members": len(members & insured)}


TRUTH: Mapping[str, Callable[[Asking], dict[str, int]]] = {
    "two_funds": both_funds,
    "insured_beneficiaries": insured_beneficiaries,
    "employed_after_certificate": employed_after_certificate,
    "contributing_pensioners": contributing_pensioners,
    "insured_cooperative_members": insured_members,
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_saved_query_answers_what_is_true(name: str, asking: Asking) -> None:
    expected = TRUTH[name](asking)
    answer, _ = asking.ask(name)
    assert all(count > 0 for count in expected.values()), "a question whose answer is nothing proves nothing"
    assert {column: answer[column] for column in expected} == expected
    assert set(answer) - set(expected) == {column for column in answer if column.endswith("_unlinked")}


def test_every_saved_query_is_held_against_the_truth(asking: Asking) -> None:
    assert set(QUERIES) == set(TRUTH) == set(asking.research.configuration.queries)


LINKS: Mapping[str, tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]] = {
    "two_funds": ((LIST, ("1403-02",)), (FUND, ("1403-02",))),
    "insured_beneficiaries": ((BENEFITS, ("1403-02",)), (LIST, ("1403-02",))),
    "employed_after_certificate": ((CERTIFICATES, ("1403-01",)), (LIST, ("1403-02", "1403-03", "1403-04"))),
    "contributing_pensioners": ((PENSIONERS, ("1403-02",)), (LIST, ("1403-02",))),
    "insured_cooperative_members": ((COOPERATIVES, ("1403-Q1",)), (LIST, ("1403-03",))),
}
"""The two sides of the link that each query asks for, of which the first names who is counted."""


def test_every_planted_link_that_is_not_found_has_a_defect_that_explains_it(asking: Asking) -> None:
    shown = Shown("query", "planted", "found", "lost", "lost by", title="planted links")
    for name, sides in LINKS.items():
        planted = set.intersection(*(asking.planted(key, *periods) for key, periods in sides))
        found = set.intersection(*(asking.linkable(key, *periods) for key, periods in sides))
        explained: Counter[str] = Counter()
        for key, periods in sides:
            harmed = asking.truth(key, *periods).filter(pl.col("harm").is_in(WITHOUT_LINK[key]))
            explained.update(
                f"{key} {harm}" for person, harm in harmed.select("person", "harm").iter_rows() if person in planted - found
            )
        assert found <= planted
        assert sum(explained.values()) >= len(planted - found)
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(explained.items()))
        shown.add_row(name, str(len(planted)), str(len(found)), str(len(planted - found)), reasons)
    Console(width=150).print(shown)


@pytest.mark.parametrize("name", QUERIES)
def test_what_cannot_link_is_counted_by_source(name: str, asking: Asking) -> None:
    """Rows in quarantine by the partitions of the answer, rows kept without a pseudonym by the answer itself."""
    answer, partitions = asking.ask(name)
    keys = {f"published.{d.table_name}": d.key for d in asking.research.configuration.datasets.values()}
    for partition in partitions:
        key = keys[partition.table]
        truth = asking.delivered[key, partition.period].truth
        assert truth is not None
        lost = sum(count for harm, count in truth.counts.items() if harm in WITHOUT_LINK[key])
        assert partition.set_aside == lost, partition
        assert partition.rows + lost + truth.counts["exact_duplicate"] == truth.rows.height
    assert {answer[column] for column in answer if column.endswith("_unlinked")} == {0}


# ── what a query refuses ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_month_that_is_not_there_is_told_and_not_counted_as_nothing(asking: Asking) -> None:
    query = asking.query("two_funds")
    with (
        ResearchWarehouse(asking.research).get_connection() as connection,
        pytest.raises(MdlakeError, match=r"of 1402-12 is not there.* mdlake run sso/insured_contributions --period 1402-12"),
    ):
        ask_saved(connection, asking.research, query, Period.parse("1402-12"))


def test_another_kind_of_period_is_told(asking: Asking) -> None:
    with pytest.raises(MdlakeError, match=r"1403-02 is no quarter\. Give a quarter, such as 1403-Q1"):
        asking.query("insured_cooperative_members").periods(Period.parse("1403-02"))


def test_a_month_is_derived_over_the_turn_of_a_year(asking: Asking) -> None:
    values = asking.query("insured_cooperative_members").periods(Period.parse("1402-Q4"))
    assert {name: period.key for name, period in values.items()} == {"period": "1402-Q4", "month": "1402-12"}


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def command(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, place in asking.research.home.environment().items():
        monkeypatch.setenv(name, place)
    return CliRunner()


def test_the_command_answers_with_the_meaning_of_each_column_and_where_it_comes_from(command: CliRunner, asking: Asking) -> None:
    answer, partitions = asking.ask("two_funds")
    told = command.invoke(cli, ["sql", "--saved", "two_funds", "--period", "1403-02"])
    assert told.exit_code == 0, told.output
    words = " ".join(told.output.split())
    assert f"{answer['in_two_funds']} in_two_funds persons in both" in words
    assert all(partition.content_id[:12] in told.output for partition in partitions)
    as_json = json.loads(command.invoke(cli, ["sql", "--saved", "two_funds", "--period", "1403-02", "--json"]).output)
    assert as_json["answer"] == [answer]
    assert [source["content_id"] for source in as_json["sources"]] == [partition.content_id for partition in partitions]
    as_csv = command.invoke(cli, ["sql", "--saved", "two_funds", "--period", "1403-02", "--csv"]).output
    assert as_csv.splitlines() == [",".join(answer), ",".join(map(str, answer.values()))]


def test_the_sql_of_a_saved_query_can_be_asked_by_itself(command: CliRunner, asking: Asking) -> None:
    answer, _ = asking.ask("two_funds")
    file = CONFIG / "queries/two_funds.sql"
    told = command.invoke(cli, ["sql", "--file", str(file), "--period", "1403-02", "--json"])
    assert json.loads(told.output) == [answer]


def test_a_saved_query_wants_its_period(command: CliRunner) -> None:
    told = command.invoke(cli, ["sql", "--saved", "two_funds"])
    assert told.exit_code == 2
    assert "asks about a month: give --period" in told.output
