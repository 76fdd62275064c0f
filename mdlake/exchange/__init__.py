"""How a delivery comes in: packages and what they hold, the landing, the reading of a data file.

Not here: what the columns mean, and Dagster.
"""

from __future__ import annotations

from mdlake.exchange.csv_format import NeedsStrictReading, read_header, read_rows, read_rows_strictly
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.intake import PACKAGE_SUFFIX, Intake
from mdlake.exchange.landing import Landing, Received, Waiting
from mdlake.exchange.package import DELIVERY_NAMESPACE, Opened, open_package, pack, require_sender, sender
from mdlake.exchange.receipt import RECEIPT_NAMESPACE
from mdlake.exchange.self_check import SELF_CHECK_NAMESPACE, Finding, SelfCheck

__all__ = [
    "DELIVERY_NAMESPACE",
    "PACKAGE_SUFFIX",
    "RECEIPT_NAMESPACE",
    "SELF_CHECK_NAMESPACE",
    "Descriptor",
    "Finding",
    "Intake",
    "Landing",
    "NeedsStrictReading",
    "Opened",
    "Received",
    "SelfCheck",
    "Waiting",
    "open_package",
    "pack",
    "read_header",
    "read_rows",
    "read_rows_strictly",
    "require_sender",
    "sender",
]
