"""Least squares in log S of many curves at once: Levenberg-Marquardt in float64 NumPy.

A lane is one minimisation: a start, the raw parameters that are held there, and the points of its
curve. Curves are padded by points of weight 0, so that all lanes of a law step together: a fit has
two to four parameters and ten points, and calling a function once a fit costs more than the fit.
How lanes step is `scaling/lanes.py`.

Source: D. W. Marquardt, SIAM J. Appl. Math. 11, 431, 1963.
"""

from __future__ import annotations

import numpy as np

from tokenspace.scaling.lanes import CLOSE, LONGEST, Again, descend
from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.points import Points
from tokenspace.scaling.systems import Entries, solved

PULL = 1e-9 / 900  # of the squares about the mean, on shapes that the data say nothing about


def minimise(
    law: ScalingLaw,
    starts: np.ndarray,
    held: np.ndarray,
    points: Points,
    close: float = CLOSE,
    curve: np.ndarray | None = None,
    again: Again | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) at a local minimum, and their sums of squares (lanes,).

    Args:
        law: the law.
        starts: (lanes, p).
        held: (lanes, p), true at the parameters that stay where they start.
        points: of the curves.
        close: share of the sum of squares; a step that promises less is the last.
        curve: that of each lane, (lanes,), by its row in the points; a curve a lane if not given.
        again: asked of lanes that are done, which may begin once more elsewhere.

    Returns:
        Raw parameters, and weighted sums of squares in log S, infinite where not finite.
    """
    shapes = np.arange(starts.shape[1]) >= starts.shape[1] - law.shapes
    total = points.weight.sum(axis=1, keepdims=True)
    mean = (points.weight * points.y).sum(axis=1, keepdims=True) / total
    pull = PULL * (points.weight * (points.y - mean) ** 2).sum(axis=1)

    def step(system: Entries, gradient: np.ndarray) -> np.ndarray:
        return _step(system, gradient, shapes, law.linear)

    whole = len(shapes)
    return descend(law, whole, starts, points, curve, step, close, held, pull, again)


def _step(system: Entries, gradient: np.ndarray, shapes: np.ndarray, linear: bool) -> np.ndarray:
    """The solution of each lane's equations, (p, lanes), no longer than `LONGEST`, and downhill.

    What log S is linear in goes as far as it must: no step of it is too long.

    A shape that the data hardly tell would stride far. It goes as far as it may, and the others,
    which are told, to where they are best then: a step that is cut as a whole would let them creep.
    """
    step = solved(system, gradient)
    far = (np.abs(step) > LONGEST) & shapes[:, None]
    whole = _cut(step, shapes if linear else np.ones_like(shapes))
    lanes = np.flatnonzero(far.any(axis=0))
    if len(lanes):
        here = {pair: entry[lanes] for pair, entry in system.items()}
        stay, slope = far[:, lanes], gradient[:, lanes]
        moved = np.clip(step[:, lanes], -LONGEST, LONGEST) * stay
        rest = slope.copy()
        for a, b in here:
            rest[a] -= here[a, b] * moved[b]
            if a != b:
                rest[b] -= here[a, b] * moved[a]
        # rows and columns of what is moved already are those of the identity
        for a, b in here:
            here[a, b] = np.where(stay[a] | stay[b], float(a == b), here[a, b])
        found = moved + _cut(solved(here, rest * ~stay), ~shapes & (not linear))
        downhill = (slope * found).sum(axis=0) > 0
        whole[:, lanes] = np.where(downhill, found, whole[:, lanes])
    return whole


def _cut(step: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The step, shortened so that none of the parameters that are counted (p,) goes too far."""
    most = np.maximum((np.abs(step) * counted[:, None]).max(axis=0), 1e-300)
    return np.asarray(step * np.minimum(1, LONGEST / most))
