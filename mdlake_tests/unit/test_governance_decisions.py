"""Every kind of decision in every state: whether it counts, why not, and what `ssh-keygen` says of the same files.

The files are written and signed here by hand, as an office without this program would do it; who must sign is written out a
second time, so that a slip in `decisions.yaml` or in the counting of signatures shows.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import DECIDED_AT
from sqlalchemy import Engine, event

from mdlake.config import Configuration, Home
from mdlake.errors import DecisionRefused, LedgerError, SealError
from mdlake.governance import Register, Standing, SyntheticOffices, rehearsal_folder, revoke_key
from mdlake.governance import register as register_module
from mdlake.ledger import Ledger
from mdlake.seals import SigningKey, generate_signing_key, load_signing_key, sign
from mdlake.standard import Period

AT = DECIDED_AT + timedelta(minutes=10)
DAY = timedelta(days=1)
TODAY, TOMORROW, YESTERDAY, NEXT_WEEK = "1403-03-12", "1403-03-13", "1403-03-11", "1403-03-19"
PLACES, INSURED = "sso/workplaces", "sso/insured_contributions"
QUORUM = (
    "committee_chair",
    "committee_secretary",
    "seat_statistics_centre",
    "seat_security_centre",
    "seat_social_welfare",
    "seat_employment",
    "seat_cooperatives",
    "seat_it_adviser",
)
DOCUMENT = {"name": "rules_of_access", "version": "1", "sha256": "ab" * 32}
MONTHS = {"first": "1403-01", "last": "1403-03"}


@dataclass(frozen=True)
class Kind:
    """What a decision of a kind is about, and the fewest offices by which it is complete."""

    scope: Mapping[str, Any]
    signers: tuple[str, ...]
    subject: str
    days: bool = False
    revoked_by: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "dataset_proposed": Kind({"datasets": [PLACES]}, ("statistics_centre",), PLACES, revoked_by=("statistics_centre",)),
    "dataset_approved": Kind({"datasets": [PLACES]}, QUORUM, PLACES, revoked_by=QUORUM),
    "standard_approved": Kind(
        {"contracts": [{"dataset": PLACES, "version": "1.0", "sha256": "cd" * 32}]},
        ("statistics_centre", "statistics_unit@sso"),
        f"{PLACES}@{'cd' * 32}",
        revoked_by=("statistics_centre",),
    ),
    "instruction_issued": Kind(
        {"contracts": [{"dataset": PLACES, "version": "1.0", "sha256": "cd" * 32}]},
        ("statistics_centre", "statistics_unit@sso"),
        f"{PLACES}@{'cd' * 32}",
        revoked_by=("statistics_centre",),
    ),
    "period_exception": Kind(
        {"datasets": [PLACES], "periodicity": "quarter"},
        ("statistics_centre", "it_centre"),
        PLACES,
        revoked_by=("it_centre",),
    ),
    "period_closed": Kind(
        {"datasets": [PLACES], "periods": MONTHS}, ("statistics_centre",), PLACES, revoked_by=("statistics_centre",)
    ),
    "period_reopened": Kind(
        {"datasets": [PLACES], "periods": MONTHS},
        ("statistics_centre", "it_centre"),
        PLACES,
        days=True,
        revoked_by=("statistics_centre",),
    ),
    "access_rule_approved": Kind({"document": DOCUMENT}, ("it_centre", *QUORUM), "rules_of_access", revoked_by=QUORUM),
    "exception_granted": Kind(
        {"datasets": [PLACES], "rules": ["completeness"], "periods": MONTHS},
        QUORUM,
        f"{PLACES}#completeness",
        days=True,
        revoked_by=QUORUM,
    ),
    "exchange_standard_issued": Kind({"document": DOCUMENT}, ("it_centre",), "rules_of_access", revoked_by=("it_centre",)),
    "project_approved": Kind(
        {"project": "wages_of_women", "access_level": 3, "datasets": [PLACES]},
        ("statistics_centre", "security_centre", *QUORUM),
        "wages_of_women",
        days=True,
        revoked_by=("committee_chair",),
    ),
    "reidentification_authorised": Kind(
        {"project": "wages_of_women", "datasets": [PLACES]},
        ("security_centre", "it_centre", *QUORUM),
        "wages_of_women",
        days=True,
        revoked_by=("security_centre",),
    ),
    "key_ceremony": Kind({"key_epoch": 2}, ("security_centre", "it_centre", "committee_secretary"), ""),
    # withdraws an approval of the Committee, so the Committee signs
    "revocation": Kind({}, QUORUM, "target"),
}


class Installation:
    """A register with keys of all offices, and the hands that write and sign files in it."""

    def __init__(self, home: Home, configuration: Configuration) -> None:
        self.register = Register(home, configuration, Ledger(home.ledger_url))
        self.keys = rehearsal_folder(home)
        self.ids: list[str] = []

    def key(self, office: str) -> SigningKey:
        return load_signing_key(self.keys / office)

    def write(self, kind: str, decision_id: str = "under-test", /, **changed: Any) -> str:
        """A decision of a kind as its office would write it, whole unless something is changed."""
        fields: dict[str, Any] = {
            "format": "mdlake-decision/1",
            "id": decision_id,
            "kind": kind,
            "title": {"fa": "تصمیم", "en": "a decision"},
            "dated": TODAY,
            "valid_from": TODAY,
            "scope": self.scope(kind),
            "text": {"fa": "متن صورت‌جلسه", "en": "text of the minutes"},
        }
        if KINDS[kind].days:
            fields["valid_until"] = NEXT_WEEK
        fields = {name: value for name, value in {**fields, **changed}.items() if value is not None}
        path = self.register.folder / f"{decision_id}.yaml"
        path.write_text(yaml.safe_dump(fields, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return decision_id

    def scope(self, kind: str) -> dict[str, Any]:
        """What a decision of a kind is about."""
        target = self.register.ledger.decisions.get("target")
        withdrawn = {"decision": {"id": "target", "sha256": target.sha256}} if target is not None else {}
        return withdrawn if kind == "revocation" else dict(KINDS[kind].scope)

    def file(self, decision_id: str = "under-test") -> Path:
        return self.register.folder / f"{decision_id}.yaml"

    def edit(self, old: str, new: str, decision_id: str = "under-test") -> None:
        text = self.file(decision_id).read_text(encoding="utf-8")
        assert old in text
        self.file(decision_id).write_text(text.replace(old, new), encoding="utf-8")

    def signature(self, office: str, decision_id: str = "under-test") -> Path:
        return self.register.folder / f"{decision_id}.yaml.{office}.sig"

    def sign(self, kind: str, *offices: str, decision_id: str = "under-test", key: SigningKey | None = None) -> None:
        content = self.file(decision_id).read_bytes()
        for office in offices:
            text = sign(content, key or self.key(office), f"mdlake-{kind.replace('_', '-')}")
            self.signature(office, decision_id).write_text(text, encoding="ascii")

    def signed(self, kind: str, /, **changed: Any) -> None:
        """A decision with all the signatures that it needs."""
        self.write(kind, **changed)
        self.sign(kind, *KINDS[kind].signers)

    def accepted(self, kind: str, /, **changed: Any) -> None:
        """A decision that counts."""
        self.signed(kind, **changed)
        self.register.accept("under-test", AT)

    def list_key(self, office: str, options: str, key: SigningKey | None = None) -> None:
        """Write the line of an office in the allowed signers again, with other options."""
        path = self.register.allowed_signers
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(f"{office} ")]
        public = (key or self.key(office)).public_line
        path.write_text("\n".join([*lines, f"{office} {options}{public}", ""]), encoding="utf-8")

    def standing(self, at: datetime = AT, decision_id: str = "under-test") -> Standing:
        return self.register.standing(decision_id, at)

    def counts(self, kind: str, at: datetime, subject: str | None = None) -> bool:
        """Whether who asks for decisions of the kind is given this one."""
        subject = KINDS[kind].subject if subject is None else subject
        return any(found.id == "under-test" for found in self.register.counting(kind, subject, at))


@pytest.fixture
def installation(home: Home, configuration: Configuration) -> Installation:
    """An installation in which the datasets are proposed, and one approval is there to be withdrawn."""
    made = Installation(home, configuration)
    made.write("dataset_approved", "target")
    made.sign("dataset_approved", *QUORUM, decision_id="target")
    made.register.accept("target", DECIDED_AT + timedelta(minutes=1))
    return made


# The states. Each puts a decision of a kind into one, and says at what time it is asked about.

State = Callable[[Installation, str], datetime]


def complete_and_accepted(made: Installation, kind: str) -> datetime:
    made.accepted(kind)
    return AT


def complete_and_not_accepted(made: Installation, kind: str) -> datetime:
    made.signed(kind)
    return AT


def unsigned(made: Installation, kind: str) -> datetime:
    made.write(kind)
    return AT


def under_signed(made: Installation, kind: str) -> datetime:
    made.write(kind)
    made.sign(kind, *KINDS[kind].signers[:-1])
    return AT


def signed_without_the_first(made: Installation, kind: str) -> datetime:
    made.write(kind)
    made.sign(kind, *KINDS[kind].signers[1:])
    return AT


def wrong_office(made: Installation, kind: str) -> datetime:
    under_signed(made, kind)
    made.sign(kind, "statistics_unit@tvto")
    return AT


def wrong_office_with_a_key_for_everything(made: Installation, kind: str) -> datetime:
    made.list_key("statistics_unit@tvto", "")
    return wrong_office(made, kind)


def signed_by_nobody_of_the_list(made: Installation, kind: str) -> datetime:
    under_signed(made, kind)
    stranger = generate_signing_key(made.register.home.root / "stranger", "stranger")
    made.sign(kind, KINDS[kind].signers[-1], key=stranger)
    return AT


def signed_for_another_with_an_own_key(made: Installation, kind: str) -> datetime:
    under_signed(made, kind)
    made.sign(kind, KINDS[kind].signers[-1], key=made.key("statistics_unit@tvto"))
    return AT


def two_offices_with_one_key(made: Installation, kind: str) -> datetime:
    """Who holds the keys of two offices would be two of those who must agree."""
    first, *_, last = KINDS[kind].signers
    made.signed(kind)
    made.list_key(last, "", made.key(first))
    made.sign(kind, last, key=made.key(first))
    return AT


def key_revoked_before_acceptance(made: Installation, kind: str) -> datetime:
    made.signed(kind)
    revoke_key(made.register, made.key(KINDS[kind].signers[-1]).public_line, AT)
    return AT


def key_revoked_after_acceptance(made: Installation, kind: str) -> datetime:
    made.accepted(kind)
    revoke_key(made.register, made.key(KINDS[kind].signers[-1]).public_line, AT + DAY)
    assert made.standing(AT).state == "live", "as of then it counted"
    return AT + DAY


def key_not_yet_valid(made: Installation, kind: str) -> datetime:
    made.list_key(KINDS[kind].signers[-1], 'valid-after="20240602Z" ')
    made.signed(kind)
    return AT


def key_expired_before_acceptance(made: Installation, kind: str) -> datetime:
    made.list_key(KINDS[kind].signers[-1], 'valid-before="20240601070000Z" ')
    made.signed(kind)
    return AT


def key_expired_after_acceptance(made: Installation, kind: str) -> datetime:
    made.list_key(KINDS[kind].signers[-1], 'valid-before="20240602Z" ')
    made.accepted(kind)
    return AT + 2 * DAY


def key_not_for_the_kind(made: Installation, kind: str) -> datetime:
    made.list_key(KINDS[kind].signers[-1], 'namespaces="mdlake-something-else" ')
    made.signed(kind)
    return AT


def expired(made: Installation, kind: str) -> datetime:
    made.accepted(kind, valid_until=TOMORROW)
    assert made.standing(AT + DAY).state == "live", "the last day is included"
    return AT + 2 * DAY


def expired_before_acceptance(made: Installation, kind: str) -> datetime:
    made.signed(kind, valid_from="1403-01-01", valid_until=YESTERDAY)
    return AT


def not_begun(made: Installation, kind: str) -> datetime:
    made.accepted(kind, valid_from=TOMORROW)
    assert made.standing(AT + DAY).state == "live"
    return AT


def withdrawn(made: Installation, kind: str) -> datetime:
    made.accepted(kind)
    accepted = made.register.ledger.decisions.get("under-test")
    assert accepted is not None
    made.write("revocation", "withdrawal", scope={"decision": {"id": "under-test", "sha256": accepted.sha256}})
    made.sign("revocation", *KINDS[kind].revoked_by[:-1], decision_id="withdrawal")
    with pytest.raises(DecisionRefused, match="it lacks signatures"):
        made.register.accept("withdrawal", AT + DAY)
    made.sign("revocation", *KINDS[kind].revoked_by, decision_id="withdrawal")
    made.register.accept("withdrawal", AT + DAY)
    assert made.standing(AT).state == "live", "as of then it counted"
    return AT + DAY


def withdrawn_and_the_withdrawal_is_lost(made: Installation, kind: str) -> datetime:
    at = withdrawn(made, kind)
    made.file("withdrawal").unlink()
    return at


def text_changed_before_acceptance(made: Installation, kind: str) -> datetime:
    made.signed(kind)
    made.edit("text of the minutes", "text of other minutes")
    return AT


def text_changed_after_acceptance(made: Installation, kind: str) -> datetime:
    made.accepted(kind)
    made.edit("text of the minutes", "text of other minutes")
    return AT


def scope_changed_before_acceptance(made: Installation, kind: str) -> datetime:
    other = _other_scope(made, kind)
    made.signed(kind)
    signatures = {path: path.read_bytes() for path in made.register.folder.glob("under-test.yaml.*.sig")}
    made.write(kind, scope=other)
    assert all(path.read_bytes() == content for path, content in signatures.items())
    return AT


def scope_changed_after_acceptance(made: Installation, kind: str) -> datetime:
    other = _other_scope(made, kind)
    made.accepted(kind)
    made.write(kind, scope=other)
    return AT


def _other_scope(made: Installation, kind: str) -> dict[str, Any]:
    """A scope that the kind allows too, and that covers something else or more."""
    scope = made.scope(kind)
    if "datasets" in scope:
        return {**scope, "datasets": [PLACES, INSURED]}
    if "contracts" in scope:
        return {"contracts": [{**scope["contracts"][0], "sha256": "ef" * 32}]}
    if "document" in scope:
        return {"document": {**scope["document"], "sha256": "ef" * 32}}
    if "key_epoch" in scope:
        return {"key_epoch": 3}
    made.write("dataset_approved", "other-target")
    made.sign("dataset_approved", *QUORUM, decision_id="other-target")
    standing = made.register.accept("other-target", AT)
    assert standing.accepted is not None
    return {"decision": {"id": "other-target", "sha256": standing.accepted.sha256}}


def signature_of_another_kind(made: Installation, kind: str) -> datetime:
    made.write(kind)
    other = "dataset_proposed" if kind != "dataset_proposed" else "dataset_approved"
    for office in KINDS[kind].signers:
        made.list_key(office, "")
    made.sign(other, *KINDS[kind].signers)
    return AT


def signature_changed(made: Installation, kind: str) -> datetime:
    made.signed(kind)
    path = made.signature(KINDS[kind].signers[-1])
    lines = path.read_text(encoding="ascii").splitlines()
    lines[-2] = lines[-2][::-1]
    path.write_text("\n".join([*lines, ""]), encoding="ascii")
    return AT


def signature_lost_after_acceptance(made: Installation, kind: str) -> datetime:
    made.accepted(kind)
    made.signature(KINDS[kind].signers[-1]).unlink()
    return AT


def file_lost_after_acceptance(made: Installation, kind: str) -> datetime:
    made.accepted(kind)
    made.file().unlink()
    return AT


def replayed_under_another_name(made: Installation, kind: str) -> datetime:
    """The files of a decision that counts, copied: as if it had been decided twice."""
    _first(made, kind)
    for path in made.register.folder.glob("first.yaml*"):
        shutil.copy(path, path.with_name(path.name.replace("first.yaml", "under-test.yaml")))
    return AT


def replayed_under_another_id(made: Installation, kind: str) -> datetime:
    """The same, with the id inside changed too."""
    replayed_under_another_name(made, kind)
    made.edit("id: first", "id: under-test")
    return AT


def _first(made: Installation, kind: str) -> None:
    made.write(kind, "first")
    made.sign(kind, *KINDS[kind].signers, decision_id="first")
    made.register.accept("first", AT)


def scope_without_what_it_must_name(made: Installation, kind: str) -> datetime:
    made.signed(kind, scope={})
    return AT


def scope_of_another_kind(made: Installation, kind: str) -> datetime:
    foreign = {"key_epoch": 7} if kind != "key_ceremony" else {"project": "wages_of_women"}
    made.signed(kind, scope={**made.scope(kind), **foreign})
    return AT


def written_with_an_unknown_field(made: Installation, kind: str) -> datetime:
    made.signed(kind, waives="everything")
    return AT


def cut_short(made: Installation, kind: str) -> datetime:
    made.signed(kind)
    made.file().write_bytes(made.file().read_bytes().partition(b"scope")[0])
    return AT


# A state, how the decision stands in it, and what a person is told; each for every kind.
STATES: dict[State, tuple[str, str]] = {
    complete_and_accepted: ("live", r"^$"),
    complete_and_not_accepted: ("complete", r"not accepted yet: mdlake decide accept under-test"),
    unsigned: ("waiting", r"lacks signatures: .* 0 signed, \d+ more needed"),
    under_signed: ("waiting", r"lacks signatures: .* more needed"),
    signed_without_the_first: ("waiting", r"lacks signatures: .* more needed"),
    wrong_office: ("waiting", r"signature of statistics_unit@tvto does not count: "),
    wrong_office_with_a_key_for_everything: ("waiting", r"of statistics_unit@tvto does not count: .*does not ask for it"),
    signed_by_nobody_of_the_list: ("waiting", r"the key of the signature is not an allowed one"),
    signed_for_another_with_an_own_key: ("waiting", r"the key of the signature is not an allowed one"),
    two_offices_with_one_key: ("waiting", r"was made with the key of \S+\. Each office signs with a key of its own"),
    key_revoked_before_acceptance: ("waiting", r"its key is revoked"),
    key_revoked_after_acceptance: ("void", r"its key is revoked"),
    key_not_yet_valid: ("waiting", r"is valid only from 2024-06-02"),
    key_expired_before_acceptance: ("waiting", r"expired at 2024-06-01"),
    key_expired_after_acceptance: ("live", r"^$"),
    key_not_for_the_kind: ("waiting", r"may not sign in the namespace"),
    expired: ("expired", rf"ended with {TOMORROW}"),
    expired_before_acceptance: ("broken", r"ended before it was accepted"),
    not_begun: ("not begun", rf"counts from {TOMORROW} on"),
    withdrawn: ("revoked", r"withdrawn by withdrawal"),
    withdrawn_and_the_withdrawal_is_lost: ("revoked", r"withdrawn by withdrawal"),
    text_changed_before_acceptance: ("waiting", r"was changed after signing"),
    text_changed_after_acceptance: ("void", r"was changed after it was accepted: restore it"),
    scope_changed_before_acceptance: ("waiting", r"was changed after signing"),
    scope_changed_after_acceptance: ("void", r"was changed after it was accepted: restore it"),
    signature_of_another_kind: ("waiting", r"the signature was not made for 'mdlake-"),
    signature_changed: ("waiting", r"not an SSH signature, or it was changed|does not hold"),
    signature_lost_after_acceptance: ("void", r"the signature of \S+ is gone"),
    file_lost_after_acceptance: ("void", r"its file is not in .*: restore it"),
    replayed_under_another_name: ("broken", r"the file says that it is the decision first"),
    replayed_under_another_id: ("waiting", r"was changed after signing"),
    scope_without_what_it_must_name: ("broken", r"its scope says nothing of \w+"),
    scope_of_another_kind: ("broken", r"its scope speaks of \w+, and a decision of this kind does not"),
    written_with_an_unknown_field: ("broken", r"waives"),
    cut_short: ("broken", r"line \d+: scope "),
}

IMPOSSIBLE = {
    # it is withdrawn by nobody
    withdrawn: {"key_ceremony", "revocation"},
    withdrawn_and_the_withdrawal_is_lost: {"key_ceremony", "revocation"},
    # one office signs it
    two_offices_with_one_key: {"dataset_proposed", "exchange_standard_issued", "period_closed"},
}
TABLE = [
    pytest.param(kind, state, id=f"{kind}-{state.__name__}")
    for kind in KINDS
    for state in STATES
    if kind not in IMPOSSIBLE.get(state, ())
]


def test_the_table_has_every_kind(configuration: Configuration) -> None:
    assert set(KINDS) == set(configuration.decisions.kinds)


def ssh_keygen_accepts(made: Installation, kind: str, office: str, standing: Standing, at: datetime) -> bool:
    """What OpenSSH says of a signature, at the time at which the keys must have been valid."""
    signed_by = standing.accepted.accepted_at if standing.accepted else at
    arguments: list[str | Path] = ["-Y", "verify", "-f", made.register.allowed_signers, "-I", office]
    arguments += ["-n", f"mdlake-{kind.replace('_', '-')}", "-s", made.signature(office), "-r", made.register.revoked_keys]
    arguments += [f"-Overify-time={signed_by:%Y%m%d%H%M%S}Z"]
    ran = subprocess.run(["ssh-keygen", *map(str, arguments)], input=made.file().read_bytes(), capture_output=True, check=False)
    return ran.returncode == 0


@pytest.mark.parametrize(("kind", "state"), TABLE)
def test_a_decision_counts_only_as_it_should(installation: Installation, kind: str, state: State) -> None:
    expected, message = STATES[state]
    at = state(installation, kind)
    standing = installation.standing(at)
    assert standing.state == expected, standing.reason
    assert re.search(message, standing.reason), standing.reason
    assert standing.counts == (expected == "live")
    assert installation.counts(kind, at) == (expected == "live" and bool(KINDS[kind].subject))
    if standing.accepted is None and expected != "complete":
        with pytest.raises(DecisionRefused, match=message):
            installation.register.accept("under-test", at)
        assert installation.register.ledger.decisions.get("under-test") is None
    for signature in standing.signatures:
        # that the office is asked, and that no other signed with its key, is more than a signature can tell
        ours = signature.fault is None or "does not ask for it" in signature.fault or "with the key of" in signature.fault
        assert ssh_keygen_accepts(installation, kind, signature.office, standing, at) == ours, signature


# What covers what


@pytest.mark.parametrize(
    ("kind", "scope", "covered", "not_covered"),
    [
        ("dataset_approved", {"datasets": [PLACES]}, (PLACES, None), (INSURED, None)),
        ("dataset_approved", {"datasets": [PLACES]}, (PLACES, "1420-01"), (f"{PLACES}_of_others", None)),
        ("dataset_approved", {"datasets": [PLACES], "periods": MONTHS}, (PLACES, "1403-03"), (PLACES, "1403-04")),
        ("dataset_approved", {"datasets": [PLACES], "periods": MONTHS}, (PLACES, "1403-Q1"), (PLACES, "1402-12")),
        ("dataset_approved", {"datasets": [PLACES], "periods": MONTHS}, (PLACES, "1403-01"), (PLACES, "1403")),
        (
            "exception_granted",
            {"datasets": [PLACES], "rules": ["completeness"], "periods": MONTHS},
            (f"{PLACES}#completeness", "1403-02"),
            (f"{PLACES}#heaping", "1403-02"),
        ),
        (
            "exception_granted",
            {"datasets": [PLACES], "rules": ["completeness"], "periods": MONTHS},
            (f"{PLACES}#completeness", "1403-02"),
            (f"{INSURED}#completeness", "1403-02"),
        ),
    ],
)
def test_a_decision_covers_what_it_names_and_no_more(
    installation: Installation,
    kind: str,
    scope: dict[str, Any],
    covered: tuple[str, str | None],
    not_covered: tuple[str, str | None],
) -> None:
    installation.accepted(kind, scope=scope)

    def found(subject: str, period: str | None) -> bool:
        decisions = installation.register.counting(kind, subject, AT, Period.parse(period) if period else None)
        return any(decision.id == "under-test" for decision in decisions)

    assert found(*covered)
    assert not found(*not_covered)


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("dataset_approved", {"scope": {"datasets": ["sso/nothing"]}}, "there is no dataset called 'sso/nothing'"),
        ("dataset_approved", {"scope": {"datasets": ["sso/../../etc"]}}, "scope.datasets"),
        ("dataset_approved", {"scope": {"datasets": [INSURED]}}, "no live decision dataset_proposed covers"),
        (
            "standard_approved",
            {"scope": {"contracts": [{"dataset": PLACES, "version": "9.9", "sha256": "ab" * 32}]}},
            "sso/workplaces has no contract 9.9",
        ),
        (
            "exception_granted",
            {"scope": {"datasets": [PLACES], "rules": ["no_such_rule"], "periods": MONTHS}},
            "there is no rule called 'no_such_rule'",
        ),
        (
            "exception_granted",
            {"scope": {"datasets": [PLACES], "rules": ["rows_accounted"], "periods": MONTHS}},
            "the rule rows_accounted is set aside by no decision",
        ),
        (
            "exception_granted",
            {"scope": {"datasets": [PLACES], "rules": ["completeness"], "periods": {"first": "1403-03", "last": "1403-01"}}},
            "last lies before first",
        ),
        ("exception_granted", {"valid_until": None}, "it does not end"),
        ("exception_granted", {"valid_until": "1404-03-13"}, "it counts longer than 366 days"),
        ("reidentification_authorised", {"valid_until": "1403-04-12"}, "it counts longer than 31 days"),
        ("dataset_approved", {"valid_until": YESTERDAY}, "valid_until lies before valid_from"),
        ("dataset_approved", {"valid_from": "1403-13-01"}, "no day of the Solar Hijri calendar"),
        ("dataset_approved", {"valid_from": "1403-12-31"}, "no day of the Solar Hijri calendar"),
        ("dataset_approved", {"kind": "coup"}, "there is no kind of decision called 'coup'"),
        ("dataset_approved", {"format": "mdlake-decision/2"}, "format"),
        ("revocation", {"scope": {"decision": {"id": "nothing", "sha256": "ab" * 32}}}, "no such decision was accepted"),
        ("revocation", {"scope": {"decision": {"id": "target", "sha256": "ab" * 32}}}, "with another text than was accepted"),
    ],
)
def test_what_a_decision_may_not_say_is_told_however_it_is_signed(
    installation: Installation, kind: str, changed: dict[str, Any], message: str
) -> None:
    if changed == {"scope": {"datasets": [INSURED]}}:
        _withdraw_proposals(installation)
    installation.signed(kind, **changed)
    standing = installation.standing()
    assert not standing.counts
    assert standing.state in ("broken", "waiting")
    assert message in standing.reason
    with pytest.raises(DecisionRefused):
        installation.register.accept("under-test", AT)


def _withdraw_proposals(made: Installation) -> None:
    offices = SyntheticOffices(made.register, made.keys)
    for proposal in tuple(made.register.counting("dataset_proposed", INSURED, AT)):
        mark = {"decision": {"id": proposal.id, "sha256": proposal.sha256}}
        offices.decide("revocation", mark, AT)


def test_the_longest_time_is_allowed_to_the_day(installation: Installation) -> None:
    installation.accepted("reidentification_authorised", valid_until="1403-04-11")
    assert installation.standing().counts


BOMB = "format: mdlake-decision/1\na0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 25)
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        b"[1, 2, 3]",
        b"id: under-test\nid: under-test\n",
        b"!!python/object/apply:os.system ['true']",
        b"format: *nothing",
        b"%" * 1_000_000,
        b"[" * 100_000,
        BOMB.encode(),
        "format: \u202emdlake-decision/1".encode(),
    ],
    ids=["empty", "binary", "list", "twice", "object", "alias", "long", "deep", "bomb", "right-to-left"],
)
def test_a_file_that_is_no_decision_is_shown_as_broken_and_hides_no_other(installation: Installation, content: bytes) -> None:
    installation.file().write_bytes(content)
    installation.write("dataset_proposed", "sound")
    states = {draft.decision_id: draft.state for draft in installation.register.drafts(AT)}
    assert states == {"under-test": "broken", "sound": "waiting"}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "", "a", "A-B-C", "x" * 81, "a\x00bc", "abc.yaml", "abc/def", "ab\n"]
)
def test_a_decision_is_called_by_no_path(installation: Installation, name: str) -> None:
    for act in (installation.register.standing, installation.register.accept):
        with pytest.raises(DecisionRefused, match="no decision is called so"):
            act(name, AT)


def test_a_damaged_list_of_keys_stops_everything_that_rests_on_signatures(installation: Installation) -> None:
    installation.accepted("dataset_proposed")
    with installation.register.allowed_signers.open("a", encoding="utf-8") as file:
        file.write("statistics_centre ssh-ed25519 AAAA\n")
    with pytest.raises(SealError, match="the public key is damaged"):
        installation.standing()


# As of


def test_the_register_of_the_past_is_as_it_was_then(installation: Installation) -> None:
    start = AT + DAY
    installation.write("dataset_proposed", dated=TOMORROW, valid_from=TOMORROW, valid_until="1403-03-16")
    installation.sign("dataset_proposed", "statistics_centre")
    installation.register.accept("under-test", start)
    accepted = installation.register.ledger.decisions.get("under-test")
    assert accepted is not None
    mark = {"decision": {"id": "under-test", "sha256": accepted.sha256}}
    installation.write("revocation", "withdrawal", scope=mark, dated="1403-03-15", valid_from="1403-03-15")
    installation.sign("revocation", "statistics_centre", decision_id="withdrawal")
    installation.register.accept("withdrawal", start + 2 * DAY)

    def states(at: datetime) -> dict[str, str]:
        shown = {standing.decision_id: standing.state for standing in installation.register.all(at)}
        return {name: state for name, state in shown.items() if name in ("under-test", "withdrawal")}

    assert states(AT) == {}
    assert states(start) == {"under-test": "live"}
    assert states(start + DAY) == {"under-test": "live"}
    assert states(start + 2 * DAY) == {"under-test": "revoked", "withdrawal": "live"}
    assert states(start + 30 * DAY) == {"under-test": "revoked", "withdrawal": "live"}
    assert states(start + DAY) == {"under-test": "live"}, "what came later changes nothing of it"


def test_what_was_accepted_later_waited_before(installation: Installation) -> None:
    installation.signed("dataset_proposed")
    installation.register.accept("under-test", AT + DAY)
    assert installation.standing(AT).state == "complete"
    assert not installation.counts("dataset_proposed", AT)
    assert installation.standing(AT + DAY).state == "live"


# The ledger


@pytest.mark.parametrize(
    "statement",
    [
        "update decisions set begins_at = '2020-01-01T00:00:00.000000Z', decision_id = 'under-test' where decision_id = 'target'",
        "update decisions set audit_seq = (select max(seq) from audit_entries) + 0 where decision_id = 'under-test'",
        "update decisions set accepted_at = '2020-01-01T00:00:00.000000Z' where decision_id = 'under-test'",
        'update audit_entries set details = replace(details, \'"kind":"dataset_proposed"\', \'"kind":"key_ceremony"\')',
    ],
)
def test_a_changed_ledger_makes_no_decision(installation: Installation, statement: str) -> None:
    installation.accepted("dataset_proposed")
    revoke_key(installation.register, generate_signing_key(installation.register.home.root / "other", "x").public_line, AT)
    path = installation.register.home.ledger_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("pragma foreign_keys = off")
        if "decision_id = 'under-test' where" in statement:
            connection.execute("delete from decisions where decision_id = 'under-test'")
        assert connection.execute(statement).rowcount
    connection.close()
    with pytest.raises(LedgerError):
        installation.standing()
    with pytest.raises(LedgerError):
        verify_all(installation)


def verify_all(made: Installation) -> None:
    """What `mdlake log verify` does."""
    made.register.ledger.audit.verify()
    made.register.ledger.decisions.verify()


def test_a_subject_that_is_added_to_the_index_makes_no_approval(installation: Installation) -> None:
    """Who can write the tables leads the gate to a decision, and the decision itself says what it covers."""
    installation.accepted("dataset_approved")
    path = installation.register.home.ledger_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("insert into decision_subjects values ('dataset_approved', 'sso/invented', 'under-test')")
    connection.close()
    assert not installation.counts("dataset_approved", AT, "sso/invented")
    with pytest.raises(LedgerError, match="does not say what the audit log does"):
        installation.register.ledger.decisions.verify()


@pytest.mark.parametrize("table", ["decision_subjects", "decisions"])
def test_a_withdrawal_that_is_taken_from_the_index_is_missed(installation: Installation, table: str) -> None:
    """The log still has it: that the tables hide something is found when both are compared."""
    withdrawn(installation, "dataset_proposed")
    installation.register.ledger.decisions.verify()
    with sqlite3.connect(installation.register.home.ledger_url.removeprefix("sqlite:///")) as connection:
        connection.execute("pragma foreign_keys = off")
        assert connection.execute(f"delete from {table} where decision_id = 'withdrawal'").rowcount
    connection.close()
    with pytest.raises(LedgerError, match="decision withdrawal: the table of decisions"):
        installation.register.ledger.decisions.verify()


def test_a_decision_is_accepted_once(installation: Installation) -> None:
    installation.accepted("dataset_proposed")
    first = installation.register.ledger.decisions.get("under-test")
    entries = sum(1 for _ in _accepted_entries(installation))
    again = installation.register.accept("under-test", AT + DAY)
    assert again.accepted == first
    assert sum(1 for _ in _accepted_entries(installation)) == entries


def _accepted_entries(made: Installation) -> Iterator[Any]:
    return (entry for entry in made.register.ledger.audit.entries() if entry.action == "decision.accepted")


def test_an_accepted_decision_is_in_the_audit_chain_with_the_hash_of_its_file(installation: Installation) -> None:
    installation.accepted("standard_approved")
    entry = [entry for entry in _accepted_entries(installation) if entry.details["decision_id"] == "under-test"][-1]
    hashed = subprocess.run(["sha256sum", installation.file()], capture_output=True, text=True, check=True).stdout.split()[0]
    assert entry.details["sha256"] == hashed
    assert set(entry.details["signatures"]) == {"statistics_centre", "statistics_unit@sso"}


# Many decisions


def test_the_work_of_an_answer_does_not_grow_with_the_decisions(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are read and statements that are run: a year of decisions leaves them as they were."""
    work: list[str] = []
    read = register_module._content
    monkeypatch.setattr(register_module, "_content", lambda path: work.append(path.name) or read(path))

    def counted(connection: object, cursor: object, statement: str, *_: object) -> None:
        work.append(statement)

    def answer() -> int:
        work.clear()
        assert next(installation.register.counting("dataset_approved", PLACES, AT + DAY)).id == "target"
        return len(work)

    event.listen(Engine, "before_cursor_execute", counted)
    try:
        before = answer()
        for number in range(100):
            installation.write("dataset_proposed", f"proposal-{number}")
            installation.sign("dataset_proposed", "statistics_centre", decision_id=f"proposal-{number}")
            installation.register.accept(f"proposal-{number}", AT)
            installation.write("dataset_approved", f"draft-{number}")
        assert answer() == before > 3
    finally:
        event.remove(Engine, "before_cursor_execute", counted)
