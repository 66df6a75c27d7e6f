"""Tails between Gaussian and heavy: a random scale for each token whose square is exponential."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from tokenspace.covariance.laws.base import TokenLaw
from tokenspace.parameters import model
from tokenspace.registry import register
from tokenspace_kernels.chi_square import chi_square


@register
@model
class Laplace(TokenLaw):
    """h = g w with an independent w^2 ~ Exponential(1) for every token of every branch.

    Every feature of a token is Laplace distributed. Correlations of different tokens shrink by
    (E[w])^2 / E[w^2] = pi / 4, so n_balance moves.

    Source: Kotz, Kozubowski & Podgorski 2001, The Laplace Distribution and Generalizations.
    """

    token_change = "scale"

    def token_scales(self, key: jax.Array, size: int) -> jax.Array:
        return jnp.sqrt(chi_square(key, jnp.full(size, 2.0, jnp.float32)) / 2)

    def mean_scale(self) -> float:
        """E[w] = Gamma(3/2) = sqrt(pi) / 2."""
        return math.sqrt(math.pi) / 2
