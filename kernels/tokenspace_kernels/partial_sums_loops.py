"""`partial_sum_divergence` as loops that Numba compiles: noise is drawn and used in cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.machine_code import compiled
from tokenspace_kernels.random_bits_loops import draw_pair, substream
from tokenspace_kernels.scratch_loops import on_lines
from tokenspace_kernels.triangular_loops import ROWS, four_rows


@compiled
def add_scaled(y: Any, scales: Any, first: int, total: Any) -> None:
    for i in range(ROWS):
        for k in range(total.shape[1]):
            total[i, k] += scales[first + k] * y[i, k]


@compiled
def square_norm(x: Any) -> Any:
    square = np.float32(0)
    for k in range(x.size):
        square += x[k] * x[k]
    return square


@compiled
def squares(
    keys: Any, numbers: Any, factors: Any, scales: Any, width: int, first_task: int, out: Any
) -> None:
    """Squared prefix sums at the grid, out (tasks, m), each task a piece of a replicate's features.

    keys: (R, 2); numbers: (terms - 1,) streams of the terms after the first; factors:
    (terms, M, M) and scales: (terms, pieces * width), both padded with zeros; first_task: replicate
    * pieces + piece of the first of `out`.
    """
    terms, _, padded = factors.shape
    m, pieces = out.shape[1], scales.shape[1] // width
    z = on_lines(terms * padded, width).reshape(terms, padded, width)
    y, total = on_lines(ROWS, width), on_lines(ROWS, width)
    stream = np.empty(2, np.uint32)
    for task in range(len(out)):
        replicate, first = (first_task + task) // pieces, (first_task + task) % pieces * width
        for q in range(terms):
            stream[:] = keys[replicate]
            if q:
                stream[0], stream[1] = substream(stream[0], stream[1], numbers[q - 1])
            for pair in range((m + 1) // 2):
                draw_pair(stream, pair, first, z[q, 2 * pair : 2 * pair + 2])
        for row in range(0, m, ROWS):
            total[:] = 0
            for q in range(terms):
                four_rows(factors[q], row, 0, z[q], y)
                add_scaled(y, scales[q], first, total)
            for i in range(min(ROWS, m - row)):
                out[task, row + i] = square_norm(total[i])
