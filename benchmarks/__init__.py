"""Benchmarks of the whole way, started by `make bench` and `make months`; figures in RESULTS.md. mdlake imports nothing here.

All contenders hold memory as mdlake does.
"""

import mdlake  # noqa: F401 before Polars, which reads once how it is to hold memory
