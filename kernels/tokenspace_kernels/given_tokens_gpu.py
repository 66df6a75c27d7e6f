"""`measure` for a GPU in Pallas: tokens are read once, into registers.

A program owns a piece of a pair's tokens with all features, since a token's norm is a sum over
them, and writes the sums over its piece. A second launch adds pieces up, each of its programs for a
slice of the features, and takes norms and products after every piece.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl

from tokenspace_kernels import limits
from tokenspace_kernels.given_tokens import (
    LEAST_SQUARE,
    Pieces,
    Reports,
    Running,
    add,
    cut,
    inverse_norm,
    psi_from_reports,
)
from tokenspace_kernels.sample_divergence_gpu import WARP

# Tokens of a piece, whose float32 sums round by about 1e-6. A piece leaves 12 bytes a feature: one
# for each of an H100's 132 multiprocessors leaves 1.5 MiB at 1,024 features, 3 % of its L2.
LONGEST_PIECE = 128
AT_ONCE = 4096  # numbers of a branch that a program holds, and as many that are on their way
NUMBERS_A_THREAD = 16  # of those
PIECES_AT_ONCE, SLICE = 64, 32  # that a program of the second launch adds up


def rows_at_once(dim: int) -> int:
    """Tokens that a program reads in a step."""
    return max(1, min(LONGEST_PIECE, AT_ONCE // _tile(dim)))


def _tile(dim: int) -> int:
    return max(WARP, pl.next_power_of_2(dim))


def _sum_piece(
    first: Any,
    length: Any,
    a: Any,
    b: Any,
    sums: Any,
    cosines: Any,
    *,
    dim: int,
    psi: bool,
) -> None:
    pair, piece = pl.program_id(0), pl.program_id(1)
    rows, tile = rows_at_once(dim), _tile(dim)
    begin, end = first[piece], first[piece] + length[piece]
    row = lax.broadcasted_iota(jnp.int32, (rows, 1), 0)
    lane = lax.broadcasted_iota(jnp.int32, (1, tile), 1)
    inside = lane if dim == tile else jnp.minimum(lane, dim - 1)

    def read(step: Any) -> list[jax.Array]:
        """Tokens as they are; past the end the last one again, which is near."""
        token = jnp.minimum(begin + step * rows + row, end - 1)
        return [h[pair, token, inside] for h in (a, b)]

    # Numbers of 16 bits lie in threads as no vector does that is stored: each step would move them.
    apart = a.dtype != jnp.float32

    def kept(x: jax.Array) -> jax.Array:
        return x if apart else jnp.sum(x, axis=0)

    def step(k: Any, carry: Any) -> Any:
        (x, y), (difference, unit_a, unit_b, equal) = carry
        coming = read(k + 1)  # on its way while these are summed
        counts = begin + k * rows + row < end
        counted = counts if dim == tile else counts & (lane < dim)
        x, y = (jnp.where(counted, h.astype(jnp.float32), 0.0) for h in (x, y))
        difference += kept(x - y)
        if psi:
            squares = (jnp.sum(h * h, axis=1, keepdims=True) for h in (x, y))
            p, q = (jnp.where(counts, inverse_norm(s, LEAST_SQUARE), 0.0) for s in squares)
            unit_a += kept(x * p)
            unit_b += kept(y * q)
            equal += jnp.sum(x * y, axis=1, keepdims=True) * p * q
        return coming, (difference, unit_a, unit_b, equal)

    zero = jnp.zeros((rows, tile) if apart else tile, jnp.float32)
    begun = zero, zero, zero, jnp.zeros((rows, 1), jnp.float32)
    steps = lax.div(end - begin + (rows - 1), rows)
    _, (*vectors, equal) = lax.fori_loop(0, steps, step, (read(0), begun))
    for k, x in enumerate(vectors[: 3 if psi else 1]):
        sums[pair, k, piece, lax.broadcasted_iota(jnp.int32, (tile,), 0)] = (
            jnp.sum(x, axis=0) if apart else x
        )
    cosines[pair, piece] = jnp.sum(equal)


def _add_pieces(sums: Any, products: Any) -> None:
    pair, part = pl.program_id(0), pl.program_id(1)
    rows, pieces = sums.shape[1:3]
    piece = lax.broadcasted_iota(jnp.int32, (PIECES_AT_ONCE, 1), 0)
    lane = lax.broadcasted_iota(jnp.int32, (1, SLICE), 1) + part * SLICE

    def step(k: Any, total: Running) -> Running:
        here = piece + k * PIECES_AT_ONCE
        of = [
            jnp.where(here < pieces, sums[pair, row, jnp.minimum(here, pieces - 1), lane], 0.0)
            for row in range(rows)
        ]
        after = [
            value[None] + (lost[None] + jnp.cumsum(x, axis=0))
            for value, lost, x in zip(*total, of, strict=True)
        ]
        pairs = [(x, x) for x in after] + ([(after[1], after[2])] if rows > 1 else [])
        place = k * PIECES_AT_ONCE + lax.broadcasted_iota(jnp.int32, (PIECES_AT_ONCE,), 0)
        for row, (x, y) in enumerate(pairs):
            products[pair, part, row, place] = jnp.sum(x * y, axis=1)
        return add(total, [jnp.sum(x, axis=0) for x in of])

    zero = [jnp.zeros(SLICE, jnp.float32)] * rows
    lax.fori_loop(0, pl.cdiv(pieces, PIECES_AT_ONCE), step, Running(zero, zero))


@partial(jax.jit, static_argnames=("psi", "interpret"))
def _measure(
    a: jax.Array,
    b: jax.Array,
    pieces: Pieces,
    where: jax.Array,
    grid: jax.Array,
    psi: bool,
    interpret: bool,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """D and psi's (pairs, m) of sequences (pairs, N, d)."""
    pairs, _, dim = a.shape
    number, rows, tile = len(pieces.length), 3 if psi else 1, _tile(dim)
    launch = partial(pl.pallas_call, interpret=interpret)
    sums, cosines = launch(
        partial(_sum_piece, dim=dim, psi=psi),
        out_shape=[
            jax.ShapeDtypeStruct((pairs, rows, number, tile), jnp.float32),
            jax.ShapeDtypeStruct((pairs, number), jnp.float32),
        ],
        grid=(pairs, number),
        compiler_params=None if interpret else _parameters(tile * rows_at_once(dim)),
        name="measure",
    )(pieces.first, pieces.length, a, b)
    parts, up = tile // SLICE, pl.cdiv(number, PIECES_AT_ONCE) * PIECES_AT_ONCE
    products = launch(
        _add_pieces,
        out_shape=jax.ShapeDtypeStruct((pairs, parts, 4 if psi else 1, up), jnp.float32),
        grid=(pairs, parts),
        compiler_params=None if interpret else _parameters(PIECES_AT_ONCE * SLICE),
        name="measure_pieces",
    )(sums)
    at_grid = jnp.moveaxis(jnp.sum(products[..., where], axis=1), 1, 0)
    if not psi:
        return jnp.sqrt(at_grid[0]), {}
    found = [*at_grid, jnp.cumsum(cosines, axis=1)[:, where]]
    reports = Reports(*found)
    return jnp.sqrt(reports.squared_divergence), psi_from_reports(reports, grid)


def _parameters(numbers: int) -> Any:
    from jax.experimental.pallas import triton

    warps = max(1, min(16, numbers // (WARP * NUMBERS_A_THREAD)))
    return triton.CompilerParams(num_warps=warps, num_stages=1)


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True, interpret: bool = False
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """As `given_tokens.measure`, within `limits`; a launch takes as many pairs as it can."""
    grid = np.asarray(grid)
    lead, (tokens, dim) = a.shape[:-2], a.shape[-2:]
    limits.require("measure", "pallas", "gpu", limits.Work(dim, tokens=tokens))
    a, b = (jnp.asarray(h).reshape(-1, *h.shape[-2:]) for h in (a, b))
    pieces, where = cut(grid, (LONGEST_PIECE,))
    most = (limits.LARGEST_GIVEN - 1) // (tokens * dim)
    parts = [
        _measure(a[k : k + most], b[k : k + most], pieces, where, grid, psi, interpret)
        for k in range(0, len(a), most)
    ]
    return jax.tree.map(lambda *x: jnp.concatenate(x).reshape(*lead, len(grid)), *parts)
