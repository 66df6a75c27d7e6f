"""Constant correlations: the setting of the paper's law."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place


@register(name="constant")
class ConstantFamily(TokenFamily):
    """A constant and white noise: nothing depends on where tokens lie."""

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        return ()

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ()

    def correlations(self, shape: np.ndarray, place: Place) -> np.ndarray:
        return np.zeros((0, place.rows, 2 * place.columns - 1))
