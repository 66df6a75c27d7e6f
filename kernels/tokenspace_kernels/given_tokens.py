"""D(n) and the realised psi's of tokens that are given, in one pass over them.

The tokens are cut into pieces that end at every grid point and are short enough to stay in cache
while norms, products and sums are taken, so memory is read once. Running totals are pairs of
float32 numbers (a value and what rounding took from it), so that long sequences lose nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Windows through which pieces are read: the shortest that holds the piece, since grids are dense at
# small n. On a CPU the longest keeps both branches in cache; an accelerator needs more work a step.
WINDOWS = {"cpu": (32, 128, 512)}
ACCELERATOR_WINDOWS = (64, 512, 4096)

LEAST_SQUARE = 1e-30  # of a norm: numbers whose squares sum to less lose digits in float32

matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


class Running(NamedTuple):
    """Totals up to the current token: value and rounding remainder of each."""

    value: Any
    lost: Any


class TokenSums(NamedTuple):
    """Sums over tokens: difference (d,), unit vectors of A and B (d,), and sum of u^A . u^B ()."""

    difference: jax.Array
    unit_a: jax.Array
    unit_b: jax.Array
    equal: jax.Array


class Reports(NamedTuple):
    """What the totals say at a grid point."""

    squared_divergence: jax.Array
    squared_a: jax.Array
    squared_b: jax.Array
    product: jax.Array
    equal: jax.Array


def add(total: Running, increment: Any) -> Running:
    """Compensated addition (Neumaier): the remainder is kept apart and added at use."""

    def remainder(value: jax.Array, x: jax.Array, new: jax.Array) -> jax.Array:
        big = jnp.abs(value) >= jnp.abs(x)
        return jnp.where(big, (value - new) + x, (x - new) + value)

    new = jax.tree.map(jnp.add, total.value, increment)
    error = jax.tree.map(remainder, total.value, increment, new)
    return Running(new, jax.tree.map(jnp.add, total.lost, error))


def start(dim: int, psi: bool = True) -> Running:
    """Totals before the first token; sums of unit vectors are left out without `psi`."""
    row, unit = jnp.zeros(dim, jnp.float32), jnp.zeros(dim if psi else 0, jnp.float32)
    zero = TokenSums(row, unit, unit, jnp.zeros((), jnp.float32))
    return Running(zero, zero)


def unit_vectors(h: jax.Array) -> jax.Array:
    """h / ||h|| along the last axis."""
    return h * jax.lax.rsqrt(jnp.sum(h * h, axis=-1, keepdims=True))


def report(sums: TokenSums) -> Reports:
    """Norms and products of sums (..., d), each (...)."""
    return Reports(
        jnp.sum(sums.difference**2, axis=-1),
        jnp.sum(sums.unit_a**2, axis=-1),
        jnp.sum(sums.unit_b**2, axis=-1),
        jnp.sum(sums.unit_a * sums.unit_b, axis=-1),
        sums.equal,
    )


def inverse_norm(square: jax.Array) -> jax.Array:
    """One over the root; NaN where the square left its range: nothing is wrong in silence."""
    inside = (square >= LEAST_SQUARE) & (square < jnp.inf)
    return jnp.where(inside, jax.lax.rsqrt(square), jnp.nan)


def masked_sums(mask: jax.Array, a: jax.Array, b: jax.Array) -> TokenSums:
    """Sums over the tokens (size, d) that each row of a mask (rows, size) of booleans lets through.

    Unit vectors are never formed: their sum is a product of the tokens with inverse norms.
    """
    inverse_a, inverse_b = (inverse_norm(jnp.sum(h * h, axis=1)) for h in (a, b))
    cosine = jnp.sum(a * b, axis=1) * inverse_a * inverse_b
    rows, ones = len(mask), mask.astype(jnp.float32)

    def both(inverse: jax.Array, h: jax.Array) -> jax.Array:
        weights = jnp.where(mask, inverse[None, :], 0.0)
        return matmul(jnp.concatenate([ones, weights]), h)

    sums_a, sums_b = both(inverse_a, a), both(inverse_b, b)
    equal = jnp.sum(jnp.where(mask, cosine[None, :], 0.0), axis=1)
    return TokenSums(sums_a[:rows] - sums_b[:rows], sums_a[rows:], sums_b[rows:], equal)


def measure_block(
    total: Running, a: jax.Array, b: jax.Array, ends: jax.Array
) -> tuple[Running, Reports]:
    """Advance the totals by a block of tokens (size, d) and report at `ends` tokens into it.

    Slots are filled from the first on, 0 marks an empty one; most blocks have few, so the work is
    done for the fewest slots that hold them.
    """
    size, slots = a.shape[0], ends.shape[0]

    def up_to(filled: int) -> tuple[Running, Reports]:
        stop = jnp.append(ends[:filled], size)
        prefix = masked_sums(jnp.arange(size)[None, :] < stop[:, None], a, b)
        at_ends = jax.tree.map(
            lambda v, lost, p: v[None] + (lost[None] + p[:-1]), total.value, total.lost, prefix
        )
        reports = jax.tree.map(lambda r: jnp.pad(r, (0, slots - filled)), report(at_ends))
        return add(total, jax.tree.map(lambda p: p[-1], prefix)), reports

    levels = sorted({min(k, slots) for k in (2, 6, slots)})
    level = jnp.searchsorted(jnp.asarray(levels), jnp.sum(ends > 0))
    return jax.lax.switch(level, [partial(up_to, k) for k in levels])


def psi_from_reports(reports: Reports, grid: Any) -> dict[str, Any]:
    """Realised psi's from sums at the grid; averages over pairs are NaN at n = 1.

    sum_{i != j} u_i . u_j = ||sum u||^2 - n and
    sum_{i != j} u_i^A . u_j^B = (sum u^A) . (sum u^B) - sum u_i^A . u_i^B.

    Reports of JAX or of NumPy; the psi's are of the same kind.
    """
    xp = reports.equal.__array_namespace__()
    n = xp.asarray(grid, dtype=reports.equal.dtype)
    n = n.reshape((1,) * (reports.equal.ndim - 1) + n.shape)
    pairs = xp.where(n > 1, n * (n - 1), xp.nan)
    return {
        "psi_equal": reports.equal / n,
        "psi_cross_AA": (reports.squared_a - n) / pairs,
        "psi_cross_BB": (reports.squared_b - n) / pairs,
        "psi_cross_AB": (reports.product - reports.equal) / pairs,
    }


class Pieces(NamedTuple):
    """Consecutive pieces (pieces,): first token, length and window of each."""

    first: np.ndarray
    length: np.ndarray
    window: np.ndarray


def cut(grid: np.ndarray, windows: tuple[int, ...]) -> tuple[Pieces, np.ndarray]:
    """Pieces that cover 1..grid[-1] and end at every grid point, and the piece of each point."""
    longest = windows[-1]
    ends = np.unique(np.concatenate([grid, np.arange(longest, grid[-1], longest)]))
    length = np.diff(ends, prepend=0)
    parts = (ends - length, length, np.searchsorted(windows, length))
    return Pieces(*(p.astype(np.int32) for p in parts)), np.searchsorted(ends, grid)


@partial(jax.jit, static_argnames=("windows", "psi"))
def _measure(
    a: jax.Array,
    b: jax.Array,
    pieces: Pieces,
    where: jax.Array,
    grid: jax.Array,
    windows: tuple[int, ...],
    psi: bool,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """D and psi's (pairs, m) of sequences (..., N, d)."""
    tokens, dim = a.shape[-2:]
    rows_a, rows_b = a.reshape(-1, dim), b.reshape(-1, dim)

    def read(size: int, first: jax.Array, length: jax.Array, pair: jax.Array) -> TokenSums:
        # The last window is shifted back to stay inside the sequence.
        at = jnp.minimum(first, tokens - size)
        position = jnp.arange(size) - (first - at)
        inside = (position >= 0) & (position < length)
        x, y = (
            jax.lax.dynamic_slice_in_dim(h, pair * tokens + at, size).astype(jnp.float32)
            for h in (rows_a, rows_b)
        )
        if psi:
            return jax.tree.map(lambda s: s[0], masked_sums(inside[None, :], x, y))
        none = jnp.zeros(0, jnp.float32)
        return TokenSums(matmul(inside.astype(jnp.float32), x - y), none, none, jnp.float32(0))

    def measure_pair(pair: jax.Array) -> Reports:
        def step(total: Running, piece: Pieces) -> tuple[Running, Reports]:
            readers = [partial(read, size) for size in windows]
            sums = jax.lax.switch(piece.window, readers, piece.first, piece.length, pair)
            total = add(total, sums)
            return total, report(jax.tree.map(jnp.add, total.value, total.lost))

        return jax.lax.scan(step, start(dim, psi), pieces)[1]

    reports = jax.lax.map(measure_pair, jnp.arange(rows_a.shape[0] // tokens))
    reports = jax.tree.map(lambda r: r[:, where], reports)
    return jnp.sqrt(reports.squared_divergence), psi_from_reports(reports, grid) if psi else {}


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """D and realised psi's of tokens (..., N, d) on an ascending grid, each (..., m), float32.

    With `psi` False only D is measured, and the second value is empty.
    """
    grid = np.asarray(grid)
    lead, tokens = a.shape[:-2], int(grid[-1])
    a, b = a[..., :tokens, :], b[..., :tokens, :]
    known = WINDOWS.get(jax.default_backend(), ACCELERATOR_WINDOWS)
    windows = tuple(sorted({min(w, tokens) for w in known}))
    pieces, where = cut(grid, windows)
    out = _measure(jnp.asarray(a), jnp.asarray(b), pieces, where, grid, windows, psi)
    return jax.tree.map(lambda x: x.reshape(*lead, len(grid)), out)


def divergence(a: Any, b: Any, grid: np.ndarray) -> jax.Array:
    """D(n) = ||sum_{i<=n} (a_i - b_i)||_2 at each n of an ascending grid.

    Args:
        a, b: tokens of the two branches, shape (..., N, d), float32, bfloat16 or float16.
        grid: numbers of tokens, ascending, between 1 and N.

    Returns:
        Shape (..., m), float32.

    Source: Li et al. 2025.
    """
    return measure(a, b, grid, psi=False)[0]


def correlations(a: Any, b: Any, grid: np.ndarray) -> dict[str, jax.Array]:
    """Realised psi_equal, psi_cross_AA, psi_cross_BB and psi_cross_AB of tokens (..., N, d).

    Averages of cosines, computed from prefix sums in O(N d); see `psi_from_reports`.

    Args:
        a, b: tokens of the two branches, shape (..., N, d).
        grid: numbers of tokens, ascending, between 1 and N.

    Returns:
        Name -> (..., m), float32; the averages over pairs are NaN at n = 1.

    Source: Li et al. 2025.
    """
    return measure(a, b, grid)[1]
