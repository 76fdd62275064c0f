"""age encryption: a delivery is sealed to the IT Centre's recipients, and whoever holds an identity of theirs opens it.

Here: making and loading identities, reading recipients, encrypting and decrypting streams in bounded memory; the format is
that of the `age` command (age-encryption.org/v1). Not here: what is sealed, nor who sent it: anyone can encrypt to a
recipient, so that only a signature says from whom a file is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyrage

from mdlake.errors import KeyRefused, OtherRecipient, SealError
from mdlake.seals.key_files import read_owner_only, write_key_pair

__all__ = [
    "Identity",
    "Readable",
    "Recipient",
    "Writable",
    "decrypt",
    "encrypt",
    "generate_identity",
    "load_identity",
    "read_recipients",
]


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most so many; none at the end."""
        ...


class Writable(Protocol):
    """What bytes go to."""

    def write(self, data: bytes, /) -> int:
        """Take some, and say how many."""
        ...

    def flush(self) -> None:
        """Pass on what waits."""
        ...


@dataclass(frozen=True)
class Recipient:
    """A public key to encrypt to: ``age1…``."""

    text: str
    key: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class Identity:
    """The secret keys of one identity file. Its text form shows the public halves only."""

    recipients: tuple[str, ...]
    keys: tuple[Any, ...] = field(repr=False, compare=False)


def generate_identity(path: Path) -> Identity:
    """Make a new identity: a file that `age -i` reads, owner-only from the first byte, and its recipient in `path`.pub.

    Raises KeyRefused if either file is already there.
    """
    key = pyrage.x25519.Identity.generate()
    recipient = str(key.to_public())
    secret = f"# public key: {recipient}\n{key}\n".encode()
    write_key_pair(path, secret, path.with_name(path.name + ".pub"), f"{recipient}\n".encode())
    return Identity((recipient,), (key,))


def load_identity(path: Path) -> Identity:
    """The identities of a file that `age-keygen` or `generate_identity` wrote; several stand one to a line.

    Raises KeyRefused if the file could be read by anyone else, or a line is no X25519 identity.
    """
    lines = read_owner_only(path).decode("ascii", "replace").splitlines()
    keys = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            keys.append(pyrage.x25519.Identity.from_str(text))
        except pyrage.IdentityError:
            raise KeyRefused(
                f"line {number} is no age identity", where=str(path), next_step="Make one with `age-keygen -o FILE`."
            ) from None
    if not keys:
        raise KeyRefused("there is no age identity in it", where=str(path), next_step="Make one with `age-keygen -o FILE`.")
    return Identity(tuple(str(key.to_public()) for key in keys), tuple(keys))


def read_recipients(text: str, where: str) -> tuple[Recipient, ...]:
    """The recipients of a file for `age -R`: one to a line, ``#`` opens a comment line.

    Args:
        where: what the text is called in a message.

    Raises SealError naming the first line that is no X25519 recipient, or if there is none.
    """
    found = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            found.append(Recipient(line, pyrage.x25519.Recipient.from_str(line)))
        except pyrage.RecipientError:
            raise SealError(
                "this is no age recipient",
                where=f"{where}, line {number}",
                next_step="A recipient begins with age1; ask the IT Centre for its list again.",
            ) from None
    if not found:
        raise SealError("no recipient stands in it", where=where, next_step="Ask the IT Centre for its recipients.")
    return tuple(found)


def encrypt(source: Readable, target: Writable, recipients: Sequence[Recipient]) -> None:
    """Encrypt all of `source` to `target`, 64 kB at a time, so that each of the recipients can open it.

    Raises OSError as the streams do.
    """
    if not recipients:
        raise ValueError("a file is sealed to somebody")
    pyrage.encrypt_io(source, target, [recipient.key for recipient in recipients])


def decrypt(source: Readable, target: Writable, identity: Identity) -> None:
    """Decrypt all of `source` to `target`, 64 kB at a time.

    What reached `target` before an error is not to be used: a file that was cut off decrypts up to the cut.

    Raises:
        OtherRecipient: the file is sealed to others.
        SealError: it is cut off, changed, or no age file.
        OSError: a stream could not be read or written.
    """
    try:
        pyrage.decrypt_io(source, target, list(identity.keys))
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            fix = "Encrypt to the recipients that the IT Centre gave out."
            raise OtherRecipient("it is encrypted to other recipients", next_step=fix) from None
        raise _damaged() from None
    except OSError as error:
        # what fails behind the header comes as an error of reading, without the number that the system's errors have
        if error.errno is not None:
            raise
        raise _damaged() from None


def _damaged() -> SealError:
    return SealError("it cannot be decrypted: it was cut off or changed", next_step="Encrypt and sign it again, and send that.")
