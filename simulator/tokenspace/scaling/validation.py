"""Leaving one n out: how well a law foretells its scores from the others of its curve.

The fit to all scores tells what the fit without an n is, at first order: with J the slopes at that
n, W its weight, r its weighted residual, and A = (J^T W J)^+ of all scores, parameters move by
-A J r / (1 - W J A J^T). In laws that are linear in log S at given shapes that is the fit itself;
in others it is where the search for it starts.

Source: A. Vehtari, A. Gelman, J. Gabry, Statistics and Computing 27, 1413, 2017 (densities of
scores left out); R. D. Cook, S. Weisberg, Residuals and Influence in Regression, 1982, ch. 2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenspace.scaling.lanes import LONGEST
from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import Grid, on_grid

LEAST = 1e-6  # of 1 - W J A J^T: below, an n tells a parameter nearly alone, and is not moved from
NUMBERS = 1 << 22  # points, for each value of a shape, that are worked on at once


def leave_one_out(
    law: ScalingLaw, points: Points, own: np.ndarray, grid: Grid | None = None
) -> np.ndarray:
    """Log density of each log S given those at all other n, (curves, points).

    Where several scores stand at one n, each of them is foretold without the others: they would
    only say how far such scores scatter. Shapes are those of the grid of the whole curve. Not a
    number where what is left does not determine the law, and at points that pad.

    Args:
        own: weights of the points that are left out, (curves, points): without those of a robust
            loss, as a point far off must not be excused for it.
        grid: of this law and these points, where it is there already.
    """
    curves, width = points.x.shape
    found = np.full((curves, width), np.nan)
    curve, out = np.nonzero(points.weight > 0)
    # the points that remain, in their order; the last of them pads
    away = points.x[curve] == points.x[curve, out][:, None]
    take = np.argsort(away | (points.weight[curve] == 0), axis=1, kind="stable")
    kept = ((points.weight[curve] > 0) & ~away).sum(axis=1)[:, None]
    take = np.take_along_axis(take, np.minimum(np.arange(width), np.maximum(kept - 1, 0)), axis=1)
    x, y, weight = (
        np.take_along_axis(a[curve], take, axis=1) for a in (points.x, points.y, points.weight)
    )
    weight[np.arange(width) >= kept] = 0
    noise = None if points.noise is None else points.noise[curve]
    rest = replace(points, x=x, y=y, weight=weight, noise=noise)
    which = np.flatnonzero(rest.determine(law))
    if not len(which):
        return found
    curve, out, away, rest = curve[which], out[which], away[which], rest[which]
    # what the shapes' grid spans follows from the ends of the curve
    first, last = (points.x[curve, k] for k in (0, -1))
    end = (rest.x[:, 0] != first) | (rest.x[:, -1] != last)
    grid = on_grid(law, points) if grid is None else grid
    together = max(1, NUMBERS // (width * grid.raw.shape[1]))
    for moved in (False, True):
        lanes = np.flatnonzero(end != moved)
        for begin in range(0, len(lanes), together):
            some = lanes[begin : begin + together]
            c, o, now = curve[some], out[some], rest[some]
            left = _moved(grid, c, o, away[some], now) if moved else on_grid(law, now)
            mixture = left.predict(points.x[c, o][:, None], own[c, o][:, None])
            found[c, o] = mixture.log_density(points.y[c, o][:, None])[:, 0]
    return found


def _moved(grid: Grid, curve: np.ndarray, out: np.ndarray, away: np.ndarray, rest: Points) -> Grid:
    """The fit of the grid's law to what is left without the points `out`."""
    raw = _without(grid, curve, out, away)
    if not grid.law.linear:
        return Grid.fitted(grid.law, raw, rest)
    at = Grid(grid.law, rest, raw, np.empty(raw.shape[:2]))
    off = rest.y[:, None] - at.log_scores(rest.x)
    return replace(at, squares=np.einsum("lm,lkm,lkm->lk", rest.weight, off, off))


def _without(grid: Grid, curve: np.ndarray, out: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Raw parameters (lanes, k, p) of the grid of `curve`, moved to the fit without point `out`.

    away: the points at its n, (lanes, points).
    """
    points, raw = grid.points, grid.raw[curve]
    kept = raw.shape[2] - grid.law.shapes
    weight = (points.weight[curve] * away)[:, None]  # (lanes, 1, points)
    off = points.y[curve][:, None] - grid.log_scores(points.x)[curve]
    residual = (weight * off).sum(axis=2)
    slope = grid.slopes[curve, :, out]
    reach = np.einsum("lkpq,lkq->lkp", grid.inverse[curve], slope)
    left = 1 - weight.sum(axis=2) * (slope * reach).sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.where(left > LEAST, residual / left, 0.0)
    raw[..., :kept] -= reach * move[..., None]
    if grid.law.linear or grid.starts is None:
        return raw
    starts = grid.starts[curve]
    far = (np.abs(raw - starts) > LONGEST).any(axis=2, keepdims=True)
    return np.where(far, starts, raw)
