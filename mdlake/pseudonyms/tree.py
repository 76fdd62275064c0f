"""The key tree and the text form of a pseudonym: the published scheme, and nothing that holds a key.

One root key per epoch; every use has its own key, derived with HKDF-SHA-256 (RFC 5869, no salt, the path as `info`,
32 bytes). The HMAC key is the lowercase hex text of those bytes. A pseudonym is the marker of its identifier type, the
epoch, an underscore and the first 128 bits of HMAC-SHA-256 (RFC 2104) over the canonical identifier, in hex:
``nat1_`` and 32 hex digits. Changing any of this makes every published pseudonym another one.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mdlake.errors import MdlakeError
from mdlake.standard import identifier_type

__all__ = ["DIGITS", "derive_key", "epoch_of", "pseudonym_of", "pseudonym_pattern", "warehouse_path"]

DIGITS = 32
"""Hex digits of a pseudonym: 128 bits, because 64 would make two of 90 million collide with probability 2e-4."""

_PATH = re.compile(r"(?:warehouse|project|source|record)(?:/[a-z0-9][a-z0-9_-]{0,62}){1,2}")
_ROOT_BYTES = 32


def warehouse_path(identifier: str) -> str:
    """The key path of an identifier type in the warehouse; all sources share it, so they link.

    Raises:
        MdlakeError: the type is never pseudonymized.
        UnknownName: there is no such type.
    """
    _marker(identifier)
    return f"warehouse/{identifier}"


def _marker(identifier: str) -> str:
    marker = identifier_type(identifier).marker
    if marker is None:
        raise MdlakeError(
            "the identifier type has no pseudonym", where=identifier, next_step="Drop the column instead: it links to nothing."
        )
    return marker


def derive_key(root: bytes, path: str) -> str:
    """The HMAC key of a path: 64 lowercase hex digits.

    Args:
        root: the root key of the epoch, 32 bytes.
        path: such as ``warehouse/national_code``.

    Raises:
        MdlakeError: the root has another length, or the path is not one of the tree.
    """
    if len(root) != _ROOT_BYTES:
        raise MdlakeError("a root key has 32 bytes", where="key tree", next_step="Make one with `mdlake init`.")
    if not _PATH.fullmatch(path):
        raise MdlakeError(
            f"{path!r} is not a path of the key tree",
            where="key tree",
            next_step="Paths: warehouse/<type>, project/<project>/<entity>, source/<organization>/<type>, record/<dataset>.",
        )
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=path.encode("ascii")).derive(root).hex()


def pseudonym_of(key: str, marker: str, epoch: int, identifier: str) -> str:
    """One pseudonym, by the plain definition of the scheme; the fast way must agree with it."""
    digest = hmac.new(key.encode("ascii"), identifier.encode("utf-8"), hashlib.sha256).hexdigest()
    return f"{marker}{epoch}_{digest[:DIGITS]}"


def pseudonym_pattern(identifier: str) -> str:
    """Regular expression of the pseudonyms of a type, any epoch. Raises as `warehouse_path`."""
    return rf"^{_marker(identifier)}[1-9][0-9]*_[0-9a-f]{{{DIGITS}}}$"


def epoch_of(pseudonym: str) -> int:
    """The epoch that a pseudonym names."""
    return int(pseudonym[3 : pseudonym.index("_")])
