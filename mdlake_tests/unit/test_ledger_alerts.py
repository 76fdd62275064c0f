"""The outbox of messages, in either database: each event once to each receiver, each message with one carrier at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mdlake.ledger import AlertEvent, Ledger

AT = datetime(2024, 6, 1, 8, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PACKAGE = AlertEvent("package:1", "package_refused", AT, {"organization": "sso", "package": 1, "detail": "سطر ۵"})
MONTH = AlertEvent("verdict:1", "month_refused", AT, {"organization": "sso", "rules": [{"rule": "ranges", "share": 0.25}]})
CONTACT, OFFICE = "contact:sso", "office:it_centre"


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    return Ledger(ledger_url)


def test_what_was_told_is_not_told_again_and_the_rest_is_one_message_to_each_receiver(ledger: Ledger) -> None:
    assert ledger.alerts.post({CONTACT: [PACKAGE]}, AT) == 1
    assert ledger.alerts.post({CONTACT: [PACKAGE, MONTH], OFFICE: [MONTH, MONTH, PACKAGE]}, AT + MINUTE) == 2
    assert ledger.alerts.post({CONTACT: [MONTH, PACKAGE], OFFICE: [MONTH]}, AT + 2 * MINUTE) == 0
    told = [(m.receiver, [event.event for event in m.events]) for m in ledger.alerts.messages()]
    assert sorted(told) == [(CONTACT, ["package:1"]), (CONTACT, ["verdict:1"]), (OFFICE, ["package:1", "verdict:1"])]
    (message,) = [m for m in ledger.alerts.messages() if m.receiver == OFFICE]
    assert message.events == (PACKAGE, MONTH), "facts and moments come back as they were"


def test_a_message_is_written_whole_or_not_at_all(ledger: Ledger) -> None:
    broken = replace(MONTH, facts={"share": float("nan")})
    with pytest.raises(ValueError, match="Out of range"):
        ledger.alerts.post({CONTACT: [PACKAGE, broken]}, AT)
    assert ledger.alerts.messages() == ()
    assert ledger.alerts.post({CONTACT: [PACKAGE]}, AT) == 1


def test_who_is_told_begins_when_it_is_first_wanted_and_begins_anew_after_it_was_not(ledger: Ledger) -> None:
    both, one = {("run_failed", OFFICE), ("month_refused", CONTACT)}, {("run_failed", OFFICE)}
    assert {s.since for s in ledger.alerts.subscribe(both, AT)} == {AT}
    ledger.alerts.post({}, AT + MINUTE)
    assert {s.looked_until for s in ledger.alerts.subscribe(both, AT + MINUTE)} == {AT + MINUTE}
    assert [s.kind for s in ledger.alerts.subscribe(one, AT + 2 * MINUTE)] == ["run_failed"]
    since = {s.kind: s.since for s in ledger.alerts.subscribe(both, AT + 3 * MINUTE)}
    assert since == {"run_failed": AT, "month_refused": AT + 3 * MINUTE}
    changes = [entry.details for entry in ledger.audit.entries(action="alerts.routed")]
    assert [(len(c["told"]), len(c["not_told"])) for c in changes] == [(2, 0), (0, 1), (1, 0)]  # type: ignore[arg-type]


def test_what_waits_for_a_receiver_that_nobody_wants_told_any_more_is_given_up(ledger: Ledger) -> None:
    ledger.alerts.subscribe({("run_failed", OFFICE), ("month_refused", CONTACT)}, AT)
    ledger.alerts.post({OFFICE: [PACKAGE], CONTACT: [MONTH]}, AT)
    ledger.alerts.subscribe({("run_failed", OFFICE)}, AT + MINUTE)
    assert {m.receiver: m.state for m in ledger.alerts.messages()} == {OFFICE: "waiting", CONTACT: "undeliverable"}
    assert ledger.alerts.waiting() == 1


def test_of_many_that_want_to_carry_a_message_one_does(ledger: Ledger) -> None:
    ledger.alerts.post({CONTACT: [PACKAGE]}, AT)
    (message,) = ledger.alerts.due(AT)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: ledger.alerts.claim(message, AT, AT + MINUTE), range(16)))
    assert sum(claims) == 1
    assert ledger.alerts.due(AT + MINUTE - timedelta(seconds=1)) == ()
    (again,) = ledger.alerts.due(AT + MINUTE)
    assert (again.message_id, again.attempts) == (message.message_id, 1)


def test_what_became_of_a_message_is_kept_and_a_person_may_let_it_be_tried_again(ledger: Ledger) -> None:
    ledger.alerts.post({CONTACT: [PACKAGE], OFFICE: [PACKAGE]}, AT)
    first, second = ledger.alerts.due(AT)
    ledger.alerts.failed(first, "the server is down", AT + MINUTE, for_good=False)
    ledger.alerts.delivered(second, AT + MINUTE)
    states = {m.message_id: (m.state, m.fault, m.settled_at) for m in ledger.alerts.messages()}
    assert states[first.message_id] == ("waiting", "the server is down", None)
    assert states[second.message_id] == ("delivered", None, AT + MINUTE)
    ledger.alerts.failed(first, "nobody of this name", AT + 2 * MINUTE, for_good=True)
    assert ledger.alerts.due(AT + timedelta(days=1)) == ()
    assert ledger.alerts.try_again(AT + 3 * MINUTE) == 1
    (again,) = ledger.alerts.due(AT + 3 * MINUTE)
    assert (again.message_id, again.attempts, again.settled_at) == (first.message_id, 0, None)
    actions = [entry.action for entry in ledger.audit.entries()]
    assert actions == ["alert.delivered", "alert.undeliverable"]
