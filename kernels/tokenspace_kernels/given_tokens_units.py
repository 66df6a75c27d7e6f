"""Differences and unit vectors of given tokens, added to sums by loops that Numba compiles.

A token of each branch is in the fastest cache when its norm is known and its unit vector is added,
so memory is read once. Numbers of 16 bits are converted where they are used, twice: that is cheaper
than a copy.

Both sweeps have vectors of their own. Tokens of NumPy begin 16 bytes after a line of the cache:
shorter vectors lie across two lines less often while memory is waited for. Unit vectors are added
to sums that begin with a line, and as many are read before one is written as there are registers.

Two tokens are added at once, so that half as much is written. Four at once, tried in C, leave the
fastest cache in float32; in 16 bits they took up to a tenth less time, or as long.

A core waits for memory while norms are taken, and memory would wait for the core while unit vectors
are added. So tokens some way ahead are asked for all the time: those of A while norms are taken,
those of B while unit vectors are added. They come to the second cache. Asked for in the first they
took longer than without: it has few places for what is awaited, and the tokens of now need them.

Sums have their features in the order in which tokens are read, the same for all tokens of a format:
norms and products do not ask for it.
"""

from __future__ import annotations

from typing import Any

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

WIDTHS = {types.float32: 8, types.uint16: 32, types.int16: 32}  # of norms; found by trying
ADDED = 64  # features that are added to sums at once
AHEAD, LEAST_AHEAD = 1 << 14, 4  # bytes of a branch and tokens that are asked for before their use

load, load_sums = loader(ADDED, any_order=True), loader(ADDED)
fetch, fill, width = fetcher(ADDED), filler(ADDED), place(ADDED)
zero, one, two = place(0), place(1), place(2)
INLINED = OPTIONS | {"forceinline": True}


def products_by(numbers: int) -> Any:
    """The loop that takes the products of two tokens, two vectors of so many features at a time.

    Of the first branch it asks for the token in row `later`, a token's length ahead.
    """
    load, fill, width = loader(numbers, any_order=True), filler(numbers), place(numbers)
    fetch = fetcher(2 * numbers)

    def added(a: Any, b: Any, t: Any, k: Any, aa: Any, bb: Any, ab: Any) -> Any:
        x, y = load(a, t, k), load(b, t, k)
        return plus(aa, times(x, x)), plus(bb, times(y, y)), plus(ab, times(x, y))

    added = inlined(added)

    def products(a: Any, b: Any, t: Any, later: Any) -> Any:
        dim = place(a.shape[1])
        end = dim // (width + width) * (width + width)
        even = odd = fill(f32(0)), fill(f32(0)), fill(f32(0))
        for k in range(zero, end, width + width):
            fetch(a, later, k)
            even, odd = added(a, b, t, k, *even), added(a, b, t, k + width, *odd)
        aa = total(plus(even[0], odd[0]))
        bb = total(plus(even[1], odd[1]))
        ab = total(plus(even[2], odd[2]))
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
    return products_by(WIDTHS[a.dtype])


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
def with_token(a: Any, b: Any, t: Any, k: Any, norms: Any, x: Any, y: Any, z: Any) -> Any:
    """Sums x, y and z of a vector of features from k on, with the tokens in row t."""
    u, v = load(a, t, k), load(b, t, k)
    return plus(x, minus(u, v)), plus(y, times(norms[0], u)), plus(z, times(norms[1], v))


@inlined
def at(sums: Any, k: Any) -> Any:
    return load_sums(sums, zero, k), load_sums(sums, one, k), load_sums(sums, two, k)


@inlined
def put(sums: Any, k: Any, x: Any, y: Any, z: Any) -> None:
    store(sums, zero, k, x)
    store(sums, one, k, y)
    store(sums, two, k, z)


@inlined
def add_rest(a: Any, b: Any, t: Any, norms: Any, sums: Any, begin: Any) -> None:
    """As `add_one`, to the features from `begin` on, which fill no vector."""
    for k in range(begin, place(a.shape[1])):
        u, v = as_float32(a[t, k]), as_float32(b[t, k])
        sums[zero, k] += u - v
        sums[one, k] += norms[0] * u
        sums[two, k] += norms[1] * v


@inlined
def add_one(a: Any, b: Any, t: Any, norms: Any, sums: Any) -> None:
    """The tokens in row t, with their inverse norms, to the sums."""
    end = place(a.shape[1]) // width * width
    vectors = fill(norms[0]), fill(norms[1])
    for k in range(zero, end, width):
        put(sums, k, *with_token(a, b, t, k, vectors, *at(sums, k)))
    add_rest(a, b, t, norms, sums, end)


@inlined
def add_two(
    a: Any, b: Any, t: Any, norms: Any, s: Any, others: Any, later: Any, last: Any, sums: Any
) -> None:
    """As `add_one`, of the tokens in rows t and s; of B it asks for those in `later` and `last`."""
    end = place(a.shape[1]) // width * width
    first, second = (fill(norms[0]), fill(norms[1])), (fill(others[0]), fill(others[1]))
    for k in range(zero, end, width):
        fetch(b, later, k)
        fetch(b, last, k)
        with_first = with_token(a, b, t, k, first, *at(sums, k))
        put(sums, k, *with_token(a, b, s, k, second, *with_first))
    add_rest(a, b, t, norms, sums, end)
    add_rest(a, b, s, others, sums, end)


@inlined
def add_units(a: Any, b: Any, rows: Any, count: Any, sums: Any) -> Any:
    """Differences and unit vectors of the tokens in the first `count` rows, to sums (3, d or more).

    rows: those and the ones that are read after them. Returns the sum of the tokens' cosines.
    """
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
