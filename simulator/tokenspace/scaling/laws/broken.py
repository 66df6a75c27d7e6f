"""Two power laws that meet at a break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from tokenspace.registry import register
from tokenspace.scaling.laws.base import ScalingLaw, sigmoid

BREAKS = (0.5, 2.0**20)  # range of n_break: beyond, it only bends all that is measured a little


@register
class Broken(ScalingLaw):
    """S(n) = c n^(-alpha_1) ((1 + n / n_break) / (1 + 1 / n_break))^(alpha_1 - alpha_2).

    c = S(1); exponent alpha_1 well below n_break, alpha_2 well above; 0.5 < n_break < 2^20.
    `crossover` is the law with alpha_2 = 2 alpha_1.

    Source: smooth break of width 1, E. Caballero et al., Broken Neural Scaling Laws, ICLR 2023.
    """

    parameters = ("c", "alpha_1", "alpha_2", "n_break")
    shapes = 1
    linear = True

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        log_c, first, second, _ = raw
        log_break = self._log_break(raw, xp)
        beyond = xp.logaddexp(0.0, log_n - log_break) - xp.logaddexp(0.0, -log_break)
        return log_c - first * log_n - (second - first) * beyond

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        _, first, second, place = raw
        log_break, (low, high) = self._log_break(raw), np.log(BREAKS)
        beyond = np.logaddexp(0.0, log_n - log_break) - np.logaddexp(0.0, -log_break)
        bend = (second - first) * (expit(log_n - log_break) - expit(-log_break))
        bend = bend * (high - low) * expit(place) * expit(-place)
        return np.ones_like(beyond), beyond - log_n, -beyond, bend

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_c, first, second, _ = raw
        return xp.exp(log_c), first, second, xp.exp(self._log_break(raw, xp))

    def raw(self, *values: float) -> np.ndarray:
        c, first, second, n_break = values
        with np.errstate(divide="ignore"):
            place = self._place(np.log(n_break), 0.0)
            return np.array([np.log(c), first, second, place])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """n_break over the counts that were measured: a break elsewhere is not seen."""
        slope, level = np.polyfit(log_n, log_score, 1)
        grid = np.linspace(log_n[0], log_n[-1], 25)
        flat = np.full(25, -slope)
        return np.stack([np.full(25, level), flat, flat, self._place(grid, 1e-3)], axis=1)

    @staticmethod
    def _log_break(raw: Any, xp: Any = np) -> Any:
        low, high = np.log(BREAKS)
        return low + (high - low) * sigmoid(raw[3], xp)

    @staticmethod
    def _place(log_break: Any, margin: float) -> np.ndarray:
        """The raw parameter of n_break, a margin from the ends of its range."""
        low, high = np.log(BREAKS)
        share = np.clip((log_break - low) / (high - low), margin, 1 - margin)
        return np.asarray(np.log(share) - np.log1p(-share))
