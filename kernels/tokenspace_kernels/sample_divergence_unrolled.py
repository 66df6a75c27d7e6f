"""`sample_divergence` in plain JAX for a GPU: a few pairs of tokens a step, in registers.

The pairs of a step are written out one by one, so that XLA makes one kernel of a step: it draws
each pair of Threefry words once, weighs the normals where they are, and stores neither them nor
tokens. A second kernel takes all squared norms of the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tokenspace_kernels.pair_rows import Carry, Rows, Term
from tokenspace_kernels.pair_walk import PAIR, noise_of, require_pairs
from tokenspace_kernels.random_bits import PLAIN
from tokenspace_kernels.sample_divergence import LinearBlocks
from tokenspace_kernels.streams import numbered

# Tokens of a step. With 8 an H100 takes a tenth fewer instructions, but 2.5 times the registers and
# 1.6 times the memory, and spills for a model of two terms.
BLOCK = 16


def over_features(arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """The sum of each array (R, d) over its features, (R,): of all in one kernel."""

    def add(x: Sequence[Any], y: Sequence[Any]) -> list[Any]:
        return [a + b for a, b in zip(x, y, strict=True)]

    return list(lax.reduce(list(arrays), [np.float32(0)] * len(arrays), add, (1,)))


def points_before(place: jax.Array, steps: int, slots: int) -> jax.Array:
    """How many points of an ascending grid come before each step (steps,) of so many slots."""
    first = jnp.arange(steps, dtype=place.dtype) * slots
    return jnp.searchsorted(place, first, method="compare_all").astype(jnp.int32)


def weight(noise: jax.Array, state: jax.Array, block: Any, row: int, column: int) -> jax.Array:
    """A number of the rows of a block; those of noise (rows, size) and state (rows, p) are its."""
    size = noise.shape[1]
    return noise[row, column] if column < size else state[row, column - size]


def sample_divergence(
    keys: jax.Array, terms: tuple[LinearBlocks, ...], where: jax.Array
) -> jax.Array:
    """As `sample_divergence.sample_divergence`, for short blocks, whose numbers registers hold.

    Raises:
        ValueError: blocks of an odd number of tokens.
    """
    blocks, _, size = terms[0].noise.shape
    require_pairs("sample_divergence", size, many=True)
    slots, dim = terms[0].slots, terms[0].scale.shape[0]
    feature = lax.broadcasted_iota(jnp.uint32, (1, dim), 1)
    key = keys[:, :1], keys[:, 1:]
    ciphers = [noise_of(key, numbered(q) if q else None, feature) for q in range(len(terms))]
    before = points_before(jnp.asarray(where), blocks, slots)

    def step(block: jax.Array, carry: tuple[list[Carry], jax.Array]) -> tuple[Any, jax.Array]:
        carries, squared = carry
        own = []
        for term, noise in zip(terms, ciphers, strict=True):
            rows = (lax.dynamic_index_in_dim(x, block, keepdims=False) for x in term[:2])
            scale = term.scale[None, :]
            own.append(Term(partial(weight, *rows), slots, term.states, scale, noise, size // PAIR))
        at_slots, carries = Rows(own, PLAIN).at_pair(block, carries, slots)
        norms = jnp.stack(over_features([x * x for x in at_slots]))
        # Slots that no point has are written too, and again by the blocks after.
        return carries, lax.dynamic_update_slice_in_dim(squared, norms, before[block], 0)

    zero = jnp.zeros((len(keys), dim), jnp.float32)
    none = jnp.zeros((len(where) + slots, len(keys)), jnp.float32)
    first = [Carry(zero, (zero,) * t.states) for t in terms], none
    _, squared = lax.fori_loop(0, blocks, step, first)
    return jnp.sqrt(squared[: len(where)].T)
