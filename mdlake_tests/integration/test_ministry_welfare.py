"""Welfare, supported households and the fund of farmers through all four layers: verdicts, rows accounted for, every class of
harm found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest

from mdlake.layers import REASONS, ROW, Tally
from mdlake.standard import Period
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile, Ministry

CLIENTS, SUPPORT, FARMERS = "behzisti/welfare_clients", "social_welfare/household_support", "farmers_fund/insured_members"
KEYS = (SUPPORT, CLIENTS, FARMERS)
BEFORE, MONTH = "1403-01", "1403-02"
LAYERS = ("raw", "standardized", "pseudonymized", "published")
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]

LEAVES: Mapping[str, Mapping[str, set[str]]] = {
    CLIENTS: {
        "wrong_check_digit": {"national_code:check_digit"},
        "missing_national_code": {"national_code:missing"},
        "unknown_support_kind": {"support_kind:unknown_code"},
        "non_numeric_allowance": {"allowance:not_a_number"},
        "unknown_province": {"province:unknown_code"},
        "exact_duplicate": {"row:duplicate"},
    },
    SUPPORT: {
        "wrong_check_digit": {"national_code:check_digit"},
        "missing_national_code": {"national_code:missing"},
        "malformed_household_id": {"household_id:not_digits", "household_id:wrong_length"},
        "non_numeric_amount": {"support_amount:not_a_number"},
        "exact_duplicate": {"row:duplicate"},
    },
    FARMERS: {
        "wrong_check_digit": {"national_code:check_digit"},
        "missing_national_code": {"national_code:missing"},
        "non_numeric_paid_months": {"paid_months:not_a_number"},
        "exact_duplicate": {"row:duplicate"},
    },
}
"""Classes of harm whose rows leave for quarantine, with the reasons that may stand there."""

BLANKS: Mapping[str, Mapping[str, set[str]]] = {
    CLIENTS: {
        "wrong_head_code": {"head_national_code:check_digit"},
        "impossible_date": {"birth_date:not_a_date"},
        "unknown_disability_kind": {"disability_kind:unknown_code"},
    },
    SUPPORT: {"impossible_date": {"birth_date:not_a_date"}, "unknown_relation": {"relation:unknown_code"}},
    FARMERS: {
        "impossible_date": {"birth_date:not_a_date", "first_membership:not_a_date"},
        "unknown_member_kind": {"member_kind:unknown_code"},
        "malformed_village_code": {"village_code:wrong_form"},
    },
}
"""Classes of harm whose value goes blank, with the faults that are counted."""

RULES_FIND: Mapping[str, Mapping[str, tuple[str, str]]] = {
    CLIENTS: {
        "missing_severity": ("completeness", "disability_severity"),
        "negative_allowance": ("ranges", "allowance"),
        "head_of_no_household": ("foreign_keys", "head_national_code→social_welfare/household_support"),
    },
    SUPPORT: {
        "decile_out_of_range": ("ranges", "income_decile"),
        "head_not_one": ("compositions", "one relation 1 in household_id"),
    },
    FARMERS: {
        "bracket_out_of_range": ("ranges", "premium_bracket"),
        "negative_paid_months": ("ranges", "paid_months"),
        "member_before_birth": ("logical_edits", "birth_date < first_membership"),
    },
}
"""Classes of harm that a rule counts, with the part of the rule."""

AT_LEAST = {"head_of_no_household", "head_not_one"}
"""Harm that is not the only reason to be counted: heads may have been refused, in the register or in the household."""


@pytest.fixture(scope="module")
def producers() -> Ministry:
    """Three thousand workers and their households."""
    return Ministry(persons=3000, workplaces=100, seed=7)


def landing_of(house: House, key: str) -> Any:
    return house.home.landing / key.partition("/")[0]


def rows(house: House, layer: str, key: str, month: str = MONTH) -> pl.DataFrame:
    dataset = house.configuration.dataset(key)
    return house.table(layer, dataset, dataset.contract(Period.parse(month))).scan(month).collect()


def truth_of(delivery: DeliveredFile) -> pl.DataFrame:
    assert delivery.truth is not None
    return delivery.truth.rows


def rules_of(house: House, key: str) -> dict[str, Any]:
    organization, _, name = key.partition("/")
    verdict = house.ledger.latest_verdict("standardized", organization, name, MONTH)
    assert verdict is not None
    return {str(result["rule"]): result for result in verdict.results}


@pytest.mark.parametrize("key", KEYS)
def test_two_months_go_to_the_end_and_every_row_is_accounted_for(
    key: str, producers: Ministry, secure: House, research: House, walk: Walk
) -> None:
    for month in (BEFORE, MONTH):
        rates = dict.fromkeys(producers.defect_rates(key), 0.0015)
        delivery = producers.deliver(key, month, landing_of(secure, key), defects=rates)
        outcomes = walk(key, month)
        assert outcomes.keys() == set(LAYERS), (month, outcomes)
        assert set(outcomes.values()) <= PASSED
        left = truth_of(delivery)["harm"].is_in(list(LEAVES[key])).sum()
        assert rows(secure, "raw", key, month).height == delivery.rows
        assert rows(secure, "quarantine", key, month).height == left
        for layer in LAYERS[1:]:
            assert rows(secure, layer, key, month).height == delivery.rows - left
    published = rows(research, "published", key).columns
    gone = {
        "national_code",
        "head_national_code",
        "household_id",
        "first_name",
        "birth_date",
        "county",
        "village_code",
        "case_note",
    }
    assert not gone & set(published)
    assert {"national_code_pseudonym", "birth_date_month", "province"} <= set(published)
    assert "case_note" not in rows(research, "pseudonymized", key).columns


@pytest.mark.parametrize("key", KEYS)
def test_every_harm_is_found_by_a_reason_a_fault_or_a_rule(key: str, producers: Ministry, secure: House, walk: Walk) -> None:
    if key == CLIENTS:
        producers.deliver(SUPPORT, BEFORE, landing_of(secure, SUPPORT))
        assert set(walk(SUPPORT, BEFORE, "raw", "standardized").values()) <= PASSED
    rates = dict.fromkeys(producers.defect_rates(key), 0.05)
    delivery = producers.deliver(key, MONTH, landing_of(secure, key), defects=rates)
    truth = truth_of(delivery)
    harmed = dict(truth.group_by("harm").len().iter_rows())
    assert harmed.keys() - {None} == rates.keys() == LEAVES[key].keys() | BLANKS[key].keys() | RULES_FIND[key].keys()
    assert walk(key, MONTH)["standardized"] == "refused"
    aside = rows(secure, "quarantine", key)
    reasons = truth.join(aside, left_on="record", right_on=ROW, how="left").select("harm", REASONS)
    for harm, reason in reasons.iter_rows():
        assert (reason in LEAVES[key][harm]) if harm in LEAVES[key] else reason is None, (harm, reason)
    dataset = secure.configuration.dataset(key)
    state = secure.table("standardized", dataset, dataset.newest).state(MONTH)
    assert state is not None
    tally = Tally.from_json(state.details["tally"])
    for harm, faults in BLANKS[key].items():
        assert sum(tally.faults[fault] for fault in faults) == harmed[harm], harm
    results = rules_of(secure, key)
    for harm, (rule, part) in RULES_FIND[key].items():
        counted = results[rule]["parts"].get(part, [0, 0])[1]
        assert counted >= harmed[harm] if harm in AT_LEAST else counted == harmed[harm], (harm, counted)


def test_a_disability_without_severity_is_found_and_no_disability_needs_none(
    producers: Ministry, secure: House, walk: Walk
) -> None:
    rates = dict.fromkeys(producers.defect_rates(CLIENTS), 0.0) | {"missing_severity": 0.3}
    producers.deliver(CLIENTS, MONTH, landing_of(secure, CLIENTS), defects=rates)
    assert walk(CLIENTS, MONTH)["standardized"] == "refused"
    severity = pl.col("disability_severity")
    without = rows(secure, "standardized", CLIENTS).filter(severity.is_null())["disability_kind"].value_counts()
    counts = dict(without.iter_rows())
    results = rules_of(secure, CLIENTS)
    (part,) = results["required_when"]["parts"].values()
    assert part[1] == sum(counts.values()) - counts.pop("0") == sum(counts.values()) > 0


def test_a_household_without_exactly_one_head_is_found(producers: Ministry, secure: House, walk: Walk) -> None:
    rates = dict.fromkeys(producers.defect_rates(SUPPORT), 0.0)
    delivery = producers.deliver(SUPPORT, MONTH, landing_of(secure, SUPPORT), defects=rates | {"head_not_one": 0.03})
    assert walk(SUPPORT, MONTH)["standardized"] == "refused"
    harmed = truth_of(delivery).filter(pl.col("harm").is_not_null())
    kept = rows(secure, "standardized", SUPPORT)
    at = kept.filter(pl.col(ROW).is_in(harmed["record"].implode()))
    times = Counter(at["household_id"])
    (part,) = rules_of(secure, SUPPORT)["compositions"]["parts"].values()
    assert part[0] == kept["household_id"].n_unique()
    # of two harms in one household the second can undo the first
    assert sum(1 for count in times.values() if count == 1) <= part[1] <= len(times)
