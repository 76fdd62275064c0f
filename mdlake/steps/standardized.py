"""standardized: the ministry's form of what was delivered; the rows that cannot have it go to the quarantine table beside."""

from __future__ import annotations

from mdlake.config import Dataset
from mdlake.layers import Duplicates, Tally, layer_schema, standardize_batch
from mdlake.standard import Period
from mdlake.steps.house import BATCH_ROWS, House, Run
from mdlake.steps.made import Made

__all__ = ["make_standardized"]


def make_standardized(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """Make the standardized partition and its quarantine from the raw one.

    The quarantine is committed first and named in the standardized commit, so that a reader of the latter can tell
    whether the two belong together.

    Raises:
        GateRefused: raw was not made, not checked, or refused.
    """
    contract = dataset.contract(period)
    passage = house.passage("standardized", dataset, contract, period)
    house.gate.ask(passage).require()
    table = house.table("standardized", dataset, contract)
    before = table.state(period.key)
    tally, duplicates = Tally(), Duplicates(contract.unit_key)
    raw = house.table("raw", dataset, contract)
    columns = layer_schema(contract, "raw").names()
    aside = house.table("quarantine", dataset, contract)
    with (
        table.replace(period.key, layer_schema(contract, "standardized")) as writer,
        aside.replace(period.key, layer_schema(contract, "quarantine")) as quarantine,
    ):
        for batch in raw.batches(period.key, BATCH_ROWS, columns):
            done = standardize_batch(batch, contract, period, duplicates)
            writer.write(done.rows)
            quarantine.write(done.quarantine)
            tally.add(done.tally)
        details = {"run": run.run_id, "contract_version": contract.version, "inputs": {"raw": passage.content_id}}
        set_aside = quarantine.commit(details)
        state = writer.commit(
            {**details, "tally": tally.as_json(), "quarantine": {"content_id": set_aside.content_id, "rows": set_aside.rows}}
        )
    counts = {
        "rows_in": tally.rows_in,
        "rows": tally.rows_out,
        "quarantined": tally.quarantined,
        "duplicates": tally.duplicates,
        "edits": tally.edits.total(),
    }
    return Made("standardized", contract, table, state, before is None or before.content_id != state.content_id, counts)
