"""An errand in the UI, as the data team goes it: three months backfilled, one refused, its next step followed, published.

What is launched is launched by clicking; addresses only lead to a page. Screenshots of the stations are kept in
`.artefacts/browser/`, or in `browser/` below `MDLAKE_ARTEFACTS`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import MONTHS, desk, send_all
from dagster_pages import ENDED, Pages, Records, Server, running_chromium, running_server

import mdlake.cli
from mdlake.config import Home
from mdlake.governance import SyntheticOffices, rehearsal_folder
from mdlake.pipeline.naming import PARTITION_TAG
from mdlake.standard import Period
from mdlake.steps import House, open_house, partition_statuses
from mdlake.synthetic import Ministry

pytestmark = pytest.mark.browser

LIST, PLACES = "sso/insured_contributions", "sso/workplaces"
REFUSED = "1403-02"
REGISTER_MONTH = "1403-01"
ARTEFACTS = Path(os.environ.get("MDLAKE_ARTEFACTS", Path(__file__).resolve().parents[2] / ".artefacts")) / "browser"
WHO = "Who: Social Security Organization corrects and sends again, or the Data Exchange Committee excepts it."
NEXT = f"Next: when the new delivery has landed, materialize raw to published of {REFUSED}"


@pytest.fixture
def landed(live: House) -> Ministry:
    """Three months of both datasets have landed; in one of them every fifth national code has a wrong check digit."""
    ministry = Ministry(persons=1500, workplaces=150)
    for month in MONTHS:
        for dataset in (LIST, PLACES):
            defects = {"wrong_check_digit": 0.2} if (dataset, month) == (LIST, REFUSED) else None
            ministry.deliver(dataset, month, desk(live), defects=defects)
    send_all(live)
    return ministry


@pytest.fixture
def live(home: Home) -> House:
    """The installation on the machine's clock, by which the server works."""
    return open_house(home, "secure", lambda: datetime.now(UTC))


@pytest.fixture
def browser() -> tuple[str, str]:
    """Chromium and its driver. Where they are missing, CI fails and everybody else skips."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if not found[0] or not found[1]:
        missing = "chromium or chromedriver is not installed; `make tools` installs both where it may (Debian, as root)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found[0], found[1]


@pytest.fixture
def server(browser: tuple[str, str], landed: Ministry, home: Home, tmp_path: Path) -> Iterator[Server]:
    """Dagster over the installation in which the deliveries wait; the sensor that would run them by itself is off."""
    home.dagster.mkdir(exist_ok=True)
    shutil.copy(Path(mdlake.cli.__file__).with_name("dagster.yaml"), home.dagster)
    subprocess.run(
        [
            str(Path(sys.executable).with_name("dagster")),
            "sensor",
            "stop",
            "run_settled_deliveries",
            "-w",
            "workspace.yaml",
            "-l",
            "secure",
        ],
        env={**os.environ, **home.environment(), "DAGSTER_HOME": str(home.dagster)},
        cwd=Path(__file__).resolve().parents[2],
        check=True,
        capture_output=True,
    )
    with running_server(home, tmp_path / "dagster.log") as server:
        yield server


@pytest.fixture
def pages(browser: tuple[str, str], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """The server's pages in a browser."""
    shutil.rmtree(ARTEFACTS, ignore_errors=True)
    ARTEFACTS.mkdir(parents=True)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with running_chromium(*browser, tmp_path / "chromium") as chrome:
        yield Pages(chrome, server, ARTEFACTS)


def test_three_months_are_backfilled_one_is_refused_its_next_step_is_followed_and_it_is_published(
    pages: Pages, server: Server, live: House, landed: Ministry
) -> None:
    records = Records(server)
    launch_three_months(pages)
    launch_a_month_of_the_register(pages)
    for month in MONTHS:
        records.wait_for(LIST, month, "secure", "FAILURE" if month == REFUSED else "SUCCESS")
    read_the_failed_run(pages)
    read_the_failed_check(pages)
    try_to_publish_by_hand(pages)
    dataset, period = live.configuration.dataset(LIST), Period.parse(REFUSED)
    published = live.table("published", dataset, dataset.contract(period))
    assert not published.exists() or published.state(REFUSED) is None

    landed.deliver(LIST, REFUSED, desk(live), sequence=2)
    send_all(live)
    launch_the_corrected_month(pages)
    for month in MONTHS:
        records.wait_for(LIST, month, "research", "SUCCESS")
    see_three_green_months(pages)
    statuses = partition_statuses(live, [dataset])
    assert {status.period: status.state for status in statuses} == dict.fromkeys(MONTHS, "published")

    (handed_over,) = records.wait_for(PLACES, REGISTER_MONTH, "research", "SUCCESS")
    assert handed_over["tags"]["dagster/sensor_name"] == "publish_passed_partitions"
    records.wait_for_tick()
    check_the_runs(records.runs())

    withdraw_the_approval(live)
    try_to_publish_without_approval(pages)
    statuses = partition_statuses(live, [dataset])
    assert {status.period: status.state for status in statuses} == dict.fromkeys(MONTHS, "published")
    assert [len(status.fallen) for status in statuses] == [1, 1, 1]


def withdraw_the_approval(live: House) -> None:
    """The Committee withdraws what it approved."""
    offices = SyntheticOffices(live.register, rehearsal_folder(live.home))
    approval = next(live.register.counting("dataset_approved", LIST, live.now()))
    offices.decide("revocation", {"decision": {"id": approval.id, "sha256": approval.sha256}}, live.now())


def try_to_publish_without_approval(pages: Pages) -> None:
    """The failed run says which decision is missing, who signs it, and the command that drafts it."""
    pages.open(f"/assets/published/{LIST}?view=partitions&partition={REFUSED}")
    pages.press("Materialize")
    pages.read("Launch runs to materialize", "1 partition")
    pages.launch("Launch 1 run")
    pages.open_launched_run()
    pages.read(
        "RUN_FAILURE",
        "no live decision approves this dataset (Article 4)",
        "it was withdrawn by",
        "Who: Data Exchange Committee",
        f"mdlake decide draft dataset_approved --dataset {LIST}",
    )
    pages.keep("refused-for-want-of-a-decision")


def launch_three_months(pages: Pages) -> None:
    """From the asset graph, a backfill over both locations."""
    pages.open("/asset-groups")
    pages.read("cooperatives", "provincial", "sso")
    pages.keep("asset-graph")
    pages.select_layers(LIST)
    pages.keep("asset-graph-of-a-dataset")
    pages.press("Materialize all")
    pages.read("Launch runs to materialize 4 assets")
    pages.choose(*MONTHS)
    pages.keep("three-months-chosen")
    pages.launch("Launch backfill")
    pages.keep("backfill-launched")


def launch_a_month_of_the_register(pages: Pages) -> None:
    """From the page of a job, in the secure location alone; to publish it is left to the hand-over."""
    pages.open("/locations/secure/jobs/secure__sso__workplaces")
    pages.press("Materialize all")
    pages.choose(REGISTER_MONTH)
    pages.launch("Launch 1 run")


def read_the_failed_run(pages: Pages) -> None:
    """Two months are green and one is refused; its run says what, who and what next."""
    colours = {month: "red" if month == REFUSED else "green" for month in MONTHS}
    pages.see_partitions("pseudonymized", LIST, REFUSED, colours)
    pages.read("failed, and did not materialize this asset", "Failed (1)", "Materialized (2)")
    pages.keep("two-green-one-refused")
    pages.press("View logs")
    pages.read("RUN_FAILURE", f"{LIST} {REFUSED}: standardized does not pass its principles; one thing is missing:")
    refused = "standardized of this period was refused by identifiers_valid ("
    told = pages.read(refused).rpartition(refused)[2]
    assert "quarantined_rows (" in told
    assert WHO in told
    assert NEXT in told
    pages.keep("failed-run")


def read_the_failed_check(pages: Pages) -> None:
    """A check per principle; the one that failed says by how much, and what to do."""
    pages.open(f"/assets/standardized/{LIST}?view=checks&checkDetail=quality")
    pages.read("Checks (4)", "transformation", "system", "consistency", "quality", "Latest execution")
    pages.keep("four-principles")
    pages.click("//*[normalize-space(text())='Partitions']")
    pages.see("//input[contains(@placeholder, 'Filter by partition')]").send_keys("1403-0")
    pages.click(f"//*[normalize-space(text())='{REFUSED}']")
    pages.read(
        f"{LIST} {REFUSED}: quarantined_rows (error): ",
        "where at most 5.00 % passes. Send the producer the reasons of the quarantine",
        "Social Security Organization corrects and sends again",
    )
    pages.keep("refused-check")


def try_to_publish_by_hand(pages: Pages) -> None:
    """The gate refuses what the checks of another run refused."""
    pages.open(f"/assets/published/{LIST}?view=partitions&partition={REFUSED}")
    pages.press("Materialize")
    pages.read("Launch runs to materialize", "1 partition")
    pages.keep("published-by-hand")
    pages.launch("Launch 1 run")
    pages.open_launched_run()
    pages.read("RUN_FAILURE", f"{LIST} {REFUSED}: published is not made; one thing is missing:")
    refused = "standardized of this period was refused by identifiers_valid ("
    told = pages.read(refused).rpartition(refused)[2]
    assert WHO in told
    assert NEXT in told
    pages.keep("refused-by-the-gate")


def launch_the_corrected_month(pages: Pages) -> None:
    """What the message asked for: raw to published of the month."""
    pages.select_layers(LIST)
    pages.press("Materialize all")
    pages.choose(REFUSED)
    pages.launch("Launch backfill")


def see_three_green_months(pages: Pages) -> None:
    """Pseudonymized and published."""
    for layer in ("pseudonymized", "published"):
        pages.see_partitions(layer, LIST, REFUSED, dict.fromkeys(MONTHS, "green"))
        pages.read("Failed (0)", "Materialized (3)", "content_id")
        pages.keep(f"{layer}-green")
    pages.open(f"/assets/published/{LIST}")
    pages.read("Latest materialization", "Contribution lists of insured persons", "لیست حق بیمه بیمه‌شدگان")
    pages.keep("published-overview")


def check_the_runs(runs: list[dict[str, Any]]) -> None:
    """Each month was published once, by the backfill or by the hand-over, and no two runs of a partition met."""
    # a month is closed by a sensor, at a moment of its own
    runs = [run for run in runs if run["jobName"] != "month_close"]
    assert all(run["status"] in ENDED for run in runs)
    assert [run["runId"] for run in runs if PARTITION_TAG not in run["tags"]] == []
    published = Counter(run["tags"][PARTITION_TAG] for run in runs if (run["room"], run["status"]) == ("research", "SUCCESS"))
    assert published == {f"sso.insured_contributions.{month}": 1 for month in MONTHS} | {f"sso.workplaces.{REGISTER_MONTH}": 1}
    assert list(overlapping(runs)) == []


def overlapping(runs: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Runs of one partition that were under way at the same time."""
    by_partition: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for run in runs:
        by_partition[run["tags"][PARTITION_TAG]].append(run)
    for of_partition in by_partition.values():
        in_order = sorted(of_partition, key=lambda run: float(run["startTime"]))
        yield from ((a["runId"], b["runId"]) for a, b in pairwise(in_order) if b["startTime"] < a["endTime"])
