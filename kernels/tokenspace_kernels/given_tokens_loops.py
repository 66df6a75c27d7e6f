"""Loops over given tokens that Numba compiles: D(n) and the sums behind the realised psi's.

A row is in the fastest cache when its norm is known and its unit vector is added, so memory is read
once. Machine code is kept on disk; what decides it stands in this one file, by which Numba knows
code that is out of date: functions called from here must not move to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from tokenspace_kernels.machine_code import on_disk

# Sums may be reordered and fused, as vector instructions need; NaN and infinity keep their sense.
OPTIONS: Any = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


def compiled(function: Callable[..., Any]) -> Any:
    return on_disk(njit(**OPTIONS)(function))


def as_float32(row: Any, bits: Any) -> Any:
    """A row of tokens as float32: itself, or made of the bits of 16-bit numbers in `bits`.

    Numba takes one of the functions below, by the type of the row.
    """
    raise NotImplementedError("only for code that Numba compiles")


def float32_row(row: Any, bits: Any) -> Any:
    return row


def bfloat16_row(row: Any, bits: Any) -> Any:
    for k in range(row.size):
        bits[k] = np.uint32(row[k]) << np.uint32(16)
    return bits.view(np.float32)


def float16_row(row: Any, bits: Any) -> Any:
    """Exponent and mantissa moved into place, then the bias of the exponent made good."""
    for k in range(row.size):
        half = np.uint32(row[k])
        special = np.uint32(0x7F800000) if half & np.uint32(0x7C00) == 0x7C00 else np.uint32(0)
        sign = (half & np.uint32(0x8000)) << np.uint32(16)
        bits[k] = sign | ((half & np.uint32(0x7FFF)) << np.uint32(13)) | special
    out = bits.view(np.float32)
    for k in range(row.size):
        out[k] *= np.float32(2.0**112)
    return out


# How the formats travel: Numba knows no bfloat16 and no float16, and their bits tell them apart.
AS_NUMBA = {"float32": np.float32, "bfloat16": np.uint16, "float16": np.int16}
ROWS = {types.float32: float32_row, types.uint16: bfloat16_row, types.int16: float16_row}


@overload(as_float32, jit_options=OPTIONS)
def _row_function(row: Any, bits: Any) -> Any:
    return ROWS[row.dtype]


@compiled
def add_difference(a: Any, b: Any, total: Any) -> None:
    for k in range(total.size):
        total[k] += a[k] - b[k]


@compiled
def add_difference_and_dot(a: Any, b: Any, total: Any) -> tuple[Any, Any, Any]:
    """As `add_difference`, and a.a, b.b and a.b on the way."""
    aa = bb = ab = np.float32(0)
    for k in range(total.size):
        x, y = a[k], b[k]
        aa += x * x
        bb += y * y
        ab += x * y
        total[k] += x - y
    return aa, bb, ab


@compiled
def add_scaled(rows: Any, scales: Any, total: Any) -> None:
    """Four rows at a time, so that the total is read and written less often."""
    h0, h1, h2, h3 = rows
    s0, s1, s2, s3 = scales
    for k in range(total.size):
        total[k] += (s0 * h0[k] + s1 * h1[k]) + (s2 * h2[k] + s3 * h3[k])


@compiled
def inverse(square: Any) -> Any:
    """One over the root; NaN where the square overflowed, so that nothing goes wrong in silence."""
    return 1 / np.sqrt(square) if square < np.inf else np.nan


@compiled
def four_rows(h: Any, token: int, end: int, bits: Any) -> Any:
    """Rows from `token` on as float32; past the end the last one again."""
    last = end - 1
    return (
        as_float32(h[token], bits[0]),
        as_float32(h[min(token + 1, last)], bits[1]),
        as_float32(h[min(token + 2, last)], bits[2]),
        as_float32(h[min(token + 3, last)], bits[3]),
    )


@compiled
def sum_pieces(a: Any, b: Any, first: Any, length: Any, psi: bool, sums: Any, equal: Any) -> None:
    """Sums over each piece (pieces, 3, d): difference, and with `psi` unit vectors of A and of B.

    equal: (pieces,), sums of cosines between branches.
    """
    bits = np.empty((2, 4, a.shape[1]), np.uint32)
    scales = np.empty((2, 4), np.float32)
    for piece in range(len(first)):
        sums[piece] = 0
        difference, unit_a, unit_b = sums[piece, 0], sums[piece, 1], sums[piece, 2]
        begin, end = first[piece], first[piece] + length[piece]
        if not psi:
            for token in range(begin, end):
                x, y = as_float32(a[token], bits[0, 0]), as_float32(b[token], bits[1, 0])
                add_difference(x, y, difference)
            continue
        cosines = 0.0
        for token in range(begin, end, 4):
            rows_a = four_rows(a, token, end, bits[0])
            rows_b = four_rows(b, token, end, bits[1])
            scales[:] = 0
            for k in range(min(4, end - token)):
                aa, bb, ab = add_difference_and_dot(rows_a[k], rows_b[k], difference)
                scales[0, k], scales[1, k] = inverse(aa), inverse(bb)
                cosines += ab * scales[0, k] * scales[1, k]
            add_scaled(rows_a, scales[0], unit_a)
            add_scaled(rows_b, scales[1], unit_b)
        equal[piece] = cosines


@compiled
def add_pieces(sums: Any, psi: bool, total: Any, products: Any) -> None:
    """Add pieces to the running totals (3, d), float64, and take their products after each piece.

    products: (pieces, 4), squared norms of the difference and of both sums of unit vectors, and the
    product of the latter; the first alone without `psi`.
    """
    for piece in range(len(products)):
        for row in range(3 if psi else 1):
            t, s, square = total[row], sums[piece, row], 0.0
            for k in range(t.size):
                value = t[k] + s[k]
                t[k] = value
                square += value * value
            products[piece, row] = square
        if psi:
            unit_a, unit_b, product = total[1], total[2], 0.0
            for k in range(unit_a.size):
                product += unit_a[k] * unit_b[k]
            products[piece, 3] = product


@compiled
def measure_short(
    a: Any, b: Any, first: Any, length: Any, psi: bool, products: Any, cosines: Any
) -> None:
    """As `given_tokens_cpu.measure_long`, of many sequences (sequences, N, d), by one worker."""
    dim = a.shape[2]
    sums, total = np.empty((1, 3, dim), np.float32), np.zeros((3, dim))
    for k in range(len(a)):
        total[:] = 0
        for piece in range(len(first)):
            one = slice(piece, piece + 1)
            equal = cosines[k, one]
            sum_pieces(a[k], b[k], first[one], length[one], psi, sums, equal)
            add_pieces(sums, psi, total, products[k, one])
            if piece:
                equal += cosines[k, piece - 1]
