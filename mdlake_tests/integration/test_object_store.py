"""The lake on an object store: a real server speaking S3 on the loopback interface, and the whole way over it."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from conftest import decide_all, sent
from deltalake import DeltaTable

from mdlake.config import Home
from mdlake.lake.table import _LAST_WRITTEN
from mdlake.pipeline.warehouse import ResearchWarehouse
from mdlake.standard import Period
from mdlake.statistics import ask
from mdlake.steps import (
    Run,
    judge,
    maintain,
    make_pseudonymized,
    make_published,
    make_raw,
    make_standardized,
    open_house,
    prepare,
)
from mdlake.synthetic import Ministry

_CONFIG = Path(__file__).parents[2] / "assets_config"
_DATASET, _PERIOD = "sso/workplaces", Period.parse("1403-01")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on a server of this test alone."""
    log = (tmp_path / "server.log").open("w")
    # port 0: the system chooses a free one, and the server says which
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log)
    try:
        address = _address_of(server, tmp_path / "server.log")
        settings = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
        for name, value in (settings | {"ENDPOINT_URL": address}).items():
            monkeypatch.setenv(f"AWS_{name}", value)
        urllib.request.urlopen(urllib.request.Request(f"{address}/lake", method="PUT"), timeout=30)
        yield "s3://lake"
    finally:
        server.kill()
        server.wait(timeout=30)
        log.close()


def _address_of(server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        lines = [line for line in log.read_text().splitlines() if "Running on http" in line]
        if lines:
            return lines[0].split("Running on ")[1].strip()
        if server.poll() is not None:
            break
        try:
            server.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"the object store did not start: {log.read_text()[-500:]}")


def test_a_month_goes_the_whole_way_over_an_object_store(tmp_path: Path, store: str) -> None:
    places = {"MDLAKE_SECURE": f"{store}/secure", "MDLAKE_RESEARCH": f"{store}/research", "MDLAKE_CONFIG": str(_CONFIG)}
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / "home"), **places})
    now = datetime(2024, 5, 1, tzinfo=UTC)
    prepare(home, now)
    Ministry(persons=1_000, workplaces=120, seed=3).deliver(_DATASET, _PERIOD.key, tmp_path / "out")
    secure, research = (open_house(home, room, lambda: now) for room in ("secure", "research"))  # type: ignore[arg-type]
    dataset, run = secure.configuration.dataset(_DATASET), Run("object-store")
    decide_all(research, now)
    assert sent(secure, *(tmp_path / "out").glob("*.json")).refusal is None
    for _ in range(2):
        for layer, make in (("raw", make_raw), ("standardized", make_standardized), ("pseudonymized", make_pseudonymized)):
            make(secure, dataset, _PERIOD, run)
            judge(secure, layer, dataset, _PERIOD, run)
        made = make_published(research, dataset, _PERIOD, run)
    assert not made.changed
    table = DeltaTable(f"{store}/research/published/{_DATASET}")
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    assert table.count() == made.state.rows > 0
    assert (actions["size_bytes"] > 0).all()
    removed = sum(done.removed for done in maintain(secure, retention_hours=0))
    assert removed >= 4
    _LAST_WRITTEN.clear()  # the rows of the store, not of this process
    assert (
        research.table("published", dataset, made.contract).scan(_PERIOD.key).select(pl.len()).collect().item() == made.state.rows
    )
    with ResearchWarehouse(research).get_connection() as connection:
        assert ask(connection, "select count(*) from published.sso_workplaces").rows == ((made.state.rows,),)
    assert not list((tmp_path / "home").glob("**/*.parquet"))
