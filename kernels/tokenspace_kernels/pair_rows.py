"""Prefix sums of a few pairs of tokens by rows of weights: tokens themselves are never formed.

The rows are those of `LinearBlocks` with blocks of one pair, or of as many as registers hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax

from tokenspace_kernels.pair_walk import normals_of, state_first, weighted
from tokenspace_kernels.random_bits import Arithmetic, Cipher


class Term(NamedTuple):
    """One separable term of a walk.

    weight: (block, row, column) -> a number; the first columns weigh the block's noise, the others
    the state. slots, states: how many rows report and how many numbers the state has. scale: square
    roots of eigenvalues of the slice, 0 where a slice exceeds the features. cipher: the noise of
    the replicates and features. pairs: of a block.
    """

    weight: Callable[[Any, Any, int], Any]
    slots: int
    states: int
    scale: jax.Array
    cipher: Cipher
    pairs: int = 1

    def noise(self, block: Any, arithmetic: Arithmetic) -> tuple[jax.Array, ...]:
        """White noise of each token of a block."""
        pairs = (block * self.pairs + p for p in range(self.pairs))
        return tuple(z for pair in pairs for z in normals_of(self.cipher, pair, arithmetic))


class Carry(NamedTuple):
    """Of one term, up to the current block: the sum of the tokens and the state."""

    prefix: jax.Array
    state: tuple[jax.Array, ...]


class Rows(NamedTuple):
    """The terms of a program and how its device computes: the step of a walk."""

    terms: Sequence[Term]
    arithmetic: Arithmetic

    def _row(self, term: Term, block: Any, columns: Mapping[int, Any], row: int, start: Any) -> Any:
        return weighted(partial(term.weight, block, row), start, columns, self.arithmetic)

    def at_pair(
        self, block: Any, carries: list[Carry], reports: int
    ) -> tuple[list[jax.Array], list[Carry]]:
        """Prefix sums of all terms at the first slots of a block, and what is carried past it."""
        at_slots: list[Any] = [0.0] * reports
        out = []
        for term, carry in zip(self.terms, carries, strict=True):
            columns = state_first(term.noise(block, self.arithmetic), carry.state)
            row = partial(self._row, term, block, columns)
            for slot in range(reports):
                at_slots[slot] = at_slots[slot] + row(slot, carry.prefix) * term.scale
            of_state = range(term.slots + 1, term.slots + 1 + term.states)
            out.append(Carry(row(term.slots, carry.prefix), tuple(row(r, None) for r in of_state)))
        return at_slots, out
