"""Tokens on the unit sphere."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from tokenspace.covariance.cosine import expected_cosine
from tokenspace.covariance.features.base import Features
from tokenspace.covariance.laws.base import TokenLaw
from tokenspace.parameters import model
from tokenspace.registry import register
from tokenspace_kernels.given_tokens import unit_vectors


@register
@model
class UnitNorm(TokenLaw):
    """h = g / ||g||: tokens on the unit sphere, as after RMS normalisation."""

    token_change = "unit"

    def of_tokens(self, g: jax.Array, key: jax.Array) -> jax.Array:
        return unit_vectors(g)

    def mean_square(self, features: Features) -> Any:
        """1, whatever the features."""
        return 1.0

    def correlation(self, rho: np.ndarray, features: Features) -> np.ndarray:
        """The expected cosine."""
        return expected_cosine(rho, features)
