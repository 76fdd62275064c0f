"""The check `delivery_on_time`: it warns of what is late and of what never came, by day, and blocks nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from mdlake.ledger import Delivery
from mdlake.pipeline import build_definitions
from mdlake.pipeline.naming import asset_key
from mdlake.standard import Period, day_of_solar_hijri, midnight_in_iran
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile

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


def test_a_run_of_a_month_evaluates_it_and_is_not_stopped_by_it(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    secure: House,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
    land: Callable[[DeliveredFile], object],
) -> None:
    """The delivery came on 1403-03-12, a month late."""
    land(deliveries[PLACES, MONTH])
    result = definitions.resolve_job_def("secure__sso__workplaces").execute_in_process(
        instance=instance, partition_key=MONTH, run_config={"loggers": {"silent": {}}}
    )
    assert result.success
    [found] = [one for one in result.get_asset_check_evaluations() if one.check_name == "delivery_on_time"]
    assert not found.passed
    made = result.get_asset_materialization_events()
    dataset = secure.configuration.dataset(PLACES)
    assert asset_key("pseudonymized", dataset) in {event.asset_key for event in made}
