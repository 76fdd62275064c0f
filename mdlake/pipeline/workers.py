"""Runs whose process is gone: a launcher that can tell, so that Dagster's run monitoring ends them.

Dagster's own launcher cannot. A run that was killed with its code location stayed `STARTED` for ever: it held its partition and
one of the few places in the run queue, and no sensor asked for it again. Not here: what is asked for again (`under_way`).
"""

from __future__ import annotations

import json
import socket

import psutil
from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from mdlake.pipeline.naming import HOST_TAG

__all__ = ["WatchedRunLauncher"]

_CLOCK_SECONDS = 5.0
"""By how much the time at which a process began may be off the clock of the event log."""


class WatchedRunLauncher(DefaultRunLauncher):
    """A `DefaultRunLauncher` that knows whether the process of a run on this machine still lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster's monitoring asks by this."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process lives; a run of another machine, or one that told no process yet, is taken for running."""
        told = self._process(run) if _is_of_this_machine(run) else None
        if told is None or _lives(*told):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {told[0]} is gone")

    def _process(self, run: DagsterRun) -> tuple[int, float] | None:
        """The number of the process that told last that it works on a run, and when it told so."""
        entries = self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
        for entry in reversed(entries):
            event = entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event else None
            if pid is not None:
                return int(str(pid.value)), entry.timestamp
        return None


def _is_of_this_machine(run: DagsterRun) -> bool:
    """Whether a code location of this machine, or the command on it, works on a run."""
    if HOST_TAG in run.tags:
        return run.tags[HOST_TAG] == socket.gethostname()
    server: dict[str, object] = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return server.get("host") == "localhost"


def _lives(pid: int, told_at: float) -> bool:
    """Whether the process that had this number then lives: a later one may have been given the same."""
    try:
        process = psutil.Process(pid)
        is_there = process.status() != psutil.STATUS_ZOMBIE
        return is_there and process.create_time() <= told_at + _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
