"""The only folder that imports dagster: assets, checks, jobs, sensors, and where they are put together (`build.py`).

Every function here wraps a step of `mdlake.steps` and turns what it says into Dagster's words. Logic that would be worth
a test without Dagster does not belong here.
"""

from __future__ import annotations

from mdlake.pipeline.build import build_definitions

__all__ = ["build_definitions"]
