"""Walking over tokens a pair at a time, in registers or vector memory alone.

What the kernels for accelerators share: a program owns some replicates and features, walks over the
pairs of tokens, and carries what later pairs need. Each pair draws one pair of Threefry words and
uses both. What is done at a pair is a kernel's own: `pair_rows` sums tokens that are never formed,
`pair_tokens` forms those of both branches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

PAIR = 2  # tokens of a block


def require_pairs(kernel: str, size: int, many: bool = False) -> None:
    """That blocks are a pair of tokens, or `many`.

    Raises:
        ValueError: they are not: tokens would be left out, or drawn with the noise of others.
    """
    if size % PAIR or not (many or size == PAIR):
        taken = "an even number" if many else str(PAIR)
        raise ValueError(f"{kernel} in pairs of tokens takes blocks of {taken}, not of {size}")


def noise_of(key: Words, stream: Any, feature: jax.Array) -> Cipher:
    """The cipher of a numbered stream; that of the key itself where it is None."""
    return cipher(key if stream is None else substream_words(key, stream), feature)


def normals_of(noise: Cipher, pair: Any, arithmetic: Arithmetic) -> tuple[jax.Array, ...]:
    """White noise of the two tokens of a pair."""
    first = lax.convert_element_type(pair, jnp.uint32)
    words = encrypted(noise, first, arithmetic.add)
    return tuple(bits_to_normal(w, arithmetic) for w in words)


def state_first(noise: Sequence[Any], state: Sequence[Any]) -> dict[int, Any]:
    """What is weighed, by the column of its weight, in the order in which it is added up.

    The state is there before the noise is drawn, and compilers multiply it early: so one sum a row
    waits for the noise, instead of a product for each number of the state.
    """
    return {len(noise) + k: x for k, x in enumerate(state)} | dict(enumerate(noise))


def weighted(
    weights: Callable[[int], Any], start: Any, columns: Mapping[int, Any], arithmetic: Arithmetic
) -> Any:
    """start + the sum of weights(c) * columns[c], in their order."""
    for c, x in columns.items():
        weight = weights(c)
        start = x * weight if start is None else arithmetic.multiply_add(x, weight, start)
    return start


class Walk(NamedTuple):
    """What is done at a pair, step(pair, carry, reports) -> (values, carry), and its slots.

    values: what is reported at the first `reports` slots; the carry is that past the pair.
    """

    step: Callable[..., Any]
    slots: int

    def advance(self, first: Any, end: Any, carry: Any) -> Any:
        """Past the pairs from `first` to before `end`."""
        return lax.fori_loop(first, end, lambda pair, c: self.step(pair, c, 0)[1], carry)

    def report(
        self,
        points: tuple[Any, Any],
        done: Any,
        carry: Any,
        where: Callable[[Any], Any],
        write: Callable[[Any, Any, Any], None],
    ) -> tuple[Any, Any]:
        """Walk on from the pair `done` past the last of the grid points first .. end.

        where: the slot of a point, of pairs * slots. All slots of a pair that has a point are
        written, write(point, whether it is here, value); which are here, their order says.
        """
        first, end = points

        def step(state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            point, done, carry = state
            pair = lax.div(where(point), jnp.int32(self.slots))
            values, carry = self.step(pair, self.advance(done, pair, carry), self.slots)
            found = []
            for slot in range(self.slots):
                here = where(jnp.minimum(point, end - 1)) == pair * self.slots + slot
                found.append((point, here))
                point = point + here.astype(jnp.int32)
            for slot in reversed(range(self.slots)):
                write(*found[slot], values[slot])
            return point, pair + 1, carry

        _, done, carry = lax.while_loop(lambda s: s[0] < end, step, (first, done, carry))
        return done, carry
