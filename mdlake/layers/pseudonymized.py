"""From the secure zone's columns to the research zone's: identifiers become pseudonyms, what names a person stays behind.

A batch function over a `KeyedHash`, not a query plan, because a key never enters a plan.
"""

from __future__ import annotations

import polars as pl

from mdlake.config import Contract
from mdlake.layers.columns import layer_schema
from mdlake.pseudonyms import KeyedHash

__all__ = ["pseudonymize"]


def pseudonymize(batch: pl.DataFrame, contract: Contract, keyed_hash: KeyedHash, run: str) -> pl.DataFrame:
    """The pseudonymized layer's columns of a batch of standardized rows, in the order of the batch.

    Args:
        batch: the standardized layer's columns.
        run: on whose behalf the keys are used, for the audit.
    """
    pseudonyms = []
    for column in contract.linked:
        assert column.identifier is not None
        values = batch.get_column(column.name)
        pseudonyms.append(keyed_hash.pseudonyms(column.identifier.name, values, run).alias(column.pseudonym))
    return batch.with_columns(pseudonyms).select(layer_schema(contract, "pseudonymized").names())
