"""All features alike."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance.features.base import LARGEST_DIM, Features
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class Isotropic(Features):
    """All features alike: lambda_k = 1 / dim."""

    dim: int = parameter("number of features d", at_least=1, at_most=LARGEST_DIM, integer=True)

    @property
    def eigenvalues(self) -> np.ndarray:  # type: ignore[override]
        return np.full(self.dim, 1.0 / self.dim)
