"""How a delivery comes in: its descriptor, the landing, the reading of its file. Packages and seals will join them here.

Not here: what the columns mean, and Dagster.
"""

from __future__ import annotations

from mdlake.exchange.csv_format import RaggedRows, read_header, read_rows
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.landing import Landing, Received

__all__ = ["Descriptor", "Landing", "RaggedRows", "Received", "read_header", "read_rows"]
