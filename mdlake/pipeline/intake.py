"""The intake of packages as a job of the secure location, and the sensor that asks for it when something waits.

What a package held becomes a run only through the ledger (`landing`), coalesced per dataset and period. A package that is
refused fails nothing: its sender has a receipt. Not here: how a package is examined.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections import Counter

import dagster as dg

from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import ARRIVAL_TAG, INTAKE_JOB, PARTITION_TAG
from mdlake.pipeline.under_way import next_attempt, running_partitions
from mdlake.steps import House, receive_packages, waiting_mark

__all__ = ["intake_job", "intake_sensor"]

_AGAIN_SECONDS = 600
"""After this time what still waits is asked for once more, though an intake failed on it for a reason."""


@dg.op(name="receive_packages", description="Takes in every package that is complete, and answers each with a receipt.")
def _receive(context: dg.OpExecutionContext, house: dg.ResourceParam[House]) -> None:
    with told():
        received = receive_packages(house)
    reasons = Counter(one.refusal.reason if one.refusal else "accepted" for one in received)
    for one in received:
        if one.refusal:
            context.log.warning("a package of %s is refused: %s", one.delivery.organization, one.refusal.reason)
    context.add_output_metadata({reason: dg.MetadataValue.int(count) for reason, count in sorted(reasons.items())})


def intake_job() -> dg.JobDefinition:
    """One intake of all packages that wait."""

    @dg.job(
        name=INTAKE_JOB,
        description="Packages: who sent it, is it whole, is it what was agreed on; a receipt for each. · "
        "دریافت بسته‌ها و صدور رسید برای هر بسته.",
        # one at a time, as for a partition, and before what waits in the queue: what comes may correct what is to be run
        tags={"room": "secure", PARTITION_TAG: INTAKE_JOB, "dagster/priority": "1"},
    )
    def intake() -> None:
        _receive()

    return intake


def intake_sensor() -> dg.SensorDefinition:
    """Requests one intake for what waits, and the next when that one ended and more waits."""

    @dg.sensor(
        name="receive_waiting_packages",
        # by its name: given the job itself, Dagster builds the sensor anew when it binds resources, and warns of its own code
        job_name=INTAKE_JOB,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes in packages that wait in the landing. · بسته‌های رسیده را دریافت می‌کند.",
    )
    def waiting(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> dg.RunRequest | dg.SkipReason:
        # an intake changes what waits with every package: the next one is not asked for while it works
        if INTAKE_JOB in running_partitions(context.instance):
            return dg.SkipReason("an intake is under way")
        with told():
            mark = waiting_mark(house)
        if mark is None:
            return dg.SkipReason("no package waits")
        # Dagster starts a run key once, and a run may be killed before it changed anything: then it is asked for again
        turn = int(house.now().timestamp()) // _AGAIN_SECONDS
        tags = {ARRIVAL_TAG: f"{mark}.{turn}"}
        attempt = next_attempt(context.instance, tags)
        if attempt is None:
            return dg.SkipReason("an intake of these packages failed; it is tried again in some minutes")
        return dg.RunRequest(run_key=f"intake.{mark}.{turn}.{attempt}", tags=tags)

    return waiting
