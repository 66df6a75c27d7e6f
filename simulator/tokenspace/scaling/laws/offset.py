"""A power of n on top of a floor that is there without any token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from tokenspace.registry import register
from tokenspace.scaling.laws.base import LogRange, ScalingLaw, beside, sigmoid

EXPONENTS = LogRange.of(0.01, 3.0)  # of b; at 0.01 it is a logarithm over any data


@register
class Offset(ScalingLaw):
    """S(n) = c (floor + (1 - floor) n^b), 0 < floor < 1, 0.01 < b < 3.

    c = S(1); floor: what no token at all would score, as a share of c. At floor = 0 it is a power
    law. Bends upwards in log-log, as `crossover` does.
    """

    parameters = ("c", "floor", "b")
    shapes = 1
    starts_together = True

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        _, floor, b = self.values(raw, xp)
        return raw[0] + xp.log1p((1 - floor) * xp.expm1(b * log_n))

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        _, floor, b = self.values(raw)
        gain = np.expm1(b * log_n)
        whole = 1 + (1 - floor) * gain
        b_slope = b * EXPONENTS.slope(raw[2])
        bend = (1 - floor) * log_n * (gain + 1) * b_slope / whole
        return np.ones_like(whole), -floor * expit(-raw[1]) * gain / whole, bend

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_c, logit, bent = raw
        return xp.exp(log_c), sigmoid(logit, xp), xp.exp(EXPONENTS.log(bent, xp))

    def raw(self, *values: float) -> np.ndarray:
        c, floor, b = values
        with np.errstate(divide="ignore"):  # floors and exponents at an end lie at infinity
            logit = np.log(floor) - np.log1p(-floor)
            return np.array([np.log(c), logit, EXPONENTS.raw(np.log(b))])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """b on a grid, the floor by the first and the last score."""
        grid = np.geomspace(0.02, 2, 25)
        first, last = np.expm1(grid * log_n[..., :1]), np.expm1(grid * log_n[..., -1:])
        ratio = np.exp(log_score[..., -1:] - log_score[..., :1])
        rise = (ratio - 1) / np.maximum(last - ratio * first, 1e-9)
        rise = np.where(last > ratio * first, np.clip(rise, 0.02, 0.98), 0.98)
        level = log_score[..., :1] - np.log1p(rise * first)
        return beside(level, np.log1p(-rise) - np.log(rise), EXPONENTS.raw(np.log(grid)))
