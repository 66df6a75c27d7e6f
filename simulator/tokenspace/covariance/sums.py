"""Sums over a covariance, by its structure: T(n) = 1' K[:n, :n] 1 and C[a, b] = 1' K[:a, :b] 1.

Everything about D(n) follows from them. O(N) where K depends on lags, everywhere or inside cells,
O(N (rows + columns)) for pictures, O(N^2) for a matrix that is summed element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tokenspace.covariance.structure import Cells, Kronecker
from tokenspace.errors import InputError
from tokenspace.parameters import array_namespace

Array = np.ndarray
LARGEST_LAGS = 1 << 27  # lags held at once, 1 GiB in float64
LARGEST_SUMMED = 200_000  # tokens of a matrix that is summed element by element


def totals(covariance: Any, n: Array) -> Array:
    """T(n) for each n >= 0, same shape as n."""
    if covariance.structure.at_lag is not None:
        return lag_totals(covariance, covariance.structure.at_lag, n)
    grid, inverse = np.unique(n[n > 0], return_inverse=True)
    out = np.zeros(n.shape)
    if grid.size:
        out[n > 0] = np.diag(covariance.prefix_covariance(grid))[inverse]
    return out


def prefix_covariance(covariance: Any, grid: Array) -> Array:
    """C[a, b] for an ascending grid, shape (m, m)."""
    structure, largest = covariance.structure, int(grid[-1])
    covariance.require_tokens(largest)
    if structure.at_lag is not None:
        return _of_increments(covariance, grid)
    if structure.cells is not None:
        require_lags(covariance, largest)
        return _of_cells(covariance, structure.cells, grid)
    if structure.kronecker is not None:
        return _of_picture(structure.kronecker(), grid)
    return dense_prefix_covariance(covariance, grid)


def require_lags(covariance: Any, n: int) -> None:
    """Raise `InputError` when the lags below n do not fit into memory."""
    if n > LARGEST_LAGS:
        raise InputError(
            f"{covariance!r}: sums over n = {n:,} tokens need as many numbers in memory, "
            f"which is limited to n = {LARGEST_LAGS:,}; ask for fewer tokens"
        )


def lag_totals(covariance: Any, at_lag: Callable[[Array], Array], n: Array) -> Array:
    """T(n) = n k(0) + 2 sum_{l<n} (n - l) k(l) for every n at once, O(max n)."""
    largest = int(n.max(initial=0))
    require_lags(covariance, largest)
    k = at_lag(np.arange(max(largest, 1)))
    xp = array_namespace(k)
    k = xp.broadcast_to(xp.asarray(k, dtype=float), (max(largest, 1),))
    row_sums = 2.0 * xp.cumsum(k) - k[0]
    return xp.concatenate([xp.zeros(1), xp.cumsum(row_sums)])[n]


def _of_increments(covariance: Any, grid: Array) -> Array:
    """C[a, b] = (T(a) + T(b) - T(|a - b|)) / 2: the increments are stationary."""
    gaps = abs(grid[:, None] - grid[None, :])
    total = covariance.totals(np.concatenate([grid, gaps.ravel()]))
    t, t_gap = total[: len(grid)], total[len(grid) :].reshape(gaps.shape)
    return (t[:, None] + t[None, :] - t_gap) / 2.0


def _of_cells(covariance: Any, cells: Cells, grid: Array) -> Array:
    """C[a, b], a <= b: whole cells before a, and of the cell that a ends in, what a and b hold.

    C = sum of T(length) over whole cells + (T(r) + T(s) - T(s - r)) / 2, where r and s are the
    tokens of that cell below a and below b. O(N).
    """
    starts = cells.starts(int(grid[-1]))
    a = np.minimum(grid[:, None], grid[None, :])
    b = np.maximum(grid[:, None], grid[None, :])
    edges = np.append(starts, grid[-1])
    cell = np.searchsorted(starts, a, side="right") - 1
    r = a - edges[cell]
    s = np.minimum(b, edges[cell + 1]) - edges[cell]
    lengths = np.diff(edges)
    counts = [lengths, *(x.ravel() for x in (r, s, s - r))]
    total = lag_totals(covariance, cells.at_lag, np.concatenate(counts))
    of_cells, of_r, of_s, of_gap = np.split(total, np.cumsum([len(c) for c in counts[:-1]]))
    before = np.concatenate([[0.0], np.cumsum(of_cells)])
    return before[cell] + ((of_r + of_s - of_gap) / 2).reshape(a.shape)


def _of_picture(picture: Kronecker, grid: Array) -> Array:
    """Through masks of the first n patches, <M_a, R M_b C>: O(N (rows + columns)) each."""
    shape = (len(picture.rows), len(picture.columns))
    masks = np.zeros((len(grid), picture.rows.shape[0] * picture.columns.shape[0]))
    for mask, n in zip(masks, grid, strict=True):
        mask[picture.places[:n]] = 1.0
    masks = masks.reshape(-1, *shape)
    spread = picture.rows @ masks @ picture.columns
    together = np.tensordot(masks, spread, axes=([1, 2], [1, 2]))
    if picture.white:
        own = np.minimum(grid[:, None], grid[None, :])
        return picture.weight * together + picture.white * own
    return picture.weight * together


def dense_prefix_covariance(covariance: Any, grid: Array) -> Array:
    """C[a, b] by summing the matrix in strips of rows: O(N^2) time, O(N) memory."""
    largest = int(grid[-1])
    if largest > LARGEST_SUMMED:
        raise InputError(
            f"{covariance!r}: sums over n = {largest:,} tokens take n^2 steps without more "
            f"structure, which is limited to n = {LARGEST_SUMMED:,}; ask for fewer tokens, or "
            "define prefix_covariance() in the class"
        )
    columns = np.arange(largest)
    rows_at_once = max(1, 2_000_000 // largest)
    increments = np.zeros((len(grid), largest))
    starts = np.concatenate([[0], grid[:-1]])
    for k, (start, stop) in enumerate(zip(starts, grid, strict=True)):
        for row in range(start, stop, rows_at_once):
            i = np.arange(row, min(row + rows_at_once, stop))
            block = np.broadcast_to(covariance(i[:, None], columns[None, :]), (len(i), largest))
            increments[k] += block.sum(axis=0)
    return np.cumsum(np.cumsum(increments, axis=1)[:, grid - 1], axis=0)
