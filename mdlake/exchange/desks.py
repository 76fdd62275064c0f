"""The two desks of a producer and their keys: its statistics unit signs what it found in a file, its sender what is sent.

Not here: admitting a key, which is the IT Centre's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mdlake.config import Configuration, sender, statistics_unit
from mdlake.errors import UnknownName
from mdlake.seals import SigningKey, generate_signing_key

__all__ = ["DESKS", "make_keys"]

DESKS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType({"sender": sender, "statistics_unit": statistics_unit})
"""By the name of a desk's key file, who it is in an organization."""


def make_keys(
    configuration: Configuration, organization: str, folder: Path, desks: Iterable[str]
) -> Mapping[Path, tuple[str, SigningKey]]:
    """Make a key for each desk, an OpenSSH file that only its owner can read, and its public half beside it.

    Returns:
        By the file of the public half, in whose name the key signs, and the key.

    Raises:
        UnknownName: there is no such organization.
        KeyRefused: a key is there already.
    """
    if organization not in configuration.organizations:
        raise UnknownName("organization", organization, configuration.organizations)
    made = {}
    for desk in desks:
        holder = DESKS[desk](organization)
        made[folder / f"{desk}.pub"] = (holder, generate_signing_key(folder / desk, holder))
    return made
