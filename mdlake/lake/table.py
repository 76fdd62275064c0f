"""One Delta table partitioned by reference period. Here: read partitions, replace one in one commit, look after the files.

A partition's files are written first and named in one commit afterwards; a process killed between leaves files that
nobody reads and that `vacuum` takes away. The commit carries a transaction id of its own per partition whose number is
the commit's own version: it finds the partition's last commit without reading the log, and it makes two writers of one
partition collide instead of both landing.

Why files and one commit rather than `write_deltalake`: in the same run over 1 million rows it took a third less time and
under half of the memory (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import json
import math
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import polars as pl
import pyarrow.fs
from deltalake import CommitProperties, DeltaTable, Field, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction

from mdlake.errors import LakeError
from mdlake.lake.content import ContentHasher
from mdlake.lake.order import is_ascending

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

__all__ = ["PARTITION_COLUMN", "PartitionState", "PartitionWriter", "Table"]

PARTITION_COLUMN = "period"
_COMMIT_KEY = "mdlake"
_COMMIT_ATTEMPTS = 50
_CHECKPOINT_COMMITS = 10
"""Opening a table reads all commits after its last checkpoint: 72 of them took fifteen times as long as two."""
_TYPES: Mapping[str, pl.DataType] = {"string": pl.String(), "long": pl.Int64(), "date": pl.Date(), "boolean": pl.Boolean()}


@dataclass(frozen=True)
class PartitionState:
    """What the last commit of a partition says.

    Attributes:
        version: the Delta version of that commit (table-wide).
        filled: values that are not missing, by column, as counted when they were written.
        details: what the writer gave: run id, contract version, inputs, counts.
    """

    period: str
    version: int
    content_id: str
    rows: int
    filled: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table that may not exist yet; `order` leads its canonical order of rows."""

    url: str
    order: tuple[str, ...]
    log_days: int
    file_days: int

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.url)
        except TableNotFoundError:
            return None

    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self._open() is not None

    def periods(self) -> tuple[str, ...]:
        """The periods that have a partition, sorted."""
        table = self._open()
        return tuple(sorted(str(p[PARTITION_COLUMN]) for p in table.partitions())) if table else ()

    def state(self, period: str) -> PartitionState | None:
        """The partition's last commit, or None where it was never written.

        Raises:
            LakeError: the commit is no longer in the log.
        """
        return next(iter(self.states(period)), None)

    def states(self, *periods: str) -> tuple[PartitionState, ...]:
        """The last commit of each of the given partitions that was ever written (if none is given, of all with rows), by period.

        Raises:
            LakeError: a commit is no longer in the log, or others never stopped to commit meanwhile.
        """
        table = self._open()
        if table is None:
            return ()
        for _ in range(_COMMIT_ATTEMPTS):
            read_at = table.version()
            wanted = periods or tuple(str(p[PARTITION_COLUMN]) for p in table.partitions())
            versions = {period: table.transaction_version(_transaction(period)) for period in sorted(set(wanted))}
            known = {period: version for period, version in versions.items() if version is not None}
            history = table.history(read_at - min(known.values()) + 1) if known else []
            table.update_incremental()
            # the log is read as it is now and numbered from the version that was opened: right where nobody came between
            if table.version() == read_at:
                return _states(history, known, self.url)
        raise LakeError("the table is written to all the time", where=self.url, next_step="Ask again in a moment.")

    def scan(self, *periods: str) -> pl.LazyFrame:
        """The rows of the given periods (all, if none is given), with the partition column, columns of all versions.

        Raises:
            LakeError: the table does not exist.
        """
        table = self._open()
        if table is None:
            raise LakeError("the table was never written", where=self.url, next_step="Materialize it first.")
        files = _paths(table, [(PARTITION_COLUMN, "in", list(periods))] if periods else None)
        schema = {f.name: _polars_type(f) for f in table.schema().fields}
        partition = {PARTITION_COLUMN: schema.pop(PARTITION_COLUMN)}
        if not files:
            return pl.LazyFrame(schema={**schema, **partition})
        if len(periods) == len(files) == 1 and (written := _just_written(files[0], pl.Schema(schema))) is not None:
            return written.lazy().with_columns(pl.lit(periods[0]).alias(PARTITION_COLUMN))
        return pl.scan_parquet(
            files, glob=False, schema=schema, hive_partitioning=True, hive_schema=partition, missing_columns="insert"
        )

    def dataset(self) -> Dataset | None:
        """The table as it is now, for engines that read Arrow: its files and no others, columns of all versions.

        None where nothing was ever written. The credentials of an object store are found as for every other reading.
        """
        table = self._open()
        return table.to_pyarrow_dataset() if table else None

    def batches(self, period: str, rows: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """One partition in batches of at most `rows` rows in the order written, without the partition column."""
        frame = self.scan(period).drop(PARTITION_COLUMN)
        if columns is not None:
            frame = frame.select(columns)
        schema = frame.collect_schema()
        for uri in self._files(period):
            written = _just_written(uri, schema)
            if written is not None:
                # as it stands, in one piece: a query would hand it out in ten
                yield from written.iter_slices(rows)
                continue
            whole = pl.scan_parquet(uri, glob=False, schema=schema, missing_columns="insert", extra_columns="ignore")
            height = whole.select(pl.len()).collect().item()
            for offset in range(0, height, rows):
                yield whole.slice(offset, rows).collect()

    def _files(self, period: str) -> list[str]:
        table = self._open()
        return sorted(_paths(table, [(PARTITION_COLUMN, "=", period)])) if table else []

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def replace(self, period: str, schema: pl.Schema) -> PartitionWriter:
        """A writer of the whole new content of one partition; nothing is visible before its `commit`."""
        return PartitionWriter(self, period, schema)

    # ── maintenance ──────────────────────────────────────────────────────────────────────────────────────────────────

    def optimize(self, rows_per_file: int) -> int:
        """Rewrite the partitions that have more files than they need; content ids stay.

        Returns:
            The number of files that are no longer used.

        Raises:
            LakeError: a partition does not say what its commit says; it is left as it is.
        """
        return sum(self._optimize_partition(state, rows_per_file) for state in self.states())

    def _optimize_partition(self, state: PartitionState, rows_per_file: int) -> int:
        before = self._files(state.period)
        needed = max(1, math.ceil(state.rows / rows_per_file))
        if len(before) <= needed:
            return 0
        with self.replace(state.period, self.scan(state.period).drop(PARTITION_COLUMN).collect_schema()) as writer:
            for batch in _regroup(self.batches(state.period, rows_per_file), rows_per_file):
                writer.write(batch)
            if writer.content_id() != state.content_id:
                raise LakeError(
                    "the partition does not say what its commit says",
                    where=f"{self.url} {state.period}",
                    next_step="Look for a change made outside mdlake, then materialize the partition again.",
                )
            writer.commit(state.details)
        return len(before) - needed

    def vacuum(self, pinned_versions: Sequence[int] = (), retention_hours: int | None = None) -> tuple[str, ...]:
        """Remove files that no version within retention and no pinned version needs, and files that no commit names.

        Args:
            pinned_versions: Delta versions that a release refers to.
            retention_hours: another retention than the table's own; 0 only while nothing writes.

        Returns:
            The paths removed, relative to the table; in an object store also those that were removed before.
        """
        table = self._open()
        if table is None:
            return ()
        there = self._local_files()
        removed = table.vacuum(
            retention_hours=retention_hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            keep_versions=sorted(set(pinned_versions)) or None,
        )
        staged = self._remove_staged_log_files(24 * self.file_days if retention_hours is None else retention_hours)
        # Delta tells again of files that an earlier vacuum removed
        gone = removed if "://" in self.url else sorted(there - self._local_files())
        return (*gone, *staged)

    def _write_checkpoint(self) -> None:
        """Let readers begin here, not at the first commit. Where it cannot be written, they take longer and miss nothing."""
        with suppress(DeltaError, OSError):
            DeltaTable(self.url).create_checkpoint()

    def _local_files(self) -> frozenset[str]:
        root = Path(self.url)
        return frozenset(str(path.relative_to(root)) for path in root.glob(f"{PARTITION_COLUMN}=*/*"))

    def _remove_staged_log_files(self, hours: int) -> Iterator[str]:
        """A process killed while it puts a commit or checkpoint in place leaves `<name>#<n>`, which `vacuum` passes over."""
        if "://" in self.url:
            return
        for staged in sorted(Path(self.url, "_delta_log").glob("*#*")):
            # a writer that is at work may have put its file in place meanwhile
            with suppress(FileNotFoundError):
                if staged.stat().st_mtime <= time.time() - 3600 * hours:
                    staged.unlink()
                    yield f"_delta_log/{staged.name}"


class PartitionWriter:
    """Writes batches in canonical order, then names their files in one commit.

    Use as a context manager; leaving it before a commit was tried, or when all were refused, removes what was written.
    """

    def __init__(self, table: Table, period: str, schema: pl.Schema) -> None:
        self._table, self._period, self._schema = table, period, schema
        self._fields = [Field(name, _delta_type(name, dtype)) for name, dtype in schema.items()]
        self._hasher = ContentHasher(schema)
        self._files: list[AddAction] = []
        self._last_key: Any = None
        self._whole: pl.DataFrame | None = None
        self._may_be_named = False
        self.rows = 0

    def __enter__(self) -> PartitionWriter:
        table = self._table._open()
        self._before = table.transaction_version(_transaction(self._period)) if table else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._may_be_named and not self._is_remote:
            for file in self._files:
                os.unlink(f"{self._table.url}/{file.path}")

    @cached_property
    def _is_remote(self) -> bool:
        return "://" in self._table.url

    def write(self, batch: pl.DataFrame) -> None:
        """Write the next rows as one Parquet file.

        Raises:
            LakeError: the batch has another schema, or does not follow the canonical order.
        """
        if batch.is_empty():
            return
        if batch.schema != self._schema:
            raise LakeError(
                "a batch has another schema than the partition", where=self._table.url, next_step="Report this defect."
            )
        self._check_order(batch)
        path = f"{PARTITION_COLUMN}={self._period}/{len(self._files):05d}-{uuid.uuid4().hex}.parquet"
        target = f"{self._table.url}/{path}"
        # neither of the two keeps all cores busy alone
        with ThreadPoolExecutor(1) as pool:
            hashed = pool.submit(self._hasher.update, batch)
            batch.write_parquet(target, compression="zstd", compression_level=1, statistics=True, mkdir=not self._is_remote)
            hashed.result()
        size = _remote_size(self._table.url, path) if self._is_remote else os.path.getsize(target)
        stats = json.dumps({"numRecords": batch.height})
        self._files.append(AddAction(path, size, {PARTITION_COLUMN: self._period}, int(time.time() * 1000), True, stats))
        self._whole = batch if len(self._files) == 1 else None
        self.rows += batch.height

    def _check_order(self, batch: pl.DataFrame) -> None:
        """Cheap guard of the content id: the first leading column ascends within and across batches."""
        if not self._table.order:
            return
        lead = batch.get_column(self._table.order[0])
        first, last = lead[0], lead[-1]
        ascends = is_ascending(lead) and (self._last_key is None or (first is not None and first >= self._last_key))
        if not ascends:
            raise LakeError("rows do not come in canonical order", where=self._table.url, next_step="Report this defect.")
        self._last_key = last

    def scan(self) -> pl.LazyFrame:
        """What was written so far and is not visible to anybody else yet."""
        if not self._files:
            return pl.LazyFrame(schema=self._schema)
        files = [f"{self._table.url}/{file.path}" for file in self._files]
        return pl.scan_parquet(files, glob=False, hive_partitioning=False)

    @property
    def filled(self) -> dict[str, int]:
        """Values written so far that are not missing, by column."""
        return self._hasher.filled

    def content_id(self) -> str:
        """The content id of what was written so far."""
        return self._hasher.hexdigest()

    def commit(self, details: Mapping[str, Any]) -> PartitionState:
        """Make the rows the partition's content, in one commit.

        Args:
            details: JSON values that the commit carries (run id, contract version, inputs, counts); never a cell value.

        Raises:
            LakeError: another run wrote the partition meanwhile, or a column changed its type.
        """
        content = self.content_id()
        known = {"content_id": content, "rows": self.rows, "filled": self.filled, "details": details}
        record = json.dumps(known, ensure_ascii=True, sort_keys=True)
        for _ in range(_COMMIT_ATTEMPTS):
            try:
                table = self._prepared_table()
                if table.transaction_version(_transaction(self._period)) != self._before:
                    break
                version = self._name_files(table, record)
            except CommitFailedError:
                # another run made or widened the table at the same moment, or committed another partition first: try again
                continue
            _LAST_WRITTEN[:] = [] if self._whole is None else [(os.path.basename(self._files[0].path), self._whole)]
            if (version + 1) % _CHECKPOINT_COMMITS == 0:
                self._table._write_checkpoint()
            return PartitionState(self._period, version, **json.loads(record))
        raise LakeError(
            "another run wrote this partition at the same time",
            where=f"{self._table.url} {self._period}",
            next_step="Look at its result, then run this one again if it is still needed.",
        )

    def _name_files(self, table: DeltaTable, record: str) -> int:
        """The version of the commit that names the files written. Raises CommitFailedError where none does."""
        version = table.version() + 1
        properties = CommitProperties(
            custom_metadata={_COMMIT_KEY: record},
            max_commit_retries=0,
            app_transactions=[Transaction(_transaction(self._period), version)],
        )
        # a commit that does not come back may be there: what it names stays, and is for `vacuum` if it is not
        self._may_be_named = True
        try:
            table.create_write_transaction(
                list(self._files),
                "overwrite",
                table.schema(),
                [PARTITION_COLUMN],
                [(PARTITION_COLUMN, "=", self._period)],
                commit_properties=properties,
                post_commithook_properties=PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False),
            )
        except CommitFailedError:
            self._may_be_named = False
            raise
        return version

    def _prepared_table(self) -> DeltaTable:
        """The table as it is now, made or widened so that it holds the new columns."""
        table = self._table._open() or self._made_table(self._fields)
        known = {f.name: f for f in table.schema().fields}
        for new in self._fields:
            if new.name in known and known[new.name].type != new.type:
                raise LakeError(
                    "the column is stored with another type",
                    where=f"{self._table.url} {new.name}",
                    next_step="Give the column with the new type a new name in the contract.",
                )
        added = [new for new in self._fields if new.name not in known]
        if added:
            table.alter.add_columns(added)
            table.update_incremental()
        return table

    def _made_table(self, fields: list[Field]) -> DeltaTable:
        """A new table, or the one that another run made at the same moment, maybe with other columns."""
        configuration = {
            "delta.logRetentionDuration": f"interval {self._table.log_days} days",
            "delta.deletedFileRetentionDuration": f"interval {self._table.file_days} days",
        }
        schema = Schema([*fields, Field(PARTITION_COLUMN, PrimitiveType("string"))])
        url = self._table.url
        DeltaTable.create(url, schema, mode="ignore", partition_by=[PARTITION_COLUMN], configuration=configuration)
        # not what `create` returns: it says the schema asked for, even where another one was made
        return DeltaTable(url)


_LAST_WRITTEN: list[tuple[str, pl.DataFrame]] = []
"""The name and rows of the only file of the partition that this process committed last, for the layer that is made of it.

A file has its name alone and never changes, so its rows are those that a reader would find; a partition of several files
is read back, because it does not fit in memory.
"""


def _just_written(uri: str, schema: pl.Schema) -> pl.DataFrame | None:
    """The rows of a file that was written last, in the columns of this schema, if it has them all."""
    for name, rows in _LAST_WRITTEN:
        if name == os.path.basename(uri) and schema.items() <= rows.schema.items():
            return rows.select(schema.names())
    return None


def _regroup(batches: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in the same order, `rows` at a time."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for batch in batches:
        waiting.append(batch)
        height += batch.height
        while height >= rows:
            whole = pl.concat(waiting)
            yield whole[:rows]
            waiting, height = [whole[rows:]], height - rows
    if height:
        yield pl.concat(waiting)


def _transaction(period: str) -> str:
    return f"mdlake/{PARTITION_COLUMN}={period}"


def _states(history: Iterable[Mapping[str, Any]], versions: Mapping[str, int], url: str) -> tuple[PartitionState, ...]:
    """What the commits of these versions say of their partitions."""
    records = {entry.get("version"): entry[_COMMIT_KEY] for entry in history if _COMMIT_KEY in entry}
    for period, version in versions.items():
        if version not in records:
            raise LakeError(
                "the commit of the partition is no longer in the log",
                where=f"{url} {period}",
                next_step="Materialize the partition again.",
            )
    return tuple(PartitionState(period, version, **json.loads(records[version])) for period, version in versions.items())


def _paths(table: DeltaTable, wanted: list[tuple[str, str, Any]] | None) -> list[str]:
    """Where the files of the wanted partitions (all, if None) lie."""
    uris = table.file_uris(file_pruning_predicate=wanted)
    # a path of this machine comes with its blanks and Persian letters escaped, though it is no URL
    return [uri if "://" in uri else unquote(uri) for uri in uris]


def _remote_size(root: str, path: str) -> int:
    handler = DeltaStorageHandler(root)
    return int(pyarrow.fs.PyFileSystem(handler).get_file_info([path])[0].size)


def _delta_type(column: str, dtype: pl.DataType) -> PrimitiveType:
    for name, known in _TYPES.items():
        if dtype == known:
            return PrimitiveType(name)
    raise LakeError(f"a column of type {dtype} cannot be stored", where=column, next_step="Report this defect.")


def _polars_type(column: Field) -> pl.DataType:
    assert isinstance(column.type, PrimitiveType)
    return _TYPES[column.type.type]
