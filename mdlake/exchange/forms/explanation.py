"""What a contract asks of each column and between columns, in words for who fills a table, Persian and English."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mdlake.config import Column, Contract, Label
from mdlake.standard import Period, persian_digits

__all__ = ["Explanation", "conditions", "explained"]

_KINDS = {
    "identifier": Label(fa="شناسه", en="identifier"),
    "text": Label(fa="متن", en="text"),
    "free_text": Label(fa="متن آزاد", en="free text"),
    "code": Label(fa="کد", en="code"),
    "integer": Label(fa="عدد درست", en="whole number"),
    "amount": Label(fa="مبلغ", en="amount"),
    "date": Label(fa="تاریخ", en="date"),
    "month": Label(fa="ماه", en="month"),
}
_UNITS = {"rial": "ریال", "day": "روز", "month": "ماه", "hour": "ساعت", "person": "نفر", "point": "امتیاز", "decile": "دهک"}
_TIMES = {
    "<": Label(fa="پیش از", en="before"),
    "<=": Label(fa="نه پس از", en="not after"),
    "==": Label(fa="همان", en="the same as"),
    ">=": Label(fa="نه پیش از", en="not before"),
    ">": Label(fa="پس از", en="after"),
}
_NUMBERS = {
    "<": Label(fa="کمتر از", en="less than"),
    "<=": Label(fa="حداکثر", en="at most"),
    "==": Label(fa="برابر با", en="equal to"),
    ">=": Label(fa="حداقل", en="at least"),
    ">": Label(fa="بیشتر از", en="more than"),
}


@dataclass(frozen=True)
class Explanation:
    """A column in words.

    Attributes:
        form: how a value is written.
        required: whether every row needs one.
    """

    label: Label
    kind: Label
    form: Label
    unit: Label | None
    required: Label

    def lines(self) -> tuple[str, ...]:
        """All of it for a note, Persian before English."""
        fa = [
            self.label.fa,
            f"{self.kind.fa}: {self.form.fa}",
            *([f"واحد: {self.unit.fa}"] if self.unit else []),
            self.required.fa,
        ]
        en = [
            self.label.en,
            f"{self.kind.en}: {self.form.en}",
            *([f"unit: {self.unit.en}"] if self.unit else []),
            self.required.en,
        ]
        return *fa, "", *en


def explained(contract: Contract, column: Column, period: Period) -> Explanation:
    """One column of a contract in words."""
    unit = Label(fa=_UNITS.get(column.unit, column.unit), en=column.unit) if column.unit else None
    needed = Label(fa="در هر سطر لازم است", en="needed in every row")
    free = Label(fa="می‌تواند خالی بماند", en="may stay blank")
    form = _form(contract, column, period)
    return Explanation(column.label, _KINDS[column.type], form, unit, needed if column.required else free)


def _form(contract: Contract, column: Column, period: Period) -> Label:
    match column.type:
        case "integer" | "amount":
            return _bounds(column)
        case "date":
            return _form_of_dates(column)
        case "month":
            return _form_of_months(period if column == contract.month_column else None)
        case _:
            return _form_of_texts(column)


def _form_of_texts(column: Column) -> Label:
    if column.identifier is not None:
        digits = persian_digits(" یا ".join(map(str, column.identifier.lengths)))
        prefix = f"{column.identifier.prefix} و " if column.identifier.prefix else ""
        return Label(fa=f"{prefix}{digits} رقم", en=column.identifier.description)
    if column.classification is not None:
        words = "، ".join(column.values)
        also_fa, also_en = (f"؛ یا این واژه‌ها: {words}", f"; or a word: {words}") if words else ("", "")
        titles = column.classification
        return Label(fa=f"از فهرست «{titles.title_fa}»{also_fa}", en=f"of the list {titles.title_en}{also_en}")
    if column.pattern is not None:
        # isolated, or the Persian around it turns its brackets
        return Label(fa=f"به شکل \u2066{column.pattern}\u2069", en=f"of the form {column.pattern}")
    if column.type == "free_text":
        return Label(fa="هر متن؛ از محل امن بیرون نمی‌رود", en="any text; it never leaves the secure location")
    return Label(fa="هر متن", en="any text")


def _form_of_dates(column: Column) -> Label:
    if column.dates == "gregorian":
        return Label(fa="میلادی، مانند 2024/04/03", en="Gregorian, such as 2024/04/03")
    return Label(fa="شمسی، مانند ۱۴۰۳/۰۱/۱۵", en="Solar Hijri, such as 1403/01/15")


def _form_of_months(period: Period | None) -> Label:
    """The months of the period for the column that states it; an example for another one."""
    if period is None:
        return Label(fa="مانند ۱۴۰۳/۰۱", en="such as 1403/01")
    months = [f"{month.year}/{month.number:02}" for month in period.months()]
    return Label(fa=persian_digits(" یا ".join(months)), en=" or ".join(months))


def _bounds(column: Column) -> Label:
    fa, en = ["بدون اعشار"], ["without decimals"]
    if column.minimum is not None:
        fa.append(f"از {persian_digits(str(column.minimum))}")
        en.append(f"from {column.minimum}")
    if column.maximum is not None:
        fa.append(f"تا {persian_digits(str(column.maximum))}")
        en.append(f"to {column.maximum}")
    return Label(fa=" ".join(fa), en=" ".join(en))


def conditions(contract: Contract) -> Iterator[Label]:
    """What holds between the columns of a contract, a sentence each."""
    headers = {column.name: f"«{column.header}»" for column in contract.columns}

    def listed(names: tuple[str, ...], word: str) -> str:
        return f" {word} ".join(headers[name] for name in names)

    key = contract.unit_key
    yield Label(fa=f"هر {listed(key, 'و')} یک سطر دارد", en=f"one row for each {listed(key, 'and')}")
    for edit in contract.edits:
        left, right = headers[edit.left], headers[edit.right]
        word = (_NUMBERS if contract.column(edit.left).type in ("integer", "amount") else _TIMES)[edit.operator]
        yield Label(fa=f"{left} {word.fa} {right} است", en=f"{left} is {word.en} {right}")
    for names in contract.alternatives:
        yield Label(fa=f"در هر سطر درست یکی پر است: {listed(names, 'یا')}", en=f"exactly one is filled: {listed(names, 'or')}")
    for requirement in contract.requirements:
        column, where, codes = headers[requirement.column], headers[requirement.where], ", ".join(requirement.among)
        yield Label(fa=f"اگر {where} یکی از {codes} باشد، {column} لازم است", en=f"{column} is needed where {where} is {codes}")
    for agreement in contract.agreements:
        unit, names = headers[agreement.unit], agreement.columns
        yield Label(fa=f"برای هر {unit} یک {listed(names, 'و')} هست", en=f"each {unit} has one {listed(names, 'and')}")
    for composition in contract.compositions:
        unit, column = headers[composition.unit], headers[composition.column]
        yield Label(
            fa=f"در هر {unit} درست یک سطر {column} برابر {composition.code} دارد",
            en=f"in each {unit} exactly one row has {column} {composition.code}",
        )
