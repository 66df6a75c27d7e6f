"""What a law says of a score that was not measured: a distribution, with scatter.

A law's shapes (a crossover, a rate, a break) are laid out on a grid, equally likely beforehand.
Given shapes, the rest is least squares, and a new log S is distributed as Student's t: centre
f(x*), scale s sqrt(1 + h), with s^2 = RSS / (m - k) from m points and k parameters that are no
shapes, and h = J* (J^T W J)^+ J*^T. The law's forecast mixes them by what the data say of the
shapes, weight RSS^(-(m - k) / 2). Where the variance v of noise is known, it is normal instead,
with s^2 = v and weight exp(-RSS / (2 v)). Under a robust loss RSS / (m - k) is not the variance of
noise: the least RSS counts `spread` times, and the degrees of freedom `told` times. Laws without
shapes give one such t: for the power law it is the interval of the textbooks, exact for normal
noise. For the others tests count how often it covers.

Source: A. Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, ch. 14 (Student's t).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln, stdtr, stdtrit

from tokenspace.scaling.held import fit_held
from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import minimise
from tokenspace.scaling.points import Points
from tokenspace.scaling.student import student
from tokenspace.scaling.systems import inverse

LEAST_SCATTER = 1e-6  # residual standard deviation of log S: no score is measured so finely
REFINED = 3  # lowest points of the grid from which the shapes are refined
ROUNDS = 100  # of the search for a quantile, about 5 of which are enough
FAR_FROM_SINGULAR = 1e-8  # determinant over that of a sphere of the same trace: errors below 1e-7
CLOSE = 1e-8  # of the smallest scale: Newton's last step, whose error is about its square


@dataclass(frozen=True)
class Mixture:
    """Mixtures of Student's t, one for each (curve, new point): arrays (curves, points, k).

    weight adds up to 1 over k; degrees of freedom are at least 1, infinite: normal.
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
        finite = np.isfinite(self.freedom)
        v = np.where(finite, self.freedom, 1.0)
        with np.errstate(divide="ignore", over="ignore"):
            z = (np.asarray(y)[..., None] - self.centre) / self.scale
            logs = gammaln((v + 1) / 2) - gammaln(v / 2) - np.log(v * np.pi) / 2
            logs = logs - np.log(self.scale) - (v + 1) / 2 * np.log1p(z**2 / v)
            if not finite.all():
                normal = -np.log(self.scale) - (np.log(2 * np.pi) + z**2) / 2
                logs = np.where(finite, logs, normal)
            logs = logs + np.log(self.weight)
        top = logs.max(axis=-1)
        return np.asarray(top + np.log(np.exp(logs - top[..., None]).sum(axis=-1)))

    def quantile(self, p: float) -> np.ndarray:
        """The y with P(log S <= y) = p, (curves, points), by Newton's method between bounds.

        It lies between the least and the largest such y of the parts. A step that leaves these
        bounds, or is longer than half the one before, is replaced by halving them.
        """
        kinds, which = np.unique(self.freedom, return_inverse=True)
        own = self.centre + self.scale * stdtrit(kinds, p)[which].reshape(self.freedom.shape)
        counted = self.weight > 1e-12
        low = np.where(counted, own, np.inf).min(axis=-1).ravel()
        high = np.where(counted, own, -np.inf).max(axis=-1).ravel()
        y = np.clip((self.weight * own).sum(axis=-1).ravel(), low, high)
        moved = high - low
        lanes = self._flat()
        active = np.flatnonzero(moved > 0)
        for _ in range(ROUNDS):
            if not len(active):
                break
            now, at = lanes[active], y[active]
            with np.errstate(over="ignore"):
                z = (at[:, None] - now.centre) / now.scale
            below, density = student(now.freedom, z)
            above = (now.weight * below).sum(axis=1) - p
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = above / (now.weight * density / now.scale).sum(axis=1)
            low[active] = np.where(above <= 0, at, low[active])
            high[active] = np.where(above >= 0, at, high[active])
            fast = np.abs(step) <= moved[active] / 2
            fast &= (low[active] <= at - step) & (at - step <= high[active])
            y[active] = np.where(fast, at - step, (low[active] + high[active]) / 2)
            moved[active] = np.abs(y[active] - at)
            least = CLOSE * now.scale.min(axis=1) + 4 * np.spacing(np.abs(at))
            active = active[moved[active] > least]
        return y.reshape(self.weight.shape[:-1])

    @property
    def _parts(self) -> tuple[np.ndarray, ...]:
        return self.weight, self.centre, self.scale, self.freedom

    def _flat(self) -> Mixture:
        """All curves and points in a row, (lanes, k)."""
        return Mixture(*(a.reshape(-1, a.shape[-1]) for a in self._parts))

    def __getitem__(self, which: np.ndarray) -> Mixture:
        return Mixture(*(a[which] for a in self._parts))


@dataclass(frozen=True)
class Grid:
    """A law fitted to curves with its shapes held: raw parameters (curves, k, p), and squares.

    starts: where the fits began, shape of raw; None: where they are not those of the law.
    """

    law: ScalingLaw
    points: Points
    raw: np.ndarray
    squares: np.ndarray
    starts: np.ndarray | None = None

    @classmethod
    def fitted(cls, law: ScalingLaw, starts: np.ndarray, points: Points) -> Grid:
        """From raw parameters (curves, k, p), the last `law.shapes` of which are held."""
        curves, k, size = starts.shape
        curve = np.repeat(np.arange(curves), k)
        raw, squares = fit_held(law, starts.reshape(-1, size), points, curve)
        return cls(law, points, raw.reshape(starts.shape), squares.reshape(curves, k), starts)

    def __getitem__(self, which: np.ndarray) -> Grid:
        starts = None if self.starts is None else self.starts[which]
        return Grid(self.law, self.points[which], self.raw[which], self.squares[which], starts)

    @cached_property
    def slopes(self) -> np.ndarray:
        """d log S / d raw of what is no shape at the curves' points, (curves, k, points, kept)."""
        return self._slopes(self.points.x)

    def _slopes(self, x: np.ndarray) -> np.ndarray:
        curves, k, size = self.raw.shape
        found = self.law.slopes(self.raw.reshape(-1, size), np.repeat(x, k, axis=0))
        return found[..., : size - self.law.shapes].reshape(curves, k, x.shape[1], -1)

    def log_scores(self, x: np.ndarray) -> np.ndarray:
        """log S at log n = x (curves, points): (curves, k, points)."""
        curves, k, size = self.raw.shape
        found = self.law.log_scores(self.raw.reshape(-1, size), np.repeat(x, k, axis=0))
        return found.reshape(curves, k, -1)

    @cached_property
    def inverse(self) -> np.ndarray:
        """(J^T W J)^+ of what is no shape, (curves, k, kept, kept)."""
        slopes, weight = self.slopes, self.points.weight
        kept = slopes.shape[-1]
        entries = {
            (i, j): np.einsum("cm,ckm,ckm->ck", weight, slopes[..., i], slopes[..., j])
            for i in range(kept)
            for j in range(i + 1)
        }
        with np.errstate(all="ignore"):
            found, determinant = inverse(entries, kept)
        size = np.mean([entries[i, i] for i in range(kept)], axis=0)
        untold = ~(determinant > FAR_FROM_SINGULAR * size**kept)
        if untold.any():
            rows = [
                [entries[max(i, j), min(i, j)][untold] for j in range(kept)] for i in range(kept)
            ]
            matrix = np.moveaxis(np.array(rows), -1, 0)
            found[:, :, untold] = np.moveaxis(np.linalg.pinv(matrix, hermitian=True), 0, -1)
        return np.ascontiguousarray(np.moveaxis(found, (0, 1), (-2, -1)))

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
        curves, k, size = starts.shape
        lanes = starts.reshape(-1, size)
        stay = np.zeros(lanes.shape, bool)
        curve = np.repeat(np.arange(curves), k)
        raw, squares = minimise(self.law, lanes, stay, self.points, curve=curve)
        return raw.reshape(starts.shape), squares.reshape(curves, k)

    @property
    def freedom(self) -> np.ndarray:
        """Points less what is no shape, at least 1, (curves, 1)."""
        kept = self.raw.shape[2] - self.law.shapes
        return np.maximum(self.points.counts - kept, 1)[:, None]

    def shares(self) -> np.ndarray:
        """How likely the shapes are, given the scores, (curves, k): adds up to 1."""
        if self.law.shapes:
            logs = -self._told / 2 * np.log(self._rss)
            logs = np.where(self._known, -self._rss / (2 * self._noise), logs)
        else:  # starts are no shapes: the best of them is the fit
            best = self.squares.argmin(axis=1)[:, None]
            logs = np.where(np.arange(self.raw.shape[1]) == best, 0.0, -np.inf)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    @property
    def _rss(self) -> np.ndarray:
        rss = np.maximum(self.squares, self.points.counts[:, None] * LEAST_SCATTER**2)
        return np.asarray(rss + (self.points.spread - 1) * rss.min(axis=1, keepdims=True))

    @property
    def _known(self) -> np.ndarray:
        """Whether the noise of a curve is known, (curves, 1)."""
        noise = self.points.noise
        return np.isfinite(np.full(len(self.raw), np.nan) if noise is None else noise)[:, None]

    @property
    def _noise(self) -> np.ndarray:
        """Variance of log S of a point of weight 1, (curves, k)."""
        noise = self._rss / self.freedom
        if self.points.noise is None:
            return np.asarray(noise)
        return np.where(self._known, self.points.noise[:, None], noise)

    @property
    def _told(self) -> np.ndarray:
        return np.maximum(self.points.told * self.freedom, 1)

    def predict(self, x: np.ndarray, weight: np.ndarray | None = None) -> Mixture:
        """The distribution of log S at log n = x (curves, points).

        weight: of the new points, (curves, points), as the weights of the fit; 1 if not given.
        """
        ahead = self._slopes(x)
        leverage = np.einsum("ckip,ckpq,ckiq->cki", ahead, self.inverse, ahead, optimize=True)
        own = 1.0 if weight is None else 1 / weight[:, None, :]
        scale = np.sqrt(self._noise[:, :, None] * (own + leverage))
        shape = (len(x), x.shape[1], self.raw.shape[1])
        freedom = np.where(self._known, np.inf, self._told)
        return Mixture(
            np.broadcast_to(self.shares()[:, None, :], shape),
            np.swapaxes(self.log_scores(x), 1, 2),
            np.swapaxes(scale, 1, 2),
            np.broadcast_to(freedom[:, None, :], shape),
        )


def on_grid(law: ScalingLaw, points: Points) -> Grid:
    """Fit a law with its shapes held at each value of its grid."""
    return Grid.fitted(law, starts_of(law, points), points)


def starts_of(law: ScalingLaw, points: Points) -> np.ndarray:
    """Where fits of a law start, (curves, k, p): of curves of as many points together."""
    counts, place = np.unique(points.counts, return_inverse=True)
    rows = [np.flatnonzero(place == k) for k in range(len(counts))]
    found = [
        law.starts_of(points.x[which, :m], points.y[which, :m])
        for which, m in zip(rows, counts, strict=True)
    ]
    return np.concatenate(found)[np.argsort(np.concatenate(rows))]
