"""Weighted least squares of a family to the moments of tokens.

Given shape parameters, sums over tokens are linear in the weights, which non-negative least squares
finds; scipy's `least_squares` searches over the shape parameters alone (variable projection).
Residuals are relative, so that sums over few tokens count as much as sums over many.

Source: Golub & Pereyra 1973, variable projection; Lawson & Hanson 1974, non-negative least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, lsq_linear, nnls

from tokenspace.tokens.families import Place, TokenFamily
from tokenspace.tokens.fit.cells import Moments

SUM_TO_ONE = 1e3  # weight of the condition that weights sum to 1, relative to the largest
LEAST = 1e-3  # of the sums of white noise, as a scale of residuals
STEP = 1e-4  # of the logarithms of shape parameters, for derivatives
AIMS = ("sums", "lags")


@dataclass(frozen=True)
class Shape:
    """A fitted family: shape parameters (p,); weights of its parts, the constant and white noise.

    The weights sum to 1; cost is the sum of squared relative residuals.
    """

    values: np.ndarray
    weights: np.ndarray
    cost: float


@dataclass(frozen=True)
class Target:
    """What a family is fitted to: sums of correlations, relative to those of one token.

    aim: "sums" of the first n tokens, which D(n) is made of; "lags", of all windows of the place;
    "", nothing: constant correlations that are the psi's over all tokens.
    """

    family: TokenFamily
    place: Place
    aim: str
    name: str = ""

    def values(self, moments: Moments) -> np.ndarray:
        at_zero = 1 - moments.psi[0, -1]
        if self.aim == "sums":
            return moments.upsilon / at_zero
        return self.place.windows @ moments.correlation(self.place).ravel() / at_zero

    def design(self, shape: np.ndarray) -> np.ndarray:
        """The matrix (values, parts + 2) that takes weights to values."""
        place = self.place
        if self.aim == "sums":
            parts = self.family.totals(shape, place)
            n = place.n.astype(float)
            return np.vstack([parts, n**2, n]).T
        counts = place.windows
        found = self.family.correlations(shape, place).reshape(-1, counts.shape[1])
        single = counts[:, place.columns - 1]  # lag 0
        return np.vstack([found @ counts.T, counts.sum(axis=1), single]).T

    def fit(self, moments: Moments) -> Shape:
        """From the best of the family's starts."""
        if not self.aim:
            equal, within, cross = moments.psi[:, -1]
            share = (within - cross) / (1 - equal)
            return Shape(np.zeros(0), np.array([share, 1 - share]), 0.0)
        values = self.values(moments)
        starts = self.family.starts(self.place)
        designs = [self.design(s) for s in starts]
        rough = _rough(values, designs[0])
        costs = [_weights(d, values, rough)[1] for d in designs]
        return self.again(moments, starts[int(np.argmin(costs))])

    def again(self, moments: Moments, start: np.ndarray) -> Shape:
        """From one start; shape parameters that are whole numbers are searched next to it."""
        if not self.aim:
            return self.fit(moments)
        values, family = self.values(moments), self.family
        first = self.design(start)
        # relative to a first fit: measured values as weights would prefer what came out small
        scale = np.maximum(first @ _weights(first, values, _rough(values, first))[0], values / 2)
        if not family.parameters:
            return _shape(start, *_weights(first, values, scale))
        if family.integer:
            near = family.starts(self.place)
            near = near[np.all(abs(near - start) <= np.maximum(2, start // 4), axis=1)]
            fits = [_shape(s, *_weights(self.design(s), values, scale)) for s in near]
            return min(fits, key=lambda fit: fit.cost)

        def residual(log_shape: np.ndarray) -> np.ndarray:
            design = self.design(np.exp(log_shape))
            return (design @ _weights(design, values, scale)[0] - values) / scale

        ends = np.log(np.array(family.ranges(self.place))).T
        inside = np.clip(np.log(start), ends[0] + STEP, ends[1] - STEP)
        found = least_squares(residual, inside, bounds=ends, diff_step=STEP, xtol=1e-6, ftol=1e-8)
        best = np.exp(found.x)
        return _shape(best, *_weights(self.design(best), values, scale))

    def inside(self, shape: Shape) -> np.ndarray:
        """Whether each shape parameter lies inside its range, (p,); at an end it has no error."""
        ends = np.log(np.array(self.family.ranges(self.place)).reshape(-1, 2)).T
        margin = 0.0 if self.family.integer else 10 * STEP
        log = np.log(shape.values)
        return (log > ends[0] + margin) & (log < ends[1] - margin)


def _rough(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Values as scales, > 0: averages over windows may come out at or below 0."""
    return np.maximum(values, LEAST * design[:, -1])


def _weights(design: np.ndarray, values: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights >= 0 that sum to 1, and the sum of squared relative residuals."""
    parts = design.shape[1]
    relative = design / scale[:, None]
    one = SUM_TO_ONE * relative.max()
    rows = np.vstack([relative, np.full(parts, one)])
    wanted = np.append(values / scale, one)
    try:
        found, _ = nnls(rows, wanted, maxiter=100 * parts)
    except (RuntimeError, np.linalg.LinAlgError):  # as of SciPy 1.13 where rows are alike
        found = lsq_linear(rows, wanted, (0, np.inf), tol=1e-14).x
    return found / found.sum(), float(np.sum((rows @ found - wanted) ** 2))


def _shape(values: np.ndarray, weights: np.ndarray, cost: float) -> Shape:
    return Shape(np.asarray(values, float), weights, cost)
