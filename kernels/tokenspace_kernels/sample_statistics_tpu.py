"""`sample_statistics` for a TPU in Pallas: tokens live in registers and vector memory only.

A program owns eight replicates, one a sublane, with all features along the lanes, since a token's
norm is a sum over them. It walks over a chunk of the tokens, whose weights lie in scalar memory;
what is carried to the next chunk waits in vector memory. Reports have the replicates along the
lanes, so programs that share 128 of them follow each other: with grid points there, which are few,
most of an array would be padding.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from tokenspace_kernels import limits
from tokenspace_kernels.given_tokens import Reports
from tokenspace_kernels.pair_strips import Memory, Strips, memory, strips_of
from tokenspace_kernels.pair_tokens import begin
from tokenspace_kernels.pair_walk import PAIR, Walk, noise_of
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


def _kernel(
    starts: Any,
    where: Any,
    keys: Any,
    scale: Any,
    *refs: Any,
    states: tuple[int, int],
    groups: int,
    pairs: int,
    unit: bool,
) -> None:
    place, chunk = pl.program_id(1), pl.program_id(2)
    group = pl.program_id(0) * pl.num_programs(1) + place
    first = chunk * pairs
    given, held = refs[: -len(Memory._fields)], Memory(*refs[-len(Memory._fields) :])
    weights, outs = given[: -len(Reports._fields)], given[-len(Reports._fields) :]
    left = iter(weights)
    of_process = [partial(weight, next(left), next(left) if p else None, p, first) for p in states]
    strips = Strips((of_process[0], of_process[1]), states, scale, unit, held)
    walk = Walk(strips.at_pair, PAIR)
    lane = lax.broadcasted_iota(jnp.int32, (SUBLANES, LANES), 1)
    own = lane - place * SUBLANES == lax.broadcasted_iota(jnp.int32, lane.shape, 0)

    @pl.when((place == 0) & (chunk == 0))
    def _() -> None:
        for out in outs:
            out[...] = jnp.zeros_like(out)

    @pl.when(chunk == 0)
    def _() -> None:
        feature = lanes((scale.shape[0], SUBLANES, LANES)).astype(jnp.uint32)
        key = over_sublanes(keys, group, 0), over_sublanes(keys, group, 1)
        strips.prepare([noise_of(key, stream, feature) for stream in (TOTAL, None)])

    def write(k: Any, here: Any, reports: Any) -> None:
        point = pl.ds(jnp.minimum(k, where.shape[0] - 1), 1)
        for out, x in zip(outs, reports, strict=True):
            out[point] += jnp.sum(jnp.where(own & here, x, 0.0), axis=0, keepdims=True)

    @pl.when(group < groups)
    def _() -> None:
        points = starts[chunk], starts[chunk + 1]
        strips.begin_chunk()
        done, _ = walk.report(points, first, None, lambda k: where[k], write)
        # Nothing is reported after the last chunk.
        end = jnp.where(chunk == pl.num_programs(2) - 1, done, first + pairs)
        walk.advance(done, end, None)
        strips.end_chunk()


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

    Raises:
        ValueError: as `pair_tokens.begin`, or more features than `limits` says.
    """
    replicates, points = len(keys), len(where)
    dim = scale.shape[0]
    limits.require("sample_statistics", "pallas", "tpu", limits.Work(dim))
    begun = begin(total, difference, ends, where, law)
    pairs = min(CHUNK, up(len(total.factor), LANES))
    chunks = pl.cdiv(len(total.factor), pairs)
    root = jnp.asarray(scale) * np.float32(0.5**0.5)
    vectors = math.prod(strips_of(pl.cdiv(dim, LANES)))
    root = jnp.pad(root, (0, vectors * LANES - dim)).reshape(-1, 1, LANES)
    rows = [x for process in begun.weights for x in process if x.size]
    weights = [by_pair(w, chunks * pairs) for w in rows]
    first = jnp.arange(chunks + 1, dtype=jnp.int32) * (pairs * PAIR)
    starts = jnp.sum(
        begun.at[None] < first[:, None], axis=1, dtype=jnp.int32
    )  # of a chunk's grid points
    groups = pl.cdiv(replicates, SUBLANES)
    together = min(LANES // SUBLANES, groups)
    blocks = pl.cdiv(groups, together)
    scalars = pl.BlockSpec(memory_space=pltpu.SMEM)
    reports = pl.pallas_call(
        partial(_kernel, states=begun.states, groups=groups, pairs=pairs, unit=begun.unit),
        out_shape=[jax.ShapeDtypeStruct((points, blocks * LANES), jnp.float32)]
        * len(Reports._fields),
        grid=(blocks, together, chunks),
        in_specs=[
            scalars,
            scalars,
            scalars,
            pl.BlockSpec((len(root), 1, LANES), lambda b, g, c: (0, 0, 0)),
            *(
                pl.BlockSpec((len(w), pairs), lambda b, g, c: (0, c), memory_space=pltpu.SMEM)
                for w in weights
            ),
        ],
        out_specs=[pl.BlockSpec((points, LANES), lambda b, g, c: (0, b))] * len(Reports._fields),
        scratch_shapes=list(memory(len(root), begun.states, begun.unit)),
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary", "arbitrary")
        ),
        interpret=interpret,
        name="sample_statistics",
    )(
        starts,
        begun.at,
        jnp.pad(keys.T, ((0, 0), (0, blocks * together * SUBLANES - replicates))),
        root,
        *weights,
    )
    return Reports(*(x[:, :replicates].T for x in reports))
