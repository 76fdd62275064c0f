"""What turns one layer into the next, as pure functions of frames: raw, standardized, pseudonymized, published.

Not here: reading and writing, Dagster, the verdict on the result. `columns.py` says which columns each layer has and what
each one is made of, so that schema, lineage and data cannot tell different stories.
"""

from __future__ import annotations

from mdlake.layers.columns import ROW, LayerColumn, layer_columns, layer_order, layer_schema
from mdlake.layers.faults import DUPLICATE_ROW, FAULTS, MALFORMED_ROW, Fault
from mdlake.layers.pseudonymized import pseudonymize
from mdlake.layers.published import publish
from mdlake.layers.raw import MALFORMED, HeaderMatch, match_headers
from mdlake.layers.standardized import REASONS, Duplicates, StandardizedBatch, Tally, standardize_batch

__all__ = [
    "DUPLICATE_ROW",
    "FAULTS",
    "MALFORMED",
    "MALFORMED_ROW",
    "REASONS",
    "ROW",
    "Duplicates",
    "Fault",
    "HeaderMatch",
    "LayerColumn",
    "StandardizedBatch",
    "Tally",
    "layer_columns",
    "layer_order",
    "layer_schema",
    "match_headers",
    "pseudonymize",
    "publish",
    "standardize_batch",
]
