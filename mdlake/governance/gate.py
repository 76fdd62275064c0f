"""The gate between two layers: may this partition be made? The answer says what is missing, who must act, what to run next.

Every layer asks before it starts, because an asset launched by hand passes over the checks of a run. The gate asks
about content, not about runs: a verdict counts only for the content id that it was given on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mdlake.errors import GateRefused
from mdlake.ledger import Ledger, Verdict

__all__ = ["Answer", "Gate", "LedgerGate", "Missing", "Passage", "refusal"]

_BELOW_PUBLISHED = ("pseudonymized", "standardized", "raw")


@dataclass(frozen=True)
class Passage:
    """A wish to make `layer` of a partition from the content `content_id` of the layer `source`.

    Attributes:
        content_id: None where the layer below has no such partition.
        rule_version: the rules in force for the layer below; a verdict by others does not count.
        producer: who sends the dataset, by its English title, for the answer.
    """

    layer: str
    source: str
    organization: str
    dataset: str
    period: str
    content_id: str | None
    rule_version: str
    producer: str

    @property
    def place(self) -> str:
        """`organization/dataset period`, for people."""
        return f"{self.organization}/{self.dataset} {self.period}"


@dataclass(frozen=True)
class Missing:
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
    """The gate's answer: nothing missing, or everything that is."""

    passage: Passage
    missing: tuple[Missing, ...]

    @property
    def allowed(self) -> bool:
        """Whether the partition may be made."""
        return not self.missing

    def require(self) -> None:
        """Pass, or raise `GateRefused` with the whole answer."""
        if self.missing:
            *others, last = self.missing
            what = "; ".join([*map(str, others), last.what])
            raise GateRefused(f"{self.passage.layer} is not made: {what}", where=self.passage.place, next_step=last.answer)


def refusal(verdict: Verdict, producer: str, layer: str) -> Missing:
    """What a verdict that refuses leaves to do before `layer` of its partition can be made."""
    failed = [r for r in verdict.results if not r["passed"] and r["severity"] == "error"]
    names = ", ".join(f"{r['rule']} ({r['failed']} of {r['checked']})" for r in failed)
    return Missing(
        f"{verdict.layer} of this period was refused by {names}",
        f"{producer} corrects and sends again",
        f"when the new delivery has landed, materialize raw to {layer} of {verdict.period}; "
        f"details: mdlake status {verdict.organization}/{verdict.dataset} --period {verdict.period}",
    )


class Gate(Protocol):
    """Whoever decides whether a partition may pass."""

    def ask(self, passage: Passage) -> Answer:
        """The answer for one passage; it changes nothing."""


@dataclass(frozen=True)
class LedgerGate:
    """The gate as far as verdicts go: the content has one, it does not refuse, and neither does anything it was made of."""

    ledger: Ledger

    def ask(self, passage: Passage) -> Answer:
        """See `Gate.ask`."""
        return Answer(passage, tuple(self._missing(passage)))

    def _missing(self, passage: Passage) -> Iterator[Missing]:
        if passage.content_id is None:
            yield from self._why_never_made(passage)
            return
        verdict = self.ledger.verdict_for(
            passage.source, passage.organization, passage.dataset, passage.period, passage.content_id, passage.rule_version
        )
        if verdict is None:
            yield Missing(
                f"{passage.source} of this period was not checked by the rules in force since it was written",
                "data team",
                f"materialize {passage.source} of {passage.period} with its checks",
            )
            return
        yield from self._objections(verdict, passage)

    def _why_never_made(self, passage: Passage) -> Iterator[Missing]:
        """Why the layer below is not there: what it would be made of was refused, or nobody has made it yet."""
        for layer in _BELOW_PUBLISHED:
            latest = self.ledger.latest_verdict(layer, passage.organization, passage.dataset, passage.period)
            if latest is not None and latest.outcome == "refused":
                yield from self._objections(latest, passage)
                return
        yield Missing(
            f"{passage.source} of this period was never made", "data team", f"materialize {passage.source} of {passage.period}"
        )

    def _objections(self, verdict: Verdict, passage: Passage) -> Iterator[Missing]:
        """What stands against a verdict: that it refuses, or that what it stands on was refused or replaced since."""
        if verdict.outcome == "refused":
            yield refusal(verdict, passage.producer, passage.layer)
        for layer, content_id in verdict.inputs.items():
            if layer not in _BELOW_PUBLISHED:
                continue
            latest = self.ledger.latest_verdict(layer, passage.organization, passage.dataset, passage.period)
            if latest is None or latest.content_id == content_id:
                if latest is not None:
                    yield from self._objections(latest, passage)
                continue
            if latest.outcome == "refused":
                yield from self._objections(latest, passage)
            else:
                yield Missing(
                    f"{verdict.layer} of this period was made before {layer} changed",
                    "data team",
                    f"materialize {verdict.layer} of {passage.period} again",
                )
