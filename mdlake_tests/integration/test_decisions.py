"""Decisions and the pipeline: what publication is refused for, what an exception lets pass, what a withdrawal changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from conftest import CONFIG, Clock, Land, Walk

from mdlake.config import Home
from mdlake.errors import GateRefused
from mdlake.governance import SyntheticOffices, rehearsal_folder
from mdlake.pipeline.boundary import told
from mdlake.reports import register_page
from mdlake.standard import Period
from mdlake.steps import House, Run, handovers, make_published, open_house, partition_statuses, prepare, unexcepted_periods
from mdlake.synthetic import Ministry

PLACES, REGISTER = "sso/workplaces", "cooperatives/cooperatives"
MONTH = Period.parse("1403-01")
SECURE_LAYERS = ("raw", "standardized", "pseudonymized")


@pytest.fixture
def undecided(tmp_path: Path, clock: Clock) -> House:
    """The research room of an installation in which nothing is decided."""
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / "undecided"), "MDLAKE_CONFIG": str(CONFIG)})
    prepare(home, clock())
    return open_house(home, "research", clock)


@pytest.fixture
def offices(research: House) -> SyntheticOffices:
    """The offices that decided all that publication needs."""
    return SyntheticOffices(research.register, rehearsal_folder(research.home))


Publish = Callable[[], object]


@pytest.fixture
def handed_over(research: House, ministry: Ministry, land: Land, walk: Walk, tmp_path: Path) -> Publish:
    """A month of workplaces that passed up to the pseudonymized layer; publishes it."""
    land(ministry.deliver(PLACES, MONTH.key, tmp_path))
    assert "refused" not in walk(PLACES, MONTH.key, *SECURE_LAYERS).values()
    return lambda: make_published(research, research.configuration.dataset(PLACES), MONTH, Run("run"))


def id_of(house: House, kind: str, subject: str = PLACES) -> str:
    """The newest decision of a kind that counts."""
    return next(house.register.counting(kind, subject, house.now())).id


def withdraw(house: House, offices: SyntheticOffices, decision_id: str) -> None:
    """Withdraw a decision by everybody who may."""
    accepted = house.ledger.decisions.get(decision_id)
    assert accepted is not None
    offices.decide("revocation", {"decision": {"id": decision_id, "sha256": accepted.sha256}}, house.now())


def refusal(publish: Publish) -> GateRefused:
    with pytest.raises(GateRefused) as caught:
        publish()
    return caught.value


def test_what_is_decided_is_published_and_says_under_which_decisions(research: House, handed_over: Publish) -> None:
    handed_over()
    dataset = research.configuration.dataset(PLACES)
    state = research.table("published", dataset, dataset.contract(MONTH)).state(MONTH.key)
    assert state is not None
    kinds = {name.split("-", 3)[3].rsplit("-", 1)[0] for name in state.details["decisions"]}
    assert kinds == {"dataset-approved", "standard-approved"}


def test_without_decisions_the_refusal_lists_all_that_is_missing_with_office_and_command(undecided: House) -> None:
    dataset = undecided.configuration.dataset(REGISTER)
    quarter = Period.parse("1403-Q1")
    passage = undecided.passage_of("published", dataset, dataset.contract(quarter), quarter, "content")
    answer = undecided.gate.ask_decisions(passage)
    assert [missing.next_step.split()[3] for missing in answer.missing] == [
        "dataset_proposed",
        "standard_approved",
        "period_exception",
    ]
    with pytest.raises(GateRefused) as caught:
        answer.require()
    text = str(caught.value)
    for words in (
        "3 things are missing",
        "Who: Data Exchange Committee",
        "mdlake decide draft dataset_approved --dataset cooperatives/cooperatives",
        "mdlake decide draft standard_approved --contract cooperatives/cooperatives@1.0",
        "mdlake decide draft period_exception --dataset cooperatives/cooperatives --periodicity quarter",
    ):
        assert words in text
    with pytest.raises(dg.Failure) as failed, told():
        raise caught.value
    rows = failed.value.metadata["missing"].value
    assert len(rows.records) == len(answer.missing)  # type: ignore[union-attr]
    assert failed.value.description == text


def test_an_approval_that_is_withdrawn_stops_the_next_publication_and_changes_nothing_published(
    research: House, offices: SyntheticOffices, handed_over: Publish
) -> None:
    handed_over()
    dataset = research.configuration.dataset(PLACES)
    table = research.table("published", dataset, dataset.contract(MONTH))
    before = table.state(MONTH.key)
    approval = id_of(research, "dataset_approved")
    withdraw(research, offices, approval)
    assert f"decision {approval} would, but it was withdrawn by" in str(refusal(handed_over))
    assert table.state(MONTH.key) == before
    [status] = partition_statuses(research_and_secure(research), [dataset])
    assert status.state == "published"
    [fallen] = status.fallen
    assert approval in fallen
    assert "withdrawn" in fallen
    page = register_page(research, research.now())
    assert "1 partitions were published under it and stay as they are" in page


def research_and_secure(house: House) -> House:
    """The same installation from the secure room, which may look at every layer."""
    return replace(house, room="secure")


def test_a_contract_that_was_changed_after_its_approval_is_not_published(
    tmp_path: Path, clock: Clock, home: Home, handed_over: Publish
) -> None:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    contract = config / "organizations/sso/workplaces.yaml"
    text = contract.read_text(encoding="utf-8")
    assert "required: true" in text
    contract.write_text(text.replace("label: {fa: نام کارگاه", "label: {fa: نامِ کارگاه", 1), encoding="utf-8")
    house = open_house(replace(home, config=config), "research", clock)
    with pytest.raises(GateRefused, match=r"approved 1\.0 with another text"):
        make_published(house, house.configuration.dataset(PLACES), MONTH, Run("run"))
    handed_over()


def test_milder_rules_of_the_ministry_need_a_new_approval(tmp_path: Path, clock: Clock, home: Home) -> None:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    principles = config / "principles.yaml"
    text = principles.read_text(encoding="utf-8")
    milder = text.replace("completeness: {severity: error, threshold: 0.05}", "completeness: {severity: error, threshold: 0.5}")
    assert milder != text
    principles.write_text(milder, encoding="utf-8")
    house = open_house(replace(home, config=config), "research", clock)
    dataset = house.configuration.dataset(PLACES)
    passage = house.passage_of("published", dataset, dataset.contract(MONTH), MONTH, "content")
    [missing] = house.gate.ask_decisions(passage).missing
    assert "Article 5" in missing.what


def test_a_quarterly_dataset_warns_where_it_is_loaded_and_not_when_both_centres_signed(undecided: House, research: House) -> None:
    quarterly = {key for key, dataset in undecided.configuration.datasets.items() if dataset.file.periodicity != "month"}
    warnings = unexcepted_periods(undecided)
    assert len(warnings) == len(quarterly) > 0
    assert all("Article 7, note" in missing.what and "period_exception" in missing.next_step for missing in warnings)
    assert unexcepted_periods(research) == ()


EXCEPTION = {"datasets": [PLACES], "periods": {"first": "1403-01", "last": "1403-01"}}


@pytest.fixture
def refused(ministry: Ministry, land: Land, walk: Walk, tmp_path: Path) -> Walk:
    """A month of workplaces of which many codes are wrong: refused by two rules."""
    land(ministry.deliver(PLACES, MONTH.key, tmp_path, defects={"malformed_workplace_code": 0.2}))
    assert walk(PLACES, MONTH.key)["standardized"] == "refused"
    return walk


def rules_of(house: House) -> list[str]:
    verdict = house.ledger.latest_verdict("standardized", "sso", "workplaces", MONTH.key)
    assert verdict is not None
    return [str(r["rule"]) for r in verdict.results if not r["passed"] and r["severity"] == "error"]


def test_failed_rules_that_are_each_excepted_let_a_period_pass_and_no_other(
    secure: House, research: House, offices: SyntheticOffices, refused: Walk
) -> None:
    rules = rules_of(secure)
    assert rules
    offices.decide("exception_granted", {**EXCEPTION, "rules": rules}, secure.now(), days=30)
    verdict = secure.ledger.latest_verdict("standardized", "sso", "workplaces", MONTH.key)
    assert verdict is not None
    assert verdict.outcome == "refused"
    assert set(secure.gate.exceptions(verdict)) == set(rules)
    assert secure.gate.objection(verdict, "x") is None
    assert secure.gate.objection(replace(verdict, period="1403-02"), "x") is not None
    assert secure.gate.objection(replace(verdict, dataset="insured_contributions"), "x") is not None
    outcomes = refused(PLACES, MONTH.key, "pseudonymized", "published")
    assert set(outcomes) == {"pseudonymized", "published"}
    [status] = partition_statuses(secure, [secure.configuration.dataset(PLACES)])
    assert status.state == "published"
    dataset = research.configuration.dataset(PLACES)
    state = research.table("published", dataset, dataset.contract(MONTH)).state(MONTH.key)
    assert state is not None
    assert any("exception-granted" in name for name in state.details["decisions"])


def test_an_exception_of_one_rule_does_not_cover_another(secure: House, offices: SyntheticOffices, refused: Walk) -> None:
    rules = rules_of(secure)
    other = "heaping"
    assert other not in rules
    offices.decide("exception_granted", {**EXCEPTION, "rules": [*rules[1:], other]}, secure.now(), days=30)
    with pytest.raises(GateRefused, match=rules[0]):
        refused(PLACES, MONTH.key, "pseudonymized")


def test_an_exception_ends(secure: House, offices: SyntheticOffices, refused: Walk, clock: Clock) -> None:
    offices.decide("exception_granted", {**EXCEPTION, "rules": rules_of(secure)}, secure.now(), days=30)
    refused(PLACES, MONTH.key, "pseudonymized")
    clock.moment += timedelta(days=30)
    with pytest.raises(GateRefused, match="was refused by"):
        refused(PLACES, MONTH.key, "pseudonymized")


def test_what_lacks_a_decision_is_not_asked_to_be_published_until_it_is_there(
    research: House, offices: SyntheticOffices, handed_over: Publish
) -> None:
    assert [handover.verdict.dataset for handover in handovers(research).due] == ["workplaces"]
    withdraw(research, offices, id_of(research, "dataset_approved"))
    waiting = handovers(research)
    assert (waiting.due, waiting.undecided) == ((), 1)
    [status] = partition_statuses(research_and_secure(research), [research.configuration.dataset(PLACES)])
    assert status.state == "undecided"
    assert "mdlake decide draft dataset_approved" in status.next_step
    offices.decide("dataset_approved", {"datasets": [PLACES]}, research.now())
    assert handovers(research).undecided == 0
    handed_over()
