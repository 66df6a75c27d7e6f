"""Fits of a law with its shapes held: level and slope, for very many starts at once.

A forecast fits a law some 200 times a curve, at every value of its shapes and without each point.
"""

from __future__ import annotations

import numpy as np

from tokenspace.scaling.lanes import LONGEST, descend
from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.points import Points
from tokenspace.scaling.systems import Entries, solved


def fit_held(
    law: ScalingLaw, starts: np.ndarray, points: Points, curve: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) at a minimum with the last `law.shapes` held, and their squares.

    Args:
        starts: (lanes, p).
        points: of the curves.
        curve: that of each lane, (lanes,), by its row in the points; a curve a lane if not given.

    Returns:
        Raw parameters, and weighted sums of squares in log S, infinite where not finite.
    """
    return descend(law, starts.shape[1] - law.shapes, starts, points, curve, _step)


def _step(system: Entries, gradient: np.ndarray) -> np.ndarray:
    step = solved(system, gradient)
    return np.asarray(step * np.minimum(1, LONGEST / np.maximum(np.abs(step).max(axis=0), LONGEST)))
