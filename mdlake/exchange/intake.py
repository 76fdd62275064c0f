"""The intake of packages: who sent it, is it whole, is it what was agreed on; then a receipt. A package moves, it never vanishes.

The order is the wall: nothing is decrypted before the sender is known, nothing is parsed before it is decrypted and whole.
A package is complete when its signature lies beside it. What is found is recorded in the ledger with the delivery, in one
transaction; then the receipt is written, and then the package moves to `accepted/` or `refused/`. A process that is killed in
between leaves a package in the landing, and the next intake goes on where that one stopped: one record and one receipt.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mdlake.errors import DeliveryRefused
from mdlake.exchange.landing import Landing, locked
from mdlake.exchange.package import DESCRIPTOR, Opened, called, open_package, require_sender
from mdlake.exchange.receipt import write_receipt
from mdlake.governance import Gate
from mdlake.ledger import Delivery, Ledger, Package
from mdlake.seals import AllowedSigners, Identity, RevokedKeys, SigningKey
from mdlake.standard import Period, day_in_iran

__all__ = ["PACKAGE_SUFFIX", "Intake", "Received", "is_complete", "is_quiet", "waiting_packages"]

PACKAGE_SUFFIX = ".tar.age"
_OPENING = ".opening-"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_STEM_LENGTH = 100


@dataclass(frozen=True)
class Received:
    """What became of one package in this intake."""

    delivery: Delivery
    refusal: DeliveryRefused | None


@dataclass(frozen=True)
class Intake:
    """The IT Centre's desk.

    Attributes:
        outbox: where receipts go, a folder for each organization.
        identity: what packages are sealed to.
        receipts: the key that signs receipts.
        allowed, revoked: whose key is whose.
        gate: knows which periods are closed.
    """

    landing: Landing
    outbox: Path
    identity: Identity
    receipts: SigningKey
    allowed: AllowedSigners
    revoked: RevokedKeys
    gate: Gate

    def take_in(self, organization: str, at: datetime) -> tuple[Received, ...]:
        """Take in every package of an organization that is complete, in the order of arrival, and answer each.

        A package without a signature is still arriving, until nothing changed about it for the calendar's
        `settling_minutes`.
        """
        folder = self.landing.root / organization
        for part in (folder, folder / "accepted", folder / "refused", self.outbox / organization):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(folder / ".lock"):
            for left in folder.glob(f"{_OPENING}*"):
                shutil.rmtree(left)
            found = (self._answer(path, organization, at) for path in sorted(waiting_packages(folder), key=_arrived))
            return tuple(received for received in found if received is not None)

    @property
    def _ledger(self) -> Ledger:
        return self.landing.ledger

    def _answer(self, package: Path, organization: str, at: datetime) -> Received | None:
        is_plain = package.is_file() and not package.is_symlink()
        digest, size = _fingerprint(package) if is_plain else (hashlib.sha256(os.fsencode(package.name)).hexdigest(), 0)
        earlier = self._ledger.packages(organization, digest)
        unfinished = next((one for one in earlier if not os.path.lexists(self._kept(one))), None)
        if unfinished is not None:
            return self._finish(package, unfinished)
        settled = at - timedelta(minutes=self.landing.configuration.calendar.settling_minutes)
        name = os.fsencode(package.name).decode("utf-8", "replace")
        came = replace(_NOTHING, organization=organization, name=name, sha256=digest, size_bytes=size, received_at=at)
        if is_plain and not is_complete(package) and not is_quiet(package, settled):
            return None
        # what was refused may be sent again as it is, such as before its key was admitted
        is_replay = any(one.state == "accepted" for one in earlier)
        return self._finish(package, self._examined(package, came, is_replay=is_replay))

    def _examined(self, package: Path, came: Package, *, is_replay: bool) -> Package:
        """The package as recorded, with the answer to it; an accepted data file is in its place then."""
        signature = _signature(package)
        signer: str | None = None
        delivery: Delivery | None = None
        try:
            _require_plain(package, signature)
            signer = require_sender(package, signature, came.organization, self.allowed, self.revoked, came.received_at)
            if is_replay:
                fix = "Send what is new in a package of its own; the receipt of the first one is in the outbox."
                raise DeliveryRefused("replay", "this very package was answered before", where=called(package), next_step=fix)
            with _private_folder(package.parent) as folder:
                opened = open_package(package, folder, self.identity, came.organization, self.allowed, came.received_at)
                delivery = _delivery(opened, came)
                try:
                    self._require_expected(opened, came)
                except DeliveryRefused as refusal:
                    delivery = self._refused(delivery, refusal, came)
                    raise
                place = self.landing.path(delivery)
                _keep(folder / DESCRIPTOR, place.with_suffix(".json"))
                _keep(opened.data.path, place)
        except DeliveryRefused as refusal:
            refused = replace(came, signer=signer, state="refused", reason=refusal.reason, message=str(refusal))
            return self._ledger.record_package(refused, delivery)
        return self._ledger.record_package(replace(came, signer=signer), delivery)

    def _refused(self, delivery: Delivery, refusal: DeliveryRefused, came: Package) -> Delivery | None:
        """The delivery as refused; None where the same file was accepted before, which then stays accepted."""
        known = self._ledger.deliveries(delivery.organization, delivery.dataset, delivery.period)
        if any((d.sha256, d.reporting_unit, d.state) == (delivery.sha256, delivery.reporting_unit, "accepted") for d in known):
            return None
        name = f"refused/{came.name}"
        return replace(delivery, state="refused", reason=refusal.reason, message=str(refusal), file_name=name)

    def _require_expected(self, opened: Opened, came: Package) -> None:
        descriptor = opened.descriptor
        contract = self.landing.require_agreed(descriptor)
        said = descriptor.mdlake
        where = f"{descriptor.key} {said.period}" + (f", unit {said.reporting_unit}" if said.reporting_unit else "")
        if Period.parse(said.period).first_day > day_in_iran(came.received_at):
            fix = "Send it when the period is over."
            raise DeliveryRefused("future_period", "the period has not begun", where=where, next_step=fix)
        closed = self.gate.closed(descriptor.key, Period.parse(said.period), came.received_at)
        if closed is not None:
            fix = f"Ask the {closed.who} to reopen it ({closed.next_step}); while it is open, send a new package."
            raise DeliveryRefused("closed_period", closed.what, where=where, next_step=fix)
        current = self._ledger.current_delivery(said.organization, said.dataset, said.period, said.reporting_unit or "")
        if current is not None and said.sequence <= current.sequence:
            what = f"sequence {said.sequence} does not come after {current.sequence}, which was accepted"
            fix = f"What corrects it has the sequence {current.sequence + 1} or higher."
            raise DeliveryRefused("older_sequence", what, where=where, next_step=fix)
        self.landing.require_readable(descriptor, contract, opened.data.path)

    def _finish(self, package: Path, recorded: Package) -> Received:
        """Write the receipt, and move the package last: while it lies in the landing it is not finished."""
        delivery = self._ledger.delivery(recorded.delivery_id) if recorded.delivery_id is not None else None
        kept = self._kept(recorded)
        receipt = self.outbox / recorded.organization / f"{kept.name}.receipt.json"
        write_receipt(receipt, recorded, delivery, self.receipts)
        signature = _signature(package)
        if os.path.lexists(signature):
            signature.rename(_signature(kept))
        package.rename(kept)
        refusal = None
        if recorded.state == "refused":
            refusal = DeliveryRefused(recorded.reason or "", recorded.message or "")
        return Received(delivery if delivery is not None else _unknown_delivery(recorded), refusal)

    def _kept(self, package: Package) -> Path:
        """Where a package lies once it was answered; two that are the same have places of their own."""
        stem = _NOT_IN_NAMES.sub("_", package.name.removesuffix(PACKAGE_SUFFIX))[:_STEM_LENGTH]
        folder = self.landing.root / package.organization / package.state
        return folder / f"{stem}.{package.sha256[:12]}-{package.package_id}{PACKAGE_SUFFIX}"


_NOTHING = Package("", "", "", 0, None, datetime.min.replace(tzinfo=UTC), "accepted")


def waiting_packages(folder: Path) -> list[Path]:
    """What lies in an organization's folder and is called like a package, by name."""
    return sorted(folder.glob(f"*{PACKAGE_SUFFIX}"))


def _arrived(package: Path) -> tuple[int, str]:
    """When a package came; what its sender takes away at this moment comes first, and is found missing."""
    return (package.lstat().st_ctime_ns if os.path.lexists(package) else 0, package.name)


def is_complete(package: Path) -> bool:
    """Whether its signature lies beside it: the sender puts it there last."""
    return os.path.lexists(_signature(package))


def is_quiet(package: Path, since: datetime) -> bool:
    """Whether nothing changed about it since a moment."""
    return datetime.fromtimestamp(package.lstat().st_ctime, UTC) <= since


def _signature(package: Path) -> Path:
    return package.with_name(f"{package.name}.sig")


def _require_plain(package: Path, signature: Path) -> None:
    for path in (package, signature):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            fix = "Send the file itself, no link and no folder."
            raise DeliveryRefused("not_a_file", "it is no plain file", where=called(path), next_step=fix)
    if not signature.exists():
        fix = f"Send {called(signature)} too, after the package."
        raise DeliveryRefused("missing_signature", "its signature did not come", where=called(package), next_step=fix)


def _delivery(opened: Opened, came: Package) -> Delivery:
    """What was in a package, accepted unless something is found against it."""
    said = opened.descriptor.mdlake
    stem = _NOT_IN_NAMES.sub("_", came.name.removesuffix(PACKAGE_SUFFIX))[:_STEM_LENGTH]
    return Delivery(
        organization=said.organization,
        dataset=said.dataset,
        period=said.period,
        reporting_unit=said.reporting_unit or "",
        sequence=said.sequence,
        file_name=f"accepted/{stem}.{opened.data.sha256[:12]}-{came.sha256[:12]}{opened.data.path.suffix}",
        sha256=opened.data.sha256,
        size_bytes=opened.data.size,
        declared_rows=said.declared_rows,
        contract_version=said.contract_version,
        received_at=came.received_at,
        state="accepted",
    )


def _unknown_delivery(package: Package) -> Delivery:
    """A delivery of which nothing is known but the package."""
    return Delivery(
        organization=package.organization,
        dataset="",
        period="",
        sequence=0,
        file_name=package.name,
        sha256=package.sha256,
        size_bytes=package.size_bytes,
        declared_rows=None,
        contract_version=None,
        received_at=package.received_at,
        state=package.state,
        reason=package.reason,
        message=package.message,
    )


@contextmanager
def _private_folder(beside: Path) -> Iterator[Path]:
    """A folder for what is opened, of this account alone, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=_OPENING, dir=beside) as folder:
        yield Path(folder)


def _keep(opened: Path, place: Path) -> None:
    """Give a data file its place, once all of it is on the disk."""
    with opened.open("rb") as file:
        os.fsync(file.fileno())
    opened.rename(place)


def _fingerprint(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size
