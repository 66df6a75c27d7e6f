"""Differences and unit vectors of given tokens, added to sums by loops that Numba compiles.

A token of each branch is in the fastest cache when its norm is known and its unit vector is added,
so memory is read once. Numbers of 16 bits are converted where they are used, twice: that is cheaper
than a copy.

Vectors have eight features: float16 is converted at two thirds of the time of sixteen, and four of
them at once leave no unit waiting. bfloat16, which is read in pairs, takes the widest. Sums begin
with a line of the cache; tokens of NumPy begin 16 bytes after one, and short vectors lie across two
less often.

Two tokens are added at once, so that half as much is written. Four at once took a twentieth less
time with 256 features, and up to a third more with 4,096, whose tokens leave the fastest cache.
Norms of the next tokens in the loop that adds the last ones took half as long again: so many
tokens, a power of two apart, want the same places of that cache. Products of pairs of bfloat16 in
one instruction, where a processor has it, took a tenth less time in the cache, and more from
memory.

A core waits for memory while norms are taken, and memory would wait for the core while unit vectors
are added. So tokens some way ahead are asked for all the time: those of A while norms are taken,
those of B while unit vectors are added. They come to the second cache. Asked for in the first they
took longer than without: it has few places for what is awaited, and the tokens of now need them.

Sums have their features in the order in which tokens are read, the same for all tokens of a format:
norms and products do not ask for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from tokenspace_kernels.given_tokens import LEAST_SQUARE
from tokenspace_kernels.machine_code import OPTIONS, inlined
from tokenspace_kernels.vectors import (
    as_float32,
    fetcher,
    filler,
    loader,
    minus,
    plus,
    store,
    times,
    total,
)

f32, place = np.float32, np.uintp


class Shape(NamedTuple):
    """How a format is read: features of a vector and vectors at once, found by trying."""

    norms: int  # features of a vector whose products are taken
    chains: int  # such vectors at once: as many sums wait for the last addition to them
    added: int  # features of a vector that is added to sums
    step: int  # features that are added between two requests for tokens to come


SHAPES = {
    types.float32: Shape(8, 4, 8, 32),
    types.uint16: Shape(32, 2, 64, 64),
    types.int16: Shape(8, 4, 8, 32),
}
AHEAD, LEAST_AHEAD = 1 << 14, 4  # bytes of a branch and tokens that are asked for before their use

zero, one, two = place(0), place(1), place(2)
INLINED = OPTIONS | {"forceinline": True}


def chained(numbers: int, chains: int) -> tuple[Any, Any, Any]:
    """Of so many vectors at once: the sums that products begin with, how a vector is added to each
    of them, and their sum. Sums of more than one vector are a pair of those of half as many.
    """
    if chains == 1:
        load, fill = loader(numbers, any_order=True), filler(numbers)

        @inlined
        def begin() -> Any:
            return fill(f32(0)), fill(f32(0)), fill(f32(0))

        @inlined
        def add(a: Any, b: Any, t: Any, k: Any, sums: Any) -> Any:
            x, y = load(a, t, k), load(b, t, k)
            aa, bb, ab = sums
            return plus(aa, times(x, x)), plus(bb, times(y, y)), plus(ab, times(x, y))

        @inlined
        def together(sums: Any) -> Any:
            return sums

        return begin, add, together

    begin_half, add_half, half_together = chained(numbers, chains // 2)
    half = place(chains // 2 * numbers)

    @inlined
    def begin_both() -> Any:
        return begin_half(), begin_half()

    @inlined
    def add_both(a: Any, b: Any, t: Any, k: Any, sums: Any) -> Any:
        return add_half(a, b, t, k, sums[0]), add_half(a, b, t, k + half, sums[1])

    @inlined
    def both_together(sums: Any) -> Any:
        x, y = half_together(sums[0]), half_together(sums[1])
        return plus(x[0], y[0]), plus(x[1], y[1]), plus(x[2], y[2])

    return begin_both, add_both, both_together


def products_of(shape: Shape) -> Any:
    """The loop that takes the products of two tokens.

    Of the first branch it asks for the token in row `later`, a token's length ahead.
    """
    begin, add, together = chained(shape.norms, shape.chains)
    numbers = shape.norms * shape.chains
    fetch, width = fetcher(numbers), place(numbers)

    def products(a: Any, b: Any, t: Any, later: Any) -> Any:
        dim = place(a.shape[1])
        end = dim // width * width
        sums = begin()
        for k in range(zero, end, width):
            fetch(a, later, k)
            sums = add(a, b, t, k, sums)
        sums = together(sums)
        aa, bb, ab = total(sums[0]), total(sums[1]), total(sums[2])
        for k in range(end, dim):
            u, v = as_float32(a[t, k]), as_float32(b[t, k])
            aa, bb, ab = aa + u * u, bb + v * v, ab + u * v
        return aa, bb, ab

    return products


def products(a: Any, b: Any, t: Any, later: Any) -> Any:
    """Squared norms and product of the tokens in row t; Numba takes the loop of their format."""
    raise NotImplementedError("only for code that Numba compiles")


@overload(products, jit_options=INLINED)
def _products(a: Any, b: Any, t: Any, later: Any) -> Any:
    return products_of(SHAPES[a.dtype])


@inlined
def inverse(square: Any) -> Any:
    """One over the root; NaN where the square left its range: nothing is wrong in silence."""
    return f32(1) / np.sqrt(square) if LEAST_SQUARE <= square < np.inf else f32(np.nan)


@inlined
def unit(a: Any, b: Any, t: Any, later: Any) -> Any:
    """Inverse norms of the tokens in row t, and their cosine."""
    square_a, square_b, product = products(a, b, t, later)
    p, q = inverse(square_a), inverse(square_b)
    return (p, q), product * p * q


@inlined
def add_rest(a: Any, b: Any, t: Any, norms: Any, sums: Any, begin: Any) -> None:
    """The tokens in row t, with their inverse norms, to features from `begin` on, one by one."""
    for k in range(begin, place(a.shape[1])):
        u, v = as_float32(a[t, k]), as_float32(b[t, k])
        sums[zero, k] += u - v
        sums[one, k] += norms[0] * u
        sums[two, k] += norms[1] * v


def adders_of(shape: Shape) -> tuple[Any, Any]:
    """Loops that add one token of each branch, or two, with their inverse norms, to the sums."""
    load, load_sums = loader(shape.added, any_order=True), loader(shape.added)
    fill, fetch = filler(shape.added), fetcher(shape.step)
    added, width = place(shape.added), place(shape.step)

    @inlined
    def with_token(a: Any, b: Any, t: Any, k: Any, norms: Any, sums: Any) -> Any:
        u, v = load(a, t, k), load(b, t, k)
        x, y, z = sums
        return plus(x, minus(u, v)), plus(y, times(norms[0], u)), plus(z, times(norms[1], v))

    @inlined
    def at(sums: Any, k: Any) -> Any:
        return load_sums(sums, zero, k), load_sums(sums, one, k), load_sums(sums, two, k)

    @inlined
    def put(sums: Any, k: Any, new: Any) -> None:
        store(sums, zero, k, new[0])
        store(sums, one, k, new[1])
        store(sums, two, k, new[2])

    @inlined
    def vectors(norms: Any) -> Any:
        return fill(norms[0]), fill(norms[1])

    @inlined
    def add_one(a: Any, b: Any, t: Any, norms: Any, sums: Any) -> None:
        end = place(a.shape[1]) // width * width
        weights = vectors(norms)
        for k in range(zero, end, added):
            put(sums, k, with_token(a, b, t, k, weights, at(sums, k)))
        add_rest(a, b, t, norms, sums, end)

    @inlined
    def add_two(
        a: Any, b: Any, t: Any, norms: Any, s: Any, others: Any, later: Any, last: Any, sums: Any
    ) -> None:
        """Of the tokens in rows t and s; of B it asks for those in `later` and `last`."""
        end = place(a.shape[1]) // width * width
        first, second = vectors(norms), vectors(others)
        for begin in range(zero, end, width):
            fetch(b, later, begin)
            fetch(b, last, begin)
            for k in range(begin, begin + width, added):
                with_first = with_token(a, b, t, k, first, at(sums, k))
                put(sums, k, with_token(a, b, s, k, second, with_first))
        add_rest(a, b, t, norms, sums, end)
        add_rest(a, b, s, others, sums, end)

    return add_one, add_two


def units_of(shape: Shape) -> Any:
    """`add_units` of a format."""
    add_one, add_two = adders_of(shape)

    def add_units(a: Any, b: Any, rows: Any, count: Any, sums: Any) -> Any:
        cosines, end = 0.0, len(rows) - 1
        ahead = max(LEAST_AHEAD, AHEAD // (a.shape[1] * a.itemsize))
        for r in range(0, count - 1, 2):
            t, s = place(rows[r]), place(rows[r + 1])
            later, last = place(rows[min(r + ahead, end)]), place(rows[min(r + ahead + 1, end)])
            norms, cosine = unit(a, b, t, later)
            others, other = unit(a, b, s, last)
            cosines += cosine + other
            add_two(a, b, t, norms, s, others, later, last, sums)
        if count % 2:
            t = place(rows[count - 1])
            norms, cosine = unit(a, b, t, t)
            cosines += cosine
            add_one(a, b, t, norms, sums)
        return cosines

    return add_units


def add_units(a: Any, b: Any, rows: Any, count: Any, sums: Any) -> Any:
    """Differences and unit vectors of the tokens in the first `count` rows, to sums (3, d or more).

    rows: those and the ones that are read after them. Returns the sum of the tokens' cosines.
    """
    raise NotImplementedError("only for code that Numba compiles")


@overload(add_units, jit_options=INLINED)
def _add_units(a: Any, b: Any, rows: Any, count: Any, sums: Any) -> Any:
    return units_of(SHAPES[a.dtype])
