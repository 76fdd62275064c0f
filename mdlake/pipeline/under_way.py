"""What Dagster is already about to do, so that a sensor does not ask for it a second time. Here: questions to the instance."""

from __future__ import annotations

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from mdlake.pipeline.naming import PARTITION_TAG

__all__ = ["backfilled", "running_partitions", "was_launched"]

_RUN_KEY_TAG = "dagster/run_key"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def running_partitions(instance: dg.DagsterInstance) -> frozenset[str]:
    """The partition tags of all runs that are queued or running."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return frozenset(run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags)


def backfilled(instance: dg.DagsterInstance) -> set[tuple[dg.AssetKey, str | None]]:
    """The partitions of assets that unfinished backfills are about."""
    # a backfill asks for `published` up to 30 s after the secure run; a tick in between would publish a second time
    unfinished = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    targets = [b.asset_backfill_data.target_subset for b in instance.get_backfills(unfinished) if b.asset_backfill_data]
    return {(part.asset_key, part.partition_key) for target in targets for part in target.iterate_asset_partitions()}


def was_launched(instance: dg.DagsterInstance, run_key: str) -> bool:
    """Whether there is a run of this run key, however it ended."""
    return bool(instance.get_runs(dg.RunsFilter(tags={_RUN_KEY_TAG: run_key}), limit=1))
