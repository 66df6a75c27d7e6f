"""Benchmarks: cases, peers, limits of the machine, and a harness that measures them together."""
