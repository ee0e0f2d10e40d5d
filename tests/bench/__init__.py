"""Benchmarks: each module measures one thing beside a peer or a limit, in one run. `make bench` writes docs/benchmarks.md."""
