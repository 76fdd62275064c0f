"""From the secure zone's columns to the research zone's: identifiers become pseudonyms, what names a person stays behind.

A batch function over a `KeyedHash`, not a query plan, because a key never enters a plan.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl

from mdlake.config import Column, Contract
from mdlake.layers.columns import layer_schema
from mdlake.pseudonyms import KeyedHash

__all__ = ["pseudonymize"]


def pseudonymize(batch: pl.DataFrame, contract: Contract, keyed_hash: KeyedHash, run: str) -> pl.DataFrame:
    """The pseudonymized layer's columns of a batch of standardized rows, in the order of the batch.

    Args:
        batch: the standardized layer's columns.
        run: on whose behalf the keys are used, for the audit.
    """

    def pseudonyms_of(column: Column) -> pl.Series:
        assert column.identifier is not None
        return keyed_hash.pseudonyms(column.identifier.name, batch.get_column(column.name), run).alias(column.pseudonym)

    # the hash keeps one core busy per column
    with ThreadPoolExecutor() as pool:
        pseudonyms = list(pool.map(pseudonyms_of, contract.linked))
    return batch.with_columns(pseudonyms).select(layer_schema(contract, "pseudonymized").names())
