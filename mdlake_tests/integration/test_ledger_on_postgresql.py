"""The whole way of a month with its ledger in PostgreSQL, beside the same way with it in SQLite: all of it is equal."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CONFIG, DECIDED_AT, MAKERS, Clock, decide_all, sent
from postgres_server import Cluster
from producer import send_unchecked

from mdlake.config import LAYERS, Home
from mdlake.ledger import Ledger
from mdlake.standard import Period
from mdlake.steps import (
    KEY_FILE,
    House,
    Run,
    close_month,
    handovers,
    judge,
    month_standing,
    open_house,
    partition_statuses,
    prepare,
    receive_packages,
)
from mdlake.synthetic import Ministry

PLACES, MONTH = "sso/workplaces", "1403-01"


@pytest.fixture
def on_server(cluster: Cluster, home: Home, tmp_path: Path) -> Home:
    """An installation like `home`, with its pseudonym keys, decided anew in PostgreSQL."""
    root = tmp_path / "on-server"
    (root / "keys").mkdir(parents=True, mode=0o700)
    shutil.copy(home.keys / KEY_FILE, root / "keys")
    places = {"MDLAKE_HOME": str(root), "MDLAKE_CONFIG": str(CONFIG), "MDLAKE_LEDGER": cluster.url(cluster.create())}
    made = Home.from_environment(places)
    prepare(made, DECIDED_AT)
    decide_all(open_house(made, "research", lambda: DECIDED_AT), DECIDED_AT)
    return made


def walked(home: Home, ministry: Ministry, folder: Path) -> Mapping[str, Any]:
    """What the ledger and the tables say once a month was refused, corrected, taken through all layers, and closed."""
    clock = Clock()
    secure, research = (open_house(home, room, clock) for room in ("secure", "research"))  # type: ignore[arg-type]
    spoilt = ministry.deliver(PLACES, MONTH, folder / "spoilt", defects={"malformed_workplace_code": 0.5})
    sent(secure, spoilt.descriptor_path)
    said = {"refused": walk(secure, research), "before": statuses(secure)}
    sent(secure, ministry.deliver(PLACES, MONTH, folder / "corrected", sequence=2).descriptor_path)
    said |= {"passed": walk(secure, research), "after": statuses(secure), "due": handovers(research).due}
    close_month(research, month_standing(research, Period.parse(MONTH)).month, Run("close"))
    ledger: Ledger = secure.ledger
    closes = [(close.identity, close.complete, close.close_id) for close in ledger.month_closes()]
    said |= {"closes": closes, "decisions": ledger.decisions.verify()}
    said["actions"] = [entry.action for entry in ledger.audit.entries() if not entry.action.startswith("office.")]
    assert ledger.audit.verify().entries > len(LAYERS)
    return said


def walk(secure: House, research: House) -> list[object]:
    """The verdicts by layer, until one refuses."""
    dataset, period = secure.configuration.dataset(PLACES), Period.parse(MONTH)
    found: list[object] = []
    for layer in LAYERS:
        house = research if layer == "published" else secure
        MAKERS[layer](house, dataset, period, Run("run"))
        verdict = judge(house, layer, dataset, period, Run("run")).verdict
        found.append(replace(verdict, decided_at=DECIDED_AT, confirmed_at=None))
        if verdict.outcome == "refused":
            break
    return found


def statuses(house: House) -> list[dict[str, object]]:
    return [status.as_json() for status in partition_statuses(house, house.configuration.datasets.values())]


def test_a_month_is_recorded_the_same_in_either_database(home: Home, on_server: Home, ministry: Ministry, tmp_path: Path) -> None:
    in_sqlite, on_postgresql = (walked(made, ministry, tmp_path / made.root.name) for made in (home, on_server))
    assert len(in_sqlite["refused"]) < len(in_sqlite["passed"]) == len(LAYERS)
    assert in_sqlite["after"][0]["state"] == "published"
    assert on_postgresql == in_sqlite


def test_intakes_that_meet_answer_each_package_once(on_server: Home, ministry: Ministry, tmp_path: Path) -> None:
    """The daemon's and a person's; the names are what a sender may choose."""
    clock = Clock()
    secure = open_house(on_server, "secure", clock)
    for number, month in enumerate(("1403-01", "1403-02", "1403-03")):
        send_unchecked(secure, ministry.deliver(PLACES, month, tmp_path).descriptor_path)
        (package,) = (secure.home.landing / "sso").glob("sso-*.tar.age")
        odd = package.with_name(os.fsdecode(b"\xff\x01 " + f"بسته {number}.tar.age".encode()))
        package.with_name(f"{package.name}.sig").rename(odd.with_name(f"{odd.name}.sig"))
        shutil.copy(package, package.with_name(f"copy-{number}.tar.age"))
        shutil.copy(odd.with_name(f"{odd.name}.sig"), package.with_name(f"copy-{number}.tar.age.sig"))
        package.rename(odd)
    houses = [open_house(on_server, "secure", clock) for _ in range(3)]
    with ThreadPoolExecutor(3) as intakes:
        received = [one for answers in intakes.map(receive_packages, houses) for one in answers]
    assert Counter(one.refusal.reason if one.refusal else "accepted" for one in received) == {"accepted": 3, "replay": 3}
    recorded = secure.ledger.packages("sso")
    assert len(recorded) == len({package.package_id for package in recorded}) == 6
    assert len(list((on_server.outbox / "sso").glob("*.receipt.json"))) == 6
    assert [delivery.period for delivery in secure.ledger.current_deliveries()] == ["1403-01", "1403-02", "1403-03"]
    secure.ledger.audit.verify()
