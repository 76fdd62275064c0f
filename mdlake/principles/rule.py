"""What a rule is: a question to one partition, answered in counts. Here: the types; the rules stand beside, by principle.

A rule asks in parts (a column, a comparison, a foreign key). Each part has how much was checked and how much of it
failed; the rule passes when no part fails for a larger share than its threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from mdlake.config import Contract, Label
from mdlake.layers import Tally
from mdlake.standard import Period

__all__ = ["Counts", "Question", "Rule", "RuleResult", "Subject"]

Counts = tuple[int, int]
"""(checked, failed)."""


@dataclass(frozen=True)
class Subject:
    """One partition of one layer, with what its rules may look at. All inputs are frozen: same subject, same answers.

    Attributes:
        rows: the partition.
        row_count: its number of rows, as committed.
        filled: its values that are not missing, by column, as counted when they were written.
        below: the partition of the layer below that it was made of; None for raw.
        below_count: number of rows of `below`.
        quarantined_count: rows in the quarantine table beside a standardized partition.
        tally: what standardization counted; None on other layers.
        declared_rows: what the sender says it sent; None where it did not say, and on other layers than raw.
        by_alias: delivered columns that came under another header.
        delivered_units: codes of the reporting units whose parts it unites; none where one file is all, and on other layers.
        days_late: of a raw partition that was owed by a day, how many days late each of its senders was, by reporting unit (the
            empty code where one file is all); 0 for who was in time.
        unit_rows: of a standardized partition that unites the parts of reporting units, the first and the last row number of
            each unit's part; empty for parts without rows, where one file is all, and on other layers.
        previous: the same layer's partition of the period before; None where there is none.
        previous_count: its number of rows.
        registers: partitions of other datasets of the period before, by dataset, for foreign keys.
        epoch: the key epoch of the pseudonyms; None on layers without.
    """

    layer: str
    contract: Contract
    period: Period
    rows: pl.LazyFrame
    row_count: int
    filled: Mapping[str, int]
    below: pl.LazyFrame | None = None
    below_count: int | None = None
    quarantined_count: int = 0
    tally: Tally | None = None
    declared_rows: int | None = None
    by_alias: int = 0
    delivered_units: frozenset[str] = frozenset()
    days_late: Mapping[str, int] = field(default_factory=dict)
    unit_rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    previous: pl.LazyFrame | None = None
    previous_count: int = 0
    registers: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    epoch: int | None = None


@dataclass(frozen=True)
class Question:
    """What a rule wants to know of a subject. All `counts` of all rules are answered in one pass over the partition.

    Attributes:
        known: parts whose counts are known already.
        counts: parts as (checked, failed) expressions over the subject's rows, each one number.
        frames: parts as frames of one row with the columns `checked` and `failed`.
        rows: of parts that are about rows, which rows a person has to look at: a boolean expression over the subject's rows.
    """

    known: Mapping[str, Counts] = field(default_factory=dict)
    counts: Mapping[str, tuple[pl.Expr, pl.Expr]] = field(default_factory=dict)
    frames: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    rows: Mapping[str, pl.Expr] = field(default_factory=dict)

    @classmethod
    def of_rows(cls, parts: Mapping[str, tuple[pl.Expr, pl.Expr]]) -> Question:
        """A question whose parts are how many rows are checked, one number, and which of them fail, a boolean for each row."""
        counts = {part: (checked, fails.sum()) for part, (checked, fails) in parts.items()}
        return cls(counts=counts, rows={part: fails for part, (_, fails) in parts.items()})


@dataclass(frozen=True)
class Rule:
    """A rule of one principle on one or more layers.

    Attributes:
        title: what it asks, in both languages.
        next_step: what to do when it fails.
        ask: from a subject to the question; an empty question means that there is nothing to compare with.
        fix: what a producer does about it in its own system; None where its file alone cannot answer the question.
    """

    name: str
    principle: str
    layers: frozenset[str]
    title: Label
    next_step: Label
    ask: Callable[[Subject], Question]
    fix: Label | None = None


@dataclass(frozen=True)
class RuleResult:
    """The answer to one rule.

    Attributes:
        parts: (checked, failed) of every part in which anything failed.
        share: failed share of the worst part.
    """

    rule: str
    principle: str
    severity: str
    checked: int
    failed: int
    threshold: float
    share: float
    passed: bool
    parts: Mapping[str, Counts]
    next_step: Label

    def as_json(self) -> dict[str, object]:
        """Plain values for the ledger: counts and names only."""
        return {
            "rule": self.rule,
            "principle": self.principle,
            "severity": self.severity,
            "checked": self.checked,
            "failed": self.failed,
            "threshold": self.threshold,
            "share": round(self.share, 6),
            "passed": self.passed,
            "parts": {name: list(counts) for name, counts in sorted(self.parts.items())},
        }
