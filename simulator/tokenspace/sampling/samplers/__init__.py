"""Exact samplers, one a file, the cheapest first: a new file here is found by itself."""
