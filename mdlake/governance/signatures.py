"""Who signed a decision, and who still has to.

Here: the keys of the offices, checking the signatures that lie beside a decision, and holding them against what its kind
demands. Not here: what the decision says, nor whether it counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from mdlake.config import Configuration, SignatureRule, statistics_unit
from mdlake.errors import SealError
from mdlake.seals import AllowedSigners, RevokedKeys, verify

__all__ = ["KeyList", "Lack", "Signature", "check_signatures", "describe_signatures", "lacking", "offices_asked"]


@dataclass(frozen=True)
class KeyList:
    """Whose key is whose, and which are revoked: the texts of `allowed_signers` and `revoked_keys`."""

    allowed_text: str
    revoked_text: str

    @classmethod
    def read(cls, allowed_signers: Path, revoked_keys: Path) -> KeyList:
        """The lists as they are now; a file that is absent names nobody."""
        return cls(*(path.read_text(encoding="utf-8") if path.is_file() else "" for path in (allowed_signers, revoked_keys)))

    @property
    def allowed(self) -> AllowedSigners:
        """Who may sign. Raises SealError if the list cannot be used."""
        return _allowed(self.allowed_text)

    @property
    def revoked(self) -> RevokedKeys:
        """Whose signatures count no more. Raises SealError if the list cannot be used."""
        return _revoked(self.revoked_text)


@lru_cache(maxsize=8)
def _allowed(text: str) -> AllowedSigners:
    return AllowedSigners.parse(text)


@lru_cache(maxsize=8)
def _revoked(text: str) -> RevokedKeys:
    return RevokedKeys.parse(text)


@dataclass(frozen=True)
class Signature:
    """A signature beside a decision.

    Attributes:
        fault: why it does not count; None where it does.
        sha256: of its file, hex.
    """

    office: str
    fault: str | None
    sha256: str


def check_signatures(
    content: bytes, signatures: Mapping[str, str], namespace: str, keys: KeyList, signed_by: datetime, at: datetime
) -> tuple[Signature, ...]:
    """Check every signature beside a decision.

    Args:
        content: the decision's file.
        signatures: armored text by the office in whose name it is.
        signed_by: when a key must have been valid: a signature says no time, so it is that at which it was first seen.
        at: as of when keys are revoked.

    Raises:
        SealError: a list of keys cannot be used.
    """
    given = tuple(sorted(signatures.items()))
    holders: dict[bytes, str] = {}
    checked = []
    for (office, text), (_, key, fault) in zip(given, _faults(content, given, namespace, keys, signed_by), strict=True):
        if key is not None and keys.revoked.is_revoked(key, at):
            fault = "its key is revoked. The office signs with a new key"  # noqa: PLW2901
        elif key is not None and key in holders:
            # who holds two offices' keys would otherwise be two of those who must agree
            fault = f"it was made with the key of {holders[key]}. Each office signs with a key of its own"  # noqa: PLW2901
        if key is not None and fault is None:
            holders[key] = office
        checked.append(Signature(office, fault, hashlib.sha256(text.encode()).hexdigest()))
    return tuple(checked)


@lru_cache(maxsize=512)  # the gate asks about the same few decisions for every partition
def _faults(
    content: bytes, signatures: tuple[tuple[str, str], ...], namespace: str, keys: KeyList, signed_by: datetime
) -> tuple[tuple[str, bytes | None, str | None], ...]:
    """For each signature: the office, the public key that made it, and what is wrong with it."""
    allowed = keys.allowed  # a list that cannot be used is no fault of a signature
    found: list[tuple[str, bytes | None, str | None]] = []
    for office, text in signatures:
        try:
            signer = verify(content, text, allowed, office, namespace, signed_by)
        except SealError as error:
            found.append((office, None, f"{error.what}. {error.next_step}"))
        else:
            found.append((office, signer.public_key, None))
    return tuple(found)


@dataclass(frozen=True)
class Lack:
    """A demand that the signatures do not meet yet.

    Attributes:
        demand: who must sign, in words.
        signed: how many of them did.
        needed: how many more must, at least.
        offices: who may sign to meet it.
    """

    demand: str
    signed: int
    needed: int
    offices: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.demand}: {self.signed} signed, {self.needed} more needed"


def lacking(
    rules: Iterable[SignatureRule], signed: Collection[str], configuration: Configuration, organizations: Iterable[str]
) -> tuple[Lack, ...]:
    """What demands on a decision are not met by the offices whose signatures hold.

    Args:
        organizations: those whose datasets the decision covers.
    """
    organizations = tuple(organizations)
    lacks = (_lack(rule, signed, configuration, organizations) for rule in rules)
    return tuple(lack for lack in lacks if lack is not None)


def offices_asked(rules: Iterable[SignatureRule], configuration: Configuration, organizations: Iterable[str]) -> frozenset[str]:
    """Every office whose signature means something under these demands."""
    organizations = tuple(organizations)
    return frozenset(office for rule in rules for office in _who(rule, configuration, organizations)[1])


def describe_signatures(rules: Iterable[SignatureRule], configuration: Configuration) -> str:
    """Who must sign, in a few words: offices by their names in the configuration."""
    words = []
    for rule in rules:
        if rule.body is not None:
            body = configuration.offices.bodies[rule.body]
            words.append(f"{rule.body} ({body.quorum.at_least} of {len(body.members)})")
        elif rule.statistics_units is not None:
            words.append(statistics_unit("…"))
        else:
            words.append(" + ".join(rule.all_of) if rule.all_of else f"{rule.at_least} of ({', '.join(rule.of)})")
    return " + ".join(words) or "those who may withdraw it"


def _who(rule: SignatureRule, configuration: Configuration, organizations: tuple[str, ...]) -> tuple[int, tuple[str, ...], str]:
    """How many must sign, of whom, and both in words."""
    labels = configuration.signing_offices
    if rule.body is not None:
        body = configuration.offices.bodies[rule.body]
        including = "".join(f", {labels[office].en} among them" for office in body.quorum.including)
        many = body.quorum.at_least
        return many, body.members, f"{many} of the {len(body.members)} of the {body.label.en}{including}"
    if rule.statistics_units is not None:
        units = tuple(statistics_unit(organization) for organization in organizations)
        return len(units), units, " and ".join(f"{labels[unit].en} ({unit})" if unit in labels else unit for unit in units)
    if rule.all_of:
        return len(rule.all_of), rule.all_of, " and ".join(labels[office].en for office in rule.all_of)
    many = rule.at_least or 0
    return many, rule.of, f"{many} of: {', '.join(labels[office].en for office in rule.of)}"


def _lack(
    rule: SignatureRule, signed: Collection[str], configuration: Configuration, organizations: tuple[str, ...]
) -> Lack | None:
    many, offices, demand = _who(rule, configuration, organizations)
    including = configuration.offices.bodies[rule.body].quorum.including if rule.body is not None else ()
    there = [office for office in offices if office in signed]
    absent = [office for office in including if office not in signed]
    needed = max(many - len(there), len(absent))
    if not needed:
        return None
    # where only those are missing without whom there is no quorum, nobody else can mend it
    open_to = absent if many - len(there) <= len(absent) and absent else [office for office in offices if office not in signed]
    return Lack(demand, len(there), needed, tuple(open_to))
