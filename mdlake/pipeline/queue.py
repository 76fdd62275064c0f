"""The run queue: one run at a time per partition of a dataset, whoever launches it.

Runs launched from the asset graph or by a backfill carry no tag of their own dataset, so the coordinator reads it off the
assets of the run when it is submitted. The limit itself stands in `dagster.yaml`.
"""

from __future__ import annotations

from typing import Any

from dagster import DagsterRun
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._serdes.config_class import ConfigurableClassData

from mdlake.pipeline.naming import PARTITION_TAG, partition_tag

__all__ = ["PartitionRunCoordinator"]

_LAYER_KEY_PARTS = 3
"""Layer, organization, dataset; what is of no dataset has a shorter key."""


class PartitionRunCoordinator(QueuedRunCoordinator):
    """A `QueuedRunCoordinator` that tags every run with the partition of the dataset it works on."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> PartitionRunCoordinator:
        """Dagster builds the coordinator from `dagster.yaml` by this."""
        return cls(inst_data=inst_data, **config_value)

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Tag the run, then queue it."""
        run = context.dagster_run
        period = run.tags.get("dagster/partition")
        datasets = sorted({tuple(key.path[1:]) for key in run.asset_selection or () if len(key.path) == _LAYER_KEY_PARTS})
        if period and PARTITION_TAG not in run.tags and len(datasets) == 1:
            tags = partition_tag(datasets[0][0], datasets[0][1], period)
            self._instance.add_run_tags(run.run_id, tags)
            run = run.with_tags({**run.tags, **tags})
        return super().submit_run(SubmitRunContext(run, context.workspace))
