"""The published scheme: the numbers of `docs/pseudonyms.md`, recomputed with `hmac` and `hashlib`, are what mdlake makes."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlake.errors import MdlakeError, UnknownName
from mdlake.pseudonyms import (
    InProcessKeyedHash,
    KeyFile,
    KeyUse,
    derive_key,
    epoch_of,
    pseudonym_of,
    pseudonym_pattern,
    warehouse_path,
)
from mdlake.pseudonyms.hashing import _hash
from mdlake.standard import IDENTIFIER_TYPES

unhurried = settings(deadline=None)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pseudonyms.md").read_text(encoding="utf-8")


def extracted(salt: bytes, material: bytes) -> bytes:
    """HKDF-Extract, RFC 5869 section 2.2."""
    return hmac.new(salt or bytes(32), material, hashlib.sha256).digest()


def expanded(pseudorandom: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand, RFC 5869 section 2.3."""
    output, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.new(pseudorandom, block + info + bytes([number]), hashlib.sha256).digest()
        output += block
    return output[:length]


def published_roots() -> dict[int, bytes]:
    return {int(epoch): bytes.fromhex(root) for epoch, root in re.findall(r"Epoch (\d+):\n\n    ([0-9a-f]{64})\n", PAGE)}


def published_keys() -> list[tuple[int, str, str]]:
    found = re.findall(r"^\| (\d+) \| `(warehouse/[a-z_]+)` \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE)
    return [(int(epoch), path, key) for epoch, path, key in found]


def published_vectors() -> list[tuple[int, str, str, str]]:
    found = re.findall(r"^\| (\d+) \| `([a-z_]+)` \| `([0-9]+)` \| `([a-z]{3}\d+_[0-9a-f]{32})` \|$", PAGE, re.MULTILINE)
    return [(int(epoch), kind, identifier, pseudonym) for epoch, kind, identifier, pseudonym in found]


def published_types() -> dict[str, str]:
    return dict(re.findall(r"^\| `([a-z_]+)` \| [a-z ]+ \| `([a-z]{3})` \| `warehouse/[a-z_]+` \|$", PAGE, re.MULTILINE))


def key_file(folder: Path, roots: list[bytes]) -> KeyFile:
    path = folder / "keyring.json"
    epochs = [{"epoch": n, "root": root.hex(), "created": "2024-06-01T00:00:00+00:00"} for n, root in enumerate(roots, start=1)]
    path.write_text(json.dumps({"format": "mdlake-keyring/1", "epochs": epochs}), encoding="ascii")
    path.chmod(0o600)
    return KeyFile(path)


@pytest.mark.parametrize(
    ("material", "salt", "info", "length", "pseudorandom", "output"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "0b" * 22,
            "",
            "",
            42,
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
    ids=["A.1", "A.3"],
)
def test_the_derivation_of_these_tests_agrees_with_rfc_5869(
    material: str, salt: str, info: str, length: int, pseudorandom: str, output: str
) -> None:
    found = extracted(bytes.fromhex(salt), bytes.fromhex(material))
    assert found.hex() == pseudorandom
    assert expanded(found, bytes.fromhex(info), length).hex() == output


@pytest.mark.parametrize(
    ("key", "message", "digest"),
    [
        ("Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ("\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ],
    ids=["case 2", "case 1"],
)
def test_both_keyed_hashes_agree_with_rfc_4231(key: str, message: str, digest: str) -> None:
    assert pseudonym_of(key, "nat", 1, message) == f"nat1_{digest[:32]}"
    assert _hash(pl.Series("v", [message]), key, "nat1_").to_list() == [f"nat1_{digest[:32]}"]


def test_the_page_publishes_a_vector_for_every_type_and_epoch() -> None:
    linked = {name: kind.marker for name, kind in IDENTIFIER_TYPES.items() if kind.marker}
    roots = published_roots()
    assert roots == {1: bytes(range(32)), 2: bytes(range(32, 64))}
    assert published_types() == linked
    assert {(epoch, path) for epoch, path, _ in published_keys()} == {(e, f"warehouse/{t}") for e in roots for t in linked}
    assert {(epoch, kind) for epoch, kind, _, _ in published_vectors()} == {(e, t) for e in roots for t in linked}
    for name, kind in IDENTIFIER_TYPES.items():
        assert f"`{name}`" in PAGE.split("## Choices")[0], kind


@pytest.mark.parametrize(("epoch", "path", "key"), published_keys())
def test_a_published_key_is_what_the_page_says_and_what_mdlake_derives(epoch: int, path: str, key: str) -> None:
    root = published_roots()[epoch]
    assert expanded(extracted(b"", root), path.encode("ascii"), 32).hex() == key
    assert derive_key(root, path) == key
    assert warehouse_path(path.removeprefix("warehouse/")) == path


@pytest.mark.parametrize(("epoch", "kind", "identifier", "pseudonym"), published_vectors())
def test_a_published_pseudonym_is_what_the_page_says_and_what_mdlake_makes(
    epoch: int, kind: str, identifier: str, pseudonym: str, tmp_path: Path
) -> None:
    roots = published_roots()
    key = expanded(extracted(b"", roots[epoch]), f"warehouse/{kind}".encode("ascii"), 32).hex().encode("ascii")
    digest = hmac.new(key, identifier.encode("utf-8"), hashlib.sha256).hexdigest()
    assert pseudonym == f"{published_types()[kind]}{epoch}_{digest[:32]}"
    assert re.fullmatch(IDENTIFIER_TYPES[kind].form, identifier)
    keyed_hash = InProcessKeyedHash(key_file(tmp_path, [roots[n] for n in range(1, epoch + 1)]), report=lambda use: None)
    assert keyed_hash.epoch == epoch == epoch_of(pseudonym)
    assert keyed_hash.pseudonyms(kind, pl.Series([identifier]), "r").to_list() == [pseudonym]
    assert re.match(pseudonym_pattern(kind), pseudonym)


def test_the_command_on_the_page_names_the_key_of_its_vector() -> None:
    identifier, key = re.findall(r"printf %s (\d+) \| openssl dgst -sha256 -hmac ([0-9a-f]{64})", PAGE)[0]
    digest = hmac.new(key.encode(), identifier.encode(), hashlib.sha256).hexdigest()
    assert any(v[2] == identifier and v[3].endswith(digest[:32]) for v in published_vectors())


@pytest.fixture(scope="module")
def keyed_hash(tmp_path_factory: pytest.TempPathFactory) -> InProcessKeyedHash:
    return InProcessKeyedHash(key_file(tmp_path_factory.mktemp("keys"), [bytes(range(32))]), report=lambda use: None)


identifiers = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


@unhurried
@given(st.lists(identifiers, max_size=6), st.integers(1, 12))
def test_repeated_values_get_the_pseudonyms_of_the_plain_definition(
    keyed_hash: InProcessKeyedHash, values: list[str | None], repeats: int
) -> None:
    column = pl.Series("national_code", values * repeats, dtype=pl.String)
    key = derive_key(bytes(range(32)), "warehouse/national_code")
    made = keyed_hash.pseudonyms("national_code", column, "r")
    assert made.name == "national_code"
    assert made.dtype == pl.String
    assert made.to_list() == [None if v is None else pseudonym_of(key, "nat", 1, v) for v in values] * repeats


def test_a_missing_identifier_has_no_pseudonym_and_is_not_counted(tmp_path: Path) -> None:
    uses: list[KeyUse] = []
    keyed_hash = InProcessKeyedHash(key_file(tmp_path, [bytes(range(32))]), report=uses.append)
    made = keyed_hash.pseudonyms("workplace_code", pl.Series([None, "0012340007", None]), "run-9")
    assert made.is_null().to_list() == [True, False, True]
    assert uses == [KeyUse("warehouse/workplace_code", 1, 1, "run-9")]
    assert keyed_hash.pseudonyms("workplace_code", pl.Series([None] * 9, dtype=pl.String), "run-9").null_count() == 9


def test_a_use_that_cannot_be_recorded_gives_no_pseudonym(tmp_path: Path) -> None:
    seen: list[KeyUse] = []

    def report(use: KeyUse) -> None:
        seen.append(use)
        raise MdlakeError("the log is full")

    keyed_hash = InProcessKeyedHash(key_file(tmp_path, [bytes(range(32))]), report)
    with pytest.raises(MdlakeError, match="the log is full"):
        keyed_hash.pseudonyms("national_code", pl.Series(["0499370899"]), "run-1")
    assert len(seen) == 1


def test_a_use_says_path_epoch_count_and_run_and_nothing_else(tmp_path: Path) -> None:
    uses: list[KeyUse] = []
    keyed_hash = InProcessKeyedHash(key_file(tmp_path, [bytes(range(32)), bytes(range(32, 64))]), report=uses.append)
    keyed_hash.pseudonyms("national_code", pl.Series(["0499370899"] * 30), "run-1")
    assert [vars(use) for use in uses] == [{"path": "warehouse/national_code", "epoch": 2, "count": 30, "run": "run-1"}]


def test_the_result_is_a_series_so_that_no_plan_with_the_key_leaves(keyed_hash: InProcessKeyedHash) -> None:
    made = keyed_hash.pseudonyms("national_code", pl.Series("code", ["0499370899", None]), "r")
    assert isinstance(made, pl.Series)
    key = derive_key(bytes(range(32)), "warehouse/national_code")
    plan = made.to_frame().lazy().select(pl.col("code")).serialize(format="binary")
    assert key.encode() not in plan


def test_identifiers_that_are_not_text_are_refused_without_showing_them(keyed_hash: InProcessKeyedHash) -> None:
    with pytest.raises(MdlakeError, match="identifiers are text") as caught:
        keyed_hash.pseudonyms("national_code", pl.Series([499370899]), "r")
    assert "499370899" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, kind in IDENTIFIER_TYPES.items() if kind.marker is None])
def test_a_type_that_links_nothing_has_neither_path_nor_pattern_nor_pseudonym(name: str, keyed_hash: InProcessKeyedHash) -> None:
    for attempt in (
        lambda: warehouse_path(name),
        lambda: pseudonym_pattern(name),
        lambda: keyed_hash.pseudonyms(name, pl.Series(["1"]), "r"),
    ):
        with pytest.raises(MdlakeError, match="no pseudonym"):
            attempt()


def test_an_unknown_type_is_told_with_the_types_that_exist(keyed_hash: InProcessKeyedHash) -> None:
    with pytest.raises(UnknownName, match=r"Known: .*national_code"):
        keyed_hash.pseudonyms("passport", pl.Series(["1"]), "r")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "warehouse",
        "warehouse/",
        "warehouse/a/b/c",
        "other/national_code",
        "warehouse/National",
        "warehouse/national_code\n",
        "/a",
    ],
)
def test_a_path_outside_the_tree_has_no_key(path: str) -> None:
    with pytest.raises(MdlakeError, match="is not a path of the key tree"):
        derive_key(bytes(range(32)), path)


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_root_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MdlakeError, match="a root key has 32 bytes"):
        derive_key(bytes(length), "warehouse/national_code")
