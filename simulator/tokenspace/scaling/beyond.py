"""How far scores stray beyond the data: what no law's own interval knows.

A law's interval takes the law for true. Between its counts that does no harm; beyond the last n
that it has seen the scores leave it, the more the farther. So the halves h of the stack's interval,
at 95 %, grow to

    sqrt(h^2 + (strays log(n / n_last))^2),

`strays` being a number of the scale: 0.05 of log S, or 5 % of a score, for each factor e of n. It
was set on the curves that ship, by their mean interval score; what it holds on those that it was
not set on stands in docs/forecasts.md. Below the first n the distance is log(n_first / n).

Source: M. C. Kennedy, A. O'Hagan, J. R. Stat. Soc. B 63, 425, 2001 (discrepancy of a model);
T. Gneiting, A. E. Raftery, J. Am. Stat. Assoc. 102, 359, 2007 (interval score).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import Mixture

ENDS = (0.025, 0.975)  # of the interval that `strays` is told of
ROUNDING = 1e-15  # of (1 - 0.95) / 2


def distance(points: Points, x: np.ndarray) -> np.ndarray:
    """How far log n = x (curves, m) lies outside the curves' own, in log n; 0 between them."""
    first, last = points.x[:, :1], points.x[:, -1:]
    return np.asarray(np.maximum(np.maximum(x - last, first - x), 0.0))


@dataclass(frozen=True)
class Stretched:
    """A mixture whose halves below and above its median are stretched, arrays (curves, points).

    below, above: how many times as far from the median a quantile lies, at least 1; ends: of the
    mixture at `ENDS`, which are most often asked for.
    """

    mixture: Mixture
    median: np.ndarray
    below: np.ndarray
    above: np.ndarray
    ends: tuple[np.ndarray, np.ndarray]

    @classmethod
    def by(cls, mixture: Mixture, extra: np.ndarray) -> Stretched:
        """Half-widths at 95 % become sqrt(h^2 + extra^2), extra (curves, points)."""
        low, median, high = (mixture.quantile(p) for p in (ENDS[0], 0.5, ENDS[1]))
        below, above = (np.hypot(1.0, extra / half) for half in (median - low, high - median))
        return cls(mixture, median, below, above, (low, high))

    def _factor(self, away: np.ndarray) -> np.ndarray:
        return np.where(away < 0, self.below, self.above)

    def quantile(self, p: float) -> np.ndarray:
        """The y with P(log S <= y) = p, (curves, points)."""
        known = [y for own, y in zip(ENDS, self.ends, strict=True) if abs(p - own) < ROUNDING]
        away = (known[0] if known else self.mixture.quantile(p)) - self.median
        return np.asarray(self.median + self._factor(away) * away)

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """log p(log S = y), y (curves, points)."""
        away = np.asarray(y) - self.median
        factor = self._factor(away)
        return self.mixture.log_density(self.median + away / factor) - np.log(factor)
