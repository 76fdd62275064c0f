"""The register of decisions as a page in Persian and English: what is live, expiring, expired, revoked, waiting, and its scope.

One file without scripts or anything fetched, so that it can be kept and handed on. Not here: how a decision stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Literal

import jinja2

from mdlake.config import LAYERS, Configuration
from mdlake.governance import Scope, Standing
from mdlake.standard import Language, day_in_iran, persian_digits, solar_hijri_day
from mdlake.steps import House

__all__ = ["register_page"]

Group = Literal["live", "expiring", "waiting", "expired", "revoked", "void"]
_GROUPS: Mapping[Group, tuple[str, str]] = {
    "waiting": ("در انتظار", "Waiting"),
    "expiring": ("رو به پایان", "Expiring"),
    "live": ("جاری", "Live"),
    "expired": ("پایان‌یافته", "Expired"),
    "revoked": ("لغوشده", "Revoked"),
    "void": ("بی‌اعتبار", "Void"),
}
_GROUP_OF: Mapping[str, Group] = {
    "broken": "void",
    "void": "void",
    "waiting": "waiting",
    "complete": "waiting",
    "not begun": "waiting",
    "live": "live",
    "expired": "expired",
    "revoked": "revoked",
}


@dataclass(frozen=True)
class _Entry:
    """One decision as both halves of the page show it. `published`: partitions that were published under it."""

    standing: Standing
    group: Group
    published: int


def register_page(house: House, at: datetime) -> str:
    """The page (HTML) of the register as it stood at a time."""
    published = _published_under(house)
    soon = timedelta(days=house.configuration.decisions.expiring_days)
    entries = [
        _Entry(standing, _group(standing, at, soon), published[standing.decision_id]) for standing in house.register.all(at)
    ]
    text = resources.files("mdlake.reports").joinpath("decisions.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["fa"] = lambda value: persian_digits(str(value))
    environment.filters["chips"] = lambda scope, language: _chips(scope, house.configuration, language)
    environment.filters["day"] = lambda day: solar_hijri_day(day).replace("-", "/") if day else "–"
    configuration = house.configuration
    return environment.from_string(text).render(
        at=day_in_iran(at),
        groups=[(name, fa, en, [entry for entry in entries if entry.group == name]) for name, (fa, en) in _GROUPS.items()],
        kinds=configuration.decisions.kinds,
        offices=configuration.signing_offices,
        expiring_days=configuration.decisions.expiring_days,
    )


def _chips(scope: Scope, configuration: Configuration, language: Language) -> list[str]:
    """What a decision covers, in a language: datasets by their titles, hashes left out."""
    datasets = configuration.datasets
    titles = {key: f"{getattr(dataset.file.label, language)} ({key})" for key, dataset in datasets.items()}
    fa = language == "fa"
    chips = [titles.get(key, key) for key in scope.datasets]
    version = "نسخهٔ " if fa else "version "
    for mark in scope.contracts:
        number = persian_digits(mark.version) if fa else mark.version
        chips.append(f"{titles.get(mark.dataset, mark.dataset)} {version}{number}")
    chips += scope.rules
    if scope.periods:
        first, last = scope.periods.first.label(language), scope.periods.last.label(language)
        chips.append(first if first == last else f"{first} {'تا' if fa else 'to'} {last}")
    chips += [("فصل به فصل" if fa else "each quarter")] if scope.periodicity else []
    chips += [f"{'طرح' if fa else 'project'} {scope.project}"] if scope.project else []
    chips += [f"{'سطح' if fa else 'level'} {scope.access_level}"] if scope.access_level is not None else []
    chips += [f"{scope.document.name} {scope.document.version}"] if scope.document else []
    chips += [f"{'دورهٔ کلید' if fa else 'key epoch'} {scope.key_epoch}"] if scope.key_epoch else []
    chips += [scope.decision.id] if scope.decision else []
    return chips


def _group(standing: Standing, at: datetime, soon: timedelta) -> Group:
    ends_at = standing.decision.ends_at if standing.decision else None
    if standing.counts and ends_at is not None and ends_at <= at + soon:
        return "expiring"
    return _GROUP_OF[standing.state]


def _published_under(house: House) -> Counter[str]:
    """How many partitions are published under each decision, as their last commit says."""
    tables = (house.table(LAYERS[-1], dataset, dataset.newest) for dataset in house.configuration.datasets.values())
    return Counter(decision for table in tables for decision in _decisions(state.details for state in table.states()))


def _decisions(details: Iterable[Mapping[str, object]]) -> Iterable[str]:
    for detail in details:
        named = detail.get("decisions", ())
        if isinstance(named, list | tuple):
            yield from map(str, named)
