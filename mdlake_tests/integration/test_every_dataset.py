"""Every dataset of the ministry by the same measure: the usual delivery reaches the researchers with each row accounted for, and
each class of defects that the synthetic ministry plants is caught. What is special to a producer is in its own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
import pytest
from conftest import MAKERS, Clock, Install, desk
from planted_defects import CAUGHT, Caught, leaving

from mdlake.config import Dataset
from mdlake.layers import REASONS, ROW, Tally
from mdlake.principles import RULES
from mdlake.standard import Period
from mdlake.steps import House, Run, judge, open_house
from mdlake.synthetic import DeliveredFile, Ministry

MONTH, QUARTER = "1403-02", "1403-Q1"
PASSED = {"passed", "passed_with_warnings"}


# ── one installation, into which every dataset is delivered for one period ───────────────────────────────────────────


@dataclass(frozen=True)
class Installation:
    """Two rooms and the ministry that sends to them."""

    secure: House
    research: House
    ministry: Ministry

    def deliver(self, key: str, period: str, rate: float | None) -> list[DeliveredFile]:
        """All files that a dataset owes for a period, with each class of defects at a rate (None: the usual ones)."""
        defects = None if rate is None else dict.fromkeys(self.ministry.defect_rates(key), rate)
        return [
            self.ministry.deliver(key, own, desk(self.secure), defects=defects, reporting_unit=unit)
            for own, unit in self.ministry.due(key, period)
        ]

    def walk(self, key: str, period: str, layers: Iterable[str]) -> dict[str, str]:
        """The outcomes by layer, until one is refused."""
        dataset, when, outcomes = self.dataset(key), Period.parse(period), {}
        for layer in layers:
            house = self.research if layer == "published" else self.secure
            MAKERS[layer](house, dataset, when, Run("run"))
            outcomes[layer] = judge(house, layer, dataset, when, Run("run")).verdict.outcome
            if outcomes[layer] == "refused":
                break
        return outcomes

    def dataset(self, key: str) -> Dataset:
        return self.secure.configuration.dataset(key)

    def rows(self, layer: str, key: str, period: str) -> pl.DataFrame:
        dataset = self.dataset(key)
        return self.secure.table(layer, dataset, dataset.contract(Period.parse(period))).scan(period).collect()

    def truth(self, key: str, period: str, files: list[DeliveredFile]) -> pl.DataFrame:
        """Record and class of harm of every row of the period's table, of which each file may be a part."""
        dataset = self.dataset(key)
        raw = self.secure.table("raw", dataset, dataset.contract(Period.parse(period))).state(period)
        assert raw is not None
        united = []
        for file in files:
            assert file.truth is not None
            unit = file.csv_path.stem.split("-")[-2]
            rows_before = raw.details["parts"][unit]["first_row"] - 1 if len(files) > 1 and file.rows else 0
            united.append(file.truth.rows.select(pl.col("record") + rows_before, "harm"))
        return pl.concat(united)


def period_of(key: str, ministry: Ministry) -> str:
    return QUARTER if ministry.periodicity(key) == "quarter" else MONTH


@pytest.fixture
def installed(secure: House, research: House) -> Installation:
    """The ministry of the demo, in an installation of its own."""
    return Installation(secure, research, Ministry())


@pytest.mark.parametrize("key", Ministry().datasets)
def test_usual_deliveries_reach_the_researchers_and_every_row_is_accounted_for(key: str, installed: Installation) -> None:
    period = period_of(key, installed.ministry)
    for own in (Period.parse(period).previous().key, period):
        files = installed.deliver(key, own, None)
        outcomes = installed.walk(key, own, MAKERS)
        assert outcomes.keys() == MAKERS.keys(), (own, outcomes)
        assert set(outcomes.values()) <= PASSED
    total = sum(file.rows for file in files)
    gone = sum(file.truth.counts[harm] for file in files if file.truth for harm in leaving(key))
    heights = {layer: installed.rows(layer, key, period).height for layer in (*MAKERS, "quarantine")}
    left = total - gone
    assert heights == {"raw": total, "standardized": left, "pseudonymized": left, "published": left, "quarantine": gone}
    published = set(installed.rows("published", key, period).columns)
    contract = installed.dataset(key).contract(Period.parse(period))
    assert not {column.name for column in contract.columns if column.disclosure == "direct"} & published
    assert {column.pseudonym for column in contract.linked if column.publish.action == "keep"} <= published


# ── every class of defects ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Finding:
    """What became of a class of defects."""

    harm: str
    planted: int
    found: int
    reasons: frozenset[str | None]
    caught: Caught | None


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory, install: Install) -> Callable[[str], list[Finding]]:
    """The findings on a dataset in which nine rows of ten are harmed, all classes alike."""
    clock = Clock()
    home = install(tmp_path_factory.mktemp("harmed"))
    installed = Installation(open_house(home, "secure", clock), open_house(home, "research", clock), Ministry(20_000, 800, 7))

    def register(dataset: str, period: Period) -> None:
        own = Period.parse(period_of(dataset, installed.ministry)).previous()
        installed.deliver(dataset, own.key, 0.0)
        assert set(installed.walk(dataset, own.key, ("raw", "standardized")).values()) <= PASSED

    @cache
    def findings(key: str) -> list[Finding]:
        period = Period.parse(period_of(key, installed.ministry))
        contract = installed.dataset(key).contract(period)
        for reference in {column.references.dataset for column in contract.columns if column.references}:
            register(reference, period)
        files = installed.deliver(key, period.key, 0.9 / len(installed.ministry.defect_rates(key)))
        assert installed.walk(key, period.key, ("raw", "standardized"))["standardized"] == "refused"
        return list(_findings(installed, key, period, installed.truth(key, period.key, files)))

    return findings


def _findings(installed: Installation, key: str, period: Period, truth: pl.DataFrame) -> Iterable[Finding]:
    reasons = truth.join(installed.rows("quarantine", key, period.key), left_on="record", right_on=ROW, how="left")
    verdict = installed.secure.ledger.latest_verdict("standardized", *key.split("/"), period.key)
    assert verdict is not None
    results: Mapping[object, Mapping[str, Any]] = {result["rule"]: result for result in verdict.results}
    assert reasons.filter(pl.col("harm").is_null() & pl.col(REASONS).is_not_null()).is_empty(), "nobody leaves who did no harm"
    dataset = installed.dataset(key)
    state = installed.secure.table("standardized", dataset, dataset.contract(period)).state(period.key)
    assert state is not None
    tally = Tally.from_json(state.details["tally"])
    assert tally.rows_in == truth.height == tally.rows_out + tally.quarantined + tally.duplicates
    for harm in installed.ministry.defect_rates(key):
        caught = CAUGHT[key].get(harm)
        harmed = reasons.filter(harm=harm)
        if caught is None or caught.reasons:
            found = harmed[REASONS].count()
        else:
            found = sum(results[caught.rule]["parts"].get(part, [0, 0])[1] for part in caught.parts)
        yield Finding(harm, harmed.height, found, frozenset(harmed[REASONS]), caught)


@pytest.mark.parametrize("key", Ministry().datasets)
def test_every_class_of_defects_is_caught_by_a_rule_of_its_principle_or_leaves_with_its_reason(
    key: str, findings: Callable[[str], list[Finding]]
) -> None:
    told = findings(key)
    assert {finding.harm for finding in told} == CAUGHT[key].keys()
    for finding in told:
        caught = finding.caught
        assert caught is not None
        assert finding.planted > 0, finding.harm
        assert finding.reasons <= (caught.reasons or {None}), finding.harm
        assert finding.found == finding.planted or (caught.at_least and finding.found > finding.planted), finding.harm
        if not caught.reasons:
            assert RULES[caught.rule].principle == caught.principle


def test_the_table_of_all_classes_of_defects_has_no_gap(
    findings: Callable[[str], list[Finding]], record_property: Callable[[str, object], None]
) -> None:
    datasets = Ministry().datasets
    lines = [
        f"{key:35}{f.harm:28}{f.planted:>7}{f.found:>7}  {f.caught.by if f.caught else '– nothing'}"
        for key in datasets
        for f in findings(key)
    ]
    head = f"{'dataset':35}{'class of defects':28}{'planted':>7}{'found':>7}  by"
    record_property("printed", "\n".join([head, *lines, f"{len(lines)} classes of defects in {len(datasets)} datasets"]))
    assert not [line for line in lines if line.endswith("– nothing")]
