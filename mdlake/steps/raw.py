"""raw: what was delivered, as text, under the contract's names. Takes in what waits, then reads the current delivery."""

from __future__ import annotations

from mdlake.config import Contract, Dataset
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange import NeedsStrictReading, read_rows, read_rows_strictly
from mdlake.lake import PartitionState, Table
from mdlake.layers import HeaderMatch, layer_schema
from mdlake.ledger import Delivery
from mdlake.standard import Period
from mdlake.steps.house import BATCH_ROWS, House, Run
from mdlake.steps.made import Made

__all__ = ["make_raw"]


def make_raw(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """Make the raw partition from the newest accepted delivery.

    Raises:
        DeliveryRefused: the delivery for this partition that waited is refused; what was there before stays.
        MdlakeError: nothing was ever delivered for this partition.
    """
    contract = dataset.contract(period)
    table = house.table("raw", dataset, contract)
    for received in house.landing.take_in(dataset.organization, house.now()):
        delivery = received.delivery
        if received.refusal and (delivery.dataset, delivery.period) == (dataset.name, period.key):
            raise received.refusal
    delivery_or_none = house.ledger.current_delivery(dataset.organization, dataset.name, period.key)
    if delivery_or_none is None:
        raise _nothing_delivered(house, dataset, period)
    delivery = delivery_or_none
    before = table.state(period.key)
    try:
        match = house.landing.headers(delivery, contract, dataset.file.separator)
        state = _write(house, table, dataset, contract, period, delivery, match, run)
    except DeliveryRefused as refusal:
        placed = DeliveryRefused(refusal.reason, refusal.what, where=f"{dataset.key} {period}", next_step=refusal.next_step)
        house.landing.refuse(delivery, placed, house.now())
        raise placed from None
    changed = before is None or before.content_id != state.content_id
    counts = {"rows": state.rows, "declared_rows": delivery.declared_rows or 0, "sequence": delivery.sequence}
    return Made("raw", contract, table, state, changed, counts)


def _write(
    house: House,
    table: Table,
    dataset: Dataset,
    contract: Contract,
    period: Period,
    delivery: Delivery,
    match: HeaderMatch,
    run: Run,
) -> PartitionState:
    """Write what the fast reader reads, or all of it anew with the strict one where the fast one cannot be trusted."""
    details = {
        "run": run.run_id,
        "contract_version": contract.version,
        "inputs": {"delivery": delivery.sha256},
        "declared_rows": delivery.declared_rows,
        "by_alias": match.by_alias,
    }
    names = [name for name in match.names if name is not None]
    schema = layer_schema(contract, "raw")
    for read in (read_rows, read_rows_strictly):
        try:
            with table.replace(period.key, schema) as writer:
                for batch in read(house.landing.path(delivery), dataset.file.separator, names, BATCH_ROWS):
                    writer.write(batch.select(schema.names()))
                if writer.rows == 0:
                    fix = "Send the file with its rows; a month without any is for the Statistics Centre to declare."
                    raise DeliveryRefused("empty_file", "the file has a header line and no row", next_step=fix)
                return writer.commit(details)
        except NeedsStrictReading:
            continue
    raise AssertionError("the strict reader reads or refuses")


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
