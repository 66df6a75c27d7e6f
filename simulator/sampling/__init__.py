"""Exact samplers of D(n) and the psi's, one method a file, chosen by structure."""

from tokenspace.sampling.dispatch import SAMPLERS, Plan, plan

__all__ = ["SAMPLERS", "Plan", "plan"]
