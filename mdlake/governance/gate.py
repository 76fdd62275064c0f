"""The gate between two layers: may this partition be made? The answer says what is missing, who must act, what to run next.

Every layer asks before it starts, because an asset launched by hand passes over the checks of a run. The gate asks about
content, not about runs: a verdict counts only for the content id that it was given on. A verdict that refuses stands as it is;
a live exception for each rule that failed lets the partition pass all the same. Publication needs decisions of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from mdlake.config import (
    DATASET_APPROVED,
    EXCEPTION_GRANTED,
    PERIOD_CLOSED,
    PERIOD_EXCEPTION,
    PERIOD_REOPENED,
    STANDARD_APPROVED,
)
from mdlake.errors import GateRefused
from mdlake.governance.decision import Scope, contract_subject, rule_subject
from mdlake.governance.register import Register, Standing
from mdlake.ledger import Ledger, Verdict
from mdlake.standard import Period

__all__ = ["Answer", "Gate", "Missing", "Passage"]

_BELOW_PUBLISHED = ("pseudonymized", "standardized", "raw")
_LOOKED_AT = 20
"""How many decisions that do not count are looked at for the reason."""


@dataclass(frozen=True)
class Passage:
    """A wish to make `layer` of a partition from the content `content_id` of the layer `source`.

    Attributes:
        periodicity: `month`, or the longer period in which the dataset comes.
        content_id: None where the layer below has no such partition.
        rule_version: the rules in force for the layer below; a verdict by others does not count.
        contract_version, standard_sha256: the contract in force, and the hash of all that it says.
        producer: who sends the dataset, by its English title, for the answer.
    """

    layer: str
    source: str
    organization: str
    dataset: str
    period: Period
    periodicity: str
    content_id: str | None
    rule_version: str
    contract_version: str
    standard_sha256: str
    producer: str

    @property
    def key(self) -> str:
        """`organization/dataset`."""
        return f"{self.organization}/{self.dataset}"

    @property
    def place(self) -> str:
        """`organization/dataset period`, for people."""
        return f"{self.key} {self.period}"


class Missing(NamedTuple):
    """One thing that stands in the way."""

    what: str
    who: str
    next_step: str

    @property
    def answer(self) -> str:
        """Who must act, and what to do next."""
        return f"Who: {self.who}. Next: {self.next_step}"

    def __str__(self) -> str:
        return f"{self.what}. {self.answer}"


@dataclass(frozen=True)
class Answer:
    """The gate's answer: nothing missing, or everything that is.

    Attributes:
        decisions: ids of the decisions that a yes rests on.
    """

    passage: Passage
    missing: tuple[Missing, ...]
    decisions: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the partition may be made."""
        return not self.missing

    def require(self) -> None:
        """Pass, or raise `GateRefused` with the whole answer."""
        if self.missing:
            raise GateRefused.of(f"{self.passage.layer} is not made", self.missing, where=self.passage.place)


@dataclass(frozen=True)
class Gate:
    """The one gate of an installation. `now` is the house's clock."""

    ledger: Ledger
    register: Register
    now: Callable[[], datetime]

    def ask(self, passage: Passage) -> Answer:
        """The answer for one passage; it changes nothing."""
        found = _Found()
        answer = Answer(passage, tuple(self._verdict_missing(passage, found)), tuple(dict.fromkeys(found.decisions)))
        if passage.layer != "published":
            return answer
        decided = self.ask_decisions(passage)
        return Answer(passage, (*answer.missing, *decided.missing), (*answer.decisions, *decided.decisions))

    def ask_decisions(self, passage: Passage) -> Answer:
        """The answer as far as decisions on publication go, whatever the verdicts are."""
        found = _Found()
        missing = tuple(self._decisions_missing(passage, found))
        return Answer(passage, missing, tuple(found.decisions))

    # Verdicts

    def objection(self, verdict: Verdict, producer: str, layer: str = "published") -> Missing | None:
        """What a verdict leaves to do before `layer` of its partition can be made; None where it does not stand in the way."""
        return self._objection(verdict, producer, layer, _Found())

    def exceptions(self, verdict: Verdict) -> Mapping[str, str]:
        """The rules by which a verdict refuses and that a live exception sets aside, with the decision that does."""
        excused: dict[str, str] = {}
        at, period = self.now(), Period.parse(verdict.period)
        for rule in _refusing_rules(verdict):
            subject = rule_subject(f"{verdict.organization}/{verdict.dataset}", rule)
            decision = next(self.register.counting(EXCEPTION_GRANTED, subject, at, period), None)
            if decision is not None:
                excused[rule] = decision.id
        return excused

    def _verdict_missing(self, passage: Passage, found: _Found) -> Iterator[Missing]:
        if passage.content_id is None:
            yield from self._why_never_made(passage, found)
            return
        verdict = self.ledger.verdict_for(
            passage.source,
            passage.organization,
            passage.dataset,
            passage.period.key,
            passage.content_id,
            passage.rule_version,
        )
        if verdict is None:
            yield Missing(
                f"{passage.source} of this period was not checked by the rules in force since it was written",
                "data team",
                f"materialize {passage.source} of {passage.period} with its checks",
            )
            return
        yield from self._objections(verdict, passage, found)

    def _why_never_made(self, passage: Passage, found: _Found) -> Iterator[Missing]:
        """Why the layer below is not there: what it would be made of was refused, or nobody has made it yet."""
        for layer in _BELOW_PUBLISHED:
            latest = self._latest(layer, passage)
            if latest is not None and self._objection(latest, passage.producer, passage.layer, found):
                yield from self._objections(latest, passage, found)
                return
        yield Missing(
            f"{passage.source} of this period was never made", "data team", f"materialize {passage.source} of {passage.period}"
        )

    def _objections(self, verdict: Verdict, passage: Passage, found: _Found) -> Iterator[Missing]:
        """What stands against a verdict: that it refuses, or that what it stands on was refused or replaced since."""
        own = self._objection(verdict, passage.producer, passage.layer, found)
        if own is not None:
            yield own
        for layer, content_id in verdict.inputs.items():
            if layer not in _BELOW_PUBLISHED:
                continue
            latest = self._latest(layer, passage)
            if latest is None:
                continue
            if latest.content_id == content_id or self._objection(latest, passage.producer, passage.layer, found):
                yield from self._objections(latest, passage, found)
            else:
                yield Missing(
                    f"{verdict.layer} of this period was made before {layer} changed",
                    "data team",
                    f"materialize {verdict.layer} of {passage.period} again",
                )

    def _latest(self, layer: str, passage: Passage) -> Verdict | None:
        return self.ledger.latest_verdict(layer, passage.organization, passage.dataset, passage.period.key)

    def _objection(self, verdict: Verdict, producer: str, layer: str, found: _Found) -> Missing | None:
        if verdict.outcome != "refused":
            return None
        excused = self.exceptions(verdict)
        failed = [rule for rule in _refusing_rules(verdict) if rule not in excused]
        if not failed:
            found.decisions += excused.values()
            return None
        key = f"{verdict.organization}/{verdict.dataset}"
        counts: Mapping[str, Any] = {str(result["rule"]): result for result in verdict.results}
        names = ", ".join(f"{rule} ({counts[rule]['failed']} of {counts[rule]['checked']})" for rule in failed)
        who = f"{producer} corrects and sends again"
        next_step = (
            f"when the new delivery has landed, materialize raw to {layer} of {verdict.period}; "
            f"details: mdlake status {key} --period {verdict.period}"
        )
        kind = self.register.configuration.decisions.kinds[EXCEPTION_GRANTED]
        if not set(failed) & set(kind.never_for):
            who += f", or the {self._who(EXCEPTION_GRANTED)} excepts it"
            rules = " ".join(f"--rule {rule}" for rule in failed)
            scope = f"--dataset {key} {rules} --first {verdict.period} --last {verdict.period} --days 30"
            next_step += f"; an exception: mdlake decide draft {EXCEPTION_GRANTED} {scope}"
        return Missing(f"{verdict.layer} of this period was refused by {names}", who, next_step)

    # Decisions

    def _decisions_missing(self, passage: Passage, found: _Found) -> Iterator[Missing]:
        key = passage.key
        contract = contract_subject(key, passage.standard_sha256)
        period = passage.period
        needed = [
            _Need(
                DATASET_APPROVED,
                key,
                "no live decision approves this dataset (Article 4)",
                lambda scope: scope.periods is None or scope.periods.covers(period),
                f"--dataset {key}",
            ),
            _Need(
                STANDARD_APPROVED,
                contract,
                f"no live decision approves the standard of contract {passage.contract_version} as it is written now (Article 5)",
                lambda scope: any(mark.dataset == key and mark.sha256 == passage.standard_sha256 for mark in scope.contracts),
                f"--contract {key}@{passage.contract_version}",
            ),
        ]
        if passage.periodicity != "month":
            needed.append(
                _Need(
                    PERIOD_EXCEPTION,
                    key,
                    f"no live decision lets it come each {passage.periodicity} instead of each month (Article 7, note)",
                    lambda scope: (
                        scope.periodicity == passage.periodicity and (scope.periods is None or scope.periods.covers(period))
                    ),
                    f"--dataset {key} --periodicity {passage.periodicity}",
                )
            )
        for need in needed:
            yield from self._need(need, passage, found)

    def period_exception_missing(self, key: str, periodicity: str) -> Missing | None:
        """What a dataset that does not come each month lacks; None where a live decision lets it, for whichever periods."""
        at = self.now()
        if any(decision.scope.periodicity == periodicity for decision in self.register.counting(PERIOD_EXCEPTION, key, at)):
            return None
        what = f"{key} comes each {periodicity}, and no live decision lets it (Article 7, note)"
        draft = f"mdlake decide draft {PERIOD_EXCEPTION} --dataset {key} --periodicity {periodicity}"
        return Missing(what, self._who(PERIOD_EXCEPTION), draft)

    def closed(self, key: str, period: Period, at: datetime) -> Missing | None:
        """What keeps deliveries of a period of a dataset out at a moment; None where it is open, or was opened again."""
        closing = next(self.register.counting(PERIOD_CLOSED, key, at, period), None)
        if closing is None or next(self.register.counting(PERIOD_REOPENED, key, at, period), None) is not None:
            return None
        days = self.register.configuration.decisions.kinds[PERIOD_REOPENED].longest_days
        draft = f"mdlake decide draft {PERIOD_REOPENED} --dataset {key} --first {period} --last {period} --days {days}"
        return Missing(f"decision {closing.id} closed the period for deliveries", self._who(PERIOD_REOPENED), draft)

    def _need(self, need: _Need, passage: Passage, found: _Found) -> Iterator[Missing]:
        at = self.now()
        for decision in self.register.counting(need.kind, need.subject, at, passage.period):
            if need.fits(decision.scope):
                found.decisions.append(decision.id)
                return
        others = islice(self.register.about(need.kind, need.subject, at), _LOOKED_AT)
        near = [standing for standing in others if standing.decision is None or need.fits(standing.decision.scope)]
        if not near:
            yield Missing(f"{need.what}{self._older(need, passage, at)}", self._who(need.kind), self._draft(need, at))
            return
        yield self._near_miss(need, near[0])

    def _draft(self, need: _Need, at: datetime) -> str:
        """The command that drafts a decision, after the one that must come before it if that is missing too."""
        draft = f"mdlake decide draft {need.kind} {need.options}"
        first = self.register.configuration.decisions.kinds[need.kind].after
        if first is None or next(self.register.counting(first, need.subject, at), None) is not None:
            return draft
        return f"mdlake decide draft {first} {need.options}; when that is signed: {draft}"

    def _older(self, need: _Need, passage: Passage, at: datetime) -> str:
        """That the contract was approved with another text, where it was."""
        if need.kind != STANDARD_APPROVED:
            return ""
        for decision in islice(self.register.counting(need.kind, passage.key, at), _LOOKED_AT):
            if any((m.dataset, m.version) == (passage.key, passage.contract_version) for m in decision.scope.contracts):
                return f": decision {decision.id} approved {passage.contract_version} with another text"
        return ""

    def _near_miss(self, need: _Need, standing: Standing) -> Missing:
        """A decision that would do, and does not count yet or any more."""
        name = standing.decision_id
        what = f"{need.what}: decision {name} would, but {standing.reason}"
        if standing.state == "complete":
            return Missing(what, "data team", f"mdlake decide accept {name}")
        if standing.lacks and standing.accepted is None:
            offices = tuple(dict.fromkeys(office for lack in standing.lacks for office in lack.offices))
            labels = self.register.configuration.signing_offices
            who = ", ".join(f"{labels[office].en} ({office})" if office in labels else office for office in offices)
            return Missing(what, who, f"mdlake decide sign {name} --office OFFICE")
        if standing.state in ("waiting", "broken", "void", "not begun"):
            return Missing(what, self._who(need.kind), f"mdlake decide show {name}")
        return Missing(what, self._who(need.kind), f"mdlake decide draft {need.kind} {need.options}")

    def _who(self, kind: str) -> str:
        """The offices and bodies that decide a kind."""
        configuration = self.register.configuration
        labels = configuration.signing_offices
        names: list[str] = []
        for rule in configuration.decisions.kinds[kind].signatures:
            names += [configuration.offices.bodies[rule.body].label.en] if rule.body else []
            names += [labels[office].en for office in (*rule.all_of, *rule.of)]
            names += ["the statistics unit of the organization"] if rule.statistics_units else []
        return " and ".join(names)


@dataclass
class _Found:
    """What a yes rests on, gathered on the way."""

    decisions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Need:
    """A decision that publication needs: of which kind, about what, and the options that draft it."""

    kind: str
    subject: str
    what: str
    fits: Callable[[Scope], bool]
    options: str


def _refusing_rules(verdict: Verdict) -> tuple[str, ...]:
    return tuple(str(result["rule"]) for result in verdict.results if not result["passed"] and result["severity"] == "error")
