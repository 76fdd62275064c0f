"""Custody of the root keys: owner-only from the first byte, refused otherwise, never overwritten, never shown."""

from __future__ import annotations

import json
import os
import re
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mdlake.errors import KeyRefused
from mdlake.pseudonyms import InProcessKeyedHash, KeyFile, KeyRing
from mdlake.pseudonyms.tree import derive_key

AT = "2024-06-01T08:00:00+00:00"
ROOT = "a5" * 32
GOOD = {"format": "mdlake-keyring/1", "epochs": [{"epoch": 1, "root": ROOT, "created": AT}]}


def written(folder: Path, content: bytes, mode: int = 0o600) -> KeyFile:
    path = folder / "keyring.json"
    path.write_bytes(content)
    path.chmod(mode)
    return KeyFile(path)


def refusal_of(action: Callable[[], object]) -> KeyRefused:
    with pytest.raises(KeyRefused) as caught:
        action()
    return caught.value


def test_a_key_file_is_its_owners_alone_before_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[tuple[int, int]] = []
    plain_fdopen = os.fdopen

    def looking(descriptor: int, *args: object, **options: object) -> object:
        status = os.fstat(descriptor)
        modes.append((stat.S_IMODE(status.st_mode), status.st_size))
        return plain_fdopen(descriptor, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "fdopen", looking)
    earlier = os.umask(0)
    try:
        KeyFile(tmp_path / "keys" / "keyring.json").create(AT)
    finally:
        os.umask(earlier)
    assert modes[0] == (0o600, 0)
    assert stat.S_IMODE((tmp_path / "keys" / "keyring.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_new_key_file_has_one_epoch_of_a_fresh_root(tmp_path: Path) -> None:
    rings = [KeyFile(tmp_path / name).create(AT) for name in ("one.json", "two.json")]
    assert [(ring.current.number, ring.current.created, len(ring.current.root)) for ring in rings] == [(1, AT, 32)] * 2
    assert rings[0].current.root != rings[1].current.root
    assert KeyFile(tmp_path / "one.json").read() == rings[0]


@pytest.mark.parametrize("content", [b"", b"not a key file", json.dumps(GOOD).encode()])
def test_a_key_file_is_never_overwritten(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path, content)
    refusal = refusal_of(lambda: file.create(AT))
    assert "exists already" in str(refusal)
    assert file.path.read_bytes() == content


def test_a_link_where_the_key_file_should_be_made_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "keyring.json").symlink_to(tmp_path / "elsewhere")
    refusal_of(lambda: KeyFile(tmp_path / "keyring.json").create(AT))
    assert not (tmp_path / "elsewhere").exists()


def test_the_newest_epoch_is_current(tmp_path: Path) -> None:
    epochs = [{"epoch": n, "root": f"{n:02x}" * 32, "created": AT} for n in (1, 2, 3)]
    ring = written(tmp_path, json.dumps(GOOD | {"epochs": epochs}).encode()).read()
    assert [epoch.number for epoch in ring.epochs] == [1, 2, 3]
    assert ring.current.root == b"\x03" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_key_file_that_others_have_a_right_on_is_refused_and_not_repaired(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path, json.dumps(GOOD).encode(), mode)
    refusal = refusal_of(file.read)
    assert "others than its owner" in str(refusal)
    assert "chmod 600" in refusal.next_step
    assert stat.S_IMODE(file.path.stat().st_mode) == mode


def test_a_key_file_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, json.dumps(GOOD).encode())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "belongs to another account" in str(refusal_of(file.read))


def test_a_missing_key_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    assert "mdlake init" in refusal_of(KeyFile(tmp_path / "keyring.json").read).next_step


def test_a_link_to_a_key_file_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps(GOOD).encode())
    (tmp_path / "link.json").symlink_to(file.path)
    assert "is a link" in str(refusal_of(KeyFile(tmp_path / "link.json").read))


def test_a_folder_or_a_pipe_in_place_of_a_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe"):
        assert "not a plain file" in str(refusal_of(KeyFile(tmp_path / name).read))


MALFORMED = {
    "empty": b"",
    "cut off": json.dumps(GOOD).encode()[:-20],
    "not ASCII": f"کلید {ROOT}".encode(),
    "no JSON": f"root: {ROOT}".encode(),
    "a list": json.dumps([ROOT]).encode(),
    "a text": json.dumps(ROOT).encode(),
    "another format": json.dumps(GOOD | {"format": ROOT}).encode(),
    "no epoch": json.dumps(GOOD | {"epochs": []}).encode(),
    "epochs of a text": json.dumps(GOOD | {"epochs": ROOT}).encode(),
    "an epoch without a root": json.dumps(GOOD | {"epochs": [{"epoch": 1, "created": ROOT}]}).encode(),
    "a short root": json.dumps(GOOD | {"epochs": [{"epoch": 1, "root": ROOT[:-2], "created": AT}]}).encode(),
    "a root not in hex": json.dumps(GOOD | {"epochs": [{"epoch": 1, "root": "zz" + ROOT[2:], "created": AT}]}).encode(),
    "a root of numbers": json.dumps(GOOD | {"epochs": [{"epoch": 1, "root": int(ROOT, 16), "created": AT}]}).encode(),
    "a gap between epochs": json.dumps(GOOD | {"epochs": [{"epoch": n, "root": ROOT, "created": AT} for n in (1, 3)]}).encode(),
    "an epoch without end": b'{"format": "mdlake-keyring/1", "epochs": [{"epoch": Infinity, "root": "%s"}]}' % ROOT.encode(),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_key_file_is_refused_and_nothing_of_it_hangs_on_the_error(tmp_path: Path, content: bytes) -> None:
    refusal = refusal_of(written(tmp_path, content).read)
    assert "does not hold a key ring" in str(refusal)
    told = "".join(traceback.format_exception(refusal)) + repr(refusal) + repr(vars(refusal))
    assert not re.search(r"(?:a5){3}", told)
    assert refusal.__context__ is None
    assert refusal.__cause__ is None


def test_no_text_form_of_anything_that_holds_a_key_shows_it(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps(GOOD).encode())
    ring: KeyRing = file.read()
    keyed_hash = InProcessKeyedHash(file, report=lambda use: None)
    derived = derive_key(ring.current.root, "warehouse/national_code")
    shown = " ".join(
        form(thing)
        for form in (repr, str, "{!r}".format)
        for thing in (file, ring, ring.current, ring.epochs, keyed_hash, vars(keyed_hash))
    )
    for secret in (ROOT, repr(bytes.fromhex(ROOT))[2:-1], derived):
        assert secret not in shown


def test_an_error_of_the_keyed_hash_shows_neither_key_nor_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, json.dumps(GOOD).encode())
    keyed_hash = InProcessKeyedHash(file, report=lambda use: None)
    derived = derive_key(bytes.fromhex(ROOT), "warehouse/national_code")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it must not show them
        keyed_hash.pseudonyms("national_code", pl.Series([b"0499370899"]), "r")
    told = "".join(traceback.format_exception(caught.value))
    assert derived not in told
    assert ROOT not in told
    assert "0499370899" not in str(caught.value)
