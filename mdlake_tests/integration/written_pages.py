"""The pages of the documentation that are written from the rules and the configuration: `docs/principles.md`, `docs/datasets.md`.

Run as a script, this module writes them; a test holds that they are up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from mdlake.config import LAYERS, PRINCIPLES, Configuration, Contract, Dataset, load_configuration
from mdlake.layers import LayerColumn, layer_columns
from mdlake.principles import RULES, Rule
from mdlake.standard import persian_digits

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "assets_config"
_TITLES = {
    "transformation": ("Transformation", "اصل تبدیل"),
    "system": ("System", "اصل سیستم"),
    "consistency": ("Consistency", "اصل سازگار"),
    "quality": ("Quality", "اصل کیفیت"),
}


# ── docs/principles.md ───────────────────────────────────────────────────────────────────────────────────────────────


def principles_page() -> str:
    """The page of all rules, from the rules and from how strictly the configuration holds them."""
    settings = yaml.safe_load((CONFIG / "principles.yaml").read_text(encoding="utf-8"))["rules"]
    english, persian = [_INTRODUCTION], [_INTRODUCTION_FA]
    for principle in PRINCIPLES:
        rules = [rule for rule in RULES.values() if rule.principle == principle]
        title, title_fa = _TITLES[principle]
        english += [
            f"\n## {title} {title_fa}\n",
            "| rule | asks | layer | severity | passes up to | when it fails |",
            "|---" * 6 + "|",
        ]
        english += [_row(rule, settings[rule.name]) for rule in rules]
        persian += [f"\n### {title_fa}\n", "| قاعده | پرسش | سخت‌گیری | حداکثر مجاز | گام بعدی |", "|---" * 5 + "|"]
        persian += [_row_fa(rule, settings[rule.name]) for rule in rules]
    return "\n".join([*english, *_own_settings(settings), *persian, "\n</div>\n"])


def _row(rule: Rule, setting: Mapping[str, object]) -> str:
    layers = ", ".join(layer for layer in LAYERS if layer in rule.layers)
    allowed = f"{float(str(setting['threshold'])) * 100:g} %"
    return f"| `{rule.name}` | {rule.title.en} | {layers} | {setting['severity']} | {allowed} | {rule.next_step.en} |"


def _row_fa(rule: Rule, setting: Mapping[str, object]) -> str:
    severity = {"error": "ردکننده", "warn": "هشدار"}[str(setting["severity"])]
    allowed = persian_digits(f"{float(str(setting['threshold'])) * 100:g}٪".replace(".", "٫"))
    return f"| `{rule.name}` | {rule.title.fa} | {severity} | {allowed} | {rule.next_step.fa} |"


def _own_settings(settings: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """Where a contract is stricter or milder than the ministry."""
    yield "\n## Contracts with their own strictness\n"
    yield "| dataset | contract | rule | severity | passes up to |"
    yield "|---" * 5 + "|"
    for dataset in load_configuration(CONFIG, RULES).datasets.values():
        for contract in dataset.versions:
            for name, setting in contract.rules.items():
                if setting.model_dump() != settings[name]:
                    allowed = f"{setting.threshold * 100:g} %"
                    yield f"| {dataset.key} | {contract.version} | `{name}` | {setting.severity} | {allowed} |"


_INTRODUCTION = """# The rules, by principle

Written from the rules in `mdlake/principles/` and from `assets_config/principles.yaml`; do not edit it by hand
([developer.md](developer.md) says how it is written).

A rule looks at parts: columns, comparisons, foreign keys. *Passes up to* is the largest share of failures in any one part with
which the rule still passes. Severity `error` refuses the layer of that month; `warn` is shown and counted. A rule that compares
with the period before or with the layer below passes where there is none."""

_INTRODUCTION_FA = """
## فارسی

<div dir="rtl">

هر قاعده جزء به جزء (ستون، مقایسه، کد ارجاعی) سنجیده می‌شود. «حداکثر مجاز» بیشترین سهم خطا در هر جزء است که قاعده با آن هنوز
پذیرفته می‌شود. قاعدهٔ ردکننده همان لایهٔ همان ماه را رد می‌کند و هشدار تنها نشان داده و شمرده می‌شود."""


# ── docs/datasets.md ─────────────────────────────────────────────────────────────────────────────────────────────────


def datasets_page() -> str:
    """Every dataset with the columns that it has in the published layer."""
    configuration = load_configuration(CONFIG, RULES)
    lines = [_DATASETS_INTRODUCTION, "", *_contents(configuration)]
    for organization, producer in configuration.organizations.items():
        lines += ["", f"## {producer.label.en} {producer.label.fa}"]
        for dataset in configuration.datasets.values():
            if dataset.organization == organization:
                lines += ["", *_dataset(dataset)]
    return "\n".join(lines) + "\n"


def _contents(configuration: Configuration) -> Iterator[str]:
    yield "| dataset | | | one row is | kind | every |"
    yield "|---" * 6 + "|"
    for dataset in configuration.datasets.values():
        file = dataset.file
        kind = f"{file.statistical_unit.en} | {file.temporal_type} | {file.periodicity}"
        yield f"| [`{dataset.key}`](#{dataset.key.replace('/', '')}) | {file.label.en} | {file.label.fa} | {kind} |"


def _dataset(dataset: Dataset) -> Iterator[str]:
    file, contract = dataset.file, dataset.newest
    yield f"### `{dataset.key}`"
    yield ""
    yield f"{file.label.en}. {file.description.en}"
    yield ""
    yield f'<div dir="rtl">{file.label.fa}: {file.description.fa}</div>'
    yield ""
    since = ", ".join(f"{version.version} from {version.valid_from.key}" for version in dataset.versions)
    units = f" Each unit of `{contract.reporting_units.name}` sends its own file." if contract.reporting_units else ""
    terms = file.delivery
    due = f"Due on day {terms.due_day} of the month after the {file.periodicity}, with {terms.grace_days} days of grace."
    yield f"Contract {since}.{units} {due}"
    yield ""
    yield "| published column | holds | | type | codes, unit, or register |"
    yield "|---" * 5 + "|"
    for column in layer_columns(contract, "published"):
        yield _published(column, contract)


def _published(column: LayerColumn, contract: Contract) -> str:
    (source,) = (c for c in contract.columns if {c.name, c.pseudonym, c.unlinkable} & set(column.sources))
    about = column.unit or ""
    if column.name == source.pseudonym and source.references:
        about = f"`{source.references.dataset}`"
    elif source.classification:
        about = f"`{source.classification.name}`"
    return f"| `{column.name}` | {column.label.en} | {column.label.fa} | {str(column.dtype).lower()} | {about} |"


_DATASETS_INTRODUCTION = """# The datasets and what is published of each

Written from `assets_config/organizations/`; do not edit it by hand ([developer.md](developer.md) says how it is written).

*Kind* is the temporal type: a **status** is the stock on the last day of the period, an **event** something that happened in
it, a **flow** an amount or a duration over it. Of a column that ends in `_pseudonym` the last field names the dataset whose
rows it must find; of a code, its classification in `assets_config/classifications/`. Every table has the partition column
`period` besides."""

PAGES: Mapping[str, Callable[[], str]] = {"principles.md": principles_page, "datasets.md": datasets_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
