"""A rehearsal: invented offices with all their keys on one machine, and the decisions that publication needs.

For a rehearsal only: whoever holds every key decides alone. Where an office has a key of its own nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from mdlake.config import DATASET_APPROVED, PERIOD_EXCEPTION, STANDARD_APPROVED, Dataset, Home
from mdlake.errors import DecisionRefused
from mdlake.governance.acts import admit_key, draft_decision, sign_decision
from mdlake.governance.register import Register, Standing
from mdlake.seals import SigningKey, generate_signing_key, load_signing_key

__all__ = ["SyntheticOffices", "rehearsal_folder", "rehearse"]

_DATASET_PROPOSED = "dataset_proposed"


class SyntheticOffices:
    """All offices of a configuration, with their keys in one folder."""

    def __init__(self, register: Register, keys: Path) -> None:
        """`keys`: the folder of the private keys, one file for each office."""
        self._register = register
        self._folder = keys

    def appoint(self, at: datetime, holders: Iterable[str] | None = None) -> int:
        """Make the keys that are missing and admit them, and return their number.

        Args:
            holders: only these; without them everybody of the configuration who has a key.

        Raises:
            DecisionRefused: an office has a key that is not of a rehearsal.
        """
        offices = self._register.configuration.key_holders if holders is None else tuple(holders)
        foreign = [
            signer.principals
            for signer in self._register.keys.allowed.signers
            if signer.principals in offices and not self._path(signer.principals).exists()
        ]
        if foreign:
            raise DecisionRefused(
                f"{len(foreign)} offices have keys of their own, so this is no rehearsal",
                where=str(self._register.allowed_signers),
                next_step="Have the offices sign: mdlake decide waiting OFFICE.",
            )
        made = [office for office in offices if not self._path(office).exists()]
        for office in made:
            key = generate_signing_key(self._path(office), "rehearsal")
            admit_key(self._register, office, key.public_line, at, comment="rehearsal")
        return len(made)

    def key(self, office: str) -> SigningKey:
        """The key of an office."""
        return load_signing_key(self._path(office))

    def decide(self, kind: str, scope: Mapping[str, object], at: datetime, *, days: int | None = None) -> Standing:
        """Draft a decision, sign it by everybody who is asked, and accept it."""
        decision = draft_decision(self._register, kind, scope, at, days=days)
        return self.sign(decision.id, at)

    def sign(self, decision_id: str, at: datetime) -> Standing:
        """Sign a decision by everybody who is asked and has not signed, and accept it."""
        standing = self._register.standing(decision_id, at)
        signed = {signature.office for signature in standing.signatures if signature.fault is None}
        asked = self._register.offices_asked(standing.decision) if standing.decision else frozenset()
        for office in sorted(asked - signed):
            sign_decision(self._register, decision_id, office, self.key(office), at)
        return self._register.accept(decision_id, at)

    def propose_and_approve(self, datasets: Iterable[Dataset], at: datetime) -> list[Standing]:
        """What publication of datasets needs, but for the period: each in one decision, for those that lack it."""
        datasets = tuple(datasets)
        decided = [
            self.decide(kind, {"datasets": lacking}, at)
            for kind in (_DATASET_PROPOSED, DATASET_APPROVED)
            if (lacking := [d.key for d in datasets if not self._has(kind, d.key, at)])
        ]
        marks = [
            {"dataset": dataset.key, "version": contract.version, "sha256": dataset.standard_sha256(contract)}
            for dataset in datasets
            for contract in dataset.versions
            if not self._has(STANDARD_APPROVED, f"{dataset.key}@{dataset.standard_sha256(contract)}", at)
        ]
        return [*decided, self.decide(STANDARD_APPROVED, {"contracts": marks}, at)] if marks else decided

    def except_periods(self, datasets: Iterable[Dataset], at: datetime) -> list[Standing]:
        """The period exceptions of datasets that do not come each month, for those that lack it."""
        lacking: dict[str, list[str]] = {}
        for dataset in datasets:
            if dataset.file.periodicity != "month" and not self._has(PERIOD_EXCEPTION, dataset.key, at):
                lacking.setdefault(dataset.file.periodicity, []).append(dataset.key)
        return [
            self.decide(PERIOD_EXCEPTION, {"datasets": keys, "periodicity": periodicity}, at)
            for periodicity, keys in lacking.items()
        ]

    def _has(self, kind: str, subject: str, at: datetime) -> bool:
        return next(self._register.counting(kind, subject, at), None) is not None

    def _path(self, office: str) -> Path:
        return self._folder / office


def rehearse(register: Register, at: datetime, *, periods: bool = True) -> list[Standing]:
    """Make the keys that are missing, and decide what publication needs and lacks.

    Args:
        periods: whether also that some datasets come in another period than the month.
    """
    offices = SyntheticOffices(register, rehearsal_folder(register.home))
    offices.appoint(at)
    datasets = tuple(register.configuration.datasets.values())
    return offices.propose_and_approve(datasets, at) + (offices.except_periods(datasets, at) if periods else [])


def rehearsal_folder(home: Home) -> Path:
    """Where the keys of a rehearsal lie."""
    return home.keys / "rehearsal"
