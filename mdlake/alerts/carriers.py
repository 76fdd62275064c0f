"""From a message to the channel of its receiver: the secrets are read and the connection is made when the first message needs it.

Not here: when a message is tried, and what is recorded of it.
"""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from types import TracebackType

from mdlake.alerts.mail import MailCarrier
from mdlake.alerts.message import as_email, as_json
from mdlake.alerts.routes import address_of, channel_of
from mdlake.alerts.webhook import WebhookCarrier, signing_secret
from mdlake.errors import KeyRefused, NotDelivered
from mdlake.ledger import AlertMessage
from mdlake.steps import House

__all__ = ["SECRETS", "Carriers"]

SECRETS = "alerts"
"""Below `keys/`: what the channels sign in and sign with. A folder of its own, so that no name leads to another key."""


class Carriers:
    """The channels of one round; a context that closes their connections."""

    def __init__(self, house: House) -> None:
        self._house, self._alerts = house, house.configuration.alerts
        self._mail: MailCarrier | None = None
        self._webhooks: dict[str, WebhookCarrier] = {}
        self._open = ExitStack()

    def __enter__(self) -> Carriers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def fault_of(self, message: AlertMessage) -> NotDelivered | None:
        """Hand a message over; why its server did not take it, or None where it did."""
        try:
            self._send(message)
        except NotDelivered as fault:
            return fault
        except KeyRefused as error:
            return NotDelivered(error.what, where=error.where, next_step=error.next_step, of_channel=True)
        return None

    def _send(self, message: AlertMessage) -> None:
        configuration = self._house.configuration
        webhook = message.receiver.removeprefix("webhook:")
        if channel_of(message.receiver) != "email" and webhook in self._alerts.webhooks:
            body = as_json(configuration, message)
            self._to_webhook(webhook).send(message.message_id, body, self._house.now())
            return
        address = address_of(configuration, message.receiver)
        if address is None or self._alerts.email is None:
            fix = "Name it in alerts.yaml again, then: mdlake alerts send --again"
            raise NotDelivered(
                "nothing in the configuration is called so any more", where=message.receiver, next_step=fix, for_good=True
            )
        self._by_mail().send(as_email(configuration, message, self._alerts.email.sender, address))

    def _by_mail(self) -> MailCarrier:
        channel = self._alerts.email
        if self._mail is None and channel is not None:
            credentials = self._credentials(channel.credentials) if channel.credentials else None
            self._mail = self._open.enter_context(MailCarrier(channel, credentials, self._trusted(channel.authorities)))
        assert self._mail is not None
        return self._mail

    def _to_webhook(self, name: str) -> WebhookCarrier:
        if name not in self._webhooks:
            webhook = self._alerts.webhooks[name]
            secret = signing_secret(self._secret(webhook.secret), self._file(webhook.secret))
            self._webhooks[name] = WebhookCarrier(name, webhook, secret, self._trusted(webhook.authorities))
        return self._webhooks[name]

    def _credentials(self, name: str) -> tuple[str, str]:
        """User and password, the first two lines of a file."""
        lines = self._secret(name).decode("utf-8", "replace").splitlines()
        if len(lines) != 2 or not all(line and line.isascii() and line.isprintable() for line in lines):
            raise KeyRefused(
                "these are no user and password",
                where=self._file(name),
                next_step="Write the user in the first line, the password in the second, in ASCII, and nothing else.",
            )
        return lines[0], lines[1]

    def _secret(self, name: str) -> bytes:
        return self._house.secret(f"{SECRETS}/{name}")

    def _file(self, name: str) -> str:
        return str(self._house.home.keys / SECRETS / name)

    def _trusted(self, authorities: str | None) -> ssl.SSLContext:
        """Whose certificates are believed: those that the configuration names, or those that the machine trusts."""
        if authorities is None:
            return ssl.create_default_context()
        file = self._house.home.config / authorities
        try:
            return ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError):
            fix = "Write the certificates of who signs the server's, as PEM."
            raise NotDelivered("this holds no certificates", where=str(file), next_step=fix, of_channel=True) from None
