"""Token-level sampling fused with what is measured on the tokens, over blocks of tokens.

`sample_divergence` needs D only and Gaussian tokens: a block of white noise is contracted at once
with the rows that give the prefix sums at the grid and the state that the next block needs, so
correlated tokens are never formed. `sample_statistics` forms the tokens of both branches block by
block, for the psi's and for laws that change tokens one by one.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from tokenspace_kernels.given_tokens import Reports, measure_block, start
from tokenspace_kernels.random_bits import substream
from tokenspace_kernels.streams import SCALES_A, SCALES_B, TOTAL, numbered
from tokenspace_kernels.weighted_noise import matmul, weighted_noise


class LinearBlocks(NamedTuple):
    """Block rows of one separable term.

    noise: (blocks, rows, size) weights of the white noise; state: (blocks, rows, p) weights of the
    state. Rows: prefix sums at the slots, the sum of the whole block, then the p numbers of the
    next state. scale: (d,) square roots of eigenvalues.
    """

    noise: jax.Array
    state: jax.Array
    scale: jax.Array

    @property
    def states(self) -> int:
        """How many numbers the state of a feature has."""
        return int(self.state.shape[-1])

    @property
    def slots(self) -> int:
        """How many prefix sums a block can report."""
        return int(self.noise.shape[-2]) - 1 - self.states


class TokenBlocks(NamedTuple):
    """Correlated tokens of a block from its white noise z and the state m: x = O m + L z.

    observe O: (blocks, size, p); factor L: (blocks, size, size); the next state is T m + G z with
    transition T: (blocks, p, p) and gain G: (blocks, p, size).
    """

    observe: jax.Array
    factor: jax.Array
    transition: jax.Array
    gain: jax.Array


def sample_divergence(
    keys: jax.Array, terms: tuple[LinearBlocks, ...], where: jax.Array
) -> jax.Array:
    """D at the grid for Gaussian tokens, shape (R, m), float32.

    Args:
        keys: (R, 2) keys of the replicates.
        terms: the separable terms; all have the same blocks and slots.
        where: (m,) index of each grid point among blocks * slots.

    Source: derived for this project, checked against sampling.
    """
    states = [t.states for t in terms]
    blocks, _, size = terms[0].noise.shape
    slots = terms[0].slots
    dim = terms[0].scale.shape[0]

    def one(key: jax.Array) -> jax.Array:
        streams = [key if q == 0 else substream(key, numbered(q)) for q in range(len(terms))]

        def step(
            carry: tuple[jax.Array, list[jax.Array]], block: tuple[jax.Array, list[LinearBlocks]]
        ) -> tuple[tuple[jax.Array, list[jax.Array]], jax.Array]:
            prefix, state = carry
            index, rows = block
            next_state = []
            at_slots = jnp.broadcast_to(prefix, (slots, dim))
            for stream, m, term, row in zip(streams, state, terms, rows, strict=True):
                out = weighted_noise(row.noise, stream, index * size, dim)
                if m.shape[0]:
                    out = out + matmul(row.state, m)
                at_slots = at_slots + out[:slots] * term.scale[None, :]
                prefix = prefix + out[slots] * term.scale
                next_state.append(out[slots + 1 :])
            return (prefix, next_state), jnp.sum(at_slots**2, axis=1)

        first = (jnp.zeros(dim, jnp.float32), [jnp.zeros((p, dim), jnp.float32) for p in states])
        index = jnp.arange(blocks, dtype=jnp.uint32)
        weights = [t._replace(scale=jnp.zeros(blocks)) for t in terms]
        _, squared = jax.lax.scan(step, first, (index, weights))
        return jnp.sqrt(squared.reshape(-1)[where])

    return jax.vmap(one)(keys)


class TokenLaw(Protocol):
    """What is done to tokens; a PyTree whose numbers are traced."""

    def of_tokens(self, g: jax.Array, key: jax.Array) -> jax.Array:
        """Tokens (size, d) of one branch from Gaussian ones, with a key (2,) of their own."""


def sample_statistics(
    keys: jax.Array,
    total: TokenBlocks,
    difference: TokenBlocks,
    scale: jax.Array,
    ends: jax.Array,
    where: jax.Array,
    law: TokenLaw,
) -> Reports:
    """Sums for D and the psi's of sampled tokens of both branches at the grid, each (R, m).

    Args:
        keys: (R, 2) keys of the replicates.
        total, difference: the two independent processes S = h^A + h^B and M = h^A - h^B, each of
            half the branches' variance; tokens are (S + M) and (S - M), times sqrt(1/2).
        scale: (d,) square roots of eigenvalues.
        ends: (blocks, slots) tokens into the block at which to report.
        where: (m,) index of each grid point among blocks * slots.
        law: what is done to the Gaussian tokens of each branch, block by block.
    """
    size, dim = total.factor.shape[1], scale.shape[0]
    root_half = jnp.float32(0.5**0.5)

    def one(key: jax.Array) -> Reports:
        reports: Reports
        streams = (TOTAL, SCALES_A, SCALES_B)
        stream_total, scales_a, scales_b = (substream(key, k) for k in streams)

        def draw(
            blocks: TokenBlocks, state: jax.Array, stream: jax.Array, index: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            states = state.shape[0]
            rows = jnp.concatenate([blocks.factor, blocks.gain]) if states else blocks.factor
            out = weighted_noise(rows, stream, index * size, dim)
            if not states:
                return out, state
            x = out[:size] + matmul(blocks.observe, state)
            return x, matmul(blocks.transition, state) + out[size:]

        def step(carry: tuple, block: tuple) -> tuple:
            sums, state_s, state_m = carry
            index, blocks_s, blocks_m, block_ends = block
            s, state_s = draw(blocks_s, state_s, stream_total, index)
            m, state_m = draw(blocks_m, state_m, key, index)
            a = (s + m) * (root_half * scale)[None, :]
            b = (s - m) * (root_half * scale)[None, :]
            a = law.of_tokens(a, substream(scales_a, index))
            b = law.of_tokens(b, substream(scales_b, index))
            sums, reports = measure_block(sums, a, b, block_ends)
            return (sums, state_s, state_m), reports

        def state(blocks: TokenBlocks) -> jax.Array:
            return jnp.zeros((blocks.transition.shape[1], dim), jnp.float32)

        index = jnp.arange(ends.shape[0], dtype=jnp.uint32)
        first = (start(dim), state(total), state(difference))
        _, reports = jax.lax.scan(step, first, (index, total, difference, ends))
        return jax.tree.map(lambda r: r.reshape(-1)[where], reports)

    return jax.vmap(one)(keys)
