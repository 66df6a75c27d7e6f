"""What a law says of a score that was not measured: a distribution, with scatter.

A law's shapes (a crossover, a rate, a break) are laid out on a grid, equally likely beforehand.
Given shapes, the rest is least squares, and a new log S is distributed as Student's t: centre
f(x*), scale s sqrt(1 + h), with s^2 = RSS / (m - k) from m points and k parameters that are no
shapes, and h = J* (J^T W J)^+ J*^T. The law's forecast mixes them by what the data say of the
shapes, weight RSS^(-(m - k) / 2). Under a robust loss RSS / (m - k) is not the variance of noise:
the least RSS counts `spread` times, and the degrees of freedom `told` times. Laws without shapes
give one such t: for the power law it is the interval of the textbooks, exact for normal noise. For
the others tests count how often it covers.

Source: A. Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, ch. 14 (Student's t).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, stdtr, stdtrit

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import Points, minimise

ROUNDING = 1e-6  # residual standard deviation of log S: no score is measured so finely
REFINED = 3  # lowest points of the grid from which the shapes are refined
HALVINGS = 60


@dataclass(frozen=True)
class Mixture:
    """Mixtures of Student's t, one for each (curve, new point): arrays (curves, points, k).

    weight adds up to 1 over k; degrees of freedom are at least 1.
    """

    weight: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray

    def cdf(self, y: np.ndarray) -> np.ndarray:
        """P(log S <= y), y (curves, points)."""
        with np.errstate(over="ignore"):
            z = (np.asarray(y)[..., None] - self.centre) / self.scale
        return (self.weight * stdtr(self.freedom, z)).sum(axis=-1)

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """log p(log S = y), y (curves, points)."""
        v = self.freedom
        with np.errstate(divide="ignore", over="ignore"):
            z = (np.asarray(y)[..., None] - self.centre) / self.scale
            logs = gammaln((v + 1) / 2) - gammaln(v / 2) - np.log(v * np.pi) / 2
            logs = logs - np.log(self.scale) - (v + 1) / 2 * np.log1p(z**2 / v)
            logs = logs + np.log(self.weight)
        top = logs.max(axis=-1)
        return np.asarray(top + np.log(np.exp(logs - top[..., None]).sum(axis=-1)))

    def quantile(self, p: float) -> np.ndarray:
        """The y with P(log S <= y) = p, (curves, points), by halving.

        It lies between the least and the largest such y of the parts.
        """
        own = self.centre + self.scale * stdtrit(self.freedom, p)
        counted = self.weight > 1e-12
        low = np.where(counted, own, np.inf).min(axis=-1)
        high = np.where(counted, own, -np.inf).max(axis=-1)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = self.cdf(middle) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray((low + high) / 2)


@dataclass(frozen=True)
class Grid:
    """A law fitted to curves with its shapes held at each of `starts`: raw (curves, k, p)."""

    law: ScalingLaw
    points: Points
    raw: np.ndarray
    squares: np.ndarray

    def refined(self) -> tuple[np.ndarray, np.ndarray]:
        """Optima (curves, j, p) and their sums of squares, from the lowest points of the grid."""
        squares = self.squares
        if self.law.shapes == 1 and squares.shape[1] > REFINED:
            # no valley is missed for its wider neighbour: only lowest points of valleys count
            padded = np.pad(squares, ((0, 0), (1, 1)), constant_values=np.inf)
            valley = (squares <= padded[:, :-2]) & (squares <= padded[:, 2:])
            squares = np.where(valley, squares, squares + squares.max(axis=1, keepdims=True))
        few = np.argsort(squares, axis=1, kind="stable")[:, :REFINED]
        starts = np.take_along_axis(self.raw, few[:, :, None], axis=1)
        if not self.law.shapes:
            return starts, np.take_along_axis(self.squares, few, axis=1)
        return _each(self.law, starts, self.points, held=0)

    def predict(self, x: np.ndarray, weight: np.ndarray | None = None) -> Mixture:
        """The distribution of log S at log n = x (curves, points).

        weight: of the new points, (curves, points), as the weights of the fit; 1 if not given.
        """
        curves, k, size = self.raw.shape
        kept = size - self.law.shapes
        count = self.points.counts
        freedom = np.maximum(count - kept, 1)[:, None]
        rss = np.maximum(self.squares, count[:, None] * ROUNDING**2)
        rss = rss + (self.points.spread - 1) * rss.min(axis=1, keepdims=True)
        told = np.maximum(self.points.told * freedom, 1)
        if self.law.shapes:
            logs = -told / 2 * np.log(rss)
        else:  # starts are no shapes: the best of them is the fit
            logs = np.where(np.arange(k) == self.squares.argmin(axis=1)[:, None], 0.0, -np.inf)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        lanes = self.raw.reshape(-1, size)
        at, new = (np.repeat(a, k, axis=0) for a in (self.points.x, x))
        jacobian = self.law.slopes(lanes, at)[..., :kept]
        w = np.repeat(self.points.weight, k, axis=0)[:, :, None]
        inverse = np.linalg.pinv(np.swapaxes(w * jacobian, 1, 2) @ jacobian, hermitian=True)
        ahead = self.law.slopes(lanes, new)[..., :kept]
        leverage = np.einsum("lip,lpq,liq->li", ahead, inverse, ahead).reshape(curves, k, -1)
        centre = self.law.log_scores(lanes, new).reshape(curves, k, -1)
        own = 1.0 if weight is None else 1 / weight[:, None, :]
        scale = np.sqrt((rss / freedom)[:, :, None] * (own + leverage))
        shape = (curves, x.shape[1], k)
        return Mixture(
            np.broadcast_to(shares[:, None, :], shape),
            np.swapaxes(centre, 1, 2),
            np.swapaxes(scale, 1, 2),
            np.broadcast_to(told[:, None, :], shape),
        )


def on_grid(law: ScalingLaw, points: Points) -> Grid:
    """Fit a law with its shapes held at each value of its grid."""
    starts = np.stack(
        [law.starts(points.x[k, :m], points.y[k, :m]) for k, m in enumerate(points.counts)]
    )
    return Grid(law, points, *_each(law, starts, points, held=law.shapes))


def _each(
    law: ScalingLaw, starts: np.ndarray, points: Points, held: int
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise from starts (curves, k, p) with the last `held` parameters held."""
    curves, k, size = starts.shape
    lanes = starts.reshape(-1, size)
    stay = np.broadcast_to(np.arange(size) >= size - held, lanes.shape)
    raw, squares = minimise(law, lanes, stay, points[np.repeat(np.arange(curves), k)])
    return raw.reshape(starts.shape), squares.reshape(curves, k)
