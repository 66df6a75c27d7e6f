"""Confidence intervals of fitted parameters: profiles of the likelihood against Student's t.

With m points, p parameters, and RSS(theta) the least sum of squares in log S with one parameter
held at theta, the interval runs over the theta at which

    (RSS(theta) - RSS) / (RSS / (m - p)) <= t^2,    t the quantile of Student's t, m - p degrees.

For a law that is linear in its raw parameters this is the exact interval of least squares. For the
others it is approximate: the slow tests count that 95 % intervals of 7 and 10 points cover in 93 to
97 % of runs where the data bound the parameter. Where they seldom do, more of them cover.

Source: D. M. Bates, D. G. Watts, Nonlinear Regression Analysis and Its Applications, 1988, ch. 6.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import Points, minimise

# Raw parameters are logarithms or slopes, of order 1.
FAR = 50.0  # so far from an optimum is without end
FIRST = (0.01, 1.0)  # range of the first step
APART = 1e-3  # optima of one curve that differ by less, in every raw parameter, are one
CLOSE = 1e-6  # of the half-width of an interval, to which its ends are found
LOW = 1e-10  # of the sum of squares, to which a profile is found: less than `CLOSE` of an end
ROUNDS = 60


def raw_intervals(
    law: ScalingLaw,
    optima: np.ndarray,
    squares: np.ndarray,
    points: Points,
    level: float,
    widening: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Low and high ends of the raw parameters, (curves, p, 2), infinite where without bound.

    The data may allow regions of parameters that lie apart, each round an optimum of its own: the
    interval spans all of them.

    Args:
        law: the law.
        optima: raw parameters (curves, k, p), what k starts led to.
        squares: their sums of squares, (curves, k).
        points: the curves, each of more points than the law has parameters.
        level: confidence, in (0, 1).
        widening: factor of the variance of estimates, (curves,): see `robust.widening`.
    """
    curves, _, size = optima.shape
    best = squares.argmin(axis=1)
    rows = np.arange(curves)
    rss = squares[rows, best]
    freedom = points.counts - size
    t = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(widening)
    wald = t[:, None] * _standard_errors(law, optima[rows, best], rss, freedom, points)
    if law.linear and not law.shapes:
        centre = optima[rows, best]
        return np.stack([centre - wald, centre + wald], axis=-1)
    limit = rss * (1 + t**2 / freedom)
    curve, start = np.nonzero(_distinct(optima, squares) & (squares <= limit[:, None]))
    lane, parameter, side = (a.ravel() for a in np.indices((len(curve), size, 2)))
    curve, start = curve[lane], start[lane]
    ends = _ends(
        law,
        optima[curve, start],
        squares[curve, start],
        parameter,
        2.0 * side - 1,
        wald[curve, parameter],
        np.stack([rss, limit], axis=1)[curve],
        points[curve],
    )
    low, high = np.full((curves, size), np.inf), np.full((curves, size), -np.inf)
    np.minimum.at(low, (curve, parameter), ends)
    np.maximum.at(high, (curve, parameter), ends)
    return np.stack([low, high], axis=-1)


def _standard_errors(
    law: ScalingLaw, raw: np.ndarray, rss: np.ndarray, freedom: np.ndarray, points: Points
) -> np.ndarray:
    """sqrt(RSS / (m - p) diag (J^T W J)^+) of each curve, (curves, p)."""
    jacobian = law.slopes(raw, points.x)
    weighted = points.weight[:, :, None] * jacobian
    inverse = np.linalg.pinv(np.swapaxes(weighted, 1, 2) @ jacobian, hermitian=True)
    return np.sqrt((rss / freedom)[:, None] * np.diagonal(inverse, axis1=1, axis2=2))


def _distinct(optima: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """(curves, k): true at the best, or first of equals, of the optima of a curve that are one."""
    same = (np.abs(optima[:, :, None] - optima[:, None]) < APART).all(axis=-1)
    order = np.argsort(np.argsort(squares, axis=1, kind="stable"), axis=1)
    return ~(same & (order[:, None] < order[:, :, None])).any(axis=2)


def _ends(
    law: ScalingLaw,
    raw: np.ndarray,
    squares: np.ndarray,
    parameter: np.ndarray,
    sign: np.ndarray,
    step: np.ndarray,
    bounds: np.ndarray,
    points: Points,
) -> np.ndarray:
    """Where each lane's profile, from an optimum `raw` in direction `sign`, reaches its limit.

    bounds: (lanes, 2), the least sum of squares of the curve and the limit. Steps double until the
    profile lies above; then the rule of false position (Illinois) on the root of the rise, which is
    a straight line where the profile is a parabola.
    """

    def height(profile: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """-1 at the least sum of squares, 0 at the limit, at most 10."""
        least, limit = bounds.T
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.sqrt(np.maximum(profile - least, 0) / (limit - least))
        return np.clip(np.nan_to_num(share, nan=0.0, posinf=11.0) - 1, -1, 10)

    centre = raw[np.arange(len(raw)), parameter]
    held = parameter[:, None] == np.arange(raw.shape[1])
    warm = raw.copy()  # where the next minimisation starts: the optimum at `inner`
    inner, below = np.zeros(len(raw)), height(squares, bounds)
    outer, above = np.full(len(raw), np.inf), np.full(len(raw), np.inf)
    trial = np.clip(step, *FIRST)
    end, moved = trial.copy(), np.zeros(len(raw))
    active = np.arange(len(raw))
    for _ in range(ROUNDS):
        start = warm[active]
        start[held[active]] = (centre + sign * trial)[active]
        found, profile = minimise(law, start, held[active], points[active], LOW)
        reached = height(profile, bounds[active])
        within = reached <= 0
        i, o = active[within], active[~within]
        # an end that stays while the other moves twice counts half, so that both close in
        above[i] = np.where(moved[i] == -1, above[i] / 2, above[i])
        below[o] = np.where(moved[o] == 1, below[o] / 2, below[o])
        moved[i], moved[o] = -1, 1
        inner[i], below[i], warm[i] = trial[i], reached[within], found[within]
        outer[o], above[o] = trial[o], reached[~within]
        end[active] = np.where(inner[active] >= FAR, np.inf, trial[active])
        near = (np.abs(reached) < CLOSE) | (outer - inner < CLOSE * outer)[active]
        active = active[~(near | np.isinf(end[active]))]
        if not len(active):
            break
        with np.errstate(invalid="ignore"):
            share = np.clip(below / (below - above), 0.01, 0.99)
            between = inner + share * (outer - inner)
        trial = np.where(np.isinf(outer), np.minimum(2 * trial, FAR), between)
    return centre + sign * end
