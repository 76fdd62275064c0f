"""From pseudonymized to published: columns that leave are dropped, others generalized as the contract says. Pure."""

from __future__ import annotations

import polars as pl

from mdlake.config import Column, Contract
from mdlake.layers.columns import layer_columns
from mdlake.standard import solar_hijri_from_gregorian, solar_hijri_month

__all__ = ["publish"]


def publish(pseudonymized: pl.LazyFrame, contract: Contract) -> pl.LazyFrame:
    """The published layer's columns; rows and their order are unchanged.

    Source of the methods: generalization and top coding as in Hundepool et al., "Statistical Disclosure Control" (2012).
    """
    by_source = {column.name: column for column in contract.columns if not column.is_linked}
    return pseudonymized.select(
        _generalize(by_source[c.sources[0]]).alias(c.name) if c.sources[0] in by_source else pl.col(c.name)
        for c in layer_columns(contract, "published")
    )


def _generalize(column: Column) -> pl.Expr:
    value, width = pl.col(column.name), column.publish.width
    match column.publish.action:
        case "year":
            year = value.str.slice(0, 4) if column.type == "month" else solar_hijri_from_gregorian(value).struct.field("year")
            return year.cast(pl.Int64)
        case "year_month":
            return solar_hijri_month(value)
        case "band":
            return value // width * width
        case "top_code":
            return value.clip(upper_bound=width)
        case "prefix":
            return value.str.slice(0, width)
        case _:
            return value
