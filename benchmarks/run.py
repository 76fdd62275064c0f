"""`make bench`: one dataset-month of N rows layer by layer, beside the floor and the peer, in one run.

Each contender runs in a process of its own, one after another on the same file, so that peak memory is its own; the
whole round is repeated and the best of the rounds counts. RESULTS.md is rewritten with what was measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import write_section
from benchmarks.writing import WAYS
from benchmarks.writing import measure as measure_writing

DATASET, PERIOD = "sso/insured_contributions", "1403-01"
CONTENDERS = ("floor", "mdlake", "peer")


def main() -> None:
    """Measure and write RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--skip", choices=CONTENDERS, action="append", default=[], help="leave a contender out (the peer at 10 million rows)"
    )
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(_contend(arguments.contender, arguments.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="mdlake-bench-") as folder:
        results = _measure(Path(folder), arguments.rows, arguments.rounds, [c for c in CONTENDERS if c not in arguments.skip])
    text = _report(results, arguments.rows, arguments.rounds)
    print(text)
    write_section(f"{arguments.rows:,} persons: ", text)


def _measure(folder: Path, rows: int, rounds: int, contenders: list[str]) -> dict[str, dict[str, float]]:
    from mdlake.synthetic import Ministry

    delivery = Ministry(persons=rows, workplaces=max(10, rows // 20), seed=1403).deliver(
        DATASET, PERIOD, folder / "delivery", truth=False
    )
    best: dict[str, dict[str, float]] = {}
    for number in range(rounds):
        for contender in contenders:
            scratch = folder / f"{contender}-{number}"
            scratch.mkdir()
            for path in (delivery.csv_path, delivery.descriptor_path):
                os.link(path, scratch / path.name)
            measured = _in_own_process(contender, scratch)
            print(f"round {number + 1} {contender}: {measured['total']:.2f} s", file=sys.stderr)
            if contender not in best or measured["total"] < best[contender]["total"]:
                best[contender] = measured
            shutil.rmtree(scratch)
    for way in WAYS:
        scratch = folder / "writing"
        scratch.mkdir()
        os.link(delivery.csv_path, scratch / delivery.csv_path.name)
        best[way] = _in_own_process(way, scratch)
        shutil.rmtree(scratch)
    best["delivery"] = {"rows": delivery.rows, "bytes": delivery.csv_path.stat().st_size}
    return best


def _in_own_process(contender: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.run", "--contender", contender, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _contend(contender: str, folder: Path) -> dict[str, float]:
    csv = next(folder.glob("*.csv"))
    if contender in WAYS:
        seconds = measure_writing(contender, csv, folder / "table")
    elif contender == "floor":
        from benchmarks.floor import measure as measure_floor

        seconds = measure_floor(csv, folder / "tables")
    elif contender == "peer":
        from benchmarks.peer import measure as measure_peer

        seconds = measure_peer(csv, folder / "tables")
    else:
        from benchmarks.ours import measure as measure_ours
        from mdlake.config import Home
        from mdlake.governance import rehearse
        from mdlake.steps import SyntheticProducers, open_house, prepare, receive_packages

        configuration = Path(__file__).parent.parent / "assets_config"
        home = Home.from_environment({"MDLAKE_HOME": str(folder / "home"), "MDLAKE_CONFIG": str(configuration)})
        prepare(home, datetime.now(UTC))
        rehearse(open_house(home, "research", lambda: datetime.now(UTC)).register, datetime.now(UTC))
        secure = open_house(home, "secure", lambda: datetime.now(UTC))
        SyntheticProducers(secure).send(csv.with_suffix(".json"))
        # who sent it and whether it is whole is no part of the four layers, and neither contender asks
        receive_packages(secure)
        seconds = measure_ours(home, DATASET, PERIOD)
    return {**seconds, "total": sum(seconds.values()), "peak_megabytes": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _report(results: dict[str, dict[str, float]], rows: int, rounds: int) -> str:
    delivery, floor = results["delivery"], results["floor"]["total"]
    lines = [
        f"## {rows:,} persons: {delivery['rows']:,.0f} rows, {delivery['bytes'] / 1e6:,.0f} MB of CSV",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"best of {rounds} rounds, "
        "each contender in its own process on the same file.",
        "",
        "| contender | seconds | rows/s | ratio to the floor | peak memory |",
        "|---|---:|---:|---:|---:|",
    ]
    titles = {
        "floor": "floor: read, write four tables, no work",
        "mdlake": "mdlake: four layers with checks",
        "peer": "peer: pandas, `hmac` per value",
    }
    for contender, title in titles.items():
        if contender in results:
            total = results[contender]["total"]
            lines.append(
                f"| {title} | {total:.2f} | {delivery['rows'] / total:,.0f} | {total / floor:.2f}× "
                f"| {results[contender]['peak_megabytes']:,.0f} MB |"
            )
    lines += ["", "| mdlake, layer by layer | seconds | share of the floor |", "|---|---:|---:|"]
    for name, seconds in results["mdlake"].items():
        if name not in ("total", "peak_megabytes"):
            lines.append(f"| {name} | {seconds:.2f} | {seconds / floor:.2f}× |")
    lines += ["", "| ways to write the partition | seconds | peak memory |", "|---|---:|---:|"]
    for way in WAYS:
        lines.append(f"| {way} | {results[way]['total']:.2f} | {results[way]['peak_megabytes']:,.0f} MB |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
