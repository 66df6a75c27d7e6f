"""Leaving one point out: how well a law foretells each score from the others of its curve."""

from __future__ import annotations

import numpy as np

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import Points
from tokenspace.scaling.predictive import on_grid


def leave_one_out(law: ScalingLaw, points: Points, own: np.ndarray) -> np.ndarray:
    """Log density of each log S given the others, (curves, points).

    Not a number where the others are no more than the law's parameters, and at points that pad.

    own: weights of the points that are left out, (curves, points): without those of a robust loss,
    as a point far off must not be excused for it.

    Source: A. Vehtari, A. Gelman, J. Gabry, Statistics and Computing 27, 1413, 2017.
    """
    curves, width = points.x.shape
    found = np.full((curves, width), np.nan)
    enough = (points.counts - 1 > law.size)[:, None] & (points.weight > 0)
    curve, out = np.nonzero(enough)
    if not len(curve):
        return found
    # the points but one, in their order; the last of them pads
    take = np.arange(width) + (np.arange(width) >= out[:, None])
    last = (points.counts[curve] - 2 + (out < points.counts[curve] - 1))[:, None]
    take = np.minimum(take, last)
    pad = np.arange(width) >= points.counts[curve][:, None] - 1
    x, y, weight = (
        np.take_along_axis(a[curve], take, axis=1) for a in (points.x, points.y, points.weight)
    )
    weight[pad] = 0
    mixture = on_grid(law, Points(x, y, weight)).predict(
        points.x[curve, out][:, None], own[curve, out][:, None]
    )
    found[curve, out] = mixture.log_density(points.y[curve, out][:, None])[:, 0]
    return found
