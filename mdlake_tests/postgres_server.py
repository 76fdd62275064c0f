"""A real PostgreSQL for the tests: a cluster of its own in a temporary folder, and a database for each test from a template.

Not a test. PostgreSQL does not run as root: there it runs under another account, and the tests' account is let in by the
operating system, as docs/data-team.md recommends (peer authentication on a Unix socket); over TCP a password is asked for.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

__all__ = ["Cluster", "Unavailable", "free_port", "running_cluster"]

_SETTINGS = {
    # what a power cut would cost does not matter here
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


class Unavailable(Exception):
    """PostgreSQL is not installed here, or this account may not start it; the text says which."""


@dataclass
class Cluster:
    """A server that can be stopped and started again."""

    folder: Path
    port: int
    account: str | None
    binaries: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """By the socket, as the account of the tests."""
        return f"postgresql:///{database}?host={self.folder}&port={self.port}"

    def execute(self, statement: str, *names: str, database: str = "postgres") -> None:
        """One statement in a transaction of its own, as the superuser; `{}` stands for a name."""
        composed = sql.SQL(statement).format(*map(sql.Identifier, names))  # type: ignore[arg-type]
        with psycopg.connect(host=str(self.folder), port=self.port, dbname=database, autocommit=True) as connection:
            connection.execute(composed)

    def create(self, template: str = "template0") -> str:
        """A new database like another one; its name."""
        name = f"ledger_{next(self._numbers)}"
        if template != "template0":
            # a template may have no guest, and ledgers keep a connection until they are forgotten
            self.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{template}'")
        locale = " ENCODING 'UTF8' LOCALE 'C'" if template == "template0" else ""
        self.execute(f"CREATE DATABASE {{}} TEMPLATE {{}}{locale}", name, template)
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        listening = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder}"
        self.control("start", "-o", f"{settings} {listening}", "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self.control("stop", "-m", "immediate")

    def control(self, *arguments: str) -> None:
        """`pg_ctl`, as the account of the server."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-s", "-w", *arguments)

    def run(self, program: str, *arguments: str) -> None:
        """A program of PostgreSQL as the account of the server.

        Raises:
            Unavailable: it fails, or this account may not change to that one.
        """
        other: dict[str, Any] = {}
        if self.account:
            other = {"user": self.account, "group": pwd.getpwnam(self.account).pw_gid, "extra_groups": []}
        try:
            # what pg_ctl starts keeps its output open: it is not read
            subprocess.run(
                [str(self.binaries / program), *arguments],
                cwd=self.folder,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=120,
                **other,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{program} of PostgreSQL in {self.binaries} fails here: {type(error).__name__}") from error


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A new cluster of this machine's newest PostgreSQL, gone afterwards.

    Raises:
        Unavailable: there is none, or it cannot be started.
    """
    # the path of a socket is short, and the account of the server must reach it: pytest's folders are neither
    folder = Path(tempfile.mkdtemp(prefix="mdlake-pg-"))
    account = _unprivileged_account() if os.geteuid() == 0 else None
    cluster = Cluster(folder, free_port(), account, _binaries())
    try:
        if account:
            shutil.chown(folder, account)
        me = pwd.getpwuid(os.geteuid()).pw_name
        methods = ("--auth-local=peer", "--auth-host=scram-sha-256")
        cluster.run("initdb", "-D", str(folder / "data"), "-U", me, "-E", "UTF8", "--locale=C", "--no-sync", *methods)
        cluster.start()
        yield cluster
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(folder)


def _binaries() -> Path:
    """Debian keeps the server's programs out of the way of the client's."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    if on_path is None:
        raise Unavailable("PostgreSQL is not installed (Debian: postgresql)")
    return Path(on_path).resolve().parent


def _unprivileged_account() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Unavailable("PostgreSQL does not run as root, and there is no account to run it as")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
