"""Tokens of both branches formed a pair at a time, and the sums that D(n) and the psi's need.

As `sample_divergence.sample_statistics` for laws that leave Gaussian tokens as they are or scale
them to norm 1. Sums carry what rounding took from them (Kahan), so that long sequences lose little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tokenspace_kernels import limits
from tokenspace_kernels.given_tokens import inverse_norm
from tokenspace_kernels.pair_walk import PAIR, normals_of, require_pairs, weighted
from tokenspace_kernels.random_bits import Arithmetic, Cipher
from tokenspace_kernels.sample_divergence import TokenBlocks


class Process(NamedTuple):
    """One of the two independent processes, the branches' sum or difference.

    weight: (pair, row, column) -> a number; rows: the pair's tokens, then the next state; columns:
    the pair's noise, then the state. cipher: the noise of the replicates and features.
    """

    weight: Callable[[Any, int, int], Any]
    cipher: Cipher


class Start(NamedTuple):
    """What a walk over pairs begins with.

    weights: rows of both processes (`rows_of`); states: how many numbers their states have; at: the
    token that each grid point ends with; unit: whether tokens are scaled to norm 1.
    """

    weights: tuple[tuple[jax.Array, jax.Array], ...]
    states: tuple[int, int]
    at: jax.Array
    unit: bool


def begin(
    total: TokenBlocks,
    difference: TokenBlocks,
    ends: Any,
    where: Any,
    law: Any,
    pairs: int = 1,
) -> Start:
    """From the arguments of `sample_divergence.sample_statistics`; `pairs` are drawn in a step.

    Raises:
        ValueError: a law that changes tokens in another way, or blocks that are no pairs or leave a
            part of a step.
    """
    if why := limits.forms_other("sample_statistics", law.token_change):
        raise ValueError(
            f"sample_statistics in pairs of tokens {why}, not {type(law).__name__}; "
            "`tokenspace_kernels.sample_statistics` draws every law"
        )
    for process in (total, difference):
        require_pairs("sample_statistics", process.factor.shape[1])
    if left := len(total.factor) % pairs:
        raise ValueError(
            f"sample_statistics draws {pairs} pairs of tokens a step, of {len(total.factor)} pairs "
            f"{left} would be left: `pairs` must divide their number"
        )
    states = total.transition.shape[1], difference.transition.shape[1]
    size = len(total.factor) * PAIR // len(ends)
    at = places(jnp.asarray(ends), jnp.asarray(where), size)
    return Start((rows_of(total), rows_of(difference)), states, at, law.token_change == "unit")


def rows_of(blocks: TokenBlocks) -> tuple[jax.Array, jax.Array]:
    """Weights of noise (pairs, 2 + p, 2) and state (pairs, 2 + p, p) of blocks of two tokens."""
    noise = jnp.concatenate([blocks.factor, blocks.gain], axis=1)
    return noise, jnp.concatenate([blocks.observe, blocks.transition], axis=1)


class Sum(NamedTuple):
    """A running sum: its value, and what rounding took from it."""

    value: Any
    lost: Any


class Sums(NamedTuple):
    """Over tokens: `given_tokens.TokenSums`, each with what it lost."""

    difference: Sum
    unit_a: Sum
    unit_b: Sum
    equal: Sum


class Carry(NamedTuple):
    """Up to the current pair: sums over tokens, and the states of both processes."""

    sums: Sums
    total: tuple[jax.Array, ...]
    difference: tuple[jax.Array, ...]


def first_carry(zero: jax.Array, none: Any, states: tuple[int, int]) -> Carry:
    """Before the first token; `zero` has the features' shape, `none` that of a sum over them."""
    sums = Sums(*(Sum(x, x) for x in (zero, zero, zero, none)))
    return Carry(sums, *((zero,) * p for p in states))


def draw(
    process: Process, pair: Any, state: Any, arithmetic: Arithmetic
) -> tuple[list[Any], tuple[Any, ...]]:
    """The two tokens of a pair, and the next state."""
    noise = normals_of(process.cipher, pair, arithmetic)
    columns = dict(enumerate((*noise, *state)))

    def row(number: int) -> Any:
        return weighted(partial(process.weight, pair, number), None, columns, arithmetic)

    return [row(j) for j in range(PAIR)], tuple(row(PAIR + i) for i in range(len(state)))


class Tokens(NamedTuple):
    """The step of a walk.

    root: sqrt(1/2) times square roots of eigenvalues, 0 beyond the features. over_features: sum of
    an array over the features. unit: whether tokens are scaled to norm 1.
    """

    total: Process
    difference: Process
    root: jax.Array
    unit: bool
    arithmetic: Arithmetic
    over_features: Callable[[jax.Array], Any]

    def _add(self, to: Sum, x: Any, weight: Any) -> Sum:
        """to + x * weight."""
        increment = self.arithmetic.multiply_add(x, weight, to.lost)
        value = to.value + increment
        return Sum(value, increment - (value - to.value))

    def _token(self, sums: Sums, s: Any, m: Any) -> Sums:
        s, m = s * self.root, m * self.root
        a, b = s + m, s - m
        inverse_a, inverse_b = (inverse_norm(self.over_features(h * h)) for h in (a, b))
        cosine = self.over_features(a * b) * inverse_a * inverse_b
        if self.unit:
            difference = self.arithmetic.multiply_add(b, -inverse_b, a * inverse_a)
        else:
            difference = m + m
        equal = cosine + sums.equal.lost
        value = sums.equal.value + equal
        return Sums(
            self._add(sums.difference, difference, jnp.float32(1)),
            self._add(sums.unit_a, a, inverse_a),
            self._add(sums.unit_b, b, inverse_b),
            Sum(value, equal - (value - sums.equal.value)),
        )

    def at_pair(self, pair: Any, carry: Carry, reports: int) -> tuple[list[Sums], Carry]:
        """Sums after each token of a pair, and what is carried past it."""
        s, total = draw(self.total, pair, carry.total, self.arithmetic)
        m, difference = draw(self.difference, pair, carry.difference, self.arithmetic)
        sums, after = carry.sums, []
        for j in range(PAIR):
            sums = self._token(sums, s[j], m[j])
            after.append(sums)
        return after[:reports], Carry(sums, total, difference)

    def reports(self, sums: Sums) -> tuple[Any, ...]:
        """The numbers of `given_tokens.Reports`."""
        d, u, v, equal = (x.value + x.lost for x in sums)
        return *(self.over_features(x * y) for x, y in ((d, d), (u, u), (v, v), (u, v))), equal


def places(ends: jax.Array, where: jax.Array, size: int) -> jax.Array:
    """The slot among pairs * 2 of each grid point: the token that it ends with."""
    slots = ends.shape[1]
    return (where // slots * size + ends.reshape(-1)[where] - 1).astype(jnp.int32)
