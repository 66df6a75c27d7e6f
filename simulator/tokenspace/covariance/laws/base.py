"""Token laws: what is done to Gaussian tokens before distances are taken.

A law answers for itself: what it does to tokens on a device, which correlation it leaves, its
moments, and where a variance ends to exist.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import numpy as np

from tokenspace.covariance.features.base import Features


class TokenLaw:
    """How a token is made from its Gaussian vector g: here h = w g for a random number w.

    `joint_scale` says that the whole pair of sequences is scaled by one w (1 for Gaussian tokens),
    so that D(n) is a Gaussian divergence times w and its exact law is known. Otherwise tokens are
    changed one by one and the exact E[D(n)^2] remains. `tail` says which moments exist: E||h||^p is
    finite for p < tail.

    A law is a PyTree that device code calls: `of_pair`, `of_tokens` and `token_scales` must be
    traceable. `token_change` says what `of_tokens` does, for code that does not call it: "none",
    "scale" (multiplies tokens by `token_scales`), "unit" (scales them to norm 1) or "other".
    """

    room: ClassVar[str] = "law"
    joint_scale: bool = False
    token_change: str = "other"
    tail: Any = math.inf

    def __init_subclass__(cls) -> None:
        if "of_tokens" in vars(cls) and "token_change" not in vars(cls):
            cls.token_change = "other"

    @property
    def name(self) -> str:
        """The class, in words for people."""
        return type(self).__name__

    def has_moment(self, p: float) -> bool:
        """Whether E||h||^p is finite."""
        return self.tail > p

    @property
    def exact_mean(self) -> bool:
        """Whether E[D(n)] is known exactly."""
        return self.joint_scale

    @property
    def has_correlations(self) -> bool:
        """Whether tokens have correlations: a variance, or one scale for all that cancels."""
        return self.joint_scale or self.has_moment(2)

    def of_pair(self, keys: jax.Array) -> jax.Array | None:
        """w of each replicate as a whole, (R, 1), from its key (R, 2); None where it is 1."""
        return None

    def of_tokens(self, g: jax.Array, key: jax.Array) -> jax.Array:
        """Tokens (size, d) of one branch from Gaussian ones, with a key (2,) of their own."""
        return g * self.token_scales(key, len(g))[:, None] if self.token_change == "scale" else g

    def token_scales(self, key: jax.Array, size: int) -> jax.Array:
        """w of each of a branch's tokens (size,), where `token_change` is "scale"."""
        raise NotImplementedError

    def mean_scale(self) -> Any:
        """E[w]."""
        return 1.0

    def mean_square_scale(self) -> Any:
        """E[w^2], infinite where it does not exist."""
        return 1.0

    def chi_square_freedom(self) -> float | None:
        """The nu of a common w with w^2 = nu / chi2_nu; None where w is something else."""
        return None

    def mean_square(self, features: Features) -> Any:
        """E||h||^2 = E[w^2] sum lambda."""
        return features.total_variance * self.mean_square_scale()

    def correlation(self, rho: np.ndarray, features: Features) -> np.ndarray:
        """E[h.h'] / E||h||^2 of two tokens whose Gaussian vectors correlate by rho.

        With an independent w for every token it is rho (E[w])^2 / E[w^2]; with a common one, rho.
        """
        if self.joint_scale:
            return rho
        return self.mean_scale() ** 2 / self.mean_square_scale() * rho
