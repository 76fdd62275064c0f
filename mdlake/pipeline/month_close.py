"""The close of a month in Dagster: an asset with a partition per month, its job, and the sensor that launches it once.

The asset reads the ledger and no table. It depends on no asset: what it waits for is in the ledger, where quarters and
months, and what is missing, can be told apart. Rules across the sources of a month will join it as its checks.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.config import Configuration
from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import ARRIVAL_TAG, MONTH_CLOSE, PARTITION_TAG, asset_key, month_close_tag, partition_tag
from mdlake.pipeline.under_way import backfilled, next_attempt, running_partitions
from mdlake.standard import Period
from mdlake.steps import House, MonthStanding, Run, close_month, months_to_close

__all__ = ["month_close_asset", "month_close_job", "month_close_sensor"]

_KEY = dg.AssetKey(["control", MONTH_CLOSE])


def month_close_asset(configuration: Configuration) -> dg.AssetsDefinition:
    """The asset that records with what a month is closed."""
    owner = configuration.standard.layers["published"].owner

    @dg.asset(
        key=_KEY,
        partitions_def=dg.StaticPartitionsDefinition([month.key for month in configuration.months]),
        group_name=MONTH_CLOSE,
        owners=[f"team:{owner}"],
        kinds={"ledger"},
        tags={"zone": "research", "office": owner},
        description="**Close of a month** — records in the ledger with which contents and verdicts of which datasets the month "
        "was closed, and what is missing: who must act, and what is next.\n\n"
        "\u2067**بستن ماه** — ثبت می‌کند که ماه با کدام محتوا و رأی کدام مجموعه‌ها بسته شد و چه چیزی کم است.\u2069",
    )
    def closed(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
        with told():
            standing, close = close_month(house, Period.parse(context.partition_key), Run(context.run.run_id))
        passed = sum(1 for member in standing.members if member.state == "passed")
        return dg.MaterializeResult(
            metadata={
                "datasets_due": len(standing.members),
                "datasets_passed": passed,
                "complete": close.complete,
                "closed_at": close.closed_at.isoformat(timespec="seconds"),
                "datasets": _table(standing),
            }
        )

    return closed


def _table(standing: MonthStanding) -> dg.TableMetadataValue:
    """The datasets of a month, those that lack something first."""
    records = [
        dg.TableRecord(
            {
                "dataset": member.dataset.key,
                "period": member.period.key,
                "state": member.state,
                "verdict": member.verdict.outcome if member.verdict else "-",
                "content": member.verdict.content_id[:16] if member.verdict else "-",
                "missing": str(member.missing) if member.missing else "-",
            }
        )
        for member in sorted(standing.members, key=lambda member: member.missing is None)
    ]
    return dg.MetadataValue.table(records)


def month_close_job() -> UnresolvedAssetJobDefinition:
    """The job that closes one month."""
    return dg.define_asset_job(
        MONTH_CLOSE,
        selection=dg.AssetSelection.assets(_KEY),
        description="Close of one month · بستن یک ماه",
        tags={"room": "research"},
    )


def month_close_sensor(job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Requests the close of each month that is ready, or whose deadline passed, once for the same contents."""

    @dg.sensor(
        name="close_months",
        jobs=[job],
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes each month when all that is due for it passed, or its deadline did. · "
        "هر ماه را پس از پذیرش همهٔ داده‌های آن یا پایان مهلت می‌بندد.",
    )
    def due(context: dg.SensorEvaluationContext, house: dg.ResourceParam[House]) -> Iterator[dg.RunRequest]:
        with told():
            standings = months_to_close(house, house.now())
            closes = house.ledger.month_closes() if standings else ()
        running, awaited = running_partitions(context.instance), backfilled(context.instance)
        for standing in standings:
            month = standing.month.key
            tag = month_close_tag(month)
            if tag[PARTITION_TAG] in running or _is_worked_on(standing, running, awaited):
                continue
            number = 1 + sum(1 for close in closes if close.month == month)
            identity = standing.close(Run(""), house.now()).identity
            tags = {**tag, ARRIVAL_TAG: f"{number}.{identity}"}
            attempt = next_attempt(context.instance, tags)
            if attempt is not None:
                key = f"{tag[PARTITION_TAG]}.{number}.{identity}.{attempt}"
                yield dg.RunRequest(run_key=key, partition_key=month, tags=tags)

    return due


def _is_worked_on(standing: MonthStanding, running: frozenset[str], awaited: set[tuple[dg.AssetKey, str | None]]) -> bool:
    """Whether a run or an unfinished backfill is about to change how the month stands."""
    for member in standing.members:
        dataset, period = member.dataset, member.period.key
        tag = partition_tag(dataset.organization, dataset.name, period)[PARTITION_TAG]
        if tag in running or any((asset_key(layer, dataset), period) in awaited for layer in ("raw", "standardized")):
            return True
    return False
