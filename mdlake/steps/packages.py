"""Packages that wait in the landing, and taking them in. Runs on what they hold are asked for from the ledger, not from here."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from mdlake.errors import LandingBlocked
from mdlake.exchange import Received, changed_at, is_complete, is_quiet, waiting_packages
from mdlake.steps.house import House

__all__ = ["receive_packages", "waiting_mark"]


def receive_packages(house: House) -> tuple[Received, ...]:
    """Take in the packages of every organization that are complete, and answer each.

    Raises:
        KeyRefused, SealError: the intake has not what it needs; every package stays where it is.
        LandingBlocked: at the end, when all others are answered: a package waits until somebody mends what is told.
    """
    organizations = house.configuration.organizations
    waiting = [organization for organization in organizations if waiting_packages(house.home.landing / organization)]
    if not waiting:
        return ()
    intake = house.intake
    received: list[Received] = []
    blocked: LandingBlocked | None = None
    for name in waiting:
        try:
            received += intake.take_in(name, house.now())
        except LandingBlocked as error:
            blocked = error
    if blocked is not None:
        raise blocked
    return tuple(received)


def waiting_mark(house: House) -> str | None:
    """A hash of what waits to be answered, so that one intake is asked for it; None where nothing does. No package is read."""
    patience = timedelta(minutes=house.configuration.calendar.settling_minutes)
    lines = [
        f"{organization}/{package.name} {changed_at(package)}\n"
        for organization in house.configuration.organizations
        for package in waiting_packages(house.home.landing / organization)
        if is_complete(package) or is_quiet(package, house.now() - patience)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None
