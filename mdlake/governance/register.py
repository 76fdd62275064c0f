"""The register of decisions: which were made, which count, and why the others do not.

A decision is a file in `control/decisions/`, `<id>.yaml`, with a signature of each office beside it, `<id>.yaml.<office>.sig`.
It counts from the moment at which it was found complete and entered in the audit chain, because a signature does not say when
it was made: that moment is what a key's validity is held against. The file is read and its signatures are checked again
whenever somebody relies on it. Time is handed in. Not here: what needs a decision; the gate does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from mdlake.config import REVOCATION, Configuration, Home, SignatureRule
from mdlake.errors import DecisionRefused
from mdlake.governance.decision import Decision, Scope, fit_problems, namespace, read_decision
from mdlake.governance.signatures import KeyList, Lack, Signature, check_signatures, lacking, offices_asked
from mdlake.ledger import AcceptedDecision, Ledger
from mdlake.standard import Period, midnight_in_iran

__all__ = ["Register", "Standing", "State"]

State = Literal["broken", "waiting", "complete", "live", "not begun", "expired", "revoked", "void"]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,79}")
_LARGEST = 256 * 1024
"""Bytes of a decision's file, a hundred times what one has."""


@dataclass(frozen=True)
class Standing:
    """How a decision stands at a time.

    Attributes:
        state: `broken`: not a decision that could be signed; `waiting` for signatures; `complete`: signed, not accepted yet;
            then `not begun`, `live`, `expired`, `revoked`, or `void`: accepted, and since then its file was changed or lost, or
            a key that signed it was revoked.
        reason: why it does not count, in words; empty where it does.
        lacks: what its signatures do not meet.
        revoked_by: the decision that withdrew it.
    """

    decision_id: str
    state: State
    reason: str
    decision: Decision | None
    signatures: tuple[Signature, ...] = ()
    lacks: tuple[Lack, ...] = ()
    accepted: AcceptedDecision | None = None
    revoked_by: AcceptedDecision | None = None

    @property
    def counts(self) -> bool:
        """Whether anything may be built on it."""
        return self.state == "live"


@dataclass(frozen=True)
class Register:
    """The decisions of an installation. Its methods raise SealError where a list of keys cannot be used."""

    home: Home
    configuration: Configuration
    ledger: Ledger

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.home.control / "decisions"

    @property
    def keys(self) -> KeyList:
        """Whose key is whose, as the files say now."""
        return KeyList.read(self.allowed_signers, self.revoked_keys)

    @property
    def allowed_signers(self) -> Path:
        """Whose key is whose, as OpenSSH reads it."""
        return self.home.control / "allowed_signers"

    @property
    def revoked_keys(self) -> Path:
        """Keys whose signatures count no more, as OpenSSH reads it."""
        return self.home.control / "revoked_keys"

    def path(self, decision_id: str) -> Path:
        """The file of a decision. Raises DecisionRefused if no decision could be called so."""
        if not _ID.fullmatch(decision_id):
            raise DecisionRefused("no decision is called so", where=decision_id[:80], next_step="See `mdlake decide list`.")
        return self.folder / f"{decision_id}.yaml"

    def signature_path(self, decision_id: str, office: str) -> Path:
        """Where an office's signature of a decision lies."""
        return self.path(decision_id).with_name(f"{decision_id}.yaml.{office}.sig")

    # How decisions stand

    def standing(self, decision_id: str, at: datetime) -> Standing:
        """How one decision stands.

        Raises:
            DecisionRefused: there is none of that id.
        """
        accepted = self.ledger.decisions.get(decision_id)
        if accepted is not None and accepted.accepted_at <= at:
            return self._accepted_standing(accepted, self._withdrawal(decision_id, at), at)
        path = self.path(decision_id)
        if not path.is_file():
            raise DecisionRefused("there is no such decision", where=decision_id, next_step="See `mdlake decide list`.")
        prefix, suffix = f"{path.name}.", ".sig"
        offices = [found.name[len(prefix) : -len(suffix)] for found in self.folder.glob(f"{prefix}*{suffix}")]
        return self._draft_standing(decision_id, offices, at)

    def counting(self, kind: str, subject: str, at: datetime, period: Period | None = None) -> Iterator[Decision]:
        """The decisions of a kind about something that count, newest first, checked as they are asked for.

        Args:
            period: only those that cover it.
        """
        days = (period.first_day, period.last_day) if period else None
        for accepted in self.ledger.decisions.about(kind, subject, at, days):
            standing = self._accepted_standing(accepted, self._withdrawal(accepted.decision_id, at), at)
            if standing.counts and standing.decision is not None and _covers(standing.decision.scope, subject, period):
                yield standing.decision

    def about(self, kind: str, subject: str, at: datetime) -> Iterator[Standing]:
        """Every decision of a kind about something, first what waits, then what was accepted, newest first."""
        for draft in self.drafts(at, words=(kind, subject.partition("@")[0].partition("#")[0])):
            if draft.decision and draft.decision.file.kind == kind and subject in draft.decision.scope.subjects:
                yield draft
        for accepted in self.ledger.decisions.about(kind, subject, at, live=False):
            yield self._accepted_standing(accepted, self._withdrawal(accepted.decision_id, at), at)

    def drafts(self, at: datetime, words: tuple[str, ...] = ()) -> tuple[Standing, ...]:
        """The decisions that were there and not accepted at a time, by id; one that cannot be read was always there.

        Args:
            words: only those in whose files each of these stands; the others are not even parsed.
        """
        if not self.folder.is_dir():
            return ()
        names = os.listdir(self.folder)  # noqa: PTH208 - years of decisions, and several times as many signatures
        files: dict[str, list[str]] = {name.removesuffix(".yaml"): [] for name in names if name.endswith(".yaml")}
        for decision_id in self.ledger.decisions.ids(at):
            files.pop(decision_id, None)
        for decision_id, _, office in (name.partition(".yaml.") for name in names if name.endswith(".sig")):
            if decision_id in files:
                files[decision_id].append(office.removesuffix(".sig"))
        drafts = [self._draft_standing(name, files[name], at) for name in sorted(files) if self._has_words(name, words)]
        return tuple(s for s in drafts if s.decision is None or midnight_in_iran(s.decision.file.dated) <= at)

    def all(self, at: datetime) -> tuple[Standing, ...]:
        """Every decision, those that wait first, then by when they were accepted."""
        accepted = self.ledger.decisions.all(at)
        withdrawals = {name: found for found in accepted if _withdraws(found, at) for name in found.subjects}
        standings = (self._accepted_standing(found, withdrawals.get(found.decision_id), at) for found in accepted)
        return (*self.drafts(at), *standings)

    # Acceptance

    def accept(self, decision_id: str, at: datetime) -> Standing:
        """Enter a decision in the audit chain if nothing is missing.

        Raises:
            DecisionRefused: signatures are missing, or what it says does not hold.
        """
        standing = self.standing(decision_id, at)
        if standing.accepted is not None:
            return standing
        if standing.state != "complete" or standing.decision is None:
            raise DecisionRefused(standing.reason, where=decision_id, next_step=f"See `mdlake decide show {decision_id}`.")
        decision = standing.decision
        holding = {signature.office: signature.sha256 for signature in standing.signatures if signature.fault is None}
        asked = self.offices_asked(decision)
        accepted = AcceptedDecision(
            decision_id=decision.id,
            kind=decision.file.kind,
            subjects=decision.scope.subjects,
            first_day=decision.scope.periods.first.first_day if decision.scope.periods else None,
            last_day=decision.scope.periods.last.last_day if decision.scope.periods else None,
            begins_at=decision.begins_at,
            ends_at=decision.ends_at,
            accepted_at=at,
            sha256=decision.sha256,
            signatures={office: sha256 for office, sha256 in holding.items() if office in asked},
        )
        return self._accepted_standing(self.ledger.decisions.accept(accepted), self._withdrawal(decision_id, at), at)

    def accept_complete(self, at: datetime) -> tuple[Standing, ...]:
        """Accept every decision that has its signatures, in the order of their dates; one may rest on another."""
        accepted: list[Standing] = []
        while complete := [draft for draft in self.drafts(at) if draft.state == "complete"]:
            accepted += [self.accept(draft.decision_id, at) for draft in complete]
        return tuple(accepted)

    # What a standing follows from

    def offices_asked(self, decision: Decision) -> frozenset[str]:
        """Every office whose signature of a decision means something."""
        return offices_asked(self._rules(decision), self.configuration, self._organizations(decision))

    def _rules(self, decision: Decision) -> tuple[SignatureRule, ...]:
        """Who must sign a decision; a withdrawal, whoever the kind that it withdraws says."""
        kinds = self.configuration.decisions.kinds
        withdrawn = decision.scope.decision
        if decision.file.kind != REVOCATION or withdrawn is None:
            return kinds[decision.file.kind].signatures
        target = self.ledger.decisions.get(withdrawn.id)
        return kinds[target.kind].revoked_by if target is not None and target.kind in kinds else ()

    def _organizations(self, decision: Decision) -> tuple[str, ...]:
        return tuple(dict.fromkeys(dataset.split("/")[0] for dataset in decision.scope.dataset_keys))

    def _signed(self, decision: Decision, offices: Iterable[str], signed_by: datetime, at: datetime) -> _Signed:
        texts: dict[str, str] = {}
        for office in offices:
            path = self.signature_path(decision.id, office)
            if path.is_file():
                texts[office] = _content(path).decode("ascii", "replace")
        signatures = check_signatures(decision.content, texts, namespace(decision.file.kind), self.keys, signed_by, at)
        rules, organizations = self._rules(decision), self._organizations(decision)
        asked = self.offices_asked(decision)
        signatures = tuple(
            signature
            if signature.fault or signature.office in asked
            else replace(signature, fault="a decision of this kind does not ask for it")
            for signature in signatures
        )
        holding = {signature.office for signature in signatures if signature.fault is None}
        return _Signed(signatures, lacking(rules, holding, self.configuration, organizations))

    def _draft_standing(self, decision_id: str, offices: list[str], at: datetime) -> Standing:
        decision, problems = read_decision(_content(self.folder / f"{decision_id}.yaml"), f"{decision_id}.yaml")
        if decision is None:
            reason = "; ".join(f"line {p.line}: {p.field} {p.message}. {p.fix}" for p in problems)
            return Standing(decision_id, "broken", reason, None)
        objections = [*fit_problems(decision, self.configuration), *self._objections(decision, at)]
        if objections:
            return Standing(decision_id, "broken", "; ".join(objections), decision)
        signed = self._signed(decision, offices, at, at)
        if signed.lacks:
            return Standing(decision_id, "waiting", signed.reason, decision, signed.signatures, signed.lacks)
        early = self._not_before(decision, at)
        if early:
            return Standing(decision_id, "waiting", early, decision, signed.signatures)
        reason = f"it is signed and was not accepted yet: mdlake decide accept {decision_id}"
        return Standing(decision_id, "complete", reason, decision, signed.signatures)

    def _objections(self, decision: Decision, at: datetime) -> Iterator[str]:
        """What stands against a decision that was not accepted yet, beside its signatures."""
        if decision.ends_at is not None and decision.ends_at <= at:
            yield "it ended before it was accepted"
        mark = decision.scope.decision
        if decision.file.kind != REVOCATION or mark is None:
            return
        target = self.ledger.decisions.get(mark.id)
        if target is None:
            yield f"it withdraws {mark.id}, and no such decision was accepted"
        elif target.sha256 != mark.sha256:
            yield f"it withdraws {mark.id} with another text than was accepted"
        elif not self._rules(decision):
            yield f"a decision of the kind {target.kind} is withdrawn by nobody"

    def _not_before(self, decision: Decision, at: datetime) -> str | None:
        """What has to be decided first; None where nothing is."""
        after = self.configuration.decisions.kinds[decision.file.kind].after
        if after is None:
            return None
        absent = [key for key in decision.scope.dataset_keys if next(self.counting(after, key, at), None) is None]
        return f"no live decision {after} covers {', '.join(absent)}, and it must come first" if absent else None

    def _has_words(self, decision_id: str, words: tuple[str, ...]) -> bool:
        if not words:
            return True
        content = _content(self.folder / f"{decision_id}.yaml")
        return all(word.encode() in content for word in words)

    def _withdrawal(self, decision_id: str, at: datetime) -> AcceptedDecision | None:
        """The decision by which another is withdrawn at a time."""
        return next(self.ledger.decisions.about(REVOCATION, decision_id, at), None)

    def _accepted_standing(self, accepted: AcceptedDecision, withdrawal: AcceptedDecision | None, at: datetime) -> Standing:
        # a withdrawal that was accepted counts, even if its own file is lost: losing it must not bring an approval back
        decision, damage = self._as_accepted(accepted)
        if decision is None:
            return Standing(accepted.decision_id, "void", damage, None, accepted=accepted)
        signed = self._signed(decision, accepted.signatures, accepted.accepted_at, at)
        state, reason = _state(decision, accepted, signed, withdrawal, at)
        return Standing(decision.id, state, reason, decision, signed.signatures, signed.lacks, accepted, withdrawal)

    def _as_accepted(self, accepted: AcceptedDecision) -> tuple[Decision | None, str]:
        """The decision, if its file is still the one that was accepted, or what became of it."""
        path = self.path(accepted.decision_id)
        if not path.is_file():
            return None, f"its file is not in {self.folder} any more: restore it from a copy"
        decision, _ = read_decision(_content(path), path.name)
        if decision is None or decision.sha256 != accepted.sha256:
            return None, "its file was changed after it was accepted: restore it from a copy"
        if decision.file.kind not in self.configuration.decisions.kinds:
            return None, f"there is no kind of decision called {decision.file.kind!r} any more (decisions.yaml)"
        return decision, ""


@dataclass(frozen=True)
class _Signed:
    signatures: tuple[Signature, ...]
    lacks: tuple[Lack, ...]

    @property
    def reason(self) -> str:
        """What is missing, and what is wrong with what is there."""
        faults = [f"the signature of {s.office} does not count: {s.fault}" for s in self.signatures if s.fault]
        return "; ".join(["it lacks signatures: " + " · ".join(map(str, self.lacks)), *faults])


def _state(
    decision: Decision, accepted: AcceptedDecision, signed: _Signed, withdrawal: AcceptedDecision | None, at: datetime
) -> tuple[State, str]:
    """The state of an accepted decision whose file is as it was, and why."""
    days = decision.file.model_dump(mode="json", include={"valid_from", "valid_until"})
    if signed.lacks:
        gone = sorted(set(accepted.signatures) - {signature.office for signature in signed.signatures})
        return "void", "; ".join([signed.reason, *(f"the signature of {office} is gone" for office in gone)])
    if withdrawal is not None:
        return "revoked", f"it was withdrawn by {withdrawal.decision_id}"
    if decision.begins_at > at:
        return "not begun", f"it counts from {days['valid_from']} on"
    if decision.ends_at is not None and decision.ends_at <= at:
        return "expired", f"it ended with {days['valid_until']}"
    return "live", ""


def _withdraws(accepted: AcceptedDecision, at: datetime) -> bool:
    """Whether a decision is a withdrawal that had begun and not ended at a time."""
    return accepted.kind == REVOCATION and accepted.begins_at <= at and (accepted.ends_at is None or at < accepted.ends_at)


def _covers(scope: Scope, subject: str, period: Period | None) -> bool:
    """Whether what was signed says what the ledger found it by."""
    return subject in scope.subjects and (period is None or scope.periods is None or scope.periods.covers(period))


def _content(path: Path) -> bytes:
    """The bytes of a file, as far as a decision could be long: one that is longer does not hold anyway."""
    with path.open("rb") as file:
        return file.read(_LARGEST)
