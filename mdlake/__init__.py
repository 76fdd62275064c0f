"""mdlake: the ministry's lakehouse of register microdata, with a privacy layer between its two rooms.

Here also: how Polars is to hold memory, which it reads once, when it is first imported.
"""

import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# By default the allocator gives a column's memory back to the system as soon as it is free, and in eight places at once: one
# dataset-month was cleared by the kernel three times over, a quarter of all CPU time. Two seconds keep it from one step of a
# layer to the next, and no longer: four million rows had the peak that they have without. What somebody set already stays.
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,oversize_threshold:0,dirty_decay_ms:2000,muzzy_decay_ms:0")
