"""Questions to the research zone in SQL: the warehouse of its tables, and the saved queries of the configuration.

Not here: identifiers, which the research zone does not have, and Dagster, whose resource opens the same warehouse.
"""

from __future__ import annotations

from mdlake.statistics.asking import Answer, ask
from mdlake.statistics.saved_queries import Asked, ask_saved, saved_query_problems
from mdlake.statistics.warehouse import RESEARCH_LAYERS, connection_settings, furnish, table_columns

__all__ = [
    "RESEARCH_LAYERS",
    "Answer",
    "Asked",
    "ask",
    "ask_saved",
    "connection_settings",
    "furnish",
    "saved_query_problems",
    "table_columns",
]
