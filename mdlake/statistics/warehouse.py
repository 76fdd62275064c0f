"""The research zone as a database: a schema per layer, a view per dataset, and nothing else within reach.

A view reads the files that its Delta table has at the moment of opening, through Arrow, so DuckDB itself never opens a
file: its access to files, network and extensions is off from the first moment and cannot be turned on again. (With views
on Parquet files, the files had to be on DuckDB's list of allowed paths, and `COPY … TO` could then overwrite them.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mdlake.config import Configuration, Dataset, Label
from mdlake.lake import PARTITION_COLUMN
from mdlake.layers import LayerColumn, layer_columns
from mdlake.steps import House

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["RESEARCH_LAYERS", "connection_settings", "furnish", "furnish_empty", "table_columns"]

RESEARCH_LAYERS = ("published", "pseudonymized")
"""The layers that can be asked; each is a schema."""

_TYPES: Mapping[pl.DataType, str] = {pl.String(): "VARCHAR", pl.Int64(): "BIGINT", pl.Date(): "DATE"}
_PERIOD = LayerColumn(
    PARTITION_COLUMN, pl.String(), Label(fa="دورهٔ مرجع ارسال", en="reference period of the delivery"), (PARTITION_COLUMN,)
)


def connection_settings(scratch: Path) -> dict[str, str]:
    """DuckDB's settings of a warehouse, to be given when it is opened.

    Args:
        scratch: an owner-only folder for what does not fit into memory; whoever opens the warehouse removes it.
    """
    return {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "temp_directory": str(scratch),
    }


def table_columns(dataset: Dataset, layer: str) -> tuple[LayerColumn, ...]:
    """The columns of a dataset in a layer over all versions of its contract, the newest's meaning first; then the period."""
    found: dict[str, LayerColumn] = {}
    for contract in reversed(dataset.versions):
        for column in layer_columns(contract, layer):
            found.setdefault(column.name, column)
    return (*found.values(), _PERIOD)


def furnish(connection: DuckDBPyConnection, house: House) -> None:
    """Make the views of an empty in-memory database, with both titles as comments, and lock it.

    A column of a contract that no month has followed yet is null; a table that was never written is not there.
    """
    for layer, dataset in _tables(connection, house.configuration):
        columns = table_columns(dataset, layer)
        stored = house.table(layer, dataset, dataset.newest).dataset()
        if stored is not None:
            present = frozenset(stored.schema.names)
            chosen = ", ".join(_chosen(column, present) for column in columns)
            connection.from_arrow(stored).project(chosen).create_view(dataset.table_name)
            _comment(connection, dataset, columns)
    connection.execute("SET lock_configuration = true")


def furnish_empty(connection: DuckDBPyConnection, configuration: Configuration) -> None:
    """The same tables without any row, from the contracts alone: what a question can be tried on."""
    for layer, dataset in _tables(connection, configuration):
        columns = ", ".join(f"{column.name} {_TYPES[column.dtype]}" for column in table_columns(dataset, layer))
        connection.execute(f"CREATE TABLE {dataset.table_name} ({columns})")


def _tables(connection: DuckDBPyConnection, configuration: Configuration) -> Iterator[tuple[str, Dataset]]:
    """Each table that is to be made, while its schema is the current one."""
    for layer in RESEARCH_LAYERS:
        connection.execute(f"CREATE SCHEMA {layer}; SET schema = '{layer}'")
        yield from ((layer, dataset) for dataset in configuration.datasets.values())
    connection.execute("SET schema = 'main'")


def _chosen(column: LayerColumn, present: frozenset[str]) -> str:
    return column.name if column.name in present else f"NULL::{_TYPES[column.dtype]} AS {column.name}"


def _comment(connection: DuckDBPyConnection, dataset: Dataset, columns: tuple[LayerColumn, ...]) -> None:
    connection.execute(f"COMMENT ON VIEW {dataset.table_name} IS {_titles(dataset.file.label)}")
    for column in columns:
        connection.execute(f"COMMENT ON COLUMN {dataset.table_name}.{column.name} IS {_titles(column.label)}")


def _titles(label: Label) -> str:
    titles = f"{label.fa} · {label.en}".replace("'", "''")
    return f"'{titles}'"
