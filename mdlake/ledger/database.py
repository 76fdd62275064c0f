"""The door to the ledger's database: connections, transactions and migrations, in SQLite or PostgreSQL.

Here: what makes a transaction right on either. Writers stand in one line: SQLite by `BEGIN IMMEDIATE`, PostgreSQL by a
lock on the row that holds the schema version. A reader sees one moment of the ledger. A URL has no password: it travels
through environments, process lists and messages. Not here: what is recorded.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from mdlake.errors import LedgerError
from mdlake.ledger.tables import HEAD, schema_version

__all__ = ["Database"]

_BUSY_SECONDS = 30
_ATTEMPTS = 10
_WRITES = "ledger_writes"
_SESSION = {
    "application_name": "mdlake",
    "client_encoding": "utf8",
    "connect_timeout": 10,
    # a writer that hangs in its transaction would hold up all others for ever
    "options": f"-c lock_timeout={_BUSY_SECONDS}s -c idle_in_transaction_session_timeout={2 * _BUSY_SECONDS}s",
}
"""What a connection to PostgreSQL is opened with, unless the URL says otherwise."""

Result = TypeVar("Result")


class Database:
    """A database URL, connected to only when something is read or written."""

    def __init__(self, url: str) -> None:
        """`url` names a file in SQLite or a database in PostgreSQL. Raises LedgerError if it does not, or holds a password."""
        self._url = _parsed(url)
        self._file = Path(str(self._url.database)).absolute() if self._url.get_backend_name() == "sqlite" else None
        self._engine: Engine | None = None
        self._current = False

    @property
    def name(self) -> str:
        """What to call this ledger in a message: its file, or its URL."""
        return str(self._file or self._url)

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

        Raises LedgerError if that fails, if the ledger is newer than this program, or if PostgreSQL would store or sort its
        texts otherwise than SQLite does.
        """
        if self._file is not None:
            _create_owner_only(self._file)
        if self._stored_version() == HEAD:
            return
        try:
            with self._translated_errors(), self._transaction(writes=True) as connection:
                if _version(connection) != HEAD:
                    if self._file is None:
                        _require_plain_texts(connection, self.name)
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
            self._engine = self._server_engine() if self._file is None else _file_engine(self._file)
        options: dict[str, object] = {_WRITES: writes}
        if self._file is None and not writes:
            # what two questions of one transaction find has to go together, as it does in SQLite
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def _server_engine(self) -> Engine:
        session = {name: value for name, value in _SESSION.items() if name not in self._url.query}
        try:
            # READ COMMITTED: the line of writers counts on each statement seeing what was committed before it. A server may
            # restart between two uses of a connection: it is tried before it is used.
            return create_engine(
                self._url, isolation_level="READ COMMITTED", pool_pre_ping=True, hide_parameters=True, connect_args=session
            )
        except ImportError:
            fix = "Install it: pip install 'mdlake[postgres]'."
            raise LedgerError("the driver for PostgreSQL is not installed", where=self.name, next_step=fix) from None

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
            next_step="See that the database is up and whole, and that this account may use it." + _server_help(self._file),
        )


_URL_HELP = "Give a URL such as sqlite:////srv/mdlake/control/ledger.db or postgresql:///mdlake?host=/var/run/postgresql."
_CHAPTER = "docs/data-team.md, The ledger on PostgreSQL"
_PASSWORDS = frozenset({"password", "sslpassword"})
_IN_POSTGRESQL = frozenset({"postgresql", "postgresql+psycopg"})


def _server_help(file: Path | None) -> str:
    return "" if file else f" How: {_CHAPTER}."


def _parsed(url: str) -> URL:
    """The parts of a URL, of which no message tells anything before it is known that it holds no password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerError("this is not a database URL", where="ledger", next_step=_URL_HELP) from None
    if parsed.password is not None or _PASSWORDS & parsed.query.keys():
        fix = f"Leave it out of the URL; let the server know the account, or keep it in ~/.pgpass ({_CHAPTER})."
        raise LedgerError("the URL holds a password, which processes and logs would show", where="ledger", next_step=fix)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:") or parsed.query:
            raise LedgerError("a SQLite ledger is a path without options", where="ledger", next_step=_URL_HELP)
        return parsed
    if parsed.drivername not in _IN_POSTGRESQL or not parsed.database:
        what = "a ledger is a file of SQLite or a database of PostgreSQL, and the URL names neither"
        raise LedgerError(what, where="ledger", next_step=_URL_HELP)
    return parsed.set(drivername="postgresql+psycopg")


def _file_engine(file: Path) -> Engine:
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


def _require_plain_texts(connection: Connection, name: str) -> None:
    """A database keeps the encoding and the sorting that it was made with; another order of texts breaks with each update of
    the system's languages, and is not the one in which the ledger promises its lists.
    """
    asked = text("SELECT current_setting('server_encoding') = 'UTF8' AND 'B' < 'a' AND '-b' < 'a'")
    if not connection.scalar(asked):
        raise LedgerError(
            "the database does not keep texts as UTF-8 in the order of their code points",
            where=name,
            next_step="Make it anew: createdb --template=template0 --encoding=UTF8 --locale=C NAME.",
        )


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
