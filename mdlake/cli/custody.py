"""`mdlake keys` and `mdlake log`: what security reviews."""

from __future__ import annotations

from pathlib import Path

import click

from mdlake.cli.surroundings import as_json_option, console, current_home, installed_house, now, print_json, print_table

__all__ = ["keys", "log", "write_checkpoint"]


@click.group()
def keys() -> None:
    """Show the key epochs and every use of the keys; never a key."""


@keys.command("show")
@as_json_option
def show(as_json: bool) -> None:
    """List the epochs of the key file, after checking that only its owner can read it."""
    from mdlake.pseudonyms import KeyFile
    from mdlake.steps import KEY_FILE

    path = current_home().keys / KEY_FILE
    ring = KeyFile(path).read()
    rows = [
        {"epoch": e.number, "created": e.created, "state": "current" if e is ring.current else "earlier"} for e in ring.epochs
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            f"key epochs in {path}", ("epoch", "created", "state"), [[str(value) for value in row.values()] for row in rows]
        )


@keys.command("uses")
@as_json_option
def uses(as_json: bool) -> None:
    """List every use of a derived key: path, epoch, count, run."""
    ledger = installed_house("secure").ledger
    rows = [{"at": entry.at, **entry.details} for entry in ledger.audit.entries(action="key.used")]
    if as_json:
        print_json(rows)
    else:
        columns = ("at", "path", "epoch", "count", "run")
        print_table("uses of the keys", columns, [[str(row[column]) for column in columns] for row in rows])


@click.group()
def log() -> None:
    """Verify the audit log, and sign checkpoints of it."""


def write_checkpoint() -> Path:
    """Sign the head of the audit log, unless it is signed; the file belongs in another office's hands."""
    from mdlake.seals import load_signing_key
    from mdlake.steps import CHECKPOINT_KEY

    home = current_home()
    ledger = installed_house("secure").ledger
    folder = home.control / "checkpoints"
    folder.mkdir(exist_ok=True, mode=0o700)
    head = ledger.audit.head()
    if head is not None and (folder / f"{head.seq}.json").exists():
        return folder / f"{head.seq}.json"
    checkpoint = ledger.audit.checkpoint(load_signing_key(home.keys / CHECKPOINT_KEY), now())
    return checkpoint.write(folder)


@log.command("checkpoint")
def checkpoint() -> None:
    """Sign the head of the log; give the two files to another office."""
    path = write_checkpoint()
    console.print(
        f"the head is signed in {path} and {path}.sig: hand a copy of both to another office", highlight=False, soft_wrap=True
    )


@log.command("verify")
@click.option(
    "--checkpoint",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint that another office held (the .json file, its .sig beside it). May be given several times.",
)
@as_json_option
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Check the whole chain of the audit log against its checkpoints; fails on the first entry that does not hold."""
    from mdlake.ledger import Checkpoint
    from mdlake.seals import AllowedSigners

    home = current_home()
    ledger = installed_house("secure").ledger
    own = sorted((home.control / "checkpoints").glob("*.json"))
    checkpoints = [Checkpoint.read(path) for path in (*own, *files)]
    allowed = AllowedSigners.parse((home.control / "allowed_signers").read_text(encoding="utf-8"))
    report = ledger.audit.verify(checkpoints, allowed)
    decisions = ledger.decisions.verify()
    if as_json:
        print_json(
            {
                "entries": report.entries,
                "head": report.head.hash if report.head else None,
                "checkpoints": report.checkpoints_checked,
                "decisions": decisions,
            }
        )
    else:
        head = report.head.hash[:16] if report.head else "-"
        counts = f"{report.entries} entries, {report.checkpoints_checked} checkpoints, {decisions} decisions"
        console.print(f"the log holds: {counts}, head {head}", highlight=False, soft_wrap=True)
