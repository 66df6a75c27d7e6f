"""`sample_statistics` for a GPU in Pallas: tokens live in registers only.

A program owns one replicate with all features, since a token's norm is a sum over them, and walks
over all tokens. Threads meet for the norms of each token.
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
from tokenspace_kernels.given_tokens import Reports
from tokenspace_kernels.pair_tokens import Process, Tokens, begin, first_carry
from tokenspace_kernels.pair_walk import PAIR, Walk, noise_of
from tokenspace_kernels.random_bits import PLAIN, Arithmetic
from tokenspace_kernels.sample_divergence import TokenBlocks
from tokenspace_kernels.sample_divergence_gpu import FUSED, WARP, parameters, put, weight
from tokenspace_kernels.streams import TOTAL


def _kernel(
    *refs: Any,
    states: tuple[int, int],
    dim: int,
    tile: int,
    unit: bool,
    arithmetic: Arithmetic,
) -> None:
    keys, where, scale, *weights, out = refs
    replicate = pl.program_id(0)
    lane = lax.broadcasted_iota(jnp.int32, (tile,), 0)
    feature = lane.astype(jnp.uint32)
    key = keys[replicate, 0], keys[replicate, 1]
    left = iter(weights)
    total, difference = (
        Process(
            partial(weight, next(left), next(left) if p else None), noise_of(key, stream, feature)
        )
        for p, stream in zip(states, (TOTAL, None), strict=True)
    )
    root = jnp.where(lane < dim, scale[jnp.minimum(lane, dim - 1)], 0.0) * np.float32(0.5**0.5)
    tokens = Tokens(total, difference, root, unit, arithmetic, jnp.sum)
    points = jnp.int32(out.shape[2])

    def write(point: Any, here: Any, sums: Any) -> None:
        for k, x in enumerate(tokens.reports(sums)):
            put(out, (k, replicate), point, here, x)

    carry = first_carry(jnp.zeros(tile, jnp.float32), jnp.float32(0), states)
    Walk(tokens.at_pair, PAIR).report(
        (jnp.int32(0), points), jnp.int32(0), carry, lambda k: where[k], write
    )


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
    dim = scale.shape[0]
    limits.require("sample_statistics", "pallas", "gpu", limits.Work(dim))
    begun = begin(total, difference, ends, where, law)
    tile = max(WARP, pl.next_power_of_2(dim))
    weights = [x for rows in begun.weights for x in rows if x.size]
    sums = pl.pallas_call(
        partial(
            _kernel,
            states=begun.states,
            dim=dim,
            tile=tile,
            unit=begun.unit,
            arithmetic=PLAIN if interpret else FUSED,
        ),
        out_shape=jax.ShapeDtypeStruct((len(Reports._fields), len(keys), len(where)), jnp.float32),
        grid=(len(keys),),
        compiler_params=None if interpret else parameters(tile),
        interpret=interpret,
        name="sample_statistics",
    )(keys, begun.at, scale, *weights)
    return Reports(*sums)
