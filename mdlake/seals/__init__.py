"""Seals: signatures that say who stands behind a file, and encryption that says who may read it.

Here: OpenSSH signatures (SSHSIG), age encryption, the keys of both, and the list of who may sign what. Not here:
what is being sealed, nor what a signature entitles to. A seal that does not hold raises; no function answers
with a flag.
"""

from __future__ import annotations

from mdlake.seals.age import Identity, Recipient, decrypt, encrypt, generate_identity, load_identity, read_recipients
from mdlake.seals.key_files import read_owner_only
from mdlake.seals.signers import AllowedSigner, AllowedSigners, RevokedKeys, fingerprint
from mdlake.seals.ssh import (
    SigningKey,
    check_signature,
    generate_signing_key,
    hash_name_of,
    load_signing_key,
    sign,
    signer_of,
    verify,
)

__all__ = [
    "AllowedSigner",
    "AllowedSigners",
    "Identity",
    "Recipient",
    "RevokedKeys",
    "SigningKey",
    "check_signature",
    "decrypt",
    "encrypt",
    "fingerprint",
    "generate_identity",
    "generate_signing_key",
    "hash_name_of",
    "load_identity",
    "load_signing_key",
    "read_owner_only",
    "read_recipients",
    "sign",
    "signer_of",
    "verify",
]
