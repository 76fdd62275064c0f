"""A process of its own that makes and judges every layer of given dataset-months, and prints what each took as JSON lines.

Started by `test_memory_at_full_size.py` with the installation in the environment; not a test itself. The peak is of resident
memory, as the kernel counts it for the process (getrusage(2)).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from mdlake.config import LAYERS, Dataset, Home
from mdlake.governance import rehearse
from mdlake.standard import Period
from mdlake.steps import (
    House,
    Made,
    Run,
    SyntheticProducers,
    judge,
    make_pseudonymized,
    make_published,
    make_raw,
    make_standardized,
    open_house,
    prepare,
    receive_packages,
)

__all__ = ["main"]

_MAKERS: dict[str, Callable[[House, Dataset, Period, Run], Made]] = {
    "raw": make_raw,
    "standardized": make_standardized,
    "pseudonymized": make_pseudonymized,
    "published": make_published,
}


def main(outgoing: Path, partitions: list[str]) -> None:
    """Send and take in what lies in a folder, then take each partition on its way.

    Args:
        partitions: written `organization/dataset:period`, or with `:layer` as the last one to make.
    """
    home = Home.from_environment(os.environ)
    prepare(home, _now())
    rehearse(open_house(home, "research", _now).register, _now())
    _receive(home, outgoing)
    for text in partitions:
        key, _, rest = text.partition(":")
        period, _, last = rest.partition(":")
        for layer in LAYERS[: LAYERS.index(last or "published") + 1]:
            _take(home, key, Period.parse(period), layer)


def _receive(home: Home, outgoing: Path) -> None:
    house = open_house(home, "secure", _now)
    with _measured() as packing:
        producers = SyntheticProducers(house)
        for descriptor in sorted(outgoing.glob("*.json")):
            producers.send(descriptor)
    with _measured() as opening:
        received = receive_packages(house)
    figures = {
        "dataset": "packages",
        "period": "",
        "layer": "landing",
        "rows": sum(one.delivery.declared_rows or 0 for one in received),
        "outcome": "refused" if any(one.refusal for one in received) else "passed",
        "make": packing,
        "judge": opening,
    }
    print(json.dumps(figures), flush=True)


def _take(home: Home, key: str, period: Period, layer: str) -> None:
    house = open_house(home, "research" if layer == "published" else "secure", _now)
    dataset, run = house.configuration.dataset(key), Run("full-size")
    with _measured() as making:
        made = _MAKERS[layer](house, dataset, period, run)
    with _measured() as judging:
        judgement = judge(house, layer, dataset, period, run)
    figures = {
        "dataset": key,
        "period": period.key,
        "layer": layer,
        "rows": made.state.rows,
        "counts": dict(made.counts),
        "outcome": judgement.verdict.outcome,
        "failures": judgement.failures,
        "make": making,
        "judge": judging,
    }
    print(json.dumps(figures), flush=True)


@contextlib.contextmanager
def _measured() -> Iterator[dict[str, float]]:
    """Seconds, and peak resident memory in megabytes of this span alone where the kernel lets the mark be put back."""
    figures: dict[str, float] = {}
    with contextlib.suppress(OSError):
        # see proc(5): 5 puts the high-water mark back to what is resident now
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    begin = time.perf_counter()
    yield figures
    figures["seconds"] = round(time.perf_counter() - begin, 2)
    figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1_000_000)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
