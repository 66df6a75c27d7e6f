"""Noise of several curves of one model, for the bootstrap: what is drawn, and what that assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.joint.family import Family

INDEPENDENT, BLOCKS = "independent", "blocks"
KINDS = (INDEPENDENT, BLOCKS)


@dataclass(frozen=True)
class Noise:
    """Scatter of log S about a joint fit, as its residuals show it.

    Each curve has its own standard deviation, the same at every n. "independent": normal, and
    independent between curves. "blocks": the residuals of a whole count n are drawn together, with
    replacement, so that benchmarks of one checkpoint stay as correlated as they are.

    deviations: (K,) of log S; columns: residuals (K, m) over sqrt(1 - leverage), less their mean;
    present: (K, m).
    """

    deviations: np.ndarray
    columns: np.ndarray
    present: np.ndarray

    @classmethod
    def of(cls, family: Family, balance: float) -> Noise:
        """The noise about the best lines at a shared n_balance."""
        direction = family.directions(np.array([balance]))
        squares = family.squares(direction)[0]
        leverage = 1 / family.counts[:, None] + direction[0] ** 2
        residuals = family.log_score - family.fitted(balance)
        scaled = residuals / np.sqrt(np.maximum(1 - leverage, 1e-3))
        return cls(np.sqrt(squares / (family.counts - 2)), family.less_mean(scaled), family.present)

    def draw(self, kind: str, rng: np.random.Generator, runs: int, counts: int) -> np.ndarray:
        """Noise at `counts` counts, (runs, K, counts).

        In blocks, a cell in which a curve has no score is drawn as if independent.
        """
        normal = rng.standard_normal((runs, len(self.deviations), counts))
        normal *= self.deviations[:, None]
        if kind == INDEPENDENT:
            return normal
        which = rng.integers(self.columns.shape[1], size=(runs, counts))
        drawn = np.moveaxis(self.columns[:, which], 0, 1)
        return np.where(np.moveaxis(self.present[:, which], 0, 1), drawn, normal)

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the residuals between curves, (K, K)."""
        z = np.where(self.present, self.columns, 0.0)
        norms = np.linalg.norm(z, axis=1)
        return z @ z.T / np.outer(norms, norms)

    @property
    def independent_curves(self) -> float:
        """How many independent curves would scatter as these: K / (1 + (K - 1) r^2).

        r^2: mean square of the correlations between curves, less 1 / nu, which it would have by
        chance from residuals with nu = m - 2 degrees of freedom.
        """
        curves = len(self.deviations)
        if curves < 2:
            return float(curves)
        squares = ((self.correlation**2).sum() - curves) / (curves * (curves - 1))
        chance = 1 / max(self.present.sum(axis=1).mean() - 2, 1 + 1e-9)
        share = max((squares - chance) / (1 - chance), 0.0)
        return float(curves / (1 + (curves - 1) * share))
