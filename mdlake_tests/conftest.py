"""Fixtures that several tests share: an installation seen from both rooms, a clock that is not the machine's, a small
synthetic ministry with three months of deliveries, and the way of a partition through the layers as the pipeline goes it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_server import Cluster, Unavailable, running_cluster
from producer import send_unchecked

from mdlake.config import Configuration, Dataset, Home, load_configuration
from mdlake.exchange import Received
from mdlake.governance import SyntheticOffices, rehearsal_folder, rehearse
from mdlake.ledger import Ledger, tables
from mdlake.principles import RULES
from mdlake.standard import Period
from mdlake.steps import (
    House,
    Made,
    Run,
    house_of,
    judge,
    make_pseudonymized,
    make_published,
    make_raw,
    make_standardized,
    open_house,
    prepare,
    receive_packages,
)
from mdlake.synthetic import DeliveredFile, Ministry

CONFIG = Path(__file__).resolve().parents[1] / "assets_config"
DECIDED_AT = datetime(2024, 6, 1, 7, tzinfo=UTC)
"""Before the first look at `Clock`, on the same day."""
MONTHS = ("1403-01", "1403-02", "1403-03")
LINKED = ("sso/insured_contributions", "sso/workplaces")


def desk(house: House) -> Path:
    """A folder where producers write deliveries, beside the installation and no part of it; `send_all` sends them."""
    folder = house.home.root.with_name(f"{house.home.root.name}-producers")
    folder.mkdir(exist_ok=True)
    return folder


def send_all(house: House) -> tuple[Received, ...]:
    """Have every delivery on the producers' desk sent as a package and taken in; the answers, by the order of their names."""
    descriptors = sorted(desk(house).glob("*.json"))
    send_unchecked(house, *descriptors)
    for descriptor in descriptors:
        for file in desk(house).glob(f"{descriptor.stem}.*"):
            file.unlink()
    return receive_packages(house)


def taken_in_raw(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """The first layer, as the pipeline comes to it: what producers wrote was sent and taken in before."""
    send_all(house)
    return make_raw(house, dataset, period, run)


MAKERS = {
    "raw": taken_in_raw,
    "standardized": make_standardized,
    "pseudonymized": make_pseudonymized,
    "published": make_published,
}

Land = Callable[[DeliveredFile], Received]
Walk = Callable[..., dict[str, str]]


class Clock:
    """A moment of Khordad 1403, one second later at every look."""

    def __init__(self) -> None:
        self.moment = datetime(2024, 6, 1, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests have to tell of what they found, which a worker of its own cannot print."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "printed":
                terminalreporter.section(report.nodeid.rpartition("::")[2])
                terminalreporter.write_line(str(text))
    missing = {
        str(report.longrepr[-1]) for report in terminalreporter.getreports("skipped") if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(missing):
        terminalreporter.section("not tested here", red=True)
        terminalreporter.write_line(reason)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL of this worker; where there is none the tests that need it are skipped, and in CI they fail."""
    try:
        with running_cluster() as cluster:
            yield cluster
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in SQLite in which nothing is recorded: to be copied."""
    file = tmp_path_factory.mktemp("ledger") / "ledger.db"
    Ledger(f"sqlite:///{file}").upgrade()
    return file


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """The name of a ledger's database in PostgreSQL, which `server_ledger_url` empties for each test."""
    name = cluster.create()
    Ledger(cluster.url(name)).upgrade()
    return name


@pytest.fixture
def server_ledger_url(cluster: Cluster, migrated: str) -> str:
    """An empty ledger in PostgreSQL."""
    names = ", ".join(table.name for table in tables.metadata.sorted_tables)
    emptied = f"TRUNCATE {names} RESTART IDENTITY; UPDATE alembic_version SET version_num = '{tables.HEAD}'"
    cluster.execute(emptied, database=migrated)
    return cluster.url(migrated)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger, in each of the two databases."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(request.getfixturevalue('empty_ledger'), tmp_path / 'ledger.db')}"
    url: str = request.getfixturevalue("server_ledger_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def absent_ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a ledger may be made, in each of the two databases."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/control/ledger.db"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture(scope="session")
def age() -> str:
    """The `age` command; where it is missing the tests that need it are skipped, and in CI they fail."""
    found = shutil.which("age")
    if found is None and os.environ.get("CI"):
        pytest.fail("these tests need age (Debian: age)")
    if found is None:
        pytest.skip("the age command is missing (Debian: age)")
    return found


@pytest.fixture
def clock() -> Clock:
    """The only clock of `secure` and `research`."""
    return Clock()


def sent(house: House, *descriptors: Path) -> Received:
    """Have deliveries sent as packages and taken in; the answer to the last one. Descriptors lie beside their data files."""
    send_unchecked(house, *descriptors)
    return receive_packages(house)[-1]


def decide_all(house: House, at: datetime) -> SyntheticOffices:
    """Let synthetic offices decide all that publication needs, and return them with their keys."""
    rehearse(house.register, at)
    return SyntheticOffices(house.register, rehearsal_folder(house.home))


@pytest.fixture(scope="session")
def decided(tmp_path_factory: pytest.TempPathFactory, configuration: Configuration) -> Path:
    """The root of a prepared installation in which all that publication needs is decided: to be copied."""
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path_factory.mktemp("decided")), "MDLAKE_CONFIG": str(CONFIG)})
    prepare(home, DECIDED_AT)
    decide_all(house_of(home, configuration, "research", lambda: DECIDED_AT), DECIDED_AT)
    return home.root


Install = Callable[[Path], Home]


@pytest.fixture(scope="session")
def install(decided: Path) -> Install:
    """Makes an installation at a path, prepared and decided, with the ministry's configuration."""

    def install(root: Path) -> Home:
        shutil.copytree(decided, root, dirs_exist_ok=True)
        return Home.from_environment({"MDLAKE_HOME": str(root), "MDLAKE_CONFIG": str(CONFIG)})

    return install


@pytest.fixture
def home(tmp_path: Path, install: Install) -> Home:
    """A prepared installation of its own, with the ministry's configuration and the decisions that publication needs."""
    return install(tmp_path / "home")


@pytest.fixture
def secure(home: Home, clock: Clock) -> House:
    """The installation from the secure room."""
    return open_house(home, "secure", clock)


@pytest.fixture
def research(home: Home, clock: Clock) -> House:
    """The installation from the research room."""
    return open_house(home, "research", clock)


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    """The ministry's configuration."""
    return load_configuration(CONFIG, RULES)


@pytest.fixture(scope="session")
def ministry() -> Ministry:
    """Two thousand persons and two hundred workplaces."""
    return Ministry(persons=2000, workplaces=200, seed=7)


@pytest.fixture(scope="session")
def deliveries(ministry: Ministry, tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], DeliveredFile]:
    """The two linked datasets of three months, by dataset and period, with the truth; 1403-03 by another contract."""
    folder = tmp_path_factory.mktemp("deliveries")
    return {(dataset, month): ministry.deliver(dataset, month, folder) for dataset in LINKED for month in MONTHS}


@pytest.fixture
def land(secure: House) -> Land:
    """Lets a delivery arrive: its producer sends the package, and the intake answers."""

    def land(file: DeliveredFile) -> Received:
        return sent(secure, file.descriptor_path)

    return land


@pytest.fixture
def walk(secure: House, research: House) -> Walk:
    """Takes a partition through the layers, each made and judged, until one is refused; returns the outcomes by layer."""

    def walk(key: str, month: str, *layers: str, run: str = "run") -> dict[str, str]:
        dataset, period = secure.configuration.dataset(key), Period.parse(month)
        outcomes: dict[str, str] = {}
        for layer in layers or MAKERS:
            house = research if layer == "published" else secure
            MAKERS[layer](house, dataset, period, Run(run))
            outcomes[layer] = judge(house, layer, dataset, period, Run(run)).verdict.outcome
            if outcomes[layer] == "refused":
                break
        return outcomes

    return walk
