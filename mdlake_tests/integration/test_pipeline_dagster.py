"""The pipeline in Dagster: what is defined, what a run tells, what blocks, who publishes, and what is never shown."""

from __future__ import annotations

import difflib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.test_utils import create_run_for_test

from mdlake.config import LAYERS, Configuration, Home
from mdlake.layers import layer_columns
from mdlake.pipeline import assets, build_definitions
from mdlake.pipeline.boundary import told
from mdlake.pipeline.delivery_calendar import DELIVERY_ON_TIME
from mdlake.pipeline.metadata import column_lineage
from mdlake.pipeline.naming import MONTH_CLOSE, PARTITION_TAG, asset_key, job_name, partition_tag
from mdlake.pipeline.queue import PartitionRunCoordinator
from mdlake.principles import RULES, principles_of
from mdlake.standard import Period
from mdlake.steps import House, Room, Run, handovers
from mdlake.synthetic import DeliveredFile, Ministry

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
LIST, PLACES = "sso/insured_contributions", "sso/workplaces"
MONTH = "1403-01"
MARKER = "زرنگارنشانی-86420975"

_ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("secure"), "__repository__"), "__ASSET_JOB")

Land = Callable[[DeliveredFile], None]
Walk = Callable[..., dict[str, str]]


def _silent(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("mdlake_tests.runs")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return logger


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance on disk, with the coordinator and limits of an installation."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(ROOT / "mdlake" / "cli" / "dagster.yaml", folder)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@pytest.fixture
def definitions(secure: House, research: House) -> Mapping[Room, dg.Definitions]:
    """The definitions of both locations, quiet."""
    return {house.room: build_definitions(house, {"silent": dg.LoggerDefinition(_silent)}) for house in (secure, research)}


Launch = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def launch(definitions: Mapping[Room, dg.Definitions], instance: dg.DagsterInstance, configuration: Configuration) -> Launch:
    """Runs the job of a room for one partition in this process."""

    def launch(room: Room, key: str, month: str) -> dg.ExecuteInProcessResult:
        job = definitions[room].resolve_job_def(job_name(room, configuration.dataset(key)))
        return job.execute_in_process(
            instance=instance, partition_key=month, raise_on_error=False, run_config={"loggers": {"silent": {}}}
        )

    return launch


def materialization(instance: dg.DagsterInstance, layer: str, key: str) -> dg.AssetMaterialization | None:
    """The last materialization of an asset."""
    event = instance.get_latest_materialization_event(dg.AssetKey([layer, *key.split("/")]))
    return event.asset_materialization if event else None


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """What the failed steps of a run say to a person."""
    data = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return [str(d.user_failure_data.description) for d in data if d.user_failure_data]


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def described(definitions: dg.Definitions) -> dict[str, Any]:
    """Everything of a location that somebody relies on, as plain values."""
    graph = definitions.resolve_asset_graph()
    checks: dict[str, list[dict[str, Any]]] = {}
    for key in sorted(graph.asset_check_keys):
        spec = graph.get_check_spec(key)
        partitioned = spec.partitions_def.get_partition_keys() if spec.partitions_def else []
        described = {"name": spec.name, "blocking": spec.blocking, "partitions": len(partitioned)}
        checks.setdefault(key.asset_key.to_user_string(), []).append(described)
    assets = {}
    for node in graph.asset_nodes:
        if not node.is_materializable:
            continue
        assert node.partitions_def is not None
        keys = node.partitions_def.get_partition_keys()
        assets[node.key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "owners": sorted(node.owners),
            "kinds": sorted(node.kinds),
            "tags": {name: value for name, value in sorted(node.tags.items()) if not name.startswith("dagster/")},
            "partitions": {"count": len(keys), "first": keys[0], "last": keys[-1]},
            "metadata": sorted(node.metadata),
            "checks": checks.get(node.key.to_user_string(), []),
        }
    jobs = {
        job.name: {
            "assets": sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys),
            "tags": dict(sorted(job.tags.items())),
            "executor": job.executor_def.name,
        }
        for job in definitions.get_repository_def().get_all_jobs()
    }
    sensors = {
        sensor.name: {
            "jobs": sorted(target.job_name for target in sensor.targets),
            "seconds": sensor.minimum_interval_seconds,
            "status": sensor.default_status.value,
        }
        for sensor in definitions.get_repository_def().sensor_defs
    }
    schedules = {
        schedule.name: {
            "job": schedule.job_name,
            "cron": str(schedule.cron_schedule),
            "timezone": schedule.execution_timezone,
            "status": schedule.default_status.value,
        }
        for schedule in definitions.get_repository_def().schedule_defs
    }
    return {"assets": assets, "jobs": jobs, "schedules": schedules, "sensors": sensors}


@pytest.mark.parametrize("room", ["secure", "research"])
def test_the_definitions_are_those_of_the_snapshot(room: Room, definitions: Mapping[Room, dg.Definitions]) -> None:
    # to accept a change: MDLAKE_WRITE_SNAPSHOTS=1 pytest, then read the difference in the commit
    path = SNAPSHOTS / f"{room}.json"
    now = json.dumps(described(definitions[room]), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("MDLAKE_WRITE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    was = path.read_text(encoding="utf-8")
    changes = list(difflib.unified_diff(was.splitlines(), now.splitlines(), str(path.name), "now", lineterm="", n=4))
    assert not changes, "the definitions changed:\n" + "\n".join(changes)


def layers_of(graph: AssetGraph) -> list[dg.AssetKey]:
    """The assets that are a layer of a dataset; the close of a month is none."""
    return [key for key in graph.materializable_asset_keys if key != dg.AssetKey(["control", MONTH_CLOSE])]


def test_the_close_of_a_month_has_a_partition_per_month_and_says_what_it_is(
    definitions: Mapping[Room, dg.Definitions], configuration: Configuration
) -> None:
    node = definitions["research"].resolve_asset_graph().get(dg.AssetKey(["control", MONTH_CLOSE]))
    assert node.partitions_def is not None
    assert node.partitions_def.get_partition_keys() == [month.key for month in configuration.months]
    assert "بستن ماه" in str(node.description)
    assert "Close of a month" in str(node.description)
    jobs = {job.name for job in definitions["research"].get_repository_def().get_all_jobs()}
    assert MONTH_CLOSE in jobs


def test_every_asset_tells_its_columns_its_table_and_itself_in_both_languages(
    definitions: Mapping[Room, dg.Definitions], configuration: Configuration
) -> None:
    seen = set()
    for one in definitions.values():
        graph = one.resolve_asset_graph()
        for key in layers_of(graph):
            layer, organization, name = key.path
            seen.add((layer, f"{organization}/{name}"))
            node = graph.get(key)
            dataset = configuration.dataset(f"{organization}/{name}")
            metadata = node.metadata
            schema = metadata["dagster/column_schema"]
            columns = schema.columns if isinstance(schema, dg.TableSchema) else schema.value.columns
            expected = layer_columns(dataset.newest, layer)
            assert [(c.name, c.type) for c in columns] == [(c.name, str(c.dtype)) for c in expected]
            for shown, column in zip(columns, expected, strict=True):
                assert column.label.fa in str(shown.description)
                assert column.label.en in str(shown.description)
                assert (f"[{column.unit}]" in str(shown.description)) == (column.unit is not None)
            assert _text(metadata["dagster/table_name"]) == f"{layer}.{organization}.{name}"
            assert _text(metadata["title_fa"]) == dataset.file.label.fa
            assert _text(metadata["title_en"]) == dataset.file.label.en
            for label in (dataset.file.label, dataset.file.description, configuration.organizations[organization].label):
                assert label.fa in str(node.description)
                assert label.en in str(node.description)
            assert key.to_user_string().isascii()
    assert seen == {(layer, key) for layer in LAYERS for key in configuration.datasets}


def _text(value: Any) -> object:
    return value.value if isinstance(value, dg.MetadataValue) else value


def test_each_asset_has_one_partitioned_blocking_check_per_principle_that_asks_something_of_it(
    definitions: Mapping[Room, dg.Definitions],
) -> None:
    for one in definitions.values():
        graph = one.resolve_asset_graph()
        for key in layers_of(graph):
            keys = [check for check in graph.asset_check_keys if check.asset_key == key and check.name != DELIVERY_ON_TIME]
            specs = [graph.get_check_spec(check) for check in keys]
            assert {spec.name for spec in specs} == set(principles_of(RULES.values(), key.path[0]))
            for spec in specs:
                assert spec.blocking
                assert spec.partitions_def == graph.get(key).partitions_def
                assert any("\u0600" <= letter <= "\u06ff" for letter in str(spec.description))


def test_how_long_the_definitions_of_each_location_take_is_printed(secure: House, research: House) -> None:
    lines = []
    for house in (secure, research):
        begin = time.perf_counter()
        build_definitions(house).get_repository_def()
        lines.append(f"definitions of {house.room}: {time.perf_counter() - begin:.2f} s")
    print("\n" + "\n".join(lines))


def test_the_modules_that_workspace_yaml_names_are_valid_for_dagster(home: Home) -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")]
    home.dagster.mkdir()
    environment = {**os.environ, **home.environment()}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_tells_of_each_layer_its_rows_content_columns_and_lineage(
    launch: Launch,
    instance: dg.DagsterInstance,
    secure: House,
    land: Land,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
) -> None:
    land(deliveries[LIST, MONTH])
    assert launch("secure", LIST, MONTH).success
    assert launch("research", LIST, MONTH).success
    dataset, period = secure.configuration.dataset(LIST), Period.parse(MONTH)
    contract = dataset.contract(period)
    for layer in LAYERS:
        made = materialization(instance, layer, LIST)
        assert made is not None
        assert made.partition == MONTH
        said = {name: _text(value) for name, value in made.metadata.items()}
        state = secure.table(layer, dataset, contract).state(MONTH)
        assert state is not None
        assert said["dagster/partition_row_count"] == state.rows > 0
        assert said["content_id"] == state.content_id
        assert said["contract_version"] == "1.0"
        assert said["dagster/uri"] == secure.table(layer, dataset, contract).url
        assert said["dagster/column_lineage"] == column_lineage(contract, layer, dataset)
        shown: Any = said["dagster/column_schema"]
        assert [c.name for c in shown.columns] == [c.name for c in layer_columns(contract, layer)]
    lineage: Any = _text(materialization(instance, "published", LIST).metadata["dagster/column_lineage"])  # type: ignore[union-attr]
    (source,) = lineage.deps_by_column["birth_date_month"]
    assert (source.asset_key, source.column_name) == (asset_key("pseudonymized", dataset), "birth_date")
    # each principle was asked, and its table names the rules
    evaluations: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    for evaluation in _evaluations(instance):
        evaluations[evaluation.asset_key.path[0]].append(evaluation.check_name)
        assert evaluation.passed or _is_late(evaluation)
        assert _text(evaluation.metadata["verdict"]) in ("passed", "passed_with_warnings")
        rows: Any = evaluation.metadata["rules"]
        asked = {
            r.name for r in RULES.values() if r.principle == evaluation.check_name and evaluation.asset_key.path[0] in r.layers
        }
        assert {record.data["rule"] for record in rows.records} == asked
    assert {layer: sorted(names) for layer, names in evaluations.items()} == {
        layer: sorted(principles_of(RULES.values(), layer)) for layer in LAYERS
    }


def _is_late(evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether all that a check tells is that the month came late, as it did by the tests' clock."""
    failed = str(evaluation.description).partition(": ")[2]
    return evaluation.check_name == "quality" and failed.startswith("punctual (warn): 1 of 1") and " | " not in failed


def _evaluations(instance: dg.DagsterInstance) -> list[dg.AssetCheckEvaluation]:
    records = [
        entry
        for run in instance.get_runs()
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return [e.dagster_event.asset_check_evaluation_data for e in records if e.dagster_event]


def test_a_refused_month_fails_its_checks_stops_the_run_and_cannot_be_published_by_hand(
    launch: Launch,
    instance: dg.DagsterInstance,
    research: House,
    land: Land,
    ministry: Ministry,
    tmp_path: Path,
) -> None:
    land(ministry.deliver(LIST, MONTH, tmp_path / "out", defects={"wrong_check_digit": 0.2}))
    done = launch("secure", LIST, MONTH)
    assert not done.success
    assert materialization(instance, "standardized", LIST) is not None
    assert materialization(instance, "pseudonymized", LIST) is None
    found = {(e.asset_key.path[0], e.check_name): e for e in _evaluations(instance)}
    assert not [name for layer, name in found if layer == "pseudonymized"]
    failed = found["standardized", "transformation"]
    assert not failed.passed
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert "identifiers_valid (error)" in str(failed.description)
    assert "most in national_code" in str(failed.description)
    assert "Ask the producer to correct the identifiers" in str(_text(failed.metadata["next_step"]))
    assert found["standardized", "system"].passed
    assert {event.step_key for event in done.all_events if event.event_type == dg.DagsterEventType.STEP_START} == {
        f"{prefix}{layer}__sso__insured_contributions" for prefix in ("", "principles__") for layer in ("raw", "standardized")
    }

    # whoever opens the failed run reads there what, who and what next, and the same when publishing by hand
    (told_by_run,) = failures(done)
    assert told_by_run.startswith(f"{LIST} {MONTH}: standardized does not pass its principles; one thing is missing:\n")
    assert "standardized of this period was refused by identifiers_valid (" in told_by_run
    by_hand = launch("research", LIST, MONTH)
    assert not by_hand.success
    (told_by_gate,) = failures(by_hand)
    assert told_by_gate.startswith(f"{LIST} {MONTH}: published is not made; one thing is missing:\n")
    assert "standardized of this period was refused by " in told_by_gate
    for text in (told_by_run, told_by_gate):
        assert "Who: Social Security Organization corrects and sends again" in text
        assert "Next: when the new delivery has landed, materialize raw to published of 1403-01" in text
    assert materialization(instance, "published", LIST) is None
    assert not research.table(
        "published", research.configuration.dataset(LIST), research.configuration.dataset(LIST).newest
    ).exists()


def test_a_month_that_was_published_and_came_again_refused_is_not_published_by_hand(
    launch: Launch, instance: dg.DagsterInstance, land: Land, ministry: Ministry, tmp_path: Path
) -> None:
    land(ministry.deliver(LIST, MONTH, tmp_path / "out"))
    assert launch("secure", LIST, MONTH).success
    assert launch("research", LIST, MONTH).success
    before = materialization(instance, "published", LIST)
    land(ministry.deliver(LIST, MONTH, tmp_path / "out", sequence=2, defects={"wrong_check_digit": 0.2}))
    assert not launch("secure", LIST, MONTH).success
    by_hand = launch("research", LIST, MONTH)
    assert not by_hand.success
    (text,) = failures(by_hand)
    assert "standardized of this period was refused by identifiers_valid (" in text
    assert "Who: Social Security Organization corrects and sends again" in text
    assert materialization(instance, "published", LIST) == before


def test_a_warning_is_shown_and_blocks_nothing(
    launch: Launch, instance: dg.DagsterInstance, secure: House, ministry: Ministry, tmp_path: Path
) -> None:
    from test_bad_input import Parcel

    file = ministry.deliver(LIST, MONTH, tmp_path / "out")
    parcel = Parcel(file.csv_path.read_bytes(), json.loads(file.descriptor_path.read_text(encoding="utf-8")))
    header, *rows = parcel.table()
    header = [cell.replace("کد ملی", "شماره ملی") for cell in header]
    parcel.write([header, *rows])
    parcel.descriptor["resources"][0]["schema"]["fields"] = [{"name": cell} for cell in header]
    assert parcel.send(secure)[1].refusal is None
    assert launch("secure", LIST, MONTH).success
    assert launch("research", LIST, MONTH).success
    (warned,) = [e for e in _evaluations(instance) if not e.passed and not _is_late(e)]
    assert (warned.asset_key.path[0], warned.check_name) == ("raw", "transformation")
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert "headers_as_contracted (warn): 1 of 17" in str(warned.description)
    assert _text(warned.metadata["verdict"]) == "passed_with_warnings"


# ── the hand-over ────────────────────────────────────────────────────────────────────────────────────────────────────


def ticked(definitions: dg.Definitions, instance: dg.DagsterInstance, research: House) -> list[dg.RunRequest]:
    """What one tick of the hand-over's sensor asks for."""
    repository = definitions.get_repository_def()
    context = dg.build_sensor_context(instance=instance, repository_def=repository, resources={"house": research})
    return list(repository.get_sensor_def("publish_passed_partitions").evaluate_tick(context).run_requests or [])


def test_the_hand_over_asks_for_what_passed_and_leaves_what_is_published_or_being_run(
    definitions: Mapping[Room, dg.Definitions],
    instance: dg.DagsterInstance,
    research: House,
    walk: Walk,
    land: Land,
    ministry: Ministry,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
    tmp_path: Path,
) -> None:
    def due() -> dict[str, dg.RunRequest]:
        return {request.tags[PARTITION_TAG]: request for request in ticked(definitions["research"], instance, research)}

    assert due() == {}
    to_pseudonymized = ("raw", "standardized", "pseudonymized")
    for key in (LIST, PLACES):
        land(deliveries[key, MONTH])
        walk(key, MONTH, *to_pseudonymized)
    land(ministry.deliver(LIST, "1403-02", tmp_path / "out", defects={"wrong_check_digit": 0.2}))
    assert walk(LIST, "1403-02")["standardized"] == "refused"
    land(deliveries[LIST, "1403-03"])
    walk(LIST, "1403-03", "raw", "standardized")

    asked = due()
    assert asked.keys() == {f"sso.insured_contributions.{MONTH}", f"sso.workplaces.{MONTH}"}
    request = asked[f"sso.insured_contributions.{MONTH}"]
    assert request.job_name == "research__sso__insured_contributions"
    assert request.partition_key == MONTH
    (verdict,) = [v for v in (handover.verdict for handover in handovers(research).due) if v.dataset == "insured_contributions"]
    assert verdict.content_id in str(request.run_key)
    assert due() == asked, "a tick without news asks for the same run keys, which Dagster starts once"

    for status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED):
        tags = partition_tag("sso", "insured_contributions", MONTH)
        run = create_run_for_test(instance, job_name="__ASSET_JOB", status=status, tags=tags, remote_job_origin=_ORIGIN)
        assert due().keys() == {f"sso.workplaces.{MONTH}"}
        instance.delete_run(run.run_id)

    assert walk(LIST, MONTH, "published")["published"] != "refused"
    assert due().keys() == {f"sso.workplaces.{MONTH}"}
    # another content of the same month is asked for again, under another run key
    land(ministry.deliver(LIST, MONTH, tmp_path / "out", sequence=2, defects={"wrong_check_digit": 0.01}))
    walk(LIST, MONTH, *to_pseudonymized)
    again = due()[f"sso.insured_contributions.{MONTH}"]
    assert again.run_key != request.run_key


def test_the_hand_over_leaves_to_an_unfinished_backfill_what_that_will_publish(
    definitions: Mapping[Room, dg.Definitions],
    instance: dg.DagsterInstance,
    configuration: Configuration,
    research: House,
    walk: Walk,
    land: Land,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
) -> None:
    for key in (LIST, PLACES):
        land(deliveries[key, MONTH])
        walk(key, MONTH, "raw", "standardized", "pseudonymized")
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="abcdefgh",
        asset_graph=definitions["research"].resolve_asset_graph(),
        partition_names=[MONTH],
        asset_selection=[asset_key("published", configuration.dataset(PLACES))],
        backfill_timestamp=0.0,
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    asked = [request.tags[PARTITION_TAG] for request in ticked(definitions["research"], instance, research)]
    assert asked == [f"sso.insured_contributions.{MONTH}"]
    # what the backfill left behind is nobody else's
    instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELED))
    assert len(ticked(definitions["research"], instance, research)) == 2


def test_the_hand_over_leads_to_a_run_that_publishes(
    definitions: Mapping[Room, dg.Definitions],
    instance: dg.DagsterInstance,
    research: House,
    walk: Walk,
    land: Land,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
) -> None:
    land(deliveries[PLACES, MONTH])
    walk(PLACES, MONTH, "raw", "standardized", "pseudonymized")
    (request,) = ticked(definitions["research"], instance, research)
    job = definitions["research"].resolve_job_def(str(request.job_name))
    done = job.execute_in_process(
        instance=instance,
        partition_key=str(request.partition_key),
        tags=dict(request.tags),
        run_config={"loggers": {"silent": {}}},
    )
    assert done.success
    assert handovers(research).due == ()


# ── the boundary ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _foreign(*_: object) -> None:
    """An engine's error that shows a value, raised while another one that shows it is handled, from a third one."""
    try:
        raise ValueError(f"could not read {MARKER}")
    except ValueError:
        try:
            int(MARKER)
        except ValueError as cause:
            raise pl.exceptions.ComputeError(f"conversion of {MARKER} failed") from cause


def test_the_boundary_hides_a_foreign_text_with_its_cause_and_context() -> None:
    with pytest.raises(dg.Failure) as caught, told():
        _foreign()
    failure = caught.value
    assert (failure.__cause__, failure.__context__, failure.__suppress_context__) == (None, None, True)
    assert MARKER not in repr((str(failure), failure.description, failure.metadata))
    assert "ComputeError" in str(failure.description)
    assert "test_pipeline_dagster.py" in str(failure.description)
    assert failure.allow_retries is False


@pytest.mark.parametrize("layer", ["raw", "standardized", "pseudonymized", "published"])
def test_a_defect_in_a_run_leaves_no_value_in_anything_that_dagster_keeps(
    layer: str,
    launch: Launch,
    instance: dg.DagsterInstance,
    walk: Walk,
    land: Land,
    deliveries: Mapping[tuple[str, str], DeliveredFile],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    land(deliveries[PLACES, MONTH])
    walk(PLACES, MONTH)
    monkeypatch.setitem(assets._STEPS, layer, _foreign)
    done = launch("research" if layer == "published" else "secure", PLACES, MONTH)
    assert not done.success
    (text,) = failures(done)
    assert "a defect of the system (ComputeError)" in text
    searched = 0
    spellings = [MARKER.encode(), json.dumps(MARKER).strip('"').encode(), MARKER.encode("utf-16-le"), b"86420975"]
    for path in (tmp_path / "dagster").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            searched += len(content)
            assert not any(spelling in content for spelling in spellings), path.name
    logs = [json.dumps(dg.serialize_value(entry)) for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    assert logs
    assert searched > 10_000
    assert not any(spelling.decode("latin-1") in entry for entry in logs for spelling in spellings)
    said = capfd.readouterr()
    assert MARKER not in said.out + said.err


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_coordinator_tags_a_run_with_the_partition_of_its_dataset(
    instance: dg.DagsterInstance, configuration: Configuration
) -> None:
    coordinator = instance.run_coordinator
    assert isinstance(coordinator, PartitionRunCoordinator)
    (limit,) = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits  # type: ignore[union-attr]
    assert limit == {"key": PARTITION_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}

    def submitted(keys: set[dg.AssetKey] | None, tags: dict[str, str]) -> dg.DagsterRun:
        run = create_run_for_test(
            instance, job_name="__ASSET_JOB", tags=tags, asset_selection=keys and frozenset(keys), remote_job_origin=_ORIGIN
        )
        coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
        stored = instance.get_run_by_id(run.run_id)
        assert stored is not None
        assert stored.status == dg.DagsterRunStatus.QUEUED
        return stored

    insured, places = configuration.dataset(LIST), configuration.dataset(PLACES)
    layers = {asset_key(layer, insured) for layer in LAYERS}
    month = {"dagster/partition": MONTH}
    assert submitted(layers, month).tags[PARTITION_TAG] == f"sso.insured_contributions.{MONTH}"
    assert submitted({asset_key("raw", places)}, month).tags[PARTITION_TAG] == f"sso.workplaces.{MONTH}"
    # what is of no partition, or of several datasets, waits for nobody
    assert PARTITION_TAG not in submitted(layers, {}).tags
    assert PARTITION_TAG not in submitted(None, month).tags
    assert PARTITION_TAG not in submitted({dg.AssetKey(["control", MONTH_CLOSE])}, month).tags
    assert PARTITION_TAG not in submitted(layers | {asset_key("raw", places)}, month).tags
    # a tag that is there already, such as the sensor's, stays
    own = {**month, **partition_tag("sso", "workplaces", MONTH)}
    assert submitted(layers, own).tags[PARTITION_TAG] == f"sso.workplaces.{MONTH}"


def test_the_run_of_a_step_is_the_run_of_dagster(
    launch: Launch, secure: House, land: Land, deliveries: Mapping[tuple[str, str], DeliveredFile]
) -> None:
    land(deliveries[PLACES, MONTH])
    done = launch("secure", PLACES, MONTH)
    verdict = secure.ledger.latest_verdict("pseudonymized", "sso", "workplaces", MONTH)
    assert verdict is not None
    assert verdict.run_id == done.run_id == Run(done.run_id).run_id
    uses = list(secure.ledger.audit.entries(action="key.used"))
    assert uses
    assert {use.details["run"] for use in uses} == {done.run_id}
