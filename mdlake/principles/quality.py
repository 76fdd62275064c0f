"""Quality (اصل کیفیت): the partition is fit for its use. Rules look at one partition alone."""

from __future__ import annotations

import polars as pl

from mdlake.config import Column, Label
from mdlake.principles.rule import Question, Rule, Subject

__all__ = ["RULES"]

_PRINCIPLE = "quality"
_ROBUST_Z = 6.0
_QUARTILES_TO_SIGMA = 1.349
_SAMPLE_ROWS = 100_000
_HEAP = 1_000_000
_COMPARE = {
    "<": pl.Expr.lt,
    "<=": pl.Expr.le,
    "==": pl.Expr.eq,
    ">=": pl.Expr.ge,
    ">": pl.Expr.gt,
}


def _filled_columns(subject: Subject) -> Question:
    """Contract columns in which no row has anything."""
    required = [column for column in subject.contract.columns if column.required]
    return Question(known={c.name: (1, int(subject.row_count > 0 and not subject.filled[c.name])) for c in required})


def _completeness(subject: Subject) -> Question:
    required = [column for column in subject.contract.columns if column.required]
    return Question(known={c.name: (subject.row_count, subject.row_count - subject.filled[c.name]) for c in required})


def _quarantined_rows(subject: Subject) -> Question:
    tally = subject.tally
    return Question() if tally is None else Question(known={"rows": (tally.rows_in, tally.quarantined)})


def _duplicate_rows(subject: Subject) -> Question:
    tally = subject.tally
    return Question() if tally is None else Question(known={"rows": (tally.rows_in, tally.duplicates)})


def _ranges(subject: Subject) -> Question:
    counts = {}
    for column in subject.contract.columns:
        value = pl.col(column.name)
        outside = [value < column.minimum] if column.minimum is not None else []
        outside += [value > column.maximum] if column.maximum is not None else []
        if outside:
            counts[column.name] = (value.count(), pl.any_horizontal(*outside).sum())
    return Question(counts=counts)


def _logical_edits(subject: Subject) -> Question:
    counts = {}
    for edit in subject.contract.edits:
        left, right = pl.col(edit.left), pl.col(edit.right)
        holds = _COMPARE[edit.operator](left, right)
        counts[f"{edit.left} {edit.operator} {edit.right}"] = (pl.len(), (~holds).sum())
    return Question(counts=counts)


def _amounts(subject: Subject) -> list[Column]:
    return [c for c in subject.contract.columns if c.type == "amount" and c.role == "measure"]


def _outliers(subject: Subject) -> Question:
    """Positive amounts whose logarithm lies more than six robust standard deviations from the median.

    The deviation is the range between the quartiles of the logarithm, over 1.349; quantiles of logarithms are logarithms of
    quantiles, so no logarithm of a row is taken. The quartiles are those of every k-th row, at least 100,000 of them, which
    is a tenth of the work. Source: Rousseeuw & Croux (1993).
    """
    stride = max(1, subject.row_count // _SAMPLE_ROWS)
    counts = {}
    for column in _amounts(subject):
        amount = pl.col(column.name)
        some = amount.gather_every(stride)
        low, middle, high = (some.filter(some > 0).quantile(q, "nearest").log() for q in (0.25, 0.5, 0.75))
        reach = _ROBUST_Z * (high - low) / _QUARTILES_TO_SIGMA
        far = (amount > 0) & ((amount < (middle - reach).exp()) | (amount > (middle + reach).exp()))
        # where half of the amounts are one number, nothing can be said of the others
        counts[column.name] = ((amount > 0).sum(), pl.when(reach > 0).then(far.sum()).otherwise(0))
    return Question(counts=counts)


def _heaping(subject: Subject) -> Question:
    """Positive amounts that are whole millions: written from memory rather than computed."""
    counts = {}
    for column in _amounts(subject):
        value = pl.col(column.name)
        positive = value > 0
        counts[column.name] = (positive.sum(), (positive & (value % _HEAP == 0)).sum())
    return Question(counts=counts)


RULES = (
    Rule(
        "filled_columns",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="هیچ ستون لازمی سراسر خالی نیست", en="no required column is empty throughout"),
        Label(fa="تولیدکننده ستون خالی را پر کند.", en="Ask the producer to fill the column, and to send again."),
        _filled_columns,
    ),
    Rule(
        "completeness",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="اقلام لازم کامل است", en="required items are complete"),
        Label(fa="تولیدکننده اقلام خالی را تکمیل کند.", en="Ask the producer to complete the items that are missing."),
        _completeness,
    ),
    Rule(
        "quarantined_rows",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سطرهای قرنطینه کم است", en="few rows are in quarantine"),
        Label(
            fa="دلایل قرنطینه را به تولیدکننده بفرستید تا سامانهٔ خود را اصلاح کند.",
            en="Send the producer the reasons of the quarantine, by count and row; it corrects its system and sends again.",
        ),
        _quarantined_rows,
    ),
    Rule(
        "duplicate_rows",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سطر تکراری کم است", en="few rows stand twice"),
        Label(fa="تولیدکننده تکرار سطرها را برطرف کند.", en="Ask the producer to find out why its file repeats rows."),
        _duplicate_rows,
    ),
    Rule(
        "ranges",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="مقدارها در بازهٔ مجاز است", en="values lie within their bounds"),
        Label(
            fa="تولیدکننده مقدارهای بیرون از بازه را اصلاح کند.", en="Ask the producer to correct the values outside the bounds."
        ),
        _ranges,
    ),
    Rule(
        "logical_edits",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="ویرایش‌های منطقی برقرار است", en="logical edits hold between columns"),
        Label(
            fa="تولیدکننده ناسازگاری دو ستون را اصلاح کند.", en="Ask the producer to correct the rows whose columns contradict."
        ),
        _logical_edits,
    ),
    Rule(
        "outliers",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="مبلغ پرت کم است", en="few amounts are outliers"),
        Label(fa="مبلغ‌های پرت را با تولیدکننده بررسی کنید.", en="Review the outlying amounts with the producer."),
        _outliers,
    ),
    Rule(
        "heaping",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="مبلغ‌ها گرد نشده است", en="amounts are computed, not rounded from memory"),
        Label(fa="شیوهٔ ثبت مبلغ را با تولیدکننده بررسی کنید.", en="Review with the producer how the amount is recorded."),
        _heaping,
    ),
)
