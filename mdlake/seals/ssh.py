"""OpenSSH signatures: an office signs with its own SSH key, and anyone checks with ``ssh-keygen -Y verify``.

Here: making and loading a signing key, signing, verifying. Not here: who may sign (`signers`), nor what the signed
file means. Source: OpenSSH PROTOCOL.sshsig.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from mdlake.errors import KeyRefused, SealError
from mdlake.seals.key_files import read_owner_only, write_key_pair
from mdlake.seals.signers import AllowedSigner, AllowedSigners, fingerprint

__all__ = [
    "Message",
    "SigningKey",
    "check_signature",
    "generate_signing_key",
    "hash_name_of",
    "load_signing_key",
    "sign",
    "signer_of",
    "verify",
]

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_LINE_WIDTH = 70


# The signing key


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 private key. Its text form shows the public half only."""

    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public_line(self) -> str:
        """``ssh-ed25519 AAAA…``: what an ``allowed_signers`` line ends with."""
        return self.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` of the public half, as `ssh-keygen -l` shows it."""
        return fingerprint(base64.b64decode(self.public_line.split()[1]))


def generate_signing_key(path: Path, comment: str) -> SigningKey:
    """Make a new key: an OpenSSH private key file at `path`, owner-only from the first byte, and `path`.pub.

    Folders that are absent are made owner-only. Raises KeyRefused if either file is already there.
    """
    if "\n" in comment or "\r" in comment:
        raise ValueError("the comment of a key is one line")
    public = path.with_name(path.name + ".pub")
    key = SigningKey(Ed25519PrivateKey.generate())
    secret = key.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_key_pair(path, secret, public, f"{key.public_line} {comment}".rstrip().encode() + b"\n")
    return key


def load_signing_key(path: Path) -> SigningKey:
    """The Ed25519 key of an OpenSSH private key file.

    Raises KeyRefused if the file is absent, a symbolic link, not a regular file, another account's, open to
    group or others, or not an Ed25519 key without a passphrase.
    """
    secret = read_owner_only(path)
    try:
        private = load_ssh_private_key(secret, password=None)
    except TypeError:
        raise KeyRefused(
            "this key asks for a passphrase, which an unattended run cannot answer",
            where=str(path),
            next_step="Sign by hand with `ssh-keygen -Y sign`, or make a key without a passphrase.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyRefused(
            "this is not an Ed25519 private key in OpenSSH form",
            where=str(path),
            next_step="Make one with `ssh-keygen -t ed25519`.",
        )
    return SigningKey(private)


# Signing and verifying


@dataclass(frozen=True)
class _Signature:
    public_key: bytes
    namespace: bytes
    hash_name: bytes
    algorithm: bytes
    value: bytes


Message = bytes | Callable[[str], bytes]
"""What is signed: bytes, or what gives the digest of a file by the name of a hash, so that whoever has it reads nothing again."""


def sign(message: Message, key: SigningKey, namespace: str, hash_name: Literal["sha256", "sha512"] = "sha512") -> str:
    """The armored SSHSIG of `message`. `namespace` says what the signature is for.

    Args:
        hash_name: with what the message is hashed; SHA-256 is twice as fast where processors have it built in.

    Raises SealError if the namespace is empty, which the format forbids.
    """
    if not namespace:
        raise SealError("a signature needs a namespace", next_step="Name what the signature is for.")
    value = key.private.sign(_signed_data(message, namespace.encode(), hash_name.encode()))
    public_key = base64.b64decode(key.public_line.split()[1])
    fields = (public_key, namespace.encode(), b"", hash_name.encode(), _string(b"ssh-ed25519") + _string(value))
    return _armor(_MAGIC + _VERSION + b"".join(map(_string, fields)), _LINE_WIDTH)


def hash_name_of(signature: str) -> str:
    """With what a signature says that the message was hashed: `sha256` or `sha512`. Raises SealError if it is malformed."""
    return _parse(signature).hash_name.decode()


def verify(
    message: Message, signature: str, allowed: AllowedSigners, principal: str, namespace: str, at: datetime
) -> AllowedSigner:
    """The line whose key did it, if `principal` signed `message` in `namespace` with a key that was allowed at the time `at`.

    Raises SealError saying which of these does not hold, and ValueError if `at` has no time zone.
    """
    candidates = tuple(signer for signer in allowed.signers if signer.is_for(principal))
    if not candidates:
        raise SealError(
            "nobody of this name may sign",
            where=principal,
            next_step="Add a line for it to the allowed signers.",
        )
    return _verified_signer(message, signature, candidates, namespace, at, where=principal)


def check_signature(message: Message, signature: str, namespace: str) -> None:
    """Whether a signature is one of `message` in `namespace`, whoever made it: ``ssh-keygen -Y check-novalidate``.

    Raises SealError if it is not.
    """
    parsed = _parse(signature)
    _require_namespace(parsed, namespace, "signature")
    try:
        _require_value(parsed, message, "signature")
    except (ValueError, UnsupportedAlgorithm):  # no allowed list has looked at this key
        raise _malformed() from None


def signer_of(message: Message, signature: str, allowed: AllowedSigners, namespace: str, at: datetime) -> str:
    """The principals of the line whose key signed `message`, where any allowed signer may have signed it.

    Raises SealError if none did, and ValueError if `at` has no time zone.
    """
    return _verified_signer(message, signature, allowed.signers, namespace, at, where="signature").principals


def _verified_signer(
    message: Message,
    signature: str,
    candidates: tuple[AllowedSigner, ...],
    namespace: str,
    at: datetime,
    *,
    where: str,
) -> AllowedSigner:
    if at.tzinfo is None:
        raise ValueError("the time of verification needs a time zone")
    parsed = _parse(signature)
    _require_namespace(parsed, namespace, where)
    with_its_key = [signer for signer in candidates if signer.public_key == parsed.public_key]
    if not with_its_key:
        raise SealError(
            "the key of the signature is not an allowed one",
            where=where,
            next_step="Sign with the key in the allowed signers, or have the new key added there.",
        )
    refusals = [signer.refusal(namespace, at) for signer in with_its_key]
    if None not in refusals:
        raise SealError(str(refusals[0]), where=where, next_step="Sign with a key that is allowed for this.")
    _require_value(parsed, message, where)
    return with_its_key[refusals.index(None)]


def _require_namespace(signature: _Signature, namespace: str, where: str) -> None:
    if signature.namespace != namespace.encode():
        raise SealError(
            f"the signature was not made for {namespace!r}",
            where=where,
            next_step=f"Sign again with -n {namespace}.",
        )


def _require_value(signature: _Signature, message: Message, where: str) -> None:
    try:
        _verify_value(signature, _signed_data(message, signature.namespace, signature.hash_name))
    except InvalidSignature:
        raise SealError(
            "the signature does not hold: the file or the signature was changed after signing",
            where=where,
            next_step="Fetch both again from the signer, or have it signed again.",
        ) from None


def _verify_value(signature: _Signature, data: bytes) -> None:
    """Raises InvalidSignature, or SealError if the algorithm does not belong to the key."""
    kind = _strings(signature.public_key)[0]
    key = load_ssh_public_key(kind + b" " + base64.b64encode(signature.public_key))
    match key, signature.algorithm:
        case Ed25519PublicKey(), b"ssh-ed25519":
            key.verify(signature.value, data)
        case EllipticCurvePublicKey(), b"ecdsa-sha2-nistp256":
            r, s = (int.from_bytes(part, "big", signed=True) for part in _strings(signature.value, count=2))
            key.verify(encode_dss_signature(r, s), data, ECDSA(SHA256()))
        case RSAPublicKey(), b"rsa-sha2-256":
            key.verify(signature.value, data, PKCS1v15(), SHA256())
        case RSAPublicKey(), b"rsa-sha2-512":
            key.verify(signature.value, data, PKCS1v15(), SHA512())
        case _:
            raise _malformed()


def _signed_data(message: Message, namespace: bytes, hash_name: bytes) -> bytes:
    name = hash_name.decode()
    digest = hashlib.new(name, message).digest() if isinstance(message, bytes) else message(name)
    return _MAGIC + b"".join(map(_string, (namespace, b"", hash_name, digest)))


def _parse(armored: str) -> _Signature:
    blob = _dearmor(armored)
    head = _MAGIC + _VERSION
    if not blob.startswith(head):
        raise _malformed()
    public_key, namespace, reserved, hash_name, signature = _strings(blob[len(head) :], count=5)
    # OpenSSH ignores the reserved field. Nothing is defined for it, so a signature that fills it was changed.
    if reserved or hash_name not in (b"sha256", b"sha512"):
        raise _malformed()
    algorithm, value = _strings(signature, count=2)
    return _Signature(public_key, namespace, hash_name, algorithm, value)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _strings(data: bytes, count: int | None = None) -> list[bytes]:
    """The length-prefixed strings (RFC 4251) that `data` consists of; SealError if there is more in it."""
    found, position = [], 0
    while position < len(data):
        start = position + 4
        position = start + int.from_bytes(data[position:start], "big")
        found.append(data[start:position])
    if position != len(data) or not found or (count is not None and len(found) != count):
        raise _malformed()
    return found


def _armor(blob: bytes, width: int) -> str:
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def _dearmor(armored: str) -> bytes:
    # Writers wrap at 70 (ssh-keygen) or 76 (the norm), so the width of the first line is theirs to choose.
    # All else has one form only: a signature that was changed in any way is refused.
    body = armored.split("\n")[1:-2] or [""]
    try:
        blob = base64.b64decode("".join(body), validate=True)
    except ValueError:
        raise _malformed() from None
    if not body[0] or _armor(blob, len(body[0])) != armored:
        raise _malformed()
    return blob


def _malformed() -> SealError:
    return SealError(
        "this is not an SSH signature, or it was changed",
        where="signature",
        next_step="Make it with `ssh-keygen -Y sign`, and pass it on unchanged, line ends included.",
    )
