"""Measured data that ships with the package; benchmark_scores.md says where it is from."""
