"""`make months`: every dataset of the synthetic ministry for two years, through all layers and their checks, by the command.

It answers whether the whole fits (peak memory of all its processes), whether every partition is published, and whether a month
costs the same whatever lies before it. What a partition cost is the time from the verdict before its first one to its last one:
they run one after another. Quarterly datasets are left out of the months' costs, since not every month has them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.results import write_section
from mdlake.config import LAYERS, Home
from mdlake.ledger import Verdict
from mdlake.steps import open_house

CONFIGURATION = Path(__file__).parent.parent / "assets_config"
FIRST_YEAR = 1402
MOST_GIGABYTES = 4


def main() -> None:
    """Measure, write the section of RESULTS.md, and fail where a partition is not published or memory went beyond its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=200_000)
    parser.add_argument("--workplaces", type=int, default=15_000)
    parser.add_argument("--months", type=int, default=24)
    arguments = parser.parse_args()
    months = [f"{FIRST_YEAR + number // 12}-{number % 12 + 1:02}" for number in range(arguments.months)]
    sizes = ("--persons", str(arguments.persons), "--workplaces", str(arguments.workplaces))
    with tempfile.TemporaryDirectory(prefix="mdlake-months-") as folder:
        environment = {"MDLAKE_HOME": folder + "/home", "MDLAKE_CONFIG": str(CONFIGURATION)}
        _command(environment, "init")
        _command(environment, "decide", "rehearse")
        _command(environment, "synthesize", *sizes, *months)
        begun = time.monotonic()
        peak = _command(environment, "run")
        seconds = time.monotonic() - begun
        house = open_house(Home.from_environment(environment), "secure", lambda: datetime.now(UTC))
        verdicts = house.ledger.latest_verdicts()
        rows = sum(delivery.declared_rows or 0 for delivery in house.ledger.deliveries())
    costs = _costs(verdicts)
    report = _report(arguments.persons, months, costs, seconds, peak, rows, len({(v.organization, v.dataset) for v in verdicts}))
    print(report)
    write_section(f"{arguments.persons:,} persons for {arguments.months} months", report)
    published = sum(1 for v in verdicts if v.layer == LAYERS[-1] and v.outcome != "refused")
    partitions = len({(v.organization, v.dataset, v.period) for v in verdicts})
    if published < partitions or peak > MOST_GIGABYTES * 1e9:
        sys.exit(f"{partitions - published} partitions are not published; peak memory {peak / 1e9:.2f} GB")


def _command(environment: Mapping[str, str], *words: str) -> int:
    """Run the command; the largest memory, in bytes, that it and its processes held together."""
    program = [str(Path(sys.executable).with_name("mdlake")), *words]
    peak = 0
    with subprocess.Popen(program, env={**os.environ, **environment}, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(_proportional_size(pid) for pid in _tree(process.pid)))
            time.sleep(0.2)
    if process.returncode:
        sys.exit(f"mdlake {words[0]} ended with status {process.returncode}")
    return peak


def _tree(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in path.read_text().split() for each in _tree(int(child))]
        except OSError:
            continue
    return found


def _proportional_size(pid: int) -> int:
    """Bytes of memory, of what is shared its share; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _costs(verdicts: tuple[Verdict, ...]) -> dict[str, float]:
    """Seconds by month, over the datasets that have every month."""
    costs: dict[str, float] = defaultdict(float)
    in_order = sorted(verdicts, key=lambda verdict: verdict.decided_at)
    for before, verdict in pairwise(in_order):
        if "-Q" not in verdict.period:
            costs[verdict.period] += (verdict.decided_at - before.decided_at).total_seconds()
    return dict(sorted(costs.items()))


def _report(persons: int, months: list[str], costs: dict[str, float], seconds: float, peak: int, rows: int, datasets: int) -> str:
    # the first month has nothing to be compared with, and pays for what every process does once
    second, last = costs[months[1]], costs[months[-1]]
    usual = median(list(costs.values())[1:])
    lines = [
        f"## {persons:,} persons for {len(months)} months: {datasets} datasets, {rows:,} rows",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        f"All in {seconds / 60:.1f} minutes, {rows / seconds:,.0f} rows/s; peak memory {peak / 1e9:.2f} GB.",
        f"Month {len(months)} took {last / second:.2f} times as long as month 2; the median month {usual / second:.2f} times.",
        "",
        "| month | seconds | to month 2 |",
        "|---|---:|---:|",
        *(f"| {month} | {cost:.1f} | {cost / second:.2f}× |" for month, cost in costs.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
