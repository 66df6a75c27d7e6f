"""Cholesky factors of matrices that may be singular, in float64."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

PIVOT = 1e-12  # a remaining variance below this times the diagonal counts as exactly determined


class NegativePivot(ValueError):
    """The matrix is not positive semi-definite from row `row` on."""

    def __init__(self, row: int) -> None:
        super().__init__(f"negative pivot in row {row}")
        self.row = row


def semidefinite_cholesky(matrix: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Lower L with L L' = matrix; columns whose remaining variance is rounding are 0.

    Args:
        matrix: (n, n) symmetric.
        scale: size of the variances before conditioning, () or (n,), that rounding is measured by.

    Raises:
        NegativePivot: the matrix is not positive semi-definite.
    """
    n = len(matrix)
    scale = np.broadcast_to(np.asarray(scale, np.float64), (n,))
    try:
        lower = np.linalg.cholesky(matrix)
        if np.all(np.diag(lower) ** 2 > PIVOT * scale):
            return lower
    except np.linalg.LinAlgError:
        pass
    lower = np.zeros((n, n))
    for j in range(n):
        left = matrix[j:, j] - lower[j:, :j] @ lower[j, :j]
        if left[0] > PIVOT * scale[j]:
            lower[j:, j] = left / np.sqrt(left[0])
        elif left[0] < -100 * PIVOT * scale[j] * n:
            raise NegativePivot(j)
        else:
            # No variance left: a valid matrix has no covariance left either.
            tolerance = np.sqrt(100 * PIVOT * n * scale[j] * scale[j:])
            bad = np.flatnonzero(abs(left) > tolerance)
            if bad.size:
                raise NegativePivot(j + int(bad[0]))
    return lower


def solve_lower(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X with lower @ X = right, where zero columns of lower give zero rows of X."""
    used = np.diag(lower) > 0
    out = np.zeros((len(lower), right.shape[1]))
    if used.all():
        return solve_triangular(lower, right, lower=True, check_finite=False)
    out[used] = solve_triangular(lower[np.ix_(used, used)], right[used], lower=True)
    return out
