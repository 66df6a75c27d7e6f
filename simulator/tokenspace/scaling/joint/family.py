"""The curves of one model side by side, and their sums of squares at any shared n_balance.

At a given n_balance the crossover law is a straight line in log S,

    log S_k(n) = log c_k + beta_k x(n),    x(n) = log(n (n + n_balance) / (1 + n_balance)) / 2,

so that its best sum of squares is a projection, in closed form: RSS_k = |y|^2 - (u . y)^2, with y
the log scores less their mean, and u the same of x, of length 1. The power law is both ends,
n_balance = 0 (x = log n) and infinity (x = log(n) / 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenspace.errors import InputError
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.scales import Log

LEAST_POINTS = 4  # of a curve: a level, a slope, a bend, and the noise
GRID = 121  # values of n_balance, its two ends among them
FINE = 33  # more of them round the best, four standard errors to either side
REACH = (1e-2, 1e3)  # of n_balance, as multiples of the smallest and the largest count
ROUNDING = 1e-6  # standard deviation of log S: no score is measured so finely


def abscissa(n: np.ndarray, balance: np.ndarray) -> np.ndarray:
    """x = log(E[D(n)] / E[D(1)]) = log(n (n + b) / (1 + b)) / 2, at the limit for infinite b.

    Args:
        n: token counts > 0, shape (..., m).
        balance: n_balance >= 0, shape (g,).

    Returns:
        Shape (g, ..., m).
    """
    b = np.asarray(balance, np.float64).reshape(-1, *(1,) * np.ndim(n))
    finite = np.where(np.isinf(b), 1.0, b)
    rest = np.where(np.isinf(b), 0.0, np.log((n + finite) / (1 + finite)))
    return (np.log(n) + rest) / 2


@dataclass(frozen=True)
class Family:
    """Curves of score against count on the union of their counts.

    names: of the K curves; n: (m,) ascending; log_score: (K, m), 0 where a curve has no score;
    present: (K, m), whether it has one; near, width: an n_balance, and a step of its logarithm,
    round which the grid of `grid` is finer.
    """

    names: tuple[str, ...]
    n: np.ndarray
    log_score: np.ndarray
    present: np.ndarray
    near: float = 0.0
    width: float = 0.0

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> Family:
        """From curves of one model; InputError names the one that cannot be fitted."""
        if not curves:
            raise InputError("a joint fit needs at least one curve")
        logs = []
        for curve in curves:
            name = curve.name
            log_n, log_score, _ = curve.logs(Log())
            twice = np.flatnonzero(np.diff(log_n) == 0)
            if len(twice):
                raise InputError(
                    f"{name}: n = {np.exp(log_n[twice[0]]):.6g} stands there twice; a joint fit "
                    "takes one score a count: average them, or name the curves apart"
                )
            if len(log_n) < LEAST_POINTS:
                raise InputError(
                    f"{name}: has {len(log_n)} points; a joint fit needs {LEAST_POINTS} of each "
                    "curve: leave it out"
                )
            logs.append((log_n, log_score))
        union = np.unique(np.concatenate([x for x, _ in logs]))
        y = np.zeros((len(logs), len(union)))
        present = np.zeros(y.shape, bool)
        for k, (log_n, log_score) in enumerate(logs):
            at = np.searchsorted(union, log_n)
            y[k, at], present[k, at] = log_score, True
        return cls(tuple(curve.name for curve in curves), np.exp(union), y, present)

    @cached_property
    def counts(self) -> np.ndarray:
        """Points of each curve, (K,)."""
        return self.present.sum(axis=1)

    @cached_property
    def grid(self) -> np.ndarray:
        """Values of n_balance from 0 to infinity at which profiles are drawn."""
        low, high = REACH[0] * self.n[0], REACH[1] * self.n[-1]
        between = np.geomspace(low, high, GRID - 2)
        if self.near:
            fine = self.near * np.exp(np.linspace(-4, 4, FINE) * self.width)
            between = np.unique(np.r_[between, fine[(fine > low) & (fine < high)]])
        return np.concatenate([[0.0], between, [np.inf]])

    def less_mean(self, values: np.ndarray) -> np.ndarray:
        """Values (..., K, m) less the mean of each curve; 0 where a curve has no score."""
        kept = np.where(self.present, values, 0.0)
        return np.where(self.present, kept - kept.sum(-1, keepdims=True) / self.counts[:, None], 0)

    def directions(self, balance: np.ndarray) -> np.ndarray:
        """u of each curve at each n_balance, (g, K, m): x less its mean, of length 1."""
        x = self.less_mean(abscissa(self.n, balance)[:, None, :])
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def squares(self, directions: np.ndarray, log_score: np.ndarray | None = None) -> np.ndarray:
        """Sums of squares about the best lines, (..., g, K), of these log scores or of others.

        Args:
            directions: from `directions`, (g, K, m).
            log_score: (..., K, m); the family's own by default.
        """
        y = self.less_mean(self.log_score if log_score is None else log_score)
        along = np.einsum("...km,gkm->...gk", y, directions, optimize=True)
        return self._floor((y * y).sum(-1)[..., None, :] - along**2)

    def bent(self, log_score: np.ndarray | None = None) -> np.ndarray:
        """Sums of squares about the best parabola in log n of each curve, (..., K)."""
        y = self.less_mean(self.log_score if log_score is None else log_score)
        along = sum((y * axis).sum(-1) ** 2 for axis in self._parabola)
        return self._floor((y * y).sum(-1) - along)

    def bends(self) -> np.ndarray:
        """Second coefficient of the best parabola of each curve, up to a factor > 0, (K,)."""
        return (self.less_mean(self.log_score) * self._parabola[1]).sum(-1)

    @cached_property
    def _parabola(self) -> tuple[np.ndarray, np.ndarray]:
        """Directions (K, m) of log n, and of what (log n)^2 adds to it."""
        first = self.directions(np.array([0.0]))[0]
        second = self.less_mean(np.broadcast_to(np.log(self.n) ** 2, first.shape))
        second = second - (second * first).sum(-1, keepdims=True) * first
        return first, second / np.linalg.norm(second, axis=-1, keepdims=True)

    def _floor(self, squares: np.ndarray) -> np.ndarray:
        return np.maximum(squares, self.counts * ROUNDING**2)

    def lines(self, balance: float) -> tuple[np.ndarray, np.ndarray]:
        """(log c, beta) of each curve, (K,) each, at a shared n_balance."""
        x = np.where(self.present, abscissa(self.n, np.array([balance]))[0], 0.0)
        centred = self.less_mean(x)
        beta = (centred * self.log_score).sum(-1) / (centred**2).sum(-1)
        total = (np.where(self.present, self.log_score, 0) - beta[:, None] * x).sum(-1)
        return total / self.counts, beta

    def fitted(self, balance: float) -> np.ndarray:
        """log S of the best lines at a shared n_balance, (K, m)."""
        log_c, beta = self.lines(balance)
        x = abscissa(self.n, np.array([balance]))[0]
        return np.where(self.present, log_c[:, None] + beta[:, None] * x, 0.0)

    def at(self, n: np.ndarray) -> Family:
        """Curves of these names with a score, 1, at each of other counts: to be drawn anew."""
        shape = (len(self.names), len(n))
        return Family(self.names, n, np.zeros(shape), np.ones(shape, bool))
