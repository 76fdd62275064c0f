"""Benchmarks of the whole way. Started by `make bench`; results go to RESULTS.md. Nothing here is imported by mdlake."""
