"""Handing e-mails to the mail server of the configuration, over one connection for all of a round.

The certificate of the server is always checked, and nothing that the server says is repeated, because it may echo what it was
told. Not here: what an e-mail says.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from types import TracebackType

from mdlake.config import EmailChannel
from mdlake.errors import NotDelivered

__all__ = ["MailCarrier"]

_CHANNEL = "alerts.yaml: email"


class MailCarrier:
    """A connection to the mail server, made with the first e-mail; a context that closes it.

    Args:
        credentials: user and password, or None where the server asks for none.
        trusted: whose certificates are believed.
    """

    def __init__(self, channel: EmailChannel, credentials: tuple[str, str] | None, trusted: ssl.SSLContext) -> None:
        self._channel, self._credentials, self._trusted = channel, credentials, trusted
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> MailCarrier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()

    def send(self, mail: EmailMessage) -> None:
        """Hand an e-mail over to the one address it is for.

        Raises:
            NotDelivered: the server did not take it.
        """
        with self._translated():
            server = self._server = self._server or self._connected()
            server.send_message(mail, from_addr=self._channel.sender, to_addrs=[str(mail["To"])])

    def _connected(self) -> smtplib.SMTP:
        channel = self._channel
        # by the sender's domain: smtplib's own choice asks the resolver for the name of this machine
        own_name, timeout = channel.sender.partition("@")[2], channel.timeout_seconds
        if channel.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, own_name, timeout=timeout, context=self._trusted)
        else:
            server = smtplib.SMTP(channel.host, channel.port, own_name, timeout)
        try:
            if channel.tls == "starttls":
                server.starttls(context=self._trusted)
            if self._credentials is not None:
                server.login(*self._credentials)
        except BaseException:
            server.close()
            raise
        return server

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What can go wrong, in our words; the order is from the particular to the general."""
        try:
            yield
        except smtplib.SMTPAuthenticationError as error:
            what, fix = f"the mail server does not accept user and password (code {error.smtp_code})", _WRITE_CREDENTIALS
        except smtplib.SMTPNotSupportedError:
            what = "the mail server does not offer what is asked for: STARTTLS, or signing in"
            fix = "Write the `tls` and the port that its keeper names; leave `credentials` out where it asks for none."
        except smtplib.SMTPRecipientsRefused as error:
            ((code, _),) = error.recipients.values()
            what = f"the mail server does not take mail for this address (code {code})"
            fix = "Correct the address, then: mdlake alerts send --again"
            raise NotDelivered(what, where=_CHANNEL, next_step=fix, for_good=code >= 500) from None
        except smtplib.SMTPSenderRefused as error:
            what, fix = (
                f"the mail server does not take mail from `sender` (code {error.smtp_code})",
                "Write a sender that it knows.",
            )
        except smtplib.SMTPDataError as error:
            fix = "Ask the keeper of the mail server by this code."
            raise NotDelivered(
                f"the mail server refused the message (code {error.smtp_code})", where=_CHANNEL, next_step=fix
            ) from None
        except ssl.SSLCertVerificationError as error:
            what = f"the certificate of the mail server is not trusted ({error.verify_message})"
            fix = "Let `authorities` name the PEM file of who signed it, and `host` be the name that stands in it."
        except ssl.SSLError:
            what, fix = "the mail server does not speak TLS there", "Write the `tls` and the port that its keeper names."
        except (OSError, smtplib.SMTPException) as error:
            # where smtplib waits for a line, it tells a timeout as a server that hung up
            if TimeoutError in {type(error), type(error.__context__)}:
                what = f"the mail server did not answer within {self._channel.timeout_seconds} s"
            else:
                what = f"the mail server cannot be reached, or hung up ({type(error).__name__})"
            fix = "See that it is up, and that this machine may reach its host and port."
        else:
            return
        raise NotDelivered(what, where=_CHANNEL, next_step=fix, of_channel=True)


_WRITE_CREDENTIALS = "Write the user in the first line of the file that `credentials` names, the password in the second."
