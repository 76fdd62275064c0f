"""The hand-over from the secure to the research location: a sensor on verdicts that asks for what is not published yet.

A backfill over both locations publishes by itself; the sensor leaves alone what an unfinished backfill will publish, what
was published from the same content, and what is being run. It lists the ledger and never reads a table, because a tick has
60 seconds.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from mdlake.config import Configuration
from mdlake.pipeline.naming import PARTITION_TAG, asset_key, job_name, partition_tag
from mdlake.steps import House, handover_due

__all__ = ["handover_sensor"]

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


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
        backfilled = _backfilled(context.instance)
        for verdict in handover_due(house):
            dataset = configuration.dataset(f"{verdict.organization}/{verdict.dataset}")
            tag = partition_tag(verdict.organization, verdict.dataset, verdict.period)
            running = context.instance.get_runs(dg.RunsFilter(tags=tag, statuses=_UNFINISHED), limit=1)
            if running or (asset_key("published", dataset), verdict.period) in backfilled:
                continue
            yield dg.RunRequest(
                run_key=f"{tag[PARTITION_TAG]}.{verdict.content_id}.{verdict.rule_version}",
                job_name=job_name("research", dataset),
                partition_key=verdict.period,
                tags=tag,
            )

    return due


def _backfilled(instance: dg.DagsterInstance) -> set[tuple[dg.AssetKey, str | None]]:
    """The partitions of assets that unfinished backfills are about."""
    # a backfill asks for `published` up to 30 s after the secure run; a tick in between would publish a second time
    unfinished = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    targets = [b.asset_backfill_data.target_subset for b in instance.get_backfills(unfinished) if b.asset_backfill_data]
    return {(part.asset_key, part.partition_key) for target in targets for part in target.iterate_asset_partitions()}
