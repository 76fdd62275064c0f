"""Who may sign what, and when: OpenSSH's ``allowed_signers`` list, and the list of revoked keys beside it.

Here: reading both, and whether a key may sign in a namespace at a time. Not here: signatures. Source: ssh-keygen(1),
ALLOWED SIGNERS and ``-r revocation_file`` (a plain list of public keys).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from mdlake.errors import SealError

__all__ = ["AllowedSigner", "AllowedSigners", "RevokedKeys", "fingerprint"]

_KEY_TYPES = ("ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa")
_SMALLEST_RSA = 2048
_TOKEN = re.compile(r'((?:"(?:\\"|[^"])*"|[^\s"])+)(?:[ \t]+|$)')
_OPTION = re.compile(r'([A-Za-z-]+)(?:="((?:\\"|[^"])*)")?(,(?=.)|$)')
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)", re.ASCII)
_REVOKED_AT = re.compile(r"(?:^|\s)revoked-at=(\S+)")
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class AllowedSigner:
    """One line of an ``allowed_signers`` list. `principals` and `namespaces` are OpenSSH pattern lists."""

    principals: str
    public_key: bytes
    namespaces: str | None
    valid_after: datetime | None
    valid_before: datetime | None
    line: int

    def is_for(self, principal: str) -> bool:
        """Whether the line is about this principal."""
        return _matches(principal, self.principals)

    def refusal(self, namespace: str, at: datetime) -> str | None:
        """Why this key may not sign in `namespace` at that time, or None if it may."""
        if self.namespaces is not None and not _matches(namespace, self.namespaces):
            return f"the key of line {self.line} may not sign in the namespace {namespace!r}"
        if self.valid_after is not None and at < self.valid_after:
            return f"the key of line {self.line} is valid only from {self.valid_after.isoformat()}"
        if self.valid_before is not None and at > self.valid_before:
            return f"the key of line {self.line} expired at {self.valid_before.isoformat()}"
        return None


@dataclass(frozen=True)
class AllowedSigners:
    """Who may sign, in what namespace, and when: an ``allowed_signers`` file."""

    signers: tuple[AllowedSigner, ...]

    @classmethod
    def parse(cls, text: str) -> AllowedSigners:
        """Read lines of ``principals [options] keytype base64-key [comment]``; ``#`` opens a comment line.

        Options: ``namespaces="…"``, ``valid-after="…"``, ``valid-before="…"``; a time is YYYYMMDD or
        YYYYMMDDHHMM[SS], in UTC with a final Z, else in the machine's zone. Raises SealError naming the first
        line that cannot be used: unlike OpenSSH, one bad line refuses the whole list, because half a list is
        not what was approved.
        """
        lines = [(number, line.strip(" \t\r")) for number, line in enumerate(text.split("\n"), start=1)]
        return cls(tuple(_signer(line, number) for number, line in lines if line and not line.startswith("#")))


@dataclass(frozen=True)
class RevokedKeys:
    """Keys of which no signature counts: a file for ``ssh-keygen -Y verify -r``, by public key in its wire form.

    A key that was only replaced is not revoked: its line in the allowed signers ends (``valid-before``).
    """

    since: Mapping[bytes, datetime] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> RevokedKeys:
        """Read lines of ``keytype base64-key [comment]``; ``#`` opens a comment line.

        The comment may say ``revoked-at=YYYYMMDDHHMMSSZ``, which OpenSSH does not look at: since when the register shows
        the signatures of the key as void. Without it they always are. Raises SealError naming the first line that cannot
        be used.
        """
        since: dict[bytes, datetime] = {}
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip(" \t\r")
            if not line or line.startswith("#"):
                continue
            kind, rest = _next_token(line, number, _REVOKED)
            encoded, comment = _next_token(rest, number, _REVOKED)
            said = _REVOKED_AT.search(comment)
            at = _time(said[1], number, _REVOKED) if said else None
            key = _public_key_bytes(kind, encoded, number, _REVOKED)
            since[key] = min(at or _EVER, since.get(key, at or _EVER))
        return cls(since)

    def is_revoked(self, public_key: bytes, at: datetime) -> bool:
        """Whether a key was known to be revoked at a time."""
        return public_key in self.since and self.since[public_key] <= at


def fingerprint(public_key: bytes) -> str:
    """``SHA256:…`` of a public key in its wire form, as `ssh-keygen -l` shows it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(public_key).digest()).decode().rstrip('=')}"


_ALLOWED, _REVOKED = "allowed signers", "revoked keys"


def _signer(line: str, number: int) -> AllowedSigner:
    principals, rest = _next_token(line, number)
    kind, rest = _next_token(rest, number)
    options: dict[str, str] = {}
    if "=" in kind:
        options = _options(kind, number)
        kind, rest = _next_token(rest, number)
    after, before = (_time(options.get(name), number) for name in ("valid-after", "valid-before"))
    if after is not None and before is not None and before <= after:
        raise _bad_line(number, "valid-before is not after valid-after")
    return AllowedSigner(
        principals=principals.strip('"'),
        public_key=_public_key_bytes(kind, _next_token(rest, number)[0], number),
        namespaces=options.get("namespaces"),
        valid_after=after,
        valid_before=before,
        line=number,
    )


def _next_token(text: str, number: int, of: str = _ALLOWED) -> tuple[str, str]:
    found = _TOKEN.match(text)
    if found is None:
        raise _bad_line(number, "the form is: principals [options] keytype base64-key", of)
    return found[1], text[found.end() :]


def _options(text: str, number: int) -> dict[str, str]:
    options: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _OPTION.match(text, position)
        if found is None:
            raise _bad_line(number, 'an option has the form name="value"')
        name, value = found[1].lower(), found[2]
        if name not in ("namespaces", "valid-after", "valid-before") or value is None:
            raise _bad_line(number, f"option {name!r} is not one of namespaces, valid-after, valid-before with a value")
        if name in options:
            raise _bad_line(number, f"option {name} stands twice")
        options[name] = value.replace('\\"', '"')
        position = found.end()
    return options


def _time(text: str | None, number: int, of: str = _ALLOWED) -> datetime | None:
    if text is None:
        return None
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 (local, as ssh-keygen has it)
        return moment.replace(tzinfo=UTC) if found[7] else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad_line(number, "a time has the form YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z]", of) from None


def _public_key_bytes(kind: str, encoded: str, number: int, of: str = _ALLOWED) -> bytes:
    if kind not in _KEY_TYPES:
        raise _bad_line(number, f"keys of type {kind!r} cannot be used; known: {', '.join(_KEY_TYPES)}", of)
    try:
        wire = base64.b64decode(encoded, validate=True)
        key = load_ssh_public_key(f"{kind} {encoded}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _bad_line(number, "the public key is damaged", of) from None
    if isinstance(key, RSAPublicKey) and key.key_size < _SMALLEST_RSA:
        raise _bad_line(number, f"an RSA key needs {_SMALLEST_RSA} bits or more", of)
    return wire


def _bad_line(number: int, what: str, of: str = _ALLOWED) -> SealError:
    return SealError(what, where=f"{of}, line {number}", next_step="See ssh-keygen(1), ALLOWED SIGNERS.")


@lru_cache(maxsize=4096)  # every signature is held against every line
def _matches(name: str, patterns: str) -> bool:
    """A pattern list of ssh_config(5): ``*``, ``?``, and ``!``, whose match refuses the name."""
    matched = False
    for pattern in patterns.split(","):
        body = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in pattern.removeprefix("!"))
        if re.fullmatch(body, name, re.DOTALL):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched
