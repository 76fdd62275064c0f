"""System (اصل سیستم): every table belongs to one coordinated system, and links through shared identifiers and variables."""

from __future__ import annotations

import polars as pl

from mdlake.config import Label
from mdlake.layers import layer_schema
from mdlake.principles.rule import Question, Rule, Subject

__all__ = ["RULES"]

_PRINCIPLE = "system"
_PSEUDONYM_LENGTH = 32


def _shared_variables(subject: Subject) -> Question:
    columns = subject.contract.columns
    own = sum(1 for column in columns if column.variable is None)
    return Question(known={"columns": (len(columns), own)})


def _linkable_rows(subject: Subject) -> Question:
    """Rows without a usable identifier, by identifier that a row must have."""
    required = [column for column in subject.contract.linked if column.required]
    return Question(
        known={c.name: (subject.row_count, subject.row_count - subject.filled[c.name]) for c in required},
        rows={c.name: pl.col(c.name).is_null() for c in required},
    )


def _foreign_keys(subject: Subject) -> Question:
    """Rows whose key is not a unit of the frozen register, which is the other dataset's partition of the period before."""
    frames = {}
    for column in subject.contract.columns:
        reference = column.references
        if reference is None or reference.dataset not in subject.registers:
            continue
        known = subject.registers[reference.dataset].select(pl.col(reference.column).alias(column.name)).drop_nulls().unique()
        values = subject.rows.select(column.name).drop_nulls()
        orphans = values.join(known, on=column.name, how="anti").select(pl.len().alias("failed"))
        frames[f"{column.name}→{reference.dataset}"] = pl.concat(
            [values.select(pl.len().alias("checked")), orphans], how="horizontal"
        )
    return Question(frames=frames)


def _one_code_one_unit(subject: Subject) -> Question:
    """Units that carry more than one combination of attributes which a unit has only one of.

    Units and combinations are told apart by 64-bit hashes, in half of the time of the values themselves.
    """
    frames, rows = {}, {}
    for agreement in subject.contract.agreements:
        attributes = [pl.col(name) for name in agreement.columns]
        stated = subject.rows.filter(pl.col(agreement.unit).is_not_null(), *(attribute.is_not_null() for attribute in attributes))
        combinations = stated.select(unit=pl.col(agreement.unit).hash(), combination=pl.struct(attributes).hash())
        units = combinations.group_by("unit").agg(least=pl.col("combination").min(), greatest=pl.col("combination").max())
        part = "+".join(agreement.columns)
        frames[part] = units.select(pl.len().alias("checked"), (pl.col("least") != pl.col("greatest")).sum().alias("failed"))
        is_stated = pl.all_horizontal(pl.col(agreement.unit).is_not_null(), *(name.is_not_null() for name in attributes))
        combination = pl.when(is_stated).then(pl.struct(attributes).hash())
        rows[part] = is_stated & (combination.drop_nulls().n_unique().over(agreement.unit) > 1)
    return Question(frames=frames, rows=rows)


def _key_epoch_uniform(subject: Subject) -> Question:
    """Pseudonyms that are not of their type, their length and the epoch that the partition was made with."""
    if subject.epoch is None:
        return Question()
    counts = {}
    for column in subject.contract.linked:
        assert column.identifier is not None
        prefix = f"{column.identifier.marker}{subject.epoch}_"
        value = pl.col(column.pseudonym)
        right = value.str.starts_with(prefix) & (value.str.len_bytes() == len(prefix) + _PSEUDONYM_LENGTH)
        counts[column.pseudonym] = (value.count(), (~right).sum())
    return Question(counts=counts)


def _columns_as_contracted(subject: Subject) -> Question:
    """Columns that a layer has and its contract does not allow there, or the other way round."""
    wanted = layer_schema(subject.contract, subject.layer)
    # a table that other versions widened has their columns too: without any value they are not part of the partition
    extra = [name for name in subject.rows.collect_schema().names() if name not in wanted]
    counts = {name: (pl.lit(1), (pl.col(name).count() > 0).cast(pl.Int64)) for name in extra}
    absent = [name for name in wanted if name not in subject.rows.collect_schema()]
    return Question(known={"columns": (len(wanted), len(absent))}, counts=counts)


RULES = (
    Rule(
        "shared_variables",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="متغیرها در استاندارد مشترک تعریف شده است", en="the variables are defined in the shared standard"),
        Label(
            fa="متغیر را در standard.yaml تعریف کنید و در قرارداد نام ببرید.",
            en="Define the variable in standard.yaml, with its owner, and name it in the contract.",
        ),
        _shared_variables,
    ),
    Rule(
        "linkable_rows",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سطرها شناسهٔ پیوند دارد", en="the rows have the identifiers that link them"),
        Label(
            fa="تولیدکننده شناسهٔ سطرهای بی‌شناسه را تکمیل کند.",
            en="Ask the producer to complete the identifiers of the rows that have none.",
        ),
        _linkable_rows,
        Label(
            fa="شناسهٔ این سطرها را تکمیل کنید.",
            en="Complete the identifier of these rows.",
        ),
    ),
    Rule(
        "foreign_keys",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="کدهای ارجاعی در ثبت پایه هست", en="codes that refer to a register are found in it"),
        Label(
            fa="فهرست دورهٔ پیش را کامل کنید، یا تولیدکننده کدهای یتیم را اصلاح کند.",
            en="Complete the register of the period before, or ask the producer to correct the codes that are not in it.",
        ),
        _foreign_keys,
    ),
    Rule(
        "one_code_one_unit",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="یک کد از آن یک واحد است", en="one code stands for one unit: its attributes agree within the period"),
        Label(
            fa="تولیدکننده کدهایی را که از آن چند نفر است اصلاح کند.",
            en="Ask the producer to correct the codes that stand for several persons or places.",
        ),
        _one_code_one_unit,
        Label(
            fa="این کدها برای چند نفر یا چند جا به کار رفته است؛ آنها را اصلاح کنید.",
            en="Correct these codes: each stands for several persons or places.",
        ),
    ),
    Rule(
        "key_epoch_uniform",
        _PRINCIPLE,
        frozenset({"pseudonymized"}),
        Label(fa="همهٔ شناسه‌های مستعار از یک دورهٔ کلید است", en="all pseudonyms have their type's form and one key epoch"),
        Label(
            fa="لایهٔ مستعار همین دوره را دوباره اجرا کنید.",
            en="Materialize the pseudonymized layer of this period again; do not publish before it passes.",
        ),
        _key_epoch_uniform,
    ),
    Rule(
        "columns_as_contracted",
        _PRINCIPLE,
        frozenset({"pseudonymized", "published"}),
        Label(fa="فقط ستون‌های مجاز به این لایه رسیده است", en="the layer has exactly the columns that its contract allows"),
        Label(
            fa="انتشار را متوقف کنید و به مرکز حراست خبر دهید.",
            en="Stop publication and tell the Security Centre: a column is where it must not be, or is missing.",
        ),
        _columns_as_contracted,
    ),
)
