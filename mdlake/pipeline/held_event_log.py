"""Dagster's event log in SQLite as one process writes it run after run: its databases stay open between two events.

Dagster's own opens, checkpoints and deletes a write-ahead log for every event, compiles every statement anew and migrates an
empty database for every run: of a local run of a small partition that was more than half of the time. The files are the same,
and whoever reads them beside it (the web server, the daemon) reads them as ever. Not here: the rest of the instance.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes.config_class import ConfigurableClassData

__all__ = ["HeldSqliteStorage", "held_instance"]


def held_instance(folder: Path) -> DagsterInstance:
    """The Dagster instance of a folder; where its event log is in SQLite, it is held open."""
    ref = InstanceRef.from_dir(str(folder))
    own = ref.storage_data
    if own is not None and own.class_name == DagsterSqliteStorage.__name__:
        ref = ref._replace(storage_data=own._replace(module_name=__name__, class_name=HeldSqliteStorage.__name__))
    return DagsterInstance.from_ref(ref)


class HeldSqliteStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite with an event log that is held open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        own = self._event_log_storage
        self._event_log_storage = _HeldEventLog(own._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> HeldSqliteStorage:
        """Dagster builds the storage by this."""
        return cls(inst_data=inst_data, **config_value)


class _HeldEventLog(SqliteEventLogStorage):
    """A `SqliteEventLogStorage` that keeps its index and the database of the latest run open."""

    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, Any] = {}
        self._empty: str | None = None
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Any]:
        with self._db_lock:
            engine = self._engines.get(shard) or self._open(shard)
            with engine.begin() as connection:
                yield connection
            # whoever watches a run in the UI waits for its database to change, and what is held open changes beside it
            with suppress(FileNotFoundError):
                os.utime(self.path_for_shard(shard))

    def _open(self, shard: str) -> Any:
        """The engine of a shard, in place of that of the run before."""
        for other in self._engines.keys() - {INDEX_SHARD_NAME}:
            self._engines.pop(other).dispose()
        engine = create_engine(self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine
        return engine

    def _initdb(self, engine: Any, for_index_shard: bool = False) -> None:
        """Makes the tables of a shard: those of a run as the first run's came out of Dagster's own migrations."""
        path = Path(engine.url.database)
        if for_index_shard or path.exists() or self._empty is None:
            is_new = not path.exists()
            super()._initdb(engine, for_index_shard)
            if is_new and not for_index_shard:
                with closing(sqlite3.connect(path)) as made:
                    self._empty = "\n".join(made.iterdump())
            return
        try:
            with closing(sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)) as made:
                made.executescript(f"PRAGMA journal_mode=WAL;\n{self._empty}")
        except sqlite3.OperationalError:
            # somebody who reads the run has begun to make them too: Dagster's own way tries until one of the two is done
            super()._initdb(engine, for_index_shard)

    def dispose(self) -> None:
        """Closes what is held open."""
        super().dispose()
        while self._engines:
            self._engines.popitem()[1].dispose()
