"""A score that grows by as much with every doubling of n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenspace.registry import register
from tokenspace.scaling.laws.base import ScalingLaw, straight

LEAST = 1e-12  # of S / c: a falling score ends at 0


@register
class Logarithm(ScalingLaw):
    """S(n) = c (1 + k log n), kept above 1e-12 c.

    c = S(1) > 0; k: growth for each factor e of n, as a share of c. The limit of `saturating` and
    `offset` as g or b goes to 0.
    """

    parameters = ("c", "k")
    starts_together = True

    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        log_c, bent = raw
        return log_c + xp.log(xp.maximum(1 + xp.sinh(bent) * log_n, LEAST))

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        share = 1 + np.sinh(raw[1]) * log_n
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = np.where(share > LEAST, np.cosh(raw[1]) * log_n / share, 0.0)
        return np.ones_like(rise), rise

    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        log_c, bent = raw
        return xp.exp(log_c), xp.sinh(bent)  # k may be far above 1: its logarithm moves then

    def raw(self, *values: float) -> np.ndarray:
        c, k = values
        return np.array([np.log(c), np.arcsinh(k)])

    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """The straight line of S against log n, kept above 0 at n = 1, and a flat one."""
        slope, first = straight(log_n, np.exp(log_score))
        first = np.maximum(first, 0.01 * np.exp(log_score[..., -1]))
        line = np.stack([np.log(first), np.arcsinh(slope / first)], axis=-1)
        flat = np.stack([log_score.mean(axis=-1), np.zeros_like(first)], axis=-1)
        return np.stack([line, flat], axis=-2)
