"""Consistency (اصل سازگار): populations and variables agree between layers and over time.

Rules against the period before use that period's standardized partition. Rules across sources of one month belong to
month close, because a verdict must not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mdlake.config import Label
from mdlake.principles.rule import Question, Rule, Subject

__all__ = ["RULES"]

_PRINCIPLE = "consistency"
_WHOLE = 10_000


def _rows_against_previous(subject: Subject) -> Question:
    if subject.previous is None:
        return Question()
    return Question(known={"rows": (subject.previous_count, abs(subject.row_count - subject.previous_count))})


def _means_against_previous(subject: Subject) -> Question:
    """Change of each measure's mean, in ten-thousandths of the mean before: a mean of few rows is too near to a value."""
    previous = subject.previous
    if previous is None:
        return Question()
    had = set(previous.collect_schema().names())
    measures = [c.name for c in subject.contract.columns if c.role == "measure" and c.name in had]
    if not measures:
        return Question()
    now = subject.rows.select(pl.col(name).mean().alias(f"{name}_now") for name in measures)
    then = previous.select(pl.col(name).mean().alias(f"{name}_then") for name in measures)
    both = pl.concat([now, then], how="horizontal")
    return Question(frames={name: both.select(*_change(pl.col(f"{name}_now"), pl.col(f"{name}_then"))) for name in measures})


def _change(now: pl.Expr, then: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The change of a mean; from zero to anything else all of it, and none where either has no value."""
    share = pl.when(then != 0).then((now - then).abs() / then.abs()).otherwise((now != then).cast(pl.Float64))
    return pl.lit(_WHOLE).alias("checked"), (share * _WHOLE).alias("failed")


def _shares_against_previous(subject: Subject) -> Question:
    """Rows that would have to change their code to give the distribution of the period before (total variation)."""
    previous = subject.previous
    if previous is None or not subject.row_count or not subject.previous_count:
        return Question()
    had = set(previous.collect_schema().names())
    frames = {}
    for column in subject.contract.columns:
        if column.role != "classifying" or column.type != "code" or column.name not in had:
            continue
        now = subject.rows.group_by(column.name).agg((pl.len() / subject.row_count).alias("now"))
        then = previous.group_by(column.name).agg((pl.len() / subject.previous_count).alias("then"))
        both = now.join(then, on=column.name, how="full", nulls_equal=True)
        distance = (pl.col("now").fill_null(0) - pl.col("then").fill_null(0)).abs().sum() / 2
        frames[column.name] = both.select(
            pl.lit(subject.row_count).alias("checked"), (distance * subject.row_count).alias("failed")
        )
    return Question(frames=frames)


def _stable_attributes(subject: Subject) -> Question:
    """Units of both periods whose attributes, stated in both, differ."""
    previous = subject.previous
    if previous is None:
        return Question()
    had = set(previous.collect_schema().names())
    frames = {}
    for agreement in subject.contract.agreements:
        if not {agreement.unit, *agreement.columns} <= had:
            continue
        wanted = [agreement.unit, *agreement.columns]
        now = subject.rows.select(wanted).drop_nulls().unique(agreement.unit, keep="first")
        then = previous.select(wanted).drop_nulls().unique(agreement.unit, keep="first")
        both = now.join(then, on=agreement.unit, suffix="_then")
        differs = pl.any_horizontal(*(pl.col(name) != pl.col(f"{name}_then") for name in agreement.columns))
        frames["+".join(agreement.columns)] = both.select(pl.len().alias("checked"), differs.sum().alias("failed"))
    return Question(frames=frames)


def _totals_carried(subject: Subject) -> Question:
    """Measures whose total, or number of values, is another one than in the layer below."""
    below = subject.below
    if below is None:
        return Question()
    present = set(subject.rows.collect_schema().names()) & set(below.collect_schema().names())
    untouched = {"keep"} if subject.layer == "published" else {"keep", "drop", "band", "top_code"}
    measures = [
        c.name for c in subject.contract.columns if c.role == "measure" and c.name in present and c.publish.action in untouched
    ]
    if not measures:
        return Question()
    here = subject.rows.select(*_totals(measures, "here"))
    there = below.select(*_totals(measures, "there"))
    both = pl.concat([here, there], how="horizontal")
    return Question(
        frames={
            name: both.select(
                pl.lit(1).alias("checked"),
                pl.any_horizontal(pl.col(f"{name}_{told}_here") != pl.col(f"{name}_{told}_there") for told in ("total", "values"))
                .cast(pl.Int64)
                .alias("failed"),
            )
            for name in measures
        }
    )


def _totals(measures: list[str], side: str) -> Iterator[pl.Expr]:
    for name in measures:
        yield pl.col(name).sum().alias(f"{name}_total_{side}")
        yield pl.col(name).count().alias(f"{name}_values_{side}")


RULES = (
    Rule(
        "rows_against_previous",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="شمار سطرها با دورهٔ پیش سازگار است", en="the number of rows agrees with the period before"),
        Label(
            fa="تولیدکننده کامل بودن پرونده را تأیید کند یا دلیل تغییر را بنویسد.",
            en="Ask the producer to confirm that the file is complete, or explain the change; an exception needs the Committee.",
        ),
        _rows_against_previous,
    ),
    Rule(
        "means_against_previous",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="میانگین‌ها با دورهٔ پیش سازگار است", en="the means of the measures agree with the period before"),
        Label(
            fa="واحد پول و تعریف متغیر را با تولیدکننده بررسی کنید.",
            en="Check the unit of money and the definition of the measure with the producer (rial or toman is the usual cause).",
        ),
        _means_against_previous,
    ),
    Rule(
        "shares_against_previous",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سهم طبقه‌ها با دورهٔ پیش سازگار است", en="the shares of the classes agree with the period before"),
        Label(
            fa="تغییر کدگذاری یا جا افتادن یک واحد را با تولیدکننده بررسی کنید.",
            en="Look with the producer for a change of coding, or a unit that did not send.",
        ),
        _shares_against_previous,
    ),
    Rule(
        "stable_attributes",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="ویژگی‌های ثابت واحدها عوض نشده است", en="attributes that do not change are as in the period before"),
        Label(
            fa="تولیدکننده جابه‌جایی شناسه‌ها را بررسی کند.",
            en="Ask the producer to look for identifiers that were exchanged between units.",
        ),
        _stable_attributes,
    ),
    Rule(
        "totals_carried",
        _PRINCIPLE,
        frozenset({"pseudonymized", "published"}),
        Label(fa="جمع‌ها با لایهٔ پیشین برابر است", en="totals equal those of the layer below"),
        Label(fa="این لایه را دوباره اجرا کنید.", en="Materialize this layer of the period again; if it stays, report a defect."),
        _totals_carried,
    ),
)
