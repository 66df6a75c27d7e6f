"""Exact samplers of D(n) and the psi's, one a file, chosen by what they support and cost."""

from tokenspace.sampling.choose import Choice, choose, known_sampler, known_statistics, plan
from tokenspace.sampling.plan import Plan
from tokenspace.sampling.sampler import STATISTICS, Cost, Request, Sampler

__all__ = [
    "STATISTICS",
    "Choice",
    "Cost",
    "Plan",
    "Request",
    "Sampler",
    "choose",
    "known_sampler",
    "known_statistics",
    "plan",
]
