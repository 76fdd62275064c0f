"""The check of a whole data file before it is sent (note of Article 5): all that its rows will be judged by, found at its desk.

The file is read and standardized by the code that does it at the ministry, and the same rules are asked, all those that can
be answered from one file. Every finding has the rows of the file that it is about, never a value. Not here: how findings are
told to people, and the rules that need another period or another producer.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from mdlake.config import Contract
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange.agreement import header_refusals, place_of, require_rows
from mdlake.exchange.dispatch import file_sha256
from mdlake.exchange.formats import Form, NeedsStrictReading, read_header, read_rows
from mdlake.exchange.row_ranges import RowRanges
from mdlake.exchange.self_check import Finding, SelfCheck
from mdlake.layers import (
    DUPLICATE_ROW,
    MALFORMED,
    MALFORMED_ROW,
    REASONS,
    ROW,
    Duplicates,
    Tally,
    layer_schema,
    match_headers,
    standardize_batch,
)
from mdlake.principles import RULES, Rule, RuleResult, Subject, evaluate
from mdlake.standard import Period

__all__ = ["FileCheck", "RuleFinding", "Spot", "Weight", "check_file"]

_BATCH_ROWS = 500_000
_SET_ASIDE = "row:quarantined"
_BY_REASON = frozenset({"identifiers_valid", "values_readable", "codes_valid"})
"""Rules whose parts are columns with values that could not be read, each for a reason."""
_OF_WHOLE_ROWS = {"well_formed_rows": MALFORMED_ROW, "duplicate_rows": DUPLICATE_ROW, "quarantined_rows": _SET_ASIDE}

Weight = Literal["refuses", "warning", "allowed"]
"""Of a finding: it refuses the whole file, it is only shown, or there is so little of it that the file passes."""


@dataclass(frozen=True)
class Spot:
    """One thing that is wrong, in the rows where it is.

    Attributes:
        part: what the rule looked at, in its words: a column, a comparison.
        columns: the columns that it is about.
        reason: code of why a value could not be read; None where the rule says it all.
        count: as the rule counts: of values, rows or units.
        rows: of the file, the first after the header being 1; empty where it is about no row.
    """

    part: str
    columns: tuple[str, ...]
    reason: str | None
    count: int
    rows: RowRanges


@dataclass(frozen=True)
class RuleFinding:
    """A rule that something in the file does not keep."""

    rule: Rule
    result: RuleResult
    spots: tuple[Spot, ...]

    @property
    def weight(self) -> Weight:
        """What follows from it."""
        if self.result.passed:
            return "allowed"
        return "refuses" if self.result.severity == "error" else "warning"


@dataclass(frozen=True)
class FileCheck:
    """What was found in a file.

    Attributes:
        data: name of the file.
        dataset: `organization/dataset`.
        sha256: as a descriptor writes it.
        rows: number of its rows; 0 where it could not be read.
        refusals: why the intake would not take it in; nothing else was looked at then.
        findings: by weight, the heaviest first.
    """

    data: str
    dataset: str
    period: Period
    reporting_unit: str | None
    contract: Contract
    sha256: str
    rows: int
    refusals: tuple[DeliveryRefused, ...]
    findings: tuple[RuleFinding, ...]

    @property
    def is_refused(self) -> bool:
        """Whether the ministry will refuse it, on arrival or by its rules; of a reporting unit's part, if it were the whole."""
        return bool(self.refusals) or any(finding.weight == "refuses" for finding in self.findings)

    def self_check(self) -> SelfCheck:
        """What the statistics unit signs.

        Raises:
            DeliveryRefused: the file would be refused on arrival, so that there is nothing to sign.
        """
        for refusal in self.refusals:
            raise refusal
        organization, _, dataset = self.dataset.partition("/")
        return SelfCheck(
            format="mdlake-self-check/1",
            organization=organization,
            dataset=dataset,
            period=self.period.key,
            reporting_unit=self.reporting_unit,
            contract_version=self.contract.version,
            hash=self.sha256,
            rows=self.rows,
            findings=tuple(Finding(rule=finding.rule.name, rows=finding.result.failed) for finding in self.findings),
        )

    def as_json(self) -> dict[str, object]:
        """Plain values for scripts, every row range included."""
        return {
            "file": self.data,
            "dataset": self.dataset,
            "period": self.period.key,
            "reporting_unit": self.reporting_unit,
            "contract_version": self.contract.version,
            "hash": self.sha256,
            "rows": self.rows,
            "refused": self.is_refused,
            "refusals": [{"reason": one.reason, "message": str(one)} for one in self.refusals],
            "findings": [
                {**finding.result.as_json(), "weight": finding.weight, "spots": [_as_json(spot) for spot in finding.spots]}
                for finding in self.findings
            ],
        }

    def write_rows(self, path: Path) -> None:
        """Write every range of rows of every finding to a CSV file, a line each."""
        with path.open("wb") as file:
            file.write(b"rule,part,reason,first_row,last_row\n")
            for finding in self.findings:
                for spot in finding.spots:
                    lines = pl.DataFrame({"first": spot.rows.first, "last": spot.rows.last}).select(
                        pl.lit(finding.rule.name).alias("rule"),
                        pl.lit(spot.part).alias("part"),
                        pl.lit(spot.reason or "").alias("reason"),
                        "first",
                        "last",
                    )
                    lines.write_csv(file, include_header=False)


def _as_json(spot: Spot) -> dict[str, Any]:
    return {
        "part": spot.part,
        "columns": list(spot.columns),
        "reason": spot.reason,
        "count": spot.count,
        "rows": [list(pair) for pair in spot.rows.pairs()],
    }


def check_file(data: Path, form: Form, dataset: str, contract: Contract, period: Period, unit: str | None) -> FileCheck:
    """Read a file to its end in its declared form, and find all that is wrong with it.

    Memory is bounded by a batch of rows, by sixteen bytes for each row of the file, and by the ranges found. What is
    standardized lies beside the file meanwhile, in a folder of this account alone that is gone afterwards.

    Args:
        dataset: `organization/dataset`.
        unit: code of the reporting unit, where each sends its own file.

    Raises:
        MdlakeError: there is no such file, no right to write beside it, or it changed while it was read.
    """
    if not data.is_file():
        raise MdlakeError("there is no such file", where=str(data), next_step="Give the data file that is to be sent.")
    before, sha256 = data.stat(), file_sha256(data)
    examination = _Examination(contract, period, unit)
    refusals: tuple[DeliveryRefused, ...] = ()
    findings: tuple[RuleFinding, ...] = ()
    try:
        with _folder_beside(data) as folder:
            refusals = tuple(examination.refusals(data, form, place_of(dataset, period.key, unit), Path(folder)))
            findings = () if refusals else tuple(examination.findings(Path(folder)))
    except DeliveryRefused as refusal:
        refusals = (refusal,)
    after = data.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise MdlakeError("the file changed while it was checked", where=str(data), next_step="Check it when it is complete.")
    rows = 0 if refusals else examination.tally.rows_in
    order: tuple[Weight, ...] = ("refuses", "warning", "allowed")
    heaviest = tuple(sorted(findings, key=lambda finding: order.index(finding.weight)))
    return FileCheck(data.name, dataset, period, unit, contract, sha256, rows, refusals, heaviest)


def _folder_beside(data: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix=".checking-", dir=data.parent)
    except OSError:
        fix = "Check it in a folder of your own: what is read of it lies beside it for a moment."
        raise MdlakeError("there is no right to write beside the file", where=str(data.parent), next_step=fix) from None


@dataclass
class _Examination:
    """Everything counted while a file is read.

    Attributes:
        delivered, filled: values that are not missing, by column, of the file and of what its rows became.
        faults: ranges of rows by column and reason code; of whole rows, the column is empty.
    """

    contract: Contract
    period: Period
    unit: str | None
    by_alias: int = 0
    tally: Tally = field(default_factory=Tally)
    delivered: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    faults: dict[tuple[str, str], list[RowRanges]] = field(default_factory=lambda: defaultdict(list))

    def refusals(self, data: Path, form: Form, where: str, folder: Path) -> Iterator[DeliveryRefused]:
        """Read the file into a folder of standardized rows; why the intake would not take it in, where it would not."""
        match = match_headers(read_header(data, form), self.contract)
        wrong = list(header_refusals(match, self.contract, where))
        yield from wrong
        if wrong:
            return
        self.by_alias = match.by_alias
        names = [name for name in match.names if name is not None]
        try:
            self._read(read_rows(data, form, names, _BATCH_ROWS), folder)
        except NeedsStrictReading:
            self.tally, self.delivered, self.filled = Tally(), Counter(), Counter()
            self.faults.clear()
            for left in folder.iterdir():
                left.unlink()
            self._read(read_rows(data, form, names, _BATCH_ROWS, strictly=True), folder)
        require_rows(self.tally.rows_in, self.unit)

    def _read(self, batches: Iterator[pl.DataFrame], folder: Path) -> None:
        columns, duplicates = layer_schema(self.contract, "raw").names(), Duplicates(self.contract.unit_key)
        pl.DataFrame(schema=layer_schema(self.contract, "standardized")).write_parquet(folder / "0.parquet")
        for number, batch in enumerate(batches, start=1):
            raw = batch.select(columns)
            done = standardize_batch(raw, self.contract, self.period, duplicates)
            done.rows.write_parquet(folder / f"{number}.parquet", compression="lz4")
            self.tally.add(done.tally)
            self.delivered.update(raw.select(pl.all().count()).row(0, named=True))
            self.filled.update(done.rows.select(pl.all().count()).row(0, named=True))
            self._note(raw, done.faults)
            self._note_rows(_SET_ASIDE, done.quarantine, pl.col(REASONS) != DUPLICATE_ROW)
            self._note_rows(DUPLICATE_ROW, done.quarantine, pl.col(REASONS) == DUPLICATE_ROW)
            self._note_rows(MALFORMED_ROW, raw, pl.col(MALFORMED).is_not_null())

    def _note(self, raw: pl.DataFrame, faults: Mapping[str, pl.Series]) -> None:
        for column, fault in faults.items():
            marked = pl.DataFrame([raw.get_column(ROW), fault.alias("code")]).drop_nulls("code")
            for (code,), rows in marked.group_by("code", maintain_order=True):
                self.faults[column, str(code)].append(RowRanges.of(rows.get_column(ROW).to_numpy()))

    def _note_rows(self, code: str, rows: pl.DataFrame, which: pl.Expr) -> None:
        self.faults["", code].append(RowRanges.of(rows.filter(which).get_column(ROW).to_numpy()))

    def findings(self, folder: Path) -> Iterator[RuleFinding]:
        """What each rule finds that the file alone can answer, of the rows in the folder."""
        for subject in self._subjects(folder):
            rules = [rule for rule in RULES.values() if rule.fix is not None and subject.layer in rule.layers]
            for rule, result in zip(rules, evaluate(rules, subject), strict=True):
                if result.failed:
                    yield RuleFinding(rule, result, tuple(self._spots(rule, result, subject)))

    def _subjects(self, folder: Path) -> tuple[Subject, ...]:
        contract, period, rows_in = self.contract, self.period, self.tally.rows_in
        raw = Subject("raw", contract, period, pl.LazyFrame(), rows_in, self.delivered, by_alias=self.by_alias)
        files = [folder / f"{number}.parquet" for number in range(len(list(folder.iterdir())))]
        standardized = Subject(
            "standardized",
            contract,
            period,
            pl.scan_parquet(files),
            self.tally.rows_out,
            self.filled,
            quarantined_count=self.tally.quarantined + self.tally.duplicates,
            tally=self.tally,
            unit_rows={self.unit: (1, rows_in)} if self.unit and rows_in else {},
        )
        return raw, standardized

    def _spots(self, rule: Rule, result: RuleResult, subject: Subject) -> Iterator[Spot]:
        predicates = rule.ask(subject).rows
        for part, (_, failed) in result.parts.items():
            columns = tuple(name for name in re.findall(r"\w+", part) if name in self.contract.by_name)
            if rule.name in _BY_REASON:
                for (column, code), ranges in self.faults.items():
                    if column == part:
                        rows = RowRanges.joined(ranges)
                        yield Spot(part, columns, code, rows.count, rows)
            elif rule.name in _OF_WHOLE_ROWS:
                yield Spot(part, columns, None, failed, RowRanges.joined(self.faults["", _OF_WHOLE_ROWS[rule.name]]))
            elif part in predicates:
                found = subject.rows.filter(predicates[part]).select(ROW).collect().get_column(ROW).sort()
                yield Spot(part, columns, None, failed, RowRanges.of(found.to_numpy()))
            else:
                yield Spot(part, columns, None, failed, RowRanges.none())
