"""Names and partitions of assets: `layer/organization/dataset`, ASCII only; Persian titles live in metadata."""

from __future__ import annotations

import dagster as dg

from mdlake.config import Configuration, Dataset

__all__ = [
    "ARRIVAL_TAG",
    "HOST_TAG",
    "INTAKE_JOB",
    "MONTH_CLOSE",
    "PARTITION_TAG",
    "asset_key",
    "job_name",
    "month_close_tag",
    "partition_tag",
    "partitions",
]

PARTITION_TAG = "mdlake/partition"
"""Run tag by which the run queue keeps to one run at a time per partition of a dataset."""
ARRIVAL_TAG = "mdlake/arrival"
"""Run tag by which the runs that were asked for the same deliveries, contents or packages are found."""
HOST_TAG = "mdlake/local_run_on"
"""Run tag of what the command runs itself: the machine on which it does."""
INTAKE_JOB = "secure__intake"

MONTH_CLOSE = "month_close"
"""Name of the asset and of the job that close a month; it is of no dataset, and so of no layer."""


def asset_key(layer: str, dataset: Dataset) -> dg.AssetKey:
    """Key of a layer of a dataset."""
    return dg.AssetKey([layer, dataset.organization, dataset.name])


def job_name(room: str, dataset: Dataset) -> str:
    """Name of the job that makes a room's layers of a dataset."""
    return f"{room}__{dataset.organization}__{dataset.name}"


def partition_tag(organization: str, dataset: str, period: str) -> dict[str, str]:
    """The run tag of one partition of one dataset."""
    return {PARTITION_TAG: f"{organization}.{dataset}.{period}"}


def month_close_tag(month: str) -> dict[str, str]:
    """The run tag of the close of a month."""
    return {PARTITION_TAG: f"{MONTH_CLOSE}.{month}"}


def partitions(configuration: Configuration, dataset: Dataset) -> dg.StaticPartitionsDefinition:
    """The dataset's reference periods; from the calendar's bounds and never from the clock."""
    first = dataset.versions[0].valid_from
    return dg.StaticPartitionsDefinition([p.key for p in configuration.periods(dataset) if p.months()[-1] >= first])
