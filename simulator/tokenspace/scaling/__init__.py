"""Scaling laws S(n) of measured scores, and their fits."""
