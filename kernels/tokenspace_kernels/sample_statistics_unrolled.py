"""`sample_statistics` in plain JAX for a GPU: a few pairs of tokens a step.

The pairs of a step are written out one by one: XLA makes a kernel that draws and forms the tokens
of both branches, one that takes all their norms, and one for the sums after every token.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tokenspace_kernels.given_tokens import Reports, Running, TokenSums, add, inverse_norm
from tokenspace_kernels.pair_tokens import Process, begin, draw
from tokenspace_kernels.pair_walk import PAIR, noise_of
from tokenspace_kernels.random_bits import PLAIN
from tokenspace_kernels.sample_divergence import TokenBlocks
from tokenspace_kernels.sample_divergence_unrolled import over_features, points_before, weight
from tokenspace_kernels.streams import TOTAL

# Of a step. With 2 an H100 takes a tenth fewer instructions, but one more launch and a third more
# memory, 56 MiB for tokens of norm 1, which its L2 cannot hold; 8 take all registers of a thread.
PAIRS = 4


class Carry(NamedTuple):
    """Sums over tokens, the states of both processes, and what was reported."""

    sums: Running
    states: tuple[tuple[jax.Array, ...], ...]
    out: jax.Array


def _norms(a: list[jax.Array], b: list[jax.Array]) -> tuple[jax.Array, ...]:
    """Inverse norms of both branches' tokens and the cosines between them, each (tokens, R)."""
    squares = [x * x for x in (*a, *b)]
    sums = over_features(squares + [x * y for x, y in zip(a, b, strict=True)])
    # Stacked, so that no root is taken anew for every feature.
    square_a, square_b, product = jnp.stack(sums).reshape(3, len(a), -1)
    inverse_a, inverse_b = inverse_norm(square_a), inverse_norm(square_b)
    return inverse_a, inverse_b, product * inverse_a * inverse_b


def _after_each(
    a: list[jax.Array], b: list[jax.Array], difference: list[jax.Array] | None
) -> list[TokenSums]:
    """Sums over the tokens (R, d) of a step, up to and with each of them.

    difference: of the branches' tokens; None where both are scaled to norm 1.
    """
    out: list[TokenSums] = []
    for k, (inverse_a, inverse_b, cosine) in enumerate(zip(*_norms(a, b), strict=True)):
        u, v = a[k] * inverse_a[:, None], b[k] * inverse_b[:, None]
        token = TokenSums(u - v if difference is None else difference[k], u, v, cosine)
        out.append(jax.tree.map(jnp.add, out[-1], token) if out else token)
    return out


def _reports(total: Running, after: list[TokenSums]) -> jax.Array:
    """The numbers of `Reports` after each token, (5, tokens, R)."""
    at = [jax.tree.map(lambda v, w, x: v + (w + x), *total, sums) for sums in after]
    products = [
        [s.difference * s.difference for s in at],
        [s.unit_a * s.unit_a for s in at],
        [s.unit_b * s.unit_b for s in at],
        [s.unit_a * s.unit_b for s in at],
    ]
    values = over_features([x for row in products for x in row]) + [s.equal for s in at]
    return jnp.stack(values).reshape(len(Reports._fields), len(at), -1)


def sample_statistics(
    keys: jax.Array,
    total: TokenBlocks,
    difference: TokenBlocks,
    scale: jax.Array,
    ends: jax.Array,
    where: jax.Array,
    law: Any,
    pairs: int = PAIRS,
) -> Reports:
    """As `sample_divergence.sample_statistics`, for blocks of two tokens in `total`, `difference`.

    The law leaves tokens as they are or scales them to norm 1. pairs: of a step, a divisor of all.

    Raises:
        ValueError: as `pair_tokens.begin`.
    """
    begun = begin(total, difference, ends, where, law, pairs)
    replicates, dim, points = len(keys), scale.shape[0], len(where)
    steps, slots = len(total.factor) // pairs, pairs * PAIR
    before = points_before(begun.at, steps, slots)
    place = jnp.pad(begun.at, (0, slots), mode="edge")
    feature = lax.broadcasted_iota(jnp.uint32, (1, dim), 1)
    key = keys[:, :1], keys[:, 1:]
    ciphers = [noise_of(key, stream, feature) for stream in (TOTAL, None)]
    root = scale[None, :] * np.float32(0.5**0.5)

    def step(number: jax.Array, carry: Carry) -> Carry:
        first = number * pairs
        of_step = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, first, pairs), begun.weights)
        states = list(carry.states)
        tokens: tuple[list[jax.Array], list[jax.Array]] = ([], [])
        for pair in range(pairs):
            for q, rows in enumerate(of_step):
                process = Process(partial(weight, *(x[pair] for x in rows)), ciphers[q])
                drawn, states[q] = draw(process, first + pair, states[q], PLAIN)
                tokens[q].extend(x * root for x in drawn)
        a, b = ([f(s, m) for s, m in zip(*tokens, strict=True)] for f in (jnp.add, jnp.subtract))
        after = _after_each(a, b, None if begun.unit else [m + m for m in tokens[1]])
        # Tokens that no point asks for are written too, and again by the steps after.
        at = lax.dynamic_slice_in_dim(place, before[number], slots) % slots
        out = lax.dynamic_update_slice_in_dim(
            carry.out, _reports(carry.sums, after)[:, at], before[number], 1
        )
        return Carry(add(carry.sums, after[-1]), tuple(states), out)

    zero, none = jnp.zeros((replicates, dim), jnp.float32), jnp.zeros(replicates, jnp.float32)
    nothing = TokenSums(zero, zero, zero, none)
    carry = Carry(
        Running(nothing, nothing),
        tuple((zero,) * p for p in begun.states),
        jnp.zeros((len(Reports._fields), points + slots, replicates), jnp.float32),
    )
    out = lax.fori_loop(0, steps, step, carry).out
    return Reports(*(x[:points].T for x in out))
