"""Exact samplers, one a file: a new file here is found by itself."""
