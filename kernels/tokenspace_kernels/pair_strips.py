"""Tokens of both branches formed a pair at a time in the vector memory of a TPU.

As `pair_tokens`, for programs whose registers hold a few vectors of the features at once: a pair is
drawn strip by strip, and tokens wait in memory for their norms. Sums since a chunk of tokens began
are plain; totals up to it keep what rounding took from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from tokenspace_kernels.given_tokens import Running, add, inverse_norm
from tokenspace_kernels.pair_walk import PAIR, normals_of, state_first
from tokenspace_kernels.random_bits import PLAIN, Cipher
from tokenspace_kernels.sample_divergence_tpu import LANES, SUBLANES, WORDS, cipher_of, words_of

# Vectors of features that are drawn together. 4 take 2 % fewer cycles, but up to 39 of them wait in
# memory for a register; with 1 units wait for each other.
LARGEST_STRIP = 2
SUMS = 3

Scalars = Callable[[Any, int, int], Any]  # (pair, row, column) -> a weight
Reports = tuple[jax.Array, ...]


def strips_of(vectors: int) -> tuple[int, int]:
    """Into how many strips of how many vectors features are cut; the last may need more zeros."""
    number = pl.cdiv(vectors, LARGEST_STRIP)
    return number, pl.cdiv(vectors, number)


class Memory(NamedTuple):
    """Arrays in vector memory, (..., 8, 128), and what their other axes are.

    words: of the keys (word, process). first_words: of each feature, at the start and rotated once
    (2, process, vector). state: of both processes (number, vector). tokens: of a pair (token, A and
    B and for Gaussian tokens half their difference, vector). ahead: a strip of the next pair.
    recent: sums of unit vectors of A and B and of differences (or half of them) since the chunk
    began (3, vector); value, lost: totals up to it. products: of a pair's tokens, not yet summed
    over lanes (||a||^2, ||b||^2 and a . b, token). scales: inverse norms (branch, token). weights:
    of a pair. counter: its number (process). cosine: value, lost and recent (3, 8, 1).
    """

    words: Any
    first_words: Any
    state: Any
    tokens: Any
    ahead: Any
    recent: Any
    value: Any
    lost: Any
    products: Any
    scales: Any
    weights: Any
    counter: Any
    cosine: Any


def memory(vectors: int, states: tuple[int, int], unit: bool) -> Memory:
    """What a program needs."""

    def of(*shape: int, dtype: Any = jnp.float32) -> Any:
        return pltpu.VMEM((*shape, SUBLANES, LANES), dtype)

    formed = 2 if unit else 3
    return Memory(
        words=of(WORDS, 2, dtype=jnp.uint32),
        first_words=of(2, 2, vectors, dtype=jnp.uint32),
        state=of(max(1, sum(states)), vectors),
        tokens=of(PAIR, formed, vectors),
        ahead=of(PAIR, formed, strips_of(vectors)[1]),
        recent=of(SUMS, vectors),
        value=of(SUMS, vectors),
        lost=of(SUMS, vectors),
        products=of(3, PAIR),
        scales=of(2, PAIR),
        weights=of(sum((PAIR + p) ** 2 for p in states)),
        counter=of(2, dtype=jnp.uint32),
        cosine=pltpu.VMEM((3, SUBLANES, 1), jnp.float32),
    )


class Strips(NamedTuple):
    """The step of a walk over pairs. While a pair is drawn, the one before it is added up.

    weights: of both processes; states: how many numbers their states have; root: sqrt(1/2) times
    square roots of eigenvalues, (vectors, 1, 128), 0 beyond the features. unit: whether tokens are
    scaled to norm 1.
    """

    weights: tuple[Scalars, Scalars]
    states: tuple[int, int]
    root: Any
    unit: bool
    memory: Memory

    def prepare(self, ciphers: Sequence[Cipher]) -> None:
        """Before the first pair; x1 and rotated of a cipher have all features."""
        held = self.memory
        for p, c in enumerate(ciphers):
            for k, word in enumerate(words_of(c)):
                held.words[k, p] = jnp.broadcast_to(word, (1, SUBLANES, LANES))[0]
            held.first_words[0, p], held.first_words[1, p] = c.x1, c.rotated
        for ref in (held.state, held.value, held.lost, held.cosine):
            ref[...] = jnp.zeros_like(ref)

    def begin_chunk(self) -> None:
        """Before the first pair of a chunk."""
        self.memory.recent[...] = jnp.zeros_like(self.memory.recent)
        self.memory.cosine[2] = jnp.zeros((SUBLANES, 1), jnp.float32)
        self._empty()

    def end_chunk(self) -> None:
        """Before the pair after a chunk."""
        held = self.memory
        self._settle()

        def total(strip: Any, nothing: None) -> None:
            at = slice(None), strip
            held.value[at], held.lost[at] = add(
                Running(held.value[at], held.lost[at]), held.recent[at]
            )

        self._each(total, None)
        held.cosine[0], held.cosine[1] = add(
            Running(held.cosine[0], held.cosine[1]), held.cosine[2]
        )

    def _empty(self) -> None:
        """No pair waits: its tokens are zero, and their norms not."""
        self.memory.tokens[...] = jnp.zeros_like(self.memory.tokens)
        norms, cosines = slice(0, 2), 2
        self.memory.products[norms] = jnp.ones((2, PAIR, SUBLANES, LANES), jnp.float32)
        self.memory.products[cosines] = jnp.zeros((PAIR, SUBLANES, LANES), jnp.float32)

    def _each(self, body: Callable[[Any, Any], Any], carry: Any, unroll: bool = False) -> Any:
        """body(strip, carry) for every strip."""
        number, size = strips_of(self.root.shape[0])

        def step(k: Any, carry: Any) -> Any:
            return body(pl.ds(k * size, size), carry)

        return lax.fori_loop(0, number, step, carry, unroll=unroll)

    def _noise(self, strip: Any) -> list[tuple[jax.Array, ...]]:
        """Of the two tokens of a pair, for each process; both are drawn in step."""
        held = self.memory
        words = [held.words[k][:, None] for k in range(WORDS)]
        both = cipher_of(words, held.first_words[0, :, strip], held.first_words[1, :, strip])
        even, odd = normals_of(both, held.counter[...][:, None], PLAIN)
        return [(even[p], odd[p]) for p in range(2)]

    def _draw(self, process: int, strip: Any, noise: Any) -> jax.Array:
        """The two tokens of a pair, (token, ...); the next state replaces the one before.

        Column by column, so that what follows each other in the code can run together.
        """
        held, first = self.memory, process * self.states[0]
        own = range(first, first + self.states[process])
        state = [held.state[k, strip] for k in own]
        columns = dict(enumerate([*noise, *state]))
        # Of one number a product a row waits in either order, and cycles are fewer in this one.
        if len(state) > 1:
            columns = state_first(noise, state)
        rows: list[Any] = [None] * len(columns)
        for c, column in columns.items():
            for r, before in enumerate(rows):
                if (r, c) == (0, 1):
                    continue  # a factor is triangular: nothing of the second one's noise
                term = column * held.weights[self._place(process, r, c)][None]
                rows[r] = term if before is None else before + term
        for k, x in zip(own, rows[PAIR:], strict=True):
            held.state[k, strip] = x
        return jnp.stack(rows[:PAIR])

    def _place(self, process: int, row: int, column: int) -> int:
        """Of a weight, among those of both processes."""
        first = (PAIR + self.states[0]) ** 2 if process else 0
        return first + row * (PAIR + self.states[process]) + column

    def _begin(self, pair: Any) -> None:
        """Number and weights of a pair, one a vector; no products yet."""
        held = self.memory
        number = lax.convert_element_type(pair, jnp.uint32)
        held.counter[...] = jnp.full(held.counter.shape, number)
        for p, states in enumerate(self.states):
            for r in range(PAIR + states):
                for c in range(PAIR + states):
                    if (r, c) != (0, 1):
                        one = jnp.full((SUBLANES, LANES), self.weights[p](pair, r, c))
                        held.weights[self._place(p, r, c)] = one
        held.products[...] = jnp.zeros_like(held.products)

    def _form(self, strip: Any, to: Any, place: Any) -> None:
        """A strip of the tokens of a pair; its products are added."""
        noise = self._noise(strip)
        root = self.root[strip][None]
        half, other = (self._draw(p, strip, noise[p]) * root for p in range(2))
        a, b = half + other, half - other
        for k, x in enumerate((a, b) if self.unit else (a, b, other)):
            to[:, k, place] = x
        for k, x in enumerate((a * a, b * b, a * b)):
            self.memory.products[k] += jnp.sum(x, axis=1)

    def _scale(self) -> jax.Array:
        """Keeps inverse norms of both branches of each token; their cosines, (token, 8, 1)."""
        held = self.memory
        xx, yy, xy = (jnp.sum(held.products[k], axis=2, keepdims=True) for k in range(3))
        scales = inverse_norm(xx), inverse_norm(yy)
        for k, x in enumerate(scales):
            held.scales[k] = jnp.broadcast_to(x, (PAIR, SUBLANES, LANES))
        return xy * scales[0] * scales[1]

    def _add(self, strip: Any, tokens: Sequence[int] = range(PAIR)) -> None:
        """A strip of these tokens to the sums."""
        held = self.memory
        recent = [held.recent[k, strip] for k in range(SUMS)]
        for j in tokens:
            u, v = (held.tokens[j, k, strip] * held.scales[k, j][None] for k in range(2))
            difference = u - v if self.unit else held.tokens[j, 2, strip]
            recent = [before + x for before, x in zip(recent, (u, v, difference), strict=True)]
        for k, x in enumerate(recent):
            held.recent[k, strip] = x

    def _add_one(self, token: int, strip: Any, nothing: None) -> None:
        self._add(strip, [token])

    def _settle(self) -> None:
        """Adds the pair that waits."""
        self.memory.cosine[2] += jnp.sum(self._scale(), axis=0)
        self._each(lambda strip, _: self._add(strip), None)

    def _reports(self) -> Reports:
        """The numbers of `given_tokens.Reports`, each (8, 1)."""
        held = self.memory

        def products(strip: Any, found: Any) -> Any:
            u, v, d = (
                held.value[k, strip] + (held.lost[k, strip] + held.recent[k, strip])
                for k in range(SUMS)
            )
            d = d if self.unit else 2 * d
            each = zip(found, (d * d, u * u, v * v, u * v), strict=True)
            return tuple(before + jnp.sum(x, axis=0) for before, x in each)

        found = self._each(products, (jnp.zeros((SUBLANES, LANES), jnp.float32),) * 4)
        equal = held.cosine[0] + (held.cosine[1] + held.cosine[2])
        return *(jnp.sum(x, axis=1, keepdims=True) for x in found), equal

    def at_pair(self, pair: Any, nothing: None, reports: int) -> tuple[list[Reports], None]:
        """What is reported after each token of a pair; all that is carried is in memory."""
        if reports:
            self._settle()
            return self._reported(pair), None
        held = self.memory
        held.cosine[2] += jnp.sum(self._scale(), axis=0)
        self._begin(pair)

        def step(strip: Any, nothing: None) -> None:
            # Drawn before the strip of the pair before is added: no register waits for its norms.
            self._form(strip, held.ahead, slice(None))
            self._add(strip)
            for j in range(PAIR):
                for k in range(held.ahead.shape[1]):
                    held.tokens[j, k, strip] = held.ahead[j, k]

        self._each(step, None, unroll=True)
        return [], None

    def _reported(self, pair: Any) -> list[Reports]:
        held, found = self.memory, []
        self._begin(pair)
        self._each(lambda strip, _: self._form(strip, held.tokens, strip), None)
        cosines = self._scale()
        for j in range(PAIR):
            self._each(partial(self._add_one, j), None)
            held.cosine[2] += cosines[j]
            found.append(self._reports())
        self._empty()
        return found
