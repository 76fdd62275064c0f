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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from blake3 import blake3

from mdlake.errors import DeliveryRefused
from mdlake.exchange.beside import PIECE_BYTES, Beside

__all__ = ["FINGERPRINT", "Arrived", "Reader", "called"]

FINGERPRINT: Final = "sha256"
_AGAIN = "blake3"
"""What is read again is held against this hash: as strong as SHA-256, at a third of its cost."""

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
    _digests: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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
        """Read it once, and hash what was read with several hashes beside each other.

        One reading, because two could find two contents, and what one hash stands for would not be what another does.
        """
        hashes = {name: blake3() if name == _AGAIN else hashlib.new(name) for name in {*names, FINGERPRINT, _AGAIN}}
        with ExitStack() as threads:
            targets = [threads.enter_context(Beside(hash_.update)) for hash_ in hashes.values()]
            for piece in self._pieces():
                for target in targets:
                    target.write(piece)
        self._digests = {name: hash_.digest() for name, hash_ in hashes.items()}

    def digest(self, name: str) -> bytes:
        """Its digest by the name of a hash with which it was hashed."""
        return self._digests[name]

    @contextmanager
    def used(self) -> Iterator[Reader]:
        """Its content from the beginning, hashed again as it is read; it was hashed before.

        Raises:
            DeliveryRefused: `changed_package`, at the end: what was read is not what was hashed before.
        """
        before = self.digest(_AGAIN)
        again = blake3()
        with Beside(again.update) as hashing:
            reader = Reader(self._pieces(), hashing)
            yield reader
            while reader.read(PIECE_BYTES):
                pass
        if again.digest() != before:
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

    def _pieces(self) -> Iterator[bytes]:
        at = 0
        while piece := os.pread(self._descriptor, PIECE_BYTES, at):
            yield piece
            at += len(piece)


class Reader:
    """Pieces of a file, read in whatever lengths, and told to a hash as they are."""

    def __init__(self, pieces: Iterator[bytes], hashing: Beside) -> None:
        self._pieces = pieces
        self._hashing = hashing
        self._piece = io.BytesIO()

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        if data := self._piece.read(size):
            return data
        piece = next(self._pieces, b"")
        self._hashing.write(piece)
        self._piece = io.BytesIO(piece)
        return self._piece.read(size)


def _not_a_file(path: Path) -> DeliveryRefused:
    fix = "Send the file itself, no link and no folder, and let the intake read it."
    return DeliveryRefused("not_a_file", "it is no plain file, or may not be read", where=called(path), next_step=fix)
