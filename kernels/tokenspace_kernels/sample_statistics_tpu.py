"""`sample_statistics` for a TPU in Pallas: tokens live in registers and vector memory only.

A program owns eight replicates, one a sublane, with all features along the lanes, since a token's
norm is a sum over them. It walks over a chunk of the tokens, whose weights lie in scalar memory;
what is carried to the next chunk waits in vector memory.
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

from tokenspace_kernels.given_tokens import Reports
from tokenspace_kernels.pair_tokens import Carry, Process, Tokens, first_carry, places, rows_of
from tokenspace_kernels.pair_walk import PAIR, Walk, noise_of
from tokenspace_kernels.random_bits import PLAIN
from tokenspace_kernels.sample_divergence import TokenBlocks
from tokenspace_kernels.sample_divergence_tpu import (
    CHUNK,
    LANES,
    SUBLANES,
    by_pair,
    lanes,
    over_sublanes,
    up,
    weight,
)
from tokenspace_kernels.streams import TOTAL


def _over_features(x: jax.Array) -> jax.Array:
    """Sums (1, 8, 1) of the replicates' features (vectors, 8, 128)."""
    return jnp.sum(jnp.sum(x, axis=0, keepdims=True), axis=2, keepdims=True)


def _kernel(
    starts: Any,
    where: Any,
    keys: Any,
    scale: Any,
    *refs: Any,
    states: tuple[int, int],
    pairs: int,
    carried: int,
    unit: bool,
) -> None:
    group, chunk = pl.program_id(0), pl.program_id(1)
    first = chunk * pairs
    *weights, out = refs[:-carried]
    shape = scale.shape[0], SUBLANES, LANES
    feature = lanes(shape).astype(jnp.uint32)
    key = over_sublanes(keys, group, 0), over_sublanes(keys, group, 1)
    left = iter(weights)
    total, difference = (
        Process(
            partial(weight, next(left), next(left) if p else None, p, first),
            noise_of(key, stream, feature),
        )
        for p, stream in zip(states, (TOTAL, None), strict=True)
    )
    root = jnp.broadcast_to(scale[...] * np.float32(0.5**0.5), shape)
    tokens = Tokens(total, difference, root, unit, PLAIN, _over_features)
    walk = Walk(tokens.at_pair, PAIR)
    point = lax.broadcasted_iota(jnp.int32, out.shape[1:], 1)
    begin = first_carry(jnp.zeros(shape, jnp.float32), jnp.zeros((1, SUBLANES, 1)), states)
    kept, structure = refs[-carried:], jax.tree.structure(begin)

    @pl.when(chunk == 0)
    def _() -> None:
        out[...] = jnp.zeros_like(out)
        for ref in kept:
            ref[...] = jnp.zeros_like(ref)

    def write(k: Any, here: Any, sums: Any) -> None:
        for row, x in enumerate(tokens.reports(sums)):
            out[row] = jnp.where((point == k) & here, x[0], out[row])

    carry: Carry = jax.tree.unflatten(structure, [ref[...] for ref in kept])
    points = starts[chunk], starts[chunk + 1]
    done, carry = walk.report(points, first, carry, lambda k: where[k], write)
    # Nothing is reported after the last chunk.
    end = jnp.where(chunk == pl.num_programs(1) - 1, done, first + pairs)
    for ref, x in zip(kept, jax.tree.leaves(walk.advance(done, end, carry)), strict=True):
        ref[...] = x


def sample_statistics(
    keys: jax.Array,
    total: TokenBlocks,
    difference: TokenBlocks,
    scale: jax.Array,
    ends: jax.Array,
    where: jax.Array,
    law: Any,
    interpret: bool = False,
) -> Reports:
    """As `sample_divergence.sample_statistics`, for blocks of two tokens in `total`, `difference`.

    The law leaves tokens as they are or scales them to norm 1.
    """
    replicates, points = len(keys), len(where)
    blocks, dim = len(total.factor), scale.shape[0]
    at = places(jnp.asarray(ends), jnp.asarray(where), blocks * PAIR // len(ends))
    pairs = min(CHUNK, up(blocks, LANES))
    chunks = pl.cdiv(blocks, pairs)
    states = total.transition.shape[1], difference.transition.shape[1]
    scale = jnp.pad(jnp.asarray(scale), (0, up(dim, LANES) - dim)).reshape(-1, 1, LANES)
    rows = [x for process in (total, difference) for x in rows_of(process)]
    weights = [by_pair(w, chunks * pairs) for w in rows if w.size]
    first = jnp.arange(chunks + 1, dtype=jnp.int32) * (pairs * PAIR)
    starts = jnp.sum(at[None] < first[:, None], axis=1, dtype=jnp.int32)  # of a chunk's grid points
    groups = pl.cdiv(replicates, SUBLANES)
    vectors = (len(scale), SUBLANES, LANES)
    carried = jax.tree.leaves(
        jax.eval_shape(lambda: first_carry(jnp.zeros(vectors), jnp.zeros((1, SUBLANES, 1)), states))
    )
    scalars = pl.BlockSpec(memory_space=pltpu.SMEM)
    sums = pl.pallas_call(
        partial(
            _kernel,
            states=states,
            pairs=pairs,
            carried=len(carried),
            unit=law.token_change == "unit",
        ),
        out_shape=jax.ShapeDtypeStruct((5, groups * SUBLANES, points), jnp.float32),
        grid=(groups, chunks),
        in_specs=[
            scalars,
            scalars,
            scalars,
            pl.BlockSpec((len(scale), 1, LANES), lambda g, c: (0, 0, 0)),
            *(
                pl.BlockSpec((len(w), pairs), lambda g, c: (0, c), memory_space=pltpu.SMEM)
                for w in weights
            ),
        ],
        out_specs=pl.BlockSpec((5, SUBLANES, points), lambda g, c: (0, g, 0)),
        scratch_shapes=[pltpu.VMEM(x.shape, x.dtype) for x in carried],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary")),
        interpret=interpret,
        name="sample_statistics",
    )(
        starts,
        at,
        jnp.pad(keys.T, ((0, 0), (0, groups * SUBLANES - replicates))),
        scale,
        *weights,
    )
    return Reports(*sums[:, :replicates])
