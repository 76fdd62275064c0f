"""The research code location, as `workspace.yaml` names it."""

from __future__ import annotations

import dagster as dg

from mdlake.pipeline.build import located_definitions

__all__ = ["definitions"]


@dg.definitions
def definitions() -> dg.Definitions:
    """The definitions over the installation that the environment names."""
    return located_definitions("research")
