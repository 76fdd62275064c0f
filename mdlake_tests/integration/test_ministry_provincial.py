"""Labour disputes of 31 provinces as one month's table, through all four layers: verdicts, rows, every class of harm found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from conftest import CONFIG

from mdlake.cli import cli
from mdlake.layers import REASONS, ROW, Tally
from mdlake.standard import Period
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile, Ministry

DISPUTES, PLACES = "provincial/labour_disputes", "sso/workplaces"
BEFORE, MONTH = "1403-01", "1403-02"
LAYERS = ("raw", "standardized", "pseudonymized", "published")
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]

LEAVES: Mapping[str, set[str]] = {
    "wrong_check_digit": {"national_code:check_digit"},
    "missing_national_code": {"national_code:missing"},
    "malformed_case_number": {"case_number:not_digits", "case_number:wrong_length"},
    "malformed_workplace_code": {"workplace_code:not_digits", "workplace_code:wrong_length"},
    "non_numeric_amount": {"claim_amount:not_a_number"},
    "exact_duplicate": {"row:duplicate"},
}
"""Classes of harm whose rows leave for quarantine, with the reasons that may stand there."""

BLANKS = {"unknown_claim_kind": "claim_kind:unknown_code", "impossible_date": "filed_date:not_a_date"}
"""Classes of harm whose value goes blank, with the fault that is counted."""

RULES_FIND = {
    "negative_amount": ("ranges", "claim_amount"),
    "decided_before_filed": ("logical_edits", "filed_date <= decided_date"),
    "decided_after_month": ("logical_edits", "decided_date <= month"),
    "outcome_without_date": ("required_when", "decided_date when outcome is 1|2|3|4"),
    "orphan_workplace": ("foreign_keys", f"workplace_code→{PLACES}"),
}
"""Classes of harm that a rule counts, with the part of the rule."""


@pytest.fixture(scope="module")
def offices() -> Ministry:
    """About two hundred events a month."""
    return Ministry(persons=60_000, workplaces=1_000, seed=7)


def rows(house: House, layer: str, period: str) -> pl.DataFrame:
    dataset = house.configuration.dataset(DISPUTES)
    return house.table(layer, dataset, dataset.contract(Period.parse(period))).scan(period).collect()


def parts(offices: Ministry, house: House, month: str, defects: Mapping[str, float] | None = None) -> list[DeliveredFile]:
    """The deliveries of all provinces."""
    folder = house.home.landing / "provincial"
    return [
        offices.deliver(DISPUTES, month, folder, reporting_unit=unit, defects=defects)
        for unit in offices.reporting_units(DISPUTES)
    ]


def unit_of(part: DeliveredFile) -> str:
    return part.csv_path.stem.split("-")[-2]


def harms(delivered: list[DeliveredFile]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part in delivered:
        assert part.truth is not None
        counts.update(part.truth.counts)
    return counts


def test_the_parts_of_a_month_become_one_table_and_every_row_is_accounted_for(
    offices: Ministry, secure: House, research: House, walk: Walk
) -> None:
    delivered = parts(offices, secure, BEFORE)
    outcomes = walk(DISPUTES, BEFORE)
    assert outcomes.keys() == set(LAYERS), outcomes
    assert set(outcomes.values()) <= PASSED
    harmed = harms(delivered)
    total, left = sum(part.rows for part in delivered), sum(harmed[harm] for harm in LEAVES)
    assert rows(secure, "raw", BEFORE).height == total
    assert rows(secure, "quarantine", BEFORE).height == left
    assert {layer: rows(secure, layer, BEFORE).height for layer in LAYERS[1:]} == dict.fromkeys(LAYERS[1:], total - left)
    published = rows(research, "published", BEFORE)
    assert not {"case_number", "verdict_text", "national_code"} & {*published.columns}
    by_province = dict(published.group_by("province").len().iter_rows())
    sent = {unit_of(part): part.rows for part in delivered if part.rows}
    assert by_province.keys() == sent.keys()
    assert all(by_province[unit] <= sent[unit] for unit in sent)


def test_every_harm_is_found_by_a_reason_a_fault_or_a_rule(offices: Ministry, secure: House, walk: Walk) -> None:
    offices.deliver(PLACES, BEFORE, secure.home.landing / "sso", truth=False)
    assert set(walk(PLACES, BEFORE, "raw", "standardized").values()) <= PASSED
    delivered = parts(offices, secure, MONTH, dict.fromkeys(offices.defect_rates(DISPUTES), 0.05))
    harmed = harms(delivered)
    assert harmed.keys() == LEAVES.keys() | BLANKS.keys() | RULES_FIND.keys()
    assert all(harmed.values())
    assert walk(DISPUTES, MONTH)["standardized"] == "refused"
    dataset = secure.configuration.dataset(DISPUTES)
    raw = secure.table("raw", dataset, dataset.newest).state(MONTH)
    assert raw is not None
    truth = pl.concat(
        part.truth.rows.with_columns(pl.col("record") - 1 + raw.details["parts"][unit_of(part)]["first_row"])
        for part in delivered
        if part.truth is not None and part.rows
    )
    reasons = truth.join(rows(secure, "quarantine", MONTH), left_on="record", right_on=ROW, how="left")
    for harm, reason in reasons.select("harm", REASONS).iter_rows():
        assert (reason in LEAVES[harm]) if harm in LEAVES else reason is None, (harm, reason)
    state = secure.table("standardized", dataset, dataset.newest).state(MONTH)
    assert state is not None
    tally = Tally.from_json(state.details["tally"])
    for harm, fault in BLANKS.items():
        assert tally.faults[fault] == harmed[harm], harm
    verdict = secure.ledger.latest_verdict("standardized", *DISPUTES.split("/"), MONTH)
    assert verdict is not None
    results = {result["rule"]: result for result in verdict.results}
    for harm, (rule, part) in RULES_FIND.items():
        counted = results[rule]["parts"].get(part, [0, 0])[1]
        # a register that refused workplaces of its own orphans more cases than the harm did
        assert counted >= harmed[harm] if rule == "foreign_keys" else counted == harmed[harm], (harm, counted)


def test_the_command_delivers_a_quarter_with_its_last_month_and_all_parts_of_a_month(tmp_path: Path) -> None:
    environment = {"MDLAKE_HOME": str(tmp_path), "MDLAKE_CONFIG": str(CONFIG), "COLUMNS": "200"}
    runner = CliRunner()
    assert runner.invoke(cli, ["init"], env=environment).exit_code == 0
    size = ["--persons", "1000", "--workplaces", "100"]
    for periods, quarters, files in ((["1403-02"], 0, 31), (["1403-03"], 1, 62), (["1403-Q2"], 2, 62)):
        answer = runner.invoke(cli, ["synthesize", *size, *periods], env=environment)
        assert answer.exit_code == 0, answer.output
        assert len(list((tmp_path / "landing" / "provincial").glob("*.csv"))) == files
        assert len(list((tmp_path / "landing" / "cooperatives").glob("cooperatives-cooperatives-*.csv"))) == quarters
