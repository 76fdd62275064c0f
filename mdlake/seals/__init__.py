"""Seals: signatures that say who stands behind a file.

Here: OpenSSH signatures (SSHSIG), the signing key of an office, and the list of who may sign what. Not here:
what is being sealed, nor what a signature entitles to. A seal that does not hold raises; no function answers
with a flag.
"""

from __future__ import annotations

from mdlake.seals.signers import AllowedSigner, AllowedSigners, RevokedKeys, fingerprint
from mdlake.seals.ssh import (
    SigningKey,
    generate_signing_key,
    load_signing_key,
    sign,
    signer_of,
    verify,
)

__all__ = [
    "AllowedSigner",
    "AllowedSigners",
    "RevokedKeys",
    "SigningKey",
    "fingerprint",
    "generate_signing_key",
    "load_signing_key",
    "sign",
    "signer_of",
    "verify",
]
