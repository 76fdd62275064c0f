"""Quality (اصل کیفیت): the partition is fit for its use. Rules look at one partition alone."""

from __future__ import annotations

import polars as pl

from mdlake.config import Column, Contract, Label
from mdlake.principles.rule import Question, Rule, Subject
from mdlake.standard import solar_hijri_month

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


def _reporting_units_complete(subject: Subject) -> Question:
    """Units that owe a part of the period and whose part is not in it; the part of the answer names them."""
    if subject.contract.reporting_units is None:
        return Question()
    due = subject.contract.units(subject.period)
    missing = [unit for unit in due if unit not in subject.delivered_units]
    return Question(known={f"units {', '.join(missing)}".strip(): (len(due), len(missing))})


def _punctual(subject: Subject) -> Question:
    """Senders whose part came after the days of grace; the part of the answer names the units, and by how much the last was."""
    if not subject.days_late:
        return Question()
    late = {unit: days for unit, days in subject.days_late.items() if days}
    units = ", ".join(sorted(unit for unit in late if unit))
    part = f"{f'units {units}, ' if units else ''}up to {max(late.values(), default=0)} days"
    return Question(known={part: (len(subject.days_late), len(late))})


def _completeness(subject: Subject) -> Question:
    required = [column for column in subject.contract.columns if column.required]
    return Question(
        known={c.name: (subject.row_count, subject.row_count - subject.filled[c.name]) for c in required},
        rows={c.name: pl.col(c.name).is_null() for c in required},
    )


def _quarantined_rows(subject: Subject) -> Question:
    tally = subject.tally
    return Question() if tally is None else Question(known={"rows": (tally.rows_in, tally.quarantined)})


def _duplicate_rows(subject: Subject) -> Question:
    tally = subject.tally
    return Question() if tally is None else Question(known={"rows": (tally.rows_in, tally.duplicates)})


def _ranges(subject: Subject) -> Question:
    parts = {}
    for column in subject.contract.columns:
        value = pl.col(column.name)
        outside = [value < column.minimum] if column.minimum is not None else []
        outside += [value > column.maximum] if column.maximum is not None else []
        if outside:
            parts[column.name] = (value.count(), pl.any_horizontal(*outside))
    return Question.of_rows(parts)


def _logical_edits(subject: Subject) -> Question:
    parts = {}
    for edit in subject.contract.edits:
        left = _held_against(subject.contract, edit.left, edit.right)
        right = _held_against(subject.contract, edit.right, edit.left)
        holds = _COMPARE[edit.operator](left, right)
        parts[f"{edit.left} {edit.operator} {edit.right}"] = (pl.len(), ~holds)
    return Question.of_rows(parts)


def _held_against(contract: Contract, name: str, other: str) -> pl.Expr:
    """A column as it is compared with another one: a date by its month where the other is a month."""
    value = pl.col(name)
    by_month = (contract.column(name).type, contract.column(other).type) == ("date", "month")
    return solar_hijri_month(value) if by_month else value


def _required_when(subject: Subject) -> Question:
    parts = {}
    for requirement in subject.contract.requirements:
        asked = pl.col(requirement.where).is_in(requirement.among)
        codes = "|".join(requirement.among)
        lacking = asked & pl.col(requirement.column).is_null()
        parts[f"{requirement.column} when {requirement.where} is {codes}"] = (pl.len(), lacking)
    return Question.of_rows(parts)


def _exactly_one_filled(subject: Subject) -> Question:
    """Rows that fill none of some alternative columns, or more than one."""
    parts = {}
    for names in subject.contract.alternatives:
        filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in names)
        parts[f"one of {', '.join(names)}"] = (pl.len(), filled != 1)
    return Question.of_rows(parts)


def _compositions(subject: Subject) -> Question:
    """Units, such as households, of which not exactly one row has the code that one of them must have."""
    frames, rows = {}, {}
    for composition in subject.contract.compositions:
        has_code = (pl.col(composition.column) == composition.code).fill_null(False)
        units = subject.rows.filter(pl.col(composition.unit).is_not_null()).group_by(composition.unit)
        counted = units.agg(has_code.sum().alias("with_code"))
        part = f"one {composition.column} {composition.code} in {composition.unit}"
        frames[part] = counted.select(pl.len().alias("checked"), (pl.col("with_code") != 1).sum().alias("failed"))
        rows[part] = pl.col(composition.unit).is_not_null() & (has_code.sum().over(composition.unit) != 1)
    return Question(frames=frames, rows=rows)


def _amounts(subject: Subject) -> list[Column]:
    return [c for c in subject.contract.columns if c.type == "amount" and c.role == "measure"]


def _outliers(subject: Subject) -> Question:
    """Positive amounts whose logarithm lies more than six robust standard deviations from the median.

    The deviation is the range between the quartiles of the logarithm, over 1.349; quantiles of logarithms are logarithms of
    quantiles, so no logarithm of a row is taken. The quartiles are those of every k-th row, at least 100,000 of them, which
    is a tenth of the work. Source: Rousseeuw & Croux (1993).
    """
    stride = max(1, subject.row_count // _SAMPLE_ROWS)
    parts = {}
    for column in _amounts(subject):
        amount = pl.col(column.name)
        some = amount.gather_every(stride)
        low, middle, high = (some.filter(some > 0).quantile(q, "nearest").log() for q in (0.25, 0.5, 0.75))
        reach = _ROBUST_Z * (high - low) / _QUARTILES_TO_SIGMA
        far = (amount > 0) & ((amount < (middle - reach).exp()) | (amount > (middle + reach).exp()))
        # where half of the amounts are one number, nothing can be said of the others
        parts[column.name] = ((amount > 0).sum(), far & (reach > 0))
    return Question.of_rows(parts)


def _heaping(subject: Subject) -> Question:
    """Positive amounts that are whole millions: written from memory rather than computed."""
    parts = {}
    for column in _amounts(subject):
        value = pl.col(column.name)
        positive = value > 0
        parts[column.name] = (positive.sum(), positive & (value % _HEAP == 0))
    return Question.of_rows(parts)


RULES = (
    Rule(
        "filled_columns",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="هیچ ستون لازمی سراسر خالی نیست", en="no required column is empty throughout"),
        Label(fa="تولیدکننده ستون خالی را پر کند.", en="Ask the producer to fill the column, and to send again."),
        _filled_columns,
        Label(
            fa="ستون را پر کنید.",
            en="Fill the column.",
        ),
    ),
    Rule(
        "reporting_units_complete",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="همهٔ واحدهای گزارش‌دهنده پرونده فرستاده‌اند", en="every reporting unit has sent its part of the period"),
        Label(
            fa="بخش واحدهای نام‌برده را بخواهید؛ با رسیدن آن جدول دوره از نو ساخته می‌شود.",
            en="Ask the units named for their parts; when one arrives, the period's table is made anew with it.",
        ),
        _reporting_units_complete,
    ),
    Rule(
        "punctual",
        _PRINCIPLE,
        frozenset({"raw"}),
        Label(fa="ارسال در مهلت رسیده است", en="what was delivered came in time"),
        Label(
            fa="علت دیرکرد را از تولیدکننده بپرسید؛ دادهٔ رسیده همچنان به کار می‌رود.",
            en="Ask the producer why it was late; what came is used all the same.",
        ),
        _punctual,
    ),
    Rule(
        "completeness",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="اقلام لازم کامل است", en="required items are complete"),
        Label(fa="تولیدکننده اقلام خالی را تکمیل کند.", en="Ask the producer to complete the items that are missing."),
        _completeness,
        Label(
            fa="اقلام خالی این سطرها را تکمیل کنید.",
            en="Complete the missing items of these rows.",
        ),
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
        Label(
            fa="ایرادهایی را که در همین گزارش آمده برطرف کنید؛ تا آن هنگام این سطرها در آمار نمی‌آید.",
            en="Mend what this report says of these rows; until then they are in no statistics.",
        ),
    ),
    Rule(
        "duplicate_rows",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="سطر تکراری کم است", en="few rows stand twice"),
        Label(fa="تولیدکننده تکرار سطرها را برطرف کند.", en="Ask the producer to find out why its file repeats rows."),
        _duplicate_rows,
        Label(
            fa="بیابید چرا پرونده سطرها را تکرار می‌کند؛ تکرارها کنار گذاشته می‌شود.",
            en="Find out why the file repeats rows; the repetitions are set aside.",
        ),
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
        Label(
            fa="مقدارهای بیرون از بازه را اصلاح کنید.",
            en="Correct the values outside the bounds.",
        ),
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
        Label(
            fa="ناسازگاری دو ستون را در این سطرها اصلاح کنید.",
            en="Correct the rows in which the two columns contradict.",
        ),
    ),
    Rule(
        "required_when",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="آنچه با یک کد لازم می‌شود پر است", en="what a code of the row makes necessary is filled"),
        Label(
            fa="تولیدکننده آنچه را کد همان سطر لازم می‌کند تکمیل کند.",
            en="Ask the producer to complete the item in the rows whose code makes it necessary, or to correct the code.",
        ),
        _required_when,
        Label(
            fa="آنچه را کد همین سطر لازم می‌کند بنویسید یا کد را اصلاح کنید.",
            en="Complete what the code of the row makes necessary, or correct the code.",
        ),
    ),
    Rule(
        "exactly_one_filled",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="از ستون‌های جایگزین درست یکی پر است", en="of alternative columns, exactly one is filled"),
        Label(
            fa="تولیدکننده در سطرهایی که هیچ‌یک یا بیش از یکی پر است، یکی را نگه دارد.",
            en="Ask the producer to fill exactly one of them in the rows that have none or several.",
        ),
        _exactly_one_filled,
        Label(
            fa="از این ستون‌ها درست یکی را پر کنید.",
            en="Fill exactly one of these columns.",
        ),
    ),
    Rule(
        "compositions",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(
            fa="هر واحد مرکب درست یک سطر از گونهٔ لازم دارد",
            en="a unit made of rows has exactly one of the kind that it must have, such as one head per household",
        ),
        Label(
            fa="تولیدکننده واحدهای بدون این سطر یا دارای چند تا از آن را اصلاح کند؛ شاید سطر در قرنطینه باشد.",
            en="Ask the producer to correct the units with none or several of them; the row that lacks may be in quarantine.",
        ),
        _compositions,
        Label(
            fa="واحدهای بدون این سطر یا دارای چند تا از آن را اصلاح کنید.",
            en="Correct the units that have none or several of these rows.",
        ),
    ),
    Rule(
        "outliers",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="مبلغ پرت کم است", en="few amounts are outliers"),
        Label(fa="مبلغ‌های پرت را با تولیدکننده بررسی کنید.", en="Review the outlying amounts with the producer."),
        _outliers,
        Label(
            fa="درستی این مبلغ‌ها را بررسی کنید؛ ریال و تومان را اشتباه نکنید.",
            en="Look whether these amounts are right; rial and toman are easily exchanged.",
        ),
    ),
    Rule(
        "heaping",
        _PRINCIPLE,
        frozenset({"standardized"}),
        Label(fa="مبلغ‌ها گرد نشده است", en="amounts are computed, not rounded from memory"),
        Label(fa="شیوهٔ ثبت مبلغ را با تولیدکننده بررسی کنید.", en="Review with the producer how the amount is recorded."),
        _heaping,
        Label(
            fa="مبلغ محاسبه‌شده را بنویسید، نه مبلغ گردشده را.",
            en="Send the amount as it was computed, not rounded.",
        ),
    ),
)
