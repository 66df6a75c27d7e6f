"""D(n) and the realised psi's of given tokens on a CPU, at the rate at which memory is read.

Loops compiled by Numba go through the tokens row by row: a row is in the fastest cache when its
norm is known and its unit vector is added, so memory is read once. XLA on a CPU has no such loop
and reads the tokens several times. Numba is an optional extra; `dispatch.py` says when it runs.

Sums of a piece of tokens are float32; pieces are added up in float64.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit

from tokenspace_kernels.given_tokens import Pieces, Reports, cut, psi_from_reports

LONGEST_PIECE = 512  # tokens: their float32 sums round by about 1e-6
BUFFER_BYTES = 1 << 24  # for the sums of pieces that await their turn
SHARE = 1 << 19  # bytes of a branch below which a thread costs more than it saves

# Sums may be reordered and fused, as vector instructions need; NaN and infinity keep their sense.
compiled = njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@compiled
def float32_row(row: Any, _: Any) -> Any:
    return row


@compiled
def bfloat16_row(row: Any, bits: Any) -> Any:
    for k in range(row.size):
        bits[k] = np.uint32(row[k]) << np.uint32(16)
    return bits.view(np.float32)


@compiled
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


ROWS = {"float32": float32_row, "bfloat16": bfloat16_row, "float16": float16_row}


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
def four_rows(h: Any, token: int, end: int, as_float32: Any, bits: Any) -> Any:
    """Rows from `token` on as float32; past the end the last one again."""
    last = end - 1
    return (
        as_float32(h[token], bits[0]),
        as_float32(h[min(token + 1, last)], bits[1]),
        as_float32(h[min(token + 2, last)], bits[2]),
        as_float32(h[min(token + 3, last)], bits[3]),
    )


@compiled
def sum_pieces(
    a: Any, b: Any, first: Any, length: Any, as_float32: Any, psi: bool, sums: Any, equal: Any
) -> None:
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
            rows_a = four_rows(a, token, end, as_float32, bits[0])
            rows_b = four_rows(b, token, end, as_float32, bits[1])
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


@dataclass(frozen=True)
class Workers:
    """Threads that share a list of tasks; the caller is one of them."""

    number: int
    pool: ThreadPoolExecutor

    def share(self, work: np.ndarray, function: Callable[[slice], None]) -> None:
        """Call `function` on consecutive slices of the tasks, each of about the same work."""
        done = np.cumsum(work)
        shares = done[-1] * np.arange(1, self.number) / self.number
        edges = [0, *(np.searchsorted(done, shares) + 1).tolist(), len(work)]
        slices = [slice(x, min(y, len(work))) for x, y in pairwise(edges)]
        waiting = [self.pool.submit(function, s) for s in slices[1:]]
        function(slices[0])
        for w in waiting:
            w.result()


def measure_long(
    a: np.ndarray, b: np.ndarray, pieces: Pieces, as_float32: Any, psi: bool, workers: Workers
) -> tuple[np.ndarray, np.ndarray]:
    """Of one sequence: products (pieces, 4) and cosines (pieces,) summed up to each piece's end."""
    count, dim = len(pieces.length), a.shape[1]
    at_once = min(count, max(1, BUFFER_BYTES // (12 * dim)))
    sums = np.empty((at_once, 3, dim), np.float32)
    total, products, cosines = np.zeros((3, dim)), np.zeros((count, 4)), np.zeros(count)
    for begin in range(0, count, at_once):
        now = slice(begin, begin + at_once)
        first, length, equal = pieces.first[now], pieces.length[now], cosines[now]

        def sum_part(s: slice) -> None:
            sum_pieces(a, b, first[s], length[s], as_float32, psi, sums[s], equal[s])  # noqa: B023

        workers.share(length, sum_part)
        add_pieces(sums, psi, total, products[now])
    return products, np.cumsum(cosines)


@compiled
def measure_short(
    a: Any, b: Any, first: Any, length: Any, as_float32: Any, psi: bool, products: Any, cosines: Any
) -> None:
    """As `measure_long`, of many sequences (sequences, N, d), by one worker."""
    dim = a.shape[2]
    sums, total = np.empty((1, 3, dim), np.float32), np.zeros((3, dim))
    for k in range(len(a)):
        total[:] = 0
        for piece in range(len(first)):
            one = slice(piece, piece + 1)
            equal = cosines[k, one]
            sum_pieces(a[k], b[k], first[one], length[one], as_float32, psi, sums, equal)
            add_pieces(sums, psi, total, products[k, one])
            if piece:
                equal += cosines[k, piece - 1]


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """D and realised psi's of tokens (..., N, d) on an ascending grid, each (..., m), float32.

    As `given_tokens.measure`; tokens that are not contiguous in memory are copied first.
    """
    lead, as_float32 = a.shape[:-2], ROWS[a.dtype.name]
    a, b = _sequences(a), _sequences(b)
    pieces, where = cut(np.asarray(grid), (LONGEST_PIECE,))
    first, length = pieces.first, pieces.length
    products = np.zeros((len(a), len(length), 4))
    cosines = np.zeros((len(a), len(length)))

    def short(s: slice) -> None:
        measure_short(a[s], b[s], first, length, as_float32, psi, products[s], cosines[s])

    with ThreadPoolExecutor(cores()) as pool:  # no thread starts before it has work
        workers = Workers(cores(), pool)
        if a.nbytes < workers.number * SHARE:
            short(slice(0, len(a)))
        elif len(a) >= 4 * workers.number or a[0].nbytes < workers.number * SHARE:
            workers.share(np.ones(len(a)), short)
        else:
            for k in range(len(a)):
                products[k], cosines[k] = measure_long(a[k], b[k], pieces, as_float32, psi, workers)

    at_grid = (*np.moveaxis(products[:, where], 2, 0), cosines[:, where])
    reports = Reports(*(x.reshape(*lead, len(where)) for x in at_grid))
    d = np.sqrt(reports.squared_divergence).astype(np.float32)
    if not psi:
        return d, {}
    return d, {k: v.astype(np.float32) for k, v in psi_from_reports(reports, grid).items()}


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _sequences(h: Any) -> np.ndarray:
    """Tokens as (sequences, N, d); numbers of 16 bits as their bits, which Numba knows."""
    h = np.ascontiguousarray(h)
    h = h.reshape(-1, *h.shape[-2:])
    return h if h.dtype.name == "float32" else h.view(np.uint16)
