"""mdlake: the ministry's lakehouse of register microdata, with a privacy layer between its two rooms."""

import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# Polars' allocator soon gives memory back to the system, and the next column asks for it again: kept for some seconds, a
# month of a million rows takes a seventh less time. Read once, when Polars is first imported; ours does not override.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:1500,muzzy_decay_ms:0")
