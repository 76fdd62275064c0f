"""What is special to a producer: who links to whom inside its datasets, and contradictions that only its tables can have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from conftest import CONFIG, desk

from mdlake.cli import cli
from mdlake.layers import ROW
from mdlake.standard import Period
from mdlake.steps import House
from mdlake.synthetic import Ministry

PENSIONERS, CLIENTS, SUPPORT = "sso/pensioners", "behzisti/welfare_clients", "social_welfare/household_support"
COOPERATIVES, MEMBERS = "cooperatives/cooperatives", "cooperatives/cooperative_members"
MONTH, QUARTER = "1403-02", "1403-Q1"
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def producers() -> Ministry:
    """Ten thousand workers, their households and their cooperatives."""
    return Ministry(persons=10_000, workplaces=300, seed=7)


def rows(house: House, layer: str, key: str, period: str = MONTH) -> pl.DataFrame:
    dataset = house.configuration.dataset(key)
    return house.table(layer, dataset, dataset.contract(Period.parse(period))).scan(period).collect()


def result(house: House, key: str, rule: str, period: str = MONTH) -> Mapping[str, Any]:
    """The answer of a rule on the standardized period."""
    verdict = house.ledger.latest_verdict("standardized", *key.split("/"), period)
    assert verdict is not None
    return next(result for result in verdict.results if result["rule"] == rule)


def test_a_survivor_links_to_the_deceased_by_the_pseudonym_that_the_deceased_had(
    producers: Ministry, secure: House, walk: Walk
) -> None:
    none = dict.fromkeys(producers.defect_rates(PENSIONERS), 0.0)
    for month in ("1399-12", MONTH):
        producers.deliver(PENSIONERS, month, desk(secure), defects=none)
        assert set(walk(PENSIONERS, month).values()) <= PASSED
    now, earlier = rows(secure, "published", PENSIONERS), rows(secure, "published", PENSIONERS, "1399-12")
    survivors = now.filter(pension_kind="3")
    deceased = Counter(survivors["deceased_national_code_pseudonym"])
    assert len(deceased) == survivors.height > 10
    # who died before the earlier month, or began to draw after it, is not in it
    assert len(set(deceased) & set(earlier["national_code_pseudonym"])) > 0.7 * survivors.height
    assert not set(deceased) & set(now["national_code_pseudonym"])


def test_members_link_to_their_cooperative_but_for_those_that_the_register_refused(
    producers: Ministry, secure: House, research: House, walk: Walk
) -> None:
    for key in (COOPERATIVES, MEMBERS):
        producers.deliver(key, QUARTER, desk(secure))
        assert set(walk(key, QUARTER).values()) <= PASSED
    known, members = (rows(research, "published", key, QUARTER) for key in (COOPERATIVES, MEMBERS))
    linked = members["legal_id_pseudonym"].is_in(known["legal_id_pseudonym"].implode()).mean()
    assert isinstance(linked, float)
    assert 0.9 < linked < 1
    assert set(members["month"]) == {"1403-03"}


def test_a_cooperative_without_its_managing_director_is_found(producers: Ministry, secure: House, walk: Walk) -> None:
    producers.deliver(MEMBERS, QUARTER, desk(secure), defects={"missing_national_code": 0.3})
    assert walk(MEMBERS, QUARTER)["standardized"] == "refused"
    assert 0.1 < result(secure, MEMBERS, "compositions", QUARTER)["share"] < 0.5


def test_a_disability_without_severity_is_found_and_no_disability_needs_none(
    producers: Ministry, secure: House, walk: Walk
) -> None:
    rates = dict.fromkeys(producers.defect_rates(CLIENTS), 0.0) | {"missing_severity": 0.3}
    producers.deliver(CLIENTS, MONTH, desk(secure), defects=rates)
    assert walk(CLIENTS, MONTH)["standardized"] == "refused"
    without = rows(secure, "standardized", CLIENTS).filter(pl.col("disability_severity").is_null())
    counts = dict(without["disability_kind"].value_counts().iter_rows())
    (part,) = result(secure, CLIENTS, "required_when")["parts"].values()
    assert part[1] == sum(counts.values()) - counts.pop("0") == sum(counts.values()) > 0


def test_a_household_without_exactly_one_head_is_found(producers: Ministry, secure: House, walk: Walk) -> None:
    rates = dict.fromkeys(producers.defect_rates(SUPPORT), 0.0)
    delivery = producers.deliver(SUPPORT, MONTH, desk(secure), defects=rates | {"head_not_one": 0.03})
    assert walk(SUPPORT, MONTH)["standardized"] == "refused"
    assert delivery.truth is not None
    harmed = delivery.truth.rows.filter(pl.col("harm").is_not_null())
    kept = rows(secure, "standardized", SUPPORT)
    times = Counter(kept.filter(pl.col(ROW).is_in(harmed["record"].implode()))["household_id"])
    (part,) = result(secure, SUPPORT, "compositions")["parts"].values()
    assert part[0] == kept["household_id"].n_unique()
    # of two harms in one household the second can undo the first
    assert sum(1 for count in times.values() if count == 1) <= part[1] <= len(times)


def test_the_command_delivers_a_quarter_with_its_last_month_and_all_parts_of_a_month(tmp_path: Path) -> None:
    environment = {"MDLAKE_HOME": str(tmp_path), "MDLAKE_CONFIG": str(CONFIG), "COLUMNS": "200"}
    runner = CliRunner()
    assert runner.invoke(cli, ["init"], env=environment).exit_code == 0
    size = ["--persons", "1000", "--workplaces", "100"]
    for periods, quarters, files in ((["1403-02"], 0, 31), (["1403-03"], 1, 62), (["1403-Q2"], 2, 62)):
        answer = runner.invoke(cli, ["synthesize", *size, *periods], env=environment)
        assert answer.exit_code == 0, answer.output
        assert len(list((tmp_path / "landing" / "provincial").glob("*.tar.age"))) == files
        assert len(list((tmp_path / "landing" / "cooperatives").glob("cooperatives-cooperatives-*.tar.age"))) == quarters
