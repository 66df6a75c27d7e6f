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

from dataclasses import replace

import numpy as np

from tokenspace.scaling.ends import Search, ends_of
from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import minimise
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import starts_of

SIDES = np.array([-1.0, 1.0])
OUTER = 6.0  # of a raw shape, of order 1, beyond its grid
SPARSE = 6  # one value of the grid in so many
BEYOND = 1e-3  # of an end's distance from the optimum: so far beyond it another ridge is sought
ROUGH = 1e-3  # of the sum of squares, to which that is done
RIDGES = 4  # that are followed at most


def raw_intervals(
    law: ScalingLaw, found: np.ndarray, squares: np.ndarray, points: Points, above: np.ndarray
) -> np.ndarray:
    """Low and high ends of the raw parameters, (curves, p, 2), infinite where without bound.

    The data may allow regions of parameters that lie apart: the interval spans all of them. So each
    end is sought from that of the `found` parameters that the data allow which lies farthest out:
    by its value, and by how far it may move while the shapes stay; and beyond it anew.

    Args:
        law: the law.
        found: raw parameters (curves, k, p): optima, and the best at each value of the shapes.
        squares: their sums of squares, (curves, k).
        points: the curves, each of more points than the law has parameters.
        above: how far above the least sum of squares the data still allow, (curves,).
    """
    curves, _, size = found.shape
    kept = size - law.shapes
    centre, rss, wald, reach = _at_once(law, found, squares, points, above)
    if law.linear and not law.shapes:
        return np.stack([centre - wald, centre + wald], axis=-1)
    bounds = np.stack([rss, rss + above], axis=1)
    outermost = SIDES * found[..., None] + reach[..., None]  # (curves, k, p, 2)
    start = outermost.argmax(axis=1)
    curve, parameter, side = (a.ravel() for a in np.indices((curves, size, 2)))
    start = start[curve, parameter, side]
    search = Search(
        found[curve, start],
        squares[curve, start],
        parameter,
        SIDES[side],
        np.where(parameter < kept, reach[curve, start, parameter], wald[curve, parameter]),
        centre[curve, parameter],
        bounds[curve],
    )
    ends = ends_of(law, search, points, curve).reshape(curves, size, 2)
    elsewhere, which = _elsewhere(law, points), np.nonzero(np.isfinite(ends))
    for _ in range(RIDGES):
        which, farther = _farther(law, elsewhere, centre, ends, which, bounds, points)
        ends[which] = farther
        which = tuple(a[np.isfinite(farther)] for a in which)
        if not len(farther):
            break
    return ends


def intervals_without_noise(
    law: ScalingLaw, found: np.ndarray, squares: np.ndarray, points: Points, above: np.ndarray
) -> np.ndarray:
    """`raw_intervals` of curves that follow a law to rounding, without a search.

    They hold the found parameters that the data allow, and how far each may move while the shapes
    stay. A shape is without bound where the data allow the outermost that was tried.
    """
    centre, _, wald, reach = _at_once(law, found, squares, points, above)
    outermost = (SIDES * found[..., None] + reach[..., None]).max(axis=1)
    tried = (SIDES * found[..., None]).max(axis=1)
    shape = np.arange(law.size) >= law.size - law.shapes
    outermost[shape[:, None] & (outermost >= tried)] = np.inf
    return np.asarray(SIDES * np.maximum(outermost, SIDES * centre[..., None] + wald[..., None]))


def _at_once(
    law: ScalingLaw, found: np.ndarray, squares: np.ndarray, points: Points, above: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The best of the found parameters, its squares, and its half-widths, (curves, p).

    And how far each of the found may move while the shapes stay, (curves, k, p): -inf where the
    data do not allow it.
    """
    curves, k, size = found.shape
    best = squares.argmin(axis=1)
    rows = np.arange(curves)
    centre, rss = found[rows, best], squares[rows, best]
    wald = np.sqrt(above)[:, None] * _lengths(law, centre, points)
    room = (rss + above)[:, None] - squares
    every = found.reshape(-1, size), points[np.repeat(rows, k)]
    lengths = _lengths(law, *every, size - law.shapes).reshape(curves, k, size)
    reach = np.sqrt(np.maximum(room, 0))[:, :, None] * lengths
    return centre, rss, wald, np.where((room >= 0)[:, :, None], reach, -np.inf)


def _elsewhere(law: ScalingLaw, points: Points) -> np.ndarray:
    """Raw parameters (curves, k, p) far from each other, from which other ridges are reached.

    Starts of the curve and of its mirror image, which rises where the curve falls; and of both with
    a shape beyond its grid, which may end well within what is possible. What log S is linear in
    goes where it is best in one step from anywhere: such a law needs no mirror image.
    """
    every = [points.y]
    if not law.linear:
        last = points.counts[:, None] - 1
        mirrored = abs(last - np.arange(points.y.shape[1]))
        every.append(np.take_along_axis(points.y, mirrored, axis=1))
    starts = []
    for y in every:
        grid = starts_of(law, replace(points, y=y))
        outer = grid[:, [0, -1]]
        if law.shapes == 1:
            outer[..., -1] += OUTER * np.sign(outer[..., -1] - outer[:, ::-1, -1])
        starts += [grid[:, ::SPARSE], outer]
    return np.concatenate(starts, axis=1)


def _farther(
    law: ScalingLaw,
    elsewhere: np.ndarray,
    centre: np.ndarray,
    ends: np.ndarray,
    which: tuple[np.ndarray, ...],
    bounds: np.ndarray,
    points: Points,
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """(which, where) another ridge goes on beyond those of the ends (curves, p, 2) that are asked.

    A profile that is followed from one optimum finds no way round on which the shapes are others
    altogether, as flat curves allow them. So just beyond each end, with the parameter held there,
    the others are sought anew from `elsewhere`.
    """
    count = elsewhere.shape[1]
    starts = elsewhere[which[0]].reshape(-1, law.size)
    lanes = tuple(np.repeat(a, count) for a in which)
    held = lanes[1][:, None] == np.arange(law.size)
    starts[held] = (ends + BEYOND * (ends - centre[:, :, None]))[lanes]
    raw, squares = minimise(law, starts, held, points, ROUGH, lanes[0])
    lane = squares.reshape(-1, count).argmin(axis=1) + count * np.arange(len(which[0]))
    lane = lane[squares[lane] <= bounds[lanes[0][lane], 1]]
    curve, parameter, side = which = tuple(a[lane] for a in lanes)
    best = centre[curve, parameter]
    step = np.abs(ends[which] - best)
    search = Search(raw[lane], squares[lane], parameter, SIDES[side], step, best, bounds[curve])
    return which, ends_of(law, search, points, curve)


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
