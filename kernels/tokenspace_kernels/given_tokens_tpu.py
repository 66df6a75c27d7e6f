"""`measure` for a TPU in Pallas: tokens are read once, into vector memory.

A program owns a piece of a pair's tokens with all features. Pieces of one chunk of tokens follow
each other, and the chunk stays in vector memory meanwhile, as the totals do up to the pair's end.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from tokenspace_kernels import given_tokens
from tokenspace_kernels.given_tokens import (
    Pieces,
    Reports,
    Running,
    add,
    cut,
    inverse_norm,
    psi_from_reports,
)
from tokenspace_kernels.sample_divergence_tpu import LANES, SUBLANES, up

ROWS = 32  # tokens that are summed at once: their sums are read and written once
CHUNK_BYTES = 1 << 21  # of a branch in vector memory; as many are on their way
LONGEST_CHUNK = 1024  # tokens: their float32 sums round by about 1e-6
LARGEST_DIM = 16_384  # features of a token: their sums lie in vector memory too


def _over_rows(x: jax.Array) -> jax.Array:
    """Sums (8, lanes) over the vectors of an array (rows, lanes)."""
    return jnp.sum(x.reshape(-1, SUBLANES, x.shape[1]), axis=0)


def _kernel(
    first: Any,
    length: Any,
    a: Any,
    b: Any,
    out: Any,
    sums: Any,
    value: Any,
    lost: Any,
    *,
    psi: bool,
) -> None:
    piece = pl.program_id(1)
    chunk, dim = a.shape
    begin = lax.rem(first[piece], chunk)
    end = begin + length[piece]
    slices = [pl.ds(k, min(LANES, dim - k)) for k in range(0, dim, LANES)]

    @pl.when(piece == 0)
    def _() -> None:
        value[...] = jnp.zeros_like(value)
        lost[...] = jnp.zeros_like(lost)

    sums[...] = jnp.zeros_like(sums)

    def step(k: Any, equal: jax.Array) -> jax.Array:
        rows = pl.ds(pl.multiple_of(k * ROWS, ROWS), ROWS)
        row = k * ROWS + lax.broadcasted_iota(jnp.int32, (ROWS, 1), 0)
        counts = (row >= begin) & (row < end)

        def read(of: Any) -> tuple[jax.Array, jax.Array]:
            return tuple(h[rows, of].astype(jnp.float32) for h in (a, b))

        if psi:
            xx, yy, xy = _over_features(read, slices)
            p, q = (jnp.where(counts, inverse_norm(s), 0.0) for s in (xx, yy))
            equal += jnp.where(counts, xy * p * q, 0.0)
        for of in slices:
            x, y = (jnp.where(counts, h, 0.0) for h in read(of))
            sums[0, :, of] += _over_rows(x - y)
            if psi:
                sums[1, :, of] += _over_rows(x * p)
                sums[2, :, of] += _over_rows(y * q)
        return equal

    steps = lax.div(begin, ROWS), lax.div(end + (ROWS - 1), ROWS)
    equal = lax.fori_loop(*steps, step, jnp.zeros((ROWS, 1), jnp.float32))

    squares, product = 0.0, 0.0
    for of in slices:
        total = Running(value[:, of], lost[:, of])
        total = add(total, jnp.sum(sums[:, :, of], axis=1))
        value[:, of], lost[:, of] = total
        after = total.value + total.lost
        squares += jnp.sum(after * after, axis=1, keepdims=True)
        if psi:
            product += jnp.sum(after[1:2] * after[2:3], axis=1, keepdims=True)
    found = [squares[k : k + 1] for k in range(len(squares))]
    if psi:
        found += [product, jnp.sum(equal, axis=0, keepdims=True)]
    place = lax.broadcasted_iota(jnp.int32, (1, out.shape[1]), 1)
    for k, x in enumerate(found):
        out[k : k + 1] = jnp.where(place == piece, x, out[k : k + 1])


def _over_features(read: Any, slices: list[Any]) -> tuple[jax.Array, ...]:
    """Squared norms of both tokens of each row, and their product, (rows, 1)."""
    sums: dict[int, tuple[jax.Array, ...]] = {}  # by width: the last slice may be narrow
    for of in slices:
        x, y = read(of)
        terms = x * x, y * y, x * y
        before = sums.get(of.size)
        sums[of.size] = tuple(map(jnp.add, before, terms)) if before else terms
    parts = [[jnp.sum(t, axis=1, keepdims=True) for t in of_width] for of_width in sums.values()]
    return tuple(sum(t[1:], t[0]) for t in zip(*parts, strict=True))


def chunk_of(tokens: int, dim: int, itemsize: int) -> int:
    """Tokens of a chunk, a multiple of the rows that are summed at once."""
    most = CHUNK_BYTES // (up(dim, LANES) * itemsize)
    return max(ROWS, min(LONGEST_CHUNK, most, tokens) // ROWS * ROWS)


@partial(jax.jit, static_argnames=("chunk", "psi", "interpret"))
def _measure(
    a: jax.Array,
    b: jax.Array,
    pieces: Pieces,
    where: jax.Array,
    grid: jax.Array,
    chunk: int,
    psi: bool,
    interpret: bool,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """D and psi's (pairs, m) of sequences (pairs, N, d)."""
    pairs, tokens, dim = a.shape
    if tokens < ROWS:
        a, b = (jnp.pad(h, ((0, 0), (0, ROWS - tokens), (0, 0))) for h in (a, b))
    number, rows = len(pieces.length), 3 if psi else 1
    values = 5 if psi else 1
    of_chunk = pl.BlockSpec(
        (None, chunk, dim), lambda p, k, first, length: (p, lax.div(first[k], chunk), 0)
    )
    out = pl.pallas_call(
        partial(_kernel, psi=psi),
        out_shape=jax.ShapeDtypeStruct((pairs, values, number), jnp.float32),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=2,
            grid=(pairs, number),
            in_specs=[of_chunk, of_chunk],
            out_specs=pl.BlockSpec((None, values, number), lambda p, k, *scalars: (p, 0, 0)),
            scratch_shapes=[
                pltpu.VMEM((rows, SUBLANES, dim), jnp.float32),
                pltpu.VMEM((rows, dim), jnp.float32),
                pltpu.VMEM((rows, dim), jnp.float32),
            ],
        ),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        interpret=interpret,
        name="measure",
    )(pieces.first, pieces.length, a, b)
    at_grid = jnp.moveaxis(out, 1, 0)
    if not psi:
        return jnp.sqrt(at_grid[0][:, where]), {}
    *products, cosines = at_grid
    reports = Reports(*(x[:, where] for x in products), jnp.cumsum(cosines, axis=1)[:, where])
    return jnp.sqrt(reports.squared_divergence), psi_from_reports(reports, grid)


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True, interpret: bool = False
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """As `given_tokens.measure`, which runs where a token is too large."""
    grid = np.asarray(grid)
    lead, dim = a.shape[:-2], a.shape[-1]
    if dim > LARGEST_DIM:
        return given_tokens.measure(a, b, grid, psi)
    a, b = (jnp.asarray(h).reshape(-1, *h.shape[-2:]) for h in (a, b))
    chunk = chunk_of(a.shape[1], dim, a.dtype.itemsize)
    pieces, where = cut(grid, (chunk,))
    out = _measure(a, b, pieces, where, grid, chunk, psi, interpret)
    return jax.tree.map(lambda x: x.reshape(*lead, len(grid)), out)
