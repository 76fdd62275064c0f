"""Ten million rows in less than 4 GB: a month of contributions through all four layers and their checks, in one process.

The month before and the register of workplaces are there as well, because the rules against them hold the most in memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mdlake.config import LAYERS

CONFIG = Path(__file__).resolve().parents[2] / "assets_config"
WORKER = Path(__file__).with_name("full_size_worker.py")
LIST, PLACES = "sso/insured_contributions", "sso/workplaces"
BEFORE, MONTH = "1403-01", "1403-02"
ROWS, WORKPLACES = 10_000_000, 500_000
MOST_MEGABYTES = 4_000
TIMEOUT = 1_200
SYNTHESIZE = """
import sys
from pathlib import Path
from mdlake.synthetic import Ministry
ministry = Ministry(persons=int(sys.argv[2]), workplaces=int(sys.argv[3]), seed=1403)
for order in sys.argv[4:]:
    dataset, period = order.split(":")
    print(ministry.deliver(dataset, period, Path(sys.argv[1]), truth=False).rows)
"""


def printed(environment: dict[str, str], *program: str) -> list[str]:
    """The lines that a process prints; fails if it does."""
    done = subprocess.run(
        [sys.executable, *program], env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An installation of its own, whose several gigabytes are removed again."""
    yield {**os.environ, "MDLAKE_HOME": str(tmp_path / "home"), "MDLAKE_CONFIG": str(CONFIG)}
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True, timeout=TIMEOUT)


@pytest.mark.acceptance
def test_ten_million_rows_pass_all_layers_and_checks_in_less_than_four_gigabytes(
    environment: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    outgoing = str(Path(environment["MDLAKE_HOME"], "outgoing"))
    orders = [f"{PLACES}:{BEFORE}", f"{LIST}:{BEFORE}", f"{LIST}:{MONTH}"]
    *_, delivered = printed(environment, "-c", SYNTHESIZE, outgoing, str(ROWS), str(WORKPLACES), *orders)
    ways = [f"{PLACES}:{BEFORE}:standardized", f"{LIST}:{BEFORE}:standardized", f"{LIST}:{MONTH}"]
    figures = [json.loads(line) for line in printed(environment, str(WORKER), outgoing, *ways)]
    record_property("printed", "\n".join(map(told, figures)))
    month = {figure["layer"]: figure for figure in figures if (figure["dataset"], figure["period"]) == (LIST, MONTH)}
    assert list(month) == list(LAYERS)
    assert {figure["outcome"] for figure in figures} <= {"passed", "passed_with_warnings"}
    assert month["raw"]["rows"] == int(delivered) >= ROWS
    counts = month["standardized"]["counts"]
    assert counts["rows_in"] == int(delivered) == counts["rows"] + counts["quarantined"] + counts["duplicates"]
    assert month["standardized"]["rows"] == month["pseudonymized"]["rows"] == month["published"]["rows"] == counts["rows"]
    assert max(figure[part]["peak_mb"] for figure in figures for part in ("make", "judge")) < MOST_MEGABYTES


def told(figure: dict[str, Any]) -> str:
    """A layer in a line."""
    name = f"{figure['dataset']} {figure['period']} {figure['layer']}"
    spans = ", ".join(f"{part} {figure[part]['seconds']:6.1f} s {figure[part]['peak_mb']:5.0f} MB" for part in ("make", "judge"))
    return f"{name:<48} {figure['rows']:>11,} rows: {spans}"
