"""raw: what was delivered, as text, under the contract's names. Reads what the intake has accepted, and nothing else.

Where reporting units send a file each, their newest parts are united in the order of the units' codes, whatever the order
of arrival. `_row` is then a row's place in the united table; the commit's `parts` say where each unit's rows begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from mdlake.config import Contract, Dataset
from mdlake.errors import MdlakeError
from mdlake.exchange import Form, NeedsStrictReading, read_rows
from mdlake.lake import PartitionState, Table
from mdlake.layers import ROW, HeaderMatch, layer_schema
from mdlake.ledger import Delivery
from mdlake.standard import Period
from mdlake.steps.deliveries import current_parts, delivery_inputs
from mdlake.steps.house import BATCH_ROWS, House, Run
from mdlake.steps.made import Made

__all__ = ["make_raw"]


def make_raw(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """Make the raw partition from the newest accepted delivery, or from the newest accepted part of each reporting unit.

    Raises:
        MdlakeError: nothing was accepted for this partition, no part has a row, or what was accepted is not what the contract
            asks for any more.
    """
    contract = dataset.contract(period)
    table = house.table("raw", dataset, contract)
    parts = current_parts(house.ledger, dataset, contract, period)
    if not parts:
        raise _nothing_delivered(house, dataset, period)
    before = table.state(period.key)
    state = _write(house, table, dataset, contract, period, parts, run)
    changed = before is None or before.content_id != state.content_id
    return Made("raw", contract, table, state, changed, _counts(state, contract, period, parts))


class _NeedsNewStart(Exception):  # control flow between two functions of this module, never shown
    """The fast reader turned out not to fit a delivery of which it had given rows already."""

    def __init__(self, unit: str) -> None:
        super().__init__(unit)
        self.unit = unit


def _write(
    house: House,
    table: Table,
    dataset: Dataset,
    contract: Contract,
    period: Period,
    parts: Sequence[Delivery],
    run: Run,
) -> PartitionState:
    """Write what the fast reader reads, and anew with the strict one for each delivery where the fast one cannot be trusted."""
    reading = _Reading(house, dataset, contract, parts)
    schema = layer_schema(contract, "raw")
    while True:
        try:
            with table.replace(period.key, schema) as writer:
                for batch in reading.batches():
                    writer.write(batch.select(schema.names()))
                if writer.rows == 0:
                    fix = "A period without any row is for the Statistics Centre to declare."
                    raise MdlakeError("no reporting unit sent a row", where=f"{dataset.key} {period}", next_step=fix)
                details = {
                    "run": run.run_id,
                    "contract_version": contract.version,
                    "inputs": delivery_inputs(parts),
                    "declared_rows": sum(part.declared_rows or 0 for part in parts),
                    "by_alias": max(match.by_alias for match in reading.matches.values()),
                }
                return writer.commit(details if contract.reporting_units is None else {**details, "parts": reading.trace()})
        except _NeedsNewStart as again:
            reading.strictly.add(again.unit)


@dataclass
class _Reading:
    """The rows of all deliveries of a partition, numbered through.

    Attributes:
        matches: how the header line of each unit's file fits, as far as it was read.
        rows: number of rows of each unit's file, as far as it was read.
        first_rows: the number in the table that the first row of each unit's file has, or would have.
        last_row: the highest number that was given.
        strictly: units whose file only the strict reader can be trusted with.
    """

    house: House
    dataset: Dataset
    contract: Contract
    parts: Sequence[Delivery]
    matches: dict[str, HeaderMatch] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    first_rows: dict[str, int] = field(default_factory=dict)
    last_row: int = 0
    strictly: set[str] = field(default_factory=set)

    def batches(self) -> Iterator[pl.DataFrame]:
        """All rows in the order of the units; the small batches of several units come together."""
        self.rows, self.first_rows, self.last_row = dict.fromkeys((part.reporting_unit for part in self.parts), 0), {}, 0
        found = (batch for part in self.parts for batch in self._of(part))
        return found if len(self.parts) == 1 else _gathered(found, BATCH_ROWS)

    def trace(self) -> dict[str, dict[str, object]]:
        """For each unit what leads from a row of the table to a row of its file."""
        return {
            part.reporting_unit: {
                "rows": self.rows[part.reporting_unit],
                "sha256": part.sha256,
                "sequence": part.sequence,
                "first_row": self.first_rows[part.reporting_unit],
            }
            for part in self.parts
        }

    def _of(self, part: Delivery) -> Iterator[pl.DataFrame]:
        unit, before = part.reporting_unit, self.last_row
        form = self.house.landing.form(part)
        match = self.matches[unit] = self.house.landing.headers(part, self.contract, form)
        names = [name for name in match.names if name is not None]
        self.first_rows[unit] = before + 1
        for batch in self._read(self.house.landing.path(part), form, names, unit):
            numbered = batch.with_columns(pl.col(ROW) + before) if before else batch
            self.rows[unit] += batch.height
            # numbers are those of the file, which may have gaps where a program marked rows as deleted
            self.last_row = numbered[ROW][-1] if batch.height else self.last_row
            yield numbered

    def _read(self, path: Path, form: Form, names: Sequence[str], unit: str) -> Iterator[pl.DataFrame]:
        begun = False
        if unit not in self.strictly:
            try:
                for batch in read_rows(path, form, names, BATCH_ROWS):
                    begun = True
                    yield batch
                return
            except NeedsStrictReading:
                if begun:
                    raise _NeedsNewStart(unit) from None
        yield from read_rows(path, form, names, BATCH_ROWS, strictly=True)


def _gathered(batches: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows with small batches put together, as long as they stay within `rows`."""
    waiting: list[pl.DataFrame] = []
    for batch in batches:
        if waiting and sum(part.height for part in waiting) + batch.height > rows:
            yield pl.concat(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield pl.concat(waiting)


def _counts(state: PartitionState, contract: Contract, period: Period, parts: Sequence[Delivery]) -> dict[str, int]:
    counts = {"rows": state.rows, "declared_rows": sum(part.declared_rows or 0 for part in parts)}
    if contract.reporting_units is None:
        return {**counts, "sequence": parts[0].sequence}
    return {**counts, "reporting_units": len(parts), "reporting_units_due": len(contract.units(period))}


def _nothing_delivered(house: House, dataset: Dataset, period: Period) -> MdlakeError:
    organization = house.configuration.organizations[dataset.organization]
    earlier = house.ledger.deliveries(dataset.organization, dataset.name, period.key)
    refused = f"; {len(earlier)} were refused, the last one because: {earlier[-1].message}" if earlier else ""
    return MdlakeError(
        f"no accepted delivery of this period{refused}",
        where=f"{dataset.key} {period}",
        next_step=f"{organization.label.en} sends its package to {house.home.landing / dataset.organization}; "
        "when it is taken in, materialize raw again.",
    )
