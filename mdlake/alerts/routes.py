"""Who is told: from the routes of the configuration to receivers, and from a receiver to its address.

A receiver is named by what it is (`contact:…`, `office:…`, `address:…`, `webhook:…`) and not by its address, so that a message
that waits follows a corrected address. Not here: how a message travels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mdlake.config import Configuration, Route
from mdlake.ledger import AlertEvent, Subscription

__all__ = ["address_of", "channel_of", "receivers_by_event", "subscribed"]


def subscribed(configuration: Configuration) -> frozenset[tuple[str, str]]:
    """Every (kind of event, receiver) of the routes; none while alerts are off."""
    alerts = configuration.alerts
    if not alerts.enabled:
        return frozenset()
    return frozenset(
        (kind, receiver) for kind, route in alerts.routes.items() for receiver in _receivers(route, configuration.organizations)
    )


def _receivers(route: Route, organizations: Iterable[str]) -> Iterator[str]:
    """The receivers of a route for events that are about any of some organizations."""
    if route.contact:
        yield from (f"contact:{organization}" for organization in organizations)
    yield from (f"office:{office}" for office in route.offices)
    yield from (f"address:{address}" for address in route.addresses)
    yield from (f"webhook:{name}" for name in route.webhooks)


def receivers_by_event(
    configuration: Configuration, events: Iterable[AlertEvent], subscriptions: Iterable[Subscription]
) -> Mapping[str, list[AlertEvent]]:
    """What each receiver is to be told of: each event that happened since it is told of its kind, and once to an address."""
    since = {(one.kind, one.receiver): one.since for one in subscriptions}
    told: dict[str, list[AlertEvent]] = {}
    for event in events:
        organization = event.facts.get("organization")
        reached: set[str] = set()
        for receiver in _receivers(configuration.alerts.routes[event.kind], [organization] if organization else []):  # type: ignore[index]
            begun = since.get((event.kind, receiver))
            address = address_of(configuration, receiver) or receiver
            if begun is not None and begun <= event.happened_at and address.casefold() not in reached:
                reached.add(address.casefold())
                told.setdefault(receiver, []).append(event)
    return told


def address_of(configuration: Configuration, receiver: str) -> str | None:
    """The e-mail address of a receiver; None for a webhook, and where nothing is called so any more."""
    kind, _, name = receiver.partition(":")
    if kind == "contact":
        organization = configuration.organizations.get(name)
        return organization.contact if organization else None
    if kind == "office":
        return configuration.alerts.offices.get(name)
    return name if kind == "address" else None


def channel_of(receiver: str) -> str:
    """By what a receiver is told: ``webhook:`` with a name, or ``email``."""
    return receiver if receiver.startswith("webhook:") else "email"
