"""The gate: for every state of the ledger, whether a partition may be made; if not, what is missing, who acts, what is next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mdlake.config import Configuration, Home
from mdlake.errors import GateRefused
from mdlake.governance import Answer, Gate, Missing, Passage, Register
from mdlake.ledger import Ledger, Verdict
from mdlake.standard import Period

AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
PASSAGE = Passage(
    layer="published",
    source="pseudonymized",
    organization="sso",
    dataset="workplaces",
    period=Period.parse("1403-01"),
    periodicity="month",
    content_id="p1",
    rule_version="7",
    contract_version="1.0",
    standard_sha256="",
    producer="The Agency",
)
FAILED = {"rule": "completeness", "severity": "error", "checked": 2000, "failed": 300, "passed": False}
WARNED = {"rule": "heaping", "severity": "warn", "checked": 2000, "failed": 1900, "passed": False}
HELD = {"rule": "ranges", "severity": "error", "checked": 2000, "failed": 0, "passed": True}


def verdict(layer: str, content_id: str, inputs: Mapping[str, str], outcome: str = "passed", rules: str = "7") -> Verdict:
    results = {"passed": (HELD,), "passed_with_warnings": (HELD, WARNED), "refused": (HELD, WARNED, FAILED)}[outcome]
    return Verdict(
        layer=layer,
        organization="sso",
        dataset="workplaces",
        period="1403-01",
        content_id=content_id,
        inputs=inputs,
        contract_version="1.0",
        rule_version=rules,
        outcome=outcome,  # type: ignore[arg-type]
        results=results,
        run_id="r",
        decided_at=AT,
    )


RAW = verdict("raw", "r1", {"delivery": "d1"})
STANDARDIZED = verdict("standardized", "s1", {"raw": "r1"})
PSEUDONYMIZED = verdict("pseudonymized", "p1", {"standardized": "s1"})
SOUND = (RAW, STANDARDIZED, PSEUDONYMIZED)


@pytest.fixture
def gate(home: Home, configuration: Configuration) -> Gate:
    """The gate of an installation in which all that publication needs is decided."""
    ledger = Ledger(home.ledger_url)
    return Gate(ledger, Register(home, configuration, ledger), lambda: AT)


def asked(gate: Gate, verdicts: tuple[Verdict, ...], passage: Passage = PASSAGE) -> Answer:
    """The gate's answer after verdicts were recorded one second after the other."""
    for number, given in enumerate(verdicts):
        gate.ledger.record_verdict(replace(given, decided_at=AT + timedelta(seconds=number)))
    dataset = gate.register.configuration.dataset(passage.key)
    return gate.ask(replace(passage, standard_sha256=dataset.standard_sha256(dataset.newest)))


ALLOWED: dict[str, tuple[Verdict, ...]] = {
    "all passed": SOUND,
    "passed with warnings": (RAW, STANDARDIZED, replace(PSEUDONYMIZED, outcome="passed_with_warnings", results=(WARNED,))),
    "refused before, passed now": (
        replace(RAW, content_id="r0", outcome="refused", results=(FAILED,)),
        replace(STANDARDIZED, content_id="s0", inputs={"raw": "r0"}, outcome="refused", results=(FAILED,)),
        *SOUND,
    ),
    "refused by rules that are no longer in force": (
        replace(PSEUDONYMIZED, outcome="refused", results=(FAILED,), rule_version="6"),
        *SOUND,
    ),
    "made of something that no layer is": (
        RAW,
        STANDARDIZED,
        replace(PSEUDONYMIZED, inputs={"standardized": "s1", "register/person": "x"}),
    ),
}


@pytest.mark.parametrize("verdicts", ALLOWED.values(), ids=ALLOWED.keys())
def test_the_gate_lets_pass(gate: Gate, verdicts: tuple[Verdict, ...]) -> None:
    answer = asked(gate, verdicts)
    assert answer.missing == ()
    assert answer.allowed
    answer.require()


# What was recorded, what is asked; what is missing, who acts, what is next.
REFUSED: dict[str, tuple[tuple[Verdict, ...], Passage, str, str, str]] = {
    "nothing was made": (
        (), replace(PASSAGE, content_id=None),
        "pseudonymized of this period was never made", "data team", "materialize pseudonymized of 1403-01",
    ),
    "nothing was made of a layer that was refused": (
        (RAW, replace(STANDARDIZED, outcome="refused", results=(FAILED,))), replace(PASSAGE, content_id=None),
        "standardized of this period was refused by completeness (300 of 2000)", "The Agency corrects and sends again",
        "when the new delivery has landed, materialize raw to published of 1403-01",
    ),
    "made and never checked": (
        (RAW, STANDARDIZED), PASSAGE,
        "not checked by the rules in force", "data team", "materialize pseudonymized of 1403-01 with its checks",
    ),
    "written again and not checked since": (
        SOUND, replace(PASSAGE, content_id="p2"),
        "not checked by the rules in force since it was written", "data team", "with its checks",
    ),
    "the rules changed": (
        SOUND, replace(PASSAGE, rule_version="8"),
        "not checked by the rules in force", "data team", "with its checks",
    ),
    "the layer below was refused": (
        (RAW, STANDARDIZED, replace(PSEUDONYMIZED, outcome="refused", results=(HELD, WARNED, FAILED))), PASSAGE,
        "pseudonymized of this period was refused by completeness (300 of 2000)", "The Agency corrects and sends again",
        "mdlake status sso/workplaces --period 1403-01",
    ),
    "a layer further below was refused": (
        (replace(RAW, outcome="refused", results=(FAILED,)), STANDARDIZED, PSEUDONYMIZED), PASSAGE,
        "raw of this period was refused by completeness", "The Agency", "when the new delivery has landed",
    ),
    "a newer delivery was refused": (
        (*SOUND, replace(RAW, content_id="r2", outcome="refused", results=(FAILED,))), PASSAGE,
        "raw of this period was refused", "The Agency", "materialize raw to published of 1403-01",
    ),
    "the layer below was made anew": (
        (*SOUND, replace(STANDARDIZED, content_id="s2")), PASSAGE,
        "pseudonymized of this period was made before standardized changed", "data team",
        "materialize pseudonymized of 1403-01 again",
    ),
    "a layer further below was made anew": (
        (*SOUND, replace(RAW, content_id="r2")), PASSAGE,
        "standardized of this period was made before raw changed", "data team", "materialize standardized of 1403-01 again",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("verdicts", "passage", "what", "who", "next_step"), REFUSED.values(), ids=REFUSED.keys())
def test_the_gate_says_what_is_missing_who_acts_and_what_is_next(
    gate: Gate, verdicts: tuple[Verdict, ...], passage: Passage, what: str, who: str, next_step: str
) -> None:
    answer = asked(gate, verdicts, passage)
    assert not answer.allowed
    [missing] = answer.missing
    assert what in missing.what
    assert who in missing.who
    assert next_step in missing.next_step
    with pytest.raises(GateRefused) as caught:
        answer.require()
    told = str(caught.value)
    assert told.startswith("sso/workplaces 1403-01: published is not made; one thing is missing:")
    for part in (missing.what, f"Who: {missing.who}", f"Next: {missing.next_step}"):
        assert part in told


def test_only_rules_that_refuse_are_named(gate: Gate) -> None:
    other = {**FAILED, "rule": "ranges", "failed": 40}
    refused = replace(PSEUDONYMIZED, outcome="refused", results=(WARNED, FAILED, HELD, other))
    [missing] = asked(gate, (RAW, STANDARDIZED, refused)).missing
    assert "refused by completeness (300 of 2000), ranges (40 of 2000)" in missing.what
    assert "heaping" not in str(missing)


def test_everything_that_stands_in_the_way_is_told_at_once(gate: Gate) -> None:
    refused = replace(PSEUDONYMIZED, outcome="refused", results=(FAILED,))
    answer = asked(gate, (RAW, STANDARDIZED, refused, replace(STANDARDIZED, content_id="s2")))
    assert len(answer.missing) == 2
    with pytest.raises(GateRefused) as caught:
        answer.require()
    assert all(str(missing) in str(caught.value) for missing in answer.missing)


def test_another_partition_stands_in_nobodys_way(gate: Gate) -> None:
    bad = [
        replace(PSEUDONYMIZED, period="1403-02", outcome="refused", results=(FAILED,)),
        replace(RAW, dataset="places", outcome="refused", results=(FAILED,)),
        replace(STANDARDIZED, organization="bureau", outcome="refused", results=(FAILED,)),
    ]
    assert asked(gate, (*SOUND, *bad)).allowed


def test_asking_changes_nothing(gate: Gate) -> None:
    before = asked(gate, SOUND)
    entries = list(gate.ledger.audit.entries())
    assert asked(gate, ()) == before
    assert list(gate.ledger.audit.entries()) == entries


def test_an_answer_without_anything_missing_is_a_yes() -> None:
    assert Answer(PASSAGE, ()).allowed
    assert str(Missing("x is missing", "somebody", "do it")) == "x is missing. Who: somebody. Next: do it"
