"""Keyed pseudonyms: the key tree, custody of the root keys, the keyed hash. The published scheme is `docs/pseudonyms.md`.

Not here: which column is an identifier, and orchestration of a rotation.
"""

from __future__ import annotations

from mdlake.pseudonyms.custody import KeyEpoch, KeyFile, KeyRing
from mdlake.pseudonyms.hashing import InProcessKeyedHash, KeyedHash, KeyUse
from mdlake.pseudonyms.tree import derive_key, epoch_of, pseudonym_of, pseudonym_pattern, warehouse_path

__all__ = [
    "InProcessKeyedHash",
    "KeyEpoch",
    "KeyFile",
    "KeyRing",
    "KeyUse",
    "KeyedHash",
    "derive_key",
    "epoch_of",
    "pseudonym_of",
    "pseudonym_pattern",
    "warehouse_path",
]
