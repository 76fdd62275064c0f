"""The intake of packages: what is accepted, what is refused and why, and that nothing is lost, also where it is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from producer import Producer

from mdlake.cli import cli
from mdlake.config import Home
from mdlake.exchange import Intake, Received
from mdlake.exchange import intake as intake_module
from mdlake.exchange.receipt import REASONS
from mdlake.governance import SyntheticOffices, rehearsal_folder
from mdlake.ledger import Package
from mdlake.seals import (
    AllowedSigners,
    RevokedKeys,
    generate_identity,
    generate_signing_key,
    read_recipients,
)
from mdlake.steps import House
from mdlake.synthetic import DeliveredFile, Ministry

AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
LATER = AT + timedelta(days=400)
HOUR = timedelta(hours=1)
PLACES, MONTH = "sso/workplaces", "1403-01"


@pytest.fixture
def producer(tmp_path: Path) -> Producer:
    return Producer.founded("sso", tmp_path / "keys")


@pytest.fixture
def intake(secure: House, producer: Producer, tmp_path: Path) -> Intake:
    identity = generate_identity(tmp_path / "keys" / "intake")
    receipts = generate_signing_key(tmp_path / "keys" / "receipts", "receipts")
    allowed = AllowedSigners.parse(producer.allowed_lines)
    return Intake(secure.landing, tmp_path / "outbox", identity, receipts, allowed, RevokedKeys(), secure.gate)


@pytest.fixture
def file(ministry: Ministry, tmp_path: Path) -> DeliveredFile:
    return ministry.deliver(PLACES, "1403-01", tmp_path / "made")


Send = Callable[..., Path]


@pytest.fixture
def send(intake: Intake, producer: Producer, file: DeliveredFile) -> Send:
    """Puts a package of the month into the landing."""

    def send(name: str = "p", **changed: Any) -> Path:
        folder = intake.landing.root / "sso"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        package = producer.pack(file, folder, read_recipients(intake.identity.recipients[0], "recipients"), **changed)
        renamed = package.with_name(f"{name}.tar.age")
        package.with_name(f"{package.name}.sig").rename(renamed.with_name(f"{renamed.name}.sig"))
        return package.rename(renamed)

    return send


def only(received: tuple[Received, ...]) -> Received:
    [one] = received
    return one


def receipts_of(intake: Intake) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((intake.outbox / "sso").glob("*.json"))]


def left_in(intake: Intake) -> set[str]:
    """What lies in the landing itself."""
    return {path.name for path in (intake.landing.root / "sso").iterdir() if path.is_file() and path.name != ".lock"}


def test_a_right_package_is_accepted_kept_and_answered(
    intake: Intake, send: Send, file: DeliveredFile, producer: Producer
) -> None:
    package = send()
    content = package.read_bytes()
    received = only(intake.take_in("sso", AT))
    assert received.refusal is None
    assert intake.landing.path(received.delivery).read_bytes() == file.csv_path.read_bytes()
    assert intake.landing.ledger.current_delivery("sso", "workplaces", "1403-01") == received.delivery
    assert left_in(intake) == set()
    [kept] = (intake.landing.root / "sso" / "accepted").glob("*.tar.age")
    assert kept.read_bytes() == content
    assert kept.with_name(f"{kept.name}.sig").is_file()
    [receipt] = receipts_of(intake)
    assert (receipt["state"], receipt["reason"]) == ("accepted", None)
    assert receipt["delivery"]["dataset"] == "workplaces"
    assert receipt["signed_by"].startswith("SHA256:")
    assert intake.take_in("sso", AT) == ()


def test_ssh_keygen_verifies_a_receipt(intake: Intake, send: Send, tmp_path: Path) -> None:
    send()
    intake.take_in("sso", AT)
    (tmp_path / "allowed").write_text(f"receipts {intake.receipts.public_line}\n", encoding="ascii")
    [receipt] = (intake.outbox / "sso").glob("*.json")
    command = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "receipts", "-n", "mdlake-receipt"]
    signature = receipt.with_name(f"{receipt.name}.sig")
    subprocess.run([*command, "-s", signature], input=receipt.read_bytes(), check=True, capture_output=True)


def refused(intake: Intake, at: datetime = AT) -> str:
    """The reason of the only package, which is kept, recorded and answered in both languages; nothing clear is left."""
    before = intake.landing.ledger.current_deliveries("sso")
    received = only(intake.take_in("sso", at))
    assert received.refusal is not None
    assert intake.landing.ledger.current_deliveries("sso") == before
    reason = received.refusal.reason
    newest = max(receipts_of(intake), key=lambda receipt: receipt["package"]["number"])
    assert newest["state"] == "refused"
    assert newest["reason"]["code"] == reason
    assert (newest["reason"]["fa"], newest["reason"]["en"]) == REASONS[reason]
    assert left_in(intake) == set()
    assert not list((intake.landing.root / "sso").glob(".opening*"))
    kept = list((intake.landing.root / "sso" / "refused").glob("*.tar.age"))
    assert len(kept) == sum(package.state == "refused" for package in intake.landing.ledger.packages("sso"))
    return reason


def test_an_unknown_sender_is_refused_until_its_key_is_admitted(intake: Intake, send: Send) -> None:
    package = send()
    copy = {path: path.read_bytes() for path in (package, package.with_name(f"{package.name}.sig"))}
    assert refused(replace(intake, allowed=AllowedSigners(()))) == "unknown_sender"
    for path, content in copy.items():
        path.write_bytes(content)
    assert only(intake.take_in("sso", AT)).refusal is None
    assert sorted(receipt["state"] for receipt in receipts_of(intake)) == ["accepted", "refused"]


def test_the_same_package_again_is_a_replay(intake: Intake, send: Send) -> None:
    package = send()
    copy = {path: path.read_bytes() for path in (package, package.with_name(f"{package.name}.sig"))}
    intake.take_in("sso", AT)
    for _ in range(2):
        for path, content in copy.items():
            path.write_bytes(content)
        assert refused(intake) == "replay"
    assert len(receipts_of(intake)) == 3
    for path, content in copy.items():
        path.with_name(path.name.replace("p.tar", "renamed.tar")).write_bytes(content)
    assert refused(intake) == "replay"


def test_a_sequence_that_is_not_new_is_refused_and_the_accepted_stays(intake: Intake, send: Send, file: DeliveredFile) -> None:
    send("first", sequence=2)
    accepted = only(intake.take_in("sso", AT)).delivery
    for sequence in (1, 2):
        send(f"older-{sequence}", sequence=sequence, supersedes=sequence)
        assert refused(intake) == "older_sequence"
    assert intake.landing.ledger.current_delivery("sso", "workplaces", "1403-01") == accepted
    assert intake.landing.path(accepted).read_bytes() == file.csv_path.read_bytes()


@pytest.mark.parametrize("supersedes", [None, 1, 3])
def test_what_replaces_another_delivery_than_the_one_that_counts_is_refused(
    intake: Intake, send: Send, supersedes: int | None
) -> None:
    send("first", sequence=2)
    intake.take_in("sso", AT)
    send("later", sequence=3, supersedes=supersedes)
    assert refused(intake) == "supersedes"
    send("right", sequence=3, supersedes=2)
    assert only(intake.take_in("sso", AT)).refusal is None


def test_a_first_delivery_that_says_it_replaces_one_is_refused(intake: Intake, send: Send) -> None:
    send(sequence=2, supersedes=1)
    assert refused(intake) == "supersedes"


def test_a_later_sequence_supersedes_and_the_earlier_stays_readable(
    intake: Intake, send: Send, producer: Producer, ministry: Ministry, tmp_path: Path
) -> None:
    send("first")
    first = only(intake.take_in("sso", AT)).delivery
    other = ministry.deliver(PLACES, "1403-01", tmp_path / "second", sequence=2, defects={"malformed_workplace_code": 0.1})
    producer.pack(other, intake.landing.root / "sso", read_recipients(intake.identity.recipients[0], ""))
    second = only(intake.take_in("sso", AT)).delivery
    assert intake.landing.ledger.current_delivery("sso", "workplaces", "1403-01") == second
    assert intake.landing.path(first).is_file()
    assert intake.landing.path(second).read_bytes() == other.csv_path.read_bytes()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"organization": "tvto"}, "other_organization"),
        ({"sequence": 0}, "unreadable_descriptor"),
    ],
)
def test_a_descriptor_that_cannot_be_of_its_sender_is_refused(
    intake: Intake, send: Send, changed: dict[str, Any], reason: str
) -> None:
    send(**changed)
    assert refused(intake) == reason


def closing(at: str = MONTH) -> dict[str, Any]:
    return {"datasets": [PLACES], "periods": {"first": at, "last": at}}


def test_a_closed_period_lets_nothing_in_until_both_centres_open_it_again(
    intake: Intake, send: Send, secure: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    offices = SyntheticOffices(secure.register, rehearsal_folder(secure.home))
    closed = offices.decide("period_closed", closing(), AT - HOUR)
    with monkeypatch.context() as patched:
        patched.setattr(intake_module, "require_readable", lambda *_: pytest.fail("the data file was parsed"))
        send("closed")
        assert refused(intake) == "closed_period"
    [package] = intake.landing.ledger.packages("sso")
    assert closed.decision_id in (package.message or "")
    offices_named = [secure.configuration.signing_offices[office].en for office in ("statistics_centre", "it_centre")]
    assert " and ".join(offices_named) in (package.message or "")
    [command] = re.findall(r"mdlake (decide draft period_reopened .*?)\)", package.message or "")
    environment = {"MDLAKE_HOME": str(secure.home.root), "MDLAKE_CONFIG": str(secure.home.config)}
    drafted = CliRunner().invoke(cli, command.split(), env=environment)
    assert drafted.exit_code == 0, drafted.output
    send("undecided")
    assert refused(intake) == "closed_period"
    offices.decide("period_reopened", closing(), AT, days=3)
    send("reopened")
    accepted = only(intake.take_in("sso", AT + HOUR))
    assert accepted.refusal is None
    send("too-late", sequence=2)
    assert refused(intake, AT + timedelta(days=3)) == "closed_period"
    assert intake.landing.ledger.current_delivery("sso", "workplaces", MONTH) == accepted.delivery


@pytest.mark.parametrize(
    ("scope", "at"),
    [
        (closing("1403-02"), AT),
        ({**closing(), "datasets": ["sso/insured_contributions"]}, AT),
        (closing(), AT - 2 * HOUR),
    ],
    ids=["another month", "another dataset", "before it was closed"],
)
def test_a_closing_keeps_out_what_it_covers_and_nothing_else(
    intake: Intake, send: Send, secure: House, scope: dict[str, Any], at: datetime
) -> None:
    SyntheticOffices(secure.register, rehearsal_folder(secure.home)).decide("period_closed", scope, AT - HOUR)
    send()
    assert only(intake.take_in("sso", at)).refusal is None


def test_a_package_without_a_signature_arrives_until_it_was_quiet_for_a_while(intake: Intake, send: Send) -> None:
    package = send()
    signature = package.with_name(f"{package.name}.sig")
    text = signature.read_bytes()
    signature.unlink()
    assert intake.take_in("sso", AT) == ()
    assert package.is_file()
    now = datetime.now(UTC)
    assert intake.take_in("sso", now) == ()
    assert refused(intake, now + timedelta(hours=2)) == "missing_signature"
    [kept] = (intake.landing.root / "sso" / "refused").glob("*.tar.age")
    shutil.copy(kept, package)
    signature.write_bytes(text)
    assert only(intake.take_in("sso", AT)).refusal is None


@pytest.mark.parametrize("what", ["link", "link to a folder", "folder", "pipe", "link of the signature", "pipe for a signature"])
def test_what_is_no_plain_file_is_not_followed(intake: Intake, send: Send, tmp_path: Path, what: str) -> None:
    package = send()
    secret = tmp_path / "secret"
    secret.write_bytes(b"not the sender's")
    target = package if "signature" not in what else package.with_name(f"{package.name}.sig")
    target.unlink()
    if what == "folder":
        target.mkdir()
    elif "pipe" in what:
        os.mkfifo(target)
    else:
        target.symlink_to(tmp_path if "folder" in what else secret)
    assert refused(intake) == "not_a_file"
    assert secret.read_bytes() == b"not the sender's"


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"a\nb", b"\x1b[2J\x1b[31mx", "بسته".encode(), b"x" * 240, b" ", b"'; drop table packages; --"]
)
def test_whatever_a_package_is_called_it_is_taken_in_and_kept(intake: Intake, send: Send, name: bytes) -> None:
    package = send()
    signature = package.with_name(f"{package.name}.sig")
    odd = package.with_name(os.fsdecode(name + b".tar.age"))
    signature.rename(odd.with_name(f"{odd.name}.sig"))
    package.rename(odd)
    assert only(intake.take_in("sso", AT)).refusal is None
    assert left_in(intake) == set()
    [receipt] = receipts_of(intake)
    assert receipt["state"] == "accepted"
    odd.write_bytes(b"x")
    odd.with_name(f"{odd.name}.sig").write_bytes(b"x")
    received = only(intake.take_in("sso", AT))
    assert received.refusal is not None
    assert str(received.refusal).isprintable()


def test_every_step_may_be_killed_and_the_package_still_gets_one_answer(
    home: Home, intake: Intake, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before and after each thing that it leaves on the disk; the next one completes it."""
    package = send()
    copies = {path: path.read_bytes() for path in (package, package.with_name(f"{package.name}.sig"))}

    class Killed(BaseException):
        """As SIGKILL: nothing catches it."""

    steps = 0

    def dying(function: Callable[..., Any], at: int) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at:
                raise Killed
            answer = function(*arguments, **named)
            steps += 1
            if steps == at:
                raise Killed
            return answer

        return stepped

    survived = False
    for at in range(1, 40):
        steps = 0
        with monkeypatch.context() as patched:
            patched.setattr(intake_module, "write_receipt", dying(intake_module.write_receipt, at))
            patched.setattr(intake_module, "_keep", dying(intake_module._keep, at))
            patched.setattr(Path, "rename", dying(Path.rename, at))
            patched.setattr(type(intake.landing.ledger), "record_package", dying(type(intake.landing.ledger).record_package, at))
            try:
                intake.take_in("sso", AT)
                survived = True
            except Killed:
                pass
        intake.take_in("sso", AT)
        recorded: tuple[Package, ...] = intake.landing.ledger.packages("sso")
        assert [one.state for one in recorded] == ["accepted"], at
        assert [receipt["package"]["number"] for receipt in receipts_of(intake)] == [recorded[0].package_id]
        assert left_in(intake) == set()
        current = intake.landing.ledger.current_delivery("sso", "workplaces", "1403-01")
        assert current is not None
        assert intake.landing.path(current).is_file()
        assert len(list((intake.landing.root / "sso" / "accepted").glob("*.tar.age"))) == 1
        if survived:
            break
        _begin_anew(home, intake, copies)
    assert survived
    assert at > 10


def _begin_anew(home: Home, intake: Intake, copies: dict[Path, bytes]) -> None:
    """The landing and the ledger as they were before the package was taken in."""
    for folder in (intake.landing.root / "sso", intake.outbox / "sso"):
        shutil.rmtree(folder)
    (intake.landing.root / "sso").mkdir(mode=0o700)
    for path, content in copies.items():
        path.write_bytes(content)
    with sqlite3.connect(home.ledger_url.removeprefix("sqlite:///")) as connection:
        connection.execute("delete from packages")
        connection.execute("delete from deliveries")
    connection.close()


def test_every_reason_has_words_in_both_languages() -> None:
    root = Path(intake_module.__file__).parents[1]
    found = set()
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'(?:DeliveryRefused|_refused)\(\s*"([a-z_]+)"', text))
    assert len(found) > 25
    assert found <= set(REASONS)
    assert all(reason.fa and reason.en and not reason.fa.isascii() for reason in REASONS.values())


def test_the_ledger_says_what_came(intake: Intake, send: Send, home: Home) -> None:
    send()
    intake.take_in("sso", AT)
    actions = [entry.action for entry in intake.landing.ledger.audit.entries()][-2:]
    assert actions == ["delivery.accepted", "package.accepted"]
    intake.landing.ledger.audit.verify()
