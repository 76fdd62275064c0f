"""From an event to words in Persian and English: what, where, who must act, what next. Counts, names and periods only.

The texts of refusals and failures stand in the ledger in English and are quoted in the English part; the Persian part says the
same by reason and rule. Not here: how a message is laid out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from mdlake.config import LAYERS, AlertKind, Configuration
from mdlake.exchange import REASONS
from mdlake.ledger import AlertEvent
from mdlake.principles import RULES
from mdlake.standard import Period, day_in_iran, persian_digits, solar_hijri_day

__all__ = ["KINDS", "Both", "Notice", "counted", "day", "notice_of"]


class Both(NamedTuple):
    """A text in both languages, the Persian one with Persian digits."""

    fa: str
    en: str


KINDS: Mapping[AlertKind, tuple[Both, str]] = {
    "package_refused": (Both("بستهٔ پذیرفته‌نشده", "refused package"), "refused packages"),
    "month_refused": (Both("دورهٔ ردشده", "refused period"), "refused periods"),
    "run_failed": (Both("اجرای ناموفق", "failed run"), "failed runs"),
    "delivery_late": (Both("ارسال عقب‌افتاده", "late delivery"), "late deliveries"),
}
"""Each kind of event in both languages, and its English plural."""

_DATA_TEAM = Both("گروه داده (مرکز فناوری اطلاعات)", "the data team (IT Centre)")


@dataclass(frozen=True)
class Notice:
    """One event in words.

    Attributes:
        place: what it is about: organization, dataset, period.
        points: what is to be known besides, one thing each.
        who, then: who must act, and what is to be done.
        command: what shows the data team more; ASCII, empty where nothing does.
    """

    kind: AlertKind
    place: Both
    what: Both
    points: tuple[Both, ...]
    who: Both
    then: Both
    command: str


def notice_of(configuration: Configuration, event: AlertEvent) -> Notice:
    """An event in words; what the configuration does not know any more is called by its key."""
    return _WORDS[event.kind](configuration, event)


def counted(events: Iterable[AlertEvent]) -> Both:
    """How many events there are of each kind: ``۲ بستهٔ پذیرفته‌نشده`` and ``2 refused packages``."""
    numbers = Counter(event.kind for event in events)
    found = [(numbers[kind], words, plural) for kind, (words, plural) in KINDS.items() if numbers[kind]]
    return Both(
        "، ".join(persian_digits(f"{number} {words.fa}") for number, words, _ in found),
        ", ".join(f"{number} {words.en if number == 1 else plural}" for number, words, plural in found),
    )


def day(gregorian: date) -> Both:
    """A day for people: ``۱۴۰۳/۰۳/۱۲`` and ``1403/03/12``."""
    text = solar_hijri_day(gregorian).replace("-", "/")
    return Both(persian_digits(text), text)


def _package_refused(configuration: Configuration, event: AlertEvent) -> Notice:
    facts = event.facts
    reason, came = REASONS.get(facts["reason"]), day(day_in_iran(event.happened_at))
    said = Both(reason.fa, reason.en) if reason else Both(facts["reason"], facts["reason"])
    number = facts["package"]
    return Notice(
        "package_refused",
        _place(configuration, facts),
        Both(
            persian_digits(f"بستهٔ شمارهٔ {number} که {came.fa} رسید پذیرفته نشد: {said.fa}"),
            f"Package {number}, which came on {came.en}, was refused. {said.en}",
        ),
        (Both(f"کد دلیل: {facts['reason']}", f"Reason code: {facts['reason']}. {facts['detail'] or ''}".strip()),),
        _organization(configuration, facts),
        Both(
            "آنچه را راهنمای تولیدکنندگان زیر همین کد نوشته است اصلاح کنید و دوباره بفرستید. رسید امضاشده در پوشهٔ رسیدهای شماست.",
            "Mend what the producers' page says under this code, and send again. The signed receipt lies in your outbox.",
        ),
        "",
    )


def _month_refused(configuration: Configuration, event: AlertEvent) -> Notice:
    facts = event.facts
    layer = configuration.standard.layers[facts["layer"]].label if facts["layer"] in LAYERS else None
    number = facts["rules_failed"]
    return Notice(
        "month_refused",
        _place(configuration, facts),
        Both(
            persian_digits(f"این دوره در لایهٔ «{layer.fa if layer else facts['layer']}» با {number} قاعدهٔ اصول چهارگانه رد شد."),
            f"The layer {facts['layer']} of this period was refused by {number} {'rule' if number == 1 else 'rules'} "
            "of the four principles.",
        ),
        tuple(_rule(result) for result in facts["rules"]),
        _organization(configuration, facts),
        Both(
            "داده را در سامانهٔ خود اصلاح کنید و همان دوره را کامل و با شمارهٔ بعدی بفرستید. "
            "اگر اصلاح‌شدنی نیست، کمیته می‌تواند برای این قاعده استثنا بدهد.",
            "Correct the data in your system, and send the whole period again with the next sequence. "
            "Where they cannot be better, the Committee may except the rule.",
        ),
        f"mdlake status {facts['organization']}/{facts['dataset']} --period {facts['period']}",
    )


def _rule(result: Mapping[str, Any]) -> Both:
    """A failed rule: its title, how many of how many, in which column most, and what passes."""
    rule, failed, checked = RULES.get(result["rule"]), result["failed"], result["checked"]
    share, most, column = f"{result['share'] * 100:.2f}", f"{result['threshold'] * 100:.2f}", result["most_in"]
    title = Both(rule.title.fa, rule.title.en) if rule else Both(result["rule"], result["rule"])
    counts = persian_digits(f"{failed} از {checked}؛ {share}٪، حد مجاز {most}٪").replace(".", "٫")
    return Both(
        f"{title.fa} ({result['rule']}): {counts}{f'؛ بیشتر در {column}' if column else ''}",
        f"{title.en} ({result['rule']}): {failed} of {checked}; {share} % where at most {most} % passes"
        f"{f'; most in {column}' if column else ''}",
    )


def _delivery_late(configuration: Configuration, event: AlertEvent) -> Notice:
    facts = event.facts
    due, days, units = day(date.fromisoformat(facts["due_day"])), facts["days_late"], facts["units"]
    what = Both(
        persian_digits(f"داده‌های این دوره تا {due.fa} مقرر بود و {days} روز پس از آن پذیرفته نشده است."),
        f"The data of this period were due on {due.en}; {days} days later nothing has been accepted.",
    )
    points = []
    if units:
        what = Both(
            persian_digits(f"سهم {len(units)} واحد از {facts['units_owed']} واحد تا {due.fa} مقرر بود و {days} روز گذشته است."),
            f"The parts of {len(units)} of {facts['units_owed']} reporting units were due on {due.en}, {days} days ago.",
        )
        names = _units(configuration, facts)
        points.append(Both(f"واحدهای مانده: {'، '.join(n.fa for n in names)}", f"Still owing: {', '.join(n.en for n in names)}"))
    if facts["refused_for"]:
        codes = ", ".join(facts["refused_for"])
        points.append(Both(f"آنچه رسید پذیرفته نشد، با کد: {codes}", f"What came was refused for: {codes}"))
    return Notice(
        "delivery_late",
        _place(configuration, facts),
        what,
        tuple(points),
        _organization(configuration, facts),
        Both("بستهٔ این دوره را بفرستید.", "Send the package of this period."),
        f"mdlake status {facts['organization']}/{facts['dataset']} --deliveries --period {facts['period']}",
    )


def _units(configuration: Configuration, facts: Mapping[str, Any]) -> list[Both]:
    """The reporting units that owe something, by their names."""
    dataset = configuration.datasets.get(f"{facts['organization']}/{facts['dataset']}")
    classification = dataset.contract(Period.parse(facts["period"])).reporting_units if dataset else None
    names = {code.code: Both(code.label_fa, code.label_en) for code in (classification.codes if classification else ())}
    return [names.get(unit, Both(unit, unit)) for unit in facts["units"]]


def _run_failed(configuration: Configuration, event: AlertEvent) -> Notice:
    facts = event.facts
    named = f"{facts['run_id'][:8]} ({facts['job']})"
    dataset = f"{facts['organization']}/{facts['dataset']}" if facts["dataset"] else ""
    if facts["killed"]:
        what = Both(
            f"پردازهٔ اجرای {named} پیش از پایان از میان رفت.", f"The process of the run {named} ended before the run did."
        )
    else:
        what = Both(f"اجرای {named} ناموفق بود.", f"The run {named} failed.")
    told = ". ".join(facts[name].rstrip(".") for name in ("where", "what", "next_step") if facts[name] not in {"", "-"})
    return Notice(
        "run_failed",
        _place(configuration, facts) if dataset else _of_no_dataset(facts),
        what,
        (Both("متن خطا در بخش انگلیسی آمده است.", f"{told}."),) if told else (),
        _DATA_TEAM,
        Both(
            "اجرا را در Dagster ببینید، علت را رفع کنید و دوباره اجرا کنید.", "See the run in Dagster, mend its cause, run again."
        ),
        f"mdlake run {dataset} --period {facts['period']}" if dataset else "",
    )


def _place(configuration: Configuration, facts: Mapping[str, Any]) -> Both:
    """Organization, dataset and period, as far as they are known."""
    parts = [_organization(configuration, facts)]
    if facts.get("dataset"):
        dataset = configuration.datasets.get(f"{facts['organization']}/{facts['dataset']}")
        parts.append(Both(*vars(dataset.file.label).values()) if dataset else Both(facts["dataset"], facts["dataset"]))
    if facts.get("period"):
        period = Period.parse(facts["period"])
        parts.append(Both(period.label("fa"), period.label("en")))
    return Both(" · ".join(part.fa for part in parts), " · ".join(part.en for part in parts))


def _of_no_dataset(facts: Mapping[str, Any]) -> Both:
    """The period of a run that is of no dataset, such as the close of a month."""
    period = Period.parse(facts["period"]) if facts["period"] else None
    return Both(period.label("fa"), period.label("en")) if period else Both("همهٔ داده‌ها", "all data")


def _organization(configuration: Configuration, facts: Mapping[str, Any]) -> Both:
    known = configuration.organizations.get(facts["organization"])
    return Both(known.label.fa, known.label.en) if known else Both(facts["organization"], facts["organization"])


_WORDS = {
    "package_refused": _package_refused,
    "month_refused": _month_refused,
    "run_failed": _run_failed,
    "delivery_late": _delivery_late,
}
