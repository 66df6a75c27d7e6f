"""Differences and unit vectors of given tokens, added to sums by loops that Numba compiles.

A token of each branch is in the fastest cache when its norm is known and its unit vector is added,
so memory is read once. Numbers of 16 bits are converted where they are used, twice: that is cheaper
than a copy.

Both sweeps have vectors of their own. Tokens of NumPy begin 16 bytes after a line of the cache:
shorter vectors lie across two lines less often while memory is waited for. Unit vectors are added
to sums that begin with a line, and as many are read before one is written as there are registers.

Of float32 tokens memory is the limit. Those of 16 bits come twice as fast, and writing sums is: two
tokens are added at once, so that half as much is written. They are added to half of the features
with the token before, and to the others with the token after: what is done between one token and
the next stays the same, and memory goes on meanwhile. Both at once, to all features, was no faster
than one by one.

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

load, load_sums = loader(ADDED, any_order=True), loader(ADDED)
fill, width = filler(ADDED), place(ADDED)
zero, one, two = place(0), place(1), place(2)
INLINED = OPTIONS | {"forceinline": True}


def products_by(numbers: int) -> Any:
    """The loop that takes the products of two tokens, two vectors of so many features at a time."""
    load, fill, width = loader(numbers, any_order=True), filler(numbers), place(numbers)

    def added(a: Any, b: Any, t: Any, k: Any, aa: Any, bb: Any, ab: Any) -> Any:
        x, y = load(a, t, k), load(b, t, k)
        return plus(aa, times(x, x)), plus(bb, times(y, y)), plus(ab, times(x, y))

    added = inlined(added)

    def products(a: Any, b: Any, t: Any) -> Any:
        dim = place(a.shape[1])
        end = dim // (width + width) * (width + width)
        even = odd = fill(f32(0)), fill(f32(0)), fill(f32(0))
        for k in range(zero, end, width + width):
            even, odd = added(a, b, t, k, *even), added(a, b, t, k + width, *odd)
        aa = total(plus(even[0], odd[0]))
        bb = total(plus(even[1], odd[1]))
        ab = total(plus(even[2], odd[2]))
        for k in range(end, dim):
            u, v = as_float32(a[t, k]), as_float32(b[t, k])
            aa, bb, ab = aa + u * u, bb + v * v, ab + u * v
        return aa, bb, ab

    return products


def products(a: Any, b: Any, t: Any) -> Any:
    """Squared norms and product of the tokens in row t; Numba takes the loop of their format."""
    raise NotImplementedError("only for code that Numba compiles")


@overload(products, jit_options=INLINED)
def _products(a: Any, b: Any, t: Any) -> Any:
    return products_by(WIDTHS[a.dtype])


@inlined
def inverse(square: Any) -> Any:
    """One over the root; NaN where the square left its range: nothing is wrong in silence."""
    return f32(1) / np.sqrt(square) if LEAST_SQUARE <= square < np.inf else f32(np.nan)


@inlined
def unit(a: Any, b: Any, t: Any) -> Any:
    """Inverse norms of the tokens in row t, and their cosine."""
    square_a, square_b, product = products(a, b, t)
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
def add_token(a: Any, b: Any, t: Any, norms: Any, sums: Any, begin: Any, end: Any) -> None:
    """The tokens in row t, with their inverse norms, to features begin .. end - 1 of the sums."""
    norms = fill(norms[0]), fill(norms[1])
    for k in range(begin, end, width):
        put(sums, k, *with_token(a, b, t, k, norms, *at(sums, k)))


@inlined
def add_two(
    a: Any, b: Any, t: Any, norms: Any, s: Any, others: Any, sums: Any, begin: Any, end: Any
) -> None:
    """As `add_token`, of the tokens in row t and of those in row s."""
    norms, others = (fill(norms[0]), fill(norms[1])), (fill(others[0]), fill(others[1]))
    for k in range(begin, end, width):
        first = with_token(a, b, t, k, norms, *at(sums, k))
        put(sums, k, *with_token(a, b, s, k, others, *first))


@inlined
def add_rest(a: Any, b: Any, t: Any, norms: Any, sums: Any, begin: Any) -> None:
    """As `add_token`, to the features from `begin` on, which fill no vector."""
    for k in range(begin, place(a.shape[1])):
        u, v = as_float32(a[t, k]), as_float32(b[t, k])
        sums[zero, k] += u - v
        sums[one, k] += norms[0] * u
        sums[two, k] += norms[1] * v


def one_by_one(a: Any, b: Any, rows: Any, sums: Any) -> Any:
    """`add_units` of float32 tokens."""
    end, cosines = place(a.shape[1]) // width * width, 0.0
    for r in range(len(rows)):
        t = place(rows[r])
        norms, cosine = unit(a, b, t)
        cosines += cosine
        add_token(a, b, t, norms, sums, zero, end)
        add_rest(a, b, t, norms, sums, end)
    return cosines


def by_halves(a: Any, b: Any, rows: Any, sums: Any) -> Any:
    """`add_units` of tokens of 16 bits."""
    end, cosines = place(a.shape[1]) // width * width, 0.0
    half = end // (two * width) * width
    before, norms = zero, (f32(0), f32(0))
    for r in range(len(rows)):
        t = place(rows[r])
        others, cosine = unit(a, b, t)
        cosines += cosine
        begin, stop = (half, end) if r % 2 else (zero, half)
        if r:
            add_two(a, b, before, norms, t, others, sums, begin, stop)
        else:
            add_token(a, b, t, others, sums, begin, stop)
        add_rest(a, b, t, others, sums, end)
        before, norms = t, others
    begin, stop = (half, end) if len(rows) % 2 else (zero, half)
    add_token(a, b, before, norms, sums, begin, stop)
    return cosines


def add_units(a: Any, b: Any, rows: Any, sums: Any) -> Any:
    """Differences and unit vectors of the tokens in some rows, one or more, to sums (3, d or more).

    Returns the sum of their cosines.
    """
    raise NotImplementedError("only for code that Numba compiles")


@overload(add_units, jit_options=INLINED)
def _add_units(a: Any, b: Any, rows: Any, sums: Any) -> Any:
    return one_by_one if a.dtype == types.float32 else by_halves
