"""Tokens drawn a pair at a time for a slice of the features, in registers alone.

What the kernels for accelerators share: a program owns some replicates and a slice of the features,
walks over the pairs of tokens, and carries the prefix sum and the small state of each feature. The
rows are those of `LinearBlocks` with blocks of two tokens, so that each pair draws one pair of
Threefry words and uses both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from tokenspace_kernels.random_bits import (
    Arithmetic,
    Words,
    bits_to_normal,
    substream_words,
    threefry2x32,
)
from tokenspace_kernels.streams import numbered

PAIR = 2  # tokens of a block


class Term(NamedTuple):
    """One separable term of a walk.

    weight: (pair, row, column) -> a number; the first columns weigh the pair's noise, the others
    the state. slots, states: how many rows report and how many numbers the state has. scale: square
    roots of eigenvalues of the slice, 0 where a slice exceeds the features.
    """

    weight: Callable[[Any, Any, int], Any]
    slots: int
    states: int
    scale: jax.Array


class Carry(NamedTuple):
    """Of one term, up to the current pair: the sum of the tokens and the state."""

    prefix: jax.Array
    state: tuple[jax.Array, ...]


def first_carry(term: Term, shape: tuple[int, ...]) -> Carry:
    """What is carried before the first token."""
    zero = jnp.zeros(shape, jnp.float32)
    return Carry(zero, (zero,) * term.states)


class Walk(NamedTuple):
    """The terms of a program, the keys of its replicates and the numbers of its features."""

    terms: Sequence[Term]
    key: Words
    feature: jax.Array
    arithmetic: Arithmetic

    def _noise(self, number: int, pair: Any) -> tuple[jax.Array, jax.Array]:
        stream = self.key if number == 0 else substream_words(self.key, numbered(number))
        counter = (lax.convert_element_type(pair, jnp.uint32), self.feature)
        words = threefry2x32(stream, counter, self.arithmetic.add)
        return tuple(bits_to_normal(w, self.arithmetic) for w in words)  # type: ignore[return-value]

    def _row(self, term: Term, pair: Any, row: Any, start: Any, columns: Sequence[Any]) -> Any:
        """start + the row's weights times the columns."""
        for c, x in enumerate(columns):
            weight = term.weight(pair, row, c)
            start = x * weight if start is None else self.arithmetic.multiply_add(x, weight, start)
        return start

    def advance(self, first: Any, end: Any, carries: list[Carry]) -> list[Carry]:
        """Past the pairs from `first` to before `end`."""

        def step(pair: Any, carries: list[Carry]) -> list[Carry]:
            out = []
            for number, (term, carry) in enumerate(zip(self.terms, carries, strict=True)):
                columns = (*self._noise(number, pair), *carry.state)
                prefix = self._row(term, pair, term.slots, carry.prefix, columns)
                rows = range(term.slots + 1, term.slots + 1 + term.states)
                state = tuple(self._row(term, pair, r, None, columns) for r in rows)
                out.append(Carry(prefix, state))
            return out

        return lax.fori_loop(first, end, step, carries)

    def at_slot(self, pair: Any, slot: Any, carries: list[Carry]) -> jax.Array:
        """Prefix sums of all terms at a slot of the pair that comes next."""
        total: Any = 0.0
        for number, (term, carry) in enumerate(zip(self.terms, carries, strict=True)):
            columns = (*self._noise(number, pair), *carry.state)
            total = total + self._row(term, pair, slot, carry.prefix, columns) * term.scale
        return total
