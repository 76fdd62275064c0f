"""The research code location, as `workspace.yaml` names it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import dagster as dg

from mdlake.config import Home
from mdlake.pipeline.build import build_definitions
from mdlake.steps import open_house

__all__ = ["definitions"]


@dg.definitions
def definitions() -> dg.Definitions:
    """The definitions over the installation that the environment names."""
    return build_definitions(open_house(Home.from_environment(os.environ), "research", lambda: datetime.now(UTC)))
