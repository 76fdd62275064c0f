"""A package: the data file of a delivery with its descriptor and the unit's self-check, sealed to the IT Centre.

`x.tar.age` is a tar, encrypted with age; `x.tar.age.sig` is the sender's OpenSSH signature of the encrypted file, so that
nothing is decrypted, and nothing of it parsed, before it is known who sent it. Plain `tar`, `age` and `ssh-keygen` make and
open the same files: docs/exchange-standard.md. Not here: what was agreed on the data (contract, calendar), and the landing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO

from mdlake.config import DELIVERY_NAMESPACE, sender
from mdlake.errors import DeliveryRefused, OtherRecipient, SealError
from mdlake.exchange.archive import ArchiveReader, Member, Source, Unpacker, write_all
from mdlake.exchange.arrived import FINGERPRINT, Arrived
from mdlake.exchange.beside import Beside
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.self_check import SelfCheck, require_self_check
from mdlake.seals import (
    AllowedSigners,
    Identity,
    Recipient,
    RevokedKeys,
    SigningKey,
    decrypt,
    encrypt,
    fingerprint,
    sign,
    verify,
)

__all__ = [
    "DESCRIPTOR",
    "LARGEST_SIGNATURE",
    "PACKAGE_SUFFIX",
    "SELF_CHECK",
    "Opened",
    "open_package",
    "pack",
    "require_sender",
]

PACKAGE_SUFFIX = ".tar.age"
DESCRIPTOR, SELF_CHECK, SELF_CHECK_SIGNATURE = "datapackage.json", "self-check.json", "self-check.json.sig"
_LIMITS = {DESCRIPTOR: 1 << 20, SELF_CHECK: 1 << 20, SELF_CHECK_SIGNATURE: 1 << 14}
_MEMBERS = len(_LIMITS) + 1
LARGEST_FILE = 1 << 36
"""Bytes of a data file, 64 GiB: a hundred times the largest list of a month."""
LARGEST_SIGNATURE = 1 << 14
"""Bytes of a signature; what is behind them is not read, and belongs to no signature."""


@dataclass(frozen=True)
class Opened:
    """What a package holds: its data file, in the clear, with what was said of it."""

    descriptor: Descriptor
    data: Member
    self_check: SelfCheck


def pack(
    target: Path,
    data: Path,
    descriptor: bytes,
    self_check: bytes,
    self_check_signature: str,
    recipients: Sequence[Recipient],
    key: SigningKey,
) -> None:
    """Write a package to `target` and its signature to `target`.sig; both are there whole, or not at all.

    Args:
        descriptor, self_check, self_check_signature: contents of the files beside the data file.

    Raises:
        SealError: one of the two is there already.
        ValueError: the data file changed while it was packed.
    """
    signature = target.with_name(f"{target.name}.sig")
    for path in (target, signature):
        if os.path.lexists(path):
            raise SealError("a file of this name is there already", where=str(path), next_step="Give it another name.")
    unfinished = target.with_name(f".{target.name}.part")
    hashed = hashlib.new(FINGERPRINT)
    try:
        with data.open("rb") as content, unfinished.open("wb", buffering=0) as file:

            def keep(piece: bytes) -> None:
                write_all(file, piece)
                hashed.update(piece)

            with Beside(keep) as sealed:
                encrypt(_archive(data.name, content, descriptor, self_check, self_check_signature), sealed.stream, recipients)
        text = sign(lambda _: hashed.digest(), key, DELIVERY_NAMESPACE, FINGERPRINT)
        signature.write_text(text, encoding="ascii")
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _archive(name: str, content: BinaryIO, descriptor: bytes, self_check: bytes, self_check_signature: str) -> BinaryIO:
    beside = ((DESCRIPTOR, descriptor), (SELF_CHECK, self_check), (SELF_CHECK_SIGNATURE, self_check_signature.encode("ascii")))
    sources = [Source(file, len(text), BytesIO(text)) for file, text in beside]
    size = os.fstat(content.fileno()).st_size
    return BufferedReader(ArchiveReader([*sources, Source(name, size, content)]), 1 << 20)


def require_sender(
    package: Arrived, signature: str, organization: str, allowed: AllowedSigners, revoked: RevokedKeys, at: datetime
) -> str:
    """The fingerprint of the key with which an organization's sender signed a package; hashes it and opens nothing.

    Raises:
        DeliveryRefused: `unknown_sender`, `revoked_key` or `bad_signature`.
    """
    principal = sender(organization)
    if not any(signer.is_for(principal) for signer in allowed.signers):
        fix = f"The IT Centre admits the key of {principal} first: mdlake offices admit."
        raise DeliveryRefused("unknown_sender", f"no key of {principal} is known", where=package.name, next_step=fix)
    try:
        signer = verify(package.digest, signature, allowed, principal, DELIVERY_NAMESPACE, at)
    except SealError as error:
        fix = f"Sign it as {principal}: ssh-keygen -Y sign -n {DELIVERY_NAMESPACE} -f KEY {package.name}."
        raise DeliveryRefused("bad_signature", error.what, where=package.name, next_step=fix) from None
    if revoked.is_revoked(signer.public_key, at):
        fix = "Make a new key, have it admitted, and send again."
        raise DeliveryRefused("revoked_key", "the key of the signature is revoked", where=package.name, next_step=fix)
    return fingerprint(signer.public_key)


def open_package(
    package: Arrived, folder: Path, identity: Identity, organization: str, allowed: AllowedSigners, at: datetime
) -> Opened:
    """Decrypt a package whose sender is known, and hold its parts against each other.

    Args:
        folder: an empty folder of the caller's alone; the files of the package are in it afterwards.
        organization: who signed the package.
        allowed: whose key is whose, for the signature of the self-check.

    Raises:
        DeliveryRefused: `changed_package`, `other_recipient`, `damaged_package`, `other_organization`, `hash_mismatch`,
            `missing_self_check`, or as the parts are refused. What is in `folder` then is not to be used.
    """
    try:
        members = _unpack(package, folder, identity)
        descriptor = Descriptor.read(_member(members, DESCRIPTOR).path)
        if descriptor.mdlake.organization != organization:
            fix = "Each organization signs its own packages."
            what = "the descriptor is of another organization than the signature"
            raise DeliveryRefused("other_organization", what, next_step=fix)
        return Opened(descriptor, _data(members, descriptor), _self_check(members, descriptor, allowed, at))
    except DeliveryRefused as refusal:
        raise DeliveryRefused(refusal.reason, refusal.what, where=package.name, next_step=refusal.next_step) from None


def _unpack(package: Arrived, folder: Path, identity: Identity) -> dict[str, Member]:
    unpacker = Unpacker(folder, _LIMITS, LARGEST_FILE, _MEMBERS)
    try:
        with package.used() as sealed, Beside(unpacker.write) as opened:
            try:
                decrypt(sealed, opened.stream, identity)
            except (SealError, OSError) as error:
                # what was decrypted is looked at in another thread, and says why no more of it is taken
                raise opened.failure or error from None
        return unpacker.close()
    except SealError as error:
        reason = "other_recipient" if isinstance(error, OtherRecipient) else "damaged_package"
        raise DeliveryRefused(reason, error.what, next_step=error.next_step) from None
    finally:
        unpacker.abandon()


def _member(members: dict[str, Member], name: str) -> Member:
    if name not in members:
        reason = "missing_self_check" if name in (SELF_CHECK, SELF_CHECK_SIGNATURE) else "missing_member"
        fix = (
            "Put it beside the data file, and pack again."
            if reason == "missing_member"
            else "Have the statistics unit check and sign."
        )
        raise DeliveryRefused(reason, f"{name} is not in the package", next_step=fix)
    return members[name]


def _data(members: dict[str, Member], descriptor: Descriptor) -> Member:
    resource = descriptor.resource
    data = _member(members, resource.path)
    others = set(members) - {DESCRIPTOR, SELF_CHECK, SELF_CHECK_SIGNATURE, resource.path}
    if others or resource.path in _LIMITS:
        fix = "Put one data file into a package, and name it in the descriptor."
        raise DeliveryRefused("unexpected_member", "the package holds a file that the descriptor does not name", next_step=fix)
    if (data.size, f"sha256:{data.sha256}") != (resource.bytes, resource.hash):
        what = f"the file has {data.size} bytes and is not the one that the descriptor describes ({resource.bytes} bytes)"
        fix = "Write the descriptor from the file that is sent."
        raise DeliveryRefused("hash_mismatch", what, next_step=fix)
    return data


def _self_check(members: dict[str, Member], descriptor: Descriptor, allowed: AllowedSigners, at: datetime) -> SelfCheck:
    content, signature = (_member(members, name).path.read_bytes() for name in (SELF_CHECK, SELF_CHECK_SIGNATURE))
    return require_self_check(content, signature.decode("ascii", "replace"), descriptor, allowed, at)
