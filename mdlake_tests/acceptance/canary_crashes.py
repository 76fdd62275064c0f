"""A process of its own in which a layer and then a check crash with data in their texts, through the jobs of Dagster.

Started by `test_canary.py` with the installation in the environment; not a test itself. Its standard error is that of a
library which tells of a defect before it raises, so it is Dagster's, and not the test's, to keep or not.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import polars as pl

from mdlake.config import Dataset, Home
from mdlake.pipeline import assets, checks
from mdlake.pipeline.local_runs import LocalRuns
from mdlake.standard import Period
from mdlake.steps import House, Judgement, Made, Run, open_house, receive_packages

__all__ = ["main"]


def main(key: str, month: str, code: str, name: str) -> None:
    """Run a partition twice; fails if a run does not."""

    def crash_in_a_layer(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
        os.write(2, f"thread panicked: {code} {name}\n".encode())
        try:
            pl.Series(name, [code]).cast(pl.Int8)
        except pl.exceptions.InvalidOperationError as error:
            raise ValueError(f"{name} {code}") from error
        raise AssertionError("the cast fails")

    def crash_in_a_check(house: House, layer: str, dataset: Dataset, period: Period, run: Run) -> Judgement:
        raise KeyError(code, name)

    home = Home.from_environment(os.environ)
    house = open_house(home, "secure", lambda: datetime.now(UTC))
    receive_packages(house)
    dataset = house.configuration.dataset(key)
    good_steps = assets._STEPS
    with LocalRuns(home) as runs:
        assets._STEPS = {**good_steps, "standardized": crash_in_a_layer}
        layer_passed = runs.run(dataset, Period.parse(month))
        assets._STEPS = good_steps
        vars(checks)["judge"] = crash_in_a_check
        check_passed = runs.run(dataset, Period.parse(month))
    if layer_passed or check_passed:
        sys.exit("a run that crashes must fail")


if __name__ == "__main__":
    main(*sys.argv[1:])
