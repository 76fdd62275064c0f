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

_RULE_SET = "rules/1"
"""Marks what the rules compute. It moves with any change of a rule's meaning, so that old verdicts are not taken for new ones."""


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
    expressions: list[pl.Expr] = []
    frames: list[pl.LazyFrame] = []
    places: list[tuple[int, str]] = []
    for number, question in enumerate(questions):
        for part, (checked, failed) in question.counts.items():
            expressions += [checked.alias(f"{number}|{part}|checked"), failed.alias(f"{number}|{part}|failed")]
        for part, frame in question.frames.items():
            frames.append(frame.select("checked", "failed"))
            places.append((number, part))
    answers = [dict(question.known) for question in questions]
    collected = pl.collect_all([*([subject.rows.select(expressions)] if expressions else []), *frames])
    if expressions:
        row = collected.pop(0).row(0, named=True)
        for number, question in enumerate(questions):
            for part in question.counts:
                answers[number][part] = (_count(row[f"{number}|{part}|checked"]), _count(row[f"{number}|{part}|failed"]))
    for (number, part), counted in zip(places, collected, strict=True):
        checked, failed = counted.row(0)
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
