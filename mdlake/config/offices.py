"""Who decides and how: offices, bodies with a quorum, and the kinds of decisions with who must sign them.

Here: what `offices.yaml` and `decisions.yaml` may say, and whether their names fit together. Not here: a key, a signature
or a decision; those are governance's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from mdlake.config.models import Frozen, Label, Name
from mdlake.config.yaml_source import Problem, YamlSource

__all__ = [
    "DATASET_APPROVED",
    "DELIVERY_NAMESPACE",
    "EXCEPTION_GRANTED",
    "PERIOD_CLOSED",
    "PERIOD_EXCEPTION",
    "PERIOD_REOPENED",
    "REVOCATION",
    "SELF_CHECK_NAMESPACE",
    "STANDARD_APPROVED",
    "Body",
    "DecisionKind",
    "DecisionsFile",
    "Office",
    "OfficesFile",
    "Quorum",
    "ScopeField",
    "SignatureRule",
    "decision_problems",
    "office_problems",
    "sender",
    "statistics_unit",
]

DATASET_APPROVED, STANDARD_APPROVED = "dataset_approved", "standard_approved"
PERIOD_EXCEPTION, EXCEPTION_GRANTED, REVOCATION = "period_exception", "exception_granted", "revocation"
PERIOD_CLOSED, PERIOD_REOPENED = "period_closed", "period_reopened"

DELIVERY_NAMESPACE, SELF_CHECK_NAMESPACE = "mdlake-delivery", "mdlake-self-check"
"""In which a producer signs what it sends, and its statistics unit what it found in it."""

ScopeField = Literal[
    "datasets",
    "contracts",
    "periods",
    "periodicity",
    "rules",
    "project",
    "access_level",
    "document",
    "key_epoch",
    "decision",
]

_ASKED_FOR: Mapping[str, frozenset[ScopeField]] = {
    DATASET_APPROVED: frozenset({"datasets"}),
    STANDARD_APPROVED: frozenset({"contracts"}),
    PERIOD_EXCEPTION: frozenset({"datasets", "periodicity"}),
    EXCEPTION_GRANTED: frozenset({"datasets", "rules", "periods"}),
    PERIOD_CLOSED: frozenset({"datasets", "periods"}),
    PERIOD_REOPENED: frozenset({"datasets", "periods"}),
    REVOCATION: frozenset({"decision"}),
}
"""The kinds that the gate and the register ask for, with what each must name for an answer to be possible."""

_HOLDERS: frozenset[ScopeField] = frozenset({"datasets", "contracts"})
"""What names datasets, and with them organizations."""


class Office(Frozen):
    """Who owns or decides something, and signs with a key of its own."""

    label: Label
    duty: Label


class Quorum(Frozen):
    """So many members of a body, these among them."""

    at_least: int = Field(ge=1)
    including: tuple[Name, ...] = ()


class Body(Office):
    """Offices that decide together."""

    members: tuple[Name, ...] = Field(min_length=1)
    quorum: Quorum


class OfficesFile(Frozen):
    """`offices.yaml`: the pillars of Article 1, the seats of the Committee, and whoever else signs."""

    offices: Mapping[Name, Office]
    bodies: Mapping[Name, Body]


class SignatureRule(Frozen):
    """One demand on the signatures of a decision, in one of four forms."""

    all_of: tuple[Name, ...] = ()
    at_least: int | None = Field(default=None, ge=1)
    of: tuple[Name, ...] = ()
    body: Name | None = None
    statistics_units: Literal["all"] | None = Field(
        default=None, description="the statistics unit of each organization whose datasets the decision covers"
    )

    @model_validator(mode="after")
    def _one_form(self) -> SignatureRule:
        some_of = self.at_least is not None or bool(self.of)
        if [bool(self.all_of), some_of, self.body is not None, self.statistics_units is not None].count(True) != 1:
            raise ValueError("write one of: all_of, at_least with of, body, statistics_units")
        if some_of and not 1 <= (self.at_least or 0) <= len(set(self.of)):
            raise ValueError("at_least needs `of` with as many offices or more")
        return self


class ScopeFields(Frozen):
    """What a decision of a kind must and may name."""

    required: tuple[ScopeField, ...] = Field(min_length=1)
    optional: tuple[ScopeField, ...] = ()


class DecisionKind(Frozen):
    """A kind of decision. `longest_days` (days from beginning to end) makes an end necessary."""

    label: Label
    article: str | None = Field(default=None, pattern=r"^\d{1,2}$", description="of the circular, where one asks for it")
    signatures: tuple[SignatureRule, ...]
    revoked_by: tuple[SignatureRule, ...] = Field(default=(), description="who withdraws it; nobody, where this is left out")
    scope: ScopeFields
    longest_days: int | None = Field(default=None, ge=1)
    after: Name | None = Field(default=None, description="a kind that must have been decided of the same datasets before")
    never_for: tuple[Name, ...] = Field(default=(), description="rules that it may not name")


class DecisionsFile(Frozen):
    """`decisions.yaml`: every kind of decision."""

    expiring_days: int = Field(ge=1, description="days before its end in which a decision is shown as expiring")
    kinds: Mapping[Name, DecisionKind]


def statistics_unit(organization: str) -> str:
    """The office that an organization's statistics unit is."""
    return f"statistics_unit@{organization}"


def sender(organization: str) -> str:
    """In whose name an organization's deliveries are signed: its IT unit, which decides nothing."""
    return f"sender@{organization}"


def office_problems(file: OfficesFile, source: YamlSource) -> Iterator[Problem]:
    """Members that are no office, and a quorum that a body cannot reach."""
    for name, body in file.bodies.items():
        path = ("bodies", name)
        if name in file.offices:
            yield source.problem(path, "an office has the same name", "Rename one of the two.")
        for number, member in enumerate(body.members):
            yield from source.unknown((*path, "members", number), "office", member, file.offices)
        if len(set(body.members)) < len(body.members):
            yield source.problem((*path, "members"), "a member is named twice", "Name each seat once.")
        if body.quorum.at_least > len(body.members):
            fix = f"It has {len(body.members)} members."
            yield source.problem((*path, "quorum", "at_least"), "more than the body has members", fix)
        for number, member in enumerate(body.quorum.including):
            yield from source.unknown((*path, "quorum", "including", number), "member", member, body.members)


def decision_problems(file: DecisionsFile, offices: OfficesFile, rules: Collection[str], source: YamlSource) -> Iterator[Problem]:
    """Names that nothing has, kinds that the gate asks for and that are missing, and fields that do not go together."""
    for kind, fields in _ASKED_FOR.items():
        if kind not in file.kinds:
            yield source.problem(("kinds",), f"the kind {kind!r} is missing", "Add it: the gate asks for it.")
        elif absent := fields - set(file.kinds[kind].scope.required):
            fix = f"Add {', '.join(sorted(absent))}."
            yield source.problem(("kinds", kind, "scope", "required"), "the gate could not tell what it covers", fix)
    reopened = file.kinds.get(PERIOD_REOPENED)
    if reopened is not None and reopened.longest_days is None:
        fix = "Add it: a reopening without an end would undo the closing."
        yield source.problem(("kinds", PERIOD_REOPENED, "longest_days"), "the field is missing", fix)
    for name, kind_ in file.kinds.items():
        yield from _kind_problems(name, kind_, file, offices, rules, source)


def _kind_problems(
    name: str, kind: DecisionKind, file: DecisionsFile, offices: OfficesFile, rules: Collection[str], source: YamlSource
) -> Iterator[Problem]:
    path = ("kinds", name)
    if name == REVOCATION:
        if kind.signatures or kind.revoked_by:
            fix = "Leave it empty: `revoked_by` of the kind that is withdrawn says it."
            yield source.problem((*path, "signatures"), "who signs a withdrawal is said elsewhere", fix)
    elif not kind.signatures:
        yield source.problem((*path, "signatures"), "nobody would have to sign it", "Name who must sign.")
    for field in ("signatures", "revoked_by"):
        for number, rule in enumerate(getattr(kind, field)):
            yield from _signature_problems((*path, field, number), rule, kind, offices, source)
    if kind.after is not None:
        yield from source.unknown((*path, "after"), "kind of decision", kind.after, file.kinds)
        if kind.after == name or "datasets" not in kind.scope.required:
            fix = "Name another kind, and require datasets in the scope."
            yield source.problem((*path, "after"), "what comes before it cannot be told", fix)
    for number, rule_name in enumerate(kind.never_for):
        yield from source.unknown((*path, "never_for", number), "rule", rule_name, rules)
    if kind.never_for and "rules" not in {*kind.scope.required, *kind.scope.optional}:
        yield source.problem((*path, "never_for"), "a decision of this kind names no rule", "Leave it out.")


def _signature_problems(
    path: tuple[str | int, ...], rule: SignatureRule, kind: DecisionKind, offices: OfficesFile, source: YamlSource
) -> Iterator[Problem]:
    for form in ("all_of", "of"):
        for place, office in enumerate(getattr(rule, form)):
            yield from source.unknown((*path, form, place), "office", office, offices.offices)
    yield from source.unknown((*path, "body"), "body", rule.body, offices.bodies)
    if rule.statistics_units and not _HOLDERS & set(kind.scope.required):
        fix = "Require datasets or contracts in its scope."
        yield source.problem((*path, "statistics_units"), "a decision of this kind names no organization", fix)
