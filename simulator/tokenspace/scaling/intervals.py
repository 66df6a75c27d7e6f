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
CLOSE = 1e-6  # of the half-width of an interval, to which its ends are found
LOW = 1e-10  # of the sum of squares, to which a profile is found: less than `CLOSE` of an end
ROUNDS = 60


def raw_intervals(
    law: ScalingLaw,
    found: np.ndarray,
    squares: np.ndarray,
    points: Points,
    level: float,
    widening: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Low and high ends of the raw parameters, (curves, p, 2), infinite where without bound.

    The data may allow regions of parameters that lie apart: the interval spans all of them. So each
    end is sought from that of the `found` parameters that the data allow which lies farthest out:
    by its value, and by how far it may move while the shapes stay.

    Args:
        law: the law.
        found: raw parameters (curves, k, p): optima, and the best at each value of the shapes.
        squares: their sums of squares, (curves, k).
        points: the curves, each of more points than the law has parameters.
        level: confidence, in (0, 1).
        widening: factor of the variance of estimates, (curves,): see `robust.widening`.
    """
    curves, k, size = found.shape
    best = squares.argmin(axis=1)
    rows = np.arange(curves)
    rss = squares[rows, best]
    freedom = points.counts - size
    t = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(widening)
    wald = np.sqrt(rss / freedom)[:, None] * t[:, None] * _lengths(law, found[rows, best], points)
    if law.linear and not law.shapes:
        centre = found[rows, best]
        return np.stack([centre - wald, centre + wald], axis=-1)
    limit = rss * (1 + t**2 / freedom)
    room = limit[:, None] - squares
    kept = size - law.shapes
    lengths = _lengths(law, found.reshape(-1, size), points[np.repeat(rows, k)], kept)
    reach = np.sqrt(np.maximum(room, 0))[:, :, None] * lengths.reshape(curves, k, size)
    sign = np.array([-1.0, 1.0])
    outermost = sign * found[..., None] + reach[..., None]  # (curves, k, p, 2)
    start = np.where((room >= 0)[:, :, None, None], outermost, -np.inf).argmax(axis=1)
    curve, parameter, side = (a.ravel() for a in np.indices((curves, size, 2)))
    start = start[curve, parameter, side]
    ends = _ends(
        law,
        found[curve, start],
        squares[curve, start],
        parameter,
        sign[side],
        np.where(parameter < kept, reach[curve, start, parameter], wald[curve, parameter]),
        np.stack([rss, limit], axis=1)[curve],
        points[curve],
    )
    return ends.reshape(curves, size, 2)


def _lengths(
    law: ScalingLaw, raw: np.ndarray, points: Points, kept: int | None = None
) -> np.ndarray:
    """sqrt(diag (J^T W J)^+) of each curve, (curves, p): of its first `kept` parameters, else 0."""
    jacobian = law.slopes(raw, points.x)[..., :kept]
    weighted = points.weight[:, :, None] * jacobian
    inverse = np.linalg.pinv(np.swapaxes(weighted, 1, 2) @ jacobian, hermitian=True)
    lengths = np.zeros(raw.shape)
    lengths[:, :kept] = np.sqrt(np.maximum(np.diagonal(inverse, axis1=1, axis2=2), 0))
    return lengths


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
