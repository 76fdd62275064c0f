"""Who is told when something is late, refused or failed: mail server, webhooks, addresses of offices, and routes.

Here: what `alerts.yaml` may say, and whether its names fit together. Not here: a password or a signing secret, of which only
the name of a file below `keys/alerts/` is written; nor what a message says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from mdlake.config.models import Frozen, Name, OrganizationFile
from mdlake.config.offices import OfficesFile
from mdlake.config.yaml_source import Problem, YamlSource

__all__ = ["ALERT_KINDS", "AlertKind", "AlertsFile", "EmailChannel", "Route", "Webhook", "alert_problems", "is_email_address"]

AlertKind = Literal["package_refused", "month_refused", "run_failed", "delivery_late"]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)

_PART = r"[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+"
_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_ADDRESS = re.compile(rf"(?P<local>{_PART}(\.{_PART})*)@{_HOST}")
_PRINTED = re.compile(r"[!-~]+")
_LONGEST_ADDRESS, _LONGEST_LOCAL_PART = 254, 64
"""RFC 5321, section 4.5.3.1, and its erratum 1690."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_email_address(text: str) -> bool:
    """Whether a text is one plain ASCII e-mail address, without a name, a line break or anything else that a header reads."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(text) <= _LONGEST_ADDRESS and len(found["local"]) <= _LONGEST_LOCAL_PART


def _address(text: str) -> str:
    if not is_email_address(text):
        raise ValueError("this is no e-mail address, such as duty@ministry.example")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("this is no URL") from None
    if not _PRINTED.fullmatch(text) or not parts.hostname or not has_port:
        raise ValueError("this is no URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("a secret or a fragment does not belong into the URL: sign with a `secret` instead")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("only https:// is sent to, or http:// on this machine (127.0.0.1)")
    return text


Address = Annotated[str, AfterValidator(_address)]
Host = Annotated[str, Field(pattern=rf"^({_HOST}|::1)$")]
Secret = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="a file in keys/alerts/ that only its owner may read")
]
Authorities = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*\.pem$",
        description="a PEM file in this folder, of those who sign the server's certificate; without it, those the machine trusts",
    ),
]
Seconds = Annotated[int, Field(ge=1, le=30, description="a sensor has a minute for all it sends")]


class EmailChannel(Frozen):
    """The mail server that messages are handed to."""

    host: Host
    port: int = Field(ge=1, le=65535)
    tls: Literal["tls", "starttls", "none"] = Field(description="from the first byte, asked for, or none (on this machine only)")
    sender: Address
    credentials: Secret | None = Field(default=None, description="its first line is the user, its second the password")
    authorities: Authorities | None = None
    timeout_seconds: Seconds

    @model_validator(mode="after")
    def _in_clear_at_home_only(self) -> EmailChannel:
        if self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError("without TLS only a server on this machine (127.0.0.1) is spoken to: write tls or starttls")
        return self


class Webhook(Frozen):
    """An address of another system that takes messages as JSON, signed as Standard Webhooks says."""

    url: Annotated[str, AfterValidator(_url)]
    secret: Secret
    authorities: Authorities | None = None
    timeout_seconds: Seconds


class Route(Frozen):
    """Who is told of one kind of event."""

    contact: bool = Field(default=False, description="the contact of the organization that it is about")
    offices: tuple[Name, ...] = Field(default=(), description="each at its address in `offices`")
    addresses: tuple[Address, ...] = ()
    webhooks: tuple[Name, ...] = ()

    @property
    def by_mail(self) -> bool:
        """Whether anybody is told by e-mail."""
        return bool(self.contact or self.offices or self.addresses)

    @model_validator(mode="after")
    def _somebody(self) -> Route:
        if not self.by_mail and not self.webhooks:
            raise ValueError("nobody is told: write contact, offices, addresses or webhooks, or leave the route out")
        return self


class Retry(Frozen):
    """How long a message is tried to be handed over; the time between two attempts doubles."""

    attempts: int = Field(ge=1, le=100, description="after so many it is shown as undeliverable")
    first_minutes: int = Field(ge=1)
    longest_minutes: int = Field(ge=1)


class AlertsFile(Frozen):
    """`alerts.yaml`: who is told of what. While `enabled` is false, nothing connects to anything."""

    enabled: bool
    email: EmailChannel | None = None
    webhooks: Mapping[Name, Webhook] = Field(default_factory=dict)
    offices: Mapping[Name, Address] = Field(default_factory=dict)
    routes: Mapping[AlertKind, Route] = Field(default_factory=dict)
    retry: Retry


def alert_problems(
    file: AlertsFile,
    folder: Path,
    offices: OfficesFile,
    organizations: Mapping[str, tuple[OrganizationFile, YamlSource]],
    source: YamlSource,
) -> Iterator[Problem]:
    """Names that nothing has, files that are not there, and ways that lead to nobody."""
    for name in file.offices:
        yield from source.unknown(("offices", name), "office", name, offices.offices)
    named: dict[tuple[str, ...], str | None] = {("webhooks", name): hook.authorities for name, hook in file.webhooks.items()}
    named[("email",)] = file.email.authorities if file.email else None
    for path, authorities in named.items():
        if authorities is not None and not (folder / authorities).is_file():
            fix = f"Put it into {folder}, or leave the field out."
            yield source.problem((*path, "authorities"), "the file is missing", fix)
    for kind, route in file.routes.items():
        yield from _route_problems(("routes", kind), route, file, source)
    if file.enabled and not file.routes:
        yield source.problem(("enabled",), "nobody would be told of anything", "Write routes, or enabled: false.")
    if any(route.contact for route in file.routes.values()):
        for organization, organization_source in organizations.values():
            if not is_email_address(organization.contact):
                fix = "Write one such as statistics@ministry.example, or take `contact` out of alerts.yaml."
                yield organization_source.problem(("contact",), "alerts go to the contact, and it is no e-mail address", fix)


def _route_problems(path: tuple[str, ...], route: Route, file: AlertsFile, source: YamlSource) -> Iterator[Problem]:
    for number, office in enumerate(route.offices):
        if office not in file.offices:
            fix = f"Add its address: `offices: {{{office}: …}}`."
            yield source.problem((*path, "offices", number), f"the office {office!r} has no address here", fix)
    for number, name in enumerate(route.webhooks):
        yield from source.unknown((*path, "webhooks", number), "webhook", name, file.webhooks)
    if route.by_mail and file.email is None:
        fix = "Write `email` with the server, or tell by webhooks alone."
        yield source.problem(path, "somebody is told by e-mail, and there is no mail server", fix)
    if route.contact and path[-1] == "run_failed":
        fix = "Tell an office instead, such as the IT Centre."
        yield source.problem((*path, "contact"), "a run that failed is not a producer's to mend", fix)
