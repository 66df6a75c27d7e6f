"""D of tokens that are scaled to norm 1, whose correlations are the cosines: sqrt(2 Upsilon).

Exact for each pair, D(n)^2 = 2 Upsilon(n) with its own realised cosines, so nothing is read twice.
"""

from __future__ import annotations

import numpy as np

from tokenspace.statistics.estimate import Moments
from tokenspace.statistics.streaming import Samples, Sums, merge, sums_of, vectors


def unit_divergence(upsilon: np.ndarray) -> np.ndarray:
    """sqrt(2 Upsilon) of single pairs; 0 where rounding made it negative."""
    return np.sqrt(2 * np.maximum(upsilon, 0.0))


def begin_unit(n: np.ndarray) -> Sums:
    """No pair yet, at token counts n (m,); of D and Upsilon, (2 m,)."""
    return Sums(0, np.zeros(2 * len(n)), np.zeros((2 * len(n),) * 2))


def update_unit(seen: Sums, n: np.ndarray, samples: Samples) -> Sums:
    """With more independent pairs, name -> (R, m)."""
    upsilon = vectors(n, samples)[0][:, 2 * len(n) :]
    return merge(seen, sums_of(np.hstack([unit_divergence(upsilon), upsilon])))


def moments_of_unit(seen: Sums) -> Moments:
    """What is known of E[D] and of Upsilon, (2 m,)."""
    return Moments(seen.mean, seen.covariance, seen.count)
