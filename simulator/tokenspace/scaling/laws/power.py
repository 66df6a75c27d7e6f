"""The power law, a straight line in log-log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenspace.registry import register
from tokenspace.scaling.laws.base import ScalingLaw, beside


@register
class Power(ScalingLaw):
    """S(n) = c / n^alpha.

    Source: Li et al. 2025.
    """

    parameters = ("c", "alpha")
    starts_together = True
    linear = True

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        log_c, alpha = raw
        return log_c - alpha * log_n

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        return np.ones_like(log_n), -log_n

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_c, alpha = raw
        return xp.exp(log_c), alpha

    def raw(self, *values: float) -> np.ndarray:
        c, alpha = values
        return np.array([np.log(c), alpha])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """Flat, not the closed form, which the optimum must then reach by itself."""
        level = log_score.mean(axis=-1, keepdims=True)
        return beside(level, np.zeros_like(level))
