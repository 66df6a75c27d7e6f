"""Product of a lower triangular matrix with rows of noise, as loops that Numba compiles.

The vector runs along the rows: features of one replicate, or one number of many replicates. Four
rows of the product and four of the noise at a time, so that what is read is used four times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.machine_code import compiled

ROWS = 4  # taken together: factors are padded with zeros to a multiple


def padded(factors: Any) -> np.ndarray:
    """Factors (terms, m, m) with rows and columns of zeros up to a multiple of ROWS, float32."""
    factors = np.asarray(factors, np.float32)
    more = (0, -factors.shape[1] % ROWS)
    return np.pad(factors, ((0, 0), more, more))


@compiled
def four_rows(factor: Any, row: int, begin: int, z: Any, y: Any) -> None:
    """y (4, width) = rows `row` .. row + 3 of factor z, where z is 0 before `begin`."""
    y[:] = 0
    for k in range(begin // ROWS * ROWS, row + ROWS, ROWS):
        a0, b0, c0, d0 = columns(factor, row, k)
        a1, b1, c1, d1 = columns(factor, row + 1, k)
        a2, b2, c2, d2 = columns(factor, row + 2, k)
        a3, b3, c3, d3 = columns(factor, row + 3, k)
        for r in range(y.shape[1]):
            a, b, c, d = z[k, r], z[k + 1, r], z[k + 2, r], z[k + 3, r]
            y[0, r] += (a0 * a + b0 * b) + (c0 * c + d0 * d)
            y[1, r] += (a1 * a + b1 * b) + (c1 * c + d1 * d)
            y[2, r] += (a2 * a + b2 * b) + (c2 * c + d2 * d)
            y[3, r] += (a3 * a + b3 * b) + (c3 * c + d3 * d)


@compiled
def columns(factor: Any, row: int, k: int) -> tuple[Any, Any, Any, Any]:
    return factor[row, k], factor[row, k + 1], factor[row, k + 2], factor[row, k + 3]
