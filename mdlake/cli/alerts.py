"""`mdlake alerts`: try the channels, make one round of telling people, and see what was told, waits, or was given up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mdlake.cli.surroundings import as_json_option, console, current_home, installed_house, now, print_json, print_table

if TYPE_CHECKING:
    from mdlake.ledger import AlertMessage

__all__ = ["alerts"]

_SHOWN = 20


@click.group()
def alerts() -> None:
    """Tell people of what is late, refused or failed, as alerts.yaml says; off as shipped."""


@alerts.command("test")
@click.option("--to", "address", help="Where the e-mail goes (default: the sender of alerts.yaml).")
def test(address: str | None) -> None:
    """Send a test message through each channel of alerts.yaml, alerts being on or off."""
    from mdlake.alerts import try_channels

    attempts = try_channels(installed_house("secure"), address)
    if not attempts:
        console.print("alerts.yaml has no channel yet: write `email` or `webhooks`, then try again.")
    for attempt in attempts:
        if attempt.fault is None:
            click.echo(f"{attempt.receiver}: taken by its server; see that it arrived")
        else:
            click.secho(f"{attempt.receiver}: {attempt.fault}", fg="red")
    if any(attempt.fault for attempt in attempts):
        sys.exit(1)


@alerts.command("send")
@click.option("--again", is_flag=True, help="Try also what was given up, and what waits for its next attempt.")
def send(again: bool) -> None:
    """Make one round: what happened is written down for its receivers, and what waits is sent. For a timer without Dagster."""
    from mdlake.pipeline.alerts import tell_once

    house = installed_house("secure")
    if again:
        house.ledger.alerts.try_again(now())
    done = tell_once(current_home(), house)
    if not done.enabled:
        console.print("alerts are off: nothing was looked at, nothing was sent (alerts.yaml, `enabled`)", soft_wrap=True)
        return
    console.print(f"{done.written} new messages, {done.delivered} delivered, {done.waiting} wait", highlight=False)
    for fault in done.faults:
        click.secho(fault, fg="red", err=True)
    if done.faults:
        sys.exit(1)


@alerts.command("list")
@click.option(
    "--all", "everything", is_flag=True, help=f"All messages (default: the newest {_SHOWN}, and all that are not delivered)."
)
@as_json_option
def list_(everything: bool, as_json: bool) -> None:
    """List what was told, to whom, what waits, and what was given up and why."""
    from mdlake.alerts import counted

    house = installed_house("research")
    messages = house.ledger.alerts.messages()
    shown = [m for n, m in enumerate(messages, start=1) if everything or m.state != "delivered" or n > len(messages) - _SHOWN]
    if as_json:
        print_json([_as_json(message) for message in (messages if everything else shown)])
        return
    told = house.ledger.alerts.subscriptions()
    since = (
        f"told of what happens since {min(one.since for one in told):%Y-%m-%d %H:%M} UTC or later"
        if told
        else "nobody is told yet"
    )
    console.print(f"alerts are {'on' if house.configuration.alerts.enabled else 'off'}; {since}", highlight=False, soft_wrap=True)
    rows = [
        (f"{m.created_at:%Y-%m-%d %H:%M}", m.receiver, counted(m.events).en, m.state, str(m.attempts), m.fault or "")
        for m in shown
    ]
    if rows:
        print_table("messages", ("written (UTC)", "to", "events", "state", "attempts", "last fault"), rows)
    if any(message.state == "undeliverable" for message in messages):
        console.print("mend what the fault says, then: mdlake alerts send --again", highlight=False)


def _as_json(message: AlertMessage) -> dict[str, object]:
    """A message with its events, moments as text."""
    moments = {name: getattr(message, name).isoformat() for name in ("created_at", "next_at")}
    settled_at = message.settled_at.isoformat() if message.settled_at else None
    events = [vars(event) | {"happened_at": event.happened_at.isoformat()} for event in message.events]
    return vars(message) | moments | {"settled_at": settled_at, "events": events}
