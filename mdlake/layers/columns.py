"""The columns of each layer of a contract: name, type, meaning, and the columns of the layer below that each is made of.

Schema in Delta, column schema and column lineage in Dagster, and the transformations themselves all read this one list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from mdlake.config import Column, Contract, Label
from mdlake.errors import UnknownName
from mdlake.standard import persian_digits

__all__ = ["MALFORMED", "REASONS", "ROW", "STORAGE", "LayerColumn", "layer_columns", "layer_order", "layer_schema"]

ROW = "_row"
MALFORMED = "_malformed"
REASONS = "_reasons"

STORAGE: dict[str, pl.DataType] = {
    "identifier": pl.String(),
    "text": pl.String(),
    "free_text": pl.String(),
    "code": pl.String(),
    "integer": pl.Int64(),
    "amount": pl.Int64(),
    "date": pl.Date(),
    "month": pl.String(),
}
_ROW_LABEL = Label(fa="شمارهٔ سطر در پروندهٔ ارسالی", en="row number in the delivery")
_MALFORMED_LABEL = Label(fa="سطری که به ستون‌ها جدا نمی‌شود", en="a line that does not divide into the columns")
_REASONS_LABEL = Label(fa="دلایل کنار گذاشتن سطر", en="reasons why the row was set aside")


@dataclass(frozen=True)
class LayerColumn:
    """A column of a layer.

    Attributes:
        sources: columns of the layer below that it is made of.
        unit: of measures, such as `rial`; None for others.
    """

    name: str
    dtype: pl.DataType
    label: Label
    sources: tuple[str, ...]
    unit: str | None = None


def layer_columns(contract: Contract, layer: str) -> tuple[LayerColumn, ...]:
    """The columns of `raw`, `standardized`, `quarantine`, `pseudonymized` or `published`, in their order.

    Raises:
        UnknownName: there is no such layer.
    """
    makers = {
        "raw": _raw,
        "standardized": _standardized,
        "quarantine": _quarantine,
        "pseudonymized": _pseudonymized,
        "published": _published,
    }
    if layer not in makers:
        raise UnknownName("layer", layer, makers)
    return tuple(makers[layer](contract))


def layer_schema(contract: Contract, layer: str) -> pl.Schema:
    """The Polars schema of a layer, without the partition column."""
    return pl.Schema({column.name: column.dtype for column in layer_columns(contract, layer)})


def layer_order(contract: Contract, layer: str) -> tuple[str, ...]:
    """The leading columns of a layer's canonical order.

    The secure zone keeps the delivery's order; the research zone must not, so it is ordered by pseudonyms.
    """
    if layer in ("raw", "standardized", "quarantine"):
        return (ROW,)
    present = {column.name for column in layer_columns(contract, layer)}
    key = [contract.column(name) for name in contract.unit_key]
    # pseudonyms lead, because they are spread evenly: large partitions are ordered piece by piece
    linked = [c.pseudonym for c in sorted(contract.linked, key=lambda c: (c not in key, contract.columns.index(c)))]
    return tuple(name for name in (*linked, *(c.name for c in key)) if name in present)


def _raw(contract: Contract) -> Iterator[LayerColumn]:
    yield LayerColumn(ROW, pl.Int64(), _ROW_LABEL, ())
    for column in contract.columns:
        yield LayerColumn(column.name, pl.String(), column.label, ())
    yield LayerColumn(MALFORMED, pl.String(), _MALFORMED_LABEL, ())


def _quarantine(contract: Contract) -> Iterator[LayerColumn]:
    for column in _raw(contract):
        yield LayerColumn(column.name, column.dtype, column.label, (column.name,))
    yield LayerColumn(REASONS, pl.String(), _REASONS_LABEL, tuple(column.name for column in contract.columns))


def _standardized(contract: Contract) -> Iterator[LayerColumn]:
    yield LayerColumn(ROW, pl.Int64(), _ROW_LABEL, (ROW,))
    for column in contract.columns:
        yield LayerColumn(column.name, STORAGE[column.type], column.label, (column.name,), column.unit)
        if column.unlinkable:
            yield LayerColumn(column.unlinkable, pl.String(), _unlinkable_label(column), (column.name,))


def _pseudonymized(contract: Contract) -> Iterator[LayerColumn]:
    for column in contract.columns:
        if column.is_linked:
            yield LayerColumn(column.pseudonym, pl.String(), _pseudonym_label(column), (column.name,))
            if column.unlinkable:
                yield LayerColumn(column.unlinkable, pl.String(), _unlinkable_label(column), (column.unlinkable,))
        elif not column.stays_secure:
            yield LayerColumn(column.name, STORAGE[column.type], column.label, (column.name,), column.unit)


def _published(contract: Contract) -> Iterator[LayerColumn]:
    for column in contract.columns:
        if column.publish.action == "drop":
            continue
        if column.is_linked:
            yield LayerColumn(column.pseudonym, pl.String(), _pseudonym_label(column), (column.pseudonym,))
            if column.unlinkable:
                yield LayerColumn(column.unlinkable, pl.String(), _unlinkable_label(column), (column.unlinkable,))
        else:
            yield _generalized(column)


def _generalized(column: Column) -> LayerColumn:
    """A published column; its name says what was done to it where its values are no longer of the same kind."""
    action, width, label = column.publish.action, column.publish.width, column.label
    if action == "year_month":
        label = Label(fa=f"{label.fa} (سال و ماه)", en=f"{label.en} (year and month)")
        return LayerColumn(f"{column.name}_month", pl.String(), label, (column.name,))
    if action == "year":
        label = Label(fa=f"{label.fa} (سال)", en=f"{label.en} (year)")
        return LayerColumn(f"{column.name}_year", pl.Int64(), label, (column.name,))
    if action == "band":
        label = Label(fa=f"{label.fa} (آغاز بازهٔ {_persian(width)}تایی)", en=f"{label.en} (start of a band of {width})")
        return LayerColumn(f"{column.name}_band", pl.Int64(), label, (column.name,), column.unit)
    if action == "top_code":
        label = Label(fa=f"{label.fa} (حداکثر {_persian(width)})", en=f"{label.en} (at most {width})")
    return LayerColumn(column.name, STORAGE[column.type], label, (column.name,), column.unit)


def _persian(number: int | None) -> str:
    return persian_digits(f"{number:,}".replace(",", "٬"))


def _pseudonym_label(column: Column) -> Label:
    return Label(fa=f"شناسهٔ مستعار {column.label.fa}", en=f"pseudonym of the {column.label.en}")


def _unlinkable_label(column: Column) -> Label:
    return Label(fa=f"دلیل پیوند نداشتن {column.label.fa}", en=f"why the {column.label.en} links to nothing")
