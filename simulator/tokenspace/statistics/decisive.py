"""How many replicates let a true model pass the check, known before any is drawn.

Of Gaussian tokens D(n) at two n is the norm of two prefix sums of known correlation rho, so errors
of E[D] and of its slopes follow from the theory: the relative variance of D, and rho^2 times that
for what two n have in common (exact for D^2).
"""

from __future__ import annotations

import math

import numpy as np

from tokenspace import theory
from tokenspace.covariance import TokenModel
from tokenspace.errors import InputError
from tokenspace.printable import counted
from tokenspace.statistics.estimate import t_quantile
from tokenspace.statistics.exponent import adjacent_slopes
from tokenspace.statistics.verdict import LEVEL

AHEAD = 4.0  # standard errors that each of some 65 values may be off by chance
LEAST = 256  # from here on quantiles are those of the normal law, to 1 %


def replicates_to_pass(model: TokenModel, grid: np.ndarray, tolerance: float = 0.02) -> int:
    """Replicates with which `check` passes though every value comes out 4 standard errors off.

    R = ((4 + t) max(r / log(1 + tolerance), s / tolerance))^2 with the relative standard deviation
    r of D, its standard deviation s of a slope between neighbours of the grid, and t = 1.65,
    rounded up to two digits.

    Args:
        model: of Gaussian tokens.
        grid: ascending token counts n, (m,), at least 2.
        tolerance: as of `check`, > 0.

    Raises:
        InputError: fewer than 2 token counts, between which there is no slope.

    Source: derived for this project, checked against sampling.
    """
    if len(grid) < 2:
        raise InputError(
            f"grid has {counted(len(grid), 'token count')}, but a check judges slopes between two: "
            "give at least 2 token counts n"
        )
    ratio = theory.divergence_std(model, grid) / theory.expected_divergence(model, grid)
    c = theory.divergence_covariance(model, grid)[0]
    rho = c / np.sqrt(np.outer(np.diag(c), np.diag(c)))
    _, to_slopes = adjacent_slopes(grid)
    covariance = np.outer(ratio, ratio) * rho**2
    slopes = np.sqrt(np.diag(to_slopes @ covariance @ to_slopes.T))
    worst = max(float(ratio.max()) / math.log1p(tolerance), float(slopes.max()) / tolerance)
    needed = ((AHEAD + float(t_quantile(1 - LEVEL, LEAST))) * worst) ** 2
    unit = 10 ** max(math.floor(math.log10(needed)) - 1, 0)
    return max(LEAST, math.ceil(needed / unit) * unit)
