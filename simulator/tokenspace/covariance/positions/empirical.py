"""A covariance given as a matrix, for example one measured on hidden states."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tokenspace.covariance.base import Array, Covariance
from tokenspace.covariance.structure import Structure
from tokenspace.covariance.validity import largest_valid_size
from tokenspace.errors import InputError, NotPositiveSemidefinite
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class Empirical(Covariance):
    """K(i, j) = matrix[i, j], a symmetric positive semi-definite (N, N) array."""

    matrix: Any = parameter("symmetric positive semi-definite matrix", number=False)

    def check_parameters(self) -> None:
        try:
            matrix = np.array(self.matrix, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"Empirical: matrix is not an array of numbers: {error}") from None
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
            raise InputError(f"Empirical: matrix must be square, but its shape is {matrix.shape}")
        if not np.isfinite(matrix).all():
            i, j = np.argwhere(~np.isfinite(matrix))[0]
            raise InputError(f"Empirical: matrix[{i}, {j}] = {matrix[i, j]} is not finite")
        asymmetry = abs(matrix - matrix.T).max()
        if asymmetry > 1e-8 * abs(matrix).max():
            raise InputError(
                f"Empirical: matrix is not symmetric (largest difference {asymmetry:.3g}); "
                "average it with its transpose first"
            )
        eigenvalue = float(np.linalg.eigvalsh(matrix)[0])
        if eigenvalue < -1e-10 * abs(matrix).max() * len(matrix):
            largest = largest_valid_size(lambda n: matrix[:n, :n], len(matrix))
            raise NotPositiveSemidefinite("Empirical matrix", len(matrix), eigenvalue, largest)
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return len(self.matrix)

    @cached_property
    def structure(self) -> Structure:
        return Structure(valid=True)  # checked when it was built

    def __call__(self, i: Array, j: Array) -> Array:
        return np.asarray(self.matrix)[i, j]

    def __repr__(self) -> str:
        return f"Empirical({len(self.matrix)} x {len(self.matrix)})"
