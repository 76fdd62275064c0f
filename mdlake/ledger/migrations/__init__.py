"""How a ledger comes to its present tables, one Alembic revision after the other.

Here: `versions/`, each revision written by hand and never changed once released, and what runs them. A new one
sets `down_revision` to the last, changes `tables.py` and its `HEAD` alike, and only goes forward: records are
never taken back.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

__all__ = ["migrate"]


def migrate(connection: Connection) -> None:
    """Bring the tables to the last revision, in the transaction that `connection` is in.

    Raises ValueError if they are at a revision that is not among `versions/`.
    """
    scripts = ScriptDirectory(str(Path(__file__).parent))
    steps = EnvironmentContext(Config(), scripts, fn=lambda at, _context: scripts._upgrade_revs("head", at))
    try:
        with steps:
            steps.configure(connection=connection)
            steps.run_migrations()
    except CommandError as error:
        raise ValueError(str(error)) from error
