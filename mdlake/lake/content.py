"""The partition content id: a hash of what a partition says, whatever the order of its rows and the layout of its files.

Rows are put in the table's canonical order (the delivery's row number in the secure zone, the pseudonyms in the research
zone); then every column is hashed as two byte strings, its values and their lengths or presence, with SHA-256. Hashing
columns in bulk costs about a seventh of hashing rows one by one, which is why order comes first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from mdlake.errors import LakeError

__all__ = ["ContentHasher", "canonical_order", "content_id"]

_FORMAT = "mdlake-content/1"
_NO_VALUE = 0xFFFF_FFFF


class ContentHasher:
    """Hashes a partition batch by batch; batches come in canonical order and all have the same schema.

    The id is SHA-256 over the format, the number of rows, and per column in name order: name, kind, SHA-256 of the values
    (UTF-8 text one after another; integers and day numbers as eight bytes, little-endian, zero where missing), SHA-256 of
    the presence (text: length as four bytes, 0xFFFFFFFF where missing; others: one byte, 1 or 0). A column without any
    value is left out, so that a column which the table gained later does not change the ids of its older partitions.
    """

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema
        self._rows = 0
        self._hashes = {name: (hashlib.sha256(), hashlib.sha256()) for name in schema}
        self._present = dict.fromkeys(schema, 0)

    def update(self, batch: pl.DataFrame) -> None:
        """Add the next batch.

        Raises:
            LakeError: its schema is another one, or a column's type has no canonical bytes.
        """
        if batch.schema != self._schema:
            raise LakeError("a batch has another schema than the partition's first one", next_step="Report this defect.")
        self._rows += batch.height
        # hashlib lets go of the interpreter lock, so two columns are hashed at a time on two cores
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._update_column, batch.get_columns()))

    def _update_column(self, column: pl.Series) -> None:
        values, presence = self._hashes[column.name]
        self._present[column.name] += len(column) - column.null_count()
        dtype = column.dtype
        if dtype == pl.String:
            arrow = column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
            _, offsets, data = arrow.buffers()
            if data is not None and len(arrow):
                bounds = memoryview(offsets).cast("q")
                values.update(memoryview(data)[bounds[arrow.offset] : bounds[arrow.offset + len(arrow)]])
            presence.update(column.str.len_bytes().cast(pl.UInt32).fill_null(_NO_VALUE).to_numpy().data)
        elif dtype.is_integer() or dtype in (pl.Date, pl.Boolean):
            physical = column.to_physical().cast(pl.Int64).fill_null(0)
            values.update(physical.to_numpy().data)
            presence.update(column.is_not_null().cast(pl.UInt8).to_numpy().data)
        else:
            raise LakeError(
                f"a column of type {dtype} has no canonical bytes", where=column.name, next_step="Report this defect."
            )

    def hexdigest(self) -> str:
        """The content id: 64 hex digits."""
        columns = [
            [name, str(self._schema[name]), values.hexdigest(), presence.hexdigest()]
            for name, (values, presence) in sorted(self._hashes.items())
            if self._present[name]
        ]
        text = json.dumps([_FORMAT, self._rows, columns], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def canonical_order(frame: pl.DataFrame, lead: Sequence[str]) -> pl.DataFrame:
    """The rows sorted by `lead`, and where those are equal by all other columns in name order; missing values first.

    Args:
        lead: names of the leading columns, most significant first.
    """
    return frame.sort([*lead, *sorted(set(frame.columns) - set(lead))], nulls_last=False)


def content_id(frame: pl.DataFrame, lead: Sequence[str]) -> str:
    """The content id of a partition held in memory, without its partition column, in whatever order its rows come."""
    hasher = ContentHasher(frame.schema)
    hasher.update(canonical_order(frame, lead))
    return hasher.hexdigest()
