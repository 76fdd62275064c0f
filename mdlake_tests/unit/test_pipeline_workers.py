"""Whether the process of a run still lives, and that a run is ended whose process does not."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType, EngineEventData
from dagster._core.events.log import EventLogEntry
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

import mdlake.cli
from mdlake.pipeline.naming import HOST_TAG
from mdlake.pipeline.workers import WatchedRunLauncher

HERE = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": "/tmp/socket"})}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the settings that `mdlake init` writes."""
    shutil.copy(Path(mdlake.cli.__file__).with_name("dagster.yaml"), tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is ended."""
    sleeping = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield sleeping
    sleeping.kill()
    sleeping.wait()
    assert sleeping.stdin
    sleeping.stdin.close()


def started(instance: dg.DagsterInstance, tags: Mapping[str, str], pid: int | None, ago: float = 0) -> dg.DagsterRun:
    """A run that a process told so long ago to work on."""
    run = create_run_for_test(instance, job_name="job", status=dg.DagsterRunStatus.STARTED, tags=dict(tags))
    if pid is not None:
        told: Any = EngineEventData.in_process(pid)
        event = dg.DagsterEvent(DagsterEventType.ENGINE_EVENT.value, "job", event_specific_data=told)
        instance.handle_new_event(EventLogEntry(None, 10, "", run.run_id, time.time() - ago, None, "job", event))
    return run


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_the_settings_of_an_installation_have_runs_watched(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, WatchedRunLauncher)
    assert instance.run_launcher.supports_check_run_worker_health
    assert instance.run_monitoring_enabled


@pytest.mark.parametrize("tags", [HERE, {HOST_TAG: socket.gethostname()}], ids=["daemon", "command"])
def test_a_run_of_this_machine_lives_as_long_as_its_process(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], tags: Mapping[str, str]
) -> None:
    run = started(instance, tags, process.pid)
    assert health(instance, run) == WorkerStatus.RUNNING
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert health(instance, run) == WorkerStatus.FAILED, "nobody took note of its end yet"
    process.wait()
    assert health(instance, run) == WorkerStatus.FAILED


def test_a_later_process_that_was_given_the_same_number_is_another(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    assert health(instance, started(instance, HERE, process.pid, ago=3600)) == WorkerStatus.FAILED


@pytest.mark.parametrize(
    "tags",
    [{HOST_TAG: "another"}, {GRPC_INFO_TAG: json.dumps({"host": "another", "port": 4000})}, {}],
    ids=["another command", "another code location", "nothing said"],
)
def test_a_run_of_another_machine_is_left_alone(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], tags: Mapping[str, str]
) -> None:
    process.kill()
    process.wait()
    assert health(instance, started(instance, tags, process.pid)) == WorkerStatus.RUNNING


def test_a_run_that_told_no_process_yet_is_left_alone(instance: dg.DagsterInstance) -> None:
    assert health(instance, started(instance, HERE, None)) == WorkerStatus.RUNNING


def test_monitoring_ends_a_run_whose_process_is_gone_and_no_other(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run, log, nowhere = started(instance, HERE, process.pid), logging.getLogger("mdlake_tests.workers"), Any

    def status_after_a_look() -> dg.DagsterRunStatus:
        (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
        monitor_started_run(instance, nowhere, record, log)  # type: ignore[arg-type]
        return instance.get_run_by_id(run.run_id).status  # type: ignore[union-attr]

    assert status_after_a_look() == dg.DagsterRunStatus.STARTED
    process.kill()
    process.wait()
    assert status_after_a_look() == dg.DagsterRunStatus.FAILURE
    assert instance.get_run_stats(run.run_id).steps_failed == 0, "no step failed, so a sensor may ask for it again"
