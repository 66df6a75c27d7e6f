"""Loops over given tokens that Numba compiles: D(n) and the sums behind the realised psi's.

Four tokens of each branch are in the fastest cache when their norms are known and their unit
vectors are added, so memory is read once. Numbers of 16 bits are converted where they are used,
twice: that is cheaper than a copy.

D(n) asks which tokens are among the first n, not in what order: each token is added to the sums of
its segment, the tokens between two points of the grid. So tokens in any order are read as they lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic, overload

from tokenspace_kernels.given_tokens import LEAST_SQUARE
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
def in_segments(positions: Any, ends: Any, segments: Any) -> None:
    """segments (N,): of each row, the number of the segment that it belongs to, -1 for none.

    positions: the row at each place of the order; ends: (m,) places at which segments end.
    """
    segments[:] = -1
    place = 0
    for segment in range(len(ends)):
        while place < ends[segment]:
            segments[positions[place]] = segment
            place += 1


@compiled
def cut_rows(
    segments: Any, begin: int, end: int, part: int, longest: int, rows: Any, pieces: Any
) -> int:
    """Number of pieces (first, length, segment), rows of one segment in a part of `part` rows.

    Of segments begin .. end - 1; `rows` has the rows of a piece from its first place on, ascending;
    none has more than `longest`.
    """
    place = count = 0
    filled = np.empty(end - begin + 1, np.int64)
    for start in range(0, len(segments), part):
        stop = min(start + part, len(segments))
        filled[:] = 0
        for row in range(start, stop):
            if begin <= segments[row] < end:
                filled[segments[row] - begin + 1] += 1
        for k in range(end - begin):
            first, left = place + filled[k], filled[k + 1]
            filled[k + 1] += filled[k]
            while left > 0:
                length = min(left, longest)
                pieces[0, count], pieces[1, count], pieces[2, count] = first, length, begin + k
                first, left, count = first + length, left - length, count + 1
        total = filled[end - begin]
        for row in range(start, stop):
            if begin <= segments[row] < end:
                k = segments[row] - begin
                rows[place + filled[k]] = row
                filled[k] += 1
        place += total
    return count


@compiled
def add_differences(a: Any, b: Any, rows: Any, total: Any) -> None:
    """total (d,) += a - b of the tokens in these rows."""
    for t in rows:
        for k in range(total.size):
            total[k] += as_float32(a[t, k]) - as_float32(b[t, k])


@compiled
def inverse(square: Any) -> Any:
    """One over the root; NaN where the square left its range: nothing is wrong in silence."""
    return 1 / np.sqrt(square) if LEAST_SQUARE <= square < np.inf else np.nan


@compiled
def cosine(a: Any, b: Any, t: int, token: int, scale: Any) -> Any:
    """Of the tokens in row t of A and B; their inverse norms go to scale[:, token]."""
    aa = bb = ab = f32(0)
    for k in range(a.shape[1]):
        x, y = as_float32(a[t, k]), as_float32(b[t, k])
        aa, bb, ab = aa + x * x, bb + y * y, ab + x * y
    scale[0, token], scale[1, token] = inverse(aa), inverse(bb)
    return ab * scale[0, token] * scale[1, token]


@compiled
def add_one(a: Any, b: Any, t: int, scale: Any, sums: Any) -> None:
    """Difference and unit vectors of the token in row t, to sums (3, d)."""
    p, q = scale[0, 0], scale[1, 0]
    for k in range(sums.shape[1]):
        x, y = as_float32(a[t, k]), as_float32(b[t, k])
        sums[0, k] += x - y
        sums[1, k] += p * x
        sums[2, k] += q * y


@compiled
def add_four(a: Any, b: Any, rows: Any, scale: Any, sums: Any) -> None:
    """As `add_one` of four rows, so that the sums are read and written less often."""
    t0, t1, t2, t3 = rows[0], rows[1], rows[2], rows[3]
    p0, p1, p2, p3 = scale[0, 0], scale[0, 1], scale[0, 2], scale[0, 3]
    q0, q1, q2, q3 = scale[1, 0], scale[1, 1], scale[1, 2], scale[1, 3]
    for k in range(sums.shape[1]):
        x0, y0 = as_float32(a[t0, k]), as_float32(b[t0, k])
        x1, y1 = as_float32(a[t1, k]), as_float32(b[t1, k])
        x2, y2 = as_float32(a[t2, k]), as_float32(b[t2, k])
        x3, y3 = as_float32(a[t3, k]), as_float32(b[t3, k])
        sums[0, k] += ((x0 - y0) + (x1 - y1)) + ((x2 - y2) + (x3 - y3))
        sums[1, k] += (p0 * x0 + p1 * x1) + (p2 * x2 + p3 * x3)
        sums[2, k] += (q0 * y0 + q1 * y1) + (q2 * y2 + q3 * y3)


@compiled
def sum_pieces(a: Any, b: Any, rows: Any, pieces: Any, psi: bool, sums: Any, equal: Any) -> None:
    """Sums over each piece (pieces, 3, d): difference, and with `psi` unit vectors of A and of B.

    rows, pieces: as `cut_rows` has them; equal: (pieces,), sums of cosines between branches.
    """
    scale = np.empty((2, 4), np.float32)
    for piece in range(pieces.shape[1]):
        sums[piece] = 0
        now = rows[pieces[0, piece] : pieces[0, piece] + pieces[1, piece]]
        if not psi:
            add_differences(a, b, now, sums[piece, 0])
            continue
        fours = len(now) // 4 * 4
        cosines = 0.0
        for t in range(0, fours, 4):
            four = now[t : t + 4]
            for k in range(4):
                cosines += cosine(a, b, four[k], k, scale)
            add_four(a, b, four, scale, sums[piece])
        for t in range(fours, len(now)):
            cosines += cosine(a, b, now[t], 0, scale)
            add_one(a, b, now[t], scale, sums[piece])
        equal[piece] = cosines


@compiled
def add_pieces(sums: Any, equal: Any, segment: Any, psi: bool, totals: Any, cosines: Any) -> None:
    """Pieces (pieces, 3, d) are added to the sums of their segments (segments, 3, d), float64."""
    for piece in range(len(segment)):
        to = segment[piece]
        cosines[to] += equal[piece]
        for row in range(3 if psi else 1):
            t, s = totals[to, row], sums[piece, row]
            for k in range(t.size):
                t[k] += s[k]


@compiled
def add_segments(totals: Any, psi: bool, running: Any, products: Any) -> None:
    """Add segments to the running totals (3, d), and take their products after each of them.

    products: (segments, 4), squared norms of the difference and of both sums of unit vectors, and
    the product of the latter; the first alone without `psi`.
    """
    for segment in range(len(products)):
        for row in range(3 if psi else 1):
            t, s, square = running[row], totals[segment, row], 0.0
            for k in range(t.size):
                value = t[k] + s[k]
                t[k] = value
                square += value * value
            products[segment, row] = square
        if psi:
            unit_a, unit_b, product = running[1], running[2], 0.0
            for k in range(unit_a.size):
                product += unit_a[k] * unit_b[k]
            products[segment, 3] = product


@compiled
def measure_short(
    a: Any,
    b: Any,
    positions: Any,
    ends: Any,
    cut: Any,
    psi: bool,
    products: Any,
    cosines: Any,
) -> None:
    """As `given_tokens_cpu.measure_long`, of many sequences (sequences, N, d), by one worker.

    positions: (sequences, N) or (1, N); cut: segments that are added up at once, rows of a part and
    of a piece at most.
    """
    tokens, dim, most, part, longest = a.shape[1], a.shape[2], cut[0], cut[1], cut[2]
    segments, rows = np.empty(tokens, np.int32), np.empty(tokens, np.int64)
    pieces = np.empty((3, tokens), np.int64)
    sums, equal = np.empty((1, 3, dim), np.float32), np.zeros(1)
    totals, running = np.empty((min(most, len(ends)), 3, dim)), np.empty((3, dim))
    for k in range(len(a)):
        if k < len(positions):
            in_segments(positions[k], ends, segments)
        running[:] = 0
        for begin in range(0, len(ends), most):
            end = min(begin + most, len(ends))
            totals[:] = 0
            for piece in range(cut_rows(segments, begin, end, part, longest, rows, pieces)):
                one = pieces[:, piece : piece + 1]
                sum_pieces(a[k], b[k], rows, one, psi, sums, equal)
                add_pieces(sums, equal, one[2] - begin, psi, totals, cosines[k, begin:end])
            add_segments(totals, psi, running, products[k, begin:end])
