"""How a delivery comes in: its descriptor, the landing, the reading of its file. Packages and seals will join them here.

Not here: what the columns mean, and Dagster.
"""

from __future__ import annotations

from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.formats import Form, NeedsStrictReading, read_header, read_rows
from mdlake.exchange.landing import Landing, Received, Waiting

__all__ = [
    "Descriptor",
    "Form",
    "Landing",
    "NeedsStrictReading",
    "Received",
    "Waiting",
    "read_header",
    "read_rows",
]
