"""Untrusted text at the door of `mdlake.seals`: what was changed never verifies; only SealError is raised."""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdlake.errors import SealError
from mdlake.seals import AllowedSigners, SigningKey, sign, verify

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ALLOWED = AllowedSigners.parse(f"office {KEY.public_line}")
MESSAGE, NAMESPACE, AT = b"decision", "mdlake-decision", datetime(2024, 6, 1, tzinfo=UTC)
SIGNATURE = sign(MESSAGE, KEY, NAMESPACE)
PIECES = (*' ",=!*\\\n#', "office", "namespaces=", "valid-after=", "20240101Z", "99999999", KEY.public_line)
BODY = base64.b64decode("".join(SIGNATURE.split("\n")[1:-2]))


def never_verifies(signature: str) -> None:
    with pytest.raises(SealError):
        verify(MESSAGE, signature, ALLOWED, "office", NAMESPACE, AT)


@st.composite
def edits(draw: st.DrawFn) -> str:
    """The signature with a stretch of 0 to 3 characters replaced by up to 3 others."""
    start = draw(st.integers(0, len(SIGNATURE)))
    length = draw(st.integers(0, 3))
    put = draw(st.text(st.sampled_from("Aa+/=-\n\r \t.é") | st.characters(codec="utf-8"), max_size=3))
    return SIGNATURE[:start] + put + SIGNATURE[start + length :]


@settings(deadline=None, max_examples=300)
@given(edits().filter(lambda text: text != SIGNATURE))
@example(SIGNATURE.rstrip("\n"))
@example(SIGNATURE + "\n")
@example(SIGNATURE.replace("\n", "\r\n"))
@example("")
def test_a_signature_with_any_edit_of_its_text_is_refused(signature: str) -> None:
    never_verifies(signature)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_signature_with_any_changed_byte_inside_is_refused(place: int, change: int) -> None:
    blob = bytearray(BODY)
    blob[place] ^= change
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    never_verifies("\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]))


@settings(deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_blob_in_a_right_frame_is_refused(tail: bytes, with_head: bool) -> None:
    text = base64.b64encode((BODY[:10] if with_head else b"") + tail).decode()
    never_verifies(f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n")


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from(PIECES) | st.text(max_size=3),
        max_size=8,
    ).map("".join)
)
def test_a_list_of_signers_is_read_or_refused_and_never_crashes(text: str) -> None:
    with contextlib.suppress(SealError):
        AllowedSigners.parse(text)
