"""Patches of a picture: correlations of rows times correlations of columns."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, Exponential, PatchGrid
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="patch_grid")
class PatchGridFamily(TokenFamily):
    """exp(-rows apart / row_length) exp(-columns apart / column_length)."""

    parameters = ("row_length", "column_length")
    weights = ("weight_patches",)
    picture = True

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        row, column = (Exponential(float(length)) for length in shape)
        return (PatchGrid(place.rows, place.columns, row, column, place.order),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.2, 4.0 * place.rows), (0.2, 4.0 * place.columns))

    def correlations(self, shape: np.ndarray, place: Place) -> np.ndarray:
        down, right = np.arange(place.rows), abs(place.lags[1][0])
        parts = [
            (g.row.at_lag(down), g.column.at_lag(right)) for g in self.covariances(shape, place)
        ]
        return np.array([np.outer(row, column) for row, column in parts])
