"""Punctuality: the check `delivery_on_time` warns of what is late or never came, the rule `punctual` of what came late."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from conftest import Clock, Land, Walk

from mdlake.config import Configuration
from mdlake.ledger import Delivery
from mdlake.pipeline import build_definitions
from mdlake.pipeline.naming import job_name
from mdlake.standard import Period, day_of_solar_hijri, midnight_in_iran
from mdlake.steps import House, due_partitions
from mdlake.steps.delivery_calendar import days_late
from mdlake.synthetic import DeliveredFile, Ministry

PLACES, DISPUTES = "sso/workplaces", "provincial/labour_disputes"
MONTH = "1403-01"
"""Due on 1403-02-10 and, of the disputes, on 1403-02-16; grace ends on 1403-02-16 and 1403-02-22."""


def noon(day: str) -> datetime:
    return midnight_in_iran(day_of_solar_hijri(day)) + timedelta(hours=12)


def _silent(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("mdlake_tests.delivery_check")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return logger


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def definitions(secure: House) -> dg.Definitions:
    return build_definitions(secure, {"silent": dg.LoggerDefinition(_silent)})


Evaluate = Callable[..., Mapping[str, dg.AssetCheckEvaluation]]


@pytest.fixture
def evaluate(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Evaluate:
    """Runs the daily job as of a day, or as of now, and returns what it says of each dataset."""

    def evaluate(day: str | None = None) -> Mapping[str, dg.AssetCheckEvaluation]:
        config: dict[str, Any] = {"loggers": {"silent": {}}}
        if day:
            config["ops"] = {"delivery_on_time": {"config": {"as_of": day}}}
        result = definitions.resolve_job_def("delivery_calendar").execute_in_process(instance=instance, run_config=config)
        assert result.success
        return {"/".join(found.asset_key.path[1:]): found for found in result.get_asset_check_evaluations()}

    return evaluate


@pytest.fixture
def come(secure: House) -> Callable[..., None]:
    """Writes into the ledger that a delivery came on a day and was accepted."""

    def come(dataset: str, day: str, period: str = MONTH, unit: str = "") -> None:
        organization, name = dataset.split("/")
        mark = f"{dataset} {day} {period} {unit}".encode().hex().ljust(64, "0")[:64]
        delivery = Delivery(organization, name, period, 1, "x", mark, 1, 1, "1.0", noon(day), "accepted", reporting_unit=unit)
        secure.ledger.record_delivery(delivery)

    return come


def test_what_never_came_is_told_with_who_and_what_is_next(evaluate: Evaluate, secure: House) -> None:
    found = evaluate("1403-02-20")
    assert set(found) == set(secure.configuration.datasets)
    places = found[PLACES]
    assert (places.passed, places.severity, places.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    said = str(places.description)
    organization = secure.configuration.organizations["sso"]
    for word in ("1403-01: overdue, 10 days after the due day", organization.label.en, organization.contact, "mdlake status"):
        assert word in said
    assert places.metadata["overdue"].value == 1
    assert found[DISPUTES].passed, "its days of grace are not over"


def test_the_verdict_turns_with_the_delivery_and_with_the_day(evaluate: Evaluate, come: Callable[..., None]) -> None:
    assert evaluate("1403-02-16")[PLACES].passed, "awaited within the grace"
    come(PLACES, "1403-02-18")
    assert not evaluate("1403-02-17")[PLACES].passed, "it had not come yet"
    late = evaluate("1403-02-19")[PLACES]
    assert not late.passed
    assert "1403-01: late, 8 days after the due day" in str(late.description)
    come(PLACES, "1403-03-03", "1403-02")
    assert evaluate("1403-03-20")[PLACES].passed, "what was late is past, once the next came in time"


def test_a_delivery_in_time_passes_for_good(evaluate: Evaluate, come: Callable[..., None]) -> None:
    come(PLACES, "1403-02-03")
    come(PLACES, "1403-03-03", "1403-02")
    assert evaluate("1403-03-20")[PLACES].passed
    said = str(evaluate("1403-05-20")[PLACES].description)
    assert "2 periods from 1403-03 to 1403-04: overdue, 41 days" in said, "two more months are overdue then"


def test_the_units_that_are_late_are_named(evaluate: Evaluate, come: Callable[..., None], secure: House) -> None:
    units = secure.configuration.dataset(DISPUTES).newest.units(Period.parse(MONTH))
    for unit in units:
        if unit not in ("05", "11", "23"):
            come(DISPUTES, "1403-02-05", unit=unit)
    come(DISPUTES, "1403-02-24", unit="23")
    found = evaluate("1403-02-25")[DISPUTES]
    assert not found.passed
    assert "1403-01, unit 23: late, 8 days" in str(found.description)
    assert "1403-01, units 05, 11: overdue, 9 days" in str(found.description)
    table = found.metadata["behind"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["deliveries"] for record in table.records] == [1, 2]
    assert {name: found.metadata[name].value for name in ("on time", "late", "overdue")} == {
        "on time": 28,
        "late": 1,
        "overdue": 2,
    }


def test_without_a_day_it_is_the_clock_of_the_house_that_says_when(evaluate: Evaluate) -> None:
    """The tests' clock stands at 1403-03-12: one month is overdue everywhere but where the deadline is later."""
    found = evaluate()
    assert not found[PLACES].passed
    assert found[PLACES].metadata["as_of"].value == "1403-03-12"
    assert found["cooperatives/cooperatives"].passed


def test_the_morning_schedule_asks_for_the_job(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    schedule = definitions.get_repository_def().get_schedule_def("check_deliveries")
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance, scheduled_execution_time=noon("1403-02-20")))
    assert len(tick.run_requests or []) == 1
    assert schedule.job_name == "delivery_calendar"


def test_a_run_of_a_month_leaves_it_to_the_morning(definitions: dg.Definitions, configuration: Configuration) -> None:
    """Every month that is made from an old delivery would show it as failed otherwise."""
    for dataset in configuration.datasets.values():
        nodes = {node.name for node in definitions.resolve_job_def(job_name("secure", dataset)).nodes}
        assert not any(name.startswith("delivery_on_time") for name in nodes)
        assert any(name.startswith("principles__raw") for name in nodes)


# ── the rule `punctual` ──────────────────────────────────────────────────────────────────────────────────────────────


def punctuality(house: House) -> tuple[Any, Any, Any]:
    """What the last verdict on the raw month says of it: passed, checked and failed, and the parts."""
    verdict = house.ledger.latest_verdict("raw", "sso", "workplaces", MONTH)
    assert verdict is not None
    [result] = [one for one in verdict.results if one["rule"] == "punctual"]
    return result["passed"], (result["checked"], result["failed"]), result["parts"]


def test_a_month_that_came_late_passes_with_a_warning_and_one_in_time_without(
    secure: House, clock: Clock, walk: Walk, land: Land, ministry: Ministry, tmp_path: Path
) -> None:
    """What is corrected later is not late: the first that was accepted counts."""
    clock.moment = noon("1403-02-08")
    land(ministry.deliver(PLACES, MONTH, tmp_path))
    clock.moment = noon("1403-03-12")
    assert walk(PLACES, MONTH, "raw") == {"raw": "passed"}
    assert punctuality(secure) == (True, (1, 0), {})
    land(ministry.deliver(PLACES, MONTH, tmp_path, sequence=2, defects={"malformed_workplace_code": 0.1}))
    assert walk(PLACES, MONTH, "raw") == {"raw": "passed"}
    assert punctuality(secure) == (True, (1, 0), {})


def test_days_late_are_told_and_the_verdict_is_the_same_again(
    secure: House, walk: Walk, land: Land, deliveries: Mapping[tuple[str, str], DeliveredFile], clock: Clock
) -> None:
    land(deliveries[PLACES, MONTH])
    assert walk(PLACES, MONTH, "raw") == {"raw": "passed_with_warnings"}
    assert punctuality(secure) == (False, (1, 1), {"up to 33 days": [1, 1]})
    clock.moment += timedelta(days=100)
    assert walk(PLACES, MONTH, "raw") == {"raw": "passed_with_warnings"}
    assert len(secure.ledger.verdict_history("raw", "sso", "workplaces", MONTH)) == 1
    assert due_partitions(secure, "raw") == (), "the deliveries of the verdict are still the current ones"


def test_where_nothing_is_owed_by_a_day_nobody_is_late(secure: House, come: Callable[..., None]) -> None:
    dataset = secure.configuration.dataset(PLACES)
    for period in ("1402-12", MONTH):
        come(PLACES, "1403-03-01", period)
    assert days_late(secure, dataset, Period.parse("1402-12")) == {}
    assert days_late(secure, dataset, Period.parse(MONTH)) == {"": 22}
