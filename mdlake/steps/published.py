"""published: what researchers' extracts and statistics start from. Judged before it is committed, so that a refused
partition never replaces one that was published."""

from __future__ import annotations

from mdlake.config import Dataset
from mdlake.errors import GateRefused
from mdlake.lake import canonical_order
from mdlake.layers import layer_order, layer_schema, publish
from mdlake.standard import Period
from mdlake.steps.house import BATCH_ROWS, House, Run
from mdlake.steps.judge import judge_candidate
from mdlake.steps.made import Made

__all__ = ["make_published"]


def make_published(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """Make the published partition from the pseudonymized one.

    Raises:
        GateRefused: the gate does not let it pass, or its own rules refuse it; what was published stays as it was.
    """
    contract = dataset.contract(period)
    passage = house.passage("published", dataset, contract, period)
    house.gate.ask(passage).require()
    table = house.table("published", dataset, contract)
    before = table.state(period.key)
    order = layer_order(contract, "published")
    source = house.table("pseudonymized", dataset, contract)
    columns = layer_schema(contract, "pseudonymized").names()
    with table.replace(period.key, layer_schema(contract, "published")) as writer:
        for batch in source.batches(period.key, BATCH_ROWS, columns):
            writer.write(canonical_order(publish(batch.lazy(), contract).collect(), order))
        inputs = {"pseudonymized": str(passage.content_id)}
        judgement = judge_candidate(house, dataset, contract, period, writer, inputs, run)
        if judgement.verdict.outcome == "refused":
            raise GateRefused(
                "published is not written: " + "; ".join(judgement.failures),
                where=passage.place,
                next_step="What was published before stays as it was.",
            )
        state = writer.commit({"run": run.run_id, "contract_version": contract.version, "inputs": inputs})
        house.ledger.record_verdict(judgement.verdict)
    counts = {"rows": state.rows}
    return Made("published", contract, table, state, before is None or before.content_id != state.content_id, counts)
