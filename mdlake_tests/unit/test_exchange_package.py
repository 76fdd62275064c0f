"""Packages: made by us and by plain `tar`, `age` and `ssh-keygen`, opened by both; and every way in which one is not taken."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdlake.errors import DeliveryRefused, SealError
from mdlake.exchange import Arrived, Opened, open_package, pack, require_sender
from mdlake.seals import (
    AllowedSigners,
    Identity,
    RevokedKeys,
    SigningKey,
    encrypt,
    generate_identity,
    generate_signing_key,
    read_recipients,
    sign,
)

AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
DATA = "شماره;نام\n1;الف\n".encode()
NAME = "sso-workplaces-1403-01-1.csv"
SENDER, UNIT = "sender@sso", "statistics_unit@sso"


@dataclass
class Office:
    """The desk of a sender, and what the IT Centre knows: keys, recipients, allowed signers."""

    folder: Path
    identity: Identity
    keys: dict[str, SigningKey]
    namespaces: dict[str, str] = field(
        default_factory=lambda: {"sender": "mdlake-delivery", "statistics_unit": "mdlake-self-check"}
    )
    revoked: str = ""

    @property
    def allowed_text(self) -> str:
        lines = [
            f'{name} namespaces="{self.namespaces[name.partition("@")[0]]}" {key.public_line}' for name, key in self.keys.items()
        ]
        return "\n".join(lines) + "\n"

    @property
    def allowed(self) -> AllowedSigners:
        return AllowedSigners.parse(self.allowed_text)

    def descriptor(self, **changed: Any) -> dict[str, Any]:
        said: dict[str, Any] = {
            "organization": "sso",
            "dataset": "workplaces",
            "period": "1403-01",
            "contract_version": "1.0",
            "declared_rows": 1,
            "sequence": 1,
        }
        resource: dict[str, Any] = {
            "name": "workplaces",
            "path": NAME,
            "format": "csv",
            "encoding": "utf-8",
            "dialect": {"delimiter": ";"},
            "bytes": len(DATA),
            "hash": f"sha256:{hashlib.sha256(DATA).hexdigest()}",
            "schema": {"fields": [{"name": name} for name in DATA.split(b"\n")[0].decode().split(";")]},
        }
        resource.update({name: value for name, value in changed.items() if name in resource})
        said.update({name: value for name, value in changed.items() if name in said})
        return {"name": "delivery", "resources": [resource], "mdlake": said}

    def self_check(self, **changed: Any) -> bytes:
        check = {
            "format": "mdlake-self-check/1",
            "organization": "sso",
            "dataset": "workplaces",
            "period": "1403-01",
            "contract_version": "1.0",
            "hash": f"sha256:{hashlib.sha256(DATA).hexdigest()}",
            "rows": 1,
            "findings": [{"rule": "completeness", "rows": 0}],
        }
        return json.dumps({**check, **changed}).encode()

    def members(self, **changed: Any) -> dict[str, bytes]:
        """The files of a package, by name."""
        check = self.self_check()
        return {
            "datapackage.json": json.dumps(self.descriptor(**changed)).encode(),
            "self-check.json": check,
            "self-check.json.sig": sign(check, self.keys[UNIT], "mdlake-self-check").encode(),
            NAME: DATA,
        }

    def sealed(self, tar: bytes, signer: str = SENDER, recipients: str | None = None) -> Path:
        """A tar, encrypted and signed."""
        path = self.folder / "x.tar.age"
        with path.open("wb") as target:
            encrypt(io.BytesIO(tar), target, read_recipients(recipients or "\n".join(self.identity.recipients), "recipients"))
        path.with_name("x.tar.age.sig").write_text(
            sign(path.read_bytes(), self.keys[signer], "mdlake-delivery"), encoding="ascii"
        )
        return path

    def open(self, package: Path, organization: str = "sso") -> Opened:
        """What intake does with a package that came by the folder of an organization."""
        revoked = RevokedKeys.parse(self.revoked)
        signature = package.with_name(f"{package.name}.sig")
        folder = self.folder / "opened"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        with Arrived.opened(package) as came:
            came.hash(["sha512"])
            require_sender(came, signature.read_text(encoding="ascii"), organization, self.allowed, revoked, AT)
            return open_package(came, folder, self.identity, organization, self.allowed, AT)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    names = (SENDER, UNIT, "sender@tvto", "statistics_unit@tvto")
    keys = {name: generate_signing_key(tmp_path / "keys" / name, name) for name in names}
    return Office(tmp_path, generate_identity(tmp_path / "keys" / "intake"), keys)


def tarred(members: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None, at: str = NAME) -> bytes:
    """A plain tar of some files; `change` spoils the header of one."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            if change is not None and name == at:
                change(header)
            tar.addfile(header, io.BytesIO(content) if header.isreg() else None)
    return target.getvalue()


def without_end(members: dict[str, bytes]) -> bytes:
    """A tar that another can be added to."""
    size = sum(512 + (len(content) + 511) // 512 * 512 for content in members.values())
    return tarred(members)[:size]


def reason_of(office: Office, package: Path, organization: str = "sso") -> str:
    with pytest.raises(DeliveryRefused) as caught:
        office.open(package, organization)
    assert caught.value.next_step
    assert "الف" not in str(caught.value)
    return caught.value.reason


# Interoperation


def test_a_package_of_plain_tools_is_opened(office: Office, age: str) -> None:
    desk = office.folder / "desk"
    desk.mkdir()
    for name, content in office.members().items():
        (desk / name).write_bytes(content)
    (desk / "self-check.json.sig").unlink()
    for name in (SENDER, UNIT):
        (desk / name).write_bytes((office.folder / "keys" / name).read_bytes())
        (desk / name).chmod(0o600)
    for command in (
        ["ssh-keygen", "-Y", "sign", "-n", "mdlake-self-check", "-f", UNIT, "self-check.json"],
        ["tar", "--format=ustar", "-cf", "x.tar", "datapackage.json", "self-check.json", "self-check.json.sig", NAME],
        [age, "-r", office.identity.recipients[0], "-o", "x.tar.age", "x.tar"],
        ["ssh-keygen", "-Y", "sign", "-n", "mdlake-delivery", "-f", SENDER, "x.tar.age"],
    ):
        subprocess.run(command, cwd=desk, check=True, capture_output=True)
    opened = office.open(desk / "x.tar.age")
    assert opened.data.path.read_bytes() == DATA
    assert opened.self_check.rows == opened.descriptor.mdlake.declared_rows == 1


def test_a_package_of_ours_is_opened_by_plain_tools(office: Office, age: str) -> None:
    members = office.members()
    data, package = office.folder / NAME, office.folder / "y.tar.age"
    data.write_bytes(DATA)
    recipients = read_recipients(office.identity.recipients[0], "recipients")
    signature = members["self-check.json.sig"].decode()
    pack(package, data, members["datapackage.json"], members["self-check.json"], signature, recipients, office.keys[SENDER])
    (office.folder / "allowed").write_text(office.allowed_text, encoding="ascii")
    subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", SENDER, "-n", "mdlake-delivery", "-s", "y.tar.age.sig"],
        cwd=office.folder,
        input=package.read_bytes(),
        check=True,
        capture_output=True,
    )
    (office.folder / "out").mkdir()
    subprocess.run([age, "-d", "-i", "keys/intake", "-o", "y.tar", "y.tar.age"], cwd=office.folder, check=True)
    subprocess.run(["tar", "-xf", "../y.tar"], cwd=office.folder / "out", check=True)
    assert {path.name: path.read_bytes() for path in (office.folder / "out").iterdir()} == members
    assert office.open(package).data.path.read_bytes() == DATA
    with pytest.raises(SealError, match="there already"):
        pack(package, data, b"", b"", "", recipients, office.keys[SENDER])


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1 << 20, (1 << 20) + 1])
def test_a_data_file_of_any_size_comes_out_as_it_went_in(office: Office, size: int) -> None:
    data = os.urandom(size)
    path = office.folder / NAME
    path.write_bytes(data)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    descriptor = json.dumps(office.descriptor(bytes=size, hash=digest)).encode()
    check = office.self_check(hash=digest)
    signature = sign(check, office.keys[UNIT], "mdlake-self-check")
    package = office.folder / "y.tar.age"
    pack(package, path, descriptor, check, signature, read_recipients(office.identity.recipients[0], ""), office.keys[SENDER])
    assert office.open(package).data.path.read_bytes() == data
    assert not list(office.folder.glob(".*.part"))


# Who sent it


def unknown_sender(office: Office) -> Path:
    package = office.sealed(tarred(office.members()))
    del office.keys[SENDER]
    return package


def revoked_key(office: Office) -> Path:
    office.revoked = f"{office.keys[SENDER].public_line} revoked-at={AT - timedelta(hours=1):%Y%m%d%H%M%S}Z"
    return office.sealed(tarred(office.members()))


def another_organizations_signature(office: Office) -> Path:
    return office.sealed(tarred(office.members()), signer="sender@tvto")


def the_units_signature(office: Office) -> Path:
    return office.sealed(tarred(office.members()), signer=UNIT)


def a_signature_of_another_purpose(office: Office) -> Path:
    package = office.sealed(tarred(office.members()))
    text = sign(package.read_bytes(), office.keys[SENDER], "mdlake-decision")
    package.with_name("x.tar.age.sig").write_text(text, encoding="ascii")
    return package


def a_flipped_byte(office: Office) -> Path:
    package = office.sealed(tarred(office.members()))
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    package.write_bytes(content)
    return package


def a_truncated_file(office: Office) -> Path:
    package = office.sealed(tarred(office.members()))
    package.write_bytes(package.read_bytes()[:-1])
    return package


def an_empty_signature(office: Office) -> Path:
    package = office.sealed(tarred(office.members()))
    package.with_name("x.tar.age.sig").write_bytes(b"")
    return package


# What was encrypted and to whom: all of these are rightly signed


def other_recipient(office: Office) -> Path:
    other = generate_identity(office.folder / "keys" / "other")
    return office.sealed(tarred(office.members()), recipients=other.recipients[0])


def truncated_before_it_was_signed(office: Office) -> Path:
    return resigned(office, a_truncated_file(office))


def flipped_before_it_was_signed(office: Office) -> Path:
    return resigned(office, a_flipped_byte(office))


def resigned(office: Office, package: Path) -> Path:
    text = sign(package.read_bytes(), office.keys[SENDER], "mdlake-delivery")
    package.with_name("x.tar.age.sig").write_text(text, encoding="ascii")
    return package


def not_encrypted(office: Office) -> Path:
    package = office.sealed(b"")
    package.write_bytes(tarred(office.members()))
    return resigned(office, package)


def no_tar(office: Office) -> Path:
    return office.sealed(b"PK\x03\x04" + bytes(2000))


def a_compressed_tar(office: Office) -> Path:
    return office.sealed(gzip.compress(tarred(office.members())))


def an_empty_tar(office: Office) -> Path:
    return office.sealed(bytes(1024))


def nothing_at_all(office: Office) -> Path:
    return office.sealed(b"")


def a_tar_without_its_end(office: Office) -> Path:
    return office.sealed(tarred(office.members()).rstrip(b"\0"))


def something_behind_the_end(office: Office) -> Path:
    return office.sealed(tarred(office.members()) + b"x" * 512)


def spoilt(office: Office, change: Callable[[tarfile.TarInfo], None], at: str = NAME) -> Path:
    return office.sealed(tarred(office.members(), change, at))


def a_path_that_climbs(office: Office) -> Path:
    return spoilt(office, lambda header: setattr(header, "name", "../../keys/intake"))


def an_absolute_path(office: Office) -> Path:
    return spoilt(office, lambda header: setattr(header, "name", "/etc/cron.d/x"))


def a_hidden_file(office: Office) -> Path:
    return spoilt(office, lambda header: setattr(header, "name", ".bashrc"))


def a_file_in_a_folder(office: Office) -> Path:
    return spoilt(office, lambda header: setattr(header, "name", f"data/{NAME}"))


def a_name_with_a_line_break(office: Office) -> Path:
    return spoilt(office, lambda header: setattr(header, "name", "a\nb.csv"))


def of_type(kind: bytes, target: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(header: tarfile.TarInfo) -> None:
        header.type, header.linkname, header.size = kind, target, 0

    return change


def a_symbolic_link(office: Office) -> Path:
    return spoilt(office, of_type(tarfile.SYMTYPE, "/etc/passwd"))


def a_hard_link(office: Office) -> Path:
    return spoilt(office, of_type(tarfile.LNKTYPE, "datapackage.json"))


def a_device(office: Office) -> Path:
    return spoilt(office, of_type(tarfile.CHRTYPE))


def a_pipe(office: Office) -> Path:
    return spoilt(office, of_type(tarfile.FIFOTYPE))


def a_folder(office: Office) -> Path:
    return spoilt(office, of_type(tarfile.DIRTYPE))


def a_header_that_changes_another(office: Office) -> Path:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in office.members().items():
            header = tarfile.TarInfo(name)
            header.size, header.pax_headers = len(content), {"path": "../x"}
            tar.addfile(header, io.BytesIO(content))
    return office.sealed(target.getvalue())


def two_files_of_one_name(office: Office) -> Path:
    return office.sealed(without_end(office.members()) + tarred({NAME: b"other"}))


def a_second_descriptor(office: Office) -> Path:
    return office.sealed(without_end(office.members()) + tarred({"datapackage.json": b"{}"}))


def a_file_that_nobody_names(office: Office) -> Path:
    members = office.members()
    data = members.pop(NAME)
    return office.sealed(tarred({**members, "other.csv": data}))


def one_file_more(office: Office) -> Path:
    return office.sealed(tarred({**office.members(), "other.csv": b"x"}))


def a_descriptor_of_two_megabytes(office: Office) -> Path:
    members = office.members()
    return office.sealed(tarred({**members, "datapackage.json": b" " * (2 << 20) + members["datapackage.json"]}))


def a_size_beyond_all_disks(office: Office) -> Path:
    members = office.members()
    del members[NAME]
    header = tarfile.TarInfo(NAME)
    header.size = 1 << 60
    return office.sealed(without_end(members) + header.tobuf(tarfile.GNU_FORMAT))


def ten_gigabytes_that_do_not_come(office: Office) -> Path:
    members = office.members()
    del members[NAME]
    header = tarfile.TarInfo(NAME)
    header.size = 10 << 30
    return office.sealed(without_end(members) + header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))


def ten_gigabytes_of_zeros_as_holes(office: Office) -> Path:
    """A sparse file as GNU tar writes it: a size in its header, and no bytes of it."""
    members = office.members()
    del members[NAME]
    header = tarfile.TarInfo(NAME)
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 10 << 30
    return office.sealed(without_end(members) + header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def without(name: str) -> Callable[[Office], Path]:
    def make(office: Office) -> Path:
        members = office.members()
        del members[name]
        return office.sealed(tarred(members))

    make.__name__ = f"without_{name}"
    return make


# What its parts say


def a_descriptor_of_another_organization(office: Office) -> Path:
    """Another's package, signed anew by the sender of this one: what was inside is still the other's."""
    return office.sealed(tarred(office.members(organization="tvto")))


def another_data_file(office: Office) -> Path:
    return office.sealed(tarred({**office.members(), NAME: DATA + b"2;\n"}))


def a_data_file_of_the_same_size(office: Office) -> Path:
    return office.sealed(tarred({**office.members(), NAME: DATA[::-1]}))


def a_descriptor_that_is_no_json(office: Office) -> Path:
    return office.sealed(tarred({**office.members(), "datapackage.json": b"{" * 10_000}))


def a_descriptor_that_names_itself(office: Office) -> Path:
    members = office.members(path="datapackage.json")
    return office.sealed(tarred(members))


def checked(office: Office, check: bytes, signer: str = UNIT, namespace: str = "mdlake-self-check") -> Path:
    signature = sign(check, office.keys[signer], namespace).encode()
    return office.sealed(tarred({**office.members(), "self-check.json": check, "self-check.json.sig": signature}))


def a_check_of_another_file(office: Office) -> Path:
    return checked(office, office.self_check(hash=f"sha256:{'ab' * 32}"))


def a_check_of_another_month(office: Office) -> Path:
    return checked(office, office.self_check(period="1402-12"))


def a_check_of_other_rows(office: Office) -> Path:
    return checked(office, office.self_check(rows=2))


def a_check_signed_by_the_sender(office: Office) -> Path:
    return checked(office, office.self_check(), signer=SENDER)


def a_check_signed_by_another_unit(office: Office) -> Path:
    return checked(office, office.self_check(), signer="statistics_unit@tvto")


def a_check_that_was_changed(office: Office) -> Path:
    members = office.members()
    return office.sealed(tarred({**members, "self-check.json": members["self-check.json"].replace(b'"rows": 0', b'"rows": 9')}))


def a_check_that_is_no_check(office: Office) -> Path:
    return checked(office, b"[]")


REFUSED: dict[Callable[[Office], Path], str] = {
    unknown_sender: "unknown_sender",
    revoked_key: "revoked_key",
    another_organizations_signature: "bad_signature",
    the_units_signature: "bad_signature",
    a_signature_of_another_purpose: "bad_signature",
    a_flipped_byte: "bad_signature",
    a_truncated_file: "bad_signature",
    an_empty_signature: "bad_signature",
    other_recipient: "other_recipient",
    truncated_before_it_was_signed: "damaged_package",
    flipped_before_it_was_signed: "damaged_package",
    not_encrypted: "damaged_package",
    no_tar: "unreadable_package",
    a_compressed_tar: "unreadable_package",
    an_empty_tar: "missing_member",
    nothing_at_all: "unreadable_package",
    a_tar_without_its_end: "unreadable_package",
    something_behind_the_end: "unreadable_package",
    a_path_that_climbs: "unsafe_member",
    an_absolute_path: "unsafe_member",
    a_hidden_file: "unsafe_member",
    a_file_in_a_folder: "unsafe_member",
    a_name_with_a_line_break: "unsafe_member",
    a_symbolic_link: "unsafe_member",
    a_hard_link: "unsafe_member",
    a_device: "unsafe_member",
    a_pipe: "unsafe_member",
    a_folder: "unsafe_member",
    a_header_that_changes_another: "unsafe_member",
    two_files_of_one_name: "repeated_member",
    a_second_descriptor: "repeated_member",
    a_file_that_nobody_names: "missing_member",
    one_file_more: "unexpected_member",
    a_descriptor_of_two_megabytes: "too_large",
    a_size_beyond_all_disks: "too_large",
    ten_gigabytes_that_do_not_come: "unreadable_package",
    ten_gigabytes_of_zeros_as_holes: "unsafe_member",
    without("datapackage.json"): "missing_member",
    without("self-check.json"): "missing_self_check",
    without("self-check.json.sig"): "missing_self_check",
    without(NAME): "missing_member",
    a_descriptor_of_another_organization: "other_organization",
    another_data_file: "hash_mismatch",
    a_data_file_of_the_same_size: "hash_mismatch",
    a_descriptor_that_is_no_json: "unreadable_descriptor",
    a_descriptor_that_names_itself: "unreadable_descriptor",
    a_check_of_another_file: "other_self_check",
    a_check_of_another_month: "other_self_check",
    a_check_of_other_rows: "other_self_check",
    a_check_signed_by_the_sender: "self_check_signature",
    a_check_signed_by_another_unit: "self_check_signature",
    a_check_that_was_changed: "self_check_signature",
    a_check_that_is_no_check: "unreadable_self_check",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_package_is_refused_for_the_right_reason_and_leaves_nothing_outside(
    office: Office, make: Callable[[Office], Path]
) -> None:
    package = make(office)
    before = {path for path in office.folder.rglob("*") if "opened" not in path.parts}
    assert reason_of(office, package) == REFUSED[make]
    assert {path for path in office.folder.rglob("*") if "opened" not in path.parts} == before
    assert not any(path.is_symlink() for path in office.folder.rglob("*"))


def test_nothing_is_decrypted_before_the_sender_is_known(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from mdlake.exchange import package as package_module

    def never(*_: object) -> None:
        raise AssertionError("it was decrypted")

    monkeypatch.setattr(package_module, "decrypt", never)
    for make in (unknown_sender, revoked_key):
        assert reason_of(office, make(office)) == REFUSED[make]
        office.revoked = ""
        office.keys.setdefault(SENDER, generate_signing_key(office.folder / "keys" / f"new-{make.__name__}", "new"))


def test_a_package_that_came_by_anothers_folder_is_refused(office: Office) -> None:
    package = office.sealed(tarred(office.members()))
    assert office.open(package).data.path.read_bytes() == DATA
    assert reason_of(office, package, "tvto") == "bad_signature"
    resigned_by_other = office.sealed(tarred(office.members()), signer="sender@tvto")
    assert reason_of(office, resigned_by_other, "tvto") == "other_organization"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 6000), replaced=st.binary(min_size=1, max_size=700), cut=st.integers(0, 3))
def test_whatever_is_inside_is_opened_as_it_was_or_refused(office: Office, at: int, replaced: bytes, cut: int) -> None:
    """A tar of which some bytes are others: never another error, never another data file than the descriptor's."""
    whole = tarred(office.members())
    changed = whole[:at] + replaced + whole[at + len(replaced) * (cut > 0) :]
    package = office.sealed(changed[: -512 * cut] if cut > 1 else changed)
    with suppress(DeliveryRefused):
        assert office.open(package).data.path.read_bytes() == DATA
