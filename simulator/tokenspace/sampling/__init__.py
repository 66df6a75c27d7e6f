"""Exact samplers of D(n) and the psi's, one method a file, chosen by structure."""

from tokenspace.sampling.dispatch import SAMPLERS, plan
from tokenspace.sampling.plan import Plan

__all__ = ["SAMPLERS", "Plan", "plan"]
