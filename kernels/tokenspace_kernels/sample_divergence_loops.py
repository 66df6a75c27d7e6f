"""`sample_divergence` as loops that Numba compiles: noise is drawn and used in the fastest cache.

A piece of the features goes through all the tokens: its sums and its state stay in cache, the noise
of a pair of tokens is drawn into two rows and added at once to the rows that need it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.machine_code import compiled
from tokenspace_kernels.random_bits_loops import draw_pair
from tokenspace_kernels.scratch_loops import on_lines


@compiled
def add_product(weights: Any, column: int, x: Any, begin: int, end: int, out: Any) -> None:
    """Rows begin..end of out += weights[:, column : column + len(x)] x; zeros cost nothing."""
    count = x.shape[0]
    for row in range(begin, end):
        for j in range(0, count, 2):
            other = min(j + 1, count - 1)
            w0 = weights[row, column + j]
            w1 = weights[row, column + other] if other > j else np.float32(0)
            if w0 != 0 or w1 != 0:
                for k in range(x.shape[1]):
                    out[row, k] += w0 * x[j, k] + w1 * x[other, k]


@compiled
def add_scaled_rows(new: Any, row: int, scale: Any, first: int, total: Any) -> None:
    """total += sum over terms of new[:, row] times scale, for features from `first` on."""
    for q in range(new.shape[0]):
        for k in range(total.size):
            total[k] += new[q, row, k] * scale[q, first + k]


@compiled
def piece_squares(
    streams: Any, noise: Any, state: Any, scale: Any, where: Any, first: int, width: int, out: Any
) -> None:
    """Squared prefix sums at the grid (m,) of one replicate, over features first..first + width.

    streams: (terms, 2) keys; noise: (terms, blocks, rows, size), state: (terms, blocks, rows, p)
    and scale: (terms, d) as in `LinearBlocks`, padded with zeros to a common p.
    """
    terms, blocks, rows, size = noise.shape
    slots = rows - 1 - state.shape[3]
    z, states = on_lines(2, width), state.shape[3]
    new = on_lines(terms * rows, width).reshape(terms, rows, width)
    carried = on_lines(terms * states, width).reshape(terms, states, width)
    prefix, at_point = np.zeros(width), np.zeros(width)
    for block in range(blocks):
        used = 0
        for point in range(where.size):
            if where[point] // slots == block:
                used = max(used, where[point] % slots + 1)
        for q in range(terms):
            carried[q] = new[q, slots + 1 :]
            new[q] = 0
            add_product(state[q, block], 0, carried[q], 0, rows, new[q])
            for j in range(0, size, 2):
                draw_pair(streams[q], (block * size + j) // 2, first, z)
                add_product(noise[q, block], j, z, 0, used, new[q])
                add_product(noise[q, block], j, z, slots, rows, new[q])
        for point in range(where.size):
            if where[point] // slots == block:
                at_point[:] = prefix
                add_scaled_rows(new, where[point] % slots, scale, first, at_point)
                square = 0.0
                for k in range(width):
                    square += at_point[k] * at_point[k]
                out[point] = square
        add_scaled_rows(new, slots, scale, first, prefix)


@compiled
def squares(
    streams: Any,
    noise: Any,
    state: Any,
    scale: Any,
    where: Any,
    piece: int,
    begin: int,
    end: int,
    out: Any,
) -> None:
    """Tasks begin..end of all in `out` (replicates, pieces, m): a piece of the features each."""
    pieces, dim = out.shape[1], scale.shape[1]
    for task in range(begin, end):
        replicate, number = task // pieces, task % pieces
        first = number * piece
        width = min(piece, dim - first)
        to = out[replicate, number]
        piece_squares(streams[replicate], noise, state, scale, where, first, width, to)
