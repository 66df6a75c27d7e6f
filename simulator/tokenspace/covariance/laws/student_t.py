"""Heavy tails: one random scale for a pair of sequences, or for each token."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from tokenspace.covariance.laws.base import TokenLaw
from tokenspace.parameters import is_traced, model, parameter, special_functions
from tokenspace.registry import register
from tokenspace_kernels.chi_square import chi_square
from tokenspace_kernels.random_bits import substream
from tokenspace_kernels.streams import PAIR


@register
@model
class StudentT(TokenLaw):
    """h = g w with w = sqrt(df / chi2_df): heavy tails.

    scale = "pair": one w for both sequences of a replicate. E[D] gains E[w], the exponent stays.
    scale = "token": an independent w for every token of every branch. Correlations of different
    tokens shrink by (E[w])^2 / E[w^2], so n_balance moves.
    """

    df: float = parameter(
        "degrees of freedom; E[D] exists for df > 1, E[D^2] for df > 2; Gaussian beyond the range",
        above=1,
        at_most=1e6,
    )
    scale: str = parameter("what shares one scale", default="pair", choices=("pair", "token"))

    @property
    def joint_scale(self) -> bool:  # type: ignore[override]
        return self.scale == "pair"

    @property
    def token_change(self) -> str:  # type: ignore[override]
        return "none" if self.joint_scale else "scale"

    @property
    def tail(self) -> Any:  # type: ignore[override]
        return self.df

    def of_pair(self, keys: jax.Array) -> jax.Array | None:
        if not self.joint_scale:
            return None
        df = jnp.asarray(self.df)
        chi2 = jax.vmap(lambda key: chi_square(substream(key, PAIR), df))(keys)
        return jnp.sqrt(df / chi2)[:, None]

    def token_scales(self, key: jax.Array, size: int) -> jax.Array:
        return jnp.sqrt(self.df / chi_square(key, jnp.full(size, self.df)))

    def mean_scale(self) -> Any:
        """E[w] = sqrt(df/2) Gamma((df-1)/2) / Gamma(df/2)."""
        xp, gammaln = special_functions(self.df)
        log_ratio = gammaln((self.df - 1) / 2) - gammaln(self.df / 2)
        return xp.sqrt(self.df / 2) * xp.exp(log_ratio)

    def mean_square_scale(self) -> Any:
        """E[w^2] = df / (df - 2), infinite for df <= 2."""
        if is_traced(self.df) or self.df > 2:
            return self.df / (self.df - 2)
        return math.inf

    def chi_square_freedom(self) -> float | None:
        return self.df if self.joint_scale else None
