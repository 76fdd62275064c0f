"""The check `delivery_on_time` of every dataset, and the job that evaluates it each day.

It stands on the raw asset and asks the ledger, not a partition: what never came has none. It never blocks: a month that came
late is as good as another. Not here: how a delivery stands (`mdlake.steps.delivery_calendar`).
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mdlake.config import Configuration, Dataset
from mdlake.pipeline.boundary import told
from mdlake.pipeline.naming import asset_key
from mdlake.standard import day_in_iran, day_of_solar_hijri, end_of_day_in_iran, solar_hijri_day
from mdlake.steps import DeliveryStanding, House, behind_calendar, delivery_counts, delivery_standings

__all__ = ["DELIVERY_ON_TIME", "delivery_check", "delivery_check_job", "delivery_check_key", "delivery_check_schedule"]

DELIVERY_ON_TIME = "delivery_on_time"
_JOB = "delivery_calendar"
_LAYER = "raw"
_SEVEN_IN_THE_MORNING = "0 7 * * *"
_NAMED_UNITS = 6


def delivery_check_key(dataset: Dataset) -> dg.AssetCheckKey:
    """Key of the check of a dataset."""
    return dg.AssetCheckKey(asset_key(_LAYER, dataset), DELIVERY_ON_TIME)


def delivery_check(configuration: Configuration) -> dg.AssetChecksDefinition:
    """The check of every dataset; one operation, so that the ledger is read once for all of them."""
    datasets = {asset_key(_LAYER, dataset): dataset for dataset in configuration.datasets.values()}

    @dg.multi_asset_check(
        name=DELIVERY_ON_TIME,
        specs=[_spec(dataset) for dataset in datasets.values()],
        can_subset=True,
        config_schema={
            "as_of": dg.Field(str, is_required=False, description="a Solar Hijri day, such as 1403-03-20; without it, today")
        },
    )
    def checked(context: dg.AssetCheckExecutionContext, house: dg.ResourceParam[House]) -> Iterator[dg.AssetCheckResult]:
        day = context.op_execution_context.op_config.get("as_of")
        chosen = [datasets[key.asset_key] for key in context.selected_asset_check_keys]
        with told():
            as_of = end_of_day_in_iran(day_of_solar_hijri(day)) if day else house.now()
            standings = delivery_standings(house, as_of, chosen)
        for dataset in chosen:
            own = [standing for standing in standings if standing.dataset == dataset.key]
            yield _result(house.configuration, dataset, own, day_in_iran(as_of))

    return checked


def _spec(dataset: Dataset) -> dg.AssetCheckSpec:
    terms = dataset.file.delivery
    return dg.AssetCheckSpec(
        name=DELIVERY_ON_TIME,
        asset=asset_key(_LAYER, dataset),
        description="Is everything there that is owed? Evaluated each day, also of what never came. "
        f"Due on day {terms.due_day} of the month after the period, {terms.grace_days} days of grace.\n\n"
        "\u2067آنچه باید می‌رسید در مهلت رسیده است؟ هر روز سنجیده می‌شود، دربارهٔ آنچه هرگز نرسیده نیز.\u2069",
        blocking=False,
    )


def _result(
    configuration: Configuration, dataset: Dataset, standings: Sequence[DeliveryStanding], as_of: date
) -> dg.AssetCheckResult:
    behind = behind_calendar(standings, as_of)
    organization = configuration.organizations[dataset.organization]
    said = " | ".join(_words(behind)) or "everything that is owed came in time, or is not due yet"
    who = f"{organization.label.en} ({organization.contact})"
    next_step = f"ask for what is overdue: mdlake status --deliveries {dataset.key}" if behind else "nothing to do"
    return dg.AssetCheckResult(
        passed=not behind,
        asset_key=asset_key(_LAYER, dataset),
        check_name=DELIVERY_ON_TIME,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{dataset.key} on {solar_hijri_day(as_of)}: {said}" + (f". Who: {who}. Next: {next_step}" if behind else ""),
        metadata={
            "as_of": solar_hijri_day(as_of),
            **delivery_counts(standings),
            "behind": _table(behind),
            "next_step": next_step,
            **({"who": who} if behind else {}),
        },
    )


def _by_period(behind: Sequence[DeliveryStanding]) -> Iterator[tuple[str, str, tuple[DeliveryStanding, ...]]]:
    """Period, state and the deliveries in it."""
    ordered = sorted(behind, key=lambda standing: (standing.period, standing.state, standing.unit))
    for (period, state), group in groupby(ordered, key=lambda standing: (standing.period, standing.state)):
        yield period, state, tuple(group)


def _words(behind: Sequence[DeliveryStanding]) -> Iterator[str]:
    """A sentence for each state: of which periods, of which reporting units, and how late."""
    for state in sorted({standing.state for standing in behind}):
        found = [standing for standing in behind if standing.state == state]
        periods = list(dict.fromkeys(standing.period for standing in found))
        span = periods[0] if len(periods) == 1 else f"{len(periods)} periods from {periods[0]} to {periods[-1]}"
        yield f"{span}{_units(found)}: {state}, {max(standing.days_late for standing in found)} days after the due day"


def _units(found: Iterable[DeliveryStanding]) -> str:
    named = sorted({standing.unit for standing in found if standing.unit})
    if len(named) > _NAMED_UNITS:
        return f", {len(named)} units"
    return f", unit{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""


def _table(behind: Sequence[DeliveryStanding]) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord(
            {
                "period": period,
                "state": state,
                "due": solar_hijri_day(found[0].due_day),
                "days late": max(standing.days_late for standing in found),
                "refused": sum(standing.refused for standing in found),
                "deliveries": len(found),
                "units": ", ".join(standing.unit for standing in found if standing.unit) or "-",
            }
        )
        for period, state, found in _by_period(behind)
    ]
    columns = {"period": "string", "state": "string", "due": "string", "days late": "int", "refused": "int"}
    columns |= {"deliveries": "int", "units": "string"}
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
    return dg.MetadataValue.table(records, schema)


def delivery_check_job(configuration: Configuration) -> UnresolvedAssetJobDefinition:
    """The job that evaluates the check of every dataset, and makes nothing."""
    return dg.define_asset_job(
        _JOB,
        selection=dg.AssetSelection.checks(*map(delivery_check_key, configuration.datasets.values())),
        description="Who sent in time, late, or not at all · چه کسی به‌موقع، دیر یا هیچ نفرستاده است",
        tags={"room": "secure"},
    )


def delivery_check_schedule(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Each morning in Iran, because what is overdue today was not so yesterday."""
    return dg.ScheduleDefinition(
        name="check_deliveries",
        job=job,
        cron_schedule=_SEVEN_IN_THE_MORNING,
        execution_timezone="Asia/Tehran",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks each morning for deliveries that are late or never came. · هر بامداد ارسال‌های دیرشده را می‌جوید.",
    )
