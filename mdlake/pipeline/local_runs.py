"""Runs in this process on the installation's own Dagster instance, so that the UI shows them like any other.

The command uses it; the jobs, checks and gate are the same as in the UI. A partition that is being run elsewhere is left
alone, because runs of this process do not pass the queue. A run whose process was killed stays unfinished in the instance;
the next one over its partition ends it, and knows it by the partition's lock, which dies with the process that holds it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import dagster as dg

from mdlake.config import Dataset, Home
from mdlake.errors import PartitionBusy
from mdlake.pipeline.assets import ROOM_LAYERS
from mdlake.pipeline.build import build_definitions
from mdlake.pipeline.held_event_log import held_instance
from mdlake.pipeline.naming import HOST_TAG, PARTITION_TAG, job_name, partition_tag
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
        self._instance = held_instance(self._home.dagster)
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
            PartitionBusy: the partition is being run by somebody else.
        """
        tags = partition_tag(dataset.organization, dataset.name, period.key)
        with _locked(self._home.dagster / "local_runs" / f"{tags[PARTITION_TAG]}.lock") as sole:
            if sole:
                self._end_killed_runs(tags)
            if not sole or self._instance.get_runs(dg.RunsFilter(tags=tags, statuses=_UNFINISHED), limit=1):
                raise PartitionBusy(
                    "the partition is being run already",
                    where=f"{dataset.key} {period}",
                    next_step="Wait for that run, or end it in the Dagster UI.",
                )
            return all(self._run_room(room, dataset, period, tags) for room in ROOM_LAYERS)

    def _end_killed_runs(self, tags: dict[str, str]) -> None:
        """Report the runs of this machine's command as failed; called while the lock shows that none of them lives."""
        statuses = [dg.DagsterRunStatus.NOT_STARTED, *_UNFINISHED]
        killed = dg.RunsFilter(tags={**tags, HOST_TAG: socket.gethostname()}, statuses=statuses)
        for run in self._instance.get_runs(killed):
            self._instance.report_run_failed(run, "The process of this run was killed; the run after it takes its place.")

    def _run_room(self, room: Room, dataset: Dataset, period: Period, tags: dict[str, str]) -> bool:
        job = self._definitions[room].resolve_job_def(job_name(room, dataset))
        result = job.execute_in_process(
            instance=self._instance,
            partition_key=period.key,
            tags={**tags, HOST_TAG: socket.gethostname()},
            raise_on_error=False,
            run_config={"loggers": {"silent": {}}},
        )
        return result.success


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether this process alone holds the lock; it ends with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
