"""One round: see what happened, write down who is to be told, hand over what waits. And a test of the channels.

A message is claimed before it is handed over, so that two rounds at once do not send it twice; a round that is killed leaves
it to a later one. While alerts are off nothing is looked at and nothing connects. Time is the house's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mdlake.alerts.carriers import Carriers
from mdlake.alerts.events import RunFailure, failed_runs, late_deliveries, refused_months, refused_packages
from mdlake.alerts.routes import channel_of, receivers_by_event, subscribed
from mdlake.config import is_email_address
from mdlake.errors import NotDelivered
from mdlake.ledger import AlertEvent, AlertMessage, Subscription
from mdlake.steps import House

__all__ = ["Attempt", "FailedRuns", "Round", "tell", "try_channels"]

_OVERLAP = timedelta(days=1)
"""Looked at once more: a run or an intake may take hours between what it says to be its time and what it records."""
_NOTED_EVERY = timedelta(hours=1)
"""How often it is written down until when was looked, where nothing happened."""

FailedRuns = Callable[[datetime], Sequence[RunFailure]]
"""The runs that failed since a moment, as the orchestrator knows them."""


@dataclass(frozen=True)
class Round:
    """What became of a round.

    Attributes:
        written: new messages.
        delivered: messages that a server took.
        faults: why others were not, each reason once.
        waiting: messages that are tried again later.
    """

    enabled: bool
    written: int = 0
    delivered: int = 0
    faults: tuple[str, ...] = ()
    waiting: int = 0


@dataclass(frozen=True)
class Attempt:
    """A test message to a receiver; `fault` is None where a server took it."""

    receiver: str
    fault: str | None


def tell(house: House, failures: FailedRuns, patience: timedelta | None = None) -> Round:
    """Tell everybody of what happened since they are told.

    Args:
        failures: see `FailedRuns`.
        patience: after so long no further message is begun; the rest waits for the next round.

    Raises:
        MdlakeError: asked from the research room, which has no right on the keys.
    """
    outbox, configuration = house.ledger.alerts, house.configuration
    subscriptions = outbox.subscribe(subscribed(configuration), house.now())
    if not configuration.alerts.enabled:
        return Round(enabled=False)
    at = house.now()
    told = receivers_by_event(configuration, _events(house, subscriptions, failures), subscriptions)
    long_ago = any(at - one.looked_until > _NOTED_EVERY for one in subscriptions)
    written = outbox.post(told, at) if told or long_ago else 0
    delivered, faults = _hand_over(house, outbox.due(house.now()), house.now() + patience if patience else None)
    return Round(True, written, delivered, tuple(dict.fromkeys(faults)), outbox.waiting())


def _events(house: House, subscriptions: Sequence[Subscription], failures: FailedRuns) -> Iterator[AlertEvent]:
    """What happened of the kinds that anybody is told of, since it was last looked at."""
    since: dict[str, datetime] = {}
    for one in subscriptions:
        begin = max(one.since, one.looked_until - _OVERLAP)
        since[one.kind] = min(begin, since.get(one.kind, begin))
    if "package_refused" in since:
        yield from refused_packages(house, since["package_refused"])
    if "month_refused" in since:
        yield from refused_months(house, since["month_refused"])
    if "delivery_late" in since:
        yield from late_deliveries(house, since["delivery_late"])
    if "run_failed" in since:
        yield from failed_runs(house, failures(since["run_failed"]))


def _hand_over(house: House, due: Sequence[AlertMessage], until: datetime | None) -> tuple[int, list[str]]:
    """How many messages were taken, and why others were not. A channel that is down is asked once a round."""
    delivered, faults = 0, []
    broken: dict[str, NotDelivered] = {}
    with Carriers(house) as carriers:
        for message in due:
            now = house.now()
            if until is not None and now > until:
                break
            if not house.ledger.alerts.claim(message, now, now + _pause(house, message)):
                continue
            channel = channel_of(message.receiver)
            fault = broken.get(channel) or carriers.fault_of(message)
            if fault is None:
                house.ledger.alerts.delivered(message, house.now())
                delivered += 1
                continue
            if fault.of_channel:
                broken[channel] = fault
            last = message.attempts + 1 >= house.configuration.alerts.retry.attempts
            house.ledger.alerts.failed(message, str(fault), house.now(), for_good=fault.for_good or last)
            faults.append(str(fault))
    return delivered, faults


def _pause(house: House, message: AlertMessage) -> timedelta:
    """How long nobody tries again after this attempt: doubled each time."""
    retry = house.configuration.alerts.retry
    return timedelta(minutes=min(retry.first_minutes * 2 ** min(message.attempts, 20), retry.longest_minutes))


def try_channels(house: House, address: str | None) -> tuple[Attempt, ...]:
    """Send a test message through each channel, alerts being on or off.

    Args:
        address: where the test of the mail server goes; without one, to its `sender`.

    Raises:
        NotDelivered: the address is none.
    """
    if address is not None and not is_email_address(address):
        raise NotDelivered("this is no e-mail address", where="--to", next_step="Write one such as duty@ministry.example.")
    alerts, at = house.configuration.alerts, house.now()
    receivers = [f"address:{address or alerts.email.sender}"] if alerts.email else []
    receivers += [f"webhook:{name}" for name in alerts.webhooks]
    with Carriers(house) as carriers:
        faults = [carriers.fault_of(_test_message(receiver, at)) for receiver in receivers]
    return tuple(Attempt(receiver, str(fault) if fault else None) for receiver, fault in zip(receivers, faults, strict=True))


def _test_message(receiver: str, at: datetime) -> AlertMessage:
    """A message that tells nothing and stands in no outbox."""
    message_id = hashlib.sha256(f"test {receiver} {at.isoformat()}".encode()).hexdigest()[:32]
    return AlertMessage(message_id, receiver, at, "waiting", 0, at, None, None, ())
