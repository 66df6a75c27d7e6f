"""D(n) and the realised psi's of tokens that are given, in one pass over them.

The tokens are cut into pieces that end at every grid point and are short enough to stay in cache
while norms, products and sums are taken, so memory is read once. Running totals are pairs of float32 numbers (a value and what rounding took from it), so that long
sequences lose nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Windows through which pieces are read: the shortest that holds the piece, since grids are dense at
# small n. On a CPU the longest keeps both branches in cache; an accelerator needs more work a step.
WINDOWS = {"cpu": (64, 256)}
ACCELERATOR_WINDOWS = (64, 512, 4096)

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


def measure_block(
    total: Running, a: jax.Array, b: jax.Array, ends: jax.Array
) -> tuple[Running, Reports]:
    """Advance the totals by a block of tokens (size, d) and report at `ends` tokens into it."""
    size = a.shape[0]
    unit_a, unit_b = unit_vectors(a), unit_vectors(b)
    equal = jnp.sum(unit_a * unit_b, axis=-1)
    rows = TokenSums(a - b, unit_a, unit_b, equal[:, None])
    mask = (jnp.arange(size)[None, :] < jnp.append(ends, size)[:, None]).astype(jnp.float32)
    prefix = jax.tree.map(lambda r: matmul(mask, r), rows)
    prefix = prefix._replace(equal=prefix.equal[:, 0])
    at_ends = jax.tree.map(
        lambda v, lost, p: v[None] + (lost[None] + p[:-1]), total.value, total.lost, prefix
    )
    return add(total, jax.tree.map(lambda p: p[-1], prefix)), report(at_ends)


def psi_from_reports(reports: Reports, grid: jax.Array) -> dict[str, jax.Array]:
    """Realised psi's from sums at the grid; averages over pairs are NaN at n = 1.

    sum_{i != j} u_i . u_j = ||sum u||^2 - n and
    sum_{i != j} u_i^A . u_j^B = (sum u^A) . (sum u^B) - sum u_i^A . u_i^B.
    """
    n = jnp.asarray(grid, jnp.float32)
    n = n.reshape((1,) * (reports.equal.ndim - 1) + n.shape)
    pairs = jnp.where(n > 1, n * (n - 1), jnp.nan)
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


def sums_of_piece(x: jax.Array, y: jax.Array, inside: jax.Array, psi: bool) -> TokenSums:
    """Sums over those tokens of a window (size, d) that lie inside the piece, (size,) booleans.

    Unit vectors are never formed: their sum is a product of the tokens with inverse norms.
    """
    x, y = x.astype(jnp.float32), y.astype(jnp.float32)
    ones = inside.astype(jnp.float32)
    if not psi:
        none = jnp.zeros(0, jnp.float32)
        return TokenSums(matmul(ones, x - y), none, none, jnp.zeros((), jnp.float32))
    inverse_a, inverse_b = (jax.lax.rsqrt(jnp.sum(h * h, axis=1)) for h in (x, y))
    cosine = jnp.sum(x * y, axis=1) * inverse_a * inverse_b
    sum_a, unit_a = matmul(jnp.stack([ones, jnp.where(inside, inverse_a, 0.0)]), x)
    sum_b, unit_b = matmul(jnp.stack([ones, jnp.where(inside, inverse_b, 0.0)]), y)
    return TokenSums(sum_a - sum_b, unit_a, unit_b, jnp.sum(jnp.where(inside, cosine, 0.0)))


@partial(jax.jit, static_argnames=("windows", "psi"))
def reports_of_pieces(
    a: jax.Array, b: jax.Array, pieces: Pieces, windows: tuple[int, ...], psi: bool
) -> Reports:
    """Reports (pairs, pieces) of sequences (..., N, d) at the end of every piece."""
    tokens, dim = a.shape[-2:]
    rows_a, rows_b = a.reshape(-1, dim), b.reshape(-1, dim)

    def read(size: int, first: jax.Array, length: jax.Array, pair: jax.Array) -> TokenSums:
        # The last window is shifted back to stay inside the sequence.
        at = jnp.minimum(first, tokens - size)
        position = jnp.arange(size) - (first - at)
        inside = (position >= 0) & (position < length)
        x, y = (jax.lax.dynamic_slice_in_dim(h, pair * tokens + at, size) for h in (rows_a, rows_b))
        return sums_of_piece(x, y, inside, psi)

    def measure_pair(pair: jax.Array) -> Reports:
        def step(total: Running, piece: Pieces) -> tuple[Running, Reports]:
            readers = [partial(read, size) for size in windows]
            sums = jax.lax.switch(piece.window, readers, piece.first, piece.length, pair)
            total = add(total, sums)
            return total, report(jax.tree.map(jnp.add, total.value, total.lost))

        return jax.lax.scan(step, start(dim, psi), pieces)[1]

    return jax.lax.map(measure_pair, jnp.arange(rows_a.shape[0] // tokens))


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """D and realised psi's of tokens (..., N, d) on an ascending grid, each (..., m), float32.

    With `psi` False only D is measured, and the second value is empty.
    """
    lead, tokens = a.shape[:-2], a.shape[-2]
    known = WINDOWS.get(jax.default_backend(), ACCELERATOR_WINDOWS)
    windows = tuple(sorted({min(w, tokens) for w in known}))
    pieces, where = cut(np.asarray(grid), windows)
    reports = reports_of_pieces(jnp.asarray(a), jnp.asarray(b), pieces, windows, psi)
    reports = jax.tree.map(lambda r: r[:, where], reports)
    shape = (*lead, len(where))
    psis = psi_from_reports(reports, jnp.asarray(grid)) if psi else {}
    divergences = jnp.sqrt(reports.squared_divergence)
    return divergences.reshape(shape), {k: v.reshape(shape) for k, v in psis.items()}


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
