"""Patches of a picture whose rows and columns remember."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, PatchGrid, PowerLaw
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="patch_power_law")
class PatchPowerLawFamily(TokenFamily):
    """(1 + rows apart)^(-row_decay) (1 + columns apart)^(-column_decay)."""

    parameters = ("row_decay", "column_decay")
    weights = ("weight_patches",)
    picture = True

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        row, column = (PowerLaw(float(decay)) for decay in shape)
        return (PatchGrid(place.rows, place.columns, row, column, place.order),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.02, 6.0), (0.02, 6.0))

    def correlations(self, shape: np.ndarray, place: Place) -> np.ndarray:
        row, column = (PowerLaw(float(decay)) for decay in shape)
        down, right = place.lags
        return (row.at_lag(down) * column.at_lag(abs(right)))[None]
