"""Correlations of a chosen smoothness along the order of the tokens."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, Matern
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="matern")
class MaternFamily(TokenFamily):
    """Matern correlations of smoothness nu; nu = 1/2 is exponential."""

    parameters = ("length", "nu")
    weights = ("weight_matern",)

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        length, nu = map(float, shape)
        return (Matern(nu, length),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.2, 4.0 * place.tokens), (0.2, 4.0))
