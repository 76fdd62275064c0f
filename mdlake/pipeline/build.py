"""The one place where definitions are put together, for either code location, with overrides for tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.config import Dataset, Home
from mdlake.errors import MdlakeError
from mdlake.pipeline.alerts import alert_sensor
from mdlake.pipeline.assets import ROOM_LAYERS, layer_asset
from mdlake.pipeline.checks import layer_checks
from mdlake.pipeline.delivery_calendar import delivery_check, delivery_check_job, delivery_check_key, delivery_check_schedule
from mdlake.pipeline.handover import handover_sensor
from mdlake.pipeline.intake import intake_job, intake_sensor
from mdlake.pipeline.landing import landing_sensor
from mdlake.pipeline.month_close import month_close_asset, month_close_job, month_close_sensor
from mdlake.pipeline.naming import asset_key, job_name
from mdlake.pipeline.warehouse import ResearchWarehouse
from mdlake.steps import House, Room, open_house, unexcepted_periods

__all__ = ["build_definitions", "located_definitions"]

_LOG = logging.getLogger("mdlake")


def located_definitions(room: Room) -> dg.Definitions:
    """The definitions of a room over the installation that the environment names, as a code location loads them."""
    house = open_house(Home.from_environment(os.environ), room, lambda: datetime.now(UTC))
    if house.home.control.is_dir():
        try:
            warnings = tuple(map(str, unexcepted_periods(house)))
        except MdlakeError as error:
            # whoever loads the definitions may yet have to mend what this says
            warnings = (str(error),)
        for warning in warnings:
            _LOG.warning("%s", warning)
    return build_definitions(house)


def build_definitions(house: House, loggers: Mapping[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """All definitions of a room.

    Args:
        house: the installation seen from the room; a test gives one of its own.
        loggers: instead of Dagster's own console logger; events are kept in the instance all the same.
    """
    configuration, room = house.configuration, house.room
    datasets = tuple(configuration.datasets.values())
    jobs = [
        dg.define_asset_job(
            job_name(room, dataset),
            selection=_layers(dataset, room),
            description=f"{dataset.file.label.en}: {', '.join(ROOM_LAYERS[room])} of one period · {dataset.file.label.fa}",
            tags={"organization": dataset.organization, "room": room},
        )
        for dataset in datasets
    ]
    assets = [layer_asset(configuration, dataset, layer, room) for dataset in datasets for layer in ROOM_LAYERS[room]]
    checks = [layer_checks(configuration, dataset, layer) for dataset in datasets for layer in ROOM_LAYERS[room]]
    services: list[dg.JobDefinition | UnresolvedAssetJobDefinition]
    schedules: list[dg.ScheduleDefinition] = []
    if room == "secure":
        daily = delivery_check_job(configuration)
        sensors, services = [intake_sensor(), landing_sensor(jobs), alert_sensor()], [intake_job(), daily]
        checks, schedules = [*checks, delivery_check(configuration)], [delivery_check_schedule(daily)]
    else:
        close = month_close_job()
        sensors, services = [handover_sensor(configuration, jobs), month_close_sensor(close)], [close]
        assets = [*assets, month_close_asset(configuration)]
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[*jobs, *services],
        sensors=sensors,
        schedules=schedules,
        resources={"house": house, **({"warehouse": ResearchWarehouse(house)} if room == "research" else {})},
        # one process per run: an empty four-layer run costs about 1 s this way, several with a process per step
        executor=dg.in_process_executor,
        loggers=loggers,
    )


def _layers(dataset: Dataset, room: Room) -> dg.AssetSelection:
    """The layers that a room makes, each with its principles: that a month came late is no matter of the run that takes it."""
    layers = dg.AssetSelection.assets(*(asset_key(layer, dataset) for layer in ROOM_LAYERS[room]))
    return layers - dg.AssetSelection.checks(delivery_check_key(dataset)) if room == "secure" else layers
