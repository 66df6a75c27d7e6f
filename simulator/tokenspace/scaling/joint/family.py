"""The curves of one model side by side, and their sums of squares at any shared n_balance.

At a given n_balance the crossover law is a straight line in log S,

    log S_k(n) = log c_k + beta_k x(n),    x(n) = log(n (n + n_balance) / (1 + n_balance)) / 2,

so that its best sum of squares is a projection, in closed form: RSS_k = |y|^2 - (u . y)^2, with y
the log scores less their mean, and u the same of x, of length 1. The power law is both ends,
n_balance = 0 (x = log n) and infinity (x = log(n) / 2). Where scores have standard errors, the
points of a curve weigh against each other as in its single fit: means are weighted, and y and x
less theirs are times the root of the weight. Curves of one variance by their errors weigh against
each other too (`joint.stated`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenspace.errors import InputError
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.predictive import LEAST_SCATTER
from tokenspace.scaling.scales import Log

LEAST_POINTS = 4  # of a curve: a level, a slope, a bend, and the noise
GRID = 121  # values of n_balance, its two ends among them
FINE = 33  # more of them round the best, four standard errors to either side
REACH = (1e-2, 1e3)  # of n_balance, as multiples of the smallest and the largest count
FACTORS = 8  # sums of squares, 1e-11 to 1e7, that are multiplied before the logarithm
CACHE = 1 << 16  # numbers of an array that stays in the cache


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

    names: of the K curves; n: (m,) ascending, a count as often as the curve that has most scores
    there; log_score: (K, m), 0 where a curve has no score; weight: (K, m), of the points of a curve
    against each other, mean 1, and 0 where it has no score; together: (K,), which curves have one
    variance, none by default: their weights are of mean 1 over all of them; near, width: an
    n_balance, and a step of its logarithm, round which the grid of `grid` is finer.
    """

    names: tuple[str, ...]
    n: np.ndarray
    log_score: np.ndarray
    weight: np.ndarray
    together: np.ndarray | None = None
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
            log_n, log_score, weight = curve.logs(Log())
            if (different := len(np.unique(log_n))) < LEAST_POINTS:
                raise InputError(
                    f"{name}: has {different} different n; a joint fit needs {LEAST_POINTS} of "
                    "each curve: leave it out"
                )
            logs.append((log_n, log_score, weight))
        union = _union([log_n for log_n, _, _ in logs])
        y, weights = np.zeros((2, len(logs), len(union)))
        for k, (log_n, log_score, weight) in enumerate(logs):
            at = np.searchsorted(union, log_n) + earlier(log_n)
            y[k, at], weights[k, at] = log_score, weight
        return cls(tuple(curve.name for curve in curves), np.exp(union), y, weights)

    @cached_property
    def present(self) -> np.ndarray:
        """Whether a curve has a score, (K, m)."""
        return self.weight > 0

    @cached_property
    def counts(self) -> np.ndarray:
        """Points of each curve, (K,)."""
        return self.present.sum(axis=1)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Mean weight of the points of each curve, (K,), 1 where its variance is its own."""
        return np.where(self.alone, 1.0, self.weight.sum(axis=1) / self.counts)

    @cached_property
    def different(self) -> np.ndarray:
        """Different n of each curve, (K,)."""
        return np.array([len(np.unique(self.n[own])) for own in self.present])

    @cached_property
    def grid(self) -> np.ndarray:
        """Values of n_balance from 0 to infinity at which profiles are drawn."""
        low, high = REACH[0] * self.n[0], REACH[1] * self.n[-1]
        between = np.geomspace(low, high, GRID - 2)
        if self.near:
            fine = self.near * np.exp(np.linspace(-4, 4, FINE) * self.width)
            between = np.unique(np.r_[between, fine[(fine > low) & (fine < high)]])
        return np.concatenate([[0.0], between, [np.inf]])

    @cached_property
    def shared_weight(self) -> np.ndarray:
        """`weight`, or its one row, (1, m), where all curves have the same: they share matrices."""
        same = (self.weight == self.weight[0]).all()
        return self.weight[:1] if same else self.weight

    @cached_property
    def root(self) -> np.ndarray:
        """Root of `shared_weight`: times a residual, noise of the same size at every point."""
        return np.sqrt(self.shared_weight)

    def less_mean(self, values: np.ndarray) -> np.ndarray:
        """Values (..., K, m) less the mean of each curve, times `root`."""
        return self.root * (values - mean(values, self.shared_weight))

    def centred(self, log_score: np.ndarray | None = None) -> np.ndarray:
        """y of these log scores or of others (..., K, m), curves first: (K, ..., m)."""
        y = self.less_mean(self.log_score if log_score is None else log_score)
        return np.ascontiguousarray(np.moveaxis(y, -2, 0))

    def directions(self, balance: np.ndarray) -> np.ndarray:
        """u of each curve at each n_balance, (K, m, g): x less its mean, of length 1.

        (1, m, g) where all curves have the same.
        """
        x = self.less_mean(abscissa(self.n, balance)[:, None, :])
        u = x / np.linalg.norm(x, axis=-1, keepdims=True)
        return np.ascontiguousarray(np.moveaxis(u, 0, 2))

    def best_of(self, height: np.ndarray) -> np.ndarray:
        """The n_balance of the grid that has the least height (..., g).

        The two ends of the grid are one law, whose heights differ by rounding: it is called 0.
        """
        return np.asarray(self.grid[height[..., :-1].argmin(-1)])

    @cached_property
    def on_grid(self) -> np.ndarray:
        """`directions` over the grid."""
        return self.directions(self.grid)

    def squares(self, directions: np.ndarray, log_score: np.ndarray | None = None) -> np.ndarray:
        """Sums of squares about the best lines, (K, ..., g), of these log scores or of others.

        Args:
            directions: from `directions`, of g values of n_balance.
            log_score: (..., K, m); the family's own by default.
        """
        y = self.centred(log_score)
        return self.floor((y * y).sum(-1)[..., None] - along(y, directions) ** 2)

    def bent(self, log_score: np.ndarray | None = None) -> np.ndarray:
        """Sums of squares about the best parabola in log n of each curve, (K, ...)."""
        y = self.less_mean(self.log_score if log_score is None else log_score)
        taken = sum((y * axis).sum(-1) ** 2 for axis in self._parabola)
        return self.floor(np.moveaxis((y * y).sum(-1) - taken, -1, 0))

    def bends(self) -> np.ndarray:
        """Second coefficient of the best parabola of each curve, up to a factor > 0, (K,)."""
        return (self.less_mean(self.log_score) * self._parabola[1]).sum(-1)

    @cached_property
    def _parabola(self) -> tuple[np.ndarray, np.ndarray]:
        """Directions (K, m) of log n, and of what (log n)^2 adds to it."""
        first = self.directions(np.array([0.0]))[..., 0]
        second = self.less_mean(np.log(self.n) ** 2)
        second = second - (second * first).sum(-1, keepdims=True) * first
        return first, second / np.linalg.norm(second, axis=-1, keepdims=True)

    def floor(self, squares: np.ndarray) -> np.ndarray:
        """Sums of squares (K, ...), no less than rounding leaves of each curve."""
        return np.maximum(squares, self.rounding.reshape(-1, *(1,) * (squares.ndim - 1)))

    @cached_property
    def rounding(self) -> np.ndarray:
        """Weighted sum of squares of each curve that rounding of its log S leaves, (K,)."""
        return self.counts * self.sizes * LEAST_SCATTER**2

    @cached_property
    def alone(self) -> np.ndarray:
        """Whether a curve has a variance of its own, (K,)."""
        every = np.ones(len(self.names), bool)
        return every if self.together is None else ~self.together

    def log_likelihood(self, squares: np.ndarray) -> np.ndarray:
        """-2 log L up to a constant, (...), of sums of squares (K, ...).

        sum_k m_k log RSS_k over the curves of a variance of their own, and M log sum_k RSS_k over
        those of one variance, with M points.
        """
        own = self.alone
        total = np.tensordot(self.counts[own].astype(float), np.log(squares[own]), axes=1)
        if own.all():
            return total
        return np.asarray(total + self.counts[~own].sum() * np.log(squares[~own].sum(axis=0)))

    def profile(
        self, y: np.ndarray, directions: np.ndarray, least: np.ndarray | None = None
    ) -> np.ndarray:
        """`log_likelihood` of `squares` at g values of n_balance, (..., g), a few curves at a time.

        Args:
            y: from `centred`, (K, ..., m).
            directions: from `directions`.
            least: (K, ...), filled with the least sum of squares of each curve.
        """
        total = np.zeros((*y.shape[1:-1], directions.shape[-1]))
        some = max(CACHE // max(total.size, 1) // FACTORS, 1) * FACTORS
        whole = np.einsum("...m,...m->...", y, y)[..., None]

        def squares(chosen: np.ndarray) -> Iterator[np.ndarray]:
            """Of the curves that are chosen, (some, ..., g)."""
            own = np.flatnonzero(chosen)
            for first in range(0, len(own), some):
                now = own[first : first + some]
                rest = along(y[now], directions if len(directions) == 1 else directions[now])
                rest *= rest
                np.subtract(whole[now], rest, out=rest)
                np.maximum(rest, self.rounding[now].reshape(-1, *(1,) * total.ndim), out=rest)
                if least is not None:
                    least[now] = rest.min(-1)
                yield rest

        if not self.alone.all():
            for rest in squares(~self.alone):
                total += rest.sum(axis=0)
            np.log(total, out=total)
            total *= self.counts[~self.alone].sum()
        for count in np.unique(self.counts[self.alone]):
            for rest in squares(self.alone & (self.counts == count)):
                even = len(rest) // FACTORS * FACTORS
                products = rest[:even].reshape(-1, FACTORS, *total.shape).prod(axis=1)
                total += count * np.log(products).sum(axis=0)
                total += count * np.log(rest[even:].prod(axis=0))
        return total

    def lines(self, balance: float) -> tuple[np.ndarray, np.ndarray]:
        """(log c, beta) of each curve, (K,) each, at a shared n_balance."""
        x = abscissa(self.n, np.array([balance]))[0]
        centred = self.less_mean(x)
        beta = (centred * self.root * self.log_score).sum(-1) / (centred**2).sum(-1)
        return mean(self.log_score - beta[:, None] * x, self.shared_weight)[:, 0], beta

    def fitted(self, balance: float) -> np.ndarray:
        """log S of the best lines at a shared n_balance, (K, m)."""
        log_c, beta = self.lines(balance)
        x = abscissa(self.n, np.array([balance]))[0]
        return np.where(self.present, log_c[:, None] + beta[:, None] * x, 0.0)

    def at(self, n: np.ndarray) -> Family:
        """Curves of these names with a score, 1, at each of other counts: to be drawn anew.

        Scores of a curve weigh alike there: what errors they would have is not known.
        """
        shape = (len(self.names), len(n))
        weight = np.ones(shape) * self.sizes[:, None]
        return Family(self.names, n, np.zeros(shape), weight, together=self.together)


def along(y: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """u . y of y (K, ..., m) and directions (K or 1, m, g), (K, ..., g)."""
    flat = y.reshape(len(directions), -1, y.shape[-1])
    return (flat @ directions).reshape(*y.shape[:-1], directions.shape[-1])


def mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Means (..., K, 1) of values (..., K, m) that count by weight (K, m)."""
    return (values * weight).sum(-1, keepdims=True) / weight.sum(-1, keepdims=True)


def earlier(ascending: np.ndarray) -> np.ndarray:
    """How many of its equals stand before each value."""
    return np.arange(len(ascending)) - np.searchsorted(ascending, ascending)


def _union(lists: Sequence[np.ndarray]) -> np.ndarray:
    """Every value, as often as the list that has it most often; lists and result ascend."""
    values = np.concatenate(lists)
    pairs = np.unique(np.stack([values, np.concatenate([earlier(x) for x in lists])]), axis=1)
    return np.asarray(pairs[0])
