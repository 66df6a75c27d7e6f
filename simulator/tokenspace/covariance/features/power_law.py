"""Variance that falls as a power along the features."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance.features.base import LARGEST_DIM, Features, normalised
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register(name="power_law")
@model
class PowerLawSpectrum(Features):
    """lambda_k proportional to k^(-decay), k = 1..dim, summing to 1."""

    dim: int = parameter("number of features d", at_least=1, at_most=LARGEST_DIM, integer=True)
    decay: float = parameter("exponent of the spectrum", at_least=0)

    @property
    def eigenvalues(self) -> np.ndarray:
        return normalised(np.arange(1.0, self.dim + 1) ** -self.decay)
