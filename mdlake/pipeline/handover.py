"""The hand-over from the secure to the research location: a sensor on verdicts that asks for what is not published yet.

A backfill over both locations publishes by itself; the sensor leaves alone what an unfinished backfill will publish, what
was published from the same content, and what is being run. It lists the ledger and never reads a table, because a tick has
60 seconds.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.config import Configuration
from mdlake.pipeline.naming import PARTITION_TAG, asset_key, job_name, partition_tag
from mdlake.pipeline.under_way import backfilled, running_partitions
from mdlake.steps import House, handover_due

__all__ = ["handover_sensor"]


def handover_sensor(configuration: Configuration, jobs: list[UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """Requests `published` of every partition whose pseudonymized content passed and is not published."""

    @dg.sensor(
        name="publish_passed_partitions",
        jobs=jobs,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes each month whose pseudonymized layer passed its principles. · "
        "ماهی را که اصول چهارگانه را گذرانده منتشر می‌کند.",
    )
    def due(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> Iterator[dg.RunRequest]:
        running, awaited = running_partitions(context.instance), backfilled(context.instance)
        for verdict in handover_due(house):
            dataset = configuration.dataset(f"{verdict.organization}/{verdict.dataset}")
            tag = partition_tag(verdict.organization, verdict.dataset, verdict.period)
            if tag[PARTITION_TAG] in running or (asset_key("published", dataset), verdict.period) in awaited:
                continue
            yield dg.RunRequest(
                run_key=f"{tag[PARTITION_TAG]}.{verdict.content_id}.{verdict.rule_version}",
                job_name=job_name("research", dataset),
                partition_key=verdict.period,
                tags=tag,
            )

    return due
