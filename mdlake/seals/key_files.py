"""Files with secret keys: owner-only from the first byte, never written over, and refused if anyone else could read them."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from pathlib import Path

from mdlake.errors import KeyRefused

__all__ = ["read_owner_only", "write_key_pair"]


def write_key_pair(path: Path, secret: bytes, public_path: Path, public: bytes) -> None:
    """Write a new secret key, and its public half beside it for anyone to read.

    Folders that are absent are made owner-only. Raises KeyRefused if either file is already there.
    """
    for folder in reversed([folder for folder in path.parents if not folder.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    for file in (path, public_path):
        if os.path.lexists(file):
            raise _already_there(file)
    _write_new(path, secret, 0o600)
    _write_new(public_path, public, 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise _already_there(path) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _already_there(path: Path) -> KeyRefused:
    return KeyRefused(
        "a file is already there, and a key is never written over",
        where=str(path),
        next_step="Choose another name, or move the old key away first.",
    )


def read_owner_only(path: Path) -> bytes:
    """The content of a key file.

    Raises KeyRefused if it is absent, a symbolic link, not a regular file, another account's, or open to group or others.
    """
    # Checked on the open descriptor, so that the file cannot be exchanged between the check and the reading.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        link = error.errno == errno.ELOOP
        what = "this is a symbolic link" if link else f"the key cannot be opened ({error.strerror})"
        raise KeyRefused(what, where=str(path), next_step="Give the path of the key file itself.") from None
    try:
        _require_owner_only(os.fstat(descriptor), path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _require_owner_only(status: os.stat_result, path: Path) -> None:
    quoted = shlex.quote(str(path))
    if not stat.S_ISREG(status.st_mode):
        what, next_step = "this is not a regular file", "Give the path of the key file itself."
    elif status.st_uid != os.geteuid():
        what = "the key belongs to another account"
        next_step = f"Run as its owner, or: chown {os.geteuid()} {quoted} && chmod 600 {quoted}"
    elif status.st_mode & 0o077:
        what = f"the key is open to group or others (mode {stat.S_IMODE(status.st_mode):04o})"
        next_step = f"Run: chmod 600 {quoted}"
    else:
        return
    raise KeyRefused(what, where=str(path), next_step=next_step)
