"""Loops over given tokens that Numba compiles: D(n) and the sums behind the realised psi's.

What a token adds to the sums behind the psi's is in `given_tokens_units.py`.

D(n) asks which tokens are among the first n, not in what order: each token is added to the sums of
its segment, the tokens between two points of the grid. So tokens in any order are read as they lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.given_tokens_units import add_units, place, zero
from tokenspace_kernels.machine_code import compiled, inlined
from tokenspace_kernels.scratch_loops import LINE
from tokenspace_kernels.vectors import as_float32, loader, minus, plus, store

# How the formats travel: Numba knows no bfloat16 and no float16, and their bits tell them apart.
AS_NUMBA = {"float32": np.float32, "bfloat16": np.uint16, "float16": np.int16}
PAGE = 1024  # float32 numbers
ADDED = 64  # features whose differences are added to sums at once

load, width = loader(ADDED), place(ADDED)


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


@inlined
def add_difference(a: Any, b: Any, t: Any, sums: Any) -> None:
    """Difference a - b of the tokens in row t, to sums (1 or more, d or more)."""
    dim = place(a.shape[1])
    end = dim // width * width
    for k in range(zero, end, width):
        store(sums, zero, k, plus(load(sums, zero, k), minus(load(a, t, k), load(b, t, k))))
    for k in range(end, dim):
        sums[zero, k] += as_float32(a[t, k]) - as_float32(b[t, k])


@compiled
def sums_of(pieces: int, dim: int) -> Any:
    """Room for the sums of pieces (pieces, 3, d or more), each on lines of the cache.

    It begins a line before a page, as arrays begin a little after one: a processor that compares
    addresses within pages does not take what is read next for what was just written.
    """
    stride = -(-dim // LINE) * LINE
    memory = np.zeros(3 * pieces * stride + PAGE, np.float32)
    first = (-memory.ctypes.data // 4 - LINE) % PAGE
    return memory[first : first + 3 * pieces * stride].reshape(pieces, 3, stride)


@inlined
def sum_piece(a: Any, b: Any, rows: Any, count: int, psi: bool, sums: Any) -> Any:
    """Sums of the tokens in the first rows, to sums (3, d or more); the sum of their cosines."""
    if psi:
        return add_units(a, b, rows, count, sums)
    for at in range(count):
        add_difference(a, b, place(rows[at]), sums)
    return 0.0


@compiled
def sum_pieces(a: Any, b: Any, rows: Any, pieces: Any, psi: bool, sums: Any, equal: Any) -> None:
    """Sums over each piece (pieces, 3, d): difference, and with `psi` unit vectors of A and of B.

    rows, pieces: as `cut_rows` has them, and no rows after those of its last piece; sums: as from
    `sums_of`; equal: (pieces,), sums of cosines between branches.
    """
    for piece in range(pieces.shape[1]):
        sums[piece] = 0
        to_come = rows[pieces[0, piece] :]
        equal[piece] = sum_piece(a, b, to_come, pieces[1, piece], psi, sums[piece])


@compiled
def add_pieces(sums: Any, equal: Any, segment: Any, psi: bool, totals: Any, cosines: Any) -> None:
    """Pieces (pieces, 3, d or more) are added to their segments (segments, 3, d), float64."""
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
    sums, equal = sums_of(1, dim), np.zeros(1)
    totals, running = np.empty((min(most, len(ends)), 3, dim)), np.empty((3, dim))
    for k in range(len(a)):
        if k < len(positions):
            in_segments(positions[k], ends, segments)
        running[:] = 0
        for begin in range(0, len(ends), most):
            end = min(begin + most, len(ends))
            totals[:] = 0
            count = cut_rows(segments, begin, end, part, longest, rows, pieces)
            filled = rows[: pieces[1, :count].sum()]
            for piece in range(count):
                one = pieces[:, piece : piece + 1]
                sum_pieces(a[k], b[k], filled, one, psi, sums, equal)
                add_pieces(sums, equal, one[2] - begin, psi, totals, cosines[k, begin:end])
            add_segments(totals, psi, running, products[k, begin:end])
