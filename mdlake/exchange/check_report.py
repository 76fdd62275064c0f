"""The findings of a check in words, Persian or English: for the terminal, and as a page that stays with the sender.

A page is one file without scripts or anything fetched. It shows columns, reasons and rows of the file, never a value. What is
too long for it stands whole in a CSV file beside it, and the page says so. Not here: the finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import jinja2

from mdlake.config import Dataset
from mdlake.errors import DeliveryRefused
from mdlake.exchange.check import FileCheck, RuleFinding, Spot, Weight
from mdlake.exchange.receipt import REASONS
from mdlake.exchange.row_ranges import RowRanges
from mdlake.layers import FAULTS
from mdlake.standard import Language, persian_digits

__all__ = ["FIXES_FA", "Report", "ToldFinding", "ToldGroup", "ToldSpot", "check_page", "report_of"]

_ON_A_PAGE = 200
"""Ranges of rows that a page shows of one finding."""

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "fa": {
        "title": "خودارزیابی پروندهٔ داده",
        "file": "پرونده",
        "dataset": "مجموعه داده",
        "period": "دوره",
        "unit": "واحد گزارش‌دهنده",
        "contract": "قرارداد",
        "rows": "شمار سطرها",
        "arrival": "این پرونده هنگام رسیدن پذیرفته نمی‌شود.",
        "refused": "با این پرونده، دوره رد می‌شود.",
        "passes": "این پرونده پذیرفتنی است.",
        "clean": "هیچ ایرادی یافت نشد.",
        "refuses": "رد می‌کند: پیش از ارسال اصلاح کنید",
        "warning": "هشدار",
        "allowed": "در حد مجاز: پذیرفته می‌شود، ولی در سامانهٔ خود اصلاح کنید",
        "counts": "{failed} از {checked}؛ در بدترین جزء {share}٪ و تا {threshold}٪ پذیرفته می‌شود",
        "rule": "قاعده",
        "column": "ستون",
        "what": "ایراد و راه چاره",
        "count": "شمار",
        "where": "شمارهٔ سطر",
        "more": "و {count} سطر دیگر",
        "range": "{first} تا {last}",
        "comma": "، ",
        "row_one": "نخستین سطر پس از سرستون سطر ۱ است.",
        "footer": "این صفحه نزد شما می‌ماند و هیچ مقداری از داده در آن نیست.",
        "beside": "همهٔ شماره‌های سطر در این پرونده است:",
    },
    "en": {
        "title": "Check of a data file",
        "file": "file",
        "dataset": "dataset",
        "period": "period",
        "unit": "reporting unit",
        "contract": "contract",
        "rows": "rows",
        "arrival": "This file would not be taken in on arrival.",
        "refused": "With this file, the period would be refused.",
        "passes": "This file would pass.",
        "clean": "Nothing was found.",
        "refuses": "Refuses the period: mend this before you send",
        "warning": "Warnings",
        "allowed": "Within what is allowed: accepted, and to be mended in your own system",
        "counts": "{failed} of {checked}; {share} % in the worst part, and up to {threshold} % passes",
        "rule": "rule",
        "column": "column",
        "what": "what is wrong, and the fix",
        "count": "count",
        "where": "rows",
        "more": "and {count} more rows",
        "range": "{first}–{last}",
        "comma": ", ",
        "row_one": "Row 1 is the first after the header line.",
        "footer": "This page stays with you; it shows no value of the data.",
        "beside": "Every row number is in this file:",
    },
}

FIXES_FA: Mapping[str, str] = {
    "unreadable_file": "پرونده را چنان که پیام می‌گوید دوباره بسازید",
    "encoding": "با کدگذاری اعلام‌شده ذخیره کنید یا کدگذاری درست را اعلام کنید",
    "too_many_columns": "تنها ستون‌های قرارداد را بفرستید",
    "too_large": "تنها جدول را، چنان که سامانهٔ شما می‌سازد، بفرستید",
    "empty_file": "پروندهٔ کامل را بفرستید",
    "dialect": "جداکنندهٔ درست را در شناسنامه بنویسید",
    "missing_column": "ستون‌ها را، حتی خالی، بیفزایید",
    "unknown_column": "حذف کنید یا نخست قرارداد اصلاح شود",
    "repeated_column": "هر ستون را یک بار بفرستید",
}
"""What to do, in Persian, about each reason for which a file itself is refused on arrival; docs/producer.md says the same."""


@dataclass(frozen=True)
class ToldSpot:
    """One line of a finding. `part` is what the rule looked at where that is more than a column; `more`, what is left out."""

    columns: str
    part: str
    what: str
    fix: str
    count: str
    rows: tuple[str, ...]
    more: str


@dataclass(frozen=True)
class ToldFinding:
    """A rule that is not kept, in words."""

    name: str
    title: str
    counts: str
    fix: str
    spots: tuple[ToldSpot, ...]


@dataclass(frozen=True)
class ToldGroup:
    """The findings of one weight."""

    weight: Weight
    title: str
    findings: tuple[ToldFinding, ...]


@dataclass(frozen=True)
class Report:
    """A check in one language.

    Attributes:
        facts: what was checked, as name and value.
        refusals: why it would not be taken in: what, what the program says of it where that is in English only, the fix.
        is_whole: whether every row number is in it.
    """

    words: Mapping[str, str]
    facts: tuple[tuple[str, str], ...]
    verdict: str
    refusals: tuple[tuple[str, str, str], ...]
    groups: tuple[ToldGroup, ...]

    @property
    def is_whole(self) -> bool:
        """Whether no row number was left out."""
        return not any(spot.more for group in self.groups for finding in group.findings for spot in finding.spots)


def report_of(check: FileCheck, dataset: Dataset, language: Language, ranges: int) -> Report:
    """The words for a check, with the first `ranges` ranges of rows of each line of a finding."""
    words = _WORDS[language]
    told = _Teller(check, language, words, ranges)
    unit = [("unit", _unit(check, language))] if check.reporting_unit else []
    facts = [
        ("file", check.data),
        ("dataset", f"{getattr(dataset.file.label, language)} ({check.dataset})"),
        ("period", check.period.label(language)),
        *unit,
        ("contract", persian_digits(check.contract.version) if language == "fa" else check.contract.version),
        *([] if check.refusals else [("rows", told.number(f"{check.rows:,}"))]),
    ]
    weights: tuple[Weight, ...] = ("refuses", "warning", "allowed")
    by_weight = {weight: tuple(told.finding(f) for f in check.findings if f.weight == weight) for weight in weights}
    outcome = "arrival" if check.refusals else "refused" if check.is_refused else "passes"
    return Report(
        words,
        tuple((words[name], text) for name, text in facts),
        words[outcome] if check.refusals or check.findings else f"{words[outcome]} {words['clean']}",
        tuple(_refusal(refusal, language) for refusal in check.refusals),
        tuple(ToldGroup(weight, words[weight], findings) for weight, findings in by_weight.items() if findings),
    )


def check_page(check: FileCheck, dataset: Dataset, language: Language, beside: str) -> tuple[str, bool]:
    """The page (HTML) of a check, and whether it shows every row number; if not, it refers to the file called `beside`."""
    report = report_of(check, dataset, language, _ON_A_PAGE)
    text = resources.files("mdlake.exchange").joinpath("check.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(text).render(
        report=report, language=language, is_refused=check.is_refused, beside="" if report.is_whole else beside
    )
    return page, report.is_whole


def _unit(check: FileCheck, language: Language) -> str:
    units = check.contract.reporting_units
    assert units is not None
    assert check.reporting_unit is not None
    return f"{units.label(check.reporting_unit, language)} ({check.reporting_unit})"


def _refusal(refusal: DeliveryRefused, language: Language) -> tuple[str, str, str]:
    if language == "en":
        return f"{refusal.what[0].upper()}{refusal.what[1:]}.", "", refusal.next_step
    return REASONS[refusal.reason].fa, refusal.what, f"{FIXES_FA[refusal.reason]}."


@dataclass(frozen=True)
class _Teller:
    check: FileCheck
    language: Language
    words: Mapping[str, str]
    ranges: int

    def number(self, text: str) -> str:
        """A number as the language writes it."""
        return persian_digits(text.replace(",", "٬").replace(".", "٫")) if self.language == "fa" else text

    def finding(self, finding: RuleFinding) -> ToldFinding:
        """A finding in words."""
        rule, result = finding.rule, finding.result
        assert rule.fix is not None
        counts = self.words["counts"].format(
            failed=self.number(f"{result.failed:,}"),
            checked=self.number(f"{result.checked:,}"),
            share=self.number(f"{result.share * 100:.2f}".rstrip("0").rstrip(".")),
            threshold=self.number(f"{result.threshold * 100:g}"),
        )
        spots = tuple(self._spot(spot) for spot in finding.spots)
        return ToldFinding(rule.name, getattr(rule.title, self.language), counts, getattr(rule.fix, self.language), spots)

    def _spot(self, spot: Spot) -> ToldSpot:
        fault = FAULTS[spot.reason] if spot.reason else None
        left = spot.rows.count - RowRanges(spot.rows.first[: self.ranges], spot.rows.last[: self.ranges]).count
        by_name = self.check.contract.by_name
        return ToldSpot(
            columns=self.words["comma"].join(by_name[name].header for name in spot.columns),
            part=spot.part if spot.columns != (spot.part,) and spot.columns else "",
            what=getattr(fault.title, self.language) if fault else "",
            fix=getattr(fault.fix, self.language) if fault else "",
            count=self.number(f"{spot.count:,}"),
            rows=tuple(self._range(*pair) for pair in spot.rows.pairs(self.ranges)),
            more=self.words["more"].format(count=self.number(f"{left:,}")) if left else "",
        )

    def _range(self, first: int, last: int) -> str:
        if first == last:
            return self.number(str(first))
        return self.words["range"].format(first=self.number(str(first)), last=self.number(str(last)))
