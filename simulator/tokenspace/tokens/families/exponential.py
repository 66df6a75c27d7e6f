"""Correlations that decay geometrically along the order of the tokens."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, Exponential
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="exponential")
class ExponentialFamily(TokenFamily):
    """exp(-l / length)."""

    parameters = ("length",)
    weights = ("weight_exponential",)
    points = 30

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        return (Exponential(float(shape[0])),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.2, 4.0 * place.tokens),)
