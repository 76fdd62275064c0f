"""Custody of the root keys in a file of their owner. Here: making, reading and refusing a key file; not here: any use of a key.

A key file is JSON, readable by its owner alone from its first byte. One that anybody else could read is refused instead
of repaired, because nobody knows who has read it.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from mdlake.errors import KeyRefused

__all__ = ["KeyEpoch", "KeyFile", "KeyRing"]

_FORMAT = "mdlake-keyring/1"
_ROOT_BYTES = 32


@dataclass(frozen=True)
class KeyEpoch:
    """One epoch of the root key; the root never appears in its text."""

    number: int
    root: bytes = field(repr=False)
    created: str


@dataclass(frozen=True)
class KeyRing:
    """All epochs, oldest first."""

    epochs: tuple[KeyEpoch, ...]

    @property
    def current(self) -> KeyEpoch:
        """The epoch that new pseudonyms carry."""
        return self.epochs[-1]


@dataclass(frozen=True)
class KeyFile:
    """The file of the root keys."""

    path: Path

    def create(self, at: str) -> KeyRing:
        """Make the file with a first epoch of a fresh random root.

        Args:
            at: the moment, ISO 8601 in UTC.

        Raises:
            KeyRefused: the file exists already; it is never overwritten.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        epoch = {"epoch": 1, "root": secrets.token_hex(_ROOT_BYTES), "created": at}
        text = json.dumps({"format": _FORMAT, "epochs": [epoch]}, indent=2) + "\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            fix = "Keep it: pseudonyms made with another key link to nothing. Move it away only for a new installation."
            raise KeyRefused("the key file exists already", where=str(self.path), next_step=fix) from None
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return self.read()

    def read(self) -> KeyRing:
        """The keys.

        Raises:
            KeyRefused: the file is missing, is no plain file, belongs to someone else, can be read by anybody else, or
                does not hold a key ring.
        """
        try:
            # not to wait for the other end of a pipe
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyRefused("there is no key file", where=str(self.path), next_step="Run `mdlake init`.") from None
        except OSError:
            fix = "Give the path of the file itself, readable by the account that runs mdlake."
            raise KeyRefused("the key file cannot be opened, or is a link", where=str(self.path), next_step=fix) from None
        try:
            self._check_owner(os.fstat(descriptor))
            ring = _parsed(descriptor)
        finally:
            os.close(descriptor)
        if ring is None:
            raise KeyRefused(
                "the key file does not hold a key ring", where=str(self.path), next_step="Restore it from its backup."
            )
        return ring

    def _check_owner(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise KeyRefused("the key file is not a plain file", where=str(self.path), next_step="Give the file itself.")
        if status.st_uid != os.geteuid():
            fix = "Run mdlake under the account that owns the keys."
            raise KeyRefused("the key file belongs to another account", where=str(self.path), next_step=fix)
        if status.st_mode & 0o077:
            fix = f"Find out who could have read it; then `chmod 600 {self.path}`."
            raise KeyRefused("the key file can be read by others than its owner", where=str(self.path), next_step=fix)


def _parsed(descriptor: int) -> KeyRing | None:
    """The key ring, or None: the parser's own error holds the text of the file, so it must not hang on another error."""
    try:
        with os.fdopen(descriptor, encoding="ascii", closefd=False) as file:
            return _parse(file.read())
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _parse(text: str) -> KeyRing:
    data = json.loads(text)
    if data["format"] != _FORMAT:
        raise ValueError
    epochs = tuple(KeyEpoch(int(e["epoch"]), bytes.fromhex(e["root"]), str(e["created"])) for e in data["epochs"])
    numbers = [epoch.number for epoch in epochs]
    if not epochs or numbers != list(range(1, len(numbers) + 1)) or any(len(e.root) != _ROOT_BYTES for e in epochs):
        raise ValueError
    return KeyRing(epochs)
