"""How a delivery comes in: packages and what they hold, the landing, the reading of a data file.

Not here: what the columns mean, and Dagster.
"""

from __future__ import annotations

from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.dispatch import dispatch
from mdlake.exchange.formats import Form, NeedsStrictReading, read_header, read_rows
from mdlake.exchange.intake import PACKAGE_SUFFIX, Intake, Received, is_complete, is_quiet, waiting_packages
from mdlake.exchange.landing import Landing
from mdlake.exchange.package import Opened, open_package, pack, require_sender
from mdlake.exchange.receipt import REASONS, RECEIPT_NAMESPACE
from mdlake.exchange.self_check import Finding, SelfCheck

__all__ = [
    "PACKAGE_SUFFIX",
    "REASONS",
    "RECEIPT_NAMESPACE",
    "Descriptor",
    "Finding",
    "Form",
    "Intake",
    "Landing",
    "NeedsStrictReading",
    "Opened",
    "Received",
    "SelfCheck",
    "dispatch",
    "is_complete",
    "is_quiet",
    "open_package",
    "pack",
    "read_header",
    "read_rows",
    "require_sender",
    "waiting_packages",
]
