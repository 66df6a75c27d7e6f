"""Fractional Gaussian noise: one exponent at every n."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, FractionalGaussianNoise
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="fractional")
class FractionalFamily(TokenFamily):
    """((l+1)^2H - 2 l^2H + |l-1|^2H) / 2 with H = hurst."""

    parameters = ("hurst",)
    weights = ("weight_fractional",)
    points = 40

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        return (FractionalGaussianNoise(float(shape[0])),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.02, 0.998),)
