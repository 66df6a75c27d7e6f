"""Equations of two to four unknowns in very many lanes: an array of lanes for each number.

Batches of matrices so small cost more than their numbers. Points and unknowns are the first axis,
and lanes the last.
"""

from __future__ import annotations

import numpy as np

Entries = dict[tuple[int, int], np.ndarray]  # of symmetric matrices, (row, column <= row): (lanes,)


def normal(
    slopes: list[np.ndarray], weight: np.ndarray, off: np.ndarray, free: np.ndarray
) -> tuple[Entries, np.ndarray]:
    """J^T W J of slopes (m, lanes) each, and J^T W times the residuals, (p, lanes)."""
    weighted = [weight * one for one in slopes]
    entries = {
        (a, b): over_points(weighted[a] * slopes[b]) * (free[a] * free[b])
        for a in range(len(slopes))
        for b in range(a + 1)
    }
    return entries, np.stack([over_points(one * off) for one in weighted]) * free


def over_points(values: np.ndarray) -> np.ndarray:
    """Sums (lanes,) of (m, lanes), in the order of points: of a lane alone as in company."""
    alone = values.shape[1] == 1  # NumPy would add pairs of its points first
    return np.asarray(np.add.accumulate(values)[-1] if alone else values.sum(axis=0))


def solved(system: Entries, right: np.ndarray) -> np.ndarray:
    """Solutions (p, lanes) of symmetric equations, by L D L^T; 0 where they are none."""
    found = _solution(*factors(system), right)
    return found if np.isfinite(found).all() else np.nan_to_num(found)


def inverse(system: Entries, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Inverses (p, p, ..) and determinants (..) of symmetric matrices of p = size rows."""
    lower, pivots = factors(system)
    unit = np.eye(size).reshape(size, size, *(1 for _ in pivots[0].shape))
    columns = [_solution(lower, pivots, one) for one in unit]
    return np.stack(columns), np.prod(pivots, axis=0)


def factors(system: Entries) -> tuple[Entries, list[np.ndarray]]:
    """L below its diagonal of 1, and D, of L D L^T."""
    lower: Entries = {}
    pivots: list[np.ndarray] = []
    for a, b in sorted(system):
        rest = system[a, b]
        for k in range(b):
            rest = rest - lower[a, k] * (pivots[k] * (lower[b, k] if a != b else lower[a, k]))
        if a == b:
            pivots.append(rest)
        else:
            lower[a, b] = rest / pivots[b]
    return lower, pivots


def _solution(lower: Entries, pivots: list[np.ndarray], right: np.ndarray) -> np.ndarray:
    answer = list(right)
    for a, b in sorted(lower):
        answer[a] = answer[a] - lower[a, b] * answer[b]
    for a in reversed(range(len(answer))):
        answer[a] = answer[a] / pivots[a]
        for k in range(a + 1, len(answer)):
            answer[a] = answer[a] - lower[k, a] * answer[k]
    return np.array(answer)
