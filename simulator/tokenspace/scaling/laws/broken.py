"""Two power laws that meet at a break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from tokenspace.registry import register
from tokenspace.scaling.laws.base import LogRange, ScalingLaw, beside, softplus, straight

BREAKS = LogRange.of(
    0.5, 2.0**20
)  # of n_break: beyond, it only bends all that is measured a little


@register
class Broken(ScalingLaw):
    """S(n) = c n^(-alpha_1) ((1 + n / n_break) / (1 + 1 / n_break))^(alpha_1 - alpha_2).

    c = S(1); exponent alpha_1 well below n_break, alpha_2 well above; 0.5 < n_break < 2^20.
    `crossover` is the law with alpha_2 = 2 alpha_1.

    Source: smooth break of width 1, E. Caballero et al., Broken Neural Scaling Laws, ICLR 2023.
    """

    parameters = ("c", "alpha_1", "alpha_2", "n_break")
    shapes = 1
    starts_together = True
    linear = True

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        log_c, first, second, _ = raw
        log_break = BREAKS.log(raw[3], xp)
        beyond = softplus(log_n - log_break, xp) - softplus(-log_break, xp)
        return log_c - first * log_n - (second - first) * beyond

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        _, first, second, place = raw
        log_break = BREAKS.log(place)
        beyond = softplus(log_n - log_break, np) - softplus(-log_break, np)
        bend = (second - first) * (expit(log_n - log_break) - expit(-log_break))
        return np.ones_like(beyond), beyond - log_n, -beyond, bend * BREAKS.slope(place)

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_c, first, second, _ = raw
        return xp.exp(log_c), first, second, xp.exp(BREAKS.log(raw[3], xp))

    def raw(self, *values: float) -> np.ndarray:
        c, first, second, n_break = values
        with np.errstate(divide="ignore"):
            return np.array([np.log(c), first, second, BREAKS.raw(np.log(n_break))])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """n_break over the counts that were measured: a break elsewhere is not seen."""
        slope, level = straight(log_n, log_score)
        grid = np.linspace(log_n[..., 0], log_n[..., -1], 25, axis=-1)
        flat = -slope[..., None]
        return beside(level[..., None], flat, flat, BREAKS.raw(grid, 1e-3))
