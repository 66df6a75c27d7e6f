"""D(n) and the realised psi's of tokens that are given, in one pass over them.

Sums run over blocks of tokens in float32; the running totals are kept as a pair of float32 numbers
(a value and what rounding took from it), so that long sequences lose nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.kernels.blocks import Blocks, lay_out

BLOCK = 128


class Running(NamedTuple):
    """Totals up to the current block: value and rounding remainder of each."""

    value: Any
    lost: Any


class TokenSums(NamedTuple):
    """Sums over tokens: difference (d,), unit vectors of A and B (d,), and sum of u^A . u^B ()."""

    difference: jax.Array
    unit_a: jax.Array
    unit_b: jax.Array
    equal: jax.Array


class Reports(NamedTuple):
    """What a block says at its grid points, each (slots,)."""

    squared_divergence: jax.Array
    squared_a: jax.Array
    squared_b: jax.Array
    product: jax.Array
    equal: jax.Array


def _add(total: Running, increment: Any) -> Running:
    """Compensated addition (Neumaier): the remainder is kept apart and added at use."""

    def one(value: jax.Array, lost: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        new = value + x
        big = jnp.abs(value) >= jnp.abs(x)
        error = jnp.where(big, (value - new) + x, (x - new) + value)
        return new, lost + error

    pairs = jax.tree.map(one, total.value, total.lost, increment)
    is_pair = lambda x: isinstance(x, tuple) and not hasattr(x, "_fields")  # noqa: E731
    return Running(
        jax.tree.map(lambda p: p[0], pairs, is_leaf=is_pair),
        jax.tree.map(lambda p: p[1], pairs, is_leaf=is_pair),
    )


def start(dim: int) -> Running:
    """Totals before the first token."""
    row = jnp.zeros(dim, jnp.float32)
    zero = TokenSums(row, row, row, jnp.zeros((), jnp.float32))
    return Running(zero, zero)


def unit_vectors(h: jax.Array) -> jax.Array:
    """h / ||h|| along the last axis."""
    return h * jax.lax.rsqrt(jnp.sum(h * h, axis=-1, keepdims=True))


def measure_block(
    total: Running, a: jax.Array, b: jax.Array, ends: jax.Array, valid: jax.Array | None = None
) -> tuple[Running, Reports]:
    """Advance the totals by a block of tokens (size, d) and report at `ends` tokens into it.

    `valid` (size,) masks tokens beyond the end of the sequence.
    """
    size = a.shape[0]
    unit_a, unit_b = unit_vectors(a), unit_vectors(b)
    equal = jnp.sum(unit_a * unit_b, axis=-1)
    rows = TokenSums(a - b, unit_a, unit_b, equal[:, None])
    if valid is not None:
        rows = jax.tree.map(lambda r: jnp.where(valid[:, None], r, 0.0), rows)
    position = jnp.arange(size)
    mask = (position[None, :] < jnp.append(ends, size)[:, None]).astype(jnp.float32)
    prefix = jax.tree.map(lambda r: jnp.matmul(mask, r, precision=jax.lax.Precision.HIGHEST), rows)
    prefix = prefix._replace(equal=prefix.equal[:, 0])
    at_ends = jax.tree.map(
        lambda v, lost, p: v[None] + (lost[None] + p[:-1]), total.value, total.lost, prefix
    )
    reports = Reports(
        jnp.sum(at_ends.difference**2, axis=-1),
        jnp.sum(at_ends.unit_a**2, axis=-1),
        jnp.sum(at_ends.unit_b**2, axis=-1),
        jnp.sum(at_ends.unit_a * at_ends.unit_b, axis=-1),
        at_ends.equal,
    )
    return _add(total, jax.tree.map(lambda p: p[-1], prefix)), reports


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


@partial(jax.jit, static_argnames="size")
def _measure(a: jax.Array, b: jax.Array, ends: jax.Array, size: int) -> Reports:
    """Reports (blocks * slots,) of one pair of sequences (N, d)."""
    tokens, dim = a.shape
    blocks = ends.shape[0]

    def step(total: Running, block: tuple[jax.Array, jax.Array]) -> tuple[Running, Reports]:
        index, block_ends = block
        # The last block is shifted back to stay inside; `valid` drops what it would count twice.
        start_at = jnp.minimum(index * size, tokens - size)
        shift = index * size - start_at
        slab_a = jax.lax.dynamic_slice_in_dim(a, start_at, size).astype(jnp.float32)
        slab_b = jax.lax.dynamic_slice_in_dim(b, start_at, size).astype(jnp.float32)
        valid = jnp.arange(size) >= shift
        return measure_block(total, slab_a, slab_b, block_ends + shift, valid)

    _, reports = jax.lax.scan(step, start(dim), (jnp.arange(blocks), ends))
    return jax.tree.map(lambda r: r.reshape(-1), reports)


def measure(a: Any, b: Any, grid: np.ndarray) -> tuple[jax.Array, dict[str, jax.Array]]:
    """D and realised psi's of tokens (..., N, d) on an ascending grid, each (..., m), float32."""
    lead, (tokens, dim) = a.shape[:-2], a.shape[-2:]
    layout: Blocks = lay_out(np.asarray(grid), min(BLOCK, tokens))
    one = partial(_measure, size=layout.size)
    flat_a, flat_b = jnp.reshape(a, (-1, tokens, dim)), jnp.reshape(b, (-1, tokens, dim))
    pairs = [one(x, y, layout.ends) for x, y in zip(flat_a, flat_b, strict=True)]
    reports = jax.tree.map(lambda *r: jnp.stack(r)[:, layout.where], *pairs)
    psis = psi_from_reports(reports, jnp.asarray(grid))
    divergences = jnp.sqrt(reports.squared_divergence)
    shape = (*lead, len(layout.where))
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
    return measure(a, b, grid)[0]


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
