"""The tar inside a package: written as a stream, and taken apart as it is decrypted, nothing but plain files by plain names.

A tar may hold links, devices, paths that lead elsewhere, two files of one name, and headers that change how others are
read. None of it is needed for a delivery, so all of it is refused, and each file lands in one folder under a name that was
looked at before. Not here: encryption, and what the files say. Source: POSIX ustar.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mdlake.errors import DeliveryRefused

__all__ = ["ArchiveReader", "Member", "Source", "Unpacker", "write_all"]

_BLOCK = tarfile.BLOCKSIZE
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}")
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)
_CHUNK = 1 << 20
_MAKE_IT = "Make it with: tar --format=ustar -cf PACKAGE.tar datapackage.json self-check.json self-check.json.sig DATA-FILE."


@dataclass(frozen=True)
class Source:
    """A file to be put into an archive: its name there, its size in bytes, and its content, open at the beginning."""

    name: str
    size: int
    content: BinaryIO


class ArchiveReader(io.RawIOBase):
    """The tar of some files, made while it is read; equal files make equal archives.

    Raises ValueError while it is read if a file is shorter or longer than was said.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._parts = self._blocks(sources)
        self._waiting = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """As much as is at hand, or 0 at the end."""
        while not self._waiting:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._waiting = memoryview(part)
        target = memoryview(buffer)  # type: ignore[arg-type]
        count = min(len(target), len(self._waiting))
        target[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count

    @staticmethod
    def _blocks(sources: Sequence[Source]) -> Iterator[bytes]:
        for source in sources:
            header = tarfile.TarInfo(source.name)
            header.size, header.mode = source.size, 0o600
            yield header.tobuf(tarfile.USTAR_FORMAT)
            left = source.size
            while chunk := source.content.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
            if left:
                raise ValueError("a file changed its size while it was packed")
            yield bytes(-source.size % _BLOCK)
        yield bytes(2 * _BLOCK)


@dataclass(frozen=True)
class Member:
    """A file that was unpacked. `sha256` is hex."""

    path: Path
    size: int
    sha256: str


@dataclass
class Unpacker:
    """Takes a tar apart as it is written to, into a folder that is empty and the caller's alone.

    Attributes:
        limits: the largest size in bytes of a file by its name; of every other, `largest`.
        most: how many files it may hold.
    """

    folder: Path
    limits: Mapping[str, int]
    largest: int
    most: int
    members: dict[str, Member] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=bytearray)
    _file: _Growing | None = None
    _padding: int = 0
    _ended: bool = False

    def write(self, data: bytes) -> int:
        """Take the next bytes of the tar.

        Raises:
            DeliveryRefused: `unreadable_package`, `unsafe_member`, `repeated_member`, `too_large`.
            OSError: the folder cannot be written.
        """
        rest = memoryview(data)
        while rest:
            rest = self._take(rest)
        return len(data)

    def close(self) -> dict[str, Member]:
        """The files by name, once all of the tar was written.

        Raises:
            DeliveryRefused: `unreadable_package`, as it is not complete.
        """
        if not self._ended or self._file is not None or self._buffer:
            raise _refused("unreadable_package", "the tar in the package is not complete")
        return self.members

    def abandon(self) -> None:
        """Close the file that is being written."""
        if self._file is not None:
            self._file.stream.close()

    def _take(self, data: memoryview) -> memoryview:
        if self._file is not None:
            content, rest = data[: self._file.left], data[self._file.left :]
            self._file.write(content)
            if not self._file.left:
                self._finish(self._file)
            return rest
        if self._padding:
            skipped = min(self._padding, len(data))
            self._padding -= skipped
            return data[skipped:]
        wanted = _BLOCK - len(self._buffer)
        self._buffer += data[:wanted]
        if len(self._buffer) == _BLOCK:
            block = bytes(self._buffer)
            self._buffer.clear()
            self._begin(block)
        return data[wanted:]

    def _begin(self, block: bytes) -> None:
        """Read a header, or the zeros behind the last file."""
        if not any(block):
            self._ended = True
            return
        if self._ended:
            raise _refused("unreadable_package", "something follows the end of the tar")
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise _refused("unreadable_package", "what was encrypted is no tar") from None
        if header.type not in _REGULAR or header.linkname:
            raise _refused("unsafe_member", "the tar holds something else than plain files")
        if not _NAME.fullmatch(header.name):
            raise _refused("unsafe_member", "the tar holds a file whose name leads elsewhere or is no plain name")
        if header.name in self.members:
            raise _refused("repeated_member", "the tar holds two files of one name")
        if len(self.members) == self.most:
            raise _refused("unexpected_member", f"the tar holds more than {self.most} files")
        if not 0 <= header.size <= self.limits.get(header.name, self.largest):
            raise _refused("too_large", "the tar holds a file that is larger than such a file may be")
        descriptor = os.open(
            self.folder / header.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        self._file = _Growing(header.name, os.fdopen(descriptor, "wb", buffering=0), header.size, header.size)
        if not header.size:
            self._finish(self._file)

    def _finish(self, file: _Growing) -> None:
        file.stream.close()
        self.members[file.name] = Member(self.folder / file.name, file.size, file.hash.hexdigest())
        self._padding = -file.size % _BLOCK
        self._file = None


@dataclass
class _Growing:
    """A file that is being written."""

    name: str
    stream: BinaryIO
    size: int
    left: int
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, content: memoryview) -> None:
        write_all(self.stream, content)
        self.hash.update(content)
        self.left -= len(content)


def write_all(stream: BinaryIO, content: bytes | memoryview) -> None:
    """Write all of it to a stream without a buffer of Python's, which is fastest with large pieces, and may take less at once."""
    rest = memoryview(content)
    while rest:
        rest = rest[stream.write(rest) :]


def _refused(reason: str, what: str) -> DeliveryRefused:
    return DeliveryRefused(reason, what, next_step=_MAKE_IT)
