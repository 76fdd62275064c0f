"""age encryption against the `age` command: each opens what the other sealed, and neither opens what was changed."""

from __future__ import annotations

import io
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlake.errors import KeyRefused, OtherRecipient, SealError
from mdlake.seals import Identity, decrypt, encrypt, generate_identity, load_identity, read_recipients

CHUNK = 64 * 1024
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return generate_identity(tmp_path_factory.mktemp("age") / "identity")


def sealed(content: bytes, identity: Identity) -> bytes:
    target = io.BytesIO()
    encrypt(io.BytesIO(content), target, read_recipients("\n".join(identity.recipients), "recipients"))
    return target.getvalue()


def opened(content: bytes, identity: Identity) -> bytes:
    target = io.BytesIO()
    decrypt(io.BytesIO(content), target, identity)
    return target.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_the_age_command_opens(tmp_path: Path, age: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    identity = generate_identity(tmp_path / "identity")
    (tmp_path / "sealed").write_bytes(sealed(content[:size], identity))
    ran = subprocess.run([age, "-d", "-i", tmp_path / "identity", tmp_path / "sealed"], capture_output=True, check=True)
    assert ran.stdout == content[:size]


@pytest.mark.parametrize("size", SIZES)
def test_what_the_age_command_sealed_is_opened(tmp_path: Path, age: str, size: int) -> None:
    made = subprocess.run([f"{age}-keygen", "-o", tmp_path / "identity"], capture_output=True, text=True, check=True)
    identity = load_identity(tmp_path / "identity")
    assert identity.recipients[0] in made.stderr
    content = bytes(range(256)) * (size // 256 + 1)
    command = [age, "-r", identity.recipients[0]]
    ran = subprocess.run(command, input=content[:size], capture_output=True, check=True)
    assert opened(ran.stdout, identity) == content[:size]


def test_each_of_several_recipients_opens_it(tmp_path: Path) -> None:
    first, second = (generate_identity(tmp_path / name) for name in ("first", "second"))
    target = io.BytesIO()
    encrypt(io.BytesIO(b"x"), target, read_recipients("\n".join((*first.recipients, "# both", *second.recipients)), "recipients"))
    assert opened(target.getvalue(), first) == opened(target.getvalue(), second) == b"x"


def test_what_is_sealed_to_others_is_told_so(tmp_path: Path, identity: Identity) -> None:
    with pytest.raises(OtherRecipient, match="encrypted to other recipients"):
        opened(sealed(b"x", identity), generate_identity(tmp_path / "other"))


@pytest.fixture(scope="module")
def whole(identity: Identity) -> bytes:
    return sealed(bytes(2 * CHUNK + 100), identity)


@settings(max_examples=200, deadline=None)
@given(
    at=st.one_of(st.integers(0, 250), st.integers(0, 2 * CHUNK)),
    how=st.sampled_from(("flip", "cut", "add", "behind")),
    bit=st.integers(0, 7),
)
def test_nothing_that_was_changed_is_opened(identity: Identity, whole: bytes, at: int, how: str, bit: int) -> None:
    """A flipped bit, a cut, bytes in between and behind: an error of ours, whatever the library makes of it."""
    changed = {
        "flip": whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :],
        "cut": whole[:at],
        "add": whole[:at] + b"x" + whole[at:],
        "behind": whole + b"x",
    }[how]
    with pytest.raises(SealError):
        opened(changed, identity)


def test_an_error_of_the_disk_stays_one(identity: Identity) -> None:
    class Full(io.BytesIO):
        def write(self, _: object, /) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        decrypt(io.BytesIO(sealed(b"x" * CHUNK, identity)), Full(), identity)


def test_an_identity_is_its_owners_from_the_first_byte_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "identity"
    identity = generate_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.with_name("identity.pub").read_text(encoding="ascii").strip() == identity.recipients[0]
    assert "AGE-SECRET-KEY" not in repr(identity)
    before = path.read_bytes()
    with pytest.raises(KeyRefused, match="already there"):
        generate_identity(path)
    assert path.read_bytes() == before
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match="open to group or others"):
        load_identity(path)


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "AGE-SECRET-KEY-1QQQ\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "\x00"]
)
def test_a_file_without_an_identity_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyRefused) as caught:
        load_identity(path)
    assert "QQQ" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nobody", "age1junk", "ssh-ed25519 AAAA", "age1" + "q" * 58])
def test_a_list_without_recipients_or_with_a_damaged_one_is_refused(text: str) -> None:
    with pytest.raises(SealError, match="recipients"):
        read_recipients(text, "recipients")
