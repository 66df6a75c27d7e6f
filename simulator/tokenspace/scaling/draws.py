"""Curves that the scores allow a law: its shapes drawn from their grid, the rest by Student's t.

Where the variance of noise is known, the rest is normal.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv

from tokenspace.scaling.predictive import Grid

MOST, LITTLE = 0.15, 1e-4  # weight of one value of a shape: to be split, or left out
VALUES, FINER = 49, 3  # of a shape in a finer grid, and how often it is made finer at most


def finer(grid: Grid) -> Grid:
    """The grid with its one shape so closely spaced that no value has much weight."""
    law, points = grid.law, grid.points
    if law.shapes != 1:
        return grid
    for again in range(FINER):
        shares = grid.shares()
        coarse = shares.max(axis=1) >= MOST if again else np.ones(len(shares), bool)
        if not coarse.any():
            break
        last, known = shares.shape[1] - 1, shares > LITTLE
        low = np.maximum(known.argmax(axis=1) - 1, 0)
        high = np.minimum(last - known[:, ::-1].argmax(axis=1) + 1, last)
        place = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, VALUES)
        before = np.minimum(place.astype(int), last - 1)[:, :, None]
        part = place[:, :, None] - before
        starts = [np.take_along_axis(grid.raw, before + k, axis=1) for k in (0, 1)]
        fine = Grid.fitted(law, (1 - part) * starts[0] + part * starts[1], points)
        if again:
            fine = Grid(
                law,
                points,
                np.where(coarse[:, None, None], fine.raw, grid.raw),
                np.where(coarse[:, None], fine.squares, grid.squares),
            )
        grid = fine
    return grid


def curves_of(grid: Grid, x: np.ndarray, runs: int, seed: int) -> np.ndarray:
    """log S at log n = x (curves, points) of draws that the scores allow a law.

    Returns (curves, runs, points). The same seed gives the same draws whatever other curves there
    are.
    """
    law, rows = grid.law, np.arange(len(grid.raw))[:, None]
    kept = law.size - law.shapes
    rng = np.random.default_rng(seed)
    place = (rng.permutation(runs) + rng.random(runs)) / runs
    normal, chance = rng.standard_normal((runs, kept)), rng.random(runs)
    passed = np.cumsum(grid.shares(), axis=1)
    passed /= passed[:, -1:]
    which = np.stack([np.searchsorted(p, place) for p in passed])
    kinds, kind = np.unique(grid.freedom[:, 0], return_inverse=True)
    chi_squared = 2 * gammaincinv(kinds[:, None] / 2, chance)[kind]
    values, axes = np.linalg.eigh(grid.inverse)
    spread = axes * np.sqrt(np.maximum(values, 0))[..., None, :]  # (curves, k, kept, kept)
    size = np.sqrt(grid.squares[rows, which] / chi_squared)
    if grid.points.noise is not None:
        noise = grid.points.noise[:, None]
        size = np.where(np.isfinite(noise), np.sqrt(noise), size)
    moved = size[..., None] * np.einsum("crij,rj->cri", spread[rows, which], normal)
    if law.linear:
        lanes = grid.raw.reshape(-1, law.size), np.repeat(x, grid.raw.shape[1], axis=0)
        slopes = law.slopes(*lanes)[..., :kept].reshape(*grid.raw.shape[:2], x.shape[1], kept)
        there = np.matmul(slopes[rows, which], moved[..., None])[..., 0]
        return np.asarray(grid.log_scores(x)[rows, which] + there)
    raw = grid.raw[rows, which]
    raw[..., :kept] += moved
    with np.errstate(over="ignore"):  # S(1), far from counts that are large
        found = law.log_scores(raw.reshape(-1, law.size), np.repeat(x, runs, axis=0))
    return np.asarray(found).reshape(*which.shape, -1)
