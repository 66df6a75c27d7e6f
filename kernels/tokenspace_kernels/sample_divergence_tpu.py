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

from tokenspace_kernels.pair_rows import Carry, Rows, Term
from tokenspace_kernels.pair_walk import PAIR, Walk, noise_of, require_pairs
from tokenspace_kernels.random_bits import PLAIN
from tokenspace_kernels.sample_divergence import LinearBlocks
from tokenspace_kernels.streams import numbered

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
    *weights, out = refs[len(terms) : len(refs) - len(terms)]
    scales, carried, left = refs[: len(terms)], refs[len(refs) - len(terms) :], iter(weights)
    shape = scales[0].shape[0], SUBLANES, LANES
    feature = (lanes(shape) + piece * shape[0] * LANES).astype(jnp.uint32)
    group = pl.program_id(0)
    key = over_sublanes(keys, group, 0), over_sublanes(keys, group, 1)
    own = [
        Term(
            partial(weight, next(left), next(left) if size[1] else None, size[1], first),
            *size,
            jnp.broadcast_to(scale[...], shape),
            noise_of(key, numbered(number) if number else None, feature),
        )
        for number, (size, scale) in enumerate(zip(terms, scales, strict=True))
    ]
    walk = Walk(Rows(own, PLAIN).at_pair, terms[0][0])
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


def lanes(shape: tuple[int, int, int]) -> jax.Array:
    """Number of the feature of each element, over lanes and then over vectors."""
    vector, lane = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 2))
    return vector * LANES + lane


def over_sublanes(keys: Any, group: Any, word: int) -> jax.Array:
    """One word of the keys of eight replicates, each over the lanes of its sublane."""
    shape = (1, SUBLANES, LANES)
    row = lax.broadcasted_iota(jnp.int32, shape, 1)
    out = jnp.zeros(shape, jnp.uint32)
    for k in range(SUBLANES):
        out = jnp.where(row == k, keys[word, group * SUBLANES + k], out)
    return out


def weight(
    noise: Any, state: Any, states: int, first: Any, pair: Any, row: Any, column: int
) -> Any:
    if column < PAIR:
        return noise[row * PAIR + column, pair - first]
    return state[row * states + column - PAIR, pair - first]


def sample_divergence(
    keys: jax.Array,
    terms: tuple[LinearBlocks, ...],
    where: jax.Array,
    interpret: bool = False,
) -> jax.Array:
    """As `sample_divergence.sample_divergence`, for blocks of two tokens.

    Raises:
        ValueError: blocks of another size.
    """
    require_pairs("sample_divergence", terms[0].noise.shape[2])
    replicates, points = len(keys), len(where)
    blocks, dim = terms[0].noise.shape[0], terms[0].scale.shape[0]
    pairs = min(CHUNK, up(blocks, LANES))
    chunks = pl.cdiv(blocks, pairs)
    tile = min(LARGEST_SLICE, up(dim, LANES))
    sizes = tuple((t.slots, t.states) for t in terms)
    scales = [jnp.pad(t.scale, (0, up(dim, tile) - dim)).reshape(-1, 1, LANES) for t in terms]
    weights = [by_pair(w, chunks * pairs) for t in terms for w in (t.noise, t.state) if w.size]
    first = jnp.arange(chunks + 1, dtype=jnp.int32) * (pairs * sizes[0][0])
    starts = jnp.sum(
        where[None] < first[:, None], axis=1, dtype=jnp.int32
    )  # of a chunk's grid points
    groups = pl.cdiv(replicates, SUBLANES)
    scalars = pl.BlockSpec(memory_space=pltpu.SMEM)
    squared = pl.pallas_call(
        partial(_kernel, terms=sizes, pairs=pairs),
        out_shape=jax.ShapeDtypeStruct((groups * SUBLANES, points), jnp.float32),
        grid=(groups, pl.cdiv(dim, tile), chunks),
        in_specs=[
            scalars,
            scalars,
            scalars,
            *(pl.BlockSpec((tile // LANES, 1, LANES), lambda g, t, c: (t, 0, 0)) for _ in terms),
            *(
                pl.BlockSpec((len(w), pairs), lambda g, t, c: (0, c), memory_space=pltpu.SMEM)
                for w in weights
            ),
        ],
        out_specs=pl.BlockSpec((SUBLANES, points), lambda g, t, c: (g, 0)),
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
        jnp.pad(keys.T, ((0, 0), (0, groups * SUBLANES - replicates))),
        *scales,
        *weights,
    )
    return jnp.sqrt(squared[:replicates])


def up(number: int, multiple: int) -> int:
    return pl.cdiv(number, multiple) * multiple


def by_pair(weights: jax.Array, pairs: int) -> jax.Array:
    """Weights (blocks, rows, columns) as (rows * columns, pairs), as they lie in memory anyhow."""
    blocks = len(weights)
    return jnp.pad(weights.transpose(1, 2, 0).reshape(-1, blocks), ((0, 0), (0, pairs - blocks)))
