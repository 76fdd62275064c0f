"""What the ledger records, as frozen values: a package, a delivery, a verdict on a partition, the close of a month, a decision.

Here: the values, their one JSON form and their one text form of time. Not here: how they are stored, nor
any cell value; a message or a result holds counts, names and codes only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

__all__ = [
    "AcceptedDecision",
    "Delivery",
    "MonthClose",
    "Outcome",
    "Package",
    "State",
    "Submission",
    "Verdict",
    "canonical_json",
    "moment",
    "moment_text",
]

State = Literal["accepted", "refused"]
Outcome = Literal["passed", "passed_with_warnings", "refused"]


@dataclass(frozen=True)
class Delivery:
    """A file that an organization delivered for one dataset and period, taken in or not.

    `sequence` counts the deliveries of a period (of each reporting unit: `reporting_unit` is empty where the
    organization sends one file for all), `reason` is the code of a refusal, `message` its text for
    the producer, `received_at` has a time zone. The ledger gives `delivery_id`.
    """

    organization: str
    dataset: str
    period: str
    sequence: int
    file_name: str
    sha256: str
    size_bytes: int
    declared_rows: int | None
    contract_version: str | None
    received_at: datetime
    state: State
    reason: str | None = None
    message: str | None = None
    reporting_unit: str = ""
    delivery_id: int | None = None


@dataclass(frozen=True)
class Package:
    """A package as it came, and the answer to it.

    Attributes:
        organization: by whose folder it came.
        name: of its file, as its sender called it.
        sha256, size_bytes: of the encrypted file.
        signer: fingerprint of the key that signed it; None where no key of the organization did.
        reason, message: code of the refusal, and its text for the sender.
        delivery_id: the delivery in it; None where it was refused before that was known.
    """

    organization: str
    name: str
    sha256: str
    size_bytes: int
    signer: str | None
    received_at: datetime
    state: State
    reason: str | None = None
    message: str | None = None
    delivery_id: int | None = None
    package_id: int | None = None


@dataclass(frozen=True)
class Submission:
    """One coming of a delivery, and the answer to it: what is refused comes again, and what was accepted may be corrected.

    `reason` is the code of a refusal; `reporting_unit` is empty where the organization sends one file for all.
    """

    organization: str
    dataset: str
    period: str
    reporting_unit: str
    received_at: datetime
    state: State
    reason: str | None


@dataclass(frozen=True)
class Verdict:
    """What the four principles found on one content of one partition of a layer.

    `inputs` names the content ids of all that the rules read; `results` has a JSON object per rule, with
    its counts. `confirmed_at` is the last time that the same inputs gave the same verdict (None before it
    is recorded: then `decided_at` stands for it). The ledger gives `verdict_id`.
    """

    layer: str
    organization: str
    dataset: str
    period: str
    content_id: str
    inputs: Mapping[str, str]
    contract_version: str
    rule_version: str
    outcome: Outcome
    results: tuple[Mapping[str, object], ...]
    run_id: str
    decided_at: datetime
    confirmed_at: datetime | None = None
    verdict_id: int | None = None

    @property
    def identity(self) -> str:
        """SHA-256 (hex) of the canonical JSON of what determines the verdict: same identity, same verdict."""
        partition = ("layer", "organization", "dataset", "period")
        determined_by = (*partition, "content_id", "inputs", "contract_version", "rule_version")
        text = canonical_json({name: getattr(self, name) for name in determined_by})
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class MonthClose:
    """With what a month was closed.

    `members` has a JSON object per dataset that was due: its period, state, content id and verdict, and where it is
    missing, what, who and what next; `complete` says that none is. The ledger gives `close_id`.
    """

    month: str
    members: tuple[Mapping[str, object], ...]
    complete: bool
    run_id: str
    closed_at: datetime
    close_id: int | None = None

    @property
    def identity(self) -> str:
        """SHA-256 (hex) of the canonical JSON of month and members: closed again with the same, it is the same close."""
        return hashlib.sha256(canonical_json({"month": self.month, "members": self.members}).encode()).hexdigest()


@dataclass(frozen=True)
class AcceptedDecision:
    """A signed decision of offices as it was when it was found complete.

    Attributes:
        subjects: what it is about, as it is looked for: datasets, contracts, rules, projects, the decision that it withdraws.
        first_day, last_day: of the periods that it covers; without them, it covers all.
        begins_at, ends_at: when it counts; without an end, until it is withdrawn.
        sha256: of the file that was signed (hex).
        signatures: by office, SHA-256 (hex) of the signature's file.
    """

    decision_id: str
    kind: str
    subjects: tuple[str, ...]
    first_day: date | None
    last_day: date | None
    begins_at: datetime
    ends_at: datetime | None
    accepted_at: datetime
    sha256: str
    signatures: Mapping[str, str]


def canonical_json(value: object) -> str:
    """The one JSON text of `value`: keys in code point order, no spaces, no escapes but those JSON asks for.

    For text, whole numbers, booleans and null it is RFC 8785, as long as keys stay in the basic plane. Raises
    TypeError for what JSON cannot hold or a key that is not text, and ValueError for NaN and infinities.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        # json would write the key 1 as "1", after it sorted it as a number: read back, the order is another.
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key of a JSON object is text")
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def moment_text(at: datetime) -> str:
    """UTC ISO-8601 text of one width, sorting as time does. Raises ValueError if `at` has no time zone."""
    if at.tzinfo is None:
        raise ValueError("a moment in the ledger needs a time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """The time that `moment_text` wrote. Raises ValueError for any other text."""
    at = datetime.fromisoformat(text)
    if moment_text(at) != text:
        raise ValueError("this is not the ledger's form of a moment")
    return at
