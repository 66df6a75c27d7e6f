"""Counter-based random numbers in integer operations that XLA fuses into the loop that uses them.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011). A number depends on the seed, the
replicate, the stream, the token and the feature only: not on the model, the batch or the device.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)

Words = tuple[jax.Array, jax.Array]


def _rotate_left(x: jax.Array, bits: int) -> jax.Array:
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


class Cipher(NamedTuple):
    """What of Threefry does not depend on a counter's first word: a loop over it computes it once.

    start: the word of the key that is added to the first; added: what is added to both after every
    four rounds; x1: the second word at the start, and rotated once.
    """

    start: jax.Array
    added: tuple[Words, ...]
    x1: jax.Array
    rotated: jax.Array


def cipher(key: Words, second: jax.Array) -> Cipher:
    """For a key and the second words of counters."""
    k = (*key, key[0] ^ key[1] ^ PARITY)
    added = tuple((k[(g + 1) % 3], k[(g + 2) % 3] + np.uint32(g + 1)) for g in range(5))
    x1 = second + k[1]
    return Cipher(k[0], added, x1, _rotate_left(x1, ROTATIONS[0][0]))


def threefry2x32(key: Words, counter: Words) -> Words:
    """Threefry-2x32-20: two random 32-bit words for a 64-bit key and a 64-bit counter.

    Args:
        key, counter: pairs of uint32 arrays that broadcast.

    Returns:
        Pair of uint32 arrays.

    Source: Salmon et al. 2011, checked against the known answers published with Random123.
    """
    return encrypted(cipher(key, counter[1]), counter[0])


def encrypted(
    cipher: Cipher, first: jax.Array, add: Callable[[Any, Any], Any] = operator.add
) -> Words:
    """Threefry of counters with these first words; `add` sums two words on a device."""
    x0, x1 = first + cipher.start, cipher.x1
    for group, (to_x0, to_x1) in enumerate(cipher.added):
        for number, bits in enumerate(ROTATIONS[group % 2]):
            x0 = add(x0, x1)
            x1 = (_rotate_left(x1, bits) if group or number else cipher.rotated) ^ x0
        x0, x1 = x0 + to_x0, x1 + to_x1
    return x0, x1


def replicate_keys(seed: int, first: int | jax.Array, count: int, stream: int = 0) -> jax.Array:
    """Keys of `count` replicates from number `first` on, shape (count, 2), uint32.

    Args:
        seed: integer in [0, 2^64).
        first: number of the first replicate, in [0, 2^32).
        count: how many.
        stream: which independent stream of the replicate, in [0, 2^32).
    """
    return _keys(seed_words(seed), jnp.asarray(first, jnp.uint32), count, np.uint32(stream))


def seed_words(seed: int) -> tuple[np.uint32, np.uint32]:
    """The low and high 32 bits of a seed."""
    return np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)


def keys_of(
    words: tuple[Any, Any], first: jax.Array, count: int, stream: int | jax.Array = 0
) -> jax.Array:
    """As `replicate_keys`, inside compiled code, from the words of a seed."""
    replicate = lax.iota(jnp.uint32, count) + first
    return jnp.stack(threefry2x32(words, (replicate, jnp.uint32(stream))), axis=-1)


_keys = partial(jax.jit, static_argnames="count")(keys_of)


def substream(key: jax.Array, number: int | jax.Array) -> jax.Array:
    """A key for an independent stream of the replicate, shape (2,)."""
    return jnp.stack(substream_words((key[0], key[1]), number))


def substream_words(key: Words, number: int | jax.Array) -> Words:
    """As `substream`, word by word, for as many replicates as the words hold."""
    return threefry2x32(key, (jnp.asarray(number, jnp.uint32), jnp.uint32(0xFFFFFFFF)))


# Chebyshev interpolant of degree 14 of z(u) / u, z = sqrt(2) erfinv(u), as powers of
# t = -log(1 - u^2) / NORMAL_HALF - 1, which runs from -1 at u = 0 to 1 at the largest |u|.
NORMAL_HALF = 8.35
NORMAL_COEFFICIENTS = (
    3.8502738, 2.041798, -0.473716, 0.19181806, -0.06527755, -0.014432357, 0.05538805,
    -0.051443823, 0.049679875, -0.068251036, 0.0183514, 0.06581644, -0.045172468, -0.015028338,
    0.014064087,
)  # fmt: skip


class Arithmetic(NamedTuple):
    """How a device computes what a normal is made of.

    add: the sum of two words; multiply_add: a * b + c; position: t of the polynomial from u.
    """

    add: Callable[[Any, Any], Any]
    multiply_add: Callable[[Any, Any, Any], Any]
    position: Callable[[jax.Array], jax.Array]


def _position(u: jax.Array) -> jax.Array:
    return lax.log((1 - u) * (1 + u)) * np.float32(-1 / NORMAL_HALF) - np.float32(1)


PLAIN = Arithmetic(operator.add, lambda a, b, c: a * b + c, _position)


def bits_to_normal(bits: jax.Array, arithmetic: Arithmetic = PLAIN) -> jax.Array:
    """Standard normal float32 from 32 random bits: sqrt(2) erfinv(u), u uniform on 2^24 midpoints.

    u = (k + 1/2) 2^-23 - 1 for the top 24 bits k, so |z| <= 5.42 and the mean is exactly 0. One
    polynomial, without branches, to a relative error below 5e-7; `lax.erf_inv` has two, and is less
    exact in the tails.
    """
    _, multiply_add, position = arithmetic
    signed = lax.bitcast_convert_type(bits, jnp.int32) >> 8  # -2^23 .. 2^23 - 1
    u = (signed.astype(jnp.float32) + np.float32(0.5)) * np.float32(2.0**-23)
    t = position(u)
    *rest, last = map(np.float32, NORMAL_COEFFICIENTS)
    ratio = multiply_add(t, last, rest[-1])
    for c in rest[-2::-1]:
        ratio = multiply_add(ratio, t, c)
    return u * ratio


def word_pairs(key: jax.Array, first_pair: int | jax.Array, pairs: int, dim: int) -> Words:
    """Random words of tokens 2i and 2i + 1 for `pairs` values of i, two (pairs, dim) arrays."""
    shape = (pairs, dim)
    token = lax.broadcasted_iota(jnp.uint32, shape, 0) + jnp.asarray(first_pair, jnp.uint32)
    feature = lax.broadcasted_iota(jnp.uint32, shape, 1)
    return threefry2x32((key[0], key[1]), (token, feature))


def normal_pairs(
    key: jax.Array, first_pair: int | jax.Array, pairs: int, dim: int
) -> tuple[jax.Array, jax.Array]:
    """White noise of tokens 2i and 2i + 1 for `pairs` values of i, two (pairs, dim) arrays."""
    even, odd = word_pairs(key, first_pair, pairs, dim)
    return bits_to_normal(even), bits_to_normal(odd)


def even_then_odd(key: jax.Array, first_pair: int | jax.Array, tokens: int, dim: int) -> jax.Array:
    """White noise of the even ones of so many tokens, and below it that of the others.

    For a TPU, whose compiler draws a pair anew for each of its tokens unless words are drawn before
    any is used; to put one half below the other costs it nothing, to interleave them does.
    """
    even, odd = lax.optimization_barrier(word_pairs(key, first_pair, -(-tokens // 2), dim))
    return bits_to_normal(jnp.concatenate([even, odd[: tokens // 2]]))


def normals(key: jax.Array, first_token: int | jax.Array, tokens: int, dim: int) -> jax.Array:
    """White noise of tokens from an even `first_token` on, shape (tokens, dim), float32.

    Args:
        key: (2,) words of a Threefry key.
        first_token: number of the first token, even.
        tokens, dim: shape of what is drawn; a token's numbers do not depend on how many are.

    Source: Salmon et al. 2011 for the bits; normals by the inverse error function.
    """
    pairs = -(-tokens // 2)
    first_pair = jnp.asarray(first_token, jnp.uint32) // 2
    drawn = lax.platform_dependent(
        key,
        first_pair,
        cpu=partial(_side_by_side, pairs=pairs, dim=dim),
        tpu=partial(_chosen, pairs=pairs, dim=dim),
        default=partial(_stacked, pairs=pairs, dim=dim),
    )
    return drawn[:tokens]


# Of three ways to interleave the tokens of pairs, each platform has the one that its compiler fuses
# with the generator, so that no other array is written.


def _side_by_side(key: jax.Array, first_pair: jax.Array, pairs: int, dim: int) -> jax.Array:
    even, odd = normal_pairs(key, first_pair, pairs, dim)
    return jnp.concatenate([even, odd], axis=1).reshape(2 * pairs, dim)


def _stacked(key: jax.Array, first_pair: jax.Array, pairs: int, dim: int) -> jax.Array:
    return jnp.stack(normal_pairs(key, first_pair, pairs, dim), axis=1).reshape(2 * pairs, dim)


def _chosen(key: jax.Array, first_pair: jax.Array, pairs: int, dim: int) -> jax.Array:
    """Every token draws its pair: a v5e takes 0.7 to 0.8 of the cycles that interleaving takes.

    Words drawn once, behind a barrier, would wait in memory too: 2 GiB for 1 GiB of noise.
    """
    shape = (2 * pairs, dim)
    token = lax.broadcasted_iota(jnp.uint32, shape, 0)
    feature = lax.broadcasted_iota(jnp.uint32, shape, 1)
    even, odd = threefry2x32((key[0], key[1]), (first_pair + token // 2, feature))
    return bits_to_normal(jnp.where(token % 2 == 0, even, odd))
