"""Trainees and skill certificates through all layers: foreigners beside holders of a national code, and who is in both lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from conftest import Clock, desk

from mdlake.layers import REASONS, ROW
from mdlake.standard import Period
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile, Ministry

TRAINEES, CERTIFICATES = "tvto/trainees", "tvto/skill_certificates"
MONTH, BEFORE = "1403-04", ("1403-01", "1403-02", "1403-03")
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def organization() -> Ministry:
    """Twenty thousand workers: some three hundred trainees a month."""
    return Ministry(persons=20_000, workplaces=300, seed=7)


@pytest.fixture(autouse=True)
def later(clock: Clock) -> None:
    """The months of this module have begun."""
    clock.moment += timedelta(days=90)


def rows(house: House, layer: str, key: str, month: str = MONTH) -> pl.DataFrame:
    dataset = house.configuration.dataset(key)
    return house.table(layer, dataset, dataset.contract(Period.parse(month))).scan(month).collect()


def result(house: House, key: str, rule: str) -> Mapping[str, Any]:
    """The answer of a rule on the standardized month."""
    organization, _, dataset = key.partition("/")
    verdict = house.ledger.latest_verdict("standardized", organization, dataset, MONTH)
    assert verdict is not None
    return next(result for result in verdict.results if result["rule"] == rule)


def truth_of(file: DeliveredFile) -> pl.DataFrame:
    assert file.truth is not None
    return file.truth.rows


def test_each_trainee_has_a_pseudonym_of_one_kind_and_foreigners_keep_theirs_apart(
    organization: Ministry, secure: House, research: House, walk: Walk
) -> None:
    none = dict.fromkeys(organization.defect_rates(TRAINEES), 0.0)
    delivery = organization.deliver(TRAINEES, MONTH, desk(secure), defects=none)
    outcomes = walk(TRAINEES, MONTH)
    assert set(outcomes.values()) <= PASSED
    published = rows(research, "published", TRAINEES)
    assert published.height == delivery.rows
    national, foreign = published["national_code_pseudonym"], published["foreigner_code_pseudonym"]
    assert (national.is_null() == foreign.is_not_null()).all()
    assert foreign.count() == truth_of(delivery)["national_code"].null_count() > 0
    assert national.drop_nulls().str.starts_with("nat").all()
    assert foreign.drop_nulls().str.starts_with("for").all()
    assert result(secure, TRAINEES, "exactly_one_filled")["share"] == 0
    assert not {"first_name", "last_name", "mobile", "note", "centre_code"} & set(published.columns)
    assert set(published["end_date_month"]) == {MONTH}
    assert published["start_date_month"].max() <= MONTH  # type: ignore[operator]


def test_both_codes_and_no_code_are_one_contradiction_and_stop_the_month_where_there_are_many(
    organization: Ministry, secure: House, walk: Walk
) -> None:
    none = dict.fromkeys(organization.defect_rates(TRAINEES), 0.0)
    delivery = organization.deliver(TRAINEES, MONTH, desk(secure), defects=none | {"both_codes": 0.1, "no_code": 0.1})
    assert walk(TRAINEES, MONTH)["standardized"] == "refused"
    assert delivery.truth is not None
    counts = delivery.truth.counts
    (part,) = result(secure, TRAINEES, "exactly_one_filled")["parts"].values()
    assert part == [delivery.rows, counts["both_codes"] + counts["no_code"]]
    assert min(counts["both_codes"], counts["no_code"]) > 0
    kept = rows(secure, "standardized", TRAINEES)
    assert kept.height == delivery.rows
    harmed = truth_of(delivery).join(kept, left_on="record", right_on=ROW)
    filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in ("national_code_right", "foreigner_code"))
    found = harmed.group_by("harm").agg(filled.unique().alias("filled"))
    assert dict(found.iter_rows()) == {None: [1], "both_codes": [2], "no_code": [0]}


def test_a_row_with_a_code_that_cannot_be_read_leaves_and_one_without_a_code_does_not(
    organization: Ministry, secure: House, walk: Walk
) -> None:
    none = dict.fromkeys(organization.defect_rates(TRAINEES), 0.0)
    wanted = {"wrong_check_digit": 0.01, "malformed_foreigner_code": 0.01, "no_code": 0.01}
    delivery = organization.deliver(TRAINEES, MONTH, desk(secure), defects=none | wanted)
    assert set(walk(TRAINEES, MONTH).values()) <= PASSED
    aside = truth_of(delivery).join(rows(secure, "quarantine", TRAINEES), left_on="record", right_on=ROW)
    assert set(aside["harm"]) <= {"wrong_check_digit", "malformed_foreigner_code"}
    assert {reason.partition(":")[0] for reason in aside[REASONS]} == {"national_code", "foreigner_code"}
    assert delivery.truth is not None
    assert aside.height == sum(delivery.truth.counts.values()) - delivery.truth.counts["no_code"]


def test_who_has_a_certificate_is_among_those_who_passed_a_course_in_the_three_months_before(
    organization: Ministry, secure: House, research: House, walk: Walk
) -> None:
    for key, months in ((TRAINEES, BEFORE), (CERTIFICATES, (MONTH,))):
        none = dict.fromkeys(organization.defect_rates(key), 0.0)
        for month in months:
            organization.deliver(key, month, desk(secure), defects=none)
            assert set(walk(key, month).values()) <= PASSED
    courses = pl.concat(rows(research, "published", TRAINEES, month) for month in BEFORE)
    passed = courses.filter(result="1").select("national_code_pseudonym", occupation=pl.col("course_code").str.head(2))
    holders = rows(research, "published", CERTIFICATES)
    assert holders.height > 100
    assert holders.join(passed.drop_nulls(), on=passed.columns, how="semi").height == holders.height
    assert set(holders["issue_date_month"]) == {MONTH}
    assert {"certificate_number", "first_name", "last_name"}.isdisjoint(holders.columns)
