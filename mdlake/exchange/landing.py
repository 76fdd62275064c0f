"""The landing: where deliveries arrive, and where they move. A delivery moves, it never vanishes.

A delivery is a data file and, written after it, its descriptor. Taking deliveries in looks at every descriptor of one
organization, checks what can be known without reading rows, records the answer in the ledger, and moves both files to
`accepted/` or `refused/`. A process killed in between leaves a state that the next one completes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mdlake.config import Configuration, Contract
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.formats import Form, read_header
from mdlake.layers import HeaderMatch, match_headers
from mdlake.ledger import Delivery, Ledger
from mdlake.standard import Period

__all__ = ["Landing", "Received", "Waiting", "locked"]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_STEM_LENGTH = 150


@dataclass(frozen=True)
class Received:
    """What became of one delivery in this intake."""

    delivery: Delivery
    refusal: DeliveryRefused | None


@dataclass(frozen=True)
class Waiting:
    """A delivery that has arrived and was not taken in yet, as far as its descriptor tells.

    Attributes:
        name: file name of the descriptor.
        descriptor: None where it cannot be read, or not yet.
        complete: the data file is there and has the size that the descriptor says.
        since: the last change of the two files in the landing.
    """

    name: str
    descriptor: Descriptor | None
    complete: bool
    since: datetime


@dataclass(frozen=True)
class Landing:
    """The landing of one installation."""

    root: Path
    configuration: Configuration
    ledger: Ledger

    def path(self, delivery: Delivery) -> Path:
        """The data file of a recorded delivery."""
        return self.root / delivery.organization / delivery.file_name

    def waiting(self, organization: str) -> tuple[Waiting, ...]:
        """What waits to be taken in, by the names of the descriptors; no data file is read, and nothing changes."""
        found = (_waiting(path) for path in sorted((self.root / organization).glob("*.json")))
        return tuple(waiting for waiting in found if waiting is not None)

    def take_in(self, organization: str, at: datetime, names: Collection[str] | None = None) -> tuple[Received, ...]:
        """Take in every delivery of an organization that waits, by the names of their descriptors.

        Args:
            at: the moment of arrival that the ledger records.
            names: only these descriptors.
        """
        folder = self.root / organization
        for part in (folder, folder / "accepted", folder / "refused"):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(folder / ".lock"):
            self._finish_refusals(organization)
            waiting = [path for path in sorted(folder.glob("*.json")) if path.is_file() or path.is_symlink()]
            waiting = [path for path in waiting if names is None or path.name in names]
            return tuple(self._take_in(path, organization, at) for path in waiting)

    def refuse(self, delivery: Delivery, refusal: DeliveryRefused, at: datetime) -> None:
        """Refuse a delivery that was accepted and turned out unreadable; its files move to `refused/`."""
        folder = self.root / delivery.organization
        with locked(folder / ".lock"):
            source = self.path(delivery)
            refused = replace(
                delivery,
                state="refused",
                reason=refusal.reason,
                message=str(refusal),
                file_name=f"refused/{source.name}",
                received_at=at,
            )
            self.ledger.record_delivery(refused)
            self._finish_refusals(delivery.organization)

    def _finish_refusals(self, organization: str) -> None:
        """Move what the ledger refuses out of `accepted/`, also for a process that was killed before it could."""
        folder = self.root / organization
        refused = {Path(d.file_name).stem for d in self.ledger.deliveries(organization) if d.state == "refused"}
        for path in sorted((folder / "accepted").iterdir()):
            if path.stem in refused:
                path.rename(folder / "refused" / path.name)

    def headers(self, delivery: Delivery, contract: Contract, form: Form) -> HeaderMatch:
        """How the header line of a delivery fits the contract.

        Raises:
            DeliveryRefused: `missing_column`, `unknown_column`, `repeated_column`, or the file cannot be read.
        """
        return _check_headers(
            self.path(delivery),
            contract,
            form,
            _place(delivery.dataset, delivery.period, delivery.organization, delivery.reporting_unit),
        )

    def _take_in(self, descriptor_path: Path, organization: str, at: datetime) -> Received:
        digest, size = "", 0
        descriptor: Descriptor | None = None
        descriptor_digest = _descriptor_digest(descriptor_path)
        kept_as = f"{_NOT_IN_NAMES.sub('_', descriptor_path.stem)[:_STEM_LENGTH]}.{{}}-{descriptor_digest[:12]}"
        data = descriptor_path.with_suffix(".csv")
        try:
            descriptor = Descriptor.read(descriptor_path)
            data = descriptor_path.parent / descriptor.resource.path
            data = _data_file(data, kept_as.format("*"))
            digest, size = _fingerprint(data)
            self.check(descriptor, organization, data, digest, size)
            refusal = None
        except DeliveryRefused as error:
            refusal = error if descriptor is None else _placed(error, descriptor)
        state, folder = ("refused", "refused") if refusal else ("accepted", "accepted")
        digest = digest or descriptor_digest
        name = f"{folder}/{kept_as.format(digest[:12])}"
        properties = descriptor.mdlake if descriptor else None
        recorded = self.ledger.record_delivery(
            Delivery(
                organization=organization,
                dataset=properties.dataset if properties else "",
                period=properties.period if properties else "",
                reporting_unit=(properties.reporting_unit or "") if properties else "",
                sequence=properties.sequence if properties else 0,
                file_name=f"{name}.csv",
                sha256=digest,
                size_bytes=size,
                declared_rows=properties.declared_rows if properties else None,
                contract_version=properties.contract_version if properties else None,
                received_at=at,
                state=state,  # type: ignore[arg-type]
                reason=refusal.reason if refusal else None,
                message=str(refusal) if refusal else None,
            )
        )
        root = self.root / organization
        if data.is_file() or data.is_symlink():
            data.rename(root / f"{name}.csv")
        descriptor_path.rename(root / f"{name}.json")
        return Received(recorded, refusal)

    def check(self, descriptor: Descriptor, organization: str, data: Path, digest: str, size: int) -> None:
        """Everything that can be known of a data file without reading rows.

        Args:
            digest, size: SHA-256 (hex) of the data file, and its bytes.

        Raises:
            DeliveryRefused: it is not what was agreed on, or not what the descriptor says.
        """
        said, resource = descriptor.mdlake, descriptor.resource
        where = _place(said.dataset, said.period, said.organization, said.reporting_unit)
        if said.organization != organization:
            raise DeliveryRefused(
                "other_organization",
                f"the descriptor names another organization than the folder {organization!r} that it came by",
                where=where,
                next_step="Send it by the folder of its own organization.",
            )
        try:
            dataset = self.configuration.dataset(descriptor.key)
            period = self.configuration.period(dataset, said.period)
            contract = dataset.contract(period)
        except MdlakeError as error:
            raise DeliveryRefused("not_expected", error.what, where=where, next_step=error.next_step) from None
        _check_unit(said.reporting_unit, contract, period, where)
        if said.contract_version != contract.version:
            raise DeliveryRefused(
                "contract_version",
                f"written by contract {said.contract_version}; in {period} contract {contract.version} is in force",
                where=where,
                next_step=f"Write the file by contract {contract.version}.",
            )
        if size != resource.bytes or f"sha256:{digest}" != resource.hash:
            raise DeliveryRefused(
                "hash_mismatch",
                f"the file has {size} bytes and is not the one that the descriptor describes ({resource.bytes} bytes)",
                where=where,
                next_step="Send the file again, complete, with a descriptor made from it.",
            )
        if resource.dialect.delimiter != dataset.file.separator:
            raise DeliveryRefused(
                "dialect",
                "the separator is not the contract's",
                where=where,
                next_step=f"Separate fields by {dataset.file.separator!r}.",
            )
        _check_headers(data, contract, Form("csv", "utf-8", dataset.file.separator), where)


def _place(dataset: str, period: str, organization: str, unit: str | None) -> str:
    return f"{organization}/{dataset} {period}" + (f", unit {unit}" if unit else "")


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


def _placed(refusal: DeliveryRefused, descriptor: Descriptor) -> DeliveryRefused:
    """The refusal with the partition that it is about; whoever reads a file knows no more than its name."""
    said = descriptor.mdlake
    where = _place(said.dataset, said.period, said.organization, said.reporting_unit)
    if refusal.where == where:
        return refusal
    return DeliveryRefused(refusal.reason, refusal.what, where=f"{where}, {refusal.where}", next_step=refusal.next_step)


def _check_headers(path: Path, contract: Contract, form: Form, where: str) -> HeaderMatch:
    match = match_headers(read_header(path, form), contract)
    version = f"contract {contract.version} of {where}"
    if match.missing:
        fix = f"Add {'it' if len(match.missing) == 1 else 'them'} with the header as {version} has it, and send again."
        raise DeliveryRefused("missing_column", f"missing columns: {', '.join(match.missing)}", where=where, next_step=fix)
    if match.unknown:
        fix = f"Remove what {version} does not have, or have the contract changed first."
        numbers = ", ".join(str(number) for number in match.unknown)
        raise DeliveryRefused("unknown_column", f"unknown columns at position {numbers}", where=where, next_step=fix)
    if match.repeated:
        fix = "Send each column once."
        raise DeliveryRefused("repeated_column", f"columns sent twice: {', '.join(match.repeated)}", where=where, next_step=fix)
    return match


def _waiting(path: Path) -> Waiting | None:
    """None where it has just been taken in by somebody else."""
    try:
        # the time of arrival: a copy may keep the sender's time of writing, not that of the change of its place
        since, complete = path.lstat().st_ctime, False
        try:
            descriptor = Descriptor.read(path)
        except DeliveryRefused:
            descriptor = None
        if descriptor is not None and (path.parent / descriptor.resource.path).exists():
            data = (path.parent / descriptor.resource.path).lstat()
            since, complete = max(since, data.st_ctime), data.st_size == descriptor.resource.bytes
        return Waiting(path.name, descriptor, complete, datetime.fromtimestamp(since, UTC))
    except FileNotFoundError:
        return None


def _data_file(data: Path, kept_as: str) -> Path:
    """The data file beside its descriptor, or where an intake that was killed has already moved it."""
    if data.is_symlink() or (data.exists() and not data.is_file()):
        raise DeliveryRefused(
            "unreadable_file", "the data file is not a plain file", where=data.name, next_step="Send the file itself."
        )
    if not data.exists():
        for folder in ("accepted", "refused"):
            for earlier in data.parent.glob(f"{folder}/{kept_as}.csv"):
                return earlier
        raise DeliveryRefused(
            "missing_file",
            "the data file that the descriptor names did not come",
            where=data.name,
            next_step="Send both files again.",
        )
    return data


def _descriptor_digest(path: Path) -> str:
    """SHA-256 of the descriptor, or of where a link points; it keeps apart deliveries of one file with two descriptors.

    A link is not followed: it could lead out of the landing.
    """
    return hashlib.sha256(os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()).hexdigest()


def _fingerprint(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a file, read once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One intake of an organization at a time; the lock ends with the process that holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
