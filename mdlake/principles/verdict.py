"""From rules to results, and from results to the verdict on a partition: passed, passed with warnings, or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import polars as pl

from mdlake.config import PRINCIPLES, Contract
from mdlake.principles.rule import Counts, Question, Rule, RuleResult, Subject

__all__ = ["Outcome", "evaluate", "outcome_of", "principles_of", "rules_version"]

Outcome = Literal["passed", "passed_with_warnings", "refused"]

_RULE_SET = "rules/2"
"""Marks what the rules compute. It moves with any change of a rule's meaning, so that old verdicts are not taken for new ones."""

_ROWS_IN_MEMORY = 2_000_000
"""A partition of up to so many rows is asked in memory: that takes half of the time."""


def rules_version(contract: Contract) -> str:
    """The version of the rules with their strictness for a contract: 16 hex digits."""
    return hashlib.sha256(f"{_RULE_SET}:{contract.rule_version}".encode()).hexdigest()[:16]


def principles_of(rules: Iterable[Rule], layer: str) -> tuple[str, ...]:
    """The principles that have a rule on a layer, in the circular's order."""
    present = {rule.principle for rule in rules if layer in rule.layers}
    return tuple(principle for principle in PRINCIPLES if principle in present)


def outcome_of(results: Iterable[RuleResult]) -> Outcome:
    """The verdict that follows from results."""
    failed = {result.severity for result in results if not result.passed}
    if "error" in failed:
        return "refused"
    return "passed_with_warnings" if failed else "passed"


def evaluate(rules: Iterable[Rule], subject: Subject) -> tuple[RuleResult, ...]:
    """Ask every rule of the subject's layer; all that can be answered by one pass over the partition is.

    Returns:
        One result per rule, in the order given.
    """
    asked = [(rule, rule.ask(subject)) for rule in rules if subject.layer in rule.layers]
    answers = _answers([question for _, question in asked], subject)
    return tuple(_result(rule, subject, parts) for (rule, _), parts in zip(asked, answers, strict=True))


def _answers(questions: Sequence[Question], subject: Subject) -> list[dict[str, Counts]]:
    answers = [dict(question.known) for question in questions]
    expressions = {
        f"{number}|{part}|{index}": expression
        for number, question in enumerate(questions)
        for part, pair in question.counts.items()
        for index, expression in enumerate(pair)
    }
    # the streaming engine needs less memory, and does anew for every expression what several of them share
    engine: Literal["in-memory", "streaming"] = "in-memory" if subject.row_count <= _ROWS_IN_MEMORY else "streaming"
    row = subject.rows.select(**expressions).collect(engine=engine).row(0, named=True) if expressions else {}
    for number, question in enumerate(questions):
        for part in question.counts:
            checked, failed = (_count(row[f"{number}|{part}|{index}"]) for index in range(2))
            answers[number][part] = (checked, failed)
        # one rule at a time: all at once, ten million rows and the period before took 5 GB, one by one half of it
        counted = pl.collect_all([frame.select("checked", "failed") for frame in question.frames.values()])
        for part, frame in zip(question.frames, counted, strict=True):
            checked, failed = frame.row(0)
            answers[number][part] = (_count(checked), _count(failed))
    return answers


def _count(value: float | None) -> int:
    return 0 if value is None else round(value)


def _result(rule: Rule, subject: Subject, parts: Mapping[str, Counts]) -> RuleResult:
    setting = subject.contract.rules[rule.name]
    share = max((failed / max(checked, 1) for checked, failed in parts.values()), default=0.0)
    return RuleResult(
        rule=rule.name,
        principle=rule.principle,
        severity=setting.severity,
        checked=sum(checked for checked, _ in parts.values()),
        failed=sum(failed for _, failed in parts.values()),
        threshold=setting.threshold,
        share=share,
        passed=share <= setting.threshold,
        parts={name: counts for name, counts in parts.items() if counts[1]},
        next_step=rule.next_step,
    )
