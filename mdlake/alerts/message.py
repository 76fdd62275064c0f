"""A message as it leaves: one e-mail in Persian and English, as text and as a page, or one JSON for a webhook.

What is told is written down before; here it is only laid out, so that a message that is sent a second time says the same under
the same id. Not here: connections.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib import resources

import jinja2

from mdlake.alerts.wording import KINDS, Both, Notice, counted, day, notice_of
from mdlake.config import AlertKind, Configuration
from mdlake.ledger import AlertMessage
from mdlake.ledger.records import moment_text
from mdlake.standard import day_in_iran, persian_digits

__all__ = ["as_email", "as_json"]

FORMAT = "mdlake-alert/1"
_TEST = Both("پیام آزمایشی", "test message")
_SHOWN = 40
"""Of each kind in an e-mail: who must act on more of them looks into the list itself."""


def as_email(configuration: Configuration, message: AlertMessage, sender: str, address: str) -> EmailMessage:
    """The e-mail of a message. Its Message-ID is the message's own, so that a receiver knows one that comes twice."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _subject(message)
    mail["From"], mail["To"] = sender, address
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = f"<{message.message_id}@{sender.partition('@')[2]}>"
    # RFC 3834: no holiday notice shall come back
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_laid_out(configuration, message, "message.txt"), cte="base64")
    mail.add_alternative(_laid_out(configuration, message, "message.html"), subtype="html", cte="base64")
    return mail


def as_json(configuration: Configuration, message: AlertMessage) -> bytes:
    """The body of a message to a webhook: UTF-8, both languages, every event with its facts."""
    subject = _subject_of(message)
    said = {
        "format": FORMAT,
        "message": message.message_id,
        "created_at": moment_text(message.created_at),
        "test": not message.events,
        "subject": subject._asdict(),
        "events": [
            {
                "id": event.event,
                "kind": event.kind,
                "happened_at": moment_text(event.happened_at),
                "facts": event.facts,
                **_in_both(notice_of(configuration, event)),
            }
            for event in message.events
        ],
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _in_both(notice: Notice) -> Mapping[str, object]:
    texts = ("place", "what", "who", "then")
    said: dict[str, object] = {
        language: {name: getattr(getattr(notice, name), language) for name in texts}
        | {"points": [getattr(point, language) for point in notice.points]}
        for language in ("fa", "en")
    }
    return said | {"command": notice.command}


def _subject_of(message: AlertMessage) -> Both:
    return counted(message.events) if message.events else _TEST


def _subject(message: AlertMessage) -> str:
    """Persian first, so that a mail program lays the line out from right to left."""
    subject = _subject_of(message)
    return f"{subject.fa} · {subject.en} · mdlake"


def _laid_out(configuration: Configuration, message: AlertMessage, template: str) -> str:
    source = resources.files("mdlake.alerts").joinpath(template).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=template.endswith(".html"), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["fa"] = lambda value: persian_digits(str(value))
    return environment.from_string(source).render(
        subject=_subject_of(message), day=day(day_in_iran(message.created_at)), groups=_groups(configuration, message)
    )


def _groups(configuration: Configuration, message: AlertMessage) -> list[tuple[Both, str, list[Notice], int]]:
    """The events of each kind: its title, its plural, those that are shown, and how many more there are."""
    notices: dict[AlertKind, list[Notice]] = {kind: [] for kind in KINDS}
    for event in message.events:
        notice = notice_of(configuration, event)
        notices[notice.kind].append(notice)
    return [
        (words, plural, sorted(notices[kind], key=lambda notice: notice.place)[:_SHOWN], max(0, len(notices[kind]) - _SHOWN))
        for kind, (words, plural) in KINDS.items()
        if notices[kind]
    ]
