"""Frozen models of everything in `assets_config/`, their loader and JSON Schema, and the places of an installation.

Not here: defaults. What steers the data is written in the configuration, where its owner sees it.
"""

from __future__ import annotations

from mdlake.config.contracts import Column, Configuration, Contract, Dataset
from mdlake.config.home import Home
from mdlake.config.loader import check_configuration, load_configuration
from mdlake.config.models import (
    LAYERS,
    PRINCIPLES,
    Agreement,
    Comparison,
    Composition,
    Generalization,
    Label,
    Requirement,
    RuleSetting,
)
from mdlake.config.queries import ASKED, SavedQuery
from mdlake.config.schema import configuration_schemas
from mdlake.config.yaml_source import Problem

__all__ = [
    "ASKED",
    "LAYERS",
    "PRINCIPLES",
    "Agreement",
    "Column",
    "Comparison",
    "Composition",
    "Configuration",
    "Contract",
    "Dataset",
    "Generalization",
    "Home",
    "Label",
    "Problem",
    "Requirement",
    "RuleSetting",
    "SavedQuery",
    "check_configuration",
    "configuration_schemas",
    "load_configuration",
]
