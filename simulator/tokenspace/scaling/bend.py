"""Whether a few scores bend as the tokens' law does: a test against a parabola about it."""

from __future__ import annotations

import numpy as np
from scipy import stats

from tokenspace.scaling.predictive import LEAST_SCATTER


def bend_test(
    x: np.ndarray,
    log_score: np.ndarray,
    weight: np.ndarray,
    noise: float | None = None,
) -> tuple[float, float]:
    """(p, way) of log S = level + beta x against log S = level + beta x + q x^2.

    At each n_balance the test of q = 0 is Student's t, or normal where the noise is known. p is the
    largest over the values that the tokens leave, plus the share of their confidence that these
    miss, 1 / parts: it is below 5 % in no more than 5 % of true cases, however little tokens say.
    It is 1 where q is 0 at some value between. way is the sign of q.

    Args:
        x: (parts, m), of the scores at values of n_balance of equal confidence.
        log_score, weight: (m,).
        noise: standard deviation of log S of a score of weight 1, if it is known.

    Returns:
        Not numbers where scores are too few: it takes 4, or 3 with `noise`, at 3 different n.

    Source: Berger and Boos 1994 for the largest p over a confidence set.
    """
    freedom = np.inf if noise is not None else len(log_score) - 3
    if freedom < 1 or len(np.unique(x[0])) < 3:
        return np.nan, np.nan
    root = np.sqrt(weight)

    def rest(y: np.ndarray, known: list[np.ndarray]) -> np.ndarray:
        """y (parts, m) less its projections on orthogonal directions."""
        for one in known:
            y = y - one * ((one * y).sum(axis=1) / (one**2).sum(axis=1))[:, None]
        return y

    ones = np.broadcast_to(root, x.shape)
    line = rest(root * x, [ones])
    parabola = rest(root * x**2, [ones, line])
    left = rest(np.broadcast_to(root * log_score, x.shape), [ones, line])
    square = (parabola**2).sum(axis=1)
    q = (parabola * left).sum(axis=1) / square
    if q.min() <= 0 <= q.max():
        return 1.0, 0.0
    scatter = noise
    if scatter is None:
        scatter = np.sqrt((rest(left, [parabola]) ** 2).sum(axis=1) / freedom)
    t = abs(q) * np.sqrt(square) / np.maximum(scatter, LEAST_SCATTER)
    p = 2 * stats.t.sf(t, freedom) if noise is None else 2 * stats.norm.sf(t)
    return min(1.0, float(p.max()) + 1 / len(x)), float(np.sign(q[0]))
