"""From delivered text to the ministry's standard: each column by its own instruction, each change counted, no row lost.

Pure functions of frames. A row whose value cannot be read leaves for quarantine with reason codes, or stays with the
value missing, as its contract says; the rows that stand twice are set aside as declared duplicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from mdlake.config import Column, Contract
from mdlake.layers.columns import MALFORMED, REASONS, ROW, layer_schema
from mdlake.layers.faults import DUPLICATE_ROW, MALFORMED_ROW
from mdlake.standard import (
    Period,
    clean_code,
    match_key,
    match_key_value,
    normalize_text,
    once_per_value,
    parse_date,
    parse_month,
    use_up,
)

__all__ = ["REASONS", "Duplicates", "StandardizedBatch", "Tally", "standardize_batch"]

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
    """One batch after standardization.

    Attributes:
        quarantine: the delivered text of the rows set aside, with their reasons.
        faults: of each column in which any value could not be read, the reason code of every delivered row, or null.
    """

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    tally: Tally
    faults: Mapping[str, pl.Series]


class Duplicates:
    """Remembers the rows accepted in earlier batches of a partition by two independent 64-bit hashes.

    One is of all their values; the other, of their statistical unit alone, is cheap and leaves nothing to a collision of
    the first: only rows of one unit could then be taken for one another.
    """

    _SEEDS = (1399, 1101)

    def __init__(self, unit_key: Sequence[str]) -> None:
        self._unit_key = unit_key
        self._seen = pl.DataFrame(schema={"row": pl.UInt64, "unit": pl.UInt64})

    def repeated(self, rows: pl.DataFrame, accepted: pl.Series) -> pl.Series:
        """Which accepted rows say exactly what an earlier accepted row of the partition says.

        Args:
            rows: standardized rows; the row number is not compared.
            accepted: boolean, the rows that count; one that does not makes no later row a duplicate.
        """
        row, unit = rows.drop(ROW).hash_rows(self._SEEDS[0]), rows.select(self._unit_key).hash_rows(self._SEEDS[1])
        marks = pl.DataFrame({"row": row, "unit": unit})
        # few rows share their hash with another one, and only those need the exact comparison; sorting finds them in half of
        # the time of `is_duplicated`, and of all earlier rows only those are looked at that this batch has again
        ordered = row.sort()
        shared = ordered.slice(1).filter(ordered.slice(1) == ordered.head(-1))
        earlier = self._seen.filter(self._seen["row"].is_in(row.implode()))
        suspects = (accepted & row.is_in(pl.concat([shared, earlier["row"]]).implode())).arg_true()
        close = marks[suspects]
        again = ~close.select(pl.struct("row", "unit").is_first_distinct()).to_series()
        if earlier.height:
            before = close.join(earlier.with_columns(old=True), on=["row", "unit"], how="left", maintain_order="left")
            again = again | before.get_column("old").fill_null(False)
        repeated = pl.repeat(False, rows.height, eager=True).scatter(suspects.filter(again), True)
        self._seen = pl.concat([self._seen, marks.filter(accepted & ~repeated)])
        return repeated


def standardize_batch(raw: pl.DataFrame, contract: Contract, period: Period, duplicates: Duplicates) -> StandardizedBatch:
    """Standardize one batch and part it: rows that stay, rows set aside, counts of everything done.

    Args:
        raw: the columns of the raw layer (text), in the order of the delivery.
        period: the reference period; classifications are those valid in it.
        duplicates: what was accepted in earlier batches of the partition.

    Raises:
        AssertionError: a row was lost, which is a defect of this code.
    """
    malformed = raw.get_column(MALFORMED).is_not_null()
    readings = _read_columns(raw, contract, period, malformed)
    faults = {name: reading.fault for name, reading in readings.items() if reading.fault is not None}
    bad = malformed
    for column in contract.columns:
        if column.name in faults and column.on_invalid == "quarantine":
            bad = bad | faults[column.name].is_not_null()
    rows = _standardized_columns(raw, contract, readings)
    again = duplicates.repeated(rows, ~bad)
    leaves = bad | again
    aside = _set_aside(raw, contract, faults, leaves, again)
    tally = _count(readings, malformed)
    stays, columns = ~leaves, rows.get_columns()
    # nothing but `columns` holds the values any more
    del readings, rows
    kept = use_up(columns, lambda column: column.filter(stays)) if leaves.any() else pl.DataFrame(columns)
    tally.rows_in, tally.rows_out = raw.height, kept.height
    tally.quarantined, tally.duplicates = int(bad.sum()), int(again.sum())
    assert tally.rows_in == tally.rows_out + tally.quarantined + tally.duplicates
    assert aside.height == tally.quarantined + tally.duplicates
    return StandardizedBatch(kept, aside, tally, faults)


@dataclass(frozen=True)
class _Read:
    """A column as read: canonical values; reason codes, None where there is not one; how many values were rewritten."""

    canonical: pl.Series
    fault: pl.Series | None
    edits: int


def _read_columns(raw: pl.DataFrame, contract: Contract, period: Period, malformed: pl.Series) -> dict[str, _Read]:
    """Every column by its own instruction. Polars lets go of the interpreter lock, so two are read at a time on two cores."""
    whole = not malformed.any()

    def read(column: Column) -> _Read:
        values = raw.get_column(column.name)
        if contract.missing_values:
            values = values.set(values.is_in(contract.missing_values), None)
        done = _read_column(column, values, period)
        if whole or done.fault is None:
            return done
        # a line that does not divide has no columns: it counts once, as malformed, and its empty columns do not
        fault = done.fault.to_frame("fault").select(pl.when(~malformed).then("fault")).to_series()
        return _Read(done.canonical, fault, done.edits)

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return dict(zip((c.name for c in contract.columns), pool.map(read, contract.columns), strict=True))


def _standardized_columns(raw: pl.DataFrame, contract: Contract, readings: Mapping[str, _Read]) -> pl.DataFrame:
    columns = {ROW: raw.get_column(ROW)}
    for column in contract.columns:
        reading = readings[column.name]
        columns[column.name] = reading.canonical
        if column.unlinkable:
            columns[column.unlinkable] = _blank(raw.height) if reading.fault is None else reading.fault
    return pl.DataFrame(columns).select(layer_schema(contract, "standardized").names())


def _set_aside(
    raw: pl.DataFrame, contract: Contract, faults: Mapping[str, pl.Series], leaves: pl.Series, again: pl.Series
) -> pl.DataFrame:
    """The delivered text of the rows that leave, each with its reason codes, comma between two."""
    grave = {
        column.name: faults[column.name].filter(leaves)
        for column in contract.columns
        if column.on_invalid == "quarantine" and column.name in faults
    }
    rows = raw.filter(leaves)
    codes = pl.DataFrame(grave).select(
        pl.concat_str(
            pl.lit(None, pl.String), *(pl.lit(f"{name}:") + pl.col(name) for name in grave), separator=",", ignore_nulls=True
        ).alias("codes")
    )
    marks = pl.DataFrame({"malformed": rows.get_column(MALFORMED).is_not_null(), "again": again.filter(leaves)})
    codes = codes if grave else _blank(rows.height).to_frame("codes")
    reasons = pl.concat([marks, codes], how="horizontal").select(
        pl.when("malformed")
        .then(pl.lit(MALFORMED_ROW))
        .when("again")
        .then(pl.lit(DUPLICATE_ROW))
        .otherwise("codes")
        .alias(REASONS)
    )
    return pl.concat([rows, reasons], how="horizontal")


def _count(readings: Mapping[str, _Read], malformed: pl.Series) -> Tally:
    tally = Tally()
    for name, reading in readings.items():
        if reading.edits:
            tally.edits[name] = reading.edits
        if reading.fault is not None:
            for code, count in reading.fault.drop_nulls().value_counts().iter_rows():
                tally.faults[f"{name}:{code}"] = count
    if malformed.any():
        tally.faults[MALFORMED_ROW] = int(malformed.sum())
    return tally


def _blank(height: int) -> pl.Series:
    return pl.repeat(None, height, dtype=pl.String, eager=True)


# ── one column by its instruction ────────────────────────────────────────────────────────────────────────────────────


def _read_column(column: Column, values: pl.Series, period: Period) -> _Read:
    """Read a column, each distinct value once where they repeat."""
    table = once_per_value(values, _reader(column, period))
    fault = table.get_column("fault")
    return _Read(
        canonical=table.get_column("canonical"),
        fault=None if fault.null_count() == len(fault) else fault,
        edits=int(table.get_column("edit").sum()),
    )


_Reader = Callable[[pl.Series], pl.DataFrame]
"""From delivered text to the columns `canonical`, `fault` (reason code or null) and `edit` (boolean)."""


def _reader(column: Column, period: Period) -> _Reader:
    match column.type:
        case "identifier":
            return partial(_identifiers, column)
        case "text" | "free_text":
            return _texts if column.pattern is None else partial(_formed, column.pattern)
        case "code":
            return partial(_codes, column, period)
        case "date":
            return partial(_typed, lambda text: parse_date(text, str(column.dates)), "not_a_date", _PLAIN_DATE)
        case "month":
            return partial(_typed, parse_month, "not_a_month", _PLAIN_DATE)
        case _:
            return _numbers


def _identifiers(column: Column, values: pl.Series) -> pl.DataFrame:
    assert column.identifier is not None
    read = column.identifier.read(values)
    canonical, fault = read.get_columns()
    edit = (values != canonical).fill_null(False)
    if fault.null_count() < len(fault):
        canonical = canonical.set(fault.is_not_null(), None)
        if not column.required:
            fault = fault.set(fault == "missing", None)
    return pl.DataFrame([canonical.alias("canonical"), fault.alias("fault"), edit.alias("edit")])


def _texts(values: pl.Series) -> pl.DataFrame:
    text = values.to_frame("raw").select("raw", normalize_text(pl.col("raw")).alias("canonical"))
    return text.select(
        "canonical",
        pl.lit(None, pl.String).alias("fault"),
        (pl.col("canonical").is_not_null() & (pl.col("raw") != pl.col("canonical"))).fill_null(False).alias("edit"),
    )


def _formed(pattern: str, values: pl.Series) -> pl.DataFrame:
    """A code without a classification: what people write around it goes, and the whole of it has the form."""
    text = values.to_frame("raw").select("raw", clean_code(pl.col("raw")).alias("code"))
    has_form = pl.col("code").str.contains(f"^(?:{pattern})$")
    return text.select(
        pl.when(has_form).then("code").alias("canonical"),
        pl.when(~has_form).then(pl.lit("wrong_form")).alias("fault"),
        (has_form & (pl.col("raw") != pl.col("code"))).fill_null(False).alias("edit"),
    )


def _codes(column: Column, period: Period, values: pl.Series) -> pl.DataFrame:
    """A code as it stands, with the zeros that a spreadsheet dropped, or by the producer's word for it."""
    assert column.classification is not None
    valid = sorted(column.classification.valid_at(period))
    known = sorted({code.code for code in column.classification.codes})
    read = values.to_frame("raw").select("raw", clean_code(pl.col("raw")).alias("code"), match_key(pl.col("raw")).alias("word"))
    code = pl.col("code")
    widths = {len(c) for c in known}
    if len(widths) == 1 and all(c.isascii() and c.isdigit() for c in known):
        code = code.str.zfill(widths.pop())
    if column.values:
        words = {match_key_value(word): target for word, target in column.values.items()}
        meant = pl.col("word").replace_strict(list(words), list(words.values()), default=None, return_dtype=pl.String)
        code = pl.coalesce(meant, code)
    return read.with_columns(code=code).select(
        pl.when(pl.col("code").is_in(valid)).then("code").alias("canonical"),
        pl.when(pl.col("code").is_null() | pl.col("code").is_in(valid))
        .then(None)
        .when(pl.col("code").is_in(known))
        .then(pl.lit("code_not_valid_in_period"))
        .otherwise(pl.lit("unknown_code"))
        .alias("fault"),
        (pl.col("raw") != pl.col("code")).fill_null(False).alias("edit"),
    )


def _typed(parse: Callable[[pl.Expr], pl.Expr], code: str, plain: str, values: pl.Series) -> pl.DataFrame:
    """A value that is not stored as text; it counts as edited where its writing was not the plain one."""
    read = values.to_frame("raw").select("raw", parse(pl.col("raw")).alias("canonical"))
    return read.select(
        "canonical",
        # a field of invisible characters is blank, as it is for every other type
        pl.when(normalize_text(pl.when(pl.col("canonical").is_null()).then("raw")).is_not_null())
        .then(pl.lit(code))
        .alias("fault"),
        (pl.col("canonical").is_not_null() & ~pl.col("raw").str.contains(plain)).alias("edit"),
    )


def _numbers(values: pl.Series) -> pl.DataFrame:
    """Whole numbers. Nearly all are plain, and only the others are looked into: half the time on a million wages."""
    number = values.cast(pl.Int64, strict=False)
    odd = (number.is_null() & values.is_not_null()).arg_true()
    fault, edit = _blank(len(values)), pl.repeat(False, len(values), eager=True)
    if len(odd):
        read = _typed(_whole_number, "not_a_number", _PLAIN_NUMBER, values.gather(odd))
        number = number.scatter(odd, read.get_column("canonical"))
        edit = edit.scatter(odd, read.get_column("edit"))
        if read.get_column("fault").null_count() < len(odd):
            fault = fault.scatter(odd, read.get_column("fault"))
    return pl.DataFrame({"canonical": number, "fault": fault, "edit": edit})


def _whole_number(text: pl.Expr) -> pl.Expr:
    return clean_code(text).str.replace_all(_THOUSANDS, "").cast(pl.Int64, strict=False)
