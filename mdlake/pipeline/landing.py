"""From the ledger to a run: a sensor that asks for one run per dataset and period when what arrived for it has settled.

Parts of reporting units come one by one and make one run. What is being run, or will be by an unfinished backfill, is left
alone. The sensor asks the ledger and touches no file, because a tick has 60 seconds: packages are the intake's.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.pipeline.assets import ROOM_LAYERS
from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import ARRIVAL_TAG, PARTITION_TAG, asset_key, job_name, partition_tag
from mdlake.pipeline.under_way import backfilled, next_attempt, running_partitions
from mdlake.steps import Arrival, House, arrivals

__all__ = ["landing_sensor"]


def landing_sensor(jobs: list[UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """Requests the secure layers of every partition for which something new has settled."""

    @dg.sensor(
        name="run_settled_deliveries",
        jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs each period of a dataset once, when all that is due for it has arrived. · "
        "هر دوره را پس از رسیدن همهٔ پرونده‌های آن یک بار اجرا می‌کند.",
    )
    def settled(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.SensorResult | dg.SkipReason:
        with told():
            seen = arrivals(house, house.now())
        running, awaited = running_partitions(context.instance), backfilled(context.instance)
        requests, waiting = [], []
        for arrival in seen:
            tags = _tags(arrival)
            if tags[PARTITION_TAG] in running or _is_backfilled(arrival, awaited):
                continue
            if not arrival.settled:
                waiting.append(f"{arrival.dataset.key} {arrival.period} ({arrival.parts} of {arrival.parts_due} parts)")
                continue
            attempt = next_attempt(context.instance, tags)
            if attempt is not None:
                requests.append(_request(arrival, tags, attempt))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SkipReason(f"nothing to run; still arriving: {', '.join(waiting) or 'nothing'}")

    return settled


def _tags(arrival: Arrival) -> dict[str, str]:
    partition = partition_tag(arrival.dataset.organization, arrival.dataset.name, arrival.period.key)
    return {**partition, ARRIVAL_TAG: arrival.fingerprint}


def _request(arrival: Arrival, tags: dict[str, str], attempt: int) -> dg.RunRequest:
    return dg.RunRequest(
        # Dagster starts a run key once: what was killed before it could judge is asked for under another
        run_key=f"{tags[PARTITION_TAG]}.{arrival.fingerprint}.{attempt}",
        job_name=job_name("secure", arrival.dataset),
        partition_key=arrival.period.key,
        tags=tags,
    )


def _is_backfilled(arrival: Arrival, awaited: set[tuple[dg.AssetKey, str | None]]) -> bool:
    return any((asset_key(layer, arrival.dataset), arrival.period.key) in awaited for layer in ROOM_LAYERS["secure"])
