"""The cooperatives deputy's quarters through all four layers: verdicts, rows accounted for, every class of harm found."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
import pytest

from mdlake.layers import REASONS, ROW, Tally
from mdlake.standard import Period
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile, Ministry

REGISTER, MEMBERS = "cooperatives/cooperatives", "cooperatives/cooperative_members"
LAYERS = ("raw", "standardized", "pseudonymized", "published")
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]

LEAVES: Mapping[str, Mapping[str, set[str]]] = {
    REGISTER: {
        "wrong_check_digit": {"legal_id:check_digit"},
        "missing_legal_id": {"legal_id:missing"},
        "malformed_legal_id": {"legal_id:not_digits", "legal_id:wrong_length"},
        "non_numeric_capital": {"capital:not_a_number"},
        "exact_duplicate": {"row:duplicate"},
    },
    MEMBERS: {
        "wrong_check_digit": {"national_code:check_digit"},
        "missing_national_code": {"national_code:missing"},
        "wrong_legal_id": {"legal_id:check_digit"},
        "non_numeric_share": {"share:not_a_number"},
        "exact_duplicate": {"row:duplicate"},
    },
}
"""Classes of harm whose rows leave for quarantine, with the reasons that may stand there."""

BLANKS: Mapping[str, Mapping[str, str]] = {
    REGISTER: {"unknown_kind": "kind:unknown_code", "impossible_date": "registration_date:not_a_date"},
    MEMBERS: {"unknown_role": "role:unknown_code", "impossible_date": "joined_date:not_a_date"},
}
"""Classes of harm whose value goes blank, with the fault that is counted."""

RULES_FIND: Mapping[str, Mapping[str, tuple[str, str]]] = {
    REGISTER: {
        "negative_members": ("ranges", "members"),
        "registered_after_quarter": ("logical_edits", "registration_date <= month"),
    },
    MEMBERS: {
        "share_out_of_range": ("ranges", "share"),
        "joined_after_quarter": ("logical_edits", "joined_date <= month"),
        "orphan_cooperative": ("foreign_keys", "legal_id→cooperatives/cooperatives"),
    },
}
"""Classes of harm that a rule counts, with the part of the rule."""


@pytest.fixture(scope="module")
def deputy() -> Ministry:
    """A hundred and fifty cooperatives."""
    return Ministry(persons=30_000, workplaces=300, seed=7)


def rows(house: House, layer: str, key: str, period: str) -> pl.DataFrame:
    dataset = house.configuration.dataset(key)
    return house.table(layer, dataset, dataset.contract(Period.parse(period))).scan(period).collect()


def truth_of(delivery: DeliveredFile) -> pl.DataFrame:
    assert delivery.truth is not None
    return delivery.truth.rows


def test_two_quarters_go_to_the_end_and_every_row_is_accounted_for(
    deputy: Ministry, secure: House, research: House, walk: Walk
) -> None:
    landing = secure.home.landing / "cooperatives"
    for quarter in ("1402-Q4", "1403-Q1"):
        for key in (REGISTER, MEMBERS):
            delivery = deputy.deliver(key, quarter, landing)
            outcomes = walk(key, quarter)
            assert outcomes.keys() == set(LAYERS), (key, quarter, outcomes)
            assert set(outcomes.values()) <= PASSED
            harm = truth_of(delivery).group_by("harm").len()
            left = harm.filter(pl.col("harm").is_in(list(LEAVES[key])))["len"].sum()
            assert rows(secure, "raw", key, quarter).height == delivery.rows
            assert rows(secure, "quarantine", key, quarter).height == left
            for layer in LAYERS[1:]:
                assert rows(secure, layer, key, quarter).height == delivery.rows - left
    published = {key: rows(research, "published", key, "1403-Q1") for key in (REGISTER, MEMBERS)}
    assert set(published[MEMBERS]["month"].to_list()) == {"1403-03"}
    assert not {"cooperative_name", "legal_id", "national_code"} & {*published[REGISTER].columns, *published[MEMBERS].columns}
    # members link to their cooperative by its pseudonym, but for those that were refused there or are orphans here
    known = published[REGISTER]["legal_id_pseudonym"]
    linked = published[MEMBERS]["legal_id_pseudonym"].is_in(known.implode()).mean()
    assert isinstance(linked, float)
    assert 0.9 < linked < 1


@pytest.mark.parametrize("key", [REGISTER, MEMBERS])
def test_every_harm_is_found_by_a_reason_a_fault_or_a_rule(key: str, deputy: Ministry, secure: House, walk: Walk) -> None:
    landing = secure.home.landing / "cooperatives"
    if key == MEMBERS:
        deputy.deliver(REGISTER, "1402-Q4", landing)
        assert set(walk(REGISTER, "1402-Q4", "raw", "standardized").values()) <= PASSED
    delivery = deputy.deliver(key, "1403-Q1", landing, defects=dict.fromkeys(deputy.defect_rates(key), 0.05))
    truth = truth_of(delivery)
    harmed = dict(truth.group_by("harm").len().iter_rows())
    assert harmed.keys() - {None} == LEAVES[key].keys() | BLANKS[key].keys() | RULES_FIND[key].keys()
    assert walk(key, "1403-Q1")["standardized"] == "refused"
    aside = rows(secure, "quarantine", key, "1403-Q1")
    reasons = truth.join(aside, left_on="record", right_on=ROW, how="left").select("harm", REASONS)
    for harm, reason in reasons.iter_rows():
        assert (reason in LEAVES[key][harm]) if harm in LEAVES[key] else reason is None, (harm, reason)
    dataset = secure.configuration.dataset(key)
    state = secure.table("standardized", dataset, dataset.newest).state("1403-Q1")
    assert state is not None
    tally = Tally.from_json(state.details["tally"])
    for harm, fault in BLANKS[key].items():
        assert tally.faults[fault] == harmed[harm], harm
    verdict = secure.ledger.latest_verdict("standardized", *key.split("/"), "1403-Q1")
    assert verdict is not None
    results = {result["rule"]: result for result in verdict.results}
    for harm, (rule, part) in RULES_FIND[key].items():
        counted = results[rule]["parts"].get(part, [0, 0])[1]
        # what was founded in the quarter, or refused in the register before, is an orphan too
        assert counted >= harmed[harm] if rule == "foreign_keys" else counted == harmed[harm], (harm, counted)


def test_a_cooperative_without_its_managing_director_is_found(deputy: Ministry, secure: House, walk: Walk) -> None:
    deputy.deliver(MEMBERS, "1403-Q1", secure.home.landing / "cooperatives", defects={"missing_national_code": 0.3})
    assert walk(MEMBERS, "1403-Q1")["standardized"] == "refused"
    verdict = secure.ledger.latest_verdict("standardized", *MEMBERS.split("/"), "1403-Q1")
    assert verdict is not None
    compositions = next(result for result in verdict.results if result["rule"] == "compositions")
    assert 0.1 < compositions["share"] < 0.5
