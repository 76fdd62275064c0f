"""From the landing to a run: a sensor that asks for one run per dataset and period when what arrived for it has settled.

Parts of reporting units come one by one and make one run. What is being run, or will be by an unfinished backfill, is left
alone; what a run took in for another dataset of the same organization is found in the ledger. The sensor reads descriptors
and never a data file, because a tick has 60 seconds; only what belongs to no partition is taken in by the sensor itself.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.pipeline.assets import ROOM_LAYERS
from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import PARTITION_TAG, asset_key, job_name, partition_tag
from mdlake.pipeline.under_way import backfilled, running_partitions, was_launched
from mdlake.steps import Arrival, House, arrivals, take_in_strays

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
            at = house.now()
            seen = arrivals(house, at)
            received = take_in_strays(house, seen.strays, at)
        running, awaited = running_partitions(context.instance), backfilled(context.instance)
        requests, waiting = [], []
        for arrival in seen.partitions:
            request = _request(arrival)
            if request.tags[PARTITION_TAG] in running or _is_backfilled(arrival, awaited):
                continue
            if not arrival.settled:
                waiting.append(f"{arrival.dataset.key} {arrival.period} ({arrival.parts} of {arrival.parts_due} parts)")
            elif not was_launched(context.instance, str(request.run_key)):
                requests.append(request)
        if requests:
            return dg.SensorResult(run_requests=requests)
        answered = f"{len(received)} deliveries of no partition were taken in or refused" if received else "nothing to run"
        return dg.SkipReason(f"{answered}; still arriving: {', '.join(waiting) or 'nothing'}")

    return settled


def _request(arrival: Arrival) -> dg.RunRequest:
    tag = partition_tag(arrival.dataset.organization, arrival.dataset.name, arrival.period.key)
    return dg.RunRequest(
        run_key=f"{tag[PARTITION_TAG]}.{arrival.fingerprint}",
        job_name=job_name("secure", arrival.dataset),
        partition_key=arrival.period.key,
        tags=tag,
    )


def _is_backfilled(arrival: Arrival, awaited: set[tuple[dg.AssetKey, str | None]]) -> bool:
    return any((asset_key(layer, arrival.dataset), arrival.period.key) in awaited for layer in ROOM_LAYERS["secure"])
