"""The crossover law of the theory: exponent beta/2 below n_balance, beta above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from tokenspace.registry import register
from tokenspace.scaling.laws.base import ScalingLaw, beside, softplus, straight


@register
class Crossover(ScalingLaw):
    """S(n) = c (n (n + n_balance) / (1 + n_balance))^(beta/2), which is c (E[D(n)] / E[D(1)])^beta.

    Source: derived from E[D] ~ sqrt(Upsilon), Li et al. 2025.
    """

    parameters = ("c", "beta", "n_balance")
    shapes = 1
    starts_together = True
    linear = True

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        log_c, half = raw[0], raw[1] / 2
        return log_c + half * _bracket(raw[2], log_n, xp)

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        half, log_balance = raw[1] / 2, raw[2]
        bracket = _bracket(log_balance, log_n, np)
        bend = half * (expit(log_balance - log_n) - expit(log_balance))
        return np.ones_like(bracket), bracket / 2, bend

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_c, beta, log_balance = raw
        return xp.exp(log_c), beta, xp.exp(log_balance)

    def raw(self, *values: float) -> np.ndarray:
        c, beta, balance = values
        with np.errstate(divide="ignore"):  # n_balance = 0 is the power law of exponent beta
            return np.array([np.log(c), beta, np.log(balance)])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """n_balance from a twentieth of the smallest n to twenty times the largest.

        Beyond, all scores lie in one regime, and the law is a power law of exponent beta or beta/2.
        """
        slope, level = straight(log_n, log_score)
        grid = np.linspace(log_n[..., 0] - 3, log_n[..., -1] + 3, 25, axis=-1)
        return beside(level[..., None], slope[..., None], grid)


def _bracket(log_balance: Any, log_n: Any, xp: Any) -> Any:
    """log(n (n + n_balance) / (1 + n_balance))."""
    return 2 * log_n + softplus(log_balance - log_n, xp) - softplus(log_balance, xp)
