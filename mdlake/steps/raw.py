"""raw: what was delivered, as text, under the contract's names. Takes in what waits, then reads the current delivery.

Where reporting units send a file each, their newest parts are united in the order of the units' codes, whatever the order
of arrival. `_row` is then a row's place in the united table; the commit's `parts` say where each unit's rows begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from mdlake.config import Contract, Dataset
from mdlake.errors import DeliveryRefused, MdlakeError
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

    A part that is refused leaves the others as they are: the partition is made without it, or with the accepted part that
    it was to correct.

    Raises:
        DeliveryRefused: the delivery for this partition that waited is refused; what was there before stays. Of several
            parts: all are.
        MdlakeError: nothing was ever delivered for this partition, or no part has a row.
    """
    contract = dataset.contract(period)
    refusals = [
        received.refusal
        for received in house.landing.take_in(dataset.organization, house.now())
        if received.refusal and (received.delivery.dataset, received.delivery.period) == (dataset.name, period.key)
    ]
    if refusals and contract.reporting_units is None:
        raise refusals[0]
    table = house.table("raw", dataset, contract)
    before = table.state(period.key)
    while parts := current_parts(house.ledger, dataset, contract, period):
        try:
            state = _write(house, table, dataset, contract, period, parts, run)
        except _PartRefused as refused:
            refusals.append(_placed(refused, dataset, period))
            house.landing.refuse(refused.part, refusals[-1], house.now())
            if contract.reporting_units is None:
                raise refusals[-1] from None
        else:
            changed = before is None or before.content_id != state.content_id
            return Made("raw", contract, table, state, changed, _counts(state, contract, period, parts, len(refusals)))
    raise refusals[-1] if refusals else _nothing_delivered(house, dataset, period)


class _PartRefused(Exception):  # control flow between two functions of this module, never shown
    """The delivery that cannot be read, and why."""

    def __init__(self, part: Delivery, refusal: DeliveryRefused) -> None:
        super().__init__(refusal.reason)
        self.part, self.refusal = part, refusal


class _NeedsNewStart(Exception):  # as above
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
        strictly: units whose file only the strict reader can be trusted with.
    """

    house: House
    dataset: Dataset
    contract: Contract
    parts: Sequence[Delivery]
    matches: dict[str, HeaderMatch] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    strictly: set[str] = field(default_factory=set)

    def batches(self) -> Iterator[pl.DataFrame]:
        """All rows in the order of the units; the small batches of several units come together."""
        self.rows = {}
        found = (batch for part in self.parts for batch in self._of(part))
        return found if len(self.parts) == 1 else _gathered(found, BATCH_ROWS)

    def trace(self) -> dict[str, dict[str, object]]:
        """For each unit what leads from a row of the table to a line of its file."""
        trace: dict[str, dict[str, object]] = {}
        first = 1
        for part in self.parts:
            rows = self.rows[part.reporting_unit]
            trace[part.reporting_unit] = {"rows": rows, "sha256": part.sha256, "sequence": part.sequence, "first_row": first}
            first += rows
        return trace

    def _of(self, part: Delivery) -> Iterator[pl.DataFrame]:
        unit, form = part.reporting_unit, Form("csv", "utf-8", self.dataset.file.separator)
        before, height = sum(self.rows.values()), 0
        try:
            match = self.matches[unit] = self.house.landing.headers(part, self.contract, form)
            names = [name for name in match.names if name is not None]
            for batch in self._read(self.house.landing.path(part), form, names, unit):
                height += batch.height
                yield batch.with_columns(pl.col(ROW) + before) if before else batch
            # a unit in which nothing happened says so; a file that lost its rows does not
            if height == 0 and (part.declared_rows or not unit):
                fix = "Send the file with its rows; a month without any is for the Statistics Centre to declare."
                raise DeliveryRefused("empty_file", "the file has a header line and no row", next_step=fix)
        except DeliveryRefused as refusal:
            raise _PartRefused(part, refusal) from None
        self.rows[unit] = height

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


def _counts(state: PartitionState, contract: Contract, period: Period, parts: Sequence[Delivery], refused: int) -> dict[str, int]:
    counts = {"rows": state.rows, "declared_rows": sum(part.declared_rows or 0 for part in parts)}
    if contract.reporting_units is None:
        return {**counts, "sequence": parts[0].sequence}
    return {**counts, "reporting_units": len(parts), "reporting_units_due": len(contract.units(period)), "parts_refused": refused}


def _placed(refused: _PartRefused, dataset: Dataset, period: Period) -> DeliveryRefused:
    refusal, unit = refused.refusal, refused.part.reporting_unit
    where = f"{dataset.key} {period}" + (f", unit {unit}" if unit else "")
    return DeliveryRefused(refusal.reason, refusal.what, where=where, next_step=refusal.next_step)


def _nothing_delivered(house: House, dataset: Dataset, period: Period) -> MdlakeError:
    organization = house.configuration.organizations[dataset.organization]
    earlier = house.ledger.deliveries(dataset.organization, dataset.name, period.key)
    refused = f"; {len(earlier)} were refused, the last one because: {earlier[-1].message}" if earlier else ""
    return MdlakeError(
        f"no accepted delivery of this period{refused}",
        where=f"{dataset.key} {period}",
        next_step=f"{organization.label.en} sends its file and descriptor to {house.home.landing / dataset.organization}; "
        "then materialize raw again.",
    )
