"""`sample_divergence` for a TPU in Pallas: tokens live in registers only.

A program owns eight replicates, one a sublane, and a slice of the features along the lanes. It
walks over a chunk of the tokens, whose weights lie in scalar memory; what is carried to the next
chunk waits in vector memory. Squared norms of the slices add up in the output.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from tokenspace_kernels.pair_walk import PAIR, Carry, Term, Walk, noise_of
from tokenspace_kernels.random_bits import PLAIN
from tokenspace_kernels.sample_divergence import LinearBlocks

SUBLANES, LANES = 8, 128
LARGEST_SLICE = 512
CHUNK = 256  # pairs of tokens whose weights are in scalar memory together


def _kernel(
    starts: Any,
    where: Any,
    keys: Any,
    *refs: Any,
    terms: tuple[tuple[int, int], ...],
    pairs: int,
) -> None:
    piece, chunk = pl.program_id(1), pl.program_id(2)
    first = chunk * pairs
    scales, weights = refs[: len(terms)], refs[len(terms) : 2 * len(terms)]
    out, carried = refs[2 * len(terms)], refs[2 * len(terms) + 1 :]
    shape = scales[0].shape[0], SUBLANES, LANES
    lane = lax.broadcasted_iota(jnp.int32, shape, 0) * LANES + lax.broadcasted_iota(
        jnp.int32, shape, 2
    )
    feature = (lane + piece * shape[0] * LANES).astype(jnp.uint32)
    # Spread over the lanes once, not for every pair.
    key = tuple(jnp.broadcast_to(keys[:, k : k + 1], (1, *shape[1:])) for k in range(2))
    own = [
        Term(
            partial(_weight, ref, size, first),
            *size,
            jnp.broadcast_to(scale[...], shape),
            noise_of(key, number, feature),
        )
        for number, (ref, size, scale) in enumerate(zip(weights, terms, scales, strict=True))
    ]
    walk = Walk(own, PLAIN)
    point = lax.broadcasted_iota(jnp.int32, out.shape, 1)

    @pl.when(chunk == 0)
    def _() -> None:
        for ref in carried:
            ref[...] = jnp.zeros_like(ref)

    @pl.when((chunk == 0) & (piece == 0))
    def _() -> None:
        out[...] = jnp.zeros_like(out)

    def write(k: Any, here: Any, at: jax.Array) -> None:
        square = jnp.sum(jnp.sum(at * at, axis=0), axis=1, keepdims=True)
        out[...] += jnp.where((point == k) & here, square, 0.0)

    carries = [
        Carry(ref[0], tuple(ref[1 + i] for i in range(states)))
        for (_, states), ref in zip(terms, carried, strict=True)
    ]
    points = starts[chunk], starts[chunk + 1]
    done, carries = walk.report(points, first, carries, lambda k: where[k], write)
    # Nothing is reported after the last chunk.
    end = jnp.where(chunk == pl.num_programs(2) - 1, done, first + pairs)
    carries = walk.advance(done, end, carries)
    for ref, carry in zip(carried, carries, strict=True):
        for i, x in enumerate((carry.prefix, *carry.state)):
            ref[i] = x


def _weight(ref: Any, size: tuple[int, int], first: Any, pair: Any, row: Any, column: int) -> Any:
    slots, states = size
    columns = PAIR + states
    return ref[0, 0, ((pair - first) * (slots + 1 + states) + row) * columns + column]


def sample_divergence(
    keys: jax.Array,
    terms: tuple[LinearBlocks, ...],
    where: jax.Array,
    interpret: bool = False,
) -> jax.Array:
    """As `sample_divergence.sample_divergence`, for blocks of two tokens."""
    replicates, points = len(keys), len(where)
    blocks, dim = terms[0].noise.shape[0], terms[0].scale.shape[0]
    pairs = min(CHUNK, blocks)
    chunks = pl.cdiv(blocks, pairs)
    tile = min(LARGEST_SLICE, _up(dim, LANES))
    sizes = tuple((t.noise.shape[1] - 1 - t.state.shape[2], t.state.shape[2]) for t in terms)
    scales = [jnp.pad(t.scale, (0, _up(dim, tile) - dim)).reshape(-1, 1, LANES) for t in terms]
    weights = [_in_chunks(t, chunks, pairs) for t in terms]
    first = jnp.arange(chunks + 1, dtype=jnp.int32) * (pairs * sizes[0][0])
    starts = jnp.searchsorted(where, first).astype(jnp.int32)
    groups = pl.cdiv(replicates, SUBLANES)
    scalars = pl.BlockSpec(memory_space=pltpu.SMEM)
    squared = pl.pallas_call(
        partial(_kernel, terms=sizes, pairs=pairs),
        out_shape=jax.ShapeDtypeStruct((groups * SUBLANES, _up(points, LANES)), jnp.float32),
        grid=(groups, pl.cdiv(dim, tile), chunks),
        in_specs=[
            scalars,
            scalars,
            pl.BlockSpec((SUBLANES, 2), lambda g, t, c: (g, 0)),
            *(pl.BlockSpec((tile // LANES, 1, LANES), lambda g, t, c: (t, 0, 0)) for _ in terms),
            *(
                pl.BlockSpec((1, 1, w.shape[2]), lambda g, t, c: (c, 0, 0), memory_space=pltpu.SMEM)
                for w in weights
            ),
        ],
        out_specs=pl.BlockSpec((SUBLANES, _up(points, LANES)), lambda g, t, c: (g, 0)),
        scratch_shapes=[
            pltpu.VMEM((1 + p, tile // LANES, SUBLANES, LANES), jnp.float32) for _, p in sizes
        ],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary", "arbitrary")
        ),
        interpret=interpret,
        name="sample_divergence",
    )(
        starts,
        where.astype(jnp.int32),
        jnp.pad(keys, ((0, groups * SUBLANES - replicates), (0, 0))),
        *scales,
        *weights,
    )
    return jnp.sqrt(squared[:replicates, :points])


def _up(number: int, multiple: int) -> int:
    return pl.cdiv(number, multiple) * multiple


def _in_chunks(term: LinearBlocks, chunks: int, pairs: int) -> jax.Array:
    """Weights of noise and state side by side, (chunks, 1, numbers of a chunk)."""
    rows = jnp.concatenate([term.noise, term.state], axis=2)
    rows = jnp.pad(rows, ((0, chunks * pairs - len(rows)), (0, 0), (0, 0)))
    return rows.reshape(chunks, 1, -1)
