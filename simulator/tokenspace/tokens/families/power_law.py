"""Correlations that cannot be summed."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, PowerLaw
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="power_law")
class PowerLawFamily(TokenFamily):
    """(1 + l)^(-decay)."""

    parameters = ("decay",)
    weights = ("weight_power_law",)
    points = 24

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        return (PowerLaw(float(shape[0])),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.02, 6.0),)
