"""Tokens drawn a pair at a time for a slice of the features, in registers alone.

What the kernels for accelerators share: a program owns some replicates and a slice of the features,
walks over the pairs of tokens, and carries the prefix sum and the small state of each feature. The
rows are those of `LinearBlocks` with blocks of two tokens, so that each pair draws one pair of
Threefry words and uses both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from tokenspace_kernels.random_bits import (
    Arithmetic,
    Cipher,
    Words,
    bits_to_normal,
    cipher,
    encrypted,
    substream_words,
)
from tokenspace_kernels.streams import numbered

PAIR = 2  # tokens of a block


class Term(NamedTuple):
    """One separable term of a walk.

    weight: (pair, row, column) -> a number; the first columns weigh the pair's noise, the others
    the state. slots, states: how many rows report and how many numbers the state has. scale: square
    roots of eigenvalues of the slice, 0 where a slice exceeds the features. cipher: the noise of
    the replicates and features.
    """

    weight: Callable[[Any, Any, int], Any]
    slots: int
    states: int
    scale: jax.Array
    cipher: Cipher


class Carry(NamedTuple):
    """Of one term, up to the current pair: the sum of the tokens and the state."""

    prefix: jax.Array
    state: tuple[jax.Array, ...]


def noise_of(key: Words, number: int, feature: jax.Array) -> Cipher:
    """The cipher of the term with that number."""
    return cipher(substream_words(key, numbered(number)) if number else key, feature)


class Walk(NamedTuple):
    """The terms of a program and how its device computes."""

    terms: Sequence[Term]
    arithmetic: Arithmetic

    def _row(self, term: Term, pair: Any, row: int, start: Any, columns: Sequence[Any]) -> Any:
        """start + the row's weights times the columns."""
        for c, x in enumerate(columns):
            weight = term.weight(pair, row, c)
            start = x * weight if start is None else self.arithmetic.multiply_add(x, weight, start)
        return start

    def _rows(
        self, pair: Any, carries: list[Carry], reports: int
    ) -> tuple[list[jax.Array], list[Carry]]:
        """Prefix sums of all terms at the first slots of a pair, and what is carried past it."""
        at_slots: list[Any] = [0.0] * reports
        out = []
        for term, carry in zip(self.terms, carries, strict=True):
            first = lax.convert_element_type(pair, jnp.uint32)
            words = encrypted(term.cipher, first, self.arithmetic.add)
            columns = (*(bits_to_normal(w, self.arithmetic) for w in words), *carry.state)
            row = partial(self._row, term, pair, columns=columns)
            for slot in range(reports):
                at_slots[slot] = at_slots[slot] + row(slot, carry.prefix) * term.scale
            of_state = range(term.slots + 1, term.slots + 1 + term.states)
            out.append(Carry(row(term.slots, carry.prefix), tuple(row(r, None) for r in of_state)))
        return at_slots, out

    def advance(self, first: Any, end: Any, carries: list[Carry]) -> list[Carry]:
        """Past the pairs from `first` to before `end`."""
        return lax.fori_loop(first, end, lambda pair, c: self._rows(pair, c, 0)[1], carries)

    def report(
        self,
        points: tuple[Any, Any],
        done: Any,
        carries: list[Carry],
        where: Callable[[Any], Any],
        write: Callable[[Any, Any, jax.Array], None],
    ) -> tuple[Any, list[Carry]]:
        """Walk on from the pair `done` past the last of the grid points first .. end.

        A pair's points fill its slots from the first on. Both are written when the pair is drawn:
        write(point, whether there is one, prefix sums of the slice).
        """
        slots = self.terms[0].slots
        first, end = points

        def step(carry: tuple[Any, Any, list[Carry]]) -> tuple[Any, Any, list[Carry]]:
            point, done, carries = carry
            pair = lax.div(where(point), jnp.int32(slots))
            at_slots, carries = self._rows(pair, self.advance(done, pair, carries), slots)
            found = jnp.int32(0)
            for slot in reversed(range(slots)):
                here = where(jnp.minimum(point + slot, end - 1)) == pair * slots + slot
                write(point + slot, here, at_slots[slot])
                found = found + here.astype(jnp.int32)
            return point + found, pair + 1, carries

        _, done, carries = lax.while_loop(lambda c: c[0] < end, step, (first, done, carries))
        return done, carries
