"""Benchmarks of the whole way, started by `make bench` and `make months`; results go to RESULTS.md. mdlake imports nothing here."""
