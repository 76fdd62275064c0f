"""Runs in this process on the installation's own Dagster instance, so that the UI shows them like any other.

The command uses it; the jobs, checks and gate are the same as in the UI. A partition that is being run elsewhere is left
alone, because runs of this process do not pass the queue.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from types import TracebackType

import dagster as dg

from mdlake.config import Dataset, Home
from mdlake.errors import MdlakeError
from mdlake.pipeline.assets import ROOM_LAYERS
from mdlake.pipeline.build import build_definitions
from mdlake.pipeline.naming import job_name, partition_tag
from mdlake.standard import Period
from mdlake.steps import Room, open_house

__all__ = ["LocalRuns"]

_UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def _silent(_: dg.InitLoggerContext) -> logging.Logger:
    """The command shows a table instead of a run's events; the instance keeps the events."""
    logger = logging.getLogger("mdlake.runs")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


class LocalRuns:
    """A context in which partitions are run one after another."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def __enter__(self) -> LocalRuns:
        self._instance = dg.DagsterInstance.from_config(str(self._home.dagster))
        houses = [open_house(self._home, room, lambda: datetime.now(UTC)) for room in ROOM_LAYERS]
        self._definitions: dict[Room, dg.Definitions] = {
            house.room: build_definitions(house, loggers={"silent": dg.LoggerDefinition(_silent)}) for house in houses
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._instance.dispose()

    def run(self, dataset: Dataset, period: Period) -> bool:
        """Take one partition through both rooms; false as soon as a room's run fails.

        Raises:
            MdlakeError: the partition is being run by somebody else.
        """
        tags = partition_tag(dataset.organization, dataset.name, period.key)
        if self._instance.get_runs(dg.RunsFilter(tags=tags, statuses=_UNFINISHED), limit=1):
            raise MdlakeError(
                "the partition is being run already",
                where=f"{dataset.key} {period}",
                next_step="Wait for that run, or end it in the Dagster UI.",
            )
        for room in ROOM_LAYERS:
            job = self._definitions[room].resolve_job_def(job_name(room, dataset))
            result = job.execute_in_process(
                instance=self._instance,
                partition_key=period.key,
                tags=tags,
                raise_on_error=False,
                run_config={"loggers": {"silent": {}}},
            )
            if not result.success:
                return False
        return True
