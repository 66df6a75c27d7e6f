"""Estimates and their errors: moments, exponents, n_balance, verdicts. Arrays in, no files."""
