"""The verdict on a partition: gather what its rules may look at, ask them, record the answer. Same inputs, same verdict.

A verdict that the ledger already has for the same content, inputs and rules is taken as it stands. The period before
and the registers of other datasets are frozen: only partitions that the gate would let pass serve as a comparison.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mdlake.config import Contract, Dataset
from mdlake.errors import LakeError
from mdlake.lake import PARTITION_COLUMN, PartitionState, PartitionWriter
from mdlake.layers import Tally, layer_schema
from mdlake.ledger import Verdict
from mdlake.ledger.records import canonical_json
from mdlake.principles import RULES, RuleResult, Subject, evaluate, outcome_of, rules_version
from mdlake.standard import Period
from mdlake.steps.delivery_calendar import days_late
from mdlake.steps.house import LAYER_BELOW, House, Run

__all__ = ["Judgement", "failure_text", "judge", "judge_candidate", "worst_part"]


@dataclass(frozen=True)
class Judgement:
    """A verdict with where it was given."""

    verdict: Verdict
    place: str

    @property
    def results(self) -> tuple[Mapping[str, Any], ...]:
        """The rules' results as the ledger keeps them."""
        return self.verdict.results

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed, in words: rule, counts, worst part, what to do."""
        return tuple(failure_text(result) for result in self.results if not result["passed"])


def failure_text(result: Mapping[str, Any]) -> str:
    """One failed rule in words."""
    worst = worst_part(result)
    named = f", most in {worst}" if worst else ""
    share, threshold = result["share"] * 100, result["threshold"] * 100
    counted = f"{result['failed']} of {result['checked']}{named}; {share:.2f} % where at most {threshold:.2f} % passes"
    return f"{result['rule']} ({result['severity']}): {counted}. {RULES[result['rule']].next_step.en}"


def worst_part(result: Mapping[str, Any]) -> str:
    """The column, comparison or foreign key of which the largest share failed; empty where the rule asks of whole rows."""
    parts: Mapping[str, list[int]] = result["parts"]
    worst = max(parts, key=lambda name: parts[name][1] / max(parts[name][0], 1), default="")
    return "" if worst == "rows" else worst


def judge(house: House, layer: str, dataset: Dataset, period: Period, run: Run) -> Judgement:
    """Judge a partition as it stands in the lake.

    Raises:
        LakeError: it was never written.
    """
    contract = dataset.contract(period)
    table = house.table(layer, dataset, contract)
    state = table.state(period.key)
    if state is None:
        raise LakeError(
            f"{layer} of this period was never made", where=f"{dataset.key} {period}", next_step=f"Materialize {layer} first."
        )
    inputs: dict[str, str] = dict(state.details["inputs"])
    subject = Subject(layer, contract, period, table.scan(period.key).drop(PARTITION_COLUMN), state.rows, state.filled)
    subject, compared = _surroundings(house, subject, dataset, state)
    inputs.update(compared)
    return _verdict(house, subject, dataset, state.content_id, inputs, run)


def judge_candidate(
    house: House,
    dataset: Dataset,
    contract: Contract,
    period: Period,
    written: PartitionWriter,
    inputs: Mapping[str, str],
    run: Run,
) -> Judgement:
    """Judge a published partition that is written and not yet committed. The verdict is not recorded yet."""
    subject = Subject("published", contract, period, written.scan(), written.rows, written.filled)
    subject = _below(house, subject, dataset)
    return _judgement(house, subject, dataset, written.content_id(), dict(inputs), run)


def _verdict(house: House, subject: Subject, dataset: Dataset, content_id: str, inputs: dict[str, str], run: Run) -> Judgement:
    version = rules_version(subject.contract)
    stored = house.ledger.verdict_for(subject.layer, dataset.organization, dataset.name, subject.period.key, content_id, version)
    if stored is not None and dict(stored.inputs) == inputs and stored.contract_version == subject.contract.version:
        again = replace(stored, run_id=run.run_id, confirmed_at=house.now())
        return Judgement(house.ledger.record_verdict(again), f"{dataset.key} {subject.period}")
    judgement = _judgement(house, subject, dataset, content_id, inputs, run)
    return replace(judgement, verdict=house.ledger.record_verdict(judgement.verdict))


def _judgement(house: House, subject: Subject, dataset: Dataset, content_id: str, inputs: dict[str, str], run: Run) -> Judgement:
    results: tuple[RuleResult, ...] = evaluate(RULES.values(), subject)
    verdict = Verdict(
        layer=subject.layer,
        organization=dataset.organization,
        dataset=dataset.name,
        period=subject.period.key,
        content_id=content_id,
        inputs=inputs,
        contract_version=subject.contract.version,
        rule_version=rules_version(subject.contract),
        outcome=outcome_of(results),
        results=tuple(result.as_json() for result in results),
        run_id=run.run_id,
        decided_at=house.now(),
    )
    return Judgement(verdict, f"{dataset.key} {subject.period}")


def _surroundings(house: House, subject: Subject, dataset: Dataset, state: PartitionState) -> tuple[Subject, dict[str, str]]:
    """The subject with everything its rules may look at, and the content ids of what they compare it with."""
    details = state.details
    if subject.layer == "raw":
        units = frozenset(details.get("parts", ()))
        own = days_late(house, dataset, subject.period)
        late = {unit: own[unit] for unit in sorted(units or {""}) if unit in own}
        subject = replace(subject, declared_rows=details["declared_rows"], by_alias=details["by_alias"], days_late=late)
        return replace(subject, delivered_units=units), _punctuality(late)
    subject = _below(house, subject, dataset)
    if subject.layer == "standardized":
        subject = replace(
            subject, tally=Tally.from_json(details["tally"]), quarantined_count=_quarantined(house, subject, dataset, state)
        )
        return _compared(house, subject, dataset)
    return replace(subject, epoch=details.get("key_epoch")), {}


def _punctuality(late: Mapping[str, int]) -> dict[str, str]:
    """How late the parts were, as an input of the verdict: an announced holiday may make of a late one one in time."""
    return {"days_late": hashlib.sha256(canonical_json(late).encode()).hexdigest()} if late else {}


def _below(house: House, subject: Subject, dataset: Dataset) -> Subject:
    below = house.table(LAYER_BELOW[subject.layer], dataset, subject.contract)
    state = below.state(subject.period.key)
    if state is None:
        return subject
    subject = replace(subject, below=below.scan(subject.period.key).drop(PARTITION_COLUMN), below_count=state.rows)
    return replace(subject, unit_rows=_unit_rows(state)) if subject.layer == "standardized" else subject


def _unit_rows(raw: PartitionState) -> dict[str, tuple[int, int]]:
    """The first and the last row of each reporting unit's part that has any."""
    parts: Mapping[str, Mapping[str, int]] = raw.details.get("parts", {})
    return {unit: (part["first_row"], part["first_row"] + part["rows"] - 1) for unit, part in parts.items() if part["rows"]}


def _quarantined(house: House, subject: Subject, dataset: Dataset, state: PartitionState) -> int:
    """Rows in the quarantine table, if it is the one that belongs to this partition; none otherwise, which the rule finds."""
    aside = house.table("quarantine", dataset, subject.contract).state(subject.period.key)
    belongs = aside is not None and aside.content_id == state.details["quarantine"]["content_id"]
    return aside.rows if aside is not None and belongs else 0


def _compared(house: House, subject: Subject, dataset: Dataset) -> tuple[Subject, dict[str, str]]:
    """The period before of the same dataset, and the registers that its foreign keys refer to."""
    inputs: dict[str, str] = {}
    before = _frozen(house, dataset, subject.period)
    if before is not None:
        rows, state = before
        subject = replace(subject, previous=rows, previous_count=state.rows)
        inputs[f"previous:{state.period}"] = state.content_id
    registers: dict[str, pl.LazyFrame] = {}
    for key in sorted({c.references.dataset for c in subject.contract.columns if c.references}):
        found = _frozen(house, house.configuration.dataset(key), subject.period)
        if found is not None:
            registers[key] = found[0]
            inputs[f"register:{key}:{found[1].period}"] = found[1].content_id
    return replace(subject, registers=registers), inputs


def _frozen(house: House, dataset: Dataset, period: Period) -> tuple[pl.LazyFrame, PartitionState] | None:
    """The standardized partition of a dataset's last period that ended before `period`, unless it was refused."""
    earlier = [p for p in house.configuration.periods(dataset) if p.last_day < period.first_day]
    if not earlier or dataset.versions[0].valid_from > earlier[-1].months()[-1]:
        return None
    last = earlier[-1]
    contract = dataset.contract(last)
    table = house.table("standardized", dataset, contract)
    state = table.state(last.key)
    if state is None:
        return None
    verdict = house.ledger.verdict_for("standardized", dataset.organization, dataset.name, last.key, state.content_id)
    if verdict is None or house.gate.objection(verdict, dataset.organization) is not None:
        return None
    # only what its own contract has: a column that a later version added was not empty in that period, it was not there
    return table.scan(last.key).select(layer_schema(contract, "standardized").names()), state
