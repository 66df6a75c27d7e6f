"""D at the grid from Wishart factors: neither N nor d is in the cost."""

from __future__ import annotations

import numpy as np

from tokenspace.registry import register
from tokenspace.sampling.plan import Plan, divergence_plan
from tokenspace.sampling.prefix_sums import grid_cholesky
from tokenspace.sampling.sampler import Cost, Request, Sampler, at_grid_only
from tokenspace.theory import divergence_covariance
from tokenspace_kernels.dispatch import kernel


@register
class Collapsed(Sampler):
    """D(n_j)^2 = sum_g ||row j of L_g A_g||^2 with Bartlett's factor A_g of a Wishart matrix.

    Source: Bartlett 1933; see `tokenspace_kernels.collapsed`.
    """

    def refusal(self, request: Request) -> str | None:
        return at_grid_only(request)

    def cost(self, request: Request) -> Cost:
        """An m x m product a group; of a single group only min(m, d) columns hold anything."""
        m, groups = len(request.grid), len(request.feature_groups[0])
        columns = min(m, request.model.dim) if groups == 1 else m
        return Cost(groups * m * (m // 2 + 1), groups * m**2 * columns)

    def reason(self, request: Request) -> str:
        groups = len(request.feature_groups[0])
        return (
            f"only D(n) is asked for, and {groups} distinct feature variance"
            f"{'s make' if groups > 1 else ' makes'} its cost independent of N and d"
        )

    def prepare(self, request: Request) -> Plan:
        model, grid = request.model, request.grid
        groups, counts = request.feature_groups
        covariance = np.einsum("gt,tab->gab", groups, divergence_covariance(model, grid))
        arrays = (np.stack([grid_cholesky(c) for c in covariance]), counts)
        return divergence_plan(
            kernel("collapsed_divergence"),
            model.law,
            arrays,
            method="Bartlett factors of Wishart matrices",
            elements=len(grid) ** 2,
        )
