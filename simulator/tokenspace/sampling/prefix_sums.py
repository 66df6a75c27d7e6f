"""What samplers of D alone share: factors of the covariance of prefix sums, and of features."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.covariance.cholesky import NegativePivot, semidefinite_cholesky


def root_eigenvalues(model: TokenModel | SumModel) -> np.ndarray:
    """Square roots of the feature eigenvalues of each term, (terms, d)."""
    return np.sqrt([t.features.eigenvalues for t in model.terms])


def grid_cholesky(covariance: np.ndarray) -> np.ndarray:
    """Cholesky factor of prefix sums, normalised first: their variances span many decades."""
    variance = np.diag(covariance)
    if not np.all(variance >= 0):
        raise NegativePivot(int(np.argmin(variance >= 0)))
    root = np.sqrt(variance)
    correlation = covariance / np.outer(root, root)
    return root[:, None] * semidefinite_cholesky(correlation, 1.0)
