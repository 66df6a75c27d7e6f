"""Every token by the Cholesky factor of the whole covariance: N^2 d, the plain reference."""

from __future__ import annotations

from tokenspace.registry import register
from tokenspace.sampling import by_factors
from tokenspace.sampling.factors import dense_factor
from tokenspace.sampling.plan import Plan
from tokenspace.sampling.sampler import Cost, Request, Sampler
from tokenspace.sampling.samplers.tokens import processes, too_many_terms


@register
class Dense(Sampler):
    """x = L z with the dense factor L of the N x N covariance."""

    automatic = False  # what the others are held to

    def refusal(self, request: Request) -> str | None:
        return too_many_terms(request)

    def cost(self, request: Request) -> Cost:
        normals = len(processes(request)) * request.tokens * request.model.dim
        return Cost(normals, normals * request.tokens)

    def reason(self, request: Request) -> str:
        return "the fewest operations"

    def prepare(self, request: Request) -> Plan:
        return by_factors.prepare(request, dense_factor)
