"""The intake of packages: who sent it, is it whole, is it what was agreed on; then a receipt. A package moves, it never vanishes.

The order is the wall: nothing is decrypted before the sender is known, nothing is parsed before it is decrypted and whole.
A package is complete when its signature lies beside it. What is found is recorded in the ledger with the delivery, in one
transaction; then the receipt is written, and then the package moves to `accepted/` or `refused/`. A process that is killed in
between leaves a package in the landing, and the next intake goes on where that one stopped: one record and one receipt.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from mdlake.errors import DeliveryRefused, LandingBlocked, SealError
from mdlake.exchange.agreement import place_of, require_agreed, require_begun, require_readable
from mdlake.exchange.arrived import FINGERPRINT, Arrived, called
from mdlake.exchange.landing import Landing, locked
from mdlake.exchange.package import DESCRIPTOR, LARGEST_SIGNATURE, PACKAGE_SUFFIX, Opened, open_package, require_sender
from mdlake.exchange.receipt import write_receipt
from mdlake.governance import Gate
from mdlake.ledger import Delivery, Ledger, Package
from mdlake.seals import AllowedSigners, Identity, RevokedKeys, SigningKey, hash_name_of
from mdlake.standard import Period, day_in_iran

__all__ = ["Intake", "Received", "changed_at", "is_complete", "is_quiet", "waiting_packages"]

_OPENING = ".opening-"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_STEM_LENGTH = 100
_ROOM = 1 << 26
"""Bytes that stay free when a package is opened: for the ledger, the receipt, and whoever else writes to this disk."""


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

        Raises:
            LandingBlocked: at the end, when all others are answered: a package has to wait until somebody makes room for it.
        """
        folder = self.landing.root / organization
        for part in (folder, folder / "accepted", folder / "refused", self.outbox / organization):
            _require_folder(part)
        received: list[Received] = []
        blocked: LandingBlocked | None = None
        with locked(folder / ".lock"):
            for left in folder.glob(f"{_OPENING}*"):
                # what is no folder of ours does not hold up the packages
                shutil.rmtree(left, ignore_errors=True)
            for path in sorted(waiting_packages(folder), key=lambda path: (changed_at(path), path.name)):
                try:
                    answer = self._answer(path, organization, at)
                except LandingBlocked as error:
                    blocked = error
                else:
                    received += [answer] if answer is not None else []
        if blocked is not None:
            raise blocked
        return tuple(received)

    @property
    def _ledger(self) -> Ledger:
        return self.landing.ledger

    def _answer(self, path: Path, organization: str, at: datetime) -> Received | None:
        with ExitStack() as files:
            came = _Came.by(path, files)
            if came is None:
                return None
            earlier = self._ledger.packages(organization, came.sha256)
            unfinished = next((one for one in earlier if not os.path.lexists(self._kept(one))), None)
            if unfinished is not None:
                return self._finish(came, unfinished)
            settled = at - timedelta(minutes=self.landing.configuration.calendar.settling_minutes)
            if came.is_arriving(settled):
                return None
            name = os.fsencode(path.name).decode("utf-8", "replace")
            record = replace(_NOTHING, organization=organization, name=name, received_at=at)
            record = replace(record, sha256=came.sha256, size_bytes=came.size)
            # what was refused may be sent again as it is, such as before its key was admitted
            is_replay = any(one.state == "accepted" for one in earlier)
            return self._finish(came, self._examined(came, record, is_replay=is_replay))

    def _examined(self, came: _Came, record: Package, *, is_replay: bool) -> Package:
        """The package as recorded, with the answer to it; an accepted data file is in its place then."""
        signer: str | None = None
        delivery: Delivery | None = None
        organization, at = record.organization, record.received_at
        try:
            package, signature = came.files()
            signer = require_sender(package, signature, organization, self.allowed, self.revoked, at)
            if is_replay:
                fix = "Send what is new in a package of its own; the receipt of the first one is in the outbox."
                raise DeliveryRefused("replay", "this very package was answered before", where=package.name, next_step=fix)
            with _private_folder(came.path, package.size) as folder:
                opened = open_package(package, folder, self.identity, organization, self.allowed, at)
                delivery = _delivery(opened, record)
                try:
                    self._require_expected(opened, record)
                except DeliveryRefused as refusal:
                    delivery = self._refused(delivery, refusal, record)
                    raise
                place = self.landing.path(delivery)
                _keep(folder / DESCRIPTOR, place.with_suffix(".json"))
                _keep(opened.data.path, place)
        except DeliveryRefused as refusal:
            refused = replace(record, signer=signer, state="refused", reason=refusal.reason, message=str(refusal))
            return self._ledger.record_package(refused, delivery)
        return self._ledger.record_package(replace(record, signer=signer), delivery)

    def _refused(self, delivery: Delivery, refusal: DeliveryRefused, came: Package) -> Delivery | None:
        """The delivery as refused; None where the same file was accepted before, which then stays accepted."""
        known = self._ledger.deliveries(delivery.organization, delivery.dataset, delivery.period)
        if any((d.sha256, d.reporting_unit, d.state) == (delivery.sha256, delivery.reporting_unit, "accepted") for d in known):
            return None
        name = f"refused/{came.name}"
        return replace(delivery, state="refused", reason=refusal.reason, message=str(refusal), file_name=name)

    def _require_expected(self, opened: Opened, came: Package) -> None:
        descriptor = opened.descriptor
        contract = require_agreed(self.landing.configuration, descriptor)
        said = descriptor.mdlake
        where = place_of(descriptor.key, said.period, said.reporting_unit)
        period = Period.parse(said.period)
        require_begun(period, day_in_iran(came.received_at), where)
        closed = self.gate.closed(descriptor.key, period, came.received_at)
        if closed is not None:
            fix = f"Ask the {closed.who} to reopen it ({closed.next_step}); while it is open, send a new package."
            raise DeliveryRefused("closed_period", closed.what, where=where, next_step=fix)
        current = self._ledger.current_delivery(said.organization, said.dataset, said.period, said.reporting_unit or "")
        if current is not None and said.sequence <= current.sequence:
            what = f"sequence {said.sequence} does not come after {current.sequence}, which was accepted"
            fix = f"What corrects it has the sequence {current.sequence + 1} or higher."
            raise DeliveryRefused("older_sequence", what, where=where, next_step=fix)
        if said.supersedes != (current.sequence if current else None):
            raise _other_superseded(said.supersedes, current, where)
        require_readable(descriptor, contract, opened.data.path)

    def _finish(self, came: _Came, recorded: Package) -> Received:
        """Write the receipt, and move the package last: while it lies in the landing it is not finished."""
        delivery = self._ledger.delivery(recorded.delivery_id) if recorded.delivery_id is not None else None
        kept = self._kept(recorded)
        receipt = self.outbox / recorded.organization / f"{kept.name}.receipt.json"
        write_receipt(receipt, recorded, delivery, self.receipts)
        _move(came.signature, _signature(came.path), _signature(kept))
        _move(came.package, came.path, kept)
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


def changed_at(package: Path) -> int:
    """When something changed about it, in nanoseconds of the epoch; 0 if its sender took it away at this moment."""
    try:
        return package.lstat().st_ctime_ns
    except FileNotFoundError:
        return 0


def is_complete(package: Path) -> bool:
    """Whether its signature lies beside it: the sender puts it there last."""
    return os.path.lexists(_signature(package))


def is_quiet(package: Path, since: datetime) -> bool:
    """Whether nothing changed about it since a moment."""
    return changed_at(package) <= since.timestamp() * 1e9


def _signature(package: Path) -> Path:
    return package.with_name(f"{package.name}.sig")


@dataclass(frozen=True)
class _Came:
    """A package and its signature as they lie in the landing, opened once.

    Attributes:
        package, signature: None where it is no plain file; `refusal` says so then.
        sha256: of the package, in hex; of its name where it is no plain file.
        size: in bytes.
    """

    path: Path
    package: Arrived | None
    signature: Arrived | None
    refusal: DeliveryRefused | None
    sha256: str
    size: int

    @classmethod
    def by(cls, path: Path, files: ExitStack) -> Self | None:
        """What lies there now; None if its sender took it away again."""
        package, signature, refusal = None, None, None
        try:
            package = files.enter_context(Arrived.opened(path))
        except FileNotFoundError:
            return None
        except DeliveryRefused as found:
            refusal = found
        try:
            signature = files.enter_context(Arrived.opened(_signature(path)))
        except FileNotFoundError:
            pass
        except DeliveryRefused as found:
            refusal = refusal or found
        if package is None:
            return cls(path, None, signature, refusal, hashlib.sha256(os.fsencode(path.name)).hexdigest(), 0)
        hashes = {FINGERPRINT}
        if signature is not None:
            with suppress(SealError):
                hashes.add(hash_name_of(signature.text(LARGEST_SIGNATURE)))
        package.hash(hashes)
        return cls(path, package, signature, refusal, package.fingerprint, package.size)

    def is_arriving(self, settled: datetime) -> bool:
        """Whether its signature may still come: it is not there, and the package changed after a moment."""
        return self.refusal is None and self.signature is None and self.package is not None and self.package.changed_at > settled

    def files(self) -> tuple[Arrived, str]:
        """The package, and the text of its signature.

        Raises:
            DeliveryRefused: `not_a_file` or `missing_signature`.
        """
        if self.refusal is not None or self.package is None:
            raise self.refusal or ValueError("what is no file was not refused")
        if self.signature is None:
            fix = f"Send {called(_signature(self.path))} too, after the package."
            raise DeliveryRefused("missing_signature", "its signature did not come", where=called(self.path), next_step=fix)
        return self.package, self.signature.text(LARGEST_SIGNATURE)


def _move(file: Arrived | None, path: Path, place: Path) -> None:
    """Move what was looked at to its place; what was none, or came after that look, goes with it under its name."""
    if file is not None:
        file.move(path, place)
    elif os.path.lexists(path):
        path.rename(place)


def _other_superseded(said: int | None, current: Delivery | None, where: str) -> DeliveryRefused:
    """What a delivery says that it replaces is not what counts now: its sender did not know of one, or of a refusal."""
    names = "names no delivery" if said is None else f"names the delivery {said}"
    if current is None:
        what, fix = f"it {names} that it replaces, and none was accepted", "Leave `mdlake.supersedes` out of the descriptor."
    else:
        what = f"it {names} that it replaces, and {current.sequence} is the accepted one that counts"
        fix = f"Look whether it still corrects that one; then write {current.sequence} in `mdlake.supersedes`, and send again."
    return DeliveryRefused("supersedes", what, where=where, next_step=fix)


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


def _require_folder(path: Path) -> None:
    """Make a folder of this account alone, where none is; what is opened is never written through a link."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        fix = "Remove it, find out who put it there, and let nobody but the intake rename what is not its own."
        raise LandingBlocked("a link or a file lies where the intake has a folder", where=str(path), next_step=fix)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextmanager
def _private_folder(package: Path, size: int) -> Iterator[Path]:
    """A folder for what is opened, of this account alone, gone afterwards.

    Raises LandingBlocked if the disk has no room for it: what a package holds is never larger than the package.
    """
    full = LandingBlocked(
        "the disk of the landing has no room to open it",
        where=f"{package.parent.name}/{called(package)}",
        next_step=f"Make room for {size + _ROOM:,} bytes; the package stays where it is, and the next intake takes it in.",
    )
    if shutil.disk_usage(package.parent).free < size + _ROOM:
        raise full
    try:
        with tempfile.TemporaryDirectory(prefix=_OPENING, dir=package.parent) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full from None
        raise


def _keep(opened: Path, place: Path) -> None:
    """Give a data file its place, once all of it is on the disk."""
    with opened.open("rb") as file:
        os.fsync(file.fileno())
    opened.rename(place)
