"""An event log that is held open is, to everybody else, the event log that Dagster keeps itself."""

# no postponed annotations here: Dagster reads the annotation of `context` as an object

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mdlake.pipeline.held_event_log import held_instance

MONTHS = dg.StaticPartitionsDefinition(["1403-01", "1403-02"])


def _silent(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("mdlake_tests.held")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


@dg.asset(partitions_def=MONTHS)
def raw() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 3})


@dg.asset_check(asset=raw)
def counted() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(partitions_def=MONTHS, deps=[raw])
def published() -> None:
    raise dg.Failure("refused")


JOB = dg.Definitions(
    [raw, published],
    asset_checks=[counted],
    jobs=[dg.define_asset_job("month")],
    loggers={"silent": dg.LoggerDefinition(_silent)},
).resolve_job_def("month")


def run(instance: dg.DagsterInstance, month: str) -> str:
    """A run of one month, which fails in its second asset; its id."""
    done = JOB.execute_in_process(
        instance=instance, partition_key=month, raise_on_error=False, run_config={"loggers": {"silent": {}}}
    )
    assert not done.success
    return done.run_id


def story(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str | None]]:
    """What happened in a run, without when."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
    return [(event.event_type_value, event.step_key) for event in events]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with held_instance(tmp_path) as instance:
        assert type(instance.event_log_storage).__name__ == "_HeldEventLog"
        yield instance


def test_dagster_reads_beside_it_and_after_it_what_it_would_have_written_itself(
    held: dg.DagsterInstance, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs = [run(held, month) for month in ("1403-01", "1403-02", "1403-01")]
    with dg.DagsterInstance.from_config(str(tmp_path_factory.mktemp("plain"))) as plain:
        expected = story(plain, run(plain, "1403-01"))
        counts = {name: len(plain.fetch_materializations(dg.AssetKey(name), limit=9).records) for name in ("raw", "published")}
    assert counts == {"raw": 1, "published": 0}
    with dg.DagsterInstance.from_config(str(tmp_path)) as beside:
        for reader in (held, beside):
            assert [story(reader, run_id) for run_id in runs] == [expected] * 3
            assert len(reader.fetch_materializations(dg.AssetKey("raw"), limit=9).records) == 3
            assert reader.get_materialized_partitions(dg.AssetKey("raw")) == {"1403-01", "1403-02"}
            (check,) = reader.event_log_storage.get_asset_check_execution_history(next(iter(counted.check_keys)), limit=9)[:1]
            assert check.status.value == "SUCCEEDED"
    held.dispose()
    assert not [*tmp_path.rglob("*-wal"), *tmp_path.rglob("*-shm")]
    with dg.DagsterInstance.from_config(str(tmp_path)) as after:
        assert [story(after, run_id) for run_id in runs] == [expected] * 3
        assert run(after, "1403-02")


def test_the_databases_of_all_runs_have_the_tables_that_dagster_makes(
    held: dg.DagsterInstance, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for month in ("1403-01", "1403-02"):
        run(held, month)
    folder = tmp_path_factory.mktemp("plain")
    with dg.DagsterInstance.from_config(str(folder)) as plain:
        run(plain, "1403-01")
    held.dispose()

    def schemas(home: Path) -> list[str]:
        return [json.dumps(_schema(path)) for path in sorted((home / "history" / "runs").glob("*-*.db"))]

    (made,) = schemas(folder)
    assert schemas(tmp_path) == [made] * 2


def _schema(path: Path) -> list[tuple[str, str]]:
    """The statements and the version of a database, and how it keeps its journal."""
    with sqlite3.connect(path) as database:
        tables = database.execute("select type, name, sql from sqlite_master order by name").fetchall()
        version = database.execute("select version_num from alembic_version").fetchall()
        return [*tables, *version, *database.execute("pragma journal_mode").fetchall()]


def test_tables_that_a_reader_made_meanwhile_are_taken(
    held: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(held, "1403-01")

    class Unseen(type(tmp_path)):  # type: ignore[misc]
        """A path at which a file appears between the look and the script."""

        def exists(self) -> bool:
            return False

    monkeypatch.setattr("mdlake.pipeline.held_event_log.Path", Unseen)
    with dg.DagsterInstance.from_config(str(tmp_path)) as beside:
        assert beside.all_logs("made-beside") == []
        assert held.all_logs("made-beside") == []


def test_a_run_is_watched_from_beside_while_it_goes_on(held: dg.DagsterInstance, tmp_path: Path) -> None:
    seen, waited = threading.Event(), []

    def told(entry: dg.EventLogEntry, _: str) -> None:
        if entry.dagster_event and entry.dagster_event.event_type == dg.DagsterEventType.ASSET_OBSERVATION:
            seen.set()

    with dg.DagsterInstance.from_config(str(tmp_path)) as beside:

        @dg.op
        def waits(context: dg.OpExecutionContext) -> None:
            beside.watch_event_logs(context.run_id, None, told)
            context.log_event(dg.AssetObservation("raw"))
            waited.append(seen.wait(20))

        @dg.job(logger_defs={"silent": dg.LoggerDefinition(_silent)})
        def long() -> None:
            waits()

        assert long.execute_in_process(instance=held, run_config={"loggers": {"silent": {}}}).success
    assert waited == [True], "the step waits until it was seen beside"


def test_a_folder_that_somebody_chose_is_kept(tmp_path: Path) -> None:
    chosen = {"storage": {"sqlite": {"base_dir": str(tmp_path / "elsewhere")}}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(chosen))
    with held_instance(tmp_path) as instance:
        run_id = run(instance, "1403-01")
    assert (tmp_path / "elsewhere" / "history" / "runs" / f"{run_id}.db").is_file()
