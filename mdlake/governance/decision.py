"""A decision of offices: one YAML file that says what is decided, of what, from when to when.

Here: what such a file may say, and whether what it covers fits its kind. Not here: its signatures, which lie beside it, nor
whether it counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mdlake.config import (
    Configuration,
    DecisionKind,
    Frozen,
    Label,
    Name,
    PeriodKey,
    Problem,
    SolarDay,
    read_yaml,
    validated,
    written_yaml,
)
from mdlake.errors import DecisionRefused
from mdlake.standard import Period, midnight_in_iran

__all__ = [
    "ContractMark",
    "Decision",
    "DecisionFile",
    "DecisionMark",
    "DocumentMark",
    "PeriodRange",
    "Scope",
    "contract_subject",
    "fit_problems",
    "namespace",
    "read_decision",
    "rule_subject",
    "written_decision",
]

_FORMAT = "mdlake-decision/1"


DatasetKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DecisionId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,79}$")]


class ContractMark(Frozen):
    """One version of a dataset's contract, and the hash of all that it says (`Dataset.standard_sha256`)."""

    dataset: DatasetKey
    version: str
    sha256: Sha256


class PeriodRange(Frozen):
    """The periods that lie whole between the beginning of the first and the end of the last."""

    first: PeriodKey
    last: PeriodKey

    @model_validator(mode="after")
    def _in_order(self) -> PeriodRange:
        if self.last.last_day < self.first.first_day:
            raise ValueError("last lies before first")
        return self

    def covers(self, period: Period) -> bool:
        """Whether all of a period lies within."""
        return self.first.first_day <= period.first_day and period.last_day <= self.last.last_day


class DocumentMark(Frozen):
    """A document as it was decided on."""

    name: Name
    version: str
    sha256: Sha256


class DecisionMark(Frozen):
    """Another decision, as it was signed."""

    id: DecisionId
    sha256: Sha256


def contract_subject(dataset: str, sha256: str) -> str:
    """Under which name a decision on one contract is looked for."""
    return f"{dataset}@{sha256}"


def rule_subject(dataset: str, rule: str) -> str:
    """Under which name a decision on one rule of a dataset is looked for."""
    return f"{dataset}#{rule}"


class Scope(Frozen):
    """What a decision covers; which of it must be said is written in the kind."""

    datasets: tuple[DatasetKey, ...] = ()
    contracts: tuple[ContractMark, ...] = ()
    periods: PeriodRange | None = None
    periodicity: Literal["quarter"] | None = None
    rules: tuple[Name, ...] = ()
    project: Name | None = None
    access_level: int | None = Field(default=None, ge=0, le=4)
    document: DocumentMark | None = None
    key_epoch: int | None = Field(default=None, ge=1)
    decision: DecisionMark | None = None

    @property
    def said(self) -> frozenset[str]:
        """The fields that are filled."""
        return frozenset(name for name, value in vars(self).items() if value not in (None, ()))

    @property
    def dataset_keys(self) -> tuple[str, ...]:
        """Every dataset that is named, alone or with a contract."""
        return tuple(dict.fromkeys((*self.datasets, *(contract.dataset for contract in self.contracts))))

    @property
    def in_words(self) -> tuple[str, ...]:
        """What it covers, for people: names and periods, hashes left out."""
        contracts = (f"{mark.dataset} {mark.version}" for mark in self.contracts)
        words = [*self.datasets, *contracts, *self.rules]
        words += [f"{self.periods.first} – {self.periods.last}"] if self.periods else []
        words += [self.periodicity] if self.periodicity else []
        words += [self.project] if self.project else []
        words += [f"level {self.access_level}"] if self.access_level is not None else []
        words += [f"{self.document.name} {self.document.version}"] if self.document else []
        words += [f"epoch {self.key_epoch}"] if self.key_epoch else []
        words += [self.decision.id] if self.decision else []
        return tuple(words)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The names under which the decision is looked for."""
        contracts = (contract_subject(contract.dataset, contract.sha256) for contract in self.contracts)
        rules = (rule_subject(dataset, rule) for dataset in self.datasets for rule in self.rules)
        named = (self.project, self.document and self.document.name, self.decision and self.decision.id)
        return (*self.dataset_keys, *contracts, *rules, *(name for name in named if name))


class DecisionFile(Frozen):
    """`<id>.yaml`; days are Solar Hijri, in Iran, and the last of them is included."""

    format: Literal["mdlake-decision/1"]
    id: DecisionId
    kind: Name
    title: Label
    dated: SolarDay
    valid_from: SolarDay
    valid_until: SolarDay | None = None
    scope: Scope
    text: Label | None = Field(default=None, description="what was decided and why, in the words of the minutes")

    @model_validator(mode="after")
    def _in_order(self) -> DecisionFile:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        return self


@dataclass(frozen=True)
class Decision:
    """A decision with the bytes that are signed."""

    file: DecisionFile
    content: bytes

    @property
    def id(self) -> str:
        """What it is called; the name of its file."""
        return self.file.id

    @property
    def scope(self) -> Scope:
        """What it covers."""
        return self.file.scope

    @cached_property
    def sha256(self) -> str:
        """Of the file, hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def begins_at(self) -> datetime:
        """The first moment at which it counts."""
        return midnight_in_iran(self.file.valid_from)

    @property
    def ends_at(self) -> datetime | None:
        """The first moment at which it counts no more."""
        last = self.file.valid_until
        return midnight_in_iran(last + timedelta(days=1)) if last else None


def namespace(kind: str) -> str:
    """The namespace in which decisions of a kind are signed: a signature of one kind is none of another."""
    return f"mdlake-{kind.replace('_', '-')}"


def read_decision(content: bytes, name: str) -> tuple[Decision | None, list[Problem]]:
    """A decision from the content of its file, or None and everything that is wrong with it.

    Args:
        name: of the file, for the messages; a decision is called as its file is.
    """
    source = read_yaml(content, name)
    file, problems = validated(source, DecisionFile)
    if file is not None and f"{file.id}.yaml" != name:
        fix = f"Name the file {file.id}.yaml, or draft a new decision."
        problems = [source.problem(("id",), f"the file says that it is the decision {file.id}", fix)]
    if file is None or problems:
        return None, problems
    return Decision(file, content), []


def written_decision(fields: Mapping[str, object]) -> Decision:
    """A new decision, with the bytes of its file, from the fields of `DecisionFile` as plain data.

    Raises:
        DecisionRefused: the fields do not make a decision.
    """
    given = {"format": _FORMAT, **{name: value for name, value in fields.items() if value is not None}}
    decision, problems = read_decision(written_yaml(given).encode(), f"{fields['id']}.yaml")
    if decision is None:
        raise DecisionRefused("; ".join(f"{p.field}: {p.message}. {p.fix}" for p in problems), where=str(fields["id"]))
    return decision


def fit_problems(decision: Decision, configuration: Configuration) -> Iterator[str]:
    """What a decision says that its kind does not allow, or that the configuration has not."""
    kind = configuration.decisions.kinds.get(decision.file.kind)
    if kind is None:
        known = ", ".join(sorted(configuration.decisions.kinds))
        yield f"there is no kind of decision called {decision.file.kind!r}; known: {known}"
        return
    scope = decision.scope
    for unsaid in sorted(set(kind.scope.required) - scope.said):
        yield f"its scope says nothing of {unsaid}, and a decision of this kind must"
    for foreign in sorted(scope.said - {*kind.scope.required, *kind.scope.optional}):
        yield f"its scope speaks of {foreign}, and a decision of this kind does not"
    for dataset in scope.dataset_keys:
        if dataset not in configuration.datasets:
            yield f"there is no dataset called {dataset!r}"
    for mark in scope.contracts:
        known_versions = configuration.datasets[mark.dataset].versions if mark.dataset in configuration.datasets else ()
        if mark.dataset in configuration.datasets and mark.version not in {contract.version for contract in known_versions}:
            yield f"{mark.dataset} has no contract {mark.version}"
    yield from _rule_problems(scope, kind, configuration)
    yield from _validity_problems(decision, kind)


def _rule_problems(scope: Scope, kind: DecisionKind, configuration: Configuration) -> Iterator[str]:
    known = frozenset(rule for dataset in configuration.datasets.values() for rule in dataset.newest.rules)
    for rule in scope.rules:
        if rule not in known:
            yield f"there is no rule called {rule!r}"
        elif rule in kind.never_for:
            yield f"the rule {rule} is set aside by no decision (decisions.yaml, never_for)"


def _validity_problems(decision: Decision, kind: DecisionKind) -> Iterator[str]:
    if kind.longest_days is None:
        return
    last = decision.file.valid_until
    if last is None:
        yield f"it does not end, and a decision of this kind counts {kind.longest_days} days at most"
    elif (last - decision.file.valid_from).days >= kind.longest_days:
        yield f"it counts longer than {kind.longest_days} days"
