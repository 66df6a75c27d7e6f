"""Tokens of a picture: a grid of patches read in some order."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Covariance
from tokenspace.covariance.structure import Kronecker, Structure
from tokenspace.errors import ParameterError
from tokenspace.parameters import model, parameter
from tokenspace.registry import register

LARGEST_SIDE = 1 << 13  # patches: places of a square of that side take 1 GiB
ORDERS = ("raster", "serpentine", "hilbert")


@register
@model
class PatchGrid(Covariance):
    """K(i, j) = row(|r_i - r_j|) column(|c_i - c_j|) for patch i at row r_i and column c_i.

    A Kronecker product of two 1-D covariances, permuted by the order of reading: `raster` (row
    by row), `serpentine` (every other row backwards) or `hilbert` (along a Hilbert curve). The
    exponent of E[D(n)] depends on that order, but for the first two: n patches read either way are
    the same ones, or their mirror image.
    """

    rows: int = parameter("rows of patches", at_least=1, at_most=LARGEST_SIDE, integer=True)
    columns: int = parameter("columns of patches", at_least=1, at_most=LARGEST_SIDE, integer=True)
    row: Covariance = parameter("covariance between rows", number=False)
    column: Covariance = parameter("covariance between columns", number=False)
    order: str = parameter("order in which patches become tokens", default="raster", choices=ORDERS)

    def check_parameters(self) -> None:
        for name, part, size in (
            ("row", self.row, self.rows),
            ("column", self.column, self.columns),
        ):
            if isinstance(part, Covariance) and part.max_tokens < size:
                raise ParameterError(
                    "PatchGrid", name, part, f"a covariance with at least {size} positions"
                )

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return self.rows * self.columns

    @property
    def characteristic_length(self) -> float:
        return float(self.columns)

    @cached_property
    def structure(self) -> Structure:
        valid = self.row.structure.valid and self.column.structure.valid
        return Structure(kronecker=self._factors, valid=valid)

    def _factors(self) -> Kronecker:
        r, c = self.places()
        rows, columns = self.row.dense(self.rows), self.column.dense(self.columns)
        return Kronecker(rows, columns, r * self.columns + c)

    def places(self) -> tuple[Array, Array]:
        """Row and column of each token, two arrays of shape (rows * columns,)."""
        return patch_places(self.rows, self.columns, self.order)

    def __call__(self, i: Array, j: Array) -> Array:
        r, c = self.places()
        return self.row(r[i], r[j]) * self.column(c[i], c[j])


def patch_places(rows: int, columns: int, order: str) -> tuple[Array, Array]:
    """Row and column of the i-th patch of a rows x columns picture read in the given order."""
    if order == "hilbert":
        return _hilbert_places(rows, columns)
    r, c = np.divmod(np.arange(rows * columns), columns)
    if order == "serpentine":
        c = np.where(r % 2 == 1, columns - 1 - c, c)
    return r, c


def _hilbert_places(rows: int, columns: int) -> tuple[Array, Array]:
    """Along the Hilbert curve of the smallest enclosing power-of-two square, outside skipped."""
    side = 1 << max(rows - 1, columns - 1, 0).bit_length()
    t = np.arange(side * side)
    x = np.zeros_like(t)
    y = np.zeros_like(t)
    scale = 1
    while scale < side:  # the usual bitwise construction, from the smallest square outwards
        right = 1 & (t // 2)
        up = 1 & (t ^ right)
        flip = (up == 0) & (right == 1)
        x, y = np.where(flip, scale - 1 - x, x), np.where(flip, scale - 1 - y, y)
        x, y = np.where(up == 0, y, x), np.where(up == 0, x, y)
        x, y = x + scale * right, y + scale * up
        t = t // 4
        scale *= 2
    inside = (y < rows) & (x < columns)
    return y[inside], x[inside]
