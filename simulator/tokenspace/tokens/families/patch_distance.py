"""Patches of a picture that resemble each other by their distance."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import PatchDistance
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="patch_distance")
class PatchDistanceFamily(TokenFamily):
    """exp(-x), x^2 = (rows apart / row_length)^2 + (columns apart / column_length)^2."""

    parameters = ("row_length", "column_length")
    weights = ("weight_patches",)
    picture = True

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[PatchDistance, ...]:
        row, column = map(float, shape)
        return (PatchDistance(place.rows, place.columns, row, column, order=place.order),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.2, 4.0 * place.rows), (0.2, 4.0 * place.columns))

    def correlations(self, shape: np.ndarray, place: Place) -> np.ndarray:
        return np.array([p.at_displacement(*place.lags) for p in self.covariances(shape, place)])
