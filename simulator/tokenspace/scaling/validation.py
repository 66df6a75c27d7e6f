"""Leaving one n out: how well a law foretells its scores from the others of its curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import Points
from tokenspace.scaling.predictive import on_grid


def leave_one_out(law: ScalingLaw, points: Points, own: np.ndarray) -> np.ndarray:
    """Log density of each log S given those at all other n, (curves, points).

    Where several scores stand at one n, each of them is foretold without the others: they would
    only say how far such scores scatter. Not a number where what is left does not determine the
    law, and at points that pad.

    own: weights of the points that are left out, (curves, points): without those of a robust loss,
    as a point far off must not be excused for it.

    Source: A. Vehtari, A. Gelman, J. Gabry, Statistics and Computing 27, 1413, 2017.
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
    rest = replace(points, x=x, y=y, weight=weight)
    which = np.flatnonzero(rest.determine(law))
    if not len(which):
        return found
    curve, out = curve[which], out[which]
    mixture = on_grid(law, rest[which]).predict(
        points.x[curve, out][:, None], own[curve, out][:, None]
    )
    found[curve, out] = mixture.log_density(points.y[curve, out][:, None])[:, 0]
    return found
