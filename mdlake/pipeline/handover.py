"""The hand-over from the secure to the research location: a sensor on verdicts that asks for what is not published yet.

A backfill over both locations publishes by itself; the sensor leaves alone what an unfinished backfill will publish, what
was published from the same content, and what is being run. It lists the ledger and never reads a table, because a tick has
60 seconds.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

import hashlib
from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.config import Configuration
from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import ARRIVAL_TAG, PARTITION_TAG, asset_key, job_name, partition_tag
from mdlake.pipeline.under_way import backfilled, next_attempt, running_partitions
from mdlake.steps import House, handovers

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
    def due(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> Iterator[dg.RunRequest | dg.SkipReason]:
        running, awaited = running_partitions(context.instance), backfilled(context.instance)
        with told():
            waiting = handovers(house)
        if waiting.undecided and not waiting.due:
            yield dg.SkipReason(f"{waiting.undecided} partitions passed their principles and wait for decisions: mdlake status")
        for handover in waiting.due:
            verdict = handover.verdict
            dataset = configuration.dataset(f"{verdict.organization}/{verdict.dataset}")
            tag = partition_tag(verdict.organization, verdict.dataset, verdict.period)
            if tag[PARTITION_TAG] in running or (asset_key("published", dataset), verdict.period) in awaited:
                continue
            # under other decisions it is asked for again: the run may have been refused for want of them
            content = ".".join((tag[PARTITION_TAG], verdict.content_id, verdict.rule_version, *handover.decisions))
            tags = {**tag, ARRIVAL_TAG: hashlib.sha256(content.encode()).hexdigest()}
            attempt = next_attempt(context.instance, tags)
            if attempt is not None:
                yield dg.RunRequest(
                    run_key=f"{content}.{attempt}",
                    job_name=job_name("research", dataset),
                    partition_key=verdict.period,
                    tags=tags,
                )

    return due
