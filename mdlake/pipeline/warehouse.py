"""The warehouse of the research zone as a Dagster resource, on dagster-duckdb's own; the command asks through it as well.

Not here: what the warehouse shows and what it forbids (`mdlake.statistics`).
"""

# no postponed annotations here: Dagster reads the annotations of resources as objects

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mdlake.statistics import connection_settings, furnish
from mdlake.steps import House

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["ResearchWarehouse"]


@dataclass(frozen=True)
class ResearchWarehouse:
    """Opens the warehouse over a house's tables as they are at that moment."""

    house: House

    @contextmanager
    def get_connection(self) -> Iterator["DuckDBPyConnection"]:
        """A read-only connection, with a view per table that was written; what it spilled is gone afterwards."""
        from dagster_duckdb import DuckDBResource  # noqa: PLC0415 - it loads the engine, which no import may

        with tempfile.TemporaryDirectory(prefix="mdlake-warehouse-") as scratch:
            resource = DuckDBResource(database=":memory:", connection_config=connection_settings(Path(scratch)))
            with resource.get_connection() as connection:
                try:
                    furnish(connection, self.house)
                    yield connection
                finally:
                    # dagster-duckdb leaves it open when the asset fails
                    connection.close()
