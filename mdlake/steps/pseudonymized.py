"""pseudonymized: the last step in the secure room. Identifiers become pseudonyms, and the delivery's order of rows is lost.

The order is by pseudonym, because the order of the delivery would link a row to the list that it came from. A partition
larger than one batch is parted by the leading pseudonym into pieces that fit, each ordered alone.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mdlake.config import Contract, Dataset
from mdlake.lake import canonical_order
from mdlake.layers import layer_order, layer_schema, pseudonymize
from mdlake.standard import Period
from mdlake.steps.house import BATCH_ROWS, House, Run
from mdlake.steps.made import Made

__all__ = ["make_pseudonymized"]

_BUCKETS = 4096
_MARKER_AND_EPOCH = r"^[a-z]{3}[0-9]+_"


def make_pseudonymized(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """Make the pseudonymized partition, in the research zone, from the standardized one.

    Raises:
        GateRefused: standardized was not made, not checked, or refused.
        KeyRefused: the key file cannot be trusted.
    """
    contract = dataset.contract(period)
    passage = house.passage("pseudonymized", dataset, contract, period)
    house.gate.ask(passage).require()
    keyed_hash = house.keyed_hash
    source = house.table("standardized", dataset, contract)
    rows = source.scan(period.key).select(pl.len()).collect().item()
    table = house.table("pseudonymized", dataset, contract)
    before = table.state(period.key)
    columns = layer_schema(contract, "standardized").names()
    batches = (pseudonymize(batch, contract, keyed_hash, run.run_id) for batch in source.batches(period.key, BATCH_ROWS, columns))
    with table.replace(period.key, layer_schema(contract, "pseudonymized")) as writer:
        for piece in _ordered(batches, rows, contract, house.home.scratch):
            writer.write(piece)
        state = writer.commit(
            {
                "run": run.run_id,
                "contract_version": contract.version,
                "inputs": {"standardized": passage.content_id},
                "key_epoch": keyed_hash.epoch,
            }
        )
    counts = {"rows": state.rows, "key_epoch": keyed_hash.epoch, "pseudonymized_columns": len(contract.linked)}
    return Made("pseudonymized", contract, table, state, before is None or before.content_id != state.content_id, counts)


def _ordered(batches: Iterator[pl.DataFrame], rows: int, contract: Contract, scratch: Path) -> Iterator[pl.DataFrame]:
    """All rows in canonical order, piece by piece."""
    order = layer_order(contract, "pseudonymized")
    pieces = math.ceil(rows / BATCH_ROWS)
    if pieces <= 1 or not order or order[0] not in {column.pseudonym for column in contract.linked}:
        if rows:
            # no name here holds the batches: the order is made in their memory
            yield canonical_order(pl.concat(list(batches)), order)
        return
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        spilled = _spill(batches, order[0], pieces, Path(folder))
        for files in spilled:
            if files:
                yield canonical_order(pl.concat([pl.read_ipc(file) for file in files]), order)
                for file in files:
                    file.unlink()


def _spill(batches: Iterator[pl.DataFrame], lead: str, pieces: int, folder: Path) -> list[list[Path]]:
    """Part every batch by its leading pseudonym; the digits of a pseudonym are uniform, so the pieces are equal."""
    files: list[list[Path]] = [[] for _ in range(pieces)]
    for number, batch in enumerate(batches):
        digits = pl.col(lead).str.replace(_MARKER_AND_EPOCH, "").str.slice(0, 3).str.to_integer(base=16, strict=False)
        piece = (digits.fill_null(0).cast(pl.Int64) * pieces // _BUCKETS).alias("piece")
        for (which,), part in batch.with_columns(piece).partition_by("piece", as_dict=True, include_key=False).items():
            path = folder / f"{which}-{number}.arrow"
            part.write_ipc(path, compression="lz4")
            files[int(str(which))].append(path)
    return files
