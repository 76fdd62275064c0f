"""Ways to write one partition of a Delta table from a delivered file in bounded memory: why `lake/` writes as it does.

Each way reads the same CSV in the same batches and writes all its columns as text, without content ids.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction

__all__ = ["WAYS", "measure"]

_BATCH_ROWS = 1_000_000


def measure(way: str, csv: Path, target: Path) -> dict[str, float]:
    """Seconds of one way."""
    start = time.perf_counter()
    WAYS[way](csv, target)
    return {"seconds": time.perf_counter() - start}


def _scan(csv: Path) -> pl.LazyFrame:
    frame = pl.scan_csv(csv, infer_schema=False)
    names = frame.collect_schema().names()
    return frame.rename({name: f"c{number}" for number, name in enumerate(names)}).with_columns(period=pl.lit("1"))


def _files_and_one_commit(csv: Path, target: Path) -> None:
    (target / "period=1").mkdir(parents=True)
    adds, columns = [], []
    for number, batch in enumerate(_scan(csv).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)):
        path = f"period=1/{number}.parquet"
        rows = batch.drop("period")
        columns = rows.columns
        rows.write_parquet(target / path, compression="zstd", compression_level=1)
        size = os.path.getsize(target / path)
        adds.append(
            AddAction(path, size, {"period": "1"}, int(time.time() * 1000), True, json.dumps({"numRecords": rows.height}))
        )
    fields = [Field(name, PrimitiveType("string")) for name in (*columns, "period")]
    table = DeltaTable.create(str(target), Schema(fields), partition_by=["period"])
    table.create_write_transaction(adds, "overwrite", table.schema(), ["period"], [("period", "=", "1")])


def _write_deltalake_stream(csv: Path, target: Path) -> None:
    names = _scan(csv).collect_schema().names()
    schema = pa.schema([(name, pa.large_string()) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _scan(csv).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
            yield from batch.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema).to_batches()

    stream = pa.RecordBatchReader.from_batches(schema, batches())
    write_deltalake(str(target), stream, partition_by=["period"], mode="overwrite")


def _sink_delta(csv: Path, target: Path) -> None:
    _scan(csv).sink_delta(str(target), mode="overwrite", delta_write_options={"partition_by": ["period"]})


WAYS: Mapping[str, Callable[[Path, Path], None]] = {
    "Parquet files, then one commit (lake/)": _files_and_one_commit,
    "stream of batches into write_deltalake": _write_deltalake_stream,
    "LazyFrame.sink_delta": _sink_delta,
}
