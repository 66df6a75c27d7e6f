"""A score that rises (or falls) to a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenspace.registry import register
from tokenspace.scaling.laws.base import LogRange, ScalingLaw, beside

RATES = LogRange.of(0.01, 10.0)  # of g; at 0.01 it is a logarithm over any data
LEAST = 1e-12  # of S / limit: below n = 1 the formula may leave S > 0


@register
class Saturating(ScalingLaw):
    """S(n) = limit (1 - q n^(-g)), q < 1, 0.01 < g < 10; kept above 1e-12 limit below n = 1."""

    parameters = ("limit", "q", "g")
    shapes = 1
    starts_together = True
    limits = ("limit",)

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        log_limit = raw[0]
        _, q, g = self.values(raw, xp)
        return log_limit + xp.log(xp.maximum(1 - q * xp.exp(-g * log_n), LEAST))

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        _, q, g = self.values(raw)
        decay = np.exp(-g * log_n)
        share = 1 - q * decay
        g_slope = g * RATES.slope(raw[2])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rest, bend = np.exp(raw[1]) * decay / share, q * log_n * decay * g_slope / share
        above = share > LEAST
        return np.ones_like(share), np.where(above, rest, 0.0), np.where(above, bend, 0.0)

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_limit, log_rest, rate = raw
        # q = 1 - exp(log_rest) < 1 keeps S > 0 from n = 1 on
        return xp.exp(log_limit), -xp.expm1(log_rest), xp.exp(RATES.log(rate, xp))

    def raw(self, *values: float) -> np.ndarray:
        limit, q, g = values
        with np.errstate(divide="ignore"):  # q = 1 lies at infinity
            return np.array([np.log(limit), np.log1p(-q), RATES.raw(np.log(g))])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """g from slow as a logarithm to within one step of n, q by the first and the last score."""
        grid = np.geomspace(0.02, 4, 25)
        first, last = np.exp(-grid * log_n[..., :1]), np.exp(-grid * log_n[..., -1:])
        ratio = np.exp(log_score[..., :1] - log_score[..., -1:])
        q = (1 - ratio) / np.where(np.abs(first - ratio * last) > 1e-9, first - ratio * last, 1e-9)
        q = np.where(first > ratio * last, np.clip(q, -100, 0.999), 0.999)
        limit = log_score[..., -1:] - np.log1p(-q * last)
        return beside(limit, np.log1p(-q), RATES.raw(np.log(grid)))
