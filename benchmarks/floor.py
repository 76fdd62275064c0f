"""The floor: read the same file and write four Delta tables with no work at all, by the fastest way known.

The whole file is read once by Polars (faster than any reader that checks lines), and four times written as one Parquet
file with the codec that mdlake uses, each named in one Delta commit. No value is looked at.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction

__all__ = ["measure"]


def measure(csv: Path, target: Path) -> dict[str, float]:
    """Seconds of reading, and of each of four tables written."""
    start = time.perf_counter()
    frame = pl.scan_csv(csv, infer_schema=False).collect()
    seconds = {"read": time.perf_counter() - start}
    columns = {name: f"c{number}" for number, name in enumerate(frame.columns)}
    frame = frame.rename(columns)
    for number in range(1, 5):
        start = time.perf_counter()
        _write(frame, target / f"table{number}")
        seconds[f"table {number}"] = time.perf_counter() - start
    return seconds


def _write(frame: pl.DataFrame, root: Path) -> None:
    path = "period=1/part.parquet"
    (root / "period=1").mkdir(parents=True)
    frame.write_parquet(root / path, compression="zstd", compression_level=1)
    fields = [Field(name, PrimitiveType("string")) for name in (*frame.columns, "period")]
    table = DeltaTable.create(str(root), Schema(fields), partition_by=["period"])
    size = os.path.getsize(root / path)
    add = AddAction(path, size, {"period": "1"}, int(time.time() * 1000), True, json.dumps({"numRecords": frame.height}))
    table.create_write_transaction([add], "append", table.schema(), ["period"], commit_properties=CommitProperties())
