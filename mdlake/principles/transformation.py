"""Transformation (اصل تبدیل): an administrative table becomes a statistical table, and every change is accounted for."""

from __future__ import annotations

import polars as pl

from mdlake.config import Label
from mdlake.layers import MALFORMED, ROW
from mdlake.principles.rule import Question, Rule, Subject

__all__ = ["RULES"]

_PRINCIPLE = "transformation"


def _declared_rows(subject: Subject) -> Question:
    if subject.declared_rows is None:
        return Question()
    return Question(known={"rows": (subject.declared_rows, abs(subject.declared_rows - subject.row_count))})


def _well_formed_rows(subject: Subject) -> Question:
    return Question(known={"rows": (subject.row_count, subject.filled[MALFORMED])})


def _headers_as_contracted(subject: Subject) -> Question:
    return Question(known={"columns": (len(subject.contract.columns), subject.by_alias)})


def _rows_accounted(subject: Subject) -> Question:
    """Counted in the tables as they are, not in what the step says of itself."""
    if subject.below_count is None:
        return Question()
    missing = abs(subject.below_count - subject.row_count - subject.quarantined_count)
    return Question(known={"rows": (subject.below_count, missing)})


def _faults(subject: Subject, types: frozenset[str]) -> Question:
    """Values that could not be read, by column, of all rows that came in."""
    tally = subject.tally
    if tally is None:
        return Question()
    failed: dict[str, int] = {column.name: 0 for column in subject.contract.columns if column.type in types}
    for key, count in tally.faults.items():
        column = key.partition(":")[0]
        if column in failed:
            failed[column] += count
    return Question(known={column: (tally.rows_in, count) for column, count in failed.items()})


def _identifiers_valid(subject: Subject) -> Question:
    return _faults(subject, frozenset({"identifier"}))


def _values_readable(subject: Subject) -> Question:
    return _faults(subject, frozenset({"text", "integer", "amount", "date", "month"}))


def _codes_valid(subject: Subject) -> Question:
    return _faults(subject, frozenset({"code"}))


def _unit_unique(subject: Subject) -> Question:
    """Rows beyond the first of each statistical unit; units are told apart by a 64-bit hash, a third of the time of texts."""
    unit, part = pl.struct(subject.contract.unit_key).hash(), "+".join(subject.contract.unit_key)
    return Question(counts={part: (pl.len(), pl.len() - unit.n_unique())}, rows={part: ~unit.is_first_distinct()})


def _reference_period(subject: Subject) -> Question:
    column = subject.contract.month_column
    if column is None:
        return Question()
    months = [month.key for month in subject.period.months()]
    value = pl.col(column.name)
    return Question.of_rows({column.name: (value.count(), ~value.is_in(months))})


def _rows_of_their_unit(subject: Subject) -> Question:
    """Rows of a reporting unit's file that name another unit, of all rows: one row of a small unit is no reason to refuse all."""
    name = subject.contract.reporting_unit_column
    if name is None:
        return Question()
    parts = {}
    for unit, (first, last) in subject.unit_rows.items():
        is_of_part = pl.col(ROW).is_between(first, last)
        parts[f"unit {unit}"] = (pl.len(), is_of_part & (pl.col(name) != unit))
    return Question.of_rows(parts)


def _writing_edits(subject: Subject) -> Question:
    tally = subject.tally
    if tally is None:
        return Question()
    return Question(known={column: (tally.rows_in, count) for column, count in tally.edits.items()})


def _rows_carried(subject: Subject) -> Question:
    if subject.below_count is None:
        return Question()
    return Question(known={"rows": (subject.below_count, abs(subject.below_count - subject.row_count))})


RULES = (
    Rule(
        "declared_rows",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="شمار سطرهای خوانده‌شده همان شمار اعلام‌شده است", en="as many rows were read as the sender declared"),
        Label(
            fa="تولیدکننده پرونده را دوباره و کامل بفرستد.",
            en="Ask the producer to send the file again, complete, with the next sequence number.",
        ),
        _declared_rows,
    ),
    Rule(
        "well_formed_rows",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="هر سطر به ستون‌های قرارداد جدا می‌شود", en="every line divides into the columns of the contract"),
        Label(
            fa="تولیدکننده جداکننده و علامت نقل قول را در سطرهای اعلام‌شده درست کند.",
            en="Ask the producer to correct the separators and quotation marks of these lines; raw keeps them in `_malformed`.",
        ),
        _well_formed_rows,
        Label(
            fa="جداکننده و علامت نقل قول را در این سطرها درست کنید.",
            en="Correct the separators and quotation marks of these lines.",
        ),
    ),
    Rule(
        "headers_as_contracted",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="سرستون‌ها همان سرستون‌های قرارداد است", en="the headers are those of the contract, not aliases"),
        Label(
            fa="تولیدکننده سرستون‌های قرارداد را به کار برد.",
            en="Ask the producer to use the contract's headers; aliases are accepted but drift.",
        ),
        _headers_as_contracted,
        Label(
            fa="سرستون‌ها را چنان که قرارداد می‌نویسد بنویسید.",
            en="Write the headers as the contract has them.",
        ),
    ),
    Rule(
        "rows_accounted",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="هیچ سطری گم نشده است", en="rows in = rows standardized + quarantined + duplicates"),
        Label(
            fa="استانداردسازی همین دوره را دوباره اجرا کنید؛ اگر ماند، نقص سامانه است.",
            en="Materialize raw and standardized of this period again; if it stays, report a defect of the system.",
        ),
        _rows_accounted,
    ),
    Rule(
        "identifiers_valid",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="شناسه‌ها معتبر است", en="identifiers have their form and check digit"),
        Label(
            fa="تولیدکننده شناسه‌های قرنطینه‌شده را در سامانهٔ خود اصلاح کند و دوباره بفرستد.",
            en="Ask the producer to correct the identifiers of the rows in quarantine in its own system, and to send again.",
        ),
        _identifiers_valid,
        Label(
            fa="شناسه‌ها را در سامانهٔ خود اصلاح کنید.",
            en="Correct these identifiers in your own system.",
        ),
    ),
    Rule(
        "values_readable",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="تاریخ‌ها و عددها خواندنی است", en="dates, months and numbers can be read"),
        Label(
            fa="تولیدکننده نوشتار ستون را مطابق دستورالعمل اصلاح کند.",
            en="Ask the producer to write the column as its instruction says, and to send again.",
        ),
        _values_readable,
        Label(
            fa="ستون را چنان که دستورالعمل آن می‌گوید بنویسید.",
            en="Write the column as its instruction says.",
        ),
    ),
    Rule(
        "codes_valid",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="کدهای طبقه‌بندی در دورهٔ مرجع معتبر است", en="classification codes are valid in the reference period"),
        Label(
            fa="تولیدکننده کدهای طبقه‌بندی جاری را به کار برد، یا واژهٔ تازه به قرارداد افزوده شود.",
            en="Ask the producer to use the classification in force, or have the new word added to the contract's `values`.",
        ),
        _codes_valid,
        Label(
            fa="کدهای طبقه‌بندی معتبر همین دوره را به کار برید.",
            en="Use the codes of the classification in force in the period.",
        ),
    ),
    Rule(
        "unit_unique",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="هر واحد آماری یک سطر دارد", en="each statistical unit has one row"),
        Label(
            fa="تولیدکننده سطرهای ناهمخوان یک واحد را یکی کند.",
            en="Ask the producer which of the differing rows of one unit is right, and to send again.",
        ),
        _unit_unique,
        Label(
            fa="از سطرهای ناهمخوان یک واحد، سطر درست را نگه دارید.",
            en="Of the differing rows of one unit, keep the right one.",
        ),
    ),
    Rule(
        "reference_period",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سطرها از همین دورهٔ مرجع است", en="the rows belong to the reference period"),
        Label(
            fa="تولیدکننده پروندهٔ همین دوره را بفرستد.",
            en="Ask the producer for the file of this period; rows of other periods belong to their own delivery.",
        ),
        _reference_period,
        Label(
            fa="سطرهای دوره‌های دیگر را کنار بگذارید؛ هر دوره بستهٔ خود را دارد.",
            en="Leave out the rows of other periods; each has a delivery of its own.",
        ),
    ),
    Rule(
        "rows_of_their_unit",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سطرهای پروندهٔ هر واحد از آن همان واحد است", en="the rows of a reporting unit's file name that unit"),
        Label(
            fa="واحد گزارش‌دهنده سطرهای واحدهای دیگر را کنار بگذارد، یا کد خود را اصلاح کند.",
            en="Ask the reporting unit to leave out the rows of other units, or to correct its own code.",
        ),
        _rows_of_their_unit,
        Label(
            fa="سطرهای واحدهای دیگر را کنار بگذارید یا کد واحد را اصلاح کنید.",
            en="Leave out the rows of other units, or correct the code of the unit.",
        ),
    ),
    Rule(
        "writing_edits",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="نوشتار کم ویرایش شده است", en="few values had to be rewritten by normalization"),
        Label(
            fa="دستورالعمل استانداردسازی ستون را به تولیدکننده برسانید.",
            en="Send the producer the standardization instruction of the column: its system writes another form.",
        ),
        _writing_edits,
        Label(
            fa="لازم نیست؛ بهتر است سامانه مقدار را چنان که دستورالعمل می‌گوید بنویسد.",
            en="Nothing has to be done; better your system writes as the instruction says.",
        ),
    ),
    Rule(
        "rows_carried",
        _PRINCIPLE,
        frozenset({"pseudonymized", "published"}),
        Label(fa="همهٔ سطرها به این لایه رسیده است", en="all rows of the layer below arrived"),
        Label(fa="این لایه را دوباره اجرا کنید.", en="Materialize this layer of the period again; if it stays, report a defect."),
        _rows_carried,
    ),
)
