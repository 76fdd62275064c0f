"""What is refused, failed or late reaches a person once, through real servers on this machine, whatever happens on the way."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import Clock
from receiving_servers import PASSWORD, USER, Certificate, Hook, MailServer, certificate, free_port, hook, mail_server

from mdlake.alerts import Round, RunFailure, tell
from mdlake.cli import cli
from mdlake.config import AlertsFile, Configuration, Home, written_yaml
from mdlake.errors import MdlakeError, NotDelivered
from mdlake.ledger import Delivery, Package, Verdict
from mdlake.standard import Period, day_of_solar_hijri, midnight_in_iran
from mdlake.steps import House, house_of

pytestmark = [
    # the server of the tests knows that TLS is on before it asks for a password, and warns all the same
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]

CONTACT, OFFICE, DUTY = "statistics-unit@sso.example", "it@ministry.example", "duty@ministry.example"
SECRET = b"0123456789abcdef0123456789abcdef"
RETRY = {"attempts": 3, "first_minutes": 1, "longest_minutes": 60}
EVERYTHING = {
    "package_refused": {"contact": True, "offices": ["it_centre"]},
    "month_refused": {"contact": True},
    "run_failed": {"addresses": [DUTY]},
}

Setting = dict[str, Any]


def no_failures(_: object) -> tuple[RunFailure, ...]:
    return ()


@pytest.fixture
def secure(home: Home, configuration: Configuration, clock: Clock) -> House:
    """The installation from the secure room, with the configuration that was read once for all tests."""
    return house_of(home, configuration, "secure", clock)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[Hook]:
    with hook() as receiver:
        yield receiver


def email_to(server: MailServer, **settings: object) -> Setting:
    channel = {"host": "127.0.0.1", "port": server.port, "tls": "none", "sender": "mdlake@ministry.example", "timeout_seconds": 2}
    return channel | settings


def alerting(house: House, *, enabled: bool = True, **settings: object) -> House:
    """The house with other alerts."""
    said = {"enabled": enabled, "retry": RETRY, "offices": {"it_centre": OFFICE}, "routes": EVERYTHING} | settings
    return replace(house, configuration=replace(house.configuration, alerts=AlertsFile.model_validate(said)))


def by_webhook(house: House, receiver: Hook, **settings: object) -> House:
    secret(house, "on_call", b"whsec_" + base64.b64encode(SECRET) + b"\n")
    hooks = {"on_call": {"url": receiver.url, "secret": "on_call", "timeout_seconds": 1} | settings}
    routes = {kind: {"webhooks": ["on_call"]} for kind in EVERYTHING}
    return alerting(house, webhooks=hooks, routes=routes)


def secret(house: House, name: str, content: bytes, mode: int = 0o600) -> Path:
    file = house.home.keys / "alerts" / name
    file.write_bytes(content)
    file.chmod(mode)
    return file


class Happenings:
    """Writes into the ledger what intakes and runs would."""

    def __init__(self, house: House) -> None:
        self.house, self.number = house, 0

    def package(
        self,
        organization: str = "sso",
        reason: str = "row_count",
        detail: str = "sso/workplaces: 5 rows",
        period: str = "1403-02",
    ) -> Package:
        self.number += 1
        digest = hashlib.sha256(f"package {self.number}".encode()).hexdigest()
        at = self.house.now()
        delivery = Delivery(
            organization, "workplaces", period, self.number, "refused/x", digest, 9, 5, "1.0", at, "refused", reason, detail
        )
        package = Package(organization, "names/are/the/sender's", digest, 9, "SHA256:x", at, "refused", reason, detail)
        return self.house.ledger.record_package(package, delivery if organization == "sso" else None)

    def month(self, layer: str = "standardized", run_id: str = "run-1") -> Verdict:
        self.number += 1
        result = {"principle": "quality", "severity": "error", "threshold": 0.02, "parts": {"national_code": [60261, 3999]}}
        counts = {"checked": 60261, "failed": 3999, "share": 0.066361, "passed": False}
        other = {"rule": "rows_accounted", "principle": "quality", "severity": "error", "checked": 1, "failed": 0}
        passed = other | {"share": 0.0, "threshold": 0.0, "passed": True, "parts": {}}
        verdict = Verdict(
            layer,
            "sso",
            "insured_contributions",
            "1403-02",
            f"c{self.number}",
            {},
            "2.0",
            "7",
            "refused",
            ({"rule": "identifiers_valid"} | result | counts, passed),
            run_id,
            self.house.now(),
        )
        return self.house.ledger.record_verdict(verdict)

    def run(self, run_id: str = "0f3a9c12", **told: object) -> RunFailure:
        named = {"organization": "sso", "dataset": "workplaces", "period": "1403-02"}
        return RunFailure(run_id, "secure__sso__workplaces", self.house.now(), **named | told)  # type: ignore[arg-type]


@pytest.fixture
def happen(secure: House) -> Happenings:
    return Happenings(secure)


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def states(house: House) -> list[tuple[str, str, int]]:
    return sorted((m.receiver, m.state, m.attempts) for m in house.ledger.alerts.messages())


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_thing_is_told_to_each_receiver_once_and_several_things_are_one_message(
    secure: House, happen: Happenings, mail: MailServer
) -> None:
    house = alerting(secure, email=email_to(mail))
    assert tell(house, no_failures) == Round(enabled=True)
    happen.package()
    happen.month()
    failure = happen.run()
    done = tell(house, lambda since: [failure])
    assert (done.written, done.delivered, done.faults, done.waiting) == (3, 3, (), 0)
    assert {str(m["To"]) for m in mail.mails} == {CONTACT, OFFICE, DUTY}
    assert mail.connections == 1, "one connection for all of a round"
    assert tell(house, lambda since: [failure]).written == 0
    assert len(mail.mails) == 3

    to_contact = next(m for m in mail.mails if m["To"] == CONTACT)
    assert to_contact["Subject"] == "۱ بستهٔ پذیرفته‌نشده، ۱ دورهٔ ردشده · 1 refused package, 1 refused period · mdlake"
    assert to_contact["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        text = text_of(to_contact, kind)
        persian, english = text.split("microdata" if kind == "plain" else "<hr")[0], text
        for said in ("سازمان تأمین اجتماعی", "اردیبهشت ۱۴۰۳", "شمار سطرها همان نیست که اعلام شده است.", "۳۹۹۹ از ۶۰۲۶۱", "۶٫۶۴٪"):
            assert said in persian, (kind, said)
        for said in (
            "Social Security Organization",
            "Ordibehesht 1403",
            "row_count",
            "identifiers_valid",
            "3999 of 60261",
            "Who",
        ):
            assert said in english, (kind, said)
        assert "rows_accounted" not in text, "what passed is not told"
        assert "names/are" not in text, "what a sender calls its package is not told"
    to_duty = text_of(next(m for m in mail.mails if m["To"] == DUTY))
    assert "0f3a9c12" in to_duty
    assert "mdlake run sso/workplaces --period 1403-02" in to_duty


def test_fifty_things_are_one_message_to_each_receiver(secure: House, happen: Happenings, mail: MailServer) -> None:
    house = alerting(secure, email=email_to(mail))
    tell(house, no_failures)
    for _ in range(50):
        happen.package()
    assert tell(house, no_failures).delivered == 2
    assert sorted(str(m["To"]) for m in mail.mails) == sorted((CONTACT, OFFICE))
    assert "50 refused packages" in str(mail.mails[0]["Subject"])
    assert "10 more" in text_of(mail.mails[0])
    assert "۱۰ مورد دیگر" in text_of(mail.mails[0])


def test_an_organization_is_told_of_its_own_things_alone(secure: House, happen: Happenings, mail: MailServer) -> None:
    house = alerting(secure, email=email_to(mail), routes={"package_refused": {"contact": True}})
    tell(house, no_failures)
    happen.package("sso")
    happen.package("behzisti")
    tell(house, no_failures)
    told = {str(m["To"]): text_of(m) for m in mail.mails}
    assert set(told) == {CONTACT, "statistics-unit@behzisti.example"}
    assert "State Welfare" not in told[CONTACT]
    assert "Social Security" not in told["statistics-unit@behzisti.example"]


def test_an_address_that_two_ways_lead_to_is_told_once(secure: House, happen: Happenings, mail: MailServer) -> None:
    routes = {"package_refused": {"contact": True, "offices": ["it_centre"], "addresses": [CONTACT.upper(), OFFICE]}}
    house = alerting(secure, email=email_to(mail), routes=routes)
    tell(house, no_failures)
    happen.package()
    tell(house, no_failures)
    assert sorted(str(m["To"]) for m in mail.mails) == sorted((CONTACT, OFFICE))


def test_a_run_that_the_rules_ended_is_told_as_a_refused_period_alone(
    secure: House, happen: Happenings, mail: MailServer
) -> None:
    house = alerting(secure, email=email_to(mail))
    tell(house, no_failures)
    happen.month(run_id="refusing")
    failures = [happen.run("refusing"), happen.run("other", what="the key cannot be opened", where="keys", next_step="chmod 600")]
    tell(house, lambda since: failures)
    assert {str(m["To"]) for m in mail.mails} == {CONTACT, DUTY}
    to_duty = text_of(next(m for m in mail.mails if m["To"] == DUTY))
    assert "keys. the key cannot be opened. chmod 600" in to_duty
    assert "refusing" not in to_duty


def test_a_period_that_passed_before_anybody_was_told_is_not_told(secure: House, happen: Happenings, mail: MailServer) -> None:
    house = alerting(secure, email=email_to(mail))
    tell(house, no_failures)
    refused = happen.month()
    happen.house.ledger.record_verdict(
        replace(refused, content_id="corrected", outcome="passed", decided_at=secure.now(), confirmed_at=None, verdict_id=None)
    )
    assert tell(house, no_failures).written == 0
    assert mail.connections == 0


def tehran(day: str, hours: float = 0) -> datetime:
    return midnight_in_iran(day_of_solar_hijri(day)) + timedelta(hours=hours)


def test_a_delivery_is_told_as_late_once_when_its_grace_is_over_and_only_if_it_has_not_come(
    secure: House, happen: Happenings, mail: MailServer, clock: Clock
) -> None:
    """The month 1403-01 of workplaces is due on 1403-02-10, with grace up to 1403-02-16; earlier months are late already."""
    clock.moment = tehran("1403-02-16", 12)
    house = alerting(secure, email=email_to(mail), routes={"delivery_late": {"contact": True, "webhooks": []}})
    assert tell(house, no_failures).written == 0
    clock.moment = tehran("1403-02-17", -0.1)
    assert tell(house, no_failures).written == 0
    happen.package(reason="row_count", period="1403-01")
    clock.moment = tehran("1403-02-17", 0.1)
    assert tell(house, no_failures).delivered > 0
    text = text_of(next(m for m in mail.mails if m["To"] == CONTACT))
    for said in (
        "Workplaces · Farvardin 1403",
        "due on 1403/02/10; 7 days later",
        "refused for: row_count",
        "کارگاه‌ها · فروردین ۱۴۰۳",
    ):
        assert said in text
    assert "Esfand" not in text
    clock.moment = tehran("1403-02-17", 20)
    assert tell(house, no_failures).written == 0


def test_the_reporting_units_that_owe_their_part_are_told_by_name_in_one_message(
    secure: House, mail: MailServer, clock: Clock
) -> None:
    clock.moment = tehran("1403-02-10")
    house = alerting(secure, email=email_to(mail), routes={"delivery_late": {"contact": True}})
    dataset, period = house.configuration.dataset("provincial/labour_disputes"), Period.parse("1403-01")
    last_day = house.configuration.deadline(dataset, period).last_day
    tell(house, no_failures)
    units = dataset.contract(period).units(period)
    for number, unit in enumerate(sorted(set(units) - {"00", "30"})):
        delivery = Delivery(
            dataset.organization,
            dataset.name,
            "1403-01",
            1,
            "x",
            f"{number:064}",
            9,
            5,
            "1.0",
            clock(),
            "accepted",
            reporting_unit=unit,
        )
        house.ledger.record_delivery(delivery)
    clock.moment = midnight_in_iran(last_day + timedelta(days=1)) + timedelta(hours=1)
    tell(house, no_failures)
    (text,) = [text_of(m) for m in mail.mails if str(m["To"]).startswith("statistics-unit@provincial")]
    assert "of 31 reporting units" in text
    assert "Still owing: Markazi, Alborz" in text
    assert "واحدهای مانده: مرکزی، البرز" in text


# ── since when, and off ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_happened_before_alerts_were_turned_on_is_not_told(secure: House, happen: Happenings, mail: MailServer) -> None:
    house = alerting(secure, email=email_to(mail))
    happen.package()
    early = happen.run("early")
    happen.month()
    assert tell(house, lambda since: [early]).written == 0
    happen.package()
    assert tell(house, lambda since: [early]).written == 2
    more = alerting(secure, email=email_to(mail), routes=EVERYTHING | {"month_refused": {"addresses": [DUTY]}})
    assert tell(more, lambda since: [early]).written == 0, "a new route begins when it is first seen"
    (since,) = {one.since for one in house.ledger.alerts.subscriptions() if one.receiver == "office:it_centre"}
    routed = list(house.ledger.audit.entries(action="alerts.routed"))
    assert routed[0].at == since.isoformat(timespec="microseconds"), "the beginning is an entry of the audit log"


def test_while_alerts_are_off_nothing_connects_and_what_happens_is_not_told_later(
    secure: House, happen: Happenings, mail: MailServer
) -> None:
    on, off = alerting(secure, email=email_to(mail)), alerting(secure, email=email_to(mail), enabled=False)
    mail.answer = "451 later"
    tell(on, no_failures)
    happen.package()
    tell(on, no_failures)
    before = mail.connections

    def asked(_: object) -> tuple[RunFailure, ...]:
        raise AssertionError("nothing is looked at")

    assert tell(off, asked) == Round(enabled=False)
    happen.package()
    assert tell(off, asked) == Round(enabled=False)
    assert mail.connections == before
    assert {state for _, state, _ in states(off)} == {"undeliverable"}, "what waited is given up"
    mail.answer = "250 taken"
    assert tell(on, no_failures).written == 0
    assert mail.mails == []


def test_the_shipped_configuration_is_off(secure: House, happen: Happenings) -> None:
    happen.package()
    assert tell(secure, no_failures) == Round(enabled=False)
    assert secure.ledger.alerts.subscriptions() == ()
    assert list(secure.ledger.audit.entries(action="alerts.routed")) == []


def test_the_research_room_has_no_right_on_the_secrets(research: House, happen: Happenings, webhook: Hook) -> None:
    house = by_webhook(research, webhook)
    tell(house, no_failures)
    happen.package()
    with pytest.raises(MdlakeError, match="no right on the keys"):
        tell(house, no_failures)
    assert webhook.posts == []


# ── servers that fail ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_server_that_is_down_gets_the_message_once_when_it_is_up(secure: House, happen: Happenings, clock: Clock) -> None:
    port = free_port()
    house = alerting(secure, email=email_to(MailServer(port)))
    tell(house, no_failures)
    happen.package()
    done = tell(house, no_failures)
    assert (done.written, done.delivered, done.waiting) == (2, 0, 2)
    assert [fault.count("cannot be reached") for fault in done.faults] == [1]
    assert {attempts for *_, attempts in states(house)} == {1}
    with mail_server(port=port) as server:
        assert tell(house, no_failures).delivered == 0, "not before its time"
        assert server.connections == 0
        clock.moment += timedelta(minutes=1)
        assert tell(house, no_failures).delivered == 2
        clock.moment += timedelta(days=2)
        assert tell(house, no_failures).delivered == 0
        assert sorted(str(m["To"]) for m in server.mails) == sorted((CONTACT, OFFICE))


def test_the_time_between_two_attempts_doubles_and_after_the_last_a_person_must_look(
    secure: House, happen: Happenings, clock: Clock
) -> None:
    port = free_port()
    house = alerting(secure, email=email_to(MailServer(port)), routes={"package_refused": {"contact": True}})
    tell(house, no_failures)
    happen.package()
    waited = []
    while tell(house, no_failures).waiting:
        (message,) = house.ledger.alerts.messages()
        waited.append(round((message.next_at - clock.moment) / timedelta(minutes=1)))
        clock.moment = message.next_at
    assert waited == [1, 2]
    assert [state for _, state, _ in states(house)] == ["undeliverable"]
    happen.package()
    with mail_server(port=port) as server:
        assert tell(house, no_failures).delivered == 1, "what was given up blocks nothing"
        assert house.ledger.alerts.try_again(house.now()) == 1
        assert tell(house, no_failures).delivered == 1
        assert len({str(m["Message-ID"]) for m in server.mails}) == 2


def test_an_address_that_is_refused_for_good_blocks_no_other_and_follows_its_correction(
    secure: House, happen: Happenings, mail: MailServer
) -> None:
    mail.refused = {OFFICE: "550 nobody of this name"}
    house = alerting(secure, email=email_to(mail))
    tell(house, no_failures)
    happen.package()
    done = tell(house, no_failures)
    assert (done.delivered, done.waiting) == (1, 0)
    assert ["code 550" in fault for fault in done.faults] == [True]
    assert "nobody of this name" not in done.faults[0], "a server's own words are not repeated"
    assert states(house) == [("contact:sso", "delivered", 1), ("office:it_centre", "undeliverable", 1)]
    corrected = alerting(secure, email=email_to(mail), offices={"it_centre": "centre@ministry.example"})
    corrected.ledger.alerts.try_again(secure.now())
    assert tell(corrected, no_failures).delivered == 1
    assert {str(m["To"]) for m in mail.mails} == {CONTACT, "centre@ministry.example"}


@pytest.mark.parametrize("answer", ["451 later", "554 not this"])
def test_a_message_that_the_server_refuses_waits_and_comes_later_under_the_same_id(
    secure: House, happen: Happenings, mail: MailServer, clock: Clock, answer: str
) -> None:
    mail.answer = answer
    house = alerting(secure, email=email_to(mail), routes={"package_refused": {"contact": True}})
    tell(house, no_failures)
    happen.package()
    done = tell(house, no_failures)
    assert done.waiting == 1
    assert f"code {answer[:3]}" in done.faults[0]
    mail.answer = "250 taken"
    clock.moment += timedelta(minutes=2)
    assert tell(house, no_failures).delivered == 1
    (message,) = house.ledger.alerts.messages()
    assert mail.mails[0]["Message-ID"] == f"<{message.message_id}@ministry.example>"


def test_a_server_that_is_slow_holds_nobody_up_for_longer_than_its_timeout(secure: House, happen: Happenings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        house = alerting(secure, email=email_to(MailServer(mute.getsockname()[1]), timeout_seconds=1))
        tell(house, no_failures)
        happen.package()
        done = tell(house, no_failures)
    assert ["did not answer within 1 s" in fault for fault in done.faults] == [True], "asked once for both messages"
    assert done.waiting == 2


# ── TLS and passwords ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mail_goes_over_tls_with_user_and_password(
    secure: House, happen: Happenings, own: Certificate, tls: str, tmp_path: Path
) -> None:
    with mail_server(tls=tls, own=own, password=PASSWORD) as server:
        secret(secure, "smtp", f"{USER}\n{PASSWORD}\n".encode())
        house = trusting(secure, own, tmp_path)
        house = alerting(house, email=email_to(server, tls=tls, credentials="smtp", authorities="authority.pem"))
        tell(house, no_failures)
        happen.package()
        assert tell(house, no_failures).delivered == 2
        assert len(server.mails) == 2


def trusting(house: House, own: Certificate, folder: Path) -> House:
    """The house with a configuration's folder in which the certificate lies."""
    (folder / "authority.pem").write_bytes(own.file.read_bytes())
    return replace(house, home=replace(house.home, config=folder))


def wrong_password(house: House) -> None:
    secret(house, "smtp", f"{USER}\nTir-1402\n".encode())


def readable_by_others(house: House) -> None:
    secret(house, "smtp", f"{USER}\n{PASSWORD}\n".encode(), 0o640)


def one_line(house: House) -> None:
    secret(house, "smtp", f"{USER}:{PASSWORD}".encode())


def no_file(house: House) -> None:
    (house.home.keys / "alerts" / "smtp").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (wrong_password, "does not accept user and password (code 535)"),
        (readable_by_others, "chmod 600"),
        (one_line, "these are no user and password"),
        (no_file, "the key cannot be opened"),
    ],
)
def test_a_password_that_cannot_be_used_is_told_without_it_and_mended_the_mail_goes(
    secure: House,
    happen: Happenings,
    own: Certificate,
    tmp_path: Path,
    clock: Clock,
    spoil: Callable[[House], None],
    said: str,
) -> None:
    with mail_server(tls="starttls", own=own, password=PASSWORD) as server:
        house = trusting(secure, own, tmp_path)
        settings = {"tls": "starttls", "credentials": "smtp", "authorities": "authority.pem"}
        house = alerting(house, email=email_to(server, **settings))
        secret(secure, "smtp", f"{USER}\n{PASSWORD}\n".encode())
        spoil(secure)
        tell(house, no_failures)
        happen.package()
        done = tell(house, no_failures)
        assert done.waiting == 2
        assert [said in fault for fault in done.faults] == [True]
        assert all(word not in fault for fault in done.faults for word in (PASSWORD, "Tir-1402"))
        assert server.mails == []
        secret(secure, "smtp", f"{USER}\n{PASSWORD}\n".encode())
        clock.moment += timedelta(minutes=2)
        assert tell(house, no_failures).delivered == 2


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_server_whose_certificate_is_not_trusted_gets_no_password_and_no_mail(
    secure: House, happen: Happenings, own: Certificate, tls: str
) -> None:
    with mail_server(tls=tls, own=own, password=PASSWORD) as server:
        secret(secure, "smtp", f"{USER}\n{PASSWORD}\n".encode())
        house = alerting(secure, email=email_to(server, tls=tls, credentials="smtp"))
        tell(house, no_failures)
        happen.package()
        done = tell(house, no_failures)
        assert ["is not trusted" in fault and "authorities" in fault for fault in done.faults] == [True]
        assert server.mails == []


def test_a_server_without_starttls_gets_no_password_and_no_mail(secure: House, happen: Happenings, mail: MailServer) -> None:
    secret(secure, "smtp", f"{USER}\n{PASSWORD}\n".encode())
    house = alerting(secure, email=email_to(mail, tls="starttls", credentials="smtp"))
    tell(house, no_failures)
    happen.package()
    assert ["does not offer" in fault for fault in tell(house, no_failures).faults] == [True]
    assert mail.mails == []


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_webhook_gets_both_languages_signed_as_the_standard_says(secure: House, happen: Happenings, webhook: Hook) -> None:
    house = by_webhook(secure, webhook)
    tell(house, no_failures)
    happen.package()
    happen.month()
    assert tell(house, no_failures).delivered == 1
    ((path, headers, body),) = webhook.posts
    assert path == "/mdlake?from=tests"
    said = json.loads(body)
    assert (said["format"], said["test"], said["message"]) == ("mdlake-alert/1", False, headers["webhook-id"])
    assert [event["kind"] for event in said["events"]] == ["package_refused", "month_refused"]
    refused = said["events"][1]
    assert refused["facts"]["rules"][0]["failed"] == 3999
    assert refused["fa"]["place"].endswith("اردیبهشت ۱۴۰۳")
    assert refused["en"]["place"].endswith("Ordibehesht 1403")
    assert set(refused["fa"]) == set(refused["en"]) == {"place", "what", "points", "who", "then"}
    # by the letter of https://www.standardwebhooks.com, not by our own function
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(("status", "said"), [(302, "Redirects"), (401, "the same secret"), (503, "503")])
def test_an_answer_that_is_no_yes_is_tried_again_under_the_same_id(
    secure: House, happen: Happenings, webhook: Hook, clock: Clock, status: int, said: str
) -> None:
    house = by_webhook(secure, webhook)
    with hook() as elsewhere:
        webhook.status, webhook.location = status, elsewhere.url
        tell(house, no_failures)
        happen.package()
        done = tell(house, no_failures)
        assert [said in fault for fault in done.faults] == [True]
        assert elsewhere.posts == [], "redirects are not followed"
    webhook.status, webhook.location = 200, None
    clock.moment += timedelta(minutes=2)
    assert tell(house, no_failures).delivered == 1
    (_, first, body), (_, second, again) = webhook.posts
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert body == again


def test_a_slow_webhook_is_left_and_a_proxy_of_the_environment_is_not_used(
    secure: House, happen: Happenings, webhook: Hook, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    webhook.wait_seconds = 1.5
    house = by_webhook(secure, webhook)
    routes = {"package_refused": {"contact": True, "webhooks": ["on_call"]}}
    both = alerting(secure, email=email_to(mail), webhooks=house.configuration.alerts.webhooks, routes=routes)
    tell(both, no_failures)
    happen.package()
    done = tell(both, no_failures)
    assert len(webhook.posts) == 1
    assert ["did not answer within 1 s" in fault for fault in done.faults] == [True]
    assert (done.delivered, done.waiting) == (1, 1), "the mail goes all the same"


def test_a_webhook_over_tls_is_trusted_by_its_certificate_alone(
    secure: House, happen: Happenings, own: Certificate, tmp_path: Path, clock: Clock
) -> None:
    with hook(own=own) as receiver:
        url = receiver.url.replace("http://", "https://")
        house = by_webhook(secure, receiver, url=url)
        tell(house, no_failures)
        happen.package()
        assert ["is not trusted" in fault for fault in tell(house, no_failures).faults] == [True]
        assert receiver.posts == []
        clock.moment += timedelta(minutes=2)
        trusted = by_webhook(trusting(secure, own, tmp_path), receiver, url=url, authorities="authority.pem")
        assert tell(trusted, no_failures).delivered == 1


@pytest.mark.parametrize("content", [b"", b"secret", b"whsec_c2hvcnQ=", b"whsec_" + base64.b64encode(b"x" * 65), b"whsec_!!!!"])
def test_a_secret_that_is_too_weak_to_sign_with_is_refused(
    secure: House, happen: Happenings, webhook: Hook, content: bytes
) -> None:
    house = by_webhook(secure, webhook)
    secret(secure, "on_call", content)
    tell(house, no_failures)
    happen.package()
    assert ["no signing secret" in fault for fault in tell(house, no_failures).faults] == [True]
    assert webhook.posts == []


# ── killed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def configured(house: House, folder: Path, alerts: Setting) -> dict[str, str]:
    """The environment of a process over the house's installation with other alerts."""
    config = folder / "assets_config"
    config.mkdir()
    for entry in house.home.config.iterdir():
        if entry.name != "alerts.yaml":
            (config / entry.name).symlink_to(entry)
    (config / "alerts.yaml").write_text(written_yaml(alerts), encoding="utf-8")
    return {"MDLAKE_HOME": str(house.home.root), "MDLAKE_CONFIG": str(config), "DAGSTER_HOME": str(house.home.dagster)}


def test_a_process_killed_between_sending_and_recording_sends_again_under_the_same_id(
    secure: House, happen: Happenings, mail: MailServer, tmp_path: Path, clock: Clock
) -> None:
    routes = {"package_refused": {"contact": True}}
    house = alerting(secure, email=email_to(mail), routes=routes)
    tell(house, no_failures)
    happen.package()
    alerts = {"enabled": True, "retry": RETRY, "email": email_to(mail), "routes": routes}
    environment = {**os.environ, **configured(secure, tmp_path, alerts)}
    program = [sys.executable, "-c", "from mdlake.cli import main; main()", "alerts", "send"]
    process = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    mail.at_data = lambda: os.kill(process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output.decode()
    assert len(mail.mails) == 1
    (message,) = house.ledger.alerts.messages()
    assert (message.state, message.attempts) == ("waiting", 1)
    mail.at_data = lambda: None
    assert tell(house, no_failures).delivered == 0, "not at once: the other process might still be at it"
    clock.moment = message.next_at
    assert tell(house, no_failures).delivered == 1
    assert len({str(m["Message-ID"]) for m in mail.mails}) == 1
    assert len(mail.mails) == 2


def test_two_rounds_at_once_send_a_message_once(secure: House, happen: Happenings, mail: MailServer) -> None:
    house = alerting(secure, email=email_to(mail), routes={"package_refused": {"contact": True}})
    tell(house, no_failures)
    happen.package()
    inner: list[Round] = []
    mail.at_data = lambda: inner.append(tell(house, no_failures)) if not inner else None
    assert tell(house, no_failures).delivered == 1
    assert [one.delivered for one in inner] == [0]
    assert len(mail.mails) == 1


# ── nothing but names and counts ─────────────────────────────────────────────────────────────────────────────────────


def test_no_line_break_in_an_address_becomes_a_header(secure: House, mail: MailServer) -> None:
    from mdlake.alerts import try_channels

    house = alerting(secure, email=email_to(mail))
    with pytest.raises(NotDelivered, match="no e-mail address"):
        try_channels(house, "a@b.example\r\nBcc: c@d.example")
    assert mail.connections == 0


def test_everything_that_was_told_is_an_entry_of_the_audit_log(secure: House, happen: Happenings, mail: MailServer) -> None:
    mail.refused = {OFFICE: "550 no"}
    house = alerting(secure, email=email_to(mail))
    tell(house, no_failures)
    happen.package()
    tell(house, no_failures)
    told = [
        (e.action, e.details["receiver"], e.details["events"])
        for e in house.ledger.audit.entries()
        if e.action.startswith("alert.")
    ]
    assert sorted(told) == [("alert.delivered", "contact:sso", 1), ("alert.undeliverable", "office:it_centre", 1)]


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def invoked(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["alerts", *arguments], env=dict(environment))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_command_tries_the_channels_sends_and_lists(
    secure: House, happen: Happenings, mail: MailServer, webhook: Hook, tmp_path: Path
) -> None:
    by_webhook(secure, webhook)
    hooks = {"on_call": {"url": webhook.url, "secret": "on_call", "timeout_seconds": 1}}
    alerts = {
        "enabled": True,
        "retry": RETRY,
        "email": email_to(mail),
        "webhooks": hooks,
        "routes": EVERYTHING | {"package_refused": {"contact": True, "webhooks": ["on_call"]}},
    }
    environment = configured(secure, tmp_path, alerts)
    webhook.status = 500
    status, output = invoked(environment, "test", "--to", DUTY)
    assert status == 1
    assert f"address:{DUTY}: taken by its server" in output
    assert "webhook:on_call: alerts.yaml: webhooks.on_call: the webhook answered with 500" in output
    assert [(str(m["To"]), str(m["Subject"])) for m in mail.mails] == [(DUTY, "پیام آزمایشی · test message · mdlake")]
    assert json.loads(webhook.posts[0][2])["test"] is True

    assert invoked(environment, "send") == (0, "0 new messages, 0 delivered, 0 wait\n")
    happen.house = replace(secure, now=lambda: datetime.now(UTC))
    happen.package()
    status, output = invoked(environment, "send")
    assert status == 1
    assert output.startswith("2 new messages, 1 delivered, 1 wait\n")
    status, output = invoked(environment, "list")
    assert status == 0
    assert "alerts are on" in output
    assert "answered with 500" in " ".join(output.split())
    listed = json.loads(invoked(environment, "list", "--json")[1])
    assert {(m["receiver"], m["state"]) for m in listed} == {("contact:sso", "delivered"), ("webhook:on_call", "waiting")}
    webhook.status = 200
    assert invoked(environment, "send", "--again") == (0, "0 new messages, 1 delivered, 0 wait\n")
