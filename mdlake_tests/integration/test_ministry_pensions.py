"""The pension funds and the unemployment benefits through all layers: the usual delivery passes, every defect is caught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from mdlake.layers import REASONS, ROW, Tally
from mdlake.principles import RULES
from mdlake.standard import Period
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile, Ministry

PENSIONERS, BENEFITS, CIVIL = "sso/pensioners", "sso/unemployment_benefits", "cspf/pensioners"
PLACES, BEFORE, MONTH = "sso/workplaces", "1403-01", "1403-02"
LAYERS = ("raw", "standardized", "pseudonymized", "published")
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]
Land = Callable[[DeliveredFile], None]
Steps = Callable[[DeliveredFile, str, str], None]


@dataclass(frozen=True)
class Caught:
    """How a class of defects is found: its rows leave for a reason, or a rule of a principle counts its parts."""

    reasons: frozenset[str] = frozenset()
    principle: str = ""
    rule: str = ""
    parts: tuple[str, ...] = ()


def leaves(*reasons: str) -> Caught:
    return Caught(reasons=frozenset(reasons))


def counted(principle: str, rule: str, *parts: str) -> Caught:
    return Caught(principle=principle, rule=rule, parts=parts)


CAUGHT: Mapping[str, Mapping[str, Caught]] = {
    PENSIONERS: {
        "wrong_check_digit": leaves("national_code:check_digit"),
        "missing_national_code": leaves("national_code:missing"),
        "unknown_pension_kind": leaves("pension_kind:unknown_code"),
        "non_numeric_pension": leaves("pension:not_a_number"),
        "exact_duplicate": leaves("row:duplicate"),
        "survivor_without_deceased": counted("quality", "required_when", "deceased_national_code when pension_kind is 3"),
        "start_after_month": counted("quality", "logical_edits", "start_date <= month"),
        "negative_pension": counted("quality", "ranges", "pension"),
        "impossible_date": counted("transformation", "values_readable", "birth_date", "start_date"),
        "unknown_province": counted("transformation", "codes_valid", "province"),
    },
    BENEFITS: {
        "wrong_check_digit": leaves("national_code:check_digit"),
        "missing_national_code": leaves("national_code:missing"),
        "malformed_workplace_code": leaves("last_workplace_code:not_digits", "last_workplace_code:wrong_length"),
        "non_numeric_allowance": leaves("allowance:not_a_number"),
        "exact_duplicate": leaves("row:duplicate"),
        "orphan_workplace": counted("system", "foreign_keys", "last_workplace_code→sso/workplaces"),
        "month_number_out_of_range": counted("quality", "ranges", "month_number"),
        "start_after_month": counted("quality", "logical_edits", "start_date <= month"),
        "impossible_date": counted("transformation", "values_readable", "start_date"),
    },
    CIVIL: {
        "wrong_check_digit": leaves("national_code:check_digit"),
        "missing_national_code": leaves("national_code:missing"),
        "non_numeric_pension": leaves("pension:not_a_number"),
        "exact_duplicate": leaves("row:duplicate"),
        "retired_after_month": counted("quality", "logical_edits", "retirement_date <= month"),
        "service_out_of_range": counted("quality", "ranges", "service_months"),
        "missing_service": counted("quality", "completeness", "service_months"),
        "impossible_date": counted("transformation", "values_readable", "birth_date", "retirement_date"),
        "unknown_agency": counted("transformation", "codes_valid", "last_agency"),
    },
}


@pytest.fixture(scope="module")
def ministry() -> Ministry:
    """Ten thousand persons: 1,800 pensioners, 200 beneficiaries, 550 civil servants' pensions."""
    return Ministry(persons=10_000, workplaces=300, seed=7)


def rows(house: House, layer: str, key: str) -> pl.DataFrame:
    """The rows of the month in a layer."""
    dataset = house.configuration.dataset(key)
    return house.table(layer, dataset, dataset.contract(Period.parse(MONTH))).scan(MONTH).collect()


def verdict(house: House, key: str) -> dict[object, Mapping[str, Any]]:
    """The results of the standardized month by rule."""
    organization, name = key.split("/")
    found = house.ledger.latest_verdict("standardized", organization, name, MONTH)
    assert found is not None
    return {result["rule"]: result for result in found.results}


@pytest.fixture
def arrived(land: Land, walk: Walk, secure: House, ministry: Ministry) -> Callable[..., DeliveredFile]:
    """Lets a delivery of the month arrive, and the register of workplaces of the month before."""

    def arrived(key: str, **order: Any) -> DeliveredFile:
        folder = secure.home.landing.parent / "written"
        if key == BENEFITS:
            land(ministry.deliver(PLACES, BEFORE, folder, defects=dict.fromkeys(ministry.defect_rates(PLACES), 0.0)))
            assert set(walk(PLACES, BEFORE, "raw", "standardized").values()) <= PASSED
        made = ministry.deliver(key, MONTH, folder, **order)
        land(made)
        return made

    return arrived


@pytest.mark.parametrize("key", CAUGHT)
def test_the_usual_delivery_passes_all_layers_and_every_row_is_accounted_for(
    key: str, arrived: Callable[..., DeliveredFile], walk: Walk, secure: House
) -> None:
    made = arrived(key)
    outcomes = walk(key, MONTH)
    assert list(outcomes) == list(LAYERS)
    assert set(outcomes.values()) <= PASSED
    assert made.truth is not None
    leaving = [name for name, caught in CAUGHT[key].items() if caught.reasons]
    gone = sum(made.truth.counts[name] for name in leaving)
    kept = made.truth.rows.filter(~pl.col("harm").is_in(leaving) | pl.col("harm").is_null())
    for layer in LAYERS[1:]:
        assert rows(secure, layer, key).height == kept.height == made.rows - gone
    read = rows(secure, "standardized", key).join(kept, left_on=ROW, right_on="record", suffix="_true")
    assert read.height == kept.height
    assert read["national_code"].equals(read["national_code_true"].alias("national_code"))
    shown = rows(secure, "published", key)
    assert shown["national_code_pseudonym"].null_count() == 0
    assert shown["national_code_pseudonym"].n_unique() == kept["national_code"].n_unique()
    assert not {"first_name", "last_name", "reason", "national_code", "deceased_national_code"} & set(shown.columns)


@pytest.mark.parametrize("key", CAUGHT)
def test_every_class_of_defects_is_caught(
    key: str, arrived: Callable[..., DeliveredFile], walk: Walk, secure: House, ministry: Ministry
) -> None:
    usual = ministry.defect_rates(key)
    assert set(usual) == set(CAUGHT[key]), "a class of defects that nothing catches"
    # enough of each for its rule to fail: of foreign keys a tenth may be unknown
    made = arrived(key, defects={name: 0.2 if name == "orphan_workplace" else 0.05 for name in usual})
    assert walk(key, MONTH, "raw", "standardized") == {"raw": "passed", "standardized": "refused"}
    assert made.truth is not None
    aside = rows(secure, "quarantine", key)
    harms = made.truth.rows.join(aside, left_on="record", right_on=ROW, how="left").select("harm", REASONS)
    results = verdict(secure, key)
    for name, caught in CAUGHT[key].items():
        harmed = made.truth.counts[name]
        assert harmed > 0
        reasons = set(harms.filter(harm=name)[REASONS])
        if caught.reasons:
            assert reasons <= caught.reasons, name
        else:
            assert reasons == {None}, name
            assert RULES[caught.rule].principle == caught.principle
            found = results[caught.rule]
            assert not found["passed"], name
            assert sum(found["parts"].get(part, [0, 0])[1] for part in caught.parts) == harmed, name
    assert harms.filter(pl.col("harm").is_null())[REASONS].null_count() == harms["harm"].null_count()
    dataset = secure.configuration.dataset(key)
    state = secure.table("standardized", dataset, dataset.contract(Period.parse(MONTH))).state(MONTH)
    assert state is not None
    tally = Tally.from_json(state.details["tally"])
    assert tally.rows_in == made.rows == tally.rows_out + tally.quarantined + tally.duplicates
    assert tally.duplicates == made.truth.counts["exact_duplicate"]


def test_a_survivor_links_to_the_deceased_by_the_pseudonym_that_the_deceased_had(
    land: Land, walk: Walk, secure: House, ministry: Ministry
) -> None:
    none = dict.fromkeys(ministry.defect_rates(PENSIONERS), 0.0)
    folder = secure.home.landing.parent / "written"
    for month in ("1399-12", MONTH):
        land(ministry.deliver(PENSIONERS, month, folder, defects=none))
        assert set(walk(PENSIONERS, month).values()) <= PASSED
    dataset = secure.configuration.dataset(PENSIONERS)
    table = secure.table("published", dataset, dataset.contract(Period.parse(MONTH)))
    survivors = table.scan(MONTH).collect().filter(pension_kind="3")
    earlier = table.scan("1399-12").collect()
    deceased = Counter(survivors["deceased_national_code_pseudonym"])
    assert len(deceased) == survivors.height > 10
    known = set(earlier["national_code_pseudonym"])
    # who died before the earlier month, or began to draw after it, is not in it
    assert len(set(deceased) & known) > 0.7 * survivors.height
    assert not set(deceased) & set(table.scan(MONTH).collect()["national_code_pseudonym"])
