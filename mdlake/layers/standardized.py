"""From delivered text to the ministry's standard: each column by its own instruction, each change counted, no row lost.

Pure functions of frames. A row whose value cannot be read leaves for quarantine with reason codes, or stays with the
value missing, as its contract says; the rows that stand twice are set aside as declared duplicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from mdlake.config import Column, Contract
from mdlake.layers.columns import MALFORMED, REASONS, ROW, STORAGE, layer_schema
from mdlake.standard import (
    Period,
    clean_code,
    match_key,
    match_key_value,
    normalize_text,
    parse_date,
    parse_month,
    read_identifier,
)

__all__ = ["REASONS", "Duplicates", "StandardizedBatch", "Tally", "standardize", "standardize_batch"]

_FAULT, _EDIT = "__fault_", "__edit_"
DUPLICATE = "row:duplicate"
_THOUSANDS = r"[,٬']"
_PLAIN_DATE = r"^[0-9]{4}/[0-9]{2}(/[0-9]{2})?$"
_PLAIN_NUMBER = r"^-?[0-9]+$"


@dataclass
class Tally:
    """What standardization did, in counts; it travels with the commit and feeds the rules.

    Attributes:
        edits: values changed in writing only, by column.
        faults: values that could not be read, by `column:code`, whatever became of their rows.
    """

    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    duplicates: int = 0
    edits: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add the counts of another batch."""
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.quarantined += other.quarantined
        self.duplicates += other.duplicates
        self.edits.update(other.edits)
        self.faults.update(other.faults)

    def as_json(self) -> dict[str, object]:
        """Plain values for the commit."""
        return {
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "quarantined": self.quarantined,
            "duplicates": self.duplicates,
            "edits": dict(sorted(self.edits.items())),
            "faults": dict(sorted(self.faults.items())),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Tally:
        """The tally that `as_json` wrote."""
        counts = dict(values)
        edits, faults = counts.pop("edits"), counts.pop("faults")
        return cls(**counts, edits=Counter(edits), faults=Counter(faults))  # type: ignore[arg-type, call-overload]


@dataclass(frozen=True)
class StandardizedBatch:
    """One batch after standardization; `quarantine` holds the delivered text with its reasons."""

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    tally: Tally


class Duplicates:
    """Remembers the rows accepted in earlier batches of a partition by two independent 64-bit hashes of all their values."""

    _SEEDS = (1399, 1101)

    def __init__(self) -> None:
        self._seen = pl.DataFrame(schema={"a": pl.UInt64, "b": pl.UInt64})

    def repeated(self, rows: pl.DataFrame, accepted: pl.Series) -> pl.Series:
        """Which accepted rows say exactly what an earlier accepted row of the partition says.

        Args:
            rows: standardized rows; the row number is not compared.
            accepted: boolean, the rows that count; one that does not makes no later row a duplicate.
        """
        values = rows.drop(ROW)
        marks = pl.DataFrame({"a": values.hash_rows(self._SEEDS[0]), "b": values.hash_rows(self._SEEDS[1])})
        # few rows share their first hash with another one, and only those need the exact comparison
        suspects = (accepted & (marks["a"].is_duplicated() | marks["a"].is_in(self._seen["a"]))).arg_true()
        close = marks[suspects]
        again = ~close.select(pl.struct("a", "b").is_first_distinct()).to_series()
        if self._seen.height:
            before = close.join(self._seen.with_columns(old=True), on=["a", "b"], how="left", maintain_order="left")
            again = again | before.get_column("old").fill_null(False)
        repeated = pl.repeat(False, rows.height, eager=True).scatter(suspects.filter(again), True)
        self._seen = pl.concat([self._seen, marks.filter(accepted & ~repeated)])
        return repeated


def standardize(raw: pl.LazyFrame, contract: Contract, period: Period) -> pl.LazyFrame:
    """Every column of the contract in canonical form, with bookkeeping beside it.

    Args:
        raw: the columns of the raw layer (text).
        period: the reference period; classifications are those valid in it.

    Returns:
        The standardized layer's columns, and per contract column `__fault_<name>` (reason code or null) and
        `__edit_<name>` (boolean: the writing was changed).
    """
    read = raw.select(ROW, *(_read(column, _reading(column, period)) for column in contract.columns))
    for column in contract.columns:
        names = [column.name, _FAULT + column.name, _EDIT + column.name]
        read = read.with_columns(pl.col(column.name).struct.rename_fields(names)).unnest(column.name)
    unlinkable = {c.unlinkable: pl.col(_FAULT + c.name) for c in contract.columns if c.unlinkable}
    return read.with_columns(**unlinkable)


def standardize_batch(raw: pl.DataFrame, contract: Contract, period: Period, duplicates: Duplicates) -> StandardizedBatch:
    """Standardize one batch and part it: rows that stay, rows set aside, counts of everything done.

    Raises:
        AssertionError: a row was lost, which is a defect of this code.
    """
    done = standardize(raw.lazy(), contract, period).collect()
    quarantining = [column for column in contract.columns if column.on_invalid == "quarantine"]
    faults = [pl.col(_FAULT + column.name).is_not_null() for column in quarantining]
    malformed = raw.get_column(MALFORMED).is_not_null()
    bad = done.select(pl.any_horizontal(pl.lit(False), *faults)).to_series() | malformed
    rows = done.select(layer_schema(contract, "standardized").names())
    again = duplicates.repeated(rows, ~bad)
    kept = rows.filter(~(bad | again))
    aside = _set_aside(raw, done, bad, again, quarantining)
    tally = _count(done, contract, malformed)
    tally.rows_in, tally.rows_out = raw.height, kept.height
    tally.quarantined, tally.duplicates = int(bad.sum()), int(again.sum())
    assert tally.rows_in == tally.rows_out + tally.quarantined + tally.duplicates
    assert aside.height == tally.quarantined + tally.duplicates
    return StandardizedBatch(kept, aside, tally)


def _set_aside(raw: pl.DataFrame, done: pl.DataFrame, bad: pl.Series, again: pl.Series, columns: list[Column]) -> pl.DataFrame:
    """The delivered text of the rows that leave, each with its reason codes, comma between two."""
    leaves = bad | again
    reasons = [pl.lit(f"{c.name}:") + pl.col(_FAULT + c.name) for c in columns]
    malformed = raw.filter(leaves).get_column(MALFORMED).is_not_null()
    codes = (
        done.filter(leaves).select(pl.concat_str(pl.lit(None, pl.String), *reasons, separator=",", ignore_nulls=True)).to_series()
    )
    text = (
        pl.when(malformed)
        .then(pl.lit("row:malformed"))
        .when(again.filter(leaves))
        .then(pl.lit(DUPLICATE))
        .otherwise(codes)
        .alias(REASONS)
    )
    return raw.filter(leaves).with_columns(text)


def _count(done: pl.DataFrame, contract: Contract, malformed: pl.Series) -> Tally:
    """Edits and faults by column; a malformed row counts once and none of its empty columns."""
    tally = Tally()
    whole = done.filter(~malformed) if malformed.any() else done
    edits = whole.select(pl.col(f"^{_EDIT}.*$").sum()).row(0, named=True)
    tally.edits.update({name.removeprefix(_EDIT): count for name, count in edits.items() if count})
    for column in contract.columns:
        fault = whole.get_column(_FAULT + column.name)
        if fault.null_count() < len(fault):
            for code, count in fault.drop_nulls().value_counts().iter_rows():
                tally.faults[f"{column.name}:{code}"] = count
    if malformed.any():
        tally.faults["row:malformed"] = int(malformed.sum())
    return tally


# ── one column by its instruction ────────────────────────────────────────────────────────────────────────────────────


_REPEATS = 3
"""Values that repeat at least so often on average are read once each and joined back: below it, that costs more than it saves."""


@dataclass(frozen=True)
class _Reading:
    """How a column is read. `first` is computed once and named, because Polars runs a Python function at each place where
    its expression stands; the others are cheap expressions over it."""

    first: Mapping[str, pl.Expr]
    canonical: pl.Expr
    fault: pl.Expr
    edit: pl.Expr

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with the columns `canonical`, `fault` and `edit`."""
        return frame.with_columns(expression.alias(name) for name, expression in self.first.items()).with_columns(
            canonical=self.canonical, fault=self.fault, edit=self.edit.fill_null(False)
        )


def _read(column: Column, reading: _Reading) -> pl.Expr:
    """A struct of the column's canonical value, fault and edit, under the column's name."""
    fields = {"canonical": STORAGE[column.type], "fault": pl.String(), "edit": pl.Boolean()}

    def read(values: pl.Series) -> pl.Series:
        frame = values.alias(column.name).to_frame()
        distinct = frame.unique()
        if distinct.height * _REPEATS > frame.height:
            done = reading.of(frame)
        else:
            table = reading.of(distinct).select(column.name, *fields)
            done = frame.join(table, on=column.name, how="left", nulls_equal=True, maintain_order="left")
        return done.select(pl.struct(*fields)).to_series()

    return pl.col(column.name).map_batches(read, return_dtype=pl.Struct(fields), is_elementwise=True).alias(column.name)


def _reading(column: Column, period: Period) -> _Reading:
    raw, name = pl.col(column.name), f"__first_{column.name}"
    first = pl.col(name)
    if column.type == "identifier":
        return _identifier(column, raw, name)
    if column.type in ("text", "free_text"):
        return _Reading({name: normalize_text(raw)}, first, pl.lit(None, pl.String), _rewritten(raw, first))
    if column.type == "code":
        return _code(column, raw, name, period)
    if column.type == "date":
        assert column.dates is not None
        return _typed(raw, name, parse_date(raw, column.dates), "not_a_date", _PLAIN_DATE)
    if column.type == "month":
        return _typed(raw, name, parse_month(raw), "not_a_month", _PLAIN_DATE)
    number = clean_code(raw).str.replace_all(_THOUSANDS, "").cast(pl.Int64, strict=False)
    return _typed(raw, name, number, "not_a_number", _PLAIN_NUMBER)


def _identifier(column: Column, raw: pl.Expr, name: str) -> _Reading:
    assert column.identifier is not None
    read = pl.col(name)
    canonical, fault = read.struct.field("canonical"), read.struct.field("fault")
    if not column.required:
        fault = pl.when(fault != "missing").then(fault)
    right = pl.when(fault.is_null()).then(canonical)
    return _Reading({name: read_identifier(column.identifier.name, raw)}, right, fault, _rewritten(raw, canonical))


def _code(column: Column, raw: pl.Expr, name: str, period: Period) -> _Reading:
    """A code as it stands, with the zeros that a spreadsheet dropped, or by the producer's word for it."""
    assert column.classification is not None
    valid = sorted(column.classification.valid_at(period))
    known = sorted({code.code for code in column.classification.codes})
    first, code = {name: clean_code(raw)}, pl.col(name)
    widths = {len(c) for c in known}
    if len(widths) == 1 and all(c.isascii() and c.isdigit() for c in known):
        code = code.str.zfill(widths.pop())
    if column.values:
        words = {match_key_value(word): target for word, target in column.values.items()}
        first[f"{name}_word"] = match_key(raw)
        meant = pl.col(f"{name}_word").replace_strict(list(words), list(words.values()), default=None, return_dtype=pl.String)
        code = pl.coalesce(meant, code)
    fault = (
        pl.when(code.is_null() | code.is_in(valid))
        .then(None)
        .when(code.is_in(known))
        .then(pl.lit("code_not_valid_in_period"))
        .otherwise(pl.lit("unknown_code"))
    )
    return _Reading(first, pl.when(code.is_in(valid)).then(code), fault, _rewritten(raw, code))


def _typed(raw: pl.Expr, name: str, value: pl.Expr, code: str, plain: str) -> _Reading:
    """A value that is stored as another type than text; it counts as edited where its writing was not the plain one."""
    first = pl.col(name)
    fault = pl.when(first.is_null() & (raw.str.strip_chars() != "")).then(pl.lit(code))
    return _Reading({name: value}, first, fault, first.is_not_null() & ~raw.str.contains(plain))


def _rewritten(raw: pl.Expr, canonical: pl.Expr) -> pl.Expr:
    return canonical.is_not_null() & (raw != canonical)
