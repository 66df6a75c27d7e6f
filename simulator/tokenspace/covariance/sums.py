"""Sums over a covariance that depends on lags, everywhere or inside cells: O(N), not O(N^2).

T(n) = 1' K[:n, :n] 1 and C[a, b] = 1' K[:a, :b] 1, from which everything about D(n) follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tokenspace.errors import InputError

Array = np.ndarray
LARGEST_LAGS = 1 << 27  # lags held at once, 1 GiB in float64


def require_lags(covariance: Any, n: int) -> None:
    """Raise `InputError` when the lags below n do not fit into memory."""
    if n > LARGEST_LAGS:
        raise InputError(
            f"{covariance!r}: sums over n = {n:,} tokens need as many numbers in memory, "
            f"which is limited to n = {LARGEST_LAGS:,}; ask for fewer tokens"
        )


def stationary_totals(covariance: Any, at_lag: Callable[[Array], Array], n: Array) -> Array:
    """T(n) = n k(0) + 2 sum_{l<n} (n - l) k(l) for every n at once, O(max n)."""
    largest = int(n.max(initial=0))
    require_lags(covariance, largest)
    k = np.asarray(at_lag(np.arange(max(largest, 1))), np.float64)
    k = np.broadcast_to(k, (max(largest, 1),))
    row_sums = 2.0 * np.cumsum(k) - k[0]
    return np.concatenate([[0.0], np.cumsum(row_sums)])[n]


def stationary_prefix_covariance(covariance: Any, grid: Array) -> Array:
    """C[a, b] = (T(a) + T(b) - T(|a - b|)) / 2: the increments are stationary."""
    gaps = abs(grid[:, None] - grid[None, :])
    total = covariance.totals(np.concatenate([grid, gaps.ravel()]))
    t, t_gap = total[: len(grid)], total[len(grid) :].reshape(gaps.shape)
    return (t[:, None] + t[None, :] - t_gap) / 2.0


def prefix_covariance_of_cells(covariance: Any, starts: Array, grid: Array) -> Array:
    """C[a, b], a <= b: whole cells before a, and of the cell that a ends in, what a and b hold.

    C = sum of T(length) over whole cells + (T(r) + T(s) - T(s - r)) / 2, where r and s are the
    tokens of that cell below a and below b. O(N).
    """
    a = np.minimum(grid[:, None], grid[None, :])
    b = np.maximum(grid[:, None], grid[None, :])
    edges = np.append(starts, grid[-1])
    cell = np.searchsorted(starts, a, side="right") - 1
    r = a - edges[cell]
    s = np.minimum(b, edges[cell + 1]) - edges[cell]
    lengths = np.diff(edges)
    counts = [lengths, *(x.ravel() for x in (r, s, s - r))]
    total = stationary_totals(covariance, covariance.at_lag_in_cell, np.concatenate(counts))
    of_cells, of_r, of_s, of_gap = np.split(total, np.cumsum([len(c) for c in counts[:-1]]))
    before = np.concatenate([[0.0], np.cumsum(of_cells)])
    return before[cell] + ((of_r + of_s - of_gap) / 2).reshape(a.shape)
