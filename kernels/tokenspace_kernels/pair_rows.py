"""Prefix sums of a pair of tokens by rows of weights: tokens themselves are never formed.

The rows are those of `LinearBlocks` with blocks of two tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax

from tokenspace_kernels.pair_walk import normals_of, weighted
from tokenspace_kernels.random_bits import Arithmetic, Cipher


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


class Rows(NamedTuple):
    """The terms of a program and how its device computes: the step of a walk."""

    terms: Sequence[Term]
    arithmetic: Arithmetic

    def _row(self, term: Term, pair: Any, columns: Sequence[Any], row: int, start: Any) -> Any:
        return weighted(partial(term.weight, pair, row), start, columns, self.arithmetic)

    def at_pair(
        self, pair: Any, carries: list[Carry], reports: int
    ) -> tuple[list[jax.Array], list[Carry]]:
        """Prefix sums of all terms at the first slots of a pair, and what is carried past it."""
        at_slots: list[Any] = [0.0] * reports
        out = []
        for term, carry in zip(self.terms, carries, strict=True):
            columns = (*normals_of(term.cipher, pair, self.arithmetic), *carry.state)
            row = partial(self._row, term, pair, columns)
            for slot in range(reports):
                at_slots[slot] = at_slots[slot] + row(slot, carry.prefix) * term.scale
            of_state = range(term.slots + 1, term.slots + 1 + term.states)
            out.append(Carry(row(term.slots, carry.prefix), tuple(row(r, None) for r in of_state)))
        return at_slots, out
