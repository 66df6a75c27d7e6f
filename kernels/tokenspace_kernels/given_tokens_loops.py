"""Loops over given tokens that Numba compiles: D(n) and the sums behind the realised psi's.

Four tokens of each branch are in the fastest cache when their norms are known and their unit
vectors are added, so memory is read once. Numbers of 16 bits are converted where they are used,
twice: that is cheaper than a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic, overload

from tokenspace_kernels.machine_code import OPTIONS, compiled

u32, f32 = np.uint32, np.float32


@intrinsic
def float16_by_instruction(typing: Any, bits: Any) -> Any:
    """The float32 of a float16 by the processor's own instruction, or what stands for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        half = builder.bitcast(arguments[0], ir.HalfType())
        return builder.fpext(half, ir.FloatType())

    return types.float32(types.int16), code


def float16_by_integers(x: Any) -> Any:
    """Exponent and mantissa moved into place, then the bias of the exponent made good."""
    half = u32(x)
    special = u32(0x7F800000) if half & u32(0x7C00) == u32(0x7C00) else u32(0)
    sign = u32((half & u32(0x8000)) << u32(16))
    bits = u32(sign | u32((half & u32(0x7FFF)) << u32(13)) | special)
    return bits.view(f32) * f32(2.0**112)


def float16(x: Any) -> Any:
    return float16_by_instruction(x)  # type: ignore[call-arg]


def bfloat16(x: Any) -> Any:
    return u32(u32(x) << u32(16)).view(f32)


def float32(x: Any) -> Any:
    return x


# How the formats travel: Numba knows no bfloat16 and no float16, and their bits tell them apart.
AS_NUMBA = {"float32": np.float32, "bfloat16": np.uint16, "float16": np.int16}
HAS_INSTRUCTION = binding.get_host_cpu_features().get("f16c", False)
CONVERSIONS = {
    types.float32: float32,
    types.uint16: bfloat16,
    types.int16: float16 if HAS_INSTRUCTION else float16_by_integers,
}


def as_float32(x: Any) -> Any:
    """A number of a token as float32; Numba takes one of the functions above, by its type."""
    raise NotImplementedError("only for code that Numba compiles")


@overload(as_float32, jit_options=OPTIONS)
def _conversion(x: Any) -> Any:
    return CONVERSIONS[x]


@compiled
def add_differences(a: Any, b: Any, begin: int, end: int, total: Any) -> None:
    """total (d,) += a - b of tokens begin .. end - 1."""
    for t in range(begin, end):
        for k in range(total.size):
            total[k] += as_float32(a[t, k]) - as_float32(b[t, k])


@compiled
def inverse(square: Any) -> Any:
    """One over the root; NaN where the square overflowed, so that nothing goes wrong in silence."""
    return 1 / np.sqrt(square) if square < np.inf else np.nan


@compiled
def scales(aa: Any, bb: Any, ab: Any, token: int, out: Any) -> Any:
    """The cosine of a pair of tokens; their inverse norms go to out[:, token]."""
    out[0, token], out[1, token] = inverse(aa), inverse(bb)
    return ab * out[0, token] * out[1, token]


@compiled
def scales_of_one(a: Any, b: Any, t: int, out: Any) -> Any:
    aa = bb = ab = f32(0)
    for k in range(a.shape[1]):
        x, y = as_float32(a[t, k]), as_float32(b[t, k])
        aa, bb, ab = aa + x * x, bb + y * y, ab + x * y
    return scales(aa, bb, ab, 0, out)


@compiled
def scales_of_four(a: Any, b: Any, t: int, out: Any) -> Any:
    """Inverse norms (2, 4) of tokens t .. t + 3 of A and B, and the sum of their cosines."""
    aa0 = aa1 = aa2 = aa3 = bb0 = bb1 = bb2 = bb3 = ab0 = ab1 = ab2 = ab3 = f32(0)
    for k in range(a.shape[1]):
        x, y = as_float32(a[t, k]), as_float32(b[t, k])
        aa0, bb0, ab0 = aa0 + x * x, bb0 + y * y, ab0 + x * y
        x, y = as_float32(a[t + 1, k]), as_float32(b[t + 1, k])
        aa1, bb1, ab1 = aa1 + x * x, bb1 + y * y, ab1 + x * y
        x, y = as_float32(a[t + 2, k]), as_float32(b[t + 2, k])
        aa2, bb2, ab2 = aa2 + x * x, bb2 + y * y, ab2 + x * y
        x, y = as_float32(a[t + 3, k]), as_float32(b[t + 3, k])
        aa3, bb3, ab3 = aa3 + x * x, bb3 + y * y, ab3 + x * y
    first = scales(aa0, bb0, ab0, 0, out) + scales(aa1, bb1, ab1, 1, out)
    return first + (scales(aa2, bb2, ab2, 2, out) + scales(aa3, bb3, ab3, 3, out))


@compiled
def add_one(a: Any, b: Any, t: int, scale: Any, sums: Any) -> None:
    """Difference and unit vectors of token t, to sums (3, d)."""
    p, q = scale[0, 0], scale[1, 0]
    for k in range(sums.shape[1]):
        x, y = as_float32(a[t, k]), as_float32(b[t, k])
        sums[0, k] += x - y
        sums[1, k] += p * x
        sums[2, k] += q * y


@compiled
def add_four(a: Any, b: Any, t: int, scale: Any, sums: Any) -> None:
    """As `add_one` of tokens t .. t + 3, so that the sums are read and written less often."""
    p0, p1, p2, p3 = scale[0, 0], scale[0, 1], scale[0, 2], scale[0, 3]
    q0, q1, q2, q3 = scale[1, 0], scale[1, 1], scale[1, 2], scale[1, 3]
    for k in range(sums.shape[1]):
        x0, y0 = as_float32(a[t, k]), as_float32(b[t, k])
        x1, y1 = as_float32(a[t + 1, k]), as_float32(b[t + 1, k])
        x2, y2 = as_float32(a[t + 2, k]), as_float32(b[t + 2, k])
        x3, y3 = as_float32(a[t + 3, k]), as_float32(b[t + 3, k])
        sums[0, k] += ((x0 - y0) + (x1 - y1)) + ((x2 - y2) + (x3 - y3))
        sums[1, k] += (p0 * x0 + p1 * x1) + (p2 * x2 + p3 * x3)
        sums[2, k] += (q0 * y0 + q1 * y1) + (q2 * y2 + q3 * y3)


@compiled
def sum_pieces(a: Any, b: Any, first: Any, length: Any, psi: bool, sums: Any, equal: Any) -> None:
    """Sums over each piece (pieces, 3, d): difference, and with `psi` unit vectors of A and of B.

    equal: (pieces,), sums of cosines between branches.
    """
    scale = np.empty((2, 4), np.float32)
    for piece in range(len(first)):
        sums[piece] = 0
        begin, end = first[piece], first[piece] + length[piece]
        if not psi:
            add_differences(a, b, begin, end, sums[piece, 0])
            continue
        fours = begin + length[piece] // 4 * 4
        cosines = 0.0
        for t in range(begin, fours, 4):
            cosines += scales_of_four(a, b, t, scale)
            add_four(a, b, t, scale, sums[piece])
        for t in range(fours, end):
            cosines += scales_of_one(a, b, t, scale)
            add_one(a, b, t, scale, sums[piece])
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
