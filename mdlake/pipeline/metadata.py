"""What the Dagster UI shows of a partition, an asset and a verdict. Counts, names and content ids; never a cell value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mdlake.config import Configuration, Contract, Dataset, Label
from mdlake.layers import layer_columns
from mdlake.pipeline.naming import asset_key
from mdlake.principles import RULES
from mdlake.steps import LAYER_BELOW, Made

__all__ = ["asset_description", "asset_metadata", "both", "column_lineage", "made_metadata", "results_table"]


def both(label: Label) -> str:
    """A label in both languages, Persian set apart by isolates so that its direction does not spread."""
    return f"{label.en} · \u2068{label.fa}\u2069"


def _rtl(paragraph: str) -> str:
    """A Persian paragraph that runs right to left, by isolates: the UI removes HTML, and with it the direction."""
    return f"\u2067{paragraph}\u2069"


def asset_description(configuration: Configuration, dataset: Dataset, layer: str) -> str:
    """What a person reads first: the layer, the dataset, in both languages."""
    standard = configuration.standard.layers[layer]  # type: ignore[index]
    organization = configuration.organizations[dataset.organization]
    return (
        f"**{dataset.file.label.en}** — {standard.label.en}. {standard.description.en}\n\n{dataset.file.description.en} "
        f"Producer: {organization.label.en}.\n\n"
        f"{_rtl(f'**{dataset.file.label.fa}** — {standard.label.fa}. {standard.description.fa}')}\n\n"
        f"{_rtl(f'{dataset.file.description.fa} تولیدکننده: {organization.label.fa}.')}"
    )


def asset_metadata(configuration: Configuration, dataset: Dataset, layer: str) -> dict[str, Any]:
    """What is known of an asset before anything was made."""
    return {
        "dagster/column_schema": _column_schema(dataset.newest, layer),
        "dagster/table_name": f"{layer}.{dataset.organization}.{dataset.name}",
        "title_fa": dataset.file.label.fa,
        "title_en": dataset.file.label.en,
        "statistical_unit": both(dataset.file.statistical_unit),
        "temporal_type": dataset.file.temporal_type,
        "contract_versions": ", ".join(f"{v.version} from {v.valid_from}" for v in dataset.versions),
        "organization": both(configuration.organizations[dataset.organization].label),
    }


def _column_schema(contract: Contract, layer: str) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(column.name, str(column.dtype), f"{both(column.label)}{f' [{column.unit}]' if column.unit else ''}")
            for column in layer_columns(contract, layer)
        ]
    )


def column_lineage(contract: Contract, layer: str, dataset: Dataset) -> dg.TableColumnLineage:
    """Each column with the columns of the layer below that it is made of."""
    below = LAYER_BELOW.get(layer)
    if below is None:
        return dg.TableColumnLineage({})
    source = asset_key(below, dataset)
    return dg.TableColumnLineage(
        {column.name: [dg.TableColumnDep(source, name) for name in column.sources] for column in layer_columns(contract, layer)}
    )


def made_metadata(made: Made, dataset: Dataset) -> dict[str, Any]:
    """What a step reports of the partition that it made."""
    return {
        "dagster/partition_row_count": made.state.rows,
        "dagster/column_schema": _column_schema(made.contract, made.layer),
        "dagster/column_lineage": column_lineage(made.contract, made.layer, dataset),
        "dagster/uri": made.table.url,
        "content_id": made.state.content_id,
        "content_changed": made.changed,
        "delta_version": made.state.version,
        "contract_version": made.contract.version,
        **made.counts,
        **({"decisions": ", ".join(made.decisions)} if made.decisions else {}),
    }


def results_table(results: tuple[Mapping[str, Any], ...]) -> dg.TableMetadataValue:
    """The rules of one principle as a table, those that failed first."""
    records = [
        dg.TableRecord(
            {
                # short heads and the long texts last: the UI cuts off what is wider than the window
                "rule": result["rule"],
                "passed": "yes" if result["passed"] else "no",
                "severity": result["severity"],
                "failed": result["failed"],
                "checked": result["checked"],
                "worst %": round(result["share"] * 100, 3),
                "allowed %": round(result["threshold"] * 100, 3),
                "asks": both(RULES[result["rule"]].title),
                "parts": ", ".join(f"{name}: {failed}/{checked}" for name, (checked, failed) in result["parts"].items()),
            }
        )
        for result in sorted(results, key=lambda result: bool(result["passed"]))
    ]
    return dg.MetadataValue.table(records)
