"""How a delivery comes in: packages and what they hold, the landing, the reading of a data file.

Not here: what the columns mean, and Dagster.
"""

from __future__ import annotations

from mdlake.exchange.agreement import agreed_contract, require_agreed
from mdlake.exchange.arrived import Arrived
from mdlake.exchange.check import FileCheck, RuleFinding, Spot, Weight, check_file
from mdlake.exchange.check_report import Report, check_page, report_of
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.desks import DESKS, make_keys
from mdlake.exchange.dispatch import Consignment, dispatch, send
from mdlake.exchange.formats import DELIMITERS, Encoding, Form, NeedsStrictReading, read_header, read_rows
from mdlake.exchange.intake import Intake, Received, changed_at, is_complete, is_quiet, waiting_packages
from mdlake.exchange.landing import Landing
from mdlake.exchange.package import PACKAGE_SUFFIX, Opened, open_package, pack, require_sender
from mdlake.exchange.receipt import REASONS, RECEIPT_NAMESPACE
from mdlake.exchange.row_ranges import RowRanges
from mdlake.exchange.self_check import Finding, SelfCheck, SignedCheck

__all__ = [
    "DELIMITERS",
    "DESKS",
    "PACKAGE_SUFFIX",
    "REASONS",
    "RECEIPT_NAMESPACE",
    "Arrived",
    "Consignment",
    "Descriptor",
    "Encoding",
    "FileCheck",
    "Finding",
    "Form",
    "Intake",
    "Landing",
    "NeedsStrictReading",
    "Opened",
    "Received",
    "Report",
    "RowRanges",
    "RuleFinding",
    "SelfCheck",
    "SignedCheck",
    "Spot",
    "Weight",
    "agreed_contract",
    "changed_at",
    "check_file",
    "check_page",
    "dispatch",
    "is_complete",
    "is_quiet",
    "make_keys",
    "open_package",
    "pack",
    "read_header",
    "read_rows",
    "report_of",
    "require_agreed",
    "require_sender",
    "send",
    "waiting_packages",
]
