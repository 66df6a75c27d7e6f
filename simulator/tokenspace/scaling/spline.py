"""A curve that follows no law: a straight line in log-log with a bend that wanders.

log S = a + b u + tau f(u) + noise of variance sigma^2 / weight, where u runs from 0 to 1 over the
log n that were measured and f is once integrated Brownian motion, Cov(f(s), f(t)) = K(s, t). Flat
beforehand in a, b and log sigma, its mean given the scores is the cubic smoothing spline. The
roughness rho = tau^2 / sigma^2 is laid out on a grid, equally likely in log rho, as the shapes of a
law are. Given rho, with M = 1 / weight + rho K and G = M^-1 less what straight lines take of it,
RSS = y' G y has m - 2 degrees of freedom, a curve scatters as Student's t, and
p(y) ~ (|M| |X' M^-1 X|)^(-1/2) RSS^(-(m - 2) / 2), X the lines. Where sigma^2 = v is known, a curve
scatters normally instead, and the last factor is exp(-RSS / (2 v)). What is left of G after some
points is their inverse covariance given all others, so no fit is done twice to leave points out.

Source: G. Wahba, Journal of the Royal Statistical Society B 40, 364, 1978.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenspace.scaling.predictive import LEAST_SCATTER, Mixture

# rho for counts one apart: tau f is 1.6 sigma large (rho = 1) to 16 sigma (rho = 100) at the next
# count but one, and its second differences 0.8 to 8.2 sigma, where those of noise are 2.4 sigma. A
# rougher curve would take noise for its bends.
ROUGHNESS = 10.0 ** np.arange(0, 2.5, 0.5)


@dataclass(frozen=True)
class Spline:
    """The smoother of points u in [0, 1] with weights > 0, both (m,), at every roughness (k,).

    Where its methods take noise, that is sigma^2 of each curve, (curves,), not a number where it is
    not known; None: of none.
    """

    u: np.ndarray
    weight: np.ndarray

    @cached_property
    def roughness(self) -> np.ndarray:
        """rho of u, (k,): f moves as step^3, and steps are 1 / (different u - 1) on average."""
        return np.asarray(ROUGHNESS * (len(np.unique(self.u)) - 1) ** 3)

    @cached_property
    def _solved(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The line's part of y (k, 2, m), G (k, m, m), and log |M| |X' M^-1 X| (k,)."""
        lines = straight(self.u)
        full = np.diag(1 / self.weight) + self.roughness[:, None, None] * covariance(self.u, self.u)
        inverse = np.linalg.inv(full)
        told = lines.T @ inverse @ lines
        line = np.linalg.solve(told, lines.T @ inverse)
        size = np.linalg.slogdet(full)[1] + np.linalg.slogdet(told)[1]
        return line, inverse - inverse @ lines @ line, size

    def smoother(self, u: np.ndarray) -> np.ndarray:
        """What the mean at u is of y, (k, len(u), m)."""
        line, rest, _ = self._solved
        bend = self.roughness[:, None, None] * (covariance(u, self.u) @ rest)
        return np.asarray(straight(u) @ line + bend)

    def squares(self, y: np.ndarray) -> np.ndarray:
        """RSS of log scores (curves, m), (curves, k)."""
        rss = np.einsum("kij,ci,cj->ck", self._solved[1], y, y, optimize=True)
        return np.maximum(rss, len(self.u) * LEAST_SCATTER**2)

    def shares(self, y: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """How likely each roughness is, given log scores (curves, m): (curves, k)."""
        known = _of_each(noise, len(y))
        return _shares(self._solved[2], self.squares(y), len(self.u) - 2, known)

    def leave_one_out(self, y: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """Log density of each log S given those at all other u, (curves, m), as of laws."""
        _, rest, size = self._solved
        found = np.empty(y.shape)
        known = _of_each(noise, len(y))
        for value in np.unique(self.u):
            out = self.u == value
            there = rest[:, out][:, :, out]
            spread = np.linalg.inv(there)  # covariance of what is left out, over sigma^2
            pull = np.einsum("kam,cm->kca", rest[:, out], y)
            miss = pull @ spread  # y less its mean given the others, (k, curves, points)
            squares = self.squares(y) - (pull * miss).sum(axis=2).T
            squares = np.maximum(squares, len(self.u) * LEAST_SCATTER**2)
            freedom = int((~out).sum()) - 2
            shares = _shares(size + np.linalg.slogdet(there)[1], squares, freedom, known)
            own = np.diagonal(spread, axis1=1, axis2=2).T  # (points, k)
            variance = np.where(np.isfinite(known), known, squares / freedom)
            scale = np.sqrt(variance[:, None] * own)
            centre = y[:, out, None] - np.moveaxis(miss, 0, 2)
            weight = np.broadcast_to(shares[:, None], scale.shape)
            degrees = np.where(np.isfinite(known), np.inf, float(freedom))[:, None]
            mixture = Mixture(weight, centre, scale, np.broadcast_to(degrees, scale.shape))
            found[:, out] = mixture.log_density(y[:, out])
        return found

    def draws(
        self,
        y: np.ndarray,
        u: np.ndarray,
        runs: int,
        seed: int,
        noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """log S at u of curves that log scores (curves, m) allow, (curves, runs, len(u)).

        A curve and scores drawn beforehand, with those scores' own errors smoothed away, scatter
        about the mean as what is left to know does (Matheron's rule).

        Args:
            u: ascending from 0, and among them each of the spline's own.
        """
        rng = np.random.default_rng(seed)
        place = (rng.permutation(runs) + rng.random(runs)) / runs
        chi_squared = rng.chisquare(len(self.u) - 2, runs)
        bend = integrated(u, runs, rng)
        errors = rng.standard_normal((runs, len(self.u))) / np.sqrt(self.weight)
        own = bend[:, np.searchsorted(u, self.u)]
        passed, squares = np.cumsum(self.shares(y, noise), axis=1), self.squares(y)
        known = _of_each(noise, len(y))[:, 0]
        smoother = self.smoother(u)
        found = np.empty((len(y), runs, len(u)))
        for curve, scores in enumerate(y):
            which = np.searchsorted(passed[curve, :-1], place)
            sigma = np.sqrt(squares[curve, which] / chi_squared)[:, None]
            if np.isfinite(known[curve]):
                sigma = np.full_like(sigma, np.sqrt(known[curve]))
            tau = sigma * np.sqrt(self.roughness[which])[:, None]
            rest = scores - tau * own - sigma * errors
            for k in np.unique(which):
                rows = which == k
                found[curve, rows] = tau[rows] * bend[rows] + rest[rows] @ smoother[k].T
        return found


def straight(u: np.ndarray) -> np.ndarray:
    """1 and u, (len(u), 2)."""
    return np.stack([np.ones_like(u), u], axis=1)


def covariance(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Cov(f(s), f(t)) of once integrated Brownian motion from s, t >= 0, (len(s), len(t))."""
    first, last = np.minimum(s[:, None], t), np.maximum(s[:, None], t)
    return np.asarray(first**2 * (3 * last - first) / 6)


def integrated(u: np.ndarray, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of once integrated Brownian motion at u, ascending from 0: (runs, len(u))."""
    step = np.diff(u)
    turn, side = rng.standard_normal((2, runs, len(step)))
    speed = np.cumsum(np.sqrt(step) * turn, axis=1)
    before = np.pad(speed[:, :-1], ((0, 0), (1, 0)))
    moved = step * before + step**1.5 * (turn / 2 + side / np.sqrt(12))
    return np.pad(np.cumsum(moved, axis=1), ((0, 0), (1, 0)))


def _of_each(noise: np.ndarray | None, curves: int) -> np.ndarray:
    """The noise that is known of each curve, (curves, 1)."""
    return np.full((curves, 1), np.nan) if noise is None else np.asarray(noise)[:, None]


def _shares(size: np.ndarray, squares: np.ndarray, freedom: int, noise: np.ndarray) -> np.ndarray:
    told = np.where(np.isfinite(noise), squares / noise, freedom * np.log(squares))
    logs = -(size + told) / 2
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
