"""Benchmarks of the whole way, started by `make bench` and `make months`; figures in RESULTS.md. mdlake imports nothing here."""
