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
    answer = house.gate.ask(passage)
    answer.require()
    table = house.table("published", dataset, contract)
    before = table.state(period.key)
    order = layer_order(contract, "published")
    source = house.table("pseudonymized", dataset, contract)
    columns = layer_schema(contract, "pseudonymized").names()
    with table.replace(period.key, layer_schema(contract, "published")) as writer:
        for batch in source.batches(period.key, BATCH_ROWS, columns):
            writer.write(canonical_order(publish(batch.lazy(), contract).collect(engine="in-memory"), order))
        inputs = {"pseudonymized": str(passage.content_id)}
        verdict = judge_candidate(house, dataset, contract, period, writer, inputs, run).verdict
        objection = house.gate.objection(verdict, passage.producer)
        if objection is not None:
            house.ledger.record_verdict(verdict)
            raise GateRefused.of("published is not written, what was there stays", [objection], where=passage.place)
        decisions = tuple(dict.fromkeys((*answer.decisions, *house.gate.exceptions(verdict).values())))
        details = {"run": run.run_id, "contract_version": contract.version, "inputs": inputs, "decisions": decisions}
        state = writer.commit(details)
        house.ledger.record_verdict(verdict)
    counts = {"rows": state.rows}
    changed = before is None or before.content_id != state.content_id
    return Made("published", contract, table, state, changed, counts, decisions)
