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
        row, column = (Exponential(float(length)) for length in shape)
        down, right = place.lags
        return (row.at_lag(down) * column.at_lag(abs(right)))[None]
