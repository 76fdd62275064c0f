"""Handing a message to another system: one POST, signed as Standard Webhooks 1.0.0 says.

Any library of that standard verifies it. It goes straight to the host of the configuration: no proxy of the environment, no
redirect, and the body of the answer is not read. Not here: what the message says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import ssl
from datetime import datetime
from urllib.parse import urlsplit

from mdlake import __version__
from mdlake.config import Webhook
from mdlake.errors import KeyRefused, NotDelivered

__all__ = ["WebhookCarrier", "signature", "signing_secret"]

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a secret, by the same standard."""


def signing_secret(content: bytes, where: str) -> bytes:
    """The secret in a file: ``whsec_`` and base64 of 24 to 64 bytes.

    Raises:
        KeyRefused: the file holds something else.
    """
    text = content.strip().decode("ascii", "replace")
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else b""
    except (binascii.Error, ValueError):
        secret = b""
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise KeyRefused(
            "this is no signing secret of a webhook",
            where=where,
            next_step='Make one: (umask 077; echo "whsec_$(openssl rand -base64 32)" > FILE), and give it to the receiver too.',
        )
    return secret


def signature(secret: bytes, message_id: str, at: int, body: bytes) -> str:
    """The `webhook-signature`: HMAC-SHA-256 over id, time (seconds of the Unix clock) and body, in base64."""
    signed = f"{message_id}.{at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"


class WebhookCarrier:
    """Sends to one webhook."""

    def __init__(self, name: str, webhook: Webhook, secret: bytes, trusted: ssl.SSLContext) -> None:
        self._where, self._webhook, self._secret, self._trusted = f"alerts.yaml: webhooks.{name}", webhook, secret, trusted

    def send(self, message_id: str, body: bytes, at: datetime) -> None:
        """Post a message; any answer of 200 to 299 means that it was taken.

        Raises:
            NotDelivered: it was not.
        """
        seconds = int(at.timestamp())
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": f"mdlake/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(self._secret, message_id, seconds, body),
        }
        try:
            status = self._post(body, headers)
        except ssl.SSLCertVerificationError as error:
            what = f"the certificate of the webhook is not trusted ({error.verify_message})"
            fix = "Let `authorities` name the PEM file of who signed it."
        except TimeoutError:
            what, fix = f"the webhook did not answer within {self._webhook.timeout_seconds} s", "See that it is up and quick."
        except (OSError, http.client.HTTPException) as error:
            what = f"the webhook cannot be reached, or does not speak HTTP ({type(error).__name__})"
            fix = "See that it is up, and that this machine may reach its host and port."
        else:
            if 200 <= status < 300:
                return
            raise NotDelivered(f"the webhook answered with {status}", where=self._where, next_step=_answered(status))
        raise NotDelivered(what, where=self._where, next_step=fix, of_channel=True)

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer."""
        url, timeout = urlsplit(self._webhook.url), self._webhook.timeout_seconds
        host = url.hostname or ""
        if url.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, url.port, timeout=timeout, context=self._trusted
            )
        else:
            connection = http.client.HTTPConnection(host, url.port, timeout=timeout)
        try:
            connection.request("POST", f"{url.path or '/'}{'?' + url.query if url.query else ''}", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


def _answered(status: int) -> str:
    if 300 <= status < 400:
        return "Redirects are not followed: write the URL that it leads to."
    if status in {401, 403}:
        return "See that the receiver has the same secret, and the right time."
    return "Ask the keeper of the receiver by this status."
