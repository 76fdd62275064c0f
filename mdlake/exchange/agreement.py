"""Whether a data file that lies in the clear is what was agreed on: contract, reporting unit, header, number of rows.

Asked by the intake of what came, and by a producer of what it is about to send. Not here: who sends it, and what its rows say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import zip_longest
from pathlib import Path

from mdlake.config import Configuration, Contract
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.formats import Form, NeedsStrictReading, read_header, read_rows
from mdlake.layers import HeaderMatch, match_headers
from mdlake.standard import Period

__all__ = [
    "agreed_contract",
    "header_refusals",
    "place_of",
    "require_agreed",
    "require_begun",
    "require_headers",
    "require_readable",
    "require_rows",
]

_BATCH_ROWS = 1 << 17
_SHOWN = 10
"""Positions of columns that a message lists."""


def agreed_contract(configuration: Configuration, key: str, period_key: str, unit: str | None) -> Contract:
    """The contract in force for a period of `organization/dataset`, where the reporting unit owes a part of it.

    Raises:
        DeliveryRefused: `not_expected`, or one of the three about reporting units.
    """
    where = place_of(key, period_key, unit)
    try:
        dataset = configuration.dataset(key)
        period = configuration.period(dataset, period_key)
        contract = dataset.contract(period)
    except MdlakeError as error:
        raise DeliveryRefused("not_expected", error.what, where=where, next_step=error.next_step) from None
    _check_unit(unit, contract, period, where)
    return contract


def require_agreed(configuration: Configuration, descriptor: Descriptor) -> Contract:
    """The contract that a delivery is to keep: dataset, period, reporting unit and version are as agreed on.

    Raises:
        DeliveryRefused: they are not.
    """
    said = descriptor.mdlake
    contract = agreed_contract(configuration, descriptor.key, said.period, said.reporting_unit)
    if said.contract_version != contract.version:
        raise DeliveryRefused(
            "contract_version",
            f"written by contract {said.contract_version}; in {said.period} contract {contract.version} is in force",
            where=place_of(descriptor.key, said.period, said.reporting_unit),
            next_step=f"Write the file by contract {contract.version}.",
        )
    return contract


def require_readable(descriptor: Descriptor, contract: Contract, data: Path) -> None:
    """Read the data file of a descriptor to its end, once: columns as described and contracted, as many rows as declared.

    Raises:
        DeliveryRefused: it has not, or it cannot be read.
    """
    said, form = descriptor.mdlake, descriptor.resource.form
    where = place_of(descriptor.key, said.period, said.reporting_unit)
    try:
        header = read_header(data, form)
        match = require_headers(header, contract, where)
        _check_schema(header, descriptor)
        _check_rows(data, form, [name for name in match.names if name is not None], descriptor)
    except DeliveryRefused as error:
        # whoever reads a file knows no more than the name that it has here
        place = where if not error.where or error.where in (where, data.name) else f"{where}, {error.where}"
        raise DeliveryRefused(error.reason, error.what, where=place, next_step=error.next_step) from None


def place_of(key: str, period: str, unit: str | None) -> str:
    """A delivery as messages name it."""
    return f"{key} {period}" + (f", unit {unit}" if unit else "")


def _check_unit(unit: str | None, contract: Contract, period: Period, where: str) -> None:
    """Whose part of the period it is, where each unit sends its own file; that it is nobody's, where one file is all."""
    if contract.reporting_units is None:
        if unit is not None:
            fix = "Leave `mdlake.reporting_unit` out of the descriptor, and send the period in one file."
            raise DeliveryRefused(
                "unexpected_reporting_unit", "a reporting unit is named, and the dataset has none", where=where, next_step=fix
            )
        return
    units = contract.units(period)
    fix = f"Write one of the units of {period} in `mdlake.reporting_unit`: {', '.join(units)}."
    if unit is None:
        what = "the descriptor does not say whose part it is: each reporting unit sends its own file"
        raise DeliveryRefused("missing_reporting_unit", what, where=where, next_step=fix)
    if unit not in units:
        what = f"the reporting unit is none of {contract.reporting_units.name} in this period"
        raise DeliveryRefused("unknown_reporting_unit", what, where=where, next_step=fix)


def require_begun(period: Period, today: date, where: str) -> None:
    """Whether a period has begun by a day.

    Args:
        today: the Gregorian date in Iran.

    Raises:
        DeliveryRefused: `future_period`.
    """
    if period.first_day > today:
        raise DeliveryRefused(
            "future_period", "the period has not begun", where=where, next_step="Send it when the period is over."
        )


def require_headers(header: Sequence[str], contract: Contract, where: str) -> HeaderMatch:
    """How the header of a file fits the contract.

    Raises:
        DeliveryRefused: `missing_column`, `unknown_column` or `repeated_column`.
    """
    match = match_headers(header, contract)
    for refusal in header_refusals(match, contract, where):
        raise refusal
    return match


def header_refusals(match: HeaderMatch, contract: Contract, where: str) -> Iterator[DeliveryRefused]:
    """Everything for which a header is refused: `missing_column`, `unknown_column`, `repeated_column`."""
    version = f"contract {contract.version} of {where}"
    if match.missing:
        fix = f"Add {'it' if len(match.missing) == 1 else 'them'} with the header as {version} has it, and send again."
        yield DeliveryRefused("missing_column", f"missing columns: {', '.join(match.missing)}", where=where, next_step=fix)
    if match.unknown:
        fix = f"Remove what {version} does not have, or have the contract changed first."
        numbers = ", ".join(str(number) for number in match.unknown)
        yield DeliveryRefused("unknown_column", f"unknown columns at position {numbers}", where=where, next_step=fix)
    if match.repeated:
        fix = "Send each column once."
        yield DeliveryRefused("repeated_column", f"columns sent twice: {', '.join(match.repeated)}", where=where, next_step=fix)


def _check_schema(header: Sequence[str], descriptor: Descriptor) -> None:
    described = descriptor.resource.header
    other = [str(at) for at, pair in enumerate(zip_longest(header, described), start=1) if pair[0] != pair[1]]
    if other:
        what = f"the schema of the descriptor is not the header of the file, at position {', '.join(other[:_SHOWN])}"
        what += f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        fix = "Write a field for each column of the file, in its order, its name as the header has it."
        raise DeliveryRefused("schema", what, next_step=fix)


def _check_rows(path: Path, form: Form, names: list[str], descriptor: Descriptor) -> None:
    """Read a file to its end; it has as many rows as were declared, and one at least unless a unit says that it has none."""
    said = descriptor.mdlake
    try:
        rows = sum(batch.height for batch in read_rows(path, form, names, _BATCH_ROWS))
    except NeedsStrictReading:
        rows = sum(batch.height for batch in read_rows(path, form, names, _BATCH_ROWS, strictly=True))
    require_rows(rows, said.reporting_unit, said.declared_rows)
    if rows != said.declared_rows:
        fix = "Write the descriptor from the file that is sent; if rows were lost on the way, write the file again."
        what = f"the file has {rows} rows, and the descriptor says {said.declared_rows}"
        raise DeliveryRefused("row_count", what, next_step=fix)


def require_rows(rows: int, unit: str | None, declared: int = 0) -> None:
    """A file has one row at least, unless a reporting unit says that it has none.

    Raises:
        DeliveryRefused: `empty_file`.
    """
    if rows == 0 and (declared or unit is None):
        fix = "Send the file with its rows; a month without any is for the Statistics Centre to declare."
        raise DeliveryRefused("empty_file", "the file has a header line and no row", next_step=fix)
