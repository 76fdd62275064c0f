"""The door to the ledger's database: connections, transactions and migrations, in SQLite or PostgreSQL.

Here: what makes a transaction right on either. Writers stand in one line: SQLite by `BEGIN IMMEDIATE`,
PostgreSQL by a lock on the row that holds the schema version. Not here: what is recorded.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from mdlake.errors import LedgerError
from mdlake.ledger.tables import HEAD, schema_version

__all__ = ["Database"]

_BUSY_SECONDS = 30
_ATTEMPTS = 10
_WRITES = "ledger_writes"

Result = TypeVar("Result")


class Database:
    """A database URL, connected to only when something is read or written."""

    def __init__(self, url: str) -> None:
        """`url` is any SQLAlchemy URL. Raises LedgerError if it is none, or names no file in SQLite."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise LedgerError("this is not a database URL", where="ledger", next_step=_URL_HELP) from None
        self._file = _sqlite_file(parsed)
        self._url = parsed
        self._engine: Engine | None = None
        self._current = False

    @property
    def name(self) -> str:
        """What to call this ledger in a message: its file, or its URL without the password."""
        return str(self._file or self._url.render_as_string(hide_password=True))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises LedgerError if the ledger is absent, behind, or fails."""
        with self._translated_errors(), self._transaction(writes=False) as connection:
            if not self._current:
                self._require_head(_version(connection))
            yield connection

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction of the only writer, again from its start if another writer came
        between.

        Raises LedgerError if the ledger is absent, behind, or fails.
        """
        for _ in range(_ATTEMPTS):
            try:
                with self._translated_errors(), self._transaction(writes=True) as connection:
                    self._require_head(_version(connection))
                    return work(connection)
            except IntegrityError as error:
                # The line is of this program's writers; the unique keys hold off any other too.
                refused = error
        raise self._failure(refused)

    def upgrade(self) -> None:
        """Make the ledger if it is absent (its file owner-only), and bring its tables to the latest
        migration.

        Raises LedgerError if that fails, or if the ledger is newer than this program.
        """
        if self._file is not None:
            _create_owner_only(self._file)
        if self._stored_version() == HEAD:
            return
        try:
            with self._translated_errors(), self._transaction(writes=True) as connection:
                if _version(connection) != HEAD:
                    _migrate(connection, self.name)
        except (LedgerError, IntegrityError):
            # Two programs may make the tables at the same moment, and a server refuses the later one.
            if self._stored_version() != HEAD:
                raise

    def _stored_version(self) -> str | None:
        with self._translated_errors(), self._transaction(writes=False) as connection:
            return _version(connection)

    def _require_head(self, version: str | None) -> None:
        self._current = version == HEAD
        if version is None:
            raise LedgerError("the ledger has no tables yet", where=self.name, next_step="Run `mdlake init`.")
        if version != HEAD:
            raise LedgerError(
                f"the ledger is at schema {version}, and this program needs {HEAD}",
                where=self.name,
                next_step="Run `mdlake init`; if the ledger is the newer of the two, update mdlake.",
            )

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        if self._file is not None and not self._file.exists():
            raise LedgerError("there is no ledger", where=self.name, next_step="Run `mdlake init`.")
        if self._engine is None:
            self._engine = _engine(self._url, self._file)
        with self._engine.connect().execution_options(**{_WRITES: writes}) as connection, connection.begin():
            yield connection

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self._failure(error) from None

    def _failure(self, error: DBAPIError) -> LedgerError:
        # The first line only, and no chained error: PostgreSQL's next lines quote the row.
        answer = next(iter(str(error.orig).splitlines()), "nothing")
        return LedgerError(
            f"the database answered with {type(error.orig).__name__}: {answer}",
            where=self.name,
            next_step="See that the database is up and whole, and that this account may use it.",
        )


_URL_HELP = "Give a URL such as sqlite:////srv/mdlake/control/ledger.db or postgresql+psycopg://…/mdlake."


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:" or url.database.startswith("file:") or url.query:
        raise LedgerError("a SQLite ledger is a path without options", where="ledger", next_step=_URL_HELP)
    return Path(url.database).absolute()


def _engine(url: URL, file: Path | None) -> Engine:
    if file is None:
        # The line of writers counts on each statement seeing what was committed before it.
        return create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True, hide_parameters=True)
    # mode=rw: SQLite would otherwise make an absent file itself, readable by others. No pool: a connection
    # to a SQLite file must not be carried over a fork, and opening one costs little.
    existing = URL.create("sqlite", database=f"file:{quote(str(file))}", query={"mode": "rw", "uri": "true"})
    engine = create_engine(existing, poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 would otherwise open transactions by its own rules
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options()[_WRITES]
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    """The schema version, or None without one. In PostgreSQL a writer holds the row until it commits."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    query = select(schema_version.c.version_num)
    writes = connection.get_execution_options()[_WRITES]
    version: str | None = connection.scalar(query.with_for_update() if writes else query)
    return version


def _create_owner_only(file: Path) -> None:
    for folder in reversed([folder for folder in file.parents if not folder.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def _migrate(connection: Connection, name: str) -> None:
    # Alembic takes a tenth of a second to import, and a ledger in use is at its head already.
    from mdlake.ledger.migrations import migrate  # noqa: PLC0415

    try:
        migrate(connection)
    except ValueError as error:
        raise LedgerError(
            f"the ledger cannot be brought to schema {HEAD}: {error}",
            where=name,
            next_step="If the ledger is newer than this program, update mdlake.",
        ) from error
