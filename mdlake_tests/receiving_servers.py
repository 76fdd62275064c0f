"""Real servers on the loopback interface that take e-mails and webhooks: with TLS, with passwords, slow, refusing, killing."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "mdlake", "Kh0rdad-1403"


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 signed by itself, in one PEM file with its key, and the context of a server that has it."""

    file: Path
    context: ssl.SSLContext


def certificate(folder: Path) -> Certificate:
    """A new certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail of the tests")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, both = folder / "authority.pem", folder / "server.pem"
    pem = built.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public.write_bytes(pem)
    both.write_bytes(secret + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return Certificate(public, context)


@dataclass
class MailServer:
    """A mail server: what it took, how often somebody came, and how it behaves."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """By address, the answer with which mail for it is refused."""
    at_data: Callable[[], None] = lambda: None
    answer: str = "250 taken"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        assert envelope.rcpt_tos == [mail["To"]]
        if self.answer.startswith("2"):
            self.mails.append(mail)
        self.at_data()
        return self.answer


@contextmanager
def mail_server(
    *, tls: str = "none", own: Certificate | None = None, password: str | None = None, port: int = 0
) -> Iterator[MailServer]:
    """A mail server that listens until the context ends."""
    handled = MailServer()

    def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), (password or "").encode())
        return AuthResult(success=good, handled=False)

    class Counting(Controller):
        def factory(self) -> SMTP:
            handled.connections += 1
            return super().factory()

    controller = Counting(
        handled,
        hostname="127.0.0.1",
        port=port or free_port(),
        ssl_context=own.context if own and tls == "tls" else None,
        tls_context=own.context if own and tls == "starttls" else None,
        require_starttls=tls == "starttls",
        authenticator=authenticated if password else None,
        auth_required=password is not None,
        auth_require_tls=tls != "tls",
    )
    controller.start()
    handled.port, handled.connections = controller.port, 0  # the controller's own visit does not count
    try:
        yield handled
    finally:
        controller.stop()


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return int(server.server_port)


@dataclass
class Hook:
    """A receiver of webhooks: what came, and how it answers."""

    port: int = 0
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    location: str | None = None
    wait_seconds: float = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mdlake?from=tests"


@contextmanager
def hook(*, own: Certificate | None = None) -> Iterator[Hook]:
    """A receiver of webhooks that listens until the context ends."""
    handled = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            handled.posts.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            time.sleep(handled.wait_seconds)
            self.send_response(handled.status)
            if handled.location:
                self.send_header("location", handled.location)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if own is not None:
        server.socket = own.context.wrap_socket(server.socket, server_side=True)
    handled.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield handled
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
