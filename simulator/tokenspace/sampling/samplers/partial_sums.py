"""D at the grid from the joint law of the prefix sums: d is in the cost, N is not."""

from __future__ import annotations

import numpy as np

from tokenspace.registry import register
from tokenspace.sampling.plan import Plan, divergence_plan
from tokenspace.sampling.prefix_sums import grid_cholesky, root_eigenvalues
from tokenspace.sampling.sampler import Cost, Request, Sampler, at_grid_only
from tokenspace.theory import divergence_covariance
from tokenspace_kernels.dispatch import kernel


@register
class PartialSums(Sampler):
    """P(grid) = chol(C) Z Sigma^(1/2), exact for every covariance."""

    def refusal(self, request: Request) -> str | None:
        return at_grid_only(request)

    def cost(self, request: Request) -> Cost:
        m, columns = len(request.grid), len(request.model.terms) * request.model.dim
        return Cost(m * columns, m**2 * columns)

    def reason(self, request: Request) -> str:
        groups = len(request.feature_groups[0])
        return f"only D(n) is asked for, and there are {groups} distinct feature variances"

    def prepare(self, request: Request) -> Plan:
        model, grid = request.model, request.grid
        factors = np.stack([grid_cholesky(c) for c in divergence_covariance(model, grid)])
        arrays = (factors, root_eigenvalues(model))
        return divergence_plan(
            kernel("partial_sum_divergence"),
            model.law,
            arrays,
            method="Cholesky factor of the prefix sums",
            elements=len(grid) * model.dim,
        )
