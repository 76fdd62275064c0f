"""The `mdlake` command. Each command is a few lines that call a folder of the house; no logic of its own lives here."""

from __future__ import annotations

import sys
import traceback

import click

from mdlake import __version__
from mdlake.cli.alerts import alerts
from mdlake.cli.custody import keys, log
from mdlake.cli.decisions import decide, offices
from mdlake.cli.deliver import deliver
from mdlake.cli.demo import demo
from mdlake.cli.forms import dummy, template
from mdlake.cli.installation import config, init, maintain, ui
from mdlake.cli.questions import sql
from mdlake.cli.work import run, status, synthesize
from mdlake.errors import MdlakeError

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="mdlake")
def cli() -> None:
    """The ministry's lakehouse of register microdata.

    A delivery walks through four layers, one month at a time: raw, standardized, pseudonymized, published. Everything
    that is written lies under MDLAKE_HOME (default ./.mdlake).

    \b
    First steps:
      mdlake init          make the folders, the ledger and the keys
      mdlake decide rehearse    let synthetic offices sign what publication needs
      mdlake synthesize    let the synthetic ministry deliver three months
      mdlake run           take the deliveries through the four layers
      mdlake status        see where each month stands, and what is next
      mdlake ui            the same in the Dagster UI
    """


for _command in (template, dummy):
    deliver.add_command(_command)

for _command in (init, config, synthesize, run, status, deliver, decide, offices, sql, alerts, keys, log, maintain, ui, demo):
    cli.add_command(_command)


def main() -> None:
    """Run the command; what a person can mend is told in a sentence, and the exit status is 1."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        click.secho("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MdlakeError as error:
        click.secho("error: ", fg="red", nl=False, err=True)
        click.echo(str(error), err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the text of a foreign exception may hold data, so only its place is told
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        places = " → ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames)
        click.secho(f"error: a defect of mdlake ({type(error).__name__}) at {places}. Please report it.", fg="red", err=True)
        sys.exit(70)
