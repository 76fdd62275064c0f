"""A file that came, opened once and never again by its name: what was verified is what is used, and what is kept.

A sender may write to its folder at any moment: replace a file, change it where it lies, put a link or a pipe in its place. So a
file is looked at through one descriptor, and whoever uses its content after it was hashed hashes it again while using it.
Not here: what the file is.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mdlake.errors import DeliveryRefused
from mdlake.exchange.beside import PIECE_BYTES, Beside

__all__ = ["FINGERPRINT", "Arrived", "Reader", "called"]

FINGERPRINT: Final = "sha256"
_HASHED_BYTES = 1 << 18  # stays in the cache of a core
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
# a pipe without a writer would hold the intake until one comes
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def called(path: Path) -> str:
    """The name of a file as a message may show it: a sender could put anything into a name."""
    return _NOT_IN_NAMES.sub("_", path.name)


@dataclass
class Arrived:
    """A plain file of the landing, open for reading.

    Attributes:
        name: as a message may show it.
        size: in bytes, when it was opened.
        changed_at: when it was last changed before it was opened.
    """

    name: str
    size: int
    changed_at: datetime
    _descriptor: int
    _digests: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[Arrived]:
        """Open a file for as long as the context lasts.

        Raises:
            FileNotFoundError: nothing is there.
            DeliveryRefused: `not_a_file`: a link, a folder, a pipe, a device, or what this account may not read.
        """
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENODEV):
                raise
            raise _not_a_file(path) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _not_a_file(path)
            yield cls(called(path), found.st_size, datetime.fromtimestamp(found.st_ctime, UTC), descriptor)
        finally:
            os.close(descriptor)

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, in hex."""
        return self.digest(FINGERPRINT).hex()

    def hash(self, names: Iterable[str]) -> None:
        """Hash all of it with several hashes at once, beside each other, so that it comes from the disk once."""
        missing = [name for name in names if name not in self._digests]
        with ThreadPoolExecutor() as pool:
            self._digests.update(zip(missing, pool.map(self._hashed, missing), strict=True))

    def digest(self, name: str) -> bytes:
        """Its digest by the name of the hash; what was hashed before is not read again."""
        self.hash([name])
        return self._digests[name]

    @contextmanager
    def used(self) -> Iterator[Reader]:
        """Its content from the beginning, hashed again as it is read.

        Raises:
            DeliveryRefused: `changed_package`, at the end: what was read is not what was hashed before.
        """
        again = hashlib.new(FINGERPRINT)
        with Beside(again.update) as hashing:
            reader = Reader(self._descriptor, hashing)
            yield reader
            while reader.read(PIECE_BYTES):
                pass
        if again.digest() != self.digest(FINGERPRINT):
            fix = "Write it under another name, rename it when it is whole, and do not touch it then; send it again."
            raise DeliveryRefused("changed_package", "it was changed while it was read", where=self.name, next_step=fix)

    def text(self, most: int) -> str:
        """At most so many of its first bytes, as text; what is no ASCII is replaced."""
        return os.pread(self._descriptor, most, 0).decode("ascii", "replace")

    def move(self, path: Path, place: Path) -> None:
        """Move it to its place from the path that it was opened by; what took its name meanwhile stays there."""
        if self._is_at(path):
            path.rename(place)
            if self._is_at(place):
                return
            place.rename(path)
        unfinished = place.with_name(f".{place.name}.part")
        with unfinished.open("wb") as copy, os.fdopen(os.dup(self._descriptor), "rb") as source:
            source.seek(0)
            shutil.copyfileobj(source, copy, PIECE_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        unfinished.rename(place)

    def _is_at(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.lstat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _hashed(self, name: str) -> bytes:
        found, at = hashlib.new(name), 0
        while piece := os.pread(self._descriptor, _HASHED_BYTES, at):
            found.update(piece)
            at += len(piece)
        return found.digest()


class Reader:
    """A file from its beginning, told to a hash as it is read."""

    def __init__(self, descriptor: int, hashing: Beside) -> None:
        self._descriptor = descriptor
        self._hashing = hashing
        self._at = 0
        self._piece = io.BytesIO()

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        if data := self._piece.read(size):
            return data
        piece = os.pread(self._descriptor, PIECE_BYTES, self._at)
        self._at += len(piece)
        self._hashing.write(piece)
        self._piece = io.BytesIO(piece)
        return self._piece.read(size)


def _not_a_file(path: Path) -> DeliveryRefused:
    fix = "Send the file itself, no link and no folder, and let the intake read it."
    return DeliveryRefused("not_a_file", "it is no plain file, or may not be read", where=called(path), next_step=fix)
