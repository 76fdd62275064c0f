"""Dagster over an installation, a headless Chromium in front of it, and what a person does and reads in its pages.

Not a test. Waiting is always for something that can be seen, in a page or in Dagster's own records.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from mdlake.config import LAYERS, Home
from mdlake.pipeline.naming import PARTITION_TAG

__all__ = ["ENDED", "Pages", "Records", "Server", "running_chromium", "running_server", "until"]

PATIENCE = 180.0
"""Seconds until a condition counts as never met; a loaded machine of two cores needs some of them."""

ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})

_T = TypeVar("_T")
_ROOT = Path(__file__).resolve().parents[2]
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1000",
)
_LOCATIONS = "{workspaceOrError {... on Workspace {locationEntries {name loadStatus}}}}"
_RUNS = """{runsOrError(limit: 200) {... on Runs {results {
    runId jobName status startTime endTime tags {key value} repositoryOrigin {repositoryLocationName}}}}}"""
_SENSOR = """{sensorOrError(sensorSelector: {repositoryName: "__repository__", repositoryLocationName: "research",
    sensorName: "publish_passed_partitions"}) {... on Sensor {sensorState {status ticks(limit: 1) {timestamp status}}}}}"""


def until(condition: Callable[[], _T | None], what: str) -> _T:
    """The first true value of a condition; a page or an answer that is not there yet counts as not yet.

    Raises:
        TimeoutError: it did not come true; the message says what was waited for.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            value = condition()
        except (WebDriverException, urllib.error.URLError, ConnectionError):
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.2)


@dataclass(frozen=True)
class Server:
    """Dagster's web server and daemon on the loopback interface."""

    url: str

    def ask(self, query: str) -> dict[str, Any]:
        """The answer to a GraphQL query."""
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data


@contextmanager
def running_server(home: Home, log: Path) -> Iterator[Server]:
    """`mdlake ui` on an installation and a free port, with both code locations loaded; what it says goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MDLAKE_", "DAGSTER_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("mdlake")), "ui", "--port", str(port)],
            env={**kept, **home.environment()},
            cwd=_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}")

    def loaded() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        entries = server.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        return {entry["name"]: entry["loadStatus"] for entry in entries} == {"secure": "LOADED", "research": "LOADED"}

    try:
        until(loaded, "both code locations are loaded")
        yield server
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group that was started here: web server, daemon, code servers and runs; by Ctrl-C if it listens."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
            process.wait(timeout=20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


@contextmanager
def running_chromium(browser: str, driver: str, profile: Path) -> Iterator[Chrome]:
    """Headless Chromium with an empty profile of its own."""
    options = Options()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = Chrome(options=options, service=Service(driver))
    chrome.set_page_load_timeout(PATIENCE)
    try:
        yield chrome
    finally:
        chrome.quit()


@dataclass
class Pages:
    """What a person does in Dagster's pages, and what there is to read.

    Attributes:
        artefacts: folder of the screenshots.
    """

    chrome: Chrome
    server: Server
    artefacts: Path
    _kept: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page by its address."""
        self.chrome.get(self.server.url + path)

    def see(self, xpath: str) -> WebElement:
        """The last element shown of an XPath; a dialog comes after the page that it lies on."""

        def shown() -> WebElement | None:
            return next((e for e in reversed(self.chrome.find_elements(By.XPATH, xpath)) if e.is_displayed()), None)

        return self._until(shown, xpath)

    def click(self, xpath: str) -> None:
        """Click what an XPath names, as soon as it can be clicked."""

        def clicked() -> bool:
            self.see(xpath).click()
            return True

        self._until(clicked, f"click {xpath}")

    def press(self, label: str) -> None:
        """Press a button, once it is enabled."""
        self.click(f"//*[self::button or self::a][contains(., '{label}') and not(@disabled)]")

    def read(self, *texts: str) -> str:
        """The text of the page, once all of `texts` stand in it."""

        def page() -> str | None:
            text = " ".join(self.chrome.find_element(By.TAG_NAME, "body").text.split())
            return text if all(part in text for part in texts) else None

        return self._until(page, f"read {texts}")

    def keep(self, station: str) -> None:
        """A screenshot of a station."""
        self._kept.append(station)
        assert self.chrome.save_screenshot(str(self.artefacts / f"{len(self._kept):02d}-{station}.png"))

    def select_layers(self, key: str) -> None:
        """The four assets of a dataset in the asset graph, which shows organizations until a few assets are searched for."""
        self.open("/asset-groups")
        self.read(key.split("/", maxsplit=1)[0])
        search = self._until(lambda: self.chrome.find_element(By.CLASS_NAME, "CodeMirror-lines"), "the search field")
        ActionChains(self.chrome).click(search).send_keys(f'key:"*/{key}"', Keys.ENTER).perform()
        for layer in LAYERS:
            self.see(f"//a[contains(@href, '/assets/{layer}/{key}')]")

    def choose(self, *months: str) -> None:
        """Partitions in the launch dialog."""
        self.click("//*[contains(text(), 'Select a partition')]")
        self.see("//input[@placeholder='Filter partitions']").send_keys("1403-0")
        for month in months:
            self.click(f"//*[@role='menuitem'][.//*[@title='{month}']]")
        # the list closes when something else is clicked
        self.click("//*[contains(text(), 'Launch runs to materialize')]")

    def launch(self, button: str) -> None:
        """Press the dialog's button, and see Dagster's answer."""
        self.press(button)
        self.see("//*[contains(text(), 'Created backfill') or contains(text(), 'Launched run')]")

    def open_launched_run(self) -> None:
        """Follow Dagster's answer to the run; a page may have other buttons that begin with the same word."""
        self.click("//*[self::button or self::a][normalize-space(.)='View']")

    def see_partitions(self, layer: str, key: str, chosen: str, colours: Mapping[str, str]) -> None:
        """The partitions of an asset with one chosen, once its months have these colours."""

        def as_told() -> bool:
            self.open(f"/assets/{layer}/{key}?view=partitions&partition={chosen}")
            self.see("//input[contains(@placeholder, 'Filter by name')]").send_keys("1403-0")
            dot = "//*[@data-tooltip='{}']/following-sibling::div[contains(@style, 'border-radius')]"
            dots = {month: str(self.see(dot.format(month)).get_attribute("style")) for month in colours}
            return all(f"accent-{colour}" in dots[month] for month, colour in colours.items())

        self._until(as_told, f"{layer}/{key}: {dict(colours)}")

    def _until(self, condition: Callable[[], _T | None], what: str) -> _T:
        try:
            return until(condition, what)
        except TimeoutError:
            self.chrome.save_screenshot(str(self.artefacts / "failed.png"))
            raise


@dataclass(frozen=True)
class Records:
    """What Dagster's own records say of runs and of the hand-over's sensor."""

    server: Server

    def runs(self) -> list[dict[str, Any]]:
        """Every run, with its `tags` as a mapping and its `room`."""
        runs: list[dict[str, Any]] = self.server.ask(_RUNS)["runsOrError"]["results"]
        for run in runs:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
            run["room"] = run["repositoryOrigin"]["repositoryLocationName"]
        return runs

    def wait_for(self, key: str, month: str, room: str, status: str) -> list[dict[str, Any]]:
        """The runs of a partition in a room that ended with a status, once there is one and none is under way."""
        tag = f"{key.replace('/', '.')}.{month}"

        def ended() -> list[dict[str, Any]]:
            runs = [run for run in self.runs() if run["tags"].get(PARTITION_TAG) == tag and run["room"] == room]
            return [run for run in runs if run["status"] == status] if all(run["status"] in ENDED for run in runs) else []

        return until(ended, f"{key} {month} in {room}: {status}")

    def wait_for_tick(self) -> None:
        """Wait until the hand-over's sensor, which is on by itself, has looked once more."""
        begun = datetime.now(UTC).timestamp()

        def ticked() -> bool:
            state = self.server.ask(_SENSOR)["sensorOrError"]["sensorState"]
            assert state["status"] == "RUNNING"
            tick = state["ticks"][0]
            return bool(tick["timestamp"] > begun and tick["status"] in {"SKIPPED", "SUCCESS"})

        until(ticked, "a tick of the hand-over's sensor")
