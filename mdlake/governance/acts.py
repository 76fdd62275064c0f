"""What an office does: drafts a decision and signs it. And what security does: admits an office's key and revokes it.

Each act leaves a file that the offices can read and make without this program (`ssh-keygen -Y sign`); keys that come and go
leave an entry in the audit log too. Time is handed in. Not here: whether what was done counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mdlake.config import (
    DELIVERY_NAMESPACE,
    REVOCATION,
    SELF_CHECK_NAMESPACE,
    Configuration,
    Label,
    sender,
    statistics_unit,
)
from mdlake.errors import DecisionRefused, UnknownName
from mdlake.governance.decision import Decision, fit_problems, namespace, written_decision
from mdlake.governance.register import Register, Standing
from mdlake.governance.signatures import check_signatures, offices_asked
from mdlake.seals import AllowedSigners, RevokedKeys, SigningKey, fingerprint, sign
from mdlake.standard import day_in_iran, persian_digits, solar_hijri_day

__all__ = ["admit_key", "draft_decision", "namespaces_of", "revoke_key", "sign_decision"]


def draft_decision(
    register: Register,
    kind: str,
    scope: Mapping[str, object],
    at: datetime,
    *,
    decision_id: str | None = None,
    days: int | None = None,
    title: Mapping[str, str] | None = None,
    text: Mapping[str, str] | None = None,
) -> Decision:
    """Write a decision for its offices to sign.

    Args:
        scope: fields of `Scope`, as plain data.
        decision_id: what to call it; without one, by its day and kind.
        days: how many days it counts, this one included; without them it has no end.
        title, text: in both languages; without a title, the kind's label and what it is about.

    Raises:
        UnknownName: there is no such kind.
        DecisionRefused: the kind does not allow it, or the id is taken.
    """
    kinds = register.configuration.decisions.kinds
    if kind not in kinds:
        raise UnknownName("kind of decision", kind, kinds)
    today = day_in_iran(at)
    day = solar_hijri_day(today)
    decision = written_decision(
        {
            "id": decision_id or _free_id(register, f"{day}-{kind.replace('_', '-')}"),
            "kind": kind,
            "title": dict(title) if title else _title(register.configuration, kinds[kind].label, scope),
            "dated": day,
            "valid_from": day,
            "valid_until": solar_hijri_day(today + timedelta(days=days - 1)) if days else None,
            "scope": {name: value for name, value in scope.items() if value not in (None, [], ())},
            "text": dict(text) if text else None,
        }
    )
    problems = tuple(fit_problems(decision, register.configuration))
    if problems:
        raise DecisionRefused("; ".join(problems), where=kind, next_step=f"See `mdlake decide draft {kind} --help`.")
    path = register.path(decision.id)
    _write_new(path, decision.content)
    return decision


def _title(configuration: Configuration, kind: Label, scope: Mapping[str, object]) -> dict[str, str]:
    """The kind and the dataset that it is about, or how many."""
    named = scope.get("datasets") or [mark["dataset"] for mark in scope.get("contracts") or ()]  # type: ignore[attr-defined]
    keys = sorted({str(key) for key in named})  # type: ignore[attr-defined]
    if not keys:
        return {"fa": kind.fa, "en": kind.en}
    if len(keys) == 1 and keys[0] in configuration.datasets:
        label = configuration.datasets[keys[0]].file.label
        return {"fa": f"{kind.fa}: {label.fa}", "en": f"{kind.en}: {label.en}"}
    return {"fa": f"{kind.fa}: {persian_digits(str(len(keys)))} مجموعه داده", "en": f"{kind.en}: {len(keys)} datasets"}


def _free_id(register: Register, stem: str) -> str:
    number = 1
    while register.path(f"{stem}-{number}").exists() or register.ledger.decisions.get(f"{stem}-{number}"):
        number += 1
    return f"{stem}-{number}"


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise DecisionRefused("the file is there already", where=str(path), next_step="Choose another id.") from None


def sign_decision(register: Register, decision_id: str, office: str, key: SigningKey, at: datetime) -> Standing:
    """Sign a decision in the name of an office, and tell how it stands then.

    Raises:
        UnknownName: there is no such office.
        DecisionRefused: it cannot be signed as it is, the office is not asked, or the key is not the office's.
    """
    configuration = register.configuration
    if office not in configuration.signing_offices:
        raise UnknownName("office", office, configuration.signing_offices)
    standing = register.standing(decision_id, at)
    decision = standing.decision
    if decision is None or standing.state == "broken":
        raise DecisionRefused(standing.reason, where=decision_id, next_step="Draft it again.")
    if standing.accepted is not None:
        raise DecisionRefused("it was accepted already", where=decision_id, next_step="There is nothing to sign.")
    if office not in register.offices_asked(decision):
        asked = ", ".join(sorted(register.offices_asked(decision)))
        raise DecisionRefused(
            f"a decision of this kind does not ask for {office}", where=decision_id, next_step=f"Asked: {asked}."
        )
    text = sign(decision.content, key, namespace(decision.file.kind))
    [checked] = check_signatures(decision.content, {office: text}, namespace(decision.file.kind), register.keys, at, at)
    if checked.fault:
        raise DecisionRefused(f"the signature would not count: {checked.fault}", where=f"{decision_id}, {office}")
    path = register.signature_path(decision_id, office)
    if any(there.office == office and there.fault for there in standing.signatures):
        path.unlink()
    _write_new(path, text.encode())
    return register.standing(decision_id, at)


def namespaces_of(configuration: Configuration, office: str) -> tuple[str, ...]:
    """In which namespaces a key holder signs.

    Those of the kinds that ask for it, of withdrawals if it may withdraw any, and, of producers, what is signed in deliveries.
    """
    kinds = configuration.decisions.kinds
    organizations = tuple(configuration.organizations)
    asked = [name for name, kind in kinds.items() if office in offices_asked(kind.signatures, configuration, organizations)]
    if any(office in offices_asked(kind.revoked_by, configuration, organizations) for kind in kinds.values()):
        asked.append(REVOCATION)
    delivered = [
        space
        for holder, space in ((sender, DELIVERY_NAMESPACE), (statistics_unit, SELF_CHECK_NAMESPACE))
        if office in map(holder, organizations)
    ]
    return (*(namespace(kind) for kind in asked), *delivered)


def admit_key(
    register: Register,
    office: str,
    public_line: str,
    at: datetime,
    valid_after: datetime | None = None,
    valid_before: datetime | None = None,
    comment: str = "",
) -> str:
    """Add an office's public key to the allowed signers, and return its fingerprint.

    Args:
        public_line: ``keytype base64-key``, with or without a comment.

    Raises:
        UnknownName: there is no such office.
        DecisionRefused: the key is another office's, or revoked.
        SealError: it is no key that can be used.
    """
    configuration = register.configuration
    if office not in configuration.key_holders:
        raise UnknownName("office", office, configuration.key_holders)
    options = [f'namespaces="{",".join(namespaces_of(configuration, office))}"']
    options += [f'{name}="{moment:%Y%m%d%H%M%S}Z"' for name, moment in _bounds(valid_after, valid_before) if moment]
    line = " ".join([office, ",".join(options), *public_line.split()[:2], *comment.split()])
    [signer] = AllowedSigners.parse(line).signers
    keys = register.keys
    for other in keys.allowed.signers:
        if other.public_key == signer.public_key and not other.is_for(office):
            raise DecisionRefused(
                f"the key is that of {other.principals}", where=office, next_step="Each office signs with a key of its own."
            )
    if keys.revoked.is_revoked(signer.public_key, at):
        raise DecisionRefused("the key is revoked", where=office, next_step="Make a new one: ssh-keygen -t ed25519.")
    _append(register.allowed_signers, line)
    name = fingerprint(signer.public_key)
    register.ledger.audit.append("mdlake", "office.key_admitted", {"office": office, "key": name}, at)
    return name


def _bounds(after: datetime | None, before: datetime | None) -> tuple[tuple[str, datetime | None], ...]:
    return tuple((name, moment and moment.astimezone(UTC)) for name, moment in (("valid-after", after), ("valid-before", before)))


def revoke_key(register: Register, public_line: str, at: datetime) -> str:
    """Add a public key to the revoked keys, and return its fingerprint: none of its signatures counts from now on.

    Raises:
        SealError: it is no key that can be used.
    """
    line = " ".join([*public_line.split()[:2], f"revoked-at={at.astimezone(UTC):%Y%m%d%H%M%S}Z"])
    [key] = RevokedKeys.parse(line).since
    if not register.keys.revoked.is_revoked(key, at):
        _append(register.revoked_keys, line)
        register.ledger.audit.append("mdlake", "office.key_revoked", {"key": fingerprint(key)}, at)
    return fingerprint(key)


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
