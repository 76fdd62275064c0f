"""A delivery as its producer makes it: a CSV file, a descriptor (Data Package v2), and the truth for tests.

Records are made, spoiled, written by hand and stored page by page, so memory is bounded by the page. What the
records say is the datasets' matter; packing, sealing and checking a delivery is the exchange's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from mdlake.errors import ConfigurationError
from mdlake.synthetic.calendar import reference_month
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import drawn_defects, rates_with, spoiled
from mdlake.synthetic.handwriting import Hands, Marks
from mdlake.synthetic.page import Canary, Page, PlantedCanaries
from mdlake.synthetic.randomness import Ints, Stream

__all__ = ["DeliveredFile", "GroundTruth", "Order", "delivered"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TRUTH = pl.Schema(
    {
        "record": pl.Int64(),
        "person": pl.Int64(),
        "national_code": pl.String(),
        "workplace_code": pl.String(),
        "harm": pl.String(),
        "handwriting": pl.List(pl.String),
    }
)


@dataclass(frozen=True)
class GroundTruth:
    """What is true of a delivery.

    `rows` has one row per record of the file:
        record: Int64, its number in the file, the first data record being 1;
        person: Int64, index in the population, null for workplaces and canaries;
        national_code: String, the right code (of the employer for workplaces), null where there is none;
        workplace_code: String, the right code, whatever stands in the file;
        harm: String, the class of its defect, or null; of two equal records the second is the duplicate;
        handwriting: List(String), the habits that changed its text.
    `counts` has the records of every defect class, also where it is 0.
    """

    rows: pl.DataFrame
    counts: dict[str, int]


@dataclass(frozen=True)
class DeliveredFile:
    """The two files of a delivery, its number of records, and the ground truth if it was asked for."""

    csv_path: Path
    descriptor_path: Path
    rows: int
    truth: GroundTruth | None


@dataclass(frozen=True)
class Order:
    """What to deliver.

    Args:
        period: the month, YYYY-MM, or the quarter, YYYY-Qn.
        sequence: 1 for the first delivery of the period, more for later ones; the facts are the same in all.
        defects: rates by class, in place of the usual ones.
        canaries: persons to plant, each in one record that is otherwise sound and plainly written.
        truth: whether to keep the ground truth, which takes memory for every record.
        reporting_unit: whose part of the period it is, where each unit sends its own file.
    """

    period: str
    sequence: int
    defects: Mapping[str, float]
    canaries: Sequence[Canary]
    truth: bool
    reporting_unit: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The period, and the reporting unit where there is one: what the delivery is one of."""
        return (self.period,) if self.reporting_unit is None else (self.period, self.reporting_unit)


def delivered(dataset: Dataset, order: Order, folder: Path, *, seed: int, page_rows: int) -> DeliveredFile:
    """Write a delivery into a folder: the CSV file, then the descriptor, each complete when its name appears.

    Raises:
        UnknownName: a defect class that the dataset does not have.
        ConfigurationError: a period, rate, sequence or number of canaries that cannot be.
    """
    if order.sequence < 1:
        raise ConfigurationError("the sequence is below 1", where=dataset.key, next_step="Number deliveries from 1.")
    press = _Press(dataset, order, seed)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = "-".join((*dataset.key.split("/"), *order.parts, str(order.sequence)))
    csv_path, descriptor_path = folder / f"{name}.csv", folder / f"{name}.json"
    truths: list[pl.DataFrame] = []
    rows = 0
    with _appearing(csv_path) as file:
        ink = _Ink(file)
        ink.write(_heading(press.contract, dataset.byte_order_mark))
        for text, truth in press.sheets(page_rows):
            ink.write(_as_csv(text))
            rows += text.height
            if order.truth:
                truths.append(truth)
    with _appearing(descriptor_path) as file:
        descriptor = _descriptor(dataset.key, order, press.contract, name, ink, rows)
        file.write((json.dumps(descriptor, ensure_ascii=False, indent=2) + "\n").encode())
    return DeliveredFile(csv_path, descriptor_path, rows, press.ground_truth(truths) if order.truth else None)


class _Press:
    """Makes the pages of one delivery."""

    def __init__(self, dataset: Dataset, order: Order, seed: int) -> None:
        self._dataset = dataset
        self._canaries = order.canaries
        self._seed = seed
        self._month = reference_month(order.period, dataset.periodicity)
        self._stream_name = (dataset.key, *order.parts)
        self._hands = Hands(dataset.habits, seed, dataset.key, " ".join(order.parts))
        self._rates = rates_with(dataset.defects, order.defects, where=dataset.key)
        self._asked_for = np.array([name in order.defects for name in self._rates])
        self._written_twice = np.array([defect.spoil is None for defect in dataset.defects])
        self.contract = dataset.contract(order.period)
        self._size = dataset.size(self._month)
        if len(order.canaries) > self._size:
            raise ConfigurationError(
                "there are more canaries than records",
                where=" ".join((dataset.key, *order.parts)),
                next_step="Plant fewer canaries, or make the ministry larger.",
            )
        number = np.arange(len(order.canaries))
        self._canary_records = (2 * number + 1) * self._size // max(1, 2 * number.size)

    def sheets(self, page_rows: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """For each page the text under its headers, and the truth of its records."""
        written = 0
        for begin in range(0, self._size, page_rows):
            text, truth = self._sheet(begin, min(begin + page_rows, self._size), written)
            written += text.height
            yield text, truth

    def _sheet(self, begin: int, end: int, written: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        record = np.arange(begin, end)
        number = np.flatnonzero((self._canary_records >= begin) & (self._canary_records < end))
        planted = PlantedCanaries(self._canaries, self._canary_records[number] - begin, number)
        page = self._dataset.page(self._month, begin, end, planted)
        page = page.with_text(page.text.select(*self.contract.headers))
        harm = self._harm(page, record, planted.at)
        stream = Stream(self._seed, *self._stream_name, "spoil")
        page = spoiled(page, self._dataset.defects, harm, stream.bits(record))
        text, marks = self._hands.written(page, record, planted.at)
        copies = np.where((harm >= 0) & self._written_twice[harm], 2, 1)
        source = np.repeat(np.arange(record.size), copies)
        truth = self._truth(page, source, harm, marks, written)
        return text[source].rename(dict(self.contract.headers)), truth

    def _truth(self, page: Page, source: Ints, harm: Ints, marks: Marks, written: int) -> pl.DataFrame:
        """The truth of a page whose written record i is its record `source[i]`, after `written` records."""
        is_first_of_two = np.append(source[:-1] == source[1:], False)
        return pl.DataFrame(
            {
                "record": written + 1 + np.arange(source.size),
                "person": pl.Series(page.person).replace(-1, None).gather(source),
                "national_code": page.national_code.gather(source),
                "workplace_code": page.workplace_code.gather(source),
                "harm": self._harm_names(np.where(is_first_of_two, -1, harm[source])),
                "handwriting": self._hands.names(marks[source]),
            }
        )

    def _harm(self, page: Page, record: Ints, canary_rows: Ints) -> Ints:
        harm = drawn_defects(Stream(self._seed, *self._stream_name, "harm"), record, self._rates)
        harm[page.spared & (harm >= 0) & ~self._asked_for[harm]] = -1
        harm[canary_rows] = -1
        return harm

    def _harm_names(self, harm: Ints) -> pl.Series:
        names = pl.Series([*self._rates, None], dtype=pl.String)
        return names.gather(np.where(harm < 0, len(self._rates), harm))

    def ground_truth(self, truths: Sequence[pl.DataFrame]) -> GroundTruth:
        """The truth of all pages together."""
        rows = pl.concat([pl.DataFrame(schema=_TRUTH), *truths])
        found = dict(rows["harm"].drop_nulls().value_counts().iter_rows())
        return GroundTruth(rows, {name: found.get(name, 0) for name in self._rates})


class _Ink:
    """Writes to a file, and knows the size and the digest of what it wrote."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
    """A file whose name begins with a dot until it is complete; only its owner can read it."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _heading(contract: Contract, byte_order_mark: bool) -> bytes:
    # No header holds a comma, a quotation mark or a line break, so none needs quoting.
    line = ",".join(contract.headers.values()) + "\n"
    return (_BYTE_ORDER_MARK if byte_order_mark else b"") + line.encode()


def _as_csv(text: pl.DataFrame) -> memoryview:
    buffer = BytesIO()
    text.write_csv(buffer, include_header=False)
    return buffer.getbuffer()


def _descriptor(key: str, order: Order, contract: Contract, name: str, ink: _Ink, rows: int) -> dict[str, object]:
    organization, dataset = key.split("/")
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": name,
        "resources": [
            {
                "name": dataset,
                "path": f"{name}.csv",
                "format": "csv",
                "encoding": "utf-8",
                "dialect": {"delimiter": ","},
                "bytes": ink.size,
                "hash": f"sha256:{ink.digest}",
                "schema": {"fields": [{"name": header, "type": "string"} for header in contract.headers.values()]},
            }
        ],
        "mdlake": {
            "organization": organization,
            "dataset": dataset,
            "period": order.period,
            **({} if order.reporting_unit is None else {"reporting_unit": order.reporting_unit}),
            "contract_version": contract.version,
            "declared_rows": rows,
            "sequence": order.sequence,
            "supersedes": order.sequence - 1 or None,
        },
    }
