"""Cholesky factors of matrices that may be singular, in float64."""

from __future__ import annotations

import numpy as np

PIVOT = 1e-12  # remaining (co)variances below this times the diagonal are rounding
CLEAR = 1e-8  # remaining variances above this are known well enough to divide by
NEGATIVE = 1e-10  # eigenvalues above minus this, times diagonal and size, are rounding


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
    skipped = _zero_pivot_cholesky(matrix, scale)
    return _root_by_eigenvalues(matrix, scale) if skipped is None else skipped


def _zero_pivot_cholesky(matrix: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """Cholesky that skips exactly determined rows; None when rounding makes that unclear."""
    n = len(matrix)
    lower = np.zeros((n, n))
    for j in range(n):
        left = matrix[j:, j] - lower[j:, :j] @ lower[j, :j]
        if left[0] > CLEAR * scale[j]:
            lower[j:, j] = left / np.sqrt(left[0])
        elif np.any(abs(left) > PIVOT * np.sqrt(scale[j] * scale[j:])):
            return None
    return lower


def _root_by_eigenvalues(matrix: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Lower-triangular root of a nearly singular matrix: eigenvalues, then an orthogonal turn."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -NEGATIVE * scale.max() * len(matrix):
        raise NegativePivot(_first_invalid_row(matrix, NEGATIVE * scale.max()))
    _, upper = np.linalg.qr(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)
    root = upper.T
    signs = np.where(np.diag(root) < 0, -1.0, 1.0)
    return root * signs


def _first_invalid_row(matrix: np.ndarray, tolerance: float) -> int:
    valid, invalid = 0, len(matrix)
    while invalid - valid > 1:
        middle = (valid + invalid) // 2
        smallest = np.linalg.eigvalsh(matrix[:middle, :middle])[0]
        if smallest < -tolerance * middle:
            invalid = middle
        else:
            valid = middle
    return valid


def gain_of(lower: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """G with G lower' = ahead (least squares where lower is singular)."""
    diagonal = np.diag(lower)
    if np.all(diagonal**2 > CLEAR * np.max(diagonal**2)):
        # Not scipy's solve_triangular: it starts threads for 8 rows, and waits for them where
        # others use the cores (16 ms instead of 4 us).
        return np.linalg.solve(lower, ahead.T).T
    return ahead @ np.linalg.pinv(lower, rcond=1e-8).T
