"""Frozen models of everything in `assets_config/`, their loader and JSON Schema, and the places of an installation.

Not here: defaults. What steers the data is written in the configuration, where its owner sees it.
"""

from __future__ import annotations

from mdlake.config.contracts import Column, Configuration, Contract, Dataset
from mdlake.config.home import Home
from mdlake.config.loader import check_configuration, load_configuration
from mdlake.config.models import LAYERS, PRINCIPLES, Agreement, Comparison, Generalization, Label, RuleSetting
from mdlake.config.schema import configuration_schemas
from mdlake.config.yaml_source import Problem

__all__ = [
    "LAYERS",
    "PRINCIPLES",
    "Agreement",
    "Column",
    "Comparison",
    "Configuration",
    "Contract",
    "Dataset",
    "Generalization",
    "Home",
    "Label",
    "Problem",
    "RuleSetting",
    "check_configuration",
    "configuration_schemas",
    "load_configuration",
]
