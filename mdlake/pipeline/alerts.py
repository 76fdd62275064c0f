"""Telling people in Dagster: a sensor that makes one round a minute, and what the instance knows of runs that failed.

The sensor stands in the secure location, because the passwords of the channels lie with the keys; it sees the runs of both.
It asks the instance for its runs instead of waiting for their events, so that nothing is lost while it does not run. Not here:
what is told, and to whom.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from mdlake.alerts import Round, RunFailure, tell
from mdlake.config import Home
from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import PARTITION_TAG
from mdlake.steps import House

__all__ = ["alert_sensor", "failures_since", "tell_once"]

_PATIENCE = timedelta(seconds=30)
"""A tick has 60 s, and a message that is begun may take the timeout of its channel."""


def alert_sensor() -> dg.SensorDefinition:
    """Tells people of what is late, refused or failed, once each."""

    @dg.sensor(
        name="tell_people",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends e-mails and webhooks about what is late, refused or failed, where alerts.yaml says so. · "
        "آنچه را دیر شده، رد شده یا ناموفق مانده خبر می‌دهد.",
    )
    def people(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.SkipReason:
        with told():
            done = tell(house, lambda since: failures_since(context.instance, since), _PATIENCE)
        for fault in done.faults:
            context.log.warning("a message was not delivered: %s", fault)
        return dg.SkipReason(_in_words(done))

    return people


def _in_words(done: Round) -> str:
    if not done.enabled:
        return "alerts are off (alerts.yaml)"
    counts = f"{done.delivered} messages delivered, {done.waiting} wait to be tried again"
    return "; ".join((counts, *done.faults))


def tell_once(home: Home, house: House) -> Round:
    """One round outside of Dagster, with the runs that the installation's instance knows; without an instance, with none."""
    if not (home.dagster / "dagster.yaml").is_file():
        return tell(house, lambda _: ())
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return tell(house, lambda since: failures_since(instance, since))


def failures_since(instance: dg.DagsterInstance, since: datetime) -> Sequence[RunFailure]:
    """The runs of both locations that failed since a moment, oldest first; those that a person ended are none."""
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    records = instance.get_run_records(failed, order_by="update_timestamp", ascending=True)
    return tuple(_failure(instance, record) for record in records)


def _failure(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunFailure:
    run = record.dagster_run
    failed_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp
    organization, dataset, period = _partition(run.tags.get(PARTITION_TAG, ""))
    steps = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    data = [entry.dagster_event.event_specific_data for entry in steps if entry.dagster_event]
    return RunFailure(
        run.run_id,
        run.job_name,
        failed_at,
        organization,
        dataset,
        period or run.tags.get("dagster/partition"),
        killed=not data,
        **_told_in(data[0] if data else None),
    )


def _partition(tag: str) -> tuple[str | None, str | None, str | None]:
    """Organization, dataset and period of a partition's tag; nothing for what is of no dataset."""
    parts = tag.split(".")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (None, None, None)


def _told_in(data: object) -> dict[str, str]:
    """What a step of ours told about its failure. The text of any other exception may hold data, and is left where it is."""
    own = data.user_failure_data if isinstance(data, StepFailureData) else None
    metadata = own.metadata if own else {}
    return {name: str(metadata[name].value) for name in ("what", "where", "next_step") if name in metadata}
