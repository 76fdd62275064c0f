"""Signatures against the real `ssh-keygen`: each side accepts and refuses what the other does."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mdlake.errors import KeyRefused, SealError
from mdlake.seals import (
    AllowedSigners,
    SigningKey,
    generate_signing_key,
    load_signing_key,
    sign,
    signer_of,
    verify,
)

MESSAGE = "پیام\n".encode()
NAMESPACE = "mdlake-decision"
OFFICE = "statistics@office"
AT = datetime(2024, 6, 1, 12, tzinfo=UTC)
SOME_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICSsaCwSQYr1DzU1CVErJUE7doQ46Myrx2qynjfLmBao"


def ssh_keygen(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    if shutil.which("ssh-keygen") is None:
        pytest.fail("these tests need ssh-keygen (Debian: openssh-client)")
    return subprocess.run(["ssh-keygen", *map(str, arguments)], input=stdin, capture_output=True, check=False)


def accepted_by_ssh_keygen(
    folder: Path,
    message: bytes,
    signature: str,
    allowed: str,
    principal: str = OFFICE,
    namespace: str = NAMESPACE,
) -> bool:
    (folder / "allowed").write_text(allowed)
    (folder / "message.sig").write_text(signature)
    files = ("-f", folder / "allowed", "-s", folder / "message.sig")
    time_of_check = f"-Overify-time={AT:%Y%m%d%H%M%S}Z"
    checked = ssh_keygen("-Y", "verify", *files, "-I", principal, "-n", namespace, time_of_check, stdin=message)
    return checked.returncode == 0


def accepted_by_mdlake(message: bytes, signature: str, allowed: str, principal: str = OFFICE, namespace: str = NAMESPACE) -> bool:
    try:
        verify(message, signature, AllowedSigners.parse(allowed), principal, namespace, AT)
    except SealError:
        return False
    return True


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return generate_signing_key(tmp_path / "keys" / "office", "the office")


@pytest.fixture
def tehran_time() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Tehran"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


# Signing and verifying


def test_ssh_keygen_accepts_what_we_sign(tmp_path: Path, key: SigningKey) -> None:
    signature = sign(MESSAGE, key, NAMESPACE)
    assert accepted_by_ssh_keygen(tmp_path, MESSAGE, signature, f"{OFFICE} {key.public_line}")
    assert accepted_by_mdlake(MESSAGE, signature, f"{OFFICE} {key.public_line}")


def test_our_signature_is_the_very_text_ssh_keygen_writes(tmp_path: Path, key: SigningKey) -> None:
    private = tmp_path / "keys" / "office"
    by_ssh_keygen = ssh_keygen("-Y", "sign", "-f", private, "-n", NAMESPACE, stdin=MESSAGE)
    assert sign(MESSAGE, key, NAMESPACE) == by_ssh_keygen.stdout.decode()


@pytest.mark.parametrize(
    "kind",
    [("ed25519",), ("ecdsa", "-b", "256"), ("rsa", "-b", "2048")],
    ids=["ed25519", "ecdsa-p256", "rsa"],
)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_we_accept_what_ssh_keygen_signs(tmp_path: Path, kind: tuple[str, ...], hash_name: str) -> None:
    assert ssh_keygen("-q", "-t", *kind, "-N", "", "-f", tmp_path / "key").returncode == 0
    arguments = ("-Y", "sign", "-f", tmp_path / "key", "-n", NAMESPACE, "-O", f"hashalg={hash_name}")
    signature = ssh_keygen(*arguments, stdin=MESSAGE).stdout.decode()
    allowed = f"{OFFICE} {(tmp_path / 'key.pub').read_text()}"
    assert accepted_by_mdlake(MESSAGE, signature, allowed)
    assert not accepted_by_mdlake(MESSAGE + b".", signature, allowed)


def test_a_signature_that_was_given_a_reserved_field_is_refused(key: SigningKey) -> None:
    """OpenSSH ignores the field, and does not sign it: anyone could write there."""
    first, *body, last, end = sign(MESSAGE, key, NAMESPACE).split("\n")
    blob = base64.b64decode("".join(body))
    reserved = 6 + 4 + 4 + 51 + 4 + len(NAMESPACE)
    assert blob[reserved : reserved + 4] == bytes(4)
    text = base64.b64encode(blob[:reserved] + b"\0\0\0\3new" + blob[reserved + 4 :]).decode()
    filled = "\n".join([first, *(text[start : start + 70] for start in range(0, len(text), 70)), last, end])
    with pytest.raises(SealError, match="not an SSH signature"):
        verify(MESSAGE, filled, AllowedSigners.parse(f"{OFFICE} {key.public_line}"), OFFICE, NAMESPACE, AT)


def test_another_wrap_width_is_the_same_signature_and_uneven_lines_are_not(key: SigningKey) -> None:
    first, *body, last, end = sign(MESSAGE, key, NAMESPACE).split("\n")
    text = "".join(body)
    wide = "\n".join([first, *(text[start : start + 76] for start in range(0, len(text), 76)), last, end])
    uneven = "\n".join([first, text[:30], text[30:], last, end])
    assert accepted_by_mdlake(MESSAGE, wide, f"{OFFICE} {key.public_line}")
    assert not accepted_by_mdlake(MESSAGE, uneven, f"{OFFICE} {key.public_line}")


@pytest.mark.parametrize(
    ("message", "principal", "namespace", "reason"),
    [
        (MESSAGE, OFFICE, "file", "not made for 'file'"),
        (MESSAGE + b"!", OFFICE, NAMESPACE, "does not hold"),
        (MESSAGE, "security@office", NAMESPACE, "nobody of this name"),
    ],
    ids=["wrong namespace", "tampered message", "other principal"],
)
def test_what_was_not_signed_by_this_office_for_this_purpose_is_refused(
    tmp_path: Path, key: SigningKey, message: bytes, principal: str, namespace: str, reason: str
) -> None:
    signature, allowed = sign(MESSAGE, key, NAMESPACE), f"{OFFICE} {key.public_line}"
    assert not accepted_by_ssh_keygen(tmp_path, message, signature, allowed, principal, namespace)
    with pytest.raises(SealError, match=reason):
        verify(message, signature, AllowedSigners.parse(allowed), principal, namespace, AT)


def test_a_tampered_signature_is_refused(tmp_path: Path, key: SigningKey) -> None:
    signature, allowed = sign(MESSAGE, key, NAMESPACE), f"{OFFICE} {key.public_line}"
    place = signature.rindex("=") - 10 if "=" in signature else signature.index("\n-----END") - 10
    tampered = signature[:place] + ("A" if signature[place] != "A" else "B") + signature[place + 1 :]
    assert not accepted_by_ssh_keygen(tmp_path, MESSAGE, tampered, allowed)
    with pytest.raises(SealError, match="does not hold"):
        verify(MESSAGE, tampered, AllowedSigners.parse(allowed), OFFICE, NAMESPACE, AT)


def test_another_key_of_the_same_person_is_refused(tmp_path: Path, key: SigningKey) -> None:
    other = generate_signing_key(tmp_path / "other", "")
    with pytest.raises(SealError, match="not an allowed one"):
        verify(
            MESSAGE,
            sign(MESSAGE, other, NAMESPACE),
            AllowedSigners.parse(f"{OFFICE} {key.public_line}"),
            OFFICE,
            NAMESPACE,
            AT,
        )


def test_the_signer_of_a_message_is_named_by_the_line_of_its_key(tmp_path: Path, key: SigningKey) -> None:
    other = generate_signing_key(tmp_path / "other", "")
    allowed = AllowedSigners.parse(f"security@office {other.public_line}\n{OFFICE} {key.public_line}\n")
    assert signer_of(MESSAGE, sign(MESSAGE, key, NAMESPACE), allowed, NAMESPACE, AT) == OFFICE


def test_a_namespace_is_never_empty(key: SigningKey) -> None:
    with pytest.raises(SealError, match="namespace"):
        sign(MESSAGE, key, "")


def test_a_time_without_a_zone_is_a_defect_of_the_caller(key: SigningKey) -> None:
    allowed = AllowedSigners.parse(f"{OFFICE} {key.public_line}")
    with pytest.raises(ValueError, match="time zone"):
        verify(MESSAGE, sign(MESSAGE, key, NAMESPACE), allowed, OFFICE, NAMESPACE, AT.replace(tzinfo=None))


# Who may sign


@pytest.mark.usefixtures("tehran_time")
@pytest.mark.parametrize(
    "before_key",
    [
        "statistics@office",
        "  statistics@office",
        "*@office",
        "s?atistics@office",
        "security@office,statistics@office",
        '"statistics@office"',
        "*@office,!statistics@office",
        "!security@office",
        "Statistics@office",
        "statistics@offic",
        'statistics@office namespaces="file,mdlake-*"',
        'statistics@office NAMESPACES="mdlake-decision"',
        'statistics@office namespaces="file"',
        'statistics@office namespaces="mdlake-*,!mdlake-decision"',
        'statistics@office valid-after="20240601Z"',
        'statistics@office valid-after="20240602Z"',
        'statistics@office valid-before="20240601120000Z"',
        'statistics@office valid-before="202406011159Z"',
        'statistics@office valid-before="20240531Z"',
        'statistics@office valid-after="202406011530"',
        'statistics@office valid-after="202406011531"',
        'statistics@office valid-before="20240601153000"',
        'statistics@office valid-before="20240601152959"',
        'statistics@office namespaces="mdlake-decision",valid-after="20240101",valid-before="20250101Z"',
        'statistics@office namespaces="mdlake-decision",valid-before="20240101Z"',
        'statistics@office valid-after="20250101Z",valid-before="20240101Z"',
        'statistics@office valid-before="soon"',
        'statistics@office valid-before="20241301Z"',
        "statistics@office valid-before=20250101Z",
        'statistics@office namespaces="mdlake-decision",',
        'statistics@office namespaces="mdlake-decision",namespaces="file"',
        'statistics@office hosts="here"',
        "statistics@office cert-authority",
        "# statistics@office",
        "",
    ],
)
def test_a_line_of_allowed_signers_means_what_it_means_to_ssh_keygen(tmp_path: Path, key: SigningKey, before_key: str) -> None:
    signature, allowed = (
        sign(MESSAGE, key, NAMESPACE),
        f"# offices\n\n{before_key} {key.public_line} a comment\n",
    )
    expected = accepted_by_ssh_keygen(tmp_path, MESSAGE, signature, allowed)
    assert accepted_by_mdlake(MESSAGE, signature, allowed) == expected


@pytest.mark.parametrize(
    ("option", "reason"),
    [('valid-before="20240531Z"', "expired"), ('valid-after="20240602Z"', "valid only from")],
)
def test_a_key_outside_its_time_is_refused_with_the_line_that_says_so(key: SigningKey, option: str, reason: str) -> None:
    allowed = AllowedSigners.parse(f"# offices\n{OFFICE} {option} {key.public_line}")
    with pytest.raises(SealError, match=f"line 2 .*{reason}|line 2 {reason}"):
        verify(MESSAGE, sign(MESSAGE, key, NAMESPACE), allowed, OFFICE, NAMESPACE, AT)


def test_an_old_line_beside_the_new_one_of_the_same_key_does_not_hinder(key: SigningKey) -> None:
    lines = f'{OFFICE} valid-before="20200101Z" {key.public_line}\n{OFFICE} {key.public_line}\n'
    assert accepted_by_mdlake(MESSAGE, sign(MESSAGE, key, NAMESPACE), lines)


@pytest.mark.parametrize(
    "line",
    [
        f"{OFFICE}",
        f"{OFFICE} ssh-ed25519",
        f"{OFFICE} ssh-ed25519 AAAA",
        f"{OFFICE} ssh-dss AAAA",
        f"{OFFICE} ssh-rsa {SOME_KEY.split()[1]}",
    ],
)
def test_a_list_with_a_line_that_cannot_be_used_is_refused_whole(line: str) -> None:
    with pytest.raises(SealError, match="line 2"):
        AllowedSigners.parse(f"{OFFICE} {SOME_KEY}\n{line}\n")


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    assert ssh_keygen("-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", tmp_path / "key").returncode == 0
    with pytest.raises(SealError, match="2048"):
        AllowedSigners.parse(f"{OFFICE} {(tmp_path / 'key.pub').read_text()}")


# The signing key


def test_a_new_key_is_owner_only_and_its_folders_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = generate_signing_key(tmp_path / "a" / "b" / "office", "the office")
    finally:
        os.umask(before)
    path = tmp_path / "a" / "b" / "office"
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, path.parent, path.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]
    assert path.with_name("office.pub").read_text() == f"{key.public_line} the office\n"
    assert load_signing_key(path).public_line == key.public_line
    assert ssh_keygen("-y", "-f", path).stdout.decode().split()[:2] == key.public_line.split()


@pytest.mark.parametrize("name", ["office", "office.pub"])
def test_a_key_is_never_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyRefused, match="already there"):
        generate_signing_key(tmp_path / "office", "")
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_comment_cannot_add_a_line_to_the_public_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        generate_signing_key(tmp_path / "office", "the office\nssh-ed25519 AAAA")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_open_to_others_is_refused_with_the_command_to_run(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "the key"
    generate_signing_key(path, "")
    path.chmod(mode)
    with pytest.raises(KeyRefused, match=f"chmod 600 '{path}'"):
        load_signing_key(path)


def test_a_symbolic_link_to_a_key_is_refused(tmp_path: Path) -> None:
    generate_signing_key(tmp_path / "office", "")
    (tmp_path / "link").symlink_to(tmp_path / "office")
    with pytest.raises(KeyRefused, match="symbolic link"):
        load_signing_key(tmp_path / "link")


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(KeyRefused, match="regular file"):
            load_signing_key(path)
    with pytest.raises(KeyRefused, match="cannot be opened"):
        load_signing_key(tmp_path / "absent")


def test_a_key_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_signing_key(tmp_path / "office", "")
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(KeyRefused, match="another account"):
        load_signing_key(tmp_path / "office")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-t", "ed25519", "-N", "a passphrase"), "passphrase"),
        (("-t", "ecdsa", "-N", ""), "not an Ed25519"),
    ],
)
def test_a_key_we_cannot_sign_with_is_refused(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    assert ssh_keygen("-q", *arguments, "-f", tmp_path / "key").returncode == 0
    with pytest.raises(KeyRefused, match=reason):
        load_signing_key(tmp_path / "key")


def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0499370899")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(KeyRefused, match="not an Ed25519") as refused:
        load_signing_key(tmp_path / "key")
    assert "0499370899" not in str(refused.value)


def test_the_text_of_a_key_object_shows_nothing_secret(key: SigningKey) -> None:
    assert repr(key) == "SigningKey()"
