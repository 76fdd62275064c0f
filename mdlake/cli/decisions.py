"""`mdlake decide` and `mdlake offices`: decisions drafted, signed, accepted, shown; whose key is whose."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdlake.cli.surroundings import as_json_option, console, end_of_day, installed_house, now, print_json, print_table
from mdlake.errors import DecisionRefused, UnknownName
from mdlake.standard import day_of_solar_hijri, midnight_in_iran, solar_hijri_day

if TYPE_CHECKING:
    from mdlake.governance import Standing
    from mdlake.steps import House

__all__ = ["decide", "offices"]

_COLOURS = {"live": "green", "waiting": "yellow", "complete": "yellow", "not begun": "yellow", "expired": "red", "revoked": "red"}
_SHOWN = 3
"""Of what a decision covers; `mdlake decide show` has all."""


@click.group()
def decide() -> None:
    """Draft, sign and show the decisions of offices; nothing is published without them."""


def _moment(text: str | None) -> datetime:
    """The last moment of a Solar Hijri day, or now."""
    if text is None:
        return now()
    return min(end_of_day(text), now())


_as_of_option = click.option("--as-of", metavar="DAY", help="As it stood at the end of a Solar Hijri day, such as 1403-03-12.")


@decide.command("draft")
@click.argument("kind")
@click.option("--id", "decision_id", help="What to call it (default: its day and kind).")
@click.option("--dataset", "datasets", multiple=True, help="organization/dataset. May be given several times.")
@click.option("--all-datasets", is_flag=True, help="Every dataset, and with a kind about contracts every version.")
@click.option("--contract", "contracts", multiple=True, metavar="DATASET@VERSION", help="A contract version as it is now.")
@click.option("--rule", "rules", multiple=True, help="A rule of the four principles.")
@click.option("--first", help="First reference period that it covers, such as 1403-01.")
@click.option("--last", help="Last reference period that it covers.")
@click.option("--periodicity", help="The period in which a dataset comes instead of each month: quarter.")
@click.option("--project", help="A research project.")
@click.option("--access-level", type=click.IntRange(0, 4))
@click.option("--document", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A document, taken as it is now.")
@click.option("--document-version", help="The version of the document.")
@click.option("--key-epoch", type=click.IntRange(min=1))
@click.option("--decision", "withdrawn", help="The decision that a revocation withdraws.")
@click.option("--days", type=click.IntRange(min=1), help="How many days it counts, today included.")
@click.option("--title", nargs=2, metavar="PERSIAN ENGLISH", help="A title in both languages.")
@click.option("--text", nargs=2, metavar="PERSIAN ENGLISH", help="What was decided and why, in both languages.")
def draft(
    kind: str,
    decision_id: str | None,
    days: int | None,
    title: tuple[str, str] | None,
    text: tuple[str, str] | None,
    **scope: Any,
) -> None:
    """Write a decision of a KIND for its offices to sign. `mdlake decide kinds` lists the kinds."""
    from mdlake.governance import draft_decision

    house = installed_house("research")
    decision = draft_decision(
        house.register,
        kind,
        _scope(house, kind, scope),
        now(),
        decision_id=decision_id,
        days=days,
        title=_both(title),
        text=_both(text),
    )
    console.print(f"drafted {house.register.path(decision.id)}", highlight=False, soft_wrap=True)
    _tell_standing(house.register.standing(decision.id, now()))


def _both(texts: tuple[str, str] | None) -> Mapping[str, str] | None:
    return {"fa": texts[0], "en": texts[1]} if texts else None


def _scope(house: House, kind: str, given: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a scope from the options of the command."""
    from mdlake.steps import contract_marks, document_mark, withdrawal_mark

    configuration = house.configuration
    required = configuration.decisions.kinds[kind].scope.required if kind in configuration.decisions.kinds else ()
    named = [configuration.dataset(key).key for key in given["datasets"]]
    everything = given["all_datasets"]
    contracts = given["contracts"] or ((*configuration.datasets,) if everything and "contracts" in required else ())
    periods = {name: given[name] for name in ("first", "last") if given[name]}
    return {
        "datasets": list(configuration.datasets) if everything and "datasets" in required else named,
        "contracts": contract_marks(configuration, contracts),
        "periods": {"first": given["first"] or given["last"], "last": given["last"] or given["first"]} if periods else None,
        "periodicity": given["periodicity"],
        "rules": list(given["rules"]),
        "project": given["project"],
        "access_level": given["access_level"],
        "document": document_mark(given["document"], given["document_version"]) if given["document"] else None,
        "key_epoch": given["key_epoch"],
        "decision": withdrawal_mark(house, given["withdrawn"]) if given["withdrawn"] else None,
    }


@decide.command("kinds")
@as_json_option
def kinds(as_json: bool) -> None:
    """List the kinds of decisions: article, what the scope must name, who signs."""
    from mdlake.governance import describe_signatures

    configuration = installed_house("research").configuration
    rows = [
        {
            "kind": name,
            "article": kind.article or "–",
            "must name": ", ".join(kind.scope.required),
            "signed by": describe_signatures(kind.signatures, configuration),
        }
        for name, kind in configuration.decisions.kinds.items()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table("kinds of decisions", tuple(rows[0]), [tuple(row.values()) for row in rows])


@decide.command("sign")
@click.argument("decision_id", metavar="ID")
@click.option("--office", required=True, help="In whose name, such as it_centre or statistics_unit@ORGANIZATION.")
@click.option("--key", type=click.Path(path_type=Path), help="The office's private key (default: that of the rehearsal).")
@click.option("--yes", is_flag=True, help="Sign without asking.")
def sign(decision_id: str, office: str, key: Path | None, yes: bool) -> None:
    """Sign a decision in the name of an office, after showing it; the last signature that it needs makes it count.

    The same is done without mdlake by: ssh-keygen -Y sign -f KEY -n NAMESPACE < ID.yaml > ID.yaml.OFFICE.sig
    """
    from mdlake.governance import rehearsal_folder, sign_decision
    from mdlake.seals import load_signing_key

    house = installed_house("research")
    standing = house.register.standing(decision_id, now())
    if standing.decision is not None and not yes:
        click.echo(standing.decision.content.decode())
        click.confirm(f"Sign this for {office}?", abort=True)
    loaded = load_signing_key(key or rehearsal_folder(house.home) / office)
    standing = sign_decision(house.register, decision_id, office, loaded, now())
    console.print(f"signed {house.register.signature_path(decision_id, office)}", highlight=False, soft_wrap=True)
    if standing.state == "complete":
        standing = house.register.accept(decision_id, now())
    _tell_standing(standing)


@decide.command("verify")
@click.argument("decision_id", metavar="ID")
@as_json_option
def verify(decision_id: str, as_json: bool) -> None:
    """Check every signature of a decision; exit status 1 if it does not have those that it needs."""
    house = installed_house("research")
    standing = house.register.standing(decision_id, now())
    if as_json:
        print_json(_as_json(standing))
    else:
        for signature in standing.signatures:
            verdict = f"[red]{signature.fault}[/]" if signature.fault else "[green]holds[/]"
            console.print(f"  {signature.office}: {verdict}", highlight=False, soft_wrap=True)
        _tell_standing(standing)
    if standing.state not in ("complete", "live", "not begun", "expired", "revoked"):
        sys.exit(1)


@decide.command("accept")
@click.argument("decision_ids", nargs=-1, metavar="[ID]...")
def accept(decision_ids: tuple[str, ...]) -> None:
    """Enter signed decisions in the audit chain, from when on they count (default: all that are complete)."""
    house = installed_house("research")
    at = now()
    accepted = [house.register.accept(name, at) for name in decision_ids] or house.register.accept_complete(at)
    for standing in accepted:
        _tell_standing(standing)
    if not accepted:
        console.print("no decision is complete and waits to be accepted")


@decide.command("list")
@_as_of_option
@click.option("--state", "states", multiple=True, help="Only decisions in this state. May be given several times.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the register as a page, in both languages.")
@as_json_option
def list_decisions(as_of: str | None, states: tuple[str, ...], html: Path | None, as_json: bool) -> None:
    """List the decisions: waiting, live, expiring, expired, revoked, and what each covers."""
    from mdlake.reports import register_page

    house = installed_house("research")
    at = _moment(as_of)
    standings = [s for s in house.register.all(at) if not states or s.state in states]
    if html is not None:
        html.write_text(register_page(house, at), encoding="utf-8")
        console.print(f"wrote {html}", highlight=False, soft_wrap=True)
    elif as_json:
        print_json([_as_json(standing) for standing in standings])
    else:
        columns = ("decision", "state", "from", "until", "covers")
        print_table("decisions", columns, [_row(standing) for standing in standings])


def _row(standing: Standing) -> tuple[str, ...]:
    colour = _COLOURS.get(standing.state, "red")
    if standing.decision is None:
        return (standing.decision_id, f"[{colour}]{standing.state}[/]", "–", "–", "–")
    file = standing.decision.file
    until = solar_hijri_day(file.valid_until) if file.valid_until else "–"
    words = standing.decision.scope.in_words
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    covers = ", ".join(words[:_SHOWN]) + more
    return (standing.decision_id, f"[{colour}]{standing.state}[/]", solar_hijri_day(file.valid_from), until, covers)


def _as_json(standing: Standing) -> dict[str, object]:
    decision, accepted = standing.decision, standing.accepted
    return {
        "id": standing.decision_id,
        "state": standing.state,
        "reason": standing.reason,
        "kind": decision.file.kind if decision else None,
        "decision": decision.file.model_dump(mode="json", exclude_defaults=True) if decision else None,
        "sha256": decision.sha256 if decision else None,
        "signatures": [{"office": s.office, "fault": s.fault} for s in standing.signatures],
        "lacks": [{"demand": lack.demand, "more": lack.needed, "offices": lack.offices} for lack in standing.lacks],
        "accepted_at": accepted.accepted_at.isoformat() if accepted else None,
        "revoked_by": standing.revoked_by.decision_id if standing.revoked_by else None,
    }


@decide.command("show")
@click.argument("decision_id", metavar="ID")
@_as_of_option
@as_json_option
def show(decision_id: str, as_of: str | None, as_json: bool) -> None:
    """Show a decision as it was signed, its signatures, and why it counts or not."""
    house = installed_house("research")
    standing = house.register.standing(decision_id, _moment(as_of))
    if as_json:
        print_json(_as_json(standing))
        return
    if standing.decision is not None:
        click.echo(standing.decision.content.decode())
    for signature in standing.signatures:
        console.print(f"  {signature.office}: {signature.fault or 'signed'}", highlight=False, soft_wrap=True, markup=False)
    _tell_standing(standing)


@decide.command("waiting")
@click.argument("office")
@as_json_option
def waiting(office: str, as_json: bool) -> None:
    """List what lacks the signature of an OFFICE."""
    house = installed_house("research")
    if office not in house.configuration.signing_offices:
        raise UnknownName("office", office, house.configuration.signing_offices)
    lacking = [s for s in house.register.drafts(now()) if any(office in lack.offices for lack in s.lacks)]
    if as_json:
        print_json([_as_json(standing) for standing in lacking])
        return
    for standing in lacking:
        _tell_standing(standing)
    if not lacking:
        console.print(f"nothing waits for {office}", highlight=False)


@decide.command("rehearse")
def rehearse() -> None:
    """For trying the system: make keys for all offices here, and let them sign what publication needs.

    Whoever has every key decides alone, so this is refused where an office has a key of its own.
    """
    from mdlake.governance import rehearse as decide_all

    for standing in decide_all(installed_house("research").register, now()):
        console.print(f"  {standing.decision_id}: {standing.state}", highlight=False, soft_wrap=True)


def _tell_standing(standing: Standing) -> None:
    """How a decision stands, and what is next."""
    colour = _COLOURS.get(standing.state, "red")
    reason = f": {standing.reason}" if standing.reason else ""
    console.print(f"[bold]{standing.decision_id}[/] [{colour}]{standing.state}[/]", end="", highlight=False)
    console.print(reason, highlight=False, soft_wrap=True, markup=False)
    for lack in standing.lacks:
        console.print(f"  may sign: {', '.join(lack.offices)}", highlight=False, soft_wrap=True, markup=False)
    if standing.lacks and standing.accepted is None:
        console.print(f"  next: mdlake decide sign {standing.decision_id} --office OFFICE", highlight=False, soft_wrap=True)


@click.group()
def offices() -> None:
    """Show the offices and whose key is whose; admit and revoke keys."""


@offices.command("list")
@as_json_option
def list_offices(as_json: bool) -> None:
    """List every office that signs, with the fingerprints of its keys."""
    from mdlake.seals import fingerprint

    house = installed_house("research")
    at, keys = now(), house.register.keys
    rows = []
    for name, label in house.configuration.key_holders.items():
        own = [signer for signer in keys.allowed.signers if signer.is_for(name)]
        states = [f"{fingerprint(s.public_key)}{' revoked' if keys.revoked.is_revoked(s.public_key, at) else ''}" for s in own]
        rows.append({"office": name, "title": label.en, "keys": states})
    if as_json:
        print_json(rows)
    else:
        cells = [(str(r["office"]), str(r["title"]), "\n".join(r["keys"]) or "none") for r in rows]
        print_table("offices", ("office", "title", "keys"), cells)


@offices.command("admit")
@click.argument("office")
@click.argument("public_key", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--from", "first", metavar="DAY", help="First Solar Hijri day on which it may sign.")
@click.option("--until", "last", metavar="DAY", help="Last Solar Hijri day on which it may sign.")
def admit(office: str, public_key: Path, first: str | None, last: str | None) -> None:
    """Add the PUBLIC_KEY (an OpenSSH .pub file) of an OFFICE to the allowed signers, for the kinds that ask for it."""
    from mdlake.governance import admit_key

    after = midnight_in_iran(day_of_solar_hijri(first)) if first else None
    before = midnight_in_iran(day_of_solar_hijri(last) + timedelta(days=1)) if last else None
    house = installed_house("research")
    name = admit_key(house.register, office, _public_line(public_key), now(), after, before)
    console.print(f"{office} signs with {name}", highlight=False, soft_wrap=True)


@offices.command("revoke")
@click.argument("public_key", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def revoke(public_key: Path) -> None:
    """Revoke a PUBLIC_KEY that was lost or stolen: no signature of it counts from now on, also on accepted decisions.

    A key that is only replaced is not revoked: admit it with --until.
    """
    from mdlake.governance import revoke_key

    name = revoke_key(installed_house("research").register, _public_line(public_key), now())
    console.print(f"revoked {name}; decisions that rest on it are void: mdlake decide list --state void", soft_wrap=True)


def _public_line(path: Path) -> str:
    """The key line of a .pub file. Raises DecisionRefused if it is none, above all a private key."""
    try:
        lines = path.read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DecisionRefused("it cannot be read as a public key", where=str(path), next_step="Give the .pub file.") from error
    if len(lines) != 1 or len(lines[0].split()) < 2:
        raise DecisionRefused("this is no public key", where=str(path), next_step="Give the .pub file, which has one line.")
    return lines[0]
