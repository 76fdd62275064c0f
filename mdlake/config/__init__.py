"""Frozen models of everything in `assets_config/`, their loader and JSON Schema, and the places of an installation.

Not here: defaults. What steers the data is written in the configuration, where its owner sees it.
"""

from __future__ import annotations

from mdlake.config.alerts import ALERT_KINDS, AlertKind, AlertsFile, EmailChannel, Route, Webhook, is_email_address
from mdlake.config.contracts import Column, Configuration, Contract, Dataset, Deadline
from mdlake.config.home import Home
from mdlake.config.loader import check_configuration, load_configuration, validated
from mdlake.config.models import (
    LAYERS,
    PRINCIPLES,
    Agreement,
    Comparison,
    Composition,
    Frozen,
    Generalization,
    Label,
    Name,
    PeriodKey,
    Requirement,
    RuleSetting,
    SolarDay,
)
from mdlake.config.offices import (
    DATASET_APPROVED,
    DELIVERY_NAMESPACE,
    EXCEPTION_GRANTED,
    PERIOD_CLOSED,
    PERIOD_EXCEPTION,
    PERIOD_REOPENED,
    REVOCATION,
    SELF_CHECK_NAMESPACE,
    STANDARD_APPROVED,
    DecisionKind,
    ScopeField,
    SignatureRule,
    sender,
    statistics_unit,
)
from mdlake.config.queries import ASKED, SavedQuery
from mdlake.config.schema import configuration_schemas
from mdlake.config.yaml_source import Problem, read_yaml, written_yaml

__all__ = [
    "ALERT_KINDS",
    "ASKED",
    "DATASET_APPROVED",
    "DELIVERY_NAMESPACE",
    "EXCEPTION_GRANTED",
    "LAYERS",
    "PERIOD_CLOSED",
    "PERIOD_EXCEPTION",
    "PERIOD_REOPENED",
    "PRINCIPLES",
    "REVOCATION",
    "SELF_CHECK_NAMESPACE",
    "STANDARD_APPROVED",
    "Agreement",
    "AlertKind",
    "AlertsFile",
    "Column",
    "Comparison",
    "Composition",
    "Configuration",
    "Contract",
    "Dataset",
    "Deadline",
    "DecisionKind",
    "EmailChannel",
    "Frozen",
    "Generalization",
    "Home",
    "Label",
    "Name",
    "PeriodKey",
    "Problem",
    "Requirement",
    "Route",
    "RuleSetting",
    "SavedQuery",
    "ScopeField",
    "SignatureRule",
    "SolarDay",
    "Webhook",
    "check_configuration",
    "configuration_schemas",
    "is_email_address",
    "load_configuration",
    "read_yaml",
    "sender",
    "statistics_unit",
    "validated",
    "written_yaml",
]
