"""Two lengths at once along the order of the tokens."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance, Exponential
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="exponentials")
class ExponentialsFamily(TokenFamily):
    """exp(-l / short) and exp(-l / (short ratio)), each with its weight."""

    parameters = ("short", "ratio")
    weights = ("weight_short", "weight_long")

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        short, ratio = map(float, shape)
        return Exponential(short), Exponential(short * ratio)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((0.2, 1.0 * place.tokens), (1.5, 300.0))
