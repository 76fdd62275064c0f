"""What somebody may try who can write into the landing: every hostile package through the real intake, and every race with it.

Each refusal must have its reason, come before anything is decrypted or parsed that need not be, and lose nothing: the package and
its signature lie in refused/ as they came, the ledger has a row, and the outbox a receipt.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Clock, Install
from hypothesis import given, settings
from hypothesis import strategies as st
from test_exchange_formats import HARMFUL
from test_exchange_package import AT, REFUSED, SENDER, UNIT, Office, resigned, tarred, without_end

import mdlake.exchange.agreement as agreement_module
import mdlake.exchange.archive as archive_module
import mdlake.exchange.intake as intake_module
import mdlake.exchange.package as package_module
from mdlake.errors import LandingBlocked
from mdlake.exchange import Form, Intake, Received
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.receipt import REASONS
from mdlake.seals import RevokedKeys, generate_identity, generate_signing_key, sign
from mdlake.steps import House, open_house, receive_packages
from mdlake.synthetic import DeliveredFile, Ministry

MONTH, OTHER_MONTH = "1403-01", "1403-02"
LAST_SEQUENCE = 2**31 - 1


@dataclass
class Site:
    """An installation, and the desk of a sender whose packages come to it."""

    house: House
    office: Office
    file: DeliveredFile
    reached: list[str] = field(default_factory=list)
    number: int = 0

    @property
    def intake(self) -> Intake:
        """The intake, which knows the keys of the desk."""
        receipts = self.office.keys["receipts"]
        revoked = RevokedKeys.parse(self.office.revoked)
        lists = self.office.allowed, revoked
        return Intake(self.house.landing, self.outbox, self.office.identity, receipts, *lists, self.house.gate)

    @property
    def folder(self) -> Path:
        """Where the sender puts its packages."""
        return self.house.home.landing / "sso"

    @property
    def outbox(self) -> Path:
        return self.house.home.root / "outbox"

    @property
    def next_sequence(self) -> int:
        """What comes after what was accepted."""
        current = self.house.ledger.current_delivery("sso", "workplaces", MONTH)
        return current.sequence + 1 if current else 1

    def members(self, **changed: Any) -> dict[str, bytes]:
        """The files of a package that is right, of a first delivery or of one that replaces what was accepted."""
        descriptor = json.loads(self.file.descriptor_path.read_text(encoding="utf-8"))
        current = self.house.ledger.current_delivery("sso", "workplaces", descriptor["mdlake"]["period"])
        descriptor["mdlake"].update({"supersedes": current.sequence if current else None, **changed})
        return self.checked(descriptor, self.file.csv_path.read_bytes())

    def checked(self, descriptor: dict[str, Any], data: bytes) -> dict[str, bytes]:
        """The files of a package, with the self-check of the unit over whatever they say."""
        said, resource = descriptor["mdlake"], descriptor["resources"][0]
        names = ("organization", "dataset", "period", "reporting_unit", "contract_version")
        check = {name: said[name] for name in names if name in said}
        check |= {"rows": said["declared_rows"], "hash": resource["hash"]}
        content = json.dumps({"format": "mdlake-self-check/1", **check}).encode()
        signature = sign(content, self.office.keys[UNIT], "mdlake-self-check").encode()
        named = {"self-check.json": content, "self-check.json.sig": signature, resource["path"]: data}
        return {"datapackage.json": json.dumps(descriptor, ensure_ascii=False).encode(), **named}

    def arrive(self, package: Path) -> Path:
        """Let a package come that lies on the desk."""
        self.number += 1
        self.folder.mkdir(mode=0o700, exist_ok=True)
        place = self.folder / f"p{self.number}.tar.age"
        signature_of(package).rename(signature_of(place))
        return package.rename(place)

    def send(self, sequence: int | None = None) -> Path:
        """Let a right package come."""
        return self.arrive(self.office.sealed(tarred(self.members(sequence=sequence or self.next_sequence))))

    def answers(self) -> tuple[Received, ...]:
        return self.intake.take_in("sso", AT)

    def refused(self, content: bytes, signature: bytes) -> str:
        """The reason why the only package that waits is refused, of which nothing is lost and nothing was believed."""
        accepted = self.house.ledger.current_deliveries("sso")
        receipts = set(self.receipts())
        [received] = self.answers()
        assert received.refusal is not None
        reason = received.refusal.reason
        assert self.house.ledger.current_deliveries("sso") == accepted
        recorded = self.house.ledger.packages("sso")[-1]
        assert (recorded.state, recorded.reason) == ("refused", reason)
        kept = {path.read_bytes() for path in (self.folder / "refused").iterdir()}
        assert {content, signature} <= kept
        [new] = set(self.receipts()) - receipts
        assert json.loads(new.read_text(encoding="utf-8"))["reason"]["code"] == reason
        assert self.waiting() == set()
        return reason

    def receipts(self) -> list[Path]:
        return list((self.outbox / "sso").glob("*.receipt.json"))

    def waiting(self) -> set[str]:
        """What lies in the landing itself: packages, and what was left of opening them."""
        return {path.name for path in self.folder.iterdir()} - {"accepted", "refused", ".lock"}


def signature_of(package: Path) -> Path:
    return package.with_name(f"{package.name}.sig")


def both(package: Path) -> tuple[bytes, bytes]:
    """A package and its signature."""
    return package.read_bytes(), signature_of(package).read_bytes()


@pytest.fixture(scope="module")
def house(install: Install, tmp_path_factory: pytest.TempPathFactory) -> House:
    """One installation for all: what is refused changes nothing for the next."""
    return open_house(install(tmp_path_factory.mktemp("attacked") / "home"), "secure", Clock())


def founded(folder: Path) -> Office:
    names = (SENDER, UNIT, "sender@tvto", "statistics_unit@tvto", "receipts")
    keys = {name: generate_signing_key(folder / "keys" / name, name) for name in names}
    office = Office(folder, generate_identity(folder / "keys" / "intake"), keys)
    office.namespaces["receipts"] = "mdlake-receipt"
    return office


@pytest.fixture
def site(house: House, ministry: Ministry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The installation, with a new desk, and how far the intake went with what came: decrypt, descriptor, data."""
    shutil.rmtree(house.home.landing / "sso", ignore_errors=True)
    site = Site(house, founded(tmp_path), ministry.deliver("sso/workplaces", MONTH, tmp_path / "made"))

    def told(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            site.reached.append(name)
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(package_module, "decrypt", told("decrypt", package_module.decrypt))
    monkeypatch.setattr(Descriptor, "read", told("descriptor", Descriptor.read))
    monkeypatch.setattr(agreement_module, "read_header", told("data", agreement_module.read_header))
    return site


# ── hostile packages ─────────────────────────────────────────────────────────────────────────────────────────────────────

BEFORE_DECRYPTING = {"unknown_sender", "revoked_key", "bad_signature", "replay", "missing_signature", "not_a_file"}
BEFORE_THE_DESCRIPTOR = {
    *("other_recipient", "damaged_package", "changed_package", "unreadable_package", "unsafe_member", "repeated_member"),
    *("too_large",),
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_hostile_package_is_refused_before_more_of_it_is_looked_at_and_kept(site: Site, make: Callable[[Office], Path]) -> None:
    package = site.arrive(make(site.office))
    reason = site.refused(*both(package))
    assert reason == REFUSED[make]
    assert "data" not in site.reached
    if reason in BEFORE_DECRYPTING:
        assert site.reached == []
    if reason in BEFORE_THE_DESCRIPTOR:
        assert site.reached == ["decrypt"]


def resigned_by_another(site: Site, package: Path) -> tuple[Path, str]:
    """A copy of a package of ours, which another organization signs and sends by its own folder."""
    text = sign(package.read_bytes(), site.office.keys["sender@tvto"], "mdlake-delivery")
    folder = site.house.home.landing / "tvto"
    folder.mkdir(mode=0o700, exist_ok=True)
    copy = folder / "copy.tar.age"
    shutil.copy(package, copy)
    signature_of(copy).write_text(text, encoding="ascii")
    return copy, "other_organization"


def linked_from_another(site: Site, package: Path) -> tuple[Path, str]:
    """The same file by a second name in another organization's folder, with the signature that it has."""
    folder = site.house.home.landing / "tvto"
    folder.mkdir(mode=0o700, exist_ok=True)
    link = folder / "link.tar.age"
    os.link(package, link)
    os.link(signature_of(package), signature_of(link))
    return link, "bad_signature"


@pytest.mark.parametrize("attack", [resigned_by_another, linked_from_another])
def test_anothers_package_is_nobodys_else(site: Site, attack: Callable[[Site, Path], tuple[Path, str]]) -> None:
    package = site.send()
    content = package.read_bytes()
    copy, reason = attack(site, package)
    came, folder = both(copy), copy.parent
    [received] = site.intake.take_in("tvto", AT)
    assert received.refusal is not None
    assert received.refusal.reason == reason
    assert "data" not in site.reached
    assert site.house.ledger.current_deliveries("tvto") == ()
    assert site.house.ledger.packages("tvto")[-1].reason == reason
    assert set(came) <= {path.read_bytes() for path in (folder / "refused").iterdir()}
    receipts = [json.loads(path.read_text(encoding="utf-8")) for path in (site.outbox / "tvto").glob("*.receipt.json")]
    assert max(receipts, key=lambda receipt: receipt["package"]["number"])["reason"]["code"] == reason
    assert package.read_bytes() == content


def ten_gigabytes(site: Site) -> bytes:
    """The columns of the contract, and in each of 10,000 rows the same text of a megabyte, which Parquet stores once."""
    header = site.file.csv_path.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), ["x" * 1_000_000])
    file = io.BytesIO()
    pq.write_table(pa.table(dict.fromkeys(header, same)), file)
    assert file.tell() < 1 << 20
    return file.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "CSV with zero bytes",
        "a million columns",
        "packed zeros as CSV",
        "a bomb of zeros",
        "a directory that lies",
        "entities",
        "entities in shared text",
        "a sheet of a hundred million cells",
        "a DBF cut off",
        "ten gigabytes from a Parquet file of a megabyte",
    ],
)
def test_a_data_file_that_harms_is_refused_when_all_else_was_right(site: Site, name: str) -> None:
    content, form, reason, _ = HARMFUL.get(name) or (lambda: ten_gigabytes(site), Form("parquet"), "too_large", "")
    data = content()
    descriptor = json.loads(site.file.descriptor_path.read_text(encoding="utf-8"))
    resource = {"name": "list", "path": f"list.{form.format}", "format": form.format, "encoding": form.encoding}
    resource |= {"dialect": {"delimiter": form.delimiter}} if form.delimiter else {}
    resource |= {"bytes": len(data), "hash": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    descriptor["resources"] = [{**resource, "schema": descriptor["resources"][0]["schema"]}]
    package = site.arrive(site.office.sealed(tarred(site.checked(descriptor, data))))
    assert site.refused(*both(package)) == reason
    assert site.reached[:3] == ["decrypt", "descriptor", "data"]


# ── changed packages ─────────────────────────────────────────────────────────────────────────────────────────────────────

Mutation = tuple[str, Any]
AT_PLACE = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
MEMBERS = ("datapackage.json", "self-check.json", "self-check.json.sig", "data")
EXPECTED: dict[str, set[str]] = {
    "the package": {"bad_signature"},
    "the package, cut": {"bad_signature"},
    "the package, and more": {"bad_signature"},
    "its signature": {"bad_signature"},
    "signed by another": {"bad_signature"},
    "the package, signed again": {"damaged_package", "other_recipient"},
    "data": {"hash_mismatch"},
    "self-check.json": {"self_check_signature"},
    "self-check.json.sig": {"self_check_signature"},
    "a member left out": {"missing_member", "missing_self_check"},
    "a member twice": {"repeated_member"},
    # what its sender may do to its own package: another order, another name of the delivery; then it is told as not new
    "members in another order": {"older_sequence"},
}
MUTATIONS = st.one_of(
    st.tuples(st.sampled_from(["the package", "its signature", "the package, signed again", "the tar", *MEMBERS]), AT_PLACE),
    st.tuples(st.just("the package, cut"), st.integers(1, 5000)),
    st.tuples(st.just("the package, and more"), st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("signed by another"), st.sampled_from([UNIT, "sender@tvto"])),
    st.tuples(st.sampled_from(["a member left out", "a member twice"]), st.integers(0, 3)),
    st.tuples(st.just("members in another order"), st.permutations(range(4))),
)


def flipped(content: bytes, change: tuple[float, int]) -> bytes:
    at, bits = int(change[0] * len(content)), change[1]
    return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :]


def mutated(site: Site, what: str, how: Any) -> Path:
    """A right package on the desk, with one thing about it changed."""
    office, members = site.office, site.members(sequence=LAST_SEQUENCE)
    names = list(members)
    match what:
        case "signed by another":
            return office.sealed(tarred(members), signer=how)
        case "a member left out" | "a member twice" | "members in another order" | "the tar":
            tar = {
                "a member left out": lambda: tarred({name: members[name] for name in names if name != names[how]}),
                "a member twice": lambda: without_end(members) + tarred({names[how]: members[names[how]]}),
                "members in another order": lambda: tarred({names[at]: members[names[at]] for at in how}),
                "the tar": lambda: flipped(tarred(members), how),
            }[what]()
            return office.sealed(tar)
        case _ if what in MEMBERS:
            name = what if what in members else names[-1]
            return office.sealed(tarred({**members, name: flipped(members[name], how)}))
    return changed_afterwards(office, office.sealed(tarred(members)), what, how)


def changed_afterwards(office: Office, package: Path, what: str, how: Any) -> Path:
    """A package that was right until somebody changed it, or its signature."""
    content, signature = both(package)
    match what:
        case "its signature":
            signature_of(package).write_bytes(flipped(signature, how))
        case "the package, cut":
            package.write_bytes(content[:-how])
        case "the package, and more":
            package.write_bytes(content + how)
        case _:
            package.write_bytes(flipped(content, how))
    return resigned(office, package) if what == "the package, signed again" else package


def test_whatever_is_changed_about_a_package_it_is_refused_with_a_reason_and_kept(
    house: House, ministry: Ministry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never an error of another kind, never acceptance: nothing comes after the sequence that was accepted first."""
    folder = tmp_path_factory.mktemp("mutated")
    site = Site(house, founded(folder), ministry.deliver("sso/workplaces", OTHER_MONTH, folder / "made"))
    shutil.rmtree(site.folder, ignore_errors=True)
    site.send(sequence=LAST_SEQUENCE)
    [first] = site.answers()
    assert first.refusal is None

    @settings(max_examples=100, deadline=None)
    @given(mutation=MUTATIONS)
    def every(mutation: Mutation) -> None:
        what, how = mutation
        package = site.arrive(mutated(site, what, how))
        reason = site.refused(*both(package))
        assert reason in EXPECTED.get(what, REASONS)

    every()
    assert site.house.landing.path(first.delivery).read_bytes() == site.file.csv_path.read_bytes()


# ── right packages of what was not agreed on, or was taken in before ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"period": "1403-04"}, "future_period"),
        ({"period": "1398-01"}, "not_expected"),
        ({"dataset": "nothing"}, "not_expected"),
        ({"contract_version": "9.9"}, "contract_version"),
        ({"reporting_unit": "05"}, "unexpected_reporting_unit"),
    ],
)
def test_what_was_not_agreed_on_is_refused_before_its_data_file_is_read(site: Site, changed: dict[str, str], reason: str) -> None:
    package = site.arrive(site.office.sealed(tarred(site.members(**changed))))
    assert site.refused(*both(package)) == reason
    assert site.reached == ["decrypt", "descriptor"]


@pytest.mark.parametrize(
    ("sequence", "supersedes", "reason"),
    [(-1, -1, "older_sequence"), (0, 0, "older_sequence"), (1, -1, "supersedes"), (1, None, "supersedes")],
)
def test_what_does_not_come_after_the_accepted_is_refused_before_its_data_file_is_read(
    site: Site, sequence: int, supersedes: int | None, reason: str
) -> None:
    """The numbers are counted from the accepted one."""
    at = site.next_sequence + 1
    site.send(sequence=at)
    [accepted] = site.answers()
    assert accepted.refusal is None
    site.reached.clear()
    replaces = None if supersedes is None else at + supersedes
    package = site.arrive(site.office.sealed(tarred(site.members(sequence=at + sequence, supersedes=replaces))))
    assert site.refused(*both(package)) == reason
    assert site.reached == ["decrypt", "descriptor"]
    assert site.house.landing.path(accepted.delivery).read_bytes() == site.file.csv_path.read_bytes()


def test_an_accepted_package_is_a_replay_under_every_name_and_is_not_decrypted_again(site: Site) -> None:
    package = site.send()
    content, signature = both(package)
    [accepted] = site.answers()
    assert accepted.refusal is None
    site.reached.clear()
    for again in (package, package.with_name("renamed.tar.age")):
        again.write_bytes(content)
        signature_of(again).write_bytes(signature)
        assert site.refused(content, signature) == "replay"
    assert site.reached == []
    assert {content, signature} <= {path.read_bytes() for path in (site.folder / "accepted").iterdir()}


# ── races ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def when_the_sender_is_known(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, at the moment between the verification of a signature and the use of what was signed."""
    waiting = [act]
    require_sender = intake_module.require_sender

    def required(*arguments: Any) -> str:
        signer = require_sender(*arguments)
        if waiting:
            waiting.pop()()
        return signer

    monkeypatch.setattr(intake_module, "require_sender", required)


def test_a_package_that_is_written_over_after_its_signature_was_verified_is_not_believed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can encrypt to the intake: what is decrypted has to be what was signed, also in the same file."""
    other = site.office.sealed(tarred(site.members(sequence=site.next_sequence))).read_bytes()
    package = site.send()
    signature = signature_of(package).read_bytes()
    when_the_sender_is_known(monkeypatch, lambda: package.write_bytes(other))
    assert site.refused(other, signature) == "changed_package"
    assert site.reached == ["decrypt"]


def test_a_package_that_takes_the_name_of_one_that_is_read_is_answered_in_its_turn(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = site.next_sequence
    package = site.send()
    first, first_signature = both(package)
    second = site.office.sealed(tarred(site.members(sequence=sequence + 1, supersedes=sequence)))
    content, signature = both(second)

    def replaced() -> None:
        second.rename(package)
        signature_of(second).rename(signature_of(package))

    when_the_sender_is_known(monkeypatch, replaced)
    [received] = site.answers()
    assert received.refusal is None
    assert received.delivery.sequence == sequence
    accepted = {path.read_bytes() for path in (site.folder / "accepted").iterdir()}
    assert {first, first_signature} <= accepted
    assert both(package) == (content, signature)
    [received] = site.answers()
    assert received.delivery.sequence == sequence + 1
    assert site.waiting() == set()


def test_a_package_that_its_sender_takes_away_is_answered_and_kept_or_never_came(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = site.send()
    content, signature = both(package)
    when_the_sender_is_known(monkeypatch, package.unlink)
    [received] = site.answers()
    assert received.refusal is None
    assert {content, signature} <= {path.read_bytes() for path in (site.folder / "accepted").iterdir()}
    monkeypatch.setattr(intake_module, "waiting_packages", lambda folder: [folder / "gone.tar.age"])
    assert site.answers() == ()


def test_what_the_intake_may_not_read_holds_up_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    package = site.send()
    content, signature = both(package)
    opened = os.open

    def unreadable(path: Any, *arguments: Any, **named: Any) -> int:
        if path == package:
            raise PermissionError(errno.EACCES, "no right")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", unreadable)
    assert site.refused(content, signature) == "not_a_file"


def fills_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=1 << 20))


def fills_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(archive_module, "write_all", full)


@pytest.mark.parametrize("fills", [fills_at_once, fills_on_the_way])
def test_on_a_full_disk_a_package_waits_and_the_others_are_answered(
    site: Site, monkeypatch: pytest.MonkeyPatch, fills: Callable[[pytest.MonkeyPatch], None]
) -> None:
    package = site.send()
    unsigned = site.send()
    signature_of(unsigned).write_bytes(b"none")
    with monkeypatch.context() as patched:
        fills(patched)
        with pytest.raises(LandingBlocked, match="no room") as blocked:
            site.answers()
    assert "Make room for" in blocked.value.next_step
    assert site.waiting() == {package.name, signature_of(package).name}
    assert site.house.ledger.packages("sso")[-1].reason == "bad_signature"
    [received] = site.answers()
    assert received.refusal is None


def test_a_link_in_place_of_a_folder_of_the_intake_is_told_and_the_other_organizations_are_answered(
    site: Site, tmp_path: Path
) -> None:
    package = site.send()
    outside = tmp_path / "outside"
    outside.mkdir()
    (site.folder / "accepted").symlink_to(outside)
    folder = site.house.home.landing / "tvto"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "x.tar.age").write_bytes(b"x")
    signature_of(folder / "x.tar.age").write_bytes(b"x")
    with pytest.raises(LandingBlocked, match="a link or a file lies where the intake has a folder"):
        receive_packages(site.house)
    assert list(outside.iterdir()) == []
    assert package.exists()
    assert site.house.ledger.packages("tvto")[-1].reason in ("unknown_sender", "bad_signature")
    (site.folder / "accepted").unlink()


def test_what_a_sender_leaves_under_a_name_of_the_intake_holds_up_nobody(site: Site, tmp_path: Path) -> None:
    package = site.send()
    (site.folder / ".opening-file").write_bytes(b"x")
    (site.folder / ".opening-link").symlink_to(tmp_path)
    assert site.answers() != ()
    assert not package.exists()
    assert tmp_path.is_dir()
