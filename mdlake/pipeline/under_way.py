"""What Dagster is already about to do, so that a sensor does not ask for it a second time. Here: questions to the instance."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from mdlake.pipeline.naming import PARTITION_TAG

__all__ = ["backfilled", "next_attempt", "running_partitions"]

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_ATTEMPTS = 3
"""How often the same is run, where the machine killed each run: a fourth time is for a person to ask."""


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


def next_attempt(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> int | None:
    """How many runs with these tags were killed, if what they were asked for is to be run (again).

    None where one of them goes on, ended by itself or by a person, or where enough were killed.
    """
    runs = instance.get_runs(dg.RunsFilter(tags=dict(tags)))
    if len(runs) >= _ATTEMPTS or any(run.status != dg.DagsterRunStatus.FAILURE for run in runs):
        return None
    # a run that failed for a reason has a step that failed: it would fail again
    return None if any(instance.get_run_stats(run.run_id).steps_failed for run in runs) else len(runs)
