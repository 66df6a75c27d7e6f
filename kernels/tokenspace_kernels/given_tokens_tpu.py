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
from tokenspace_kernels.sample_divergence_tpu import LANES, SUBLANES, up

ROWS = 16  # tokens that are summed at once: their sums are read and written once
TOGETHER = 8  # vectors of features that are in registers together
CHUNK_BYTES = 1 << 21  # of a branch in vector memory; as many are on their way
LONGEST_CHUNK = 1024  # tokens: their float32 sums round by about 1e-6


def _kernel(
    first: Any,
    length: Any,
    a: Any,
    b: Any,
    out: Any,
    sums: Any,
    value: Any,
    lost: Any,
    cosines: Any,
    *,
    psi: bool,
) -> None:
    piece = pl.program_id(1)
    chunk, dim = a.shape[1:]
    begin = lax.rem(first[piece], chunk)
    end = begin + length[piece]

    @pl.when(piece == 0)
    def _() -> None:
        value[...] = jnp.zeros_like(value)
        lost[...] = jnp.zeros_like(lost)

    sums[...] = jnp.zeros_like(sums)
    cosines[...] = jnp.zeros_like(cosines)

    def step(k: Any, nothing: None) -> None:
        rows = pl.ds(pl.multiple_of(k * ROWS, ROWS), ROWS)
        row = k * ROWS + lax.broadcasted_iota(jnp.int32, (ROWS, 1), 0)
        counts = (row >= begin) & (row < end)

        def read(of: Any) -> tuple[jax.Array, ...]:
            return tuple(h[0, rows, of].astype(jnp.float32) for h in (a, b))

        def multiply(vector: Any, of: Any, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            x, y = read(of)
            return tuple(map(_add_lanes, sums, (x * x, y * y, x * y)))

        scale: list[jax.Array] = []
        if psi:
            zero = jnp.zeros((ROWS, LANES), jnp.float32)
            products = _over_slices(dim, multiply, (zero, zero, zero))
            xx, yy, xy = (jnp.sum(s, axis=1, keepdims=True) for s in products)
            scale = [jnp.where(counts, inverse_norm(s, LEAST_SQUARE), 0.0) for s in (xx, yy)]
            cosines[...] += jnp.where(counts, xy * scale[0] * scale[1], 0.0)

        def add_up(vector: Any, of: Any, nothing: None) -> None:
            x, y = read(of)
            # Each is cut to the piece by itself: fewer wait for a register than with one cut.
            inside = (jnp.where(counts, h, 0.0) for h in (x, y))
            terms = [jnp.where(counts, x - y, 0.0)]
            terms += [h * s for h, s in zip(inside, scale, strict=False)]
            for row, t in enumerate(terms):
                over_rows = jnp.sum(t.reshape(-1, SUBLANES, of.size), axis=0)
                sums[row, vector, :, : of.size] += over_rows

        _over_slices(dim, add_up, None)

    steps = lax.div(begin, ROWS), lax.div(end + (ROWS - 1), ROWS)
    lax.fori_loop(*steps, step, None)

    total = add(Running(value[...], lost[...]), jnp.sum(sums[...], axis=2))
    value[...], lost[...] = total
    after = total.value + total.lost
    pairs = [(x, x) for x in after] + ([(after[1], after[2])] if psi else [])
    found = [jnp.sum(x * y, keepdims=True) for x, y in pairs]
    if psi:
        found.append(jnp.sum(cosines[...], axis=0, keepdims=True))
    place = lax.broadcasted_iota(jnp.int32, (1, out.shape[1]), 1)
    for row, x in enumerate(found):
        out[row : row + 1] = jnp.where(place == piece, x, out[row : row + 1])


def _over_slices(dim: int, body: Any, carry: Any) -> Any:
    """body(number, lanes, carry) for the features 128 at a time, the last ones of which may be few.

    In a loop, so that only a few are in registers together.
    """
    loops = dim // (LANES * TOGETHER)

    def some(k: Any, carry: Any) -> Any:
        for vector in range(TOGETHER):
            number = k * TOGETHER + vector
            carry = body(number, pl.ds(pl.multiple_of(number * LANES, LANES), LANES), carry)
        return carry

    if loops:
        carry = lax.fori_loop(0, loops, some, carry)
    for first in range(loops * TOGETHER * LANES, dim, LANES):
        carry = body(first // LANES, pl.ds(first, min(LANES, dim - first)), carry)
    return carry


def _add_lanes(sums: jax.Array, x: jax.Array) -> jax.Array:
    """sums (rows, 128) + x, whose lanes may be fewer."""
    rest = sums.shape[1] - x.shape[1]
    return sums + (jnp.pad(x, ((0, 0), (0, rest))) if rest else x)


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
    number, vectors = len(pieces.length), pl.cdiv(dim, LANES)
    rows, values = (3, 5) if psi else (1, 1)
    of_chunk = pl.BlockSpec(
        (1, chunk, dim), lambda p, k, first, length: (p, lax.div(first[k], chunk), 0)
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
                pltpu.VMEM((rows, vectors, SUBLANES, LANES), jnp.float32),
                pltpu.VMEM((rows, vectors, LANES), jnp.float32),
                pltpu.VMEM((rows, vectors, LANES), jnp.float32),
                pltpu.VMEM((ROWS, 1), jnp.float32),
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
    found = [x[:, where] for x in (*products, jnp.cumsum(cosines, axis=1))]
    reports = Reports(*found)
    return jnp.sqrt(reports.squared_divergence), psi_from_reports(reports, grid)


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True, interpret: bool = False
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """As `given_tokens.measure`, within `limits`.

    Kernels here take no float16, and a copy in another format is read and written once more.
    """
    grid = np.asarray(grid)
    lead, dim = a.shape[:-2], a.shape[-1]
    formats = frozenset({a.dtype.name, b.dtype.name})
    limits.require("measure", "pallas", "tpu", limits.Work(dim, formats=formats))
    a, b = (jnp.asarray(h).reshape(-1, *h.shape[-2:]) for h in (a, b))
    chunk = chunk_of(a.shape[1], dim, a.dtype.itemsize)
    pieces, where = cut(grid, (chunk,))
    out = _measure(a, b, pieces, where, grid, chunk, psi, interpret)
    return jax.tree.map(lambda x: x.reshape(*lead, len(grid)), out)
