"""Tokens of a picture that resemble each other by their distance in it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Covariance
from tokenspace.covariance.positions.matern import Matern
from tokenspace.covariance.positions.patch_grid import LARGEST_SIDE, ORDERS, patch_places
from tokenspace.covariance.structure import Structure
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class PatchDistance(Covariance):
    """K(i, j) = m(x) with x^2 = ((r_i - r_j) / row_length)^2 + ((c_i - c_j) / column_length)^2.

    Patch i lies at row r_i and column c_i; m is the Matern function of smoothness nu and length 1,
    exp(-x) for nu = 1/2, which is positive semi-definite in a plane as on a line. Unlike a
    `PatchGrid`, it falls alike in every direction, but for the two lengths.

    Source: Matern 1960, Spatial Variation.
    """

    rows: int = parameter("rows of patches", at_least=1, at_most=LARGEST_SIDE, integer=True)
    columns: int = parameter("columns of patches", at_least=1, at_most=LARGEST_SIDE, integer=True)
    row_length: float = parameter("length across rows, in patches", at_least=1e-9, at_most=1e18)
    column_length: float = parameter(
        "length across columns, in patches", at_least=1e-9, at_most=1e18
    )
    nu: float = parameter("smoothness", default=0.5, above=0, at_most=50, static=True)
    order: str = parameter("order in which patches become tokens", default="raster", choices=ORDERS)

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return self.rows * self.columns

    @property
    def characteristic_length(self) -> float:
        return float(self.columns)

    @cached_property
    def structure(self) -> Structure:
        return Structure(valid=True)

    @cached_property
    def _places(self) -> tuple[Array, Array]:
        return patch_places(self.rows, self.columns, self.order)

    def at_displacement(self, rows: Array, columns: Array) -> Array:
        """K of two patches so many rows and columns apart (arrays that broadcast)."""
        x = np.hypot(rows / self.row_length, columns / self.column_length)
        return Matern(self.nu, 1.0).at_lag(x)

    def __call__(self, i: Array, j: Array) -> Array:
        r, c = self._places
        return self.at_displacement(r[i] - r[j], c[i] - c[j])
