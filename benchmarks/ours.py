"""mdlake itself: the four layers with their checks, one dataset-month, layer by layer, without the orchestrator."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from mdlake.config import Home
from mdlake.standard import Period
from mdlake.steps import House, Run, judge, make_pseudonymized, make_published, make_raw, make_standardized, open_house

__all__ = ["measure"]

_STEPS = {
    "raw": make_raw,
    "standardized": make_standardized,
    "pseudonymized": make_pseudonymized,
    "published": make_published,
}


def measure(home: Home, dataset_key: str, period_key: str) -> dict[str, float]:
    """Seconds per layer and per check of a partition whose delivery was accepted."""
    houses: dict[str, House] = {room: open_house(home, room, lambda: datetime.now(UTC)) for room in ("secure", "research")}  # type: ignore[arg-type]
    dataset = houses["secure"].configuration.dataset(dataset_key)
    period, run = Period.parse(period_key), Run("benchmark")
    seconds: dict[str, float] = {}
    for layer, step in _STEPS.items():
        house = houses["research" if layer == "published" else "secure"]
        start = time.perf_counter()
        step(house, dataset, period, run)
        made = time.perf_counter()
        judgement = judge(house, layer, dataset, period, run)
        seconds[layer], seconds[f"{layer} checks"] = made - start, time.perf_counter() - made
        if judgement.verdict.outcome == "refused":
            raise SystemExit(f"{layer} was refused: {judgement.failures}")
    return seconds
