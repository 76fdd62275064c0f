"""The sensors: one run per partition when what came for it has settled, and one close per month and content."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from conftest import Walk, sent
from dagster._core.events import StepFailureData
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from producer import Producer
from receiving_servers import MailServer, mail_server

from mdlake.config import AlertsFile, Dataset, sender, statistics_unit
from mdlake.governance import rehearsal_folder
from mdlake.ledger import Delivery, MonthClose, Verdict
from mdlake.pipeline import build_definitions
from mdlake.pipeline.naming import PARTITION_TAG, asset_key, partition_tag
from mdlake.seals import load_signing_key, read_recipients
from mdlake.standard import Period
from mdlake.steps import RECIPIENTS, House, Room, month_standing
from mdlake.synthetic import DeliveredFile, Ministry

DISPUTES, PLACES, LIST, REGISTER = (
    "provincial/labour_disputes",
    "sso/workplaces",
    "sso/insured_contributions",
    "cooperatives/cooperatives",
)
MONTH = "1403-02"
SETTLING = timedelta(minutes=30)
_ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("secure"), "__repository__"), "__ASSET_JOB")


class Now:
    """The machine's time at the beginning, and moved by hand: when a file arrived is the file system's to say."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def houses(secure: House, research: House, now: Now) -> Mapping[Room, House]:
    """The installation from both rooms, on a clock that the test moves."""
    return {house.room: replace(house, now=now) for house in (secure, research)}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _silent(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("mdlake_tests.sensors")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return logger


class Location:
    """A code location with its instance: ticks its sensors, and executes what they ask for as the daemon would."""

    def __init__(self, house: House, instance: dg.DagsterInstance) -> None:
        self.house, self.instance = house, instance
        self.definitions = build_definitions(house, {"silent": dg.LoggerDefinition(_silent)})

    def tick(self, sensor: str) -> list[dg.RunRequest]:
        repository = self.definitions.get_repository_def()
        context = dg.build_sensor_context(instance=self.instance, repository_def=repository, resources={"house": self.house})
        return list(repository.get_sensor_def(sensor).evaluate_tick(context).run_requests or [])

    def execute(self, request: dg.RunRequest, own: str = "month_close") -> bool:
        """Execute a request; `own` is the job of a sensor that has one alone and does not repeat its name."""
        (job,) = [job for job in self.definitions.get_repository_def().get_all_jobs() if job.name == (request.job_name or own)]
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        done = job.execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            tags=tags,
            raise_on_error=False,
            run_config={"loggers": {"silent": {}}},
        )
        return done.success


@pytest.fixture
def secure_location(houses: Mapping[Room, House], instance: dg.DagsterInstance) -> Location:
    return Location(houses["secure"], instance)


@pytest.fixture
def research_location(houses: Mapping[Room, House], instance: dg.DagsterInstance) -> Location:
    return Location(houses["research"], instance)


def asked(requests: Sequence[dg.RunRequest]) -> set[tuple[str | None, str | None]]:
    return {(request.job_name, request.partition_key) for request in requests}


# ── the landing ──────────────────────────────────────────────────────────────────────────────────────────────────────

LANDING = "run_settled_deliveries"


@pytest.fixture(scope="module")
def offices() -> Ministry:
    return Ministry(persons=16_000, workplaces=300, seed=7)


@pytest.fixture(scope="module")
def parts(offices: Ministry, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, DeliveredFile]:
    """The parts of all provinces, by unit."""
    folder = tmp_path_factory.mktemp("parts")
    units = offices.reporting_units(DISPUTES)
    return {unit: offices.deliver(DISPUTES, MONTH, folder, reporting_unit=unit) for unit in units}


@pytest.fixture
def send(houses: Mapping[Room, House]) -> Callable[[DeliveredFile], None]:
    """Lets a delivery arrive: its producer sends the package, and the intake answers."""

    def send(file: DeliveredFile) -> None:
        assert sent(houses["secure"], file.descriptor_path).refusal is None

    return send


Send = Callable[[DeliveredFile], None]


def test_parts_that_arrive_one_by_one_make_one_run_and_a_corrected_part_one_more(
    secure_location: Location, offices: Ministry, parts: Mapping[str, DeliveredFile], send: Send, now: Now, tmp_path: Path
) -> None:
    requests = []
    for part in parts.values():
        send(part)
        requests += secure_location.tick(LANDING)
    (request,) = requests
    assert (request.job_name, request.partition_key) == ("secure__provincial__labour_disputes", MONTH)
    assert request.tags[PARTITION_TAG] == f"provincial.labour_disputes.{MONTH}"
    (again,) = secure_location.tick(LANDING)
    assert again.run_key == request.run_key, "Dagster starts a run key once"
    assert secure_location.execute(request)
    assert secure_location.tick(LANDING) == []
    now.moment += 2 * SETTLING
    assert secure_location.tick(LANDING) == []

    busiest = max(parts, key=lambda unit: parts[unit].rows)
    send(offices.deliver(DISPUTES, MONTH, tmp_path, reporting_unit=busiest, sequence=2, defects={"exact_duplicate": 0.2}))
    (more,) = secure_location.tick(LANDING)
    assert more.run_key != request.run_key
    assert secure_location.execute(more)
    assert secure_location.tick(LANDING) == []


INTAKE = "receive_waiting_packages"


def test_packages_are_taken_in_once_and_become_one_run_of_what_they_hold(
    secure_location: Location, parts: Mapping[str, DeliveredFile], now: Now
) -> None:
    home = secure_location.house.home
    keys = rehearsal_folder(home)
    organization = DISPUTES.partition("/")[0]
    desks = (load_signing_key(keys / name) for name in (sender(organization), statistics_unit(organization)))
    producer = Producer(organization, *desks)
    folder = home.landing / organization
    folder.mkdir(mode=0o700, exist_ok=True)
    recipients = read_recipients((home.control / RECIPIENTS).read_text(encoding="ascii"), RECIPIENTS)
    assert secure_location.tick(INTAKE) == []
    for part in parts.values():
        producer.pack(part, folder, recipients)
    damaged = producer.pack(parts[min(parts)], folder.parent, recipients).rename(folder / "damaged.tar.age")
    damaged.with_name("damaged.tar.age.sig").write_bytes(b"")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    unfinished = folder / "unfinished.tar.age"
    unfinished.write_bytes(b"x")

    (request,) = secure_location.tick(INTAKE)
    (again,) = secure_location.tick(INTAKE)
    assert request.run_key == again.run_key, "Dagster starts a run key once"
    now.moment += timedelta(minutes=10)
    assert secure_location.tick(INTAKE)[0].run_key != request.run_key, "what failed on them may have been mended"
    assert secure_location.tick(LANDING) == [], "nothing is run before it was taken in"
    assert secure_location.execute(request, "secure__intake")
    assert secure_location.tick(INTAKE) == []
    assert [path.name for path in folder.glob("*.tar.age")] == [unfinished.name]
    receipts = [json.loads(path.read_text(encoding="utf-8")) for path in (home.outbox / organization).glob("*.json")]
    assert Counter(receipt["state"] for receipt in receipts) == {"accepted": len(parts), "refused": 1}

    (run,) = secure_location.tick(LANDING)
    assert (run.job_name, run.partition_key) == ("secure__provincial__labour_disputes", MONTH)
    assert secure_location.execute(run)
    assert secure_location.tick(LANDING) == []


def test_one_intake_is_asked_for_at_a_time_and_one_that_was_killed_at_once_again(
    secure_location: Location, instance: dg.DagsterInstance
) -> None:
    folder = secure_location.house.home.landing / "sso"
    folder.mkdir(mode=0o700)
    for number in range(2):
        for ending in ("tar.age", "tar.age.sig"):
            (folder / f"{number}.{ending}").write_bytes(b"x")
    (request,) = secure_location.tick(INTAKE)
    jobs = {job.name: job for job in secure_location.definitions.get_repository_def().get_all_jobs()}
    tags = {**jobs["secure__intake"].tags, **request.tags}
    run = create_run_for_test(instance, job_name="secure__intake", status=dg.DagsterRunStatus.STARTED, tags=tags)
    (folder / "0.tar.age").unlink()
    assert secure_location.tick(INTAKE) == [], "it takes one after another"
    (folder / "0.tar.age").write_bytes(b"x")
    instance.report_run_failed(run, "killed")
    (again,) = secure_location.tick(INTAKE)
    assert again.run_key != request.run_key


def test_parts_that_stay_out_are_waited_for_until_nothing_came_for_the_configured_time(
    secure_location: Location, parts: Mapping[str, DeliveredFile], send: Send, now: Now
) -> None:
    first, *others, late = sorted(parts, key=lambda unit: parts[unit].rows, reverse=True)
    for unit in (first, *others[:5]):
        send(parts[unit])
    now.moment = datetime.now(UTC)
    assert secure_location.tick(LANDING) == []
    now.moment += SETTLING - timedelta(seconds=30)
    assert secure_location.tick(LANDING) == []
    now.moment += timedelta(minutes=1)
    (request,) = secure_location.tick(LANDING)
    assert secure_location.execute(request)
    assert secure_location.tick(LANDING) == []
    # one more part opens the waiting again
    send(parts[late])
    assert secure_location.tick(LANDING) == []
    now.moment += 2 * SETTLING
    (more,) = secure_location.tick(LANDING)
    assert more.run_key != request.run_key


def test_a_month_and_a_quarter_are_each_asked_for_under_their_own_key(
    secure_location: Location, offices: Ministry, send: Send, tmp_path: Path
) -> None:
    assert secure_location.tick(LANDING) == []
    send(offices.deliver(PLACES, "1403-03", tmp_path))
    send(offices.deliver(REGISTER, "1403-Q1", tmp_path))
    requests = secure_location.tick(LANDING)
    assert asked(requests) == {
        ("secure__sso__workplaces", "1403-03"),
        ("secure__cooperatives__cooperatives", "1403-Q1"),
    }
    assert all(secure_location.execute(request) for request in requests)
    assert secure_location.tick(LANDING) == []


def test_what_is_being_run_or_backfilled_is_left_alone(
    secure_location: Location, offices: Ministry, send: Send, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = secure_location.house
    for key in (PLACES, LIST):
        send(offices.deliver(key, MONTH, tmp_path))
    both = {("secure__sso__workplaces", MONTH), ("secure__sso__insured_contributions", MONTH)}
    assert asked(secure_location.tick(LANDING)) == both
    for status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED):
        tags = partition_tag("sso", "insured_contributions", MONTH)
        run = create_run_for_test(instance, job_name="__ASSET_JOB", status=status, tags=tags, remote_job_origin=_ORIGIN)
        assert asked(secure_location.tick(LANDING)) == {("secure__sso__workplaces", MONTH)}
        instance.delete_run(run.run_id)
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="abcdefgh",
        asset_graph=secure_location.definitions.resolve_asset_graph(),
        partition_names=[MONTH],
        asset_selection=[asset_key("raw", house.configuration.dataset(PLACES))],
        backfill_timestamp=0.0,
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    assert asked(secure_location.tick(LANDING)) == {("secure__sso__insured_contributions", MONTH)}


def test_a_delivery_that_was_run_and_refused_is_not_run_again(
    secure_location: Location, offices: Ministry, send: Send, tmp_path: Path
) -> None:
    send(offices.deliver(LIST, MONTH, tmp_path, defects={"wrong_check_digit": 0.3}))
    (request,) = secure_location.tick(LANDING)
    assert not secure_location.execute(request)
    assert secure_location.tick(LANDING) == []


@pytest.mark.parametrize("step_failed", [False, True])
def test_a_run_that_was_killed_is_asked_for_again_and_not_without_end(
    secure_location: Location, offices: Ministry, send: Send, tmp_path: Path, instance: dg.DagsterInstance, *, step_failed: bool
) -> None:
    send(offices.deliver(PLACES, MONTH, tmp_path))
    assert keys_until_nothing_is_asked(secure_location, LANDING, instance, step_failed=step_failed) == (1 if step_failed else 3)


def keys_until_nothing_is_asked(location: Location, sensor: str, instance: dg.DagsterInstance, *, step_failed: bool) -> int:
    """How many run keys a sensor asks for where each run that it asked for ends as failed, at a step or because it was killed."""
    keys = set()
    while requests := location.tick(sensor):
        (request,) = requests
        assert request.run_key not in keys, "Dagster starts a run key once"
        keys.add(request.run_key)
        status = dg.DagsterRunStatus.FAILURE
        run = create_run_for_test(
            instance, job_name="__ASSET_JOB", status=status, tags=dict(request.tags), remote_job_origin=_ORIGIN
        )
        if step_failed:
            event = dg.DagsterEvent(
                "STEP_FAILURE", "__ASSET_JOB", step_key="raw", event_specific_data=StepFailureData(None, None)
            )
            instance.handle_new_event(EventLogEntry(None, 10, "", run.run_id, 0.0, "raw", "__ASSET_JOB", event))
    return len(keys)


HANDOVER = "publish_passed_partitions"


@pytest.mark.parametrize("step_failed", [False, True])
def test_a_publication_that_was_killed_is_asked_for_again_and_not_without_end(
    research_location: Location,
    offices: Ministry,
    send: Send,
    walk: Walk,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    *,
    step_failed: bool,
) -> None:
    send(offices.deliver(PLACES, MONTH, tmp_path))
    walk(PLACES, MONTH, "raw", "standardized", "pseudonymized")
    assert keys_until_nothing_is_asked(research_location, HANDOVER, instance, step_failed=step_failed) == (
        1 if step_failed else 3
    )


# ── the close of a month ─────────────────────────────────────────────────────────────────────────────────────────────

CLOSE = "close_months"


class Books:
    """Writes into the ledger what runs would."""

    def __init__(self, house: House) -> None:
        self.house = house

    def due(self, month: str) -> list[tuple[Dataset, Period]]:
        return [(m.dataset, m.period) for m in month_standing(self.house, Period.parse(month)).members]

    def deliver(self, dataset: Dataset, period: Period, mark: str, units: int | None = None) -> None:
        for unit in dataset.contract(period).units(period)[:units]:
            self.house.ledger.record_delivery(
                Delivery(
                    dataset.organization,
                    dataset.name,
                    period.key,
                    1 + len(self.house.ledger.deliveries(dataset.organization, dataset.name, period.key)),
                    f"accepted/{mark}.csv",
                    mark * 64,
                    1,
                    1,
                    "1.0",
                    self.house.now(),
                    "accepted",
                    reporting_unit=unit,
                )
            )

    def judge(self, dataset: Dataset, period: Period, mark: str, outcome: str = "passed") -> None:
        parts = self.house.ledger.current_deliveries(dataset.organization, dataset.name, period.key)
        named = {f"delivery:{d.reporting_unit}" if d.reporting_unit else "delivery": d.sha256 for d in parts}
        results = ({"rule": "ranges", "severity": "error", "checked": 9, "failed": 3, "passed": False},)
        for layer, inputs in (("raw", named), ("standardized", {"raw": f"raw-{mark}"})):
            said = outcome if layer == "standardized" else "passed"
            self.house.ledger.record_verdict(
                Verdict(
                    layer,
                    dataset.organization,
                    dataset.name,
                    period.key,
                    f"{layer}-{mark}",
                    inputs,
                    "1.0",
                    "rules",
                    said,  # type: ignore[arg-type]
                    results if said == "refused" else (),
                    "run",
                    self.house.now(),
                )
            )

    def passed(self, dataset: Dataset, period: Period, mark: str = "a") -> None:
        self.deliver(dataset, period, mark)
        self.judge(dataset, period, mark)


@pytest.fixture
def books(houses: Mapping[Room, House]) -> Books:
    return Books(houses["research"])


def before_the_deadline(month: str, now: Now) -> None:
    now.moment = datetime.combine(Period.parse(month).last_day, datetime.min.time(), UTC) + timedelta(days=5)


def after_the_deadline(month: str, now: Now, house: House) -> None:
    days = house.configuration.calendar.closing_days + 1
    now.moment = datetime.combine(Period.parse(month).last_day, datetime.min.time(), UTC) + timedelta(days=days)


def test_a_month_is_closed_once_when_all_that_is_due_passed_and_again_for_other_content(
    research_location: Location, books: Books, now: Now
) -> None:
    before_the_deadline(MONTH, now)
    assert research_location.tick(CLOSE) == [], "nothing came"
    *others, last = books.due(MONTH)
    for pair in others:
        books.passed(*pair)
        assert research_location.tick(CLOSE) == []
    books.deliver(*last, "a")
    assert research_location.tick(CLOSE) == [], "one is under way"
    books.judge(*last, "a")
    (request,) = research_location.tick(CLOSE)
    assert request.partition_key == MONTH
    assert research_location.execute(request)
    assert research_location.tick(CLOSE) == []
    (close,) = research_location.house.ledger.month_closes()
    assert (close.month, close.complete) == (MONTH, True)
    assert {m["dataset"] for m in close.members} == {dataset.key for dataset, _ in (*others, last)}
    assert {(m["content_id"], m["outcome"], m["layer"]) for m in close.members} == {("standardized-a", "passed", "standardized")}
    # once more by hand, with the same: no second record
    assert research_location.execute(request)
    assert len(research_location.house.ledger.month_closes()) == 1
    assert [entry.action for entry in research_location.house.ledger.audit.entries(action="month.closed")] == ["month.closed"]

    books.passed(*last, "b")
    (again,) = research_location.tick(CLOSE)
    assert again.run_key != request.run_key
    assert research_location.execute(again)
    assert research_location.tick(CLOSE) == []
    assert len(research_location.house.ledger.month_closes(MONTH)) == 2
    # and back to what it was: the latest record tells it
    books.passed(*last, "c")
    (third,) = research_location.tick(CLOSE)
    assert research_location.execute(third)
    assert research_location.house.ledger.month_closes()[-1].members[-1]["content_id"] == "standardized-c"


def test_a_month_with_a_refused_and_a_missing_dataset_stays_open_until_its_deadline_and_then_says_who_and_what_next(
    research_location: Location, books: Books, now: Now
) -> None:
    before_the_deadline(MONTH, now)
    missing, refused, *others = books.due(MONTH)
    for pair in others:
        books.passed(*pair)
    books.deliver(*refused, "a")
    books.judge(*refused, "a", "refused")
    assert research_location.tick(CLOSE) == []
    after_the_deadline(MONTH, now, research_location.house)
    (request,) = research_location.tick(CLOSE)
    assert research_location.execute(request)
    assert research_location.tick(CLOSE) == []
    (close,) = research_location.house.ledger.month_closes(MONTH)
    assert not close.complete
    said = {str(m["dataset"]): m for m in close.members}
    assert {key for key, m in said.items() if m["missing"]} == {missing[0].key, refused[0].key}
    assert said[missing[0].key]["state"] == "not delivered"
    assert said[refused[0].key]["state"] == "refused"
    assert said[refused[0].key]["content_id"] == "standardized-a"
    for key in (missing[0].key, refused[0].key):
        lacks = said[key]["missing"]
        assert isinstance(lacks, dict)
        assert set(lacks) == {"what", "who", "next_step"}
        assert lacks["who"].startswith(label(research_location.house, key))
    # what comes later closes the month anew, when nothing is missing any more
    books.passed(*refused, "b")
    assert research_location.tick(CLOSE) == []
    books.passed(*missing)
    (request,) = research_location.tick(CLOSE)
    assert research_location.execute(request)
    assert research_location.tick(CLOSE) == []
    assert [c.complete for c in research_location.house.ledger.month_closes(MONTH)] == [False, True]


def label(house: House, key: str) -> str:
    return house.configuration.organizations[key.split("/", maxsplit=1)[0]].label.en


def test_what_is_under_way_at_the_deadline_is_waited_for_and_not_without_end(
    research_location: Location, books: Books, now: Now, instance: dg.DagsterInstance
) -> None:
    after_the_deadline(MONTH, now, research_location.house)
    first = books.due(MONTH)[0]
    books.deliver(*first, "a")
    assert research_location.tick(CLOSE) == []
    now.moment += timedelta(days=research_location.house.configuration.calendar.closing_days, seconds=1)
    (request,) = research_location.tick(CLOSE)
    tags = partition_tag(first[0].organization, first[0].name, MONTH)
    run = create_run_for_test(instance, job_name="__ASSET_JOB", status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert research_location.tick(CLOSE) == []
    instance.delete_run(run.run_id)
    assert research_location.execute(request)
    (close,) = research_location.house.ledger.month_closes()
    states = {str(m["dataset"]): m["state"] for m in close.members}
    assert states[first[0].key] == "under way"
    assert set(states.values()) == {"under way", "not delivered"}


def test_a_close_that_was_killed_is_asked_for_again_and_not_without_end(
    research_location: Location, books: Books, now: Now, instance: dg.DagsterInstance
) -> None:
    before_the_deadline(MONTH, now)
    for pair in books.due(MONTH):
        books.passed(*pair)
    assert keys_until_nothing_is_asked(research_location, CLOSE, instance, step_failed=False) == 3


def test_a_quarterly_dataset_is_due_with_the_last_month_of_its_quarter(books: Books) -> None:
    by_month = {month: {(d.key, p.key) for d, p in books.due(month)} for month in ("1403-02", "1403-03")}
    assert (REGISTER, "1403-Q1") in by_month["1403-03"]
    assert REGISTER not in {key for key, _ in by_month["1403-02"]}
    assert (PLACES, "1403-02") in by_month["1403-02"]


def test_a_month_that_lacks_parts_is_closed_and_its_record_names_the_units(
    research_location: Location, books: Books, now: Now
) -> None:
    before_the_deadline(MONTH, now)
    for dataset, period in books.due(MONTH):
        books.deliver(dataset, period, "a", units=29)
        books.judge(dataset, period, "a")
    (request,) = research_location.tick(CLOSE)
    assert research_location.execute(request)
    close: MonthClose = research_location.house.ledger.month_closes()[0]
    assert not close.complete
    ((key, lacks),) = [(m["dataset"], m["missing"]) for m in close.members if m["missing"]]
    assert key == DISPUTES
    assert isinstance(lacks, dict)
    assert lacks["what"] == "the parts of 2 of 31 reporting units: 29, 30"


# ── telling people ───────────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = "tell_people"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def telling(houses: Mapping[Room, House], instance: dg.DagsterInstance, mail: MailServer) -> Location:
    """The secure location where everything is told to one address."""
    channel = {"host": "127.0.0.1", "port": mail.port, "tls": "none", "sender": "mdlake@ministry.example", "timeout_seconds": 2}
    routes = {kind: {"addresses": ["duty@ministry.example"]} for kind in ("package_refused", "month_refused", "run_failed")}
    retry = {"attempts": 3, "first_minutes": 1, "longest_minutes": 60}
    alerts = AlertsFile.model_validate({"enabled": True, "retry": retry, "email": channel, "routes": routes})
    house = houses["secure"]
    return Location(replace(house, configuration=replace(house.configuration, alerts=alerts)), instance)


def told(mail: MailServer) -> list[str]:
    """The subjects and English texts of what came since it was last asked."""
    texts = [f"{m['Subject']}\n{m.get_body(('plain',)).get_content()}" for m in mail.mails]  # type: ignore[union-attr]
    mail.mails.clear()
    return texts


def test_a_refused_month_is_told_once_and_its_failed_run_not_besides(
    telling: Location, offices: Ministry, send: Send, tmp_path: Path, mail: MailServer
) -> None:
    assert telling.tick(PEOPLE) == []
    send(offices.deliver(LIST, MONTH, tmp_path, defects={"wrong_check_digit": 0.3}))
    (request,) = telling.tick(LANDING)
    assert not telling.execute(request)
    telling.tick(PEOPLE)
    (text,) = told(mail)
    assert "1 refused period" in text
    assert "failed run" not in text
    assert "identifiers_valid" in text
    telling.tick(PEOPLE)
    assert told(mail) == []


def test_runs_that_fail_or_are_killed_in_either_location_are_told_and_those_that_a_person_ends_are_not(
    telling: Location, now: Now, mail: MailServer, instance: dg.DagsterInstance
) -> None:
    now.moment -= timedelta(minutes=1)  # a run that is only recorded as failed has failed in a whole second
    telling.tick(PEOPLE)
    dataset = telling.house.configuration.dataset(PLACES)
    request = dg.RunRequest(
        run_key="by hand",
        job_name="secure__sso__workplaces",
        partition_key=MONTH,
        tags=partition_tag(dataset.organization, dataset.name, MONTH),
    )
    assert not telling.execute(request), "nothing was delivered"
    for name, status in (("month_close", "FAILURE"), ("secure__intake", "CANCELED")):
        tags = {"dagster/partition": MONTH} if name == "month_close" else {}
        create_run_for_test(instance, job_name=name, status=dg.DagsterRunStatus(status), tags=tags, remote_job_origin=_ORIGIN)
    now.moment = datetime.now(UTC)
    telling.tick(PEOPLE)
    (text,) = told(mail)
    assert text.startswith("۲ اجرای ناموفق · 2 failed runs")
    for said in (
        "no accepted delivery of this period",
        "mdlake run sso/workplaces --period 1403-02",
        "(month_close) ended before",
    ):
        assert said in text
    assert "intake" not in text
    telling.tick(PEOPLE)
    assert told(mail) == []


def test_the_text_of_a_foreign_error_is_not_told(
    telling: Location, now: Now, mail: MailServer, instance: dg.DagsterInstance
) -> None:
    telling.tick(PEOPLE)

    @dg.op
    def broken() -> None:
        raise ValueError("0499370899")

    @dg.job(logger_defs={"silent": dg.LoggerDefinition(_silent)})
    def foreign() -> None:
        broken()

    foreign.execute_in_process(instance=instance, raise_on_error=False, run_config={"loggers": {"silent": {}}})
    now.moment = datetime.now(UTC)
    telling.tick(PEOPLE)
    (text,) = told(mail)
    assert "(foreign) failed." in text
    assert "0499370899" not in text


def test_the_sensor_connects_to_nothing_while_alerts_are_off(secure_location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("something was connected to")

    monkeypatch.setattr("socket.create_connection", refused)
    assert secure_location.tick(PEOPLE) == []
    assert secure_location.house.ledger.alerts.messages() == ()
