"""`sample_statistics` as loops that Numba compiles: tokens of both branches, measured in cache.

A few tokens of both branches are formed from their noise; norms and products are taken on the way,
and unit vectors are never formed. Sums are float32 within a block and float64 from block to block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.machine_code import compiled
from tokenspace_kernels.random_bits_loops import draw_pair
from tokenspace_kernels.sample_divergence_loops import add_product

LONGEST_SUM = 64  # tokens: their float32 sums round by about 1e-6


@compiled
def draw_tokens(key: Any, block: int, parts: Any, state: Any, z: Any, new: Any, x: Any) -> None:
    """Tokens x (size, d) of a block, x = O m + L z; the state (p, d) goes on to T m + G z.

    parts: O, L, T and G of all blocks, as in `TokenBlocks`; z (2, d), new (p, d): to work in.
    """
    observe, factor, transition, gain = parts
    size, p = x.shape[0], state.shape[0]
    x[:] = 0
    new[:] = 0
    add_product(observe[block], 0, state, 0, size, x)
    add_product(transition[block], 0, state, 0, p, new)
    for j in range(0, size, 2):
        draw_pair(key, (block * size + j) // 2, 0, z)
        add_product(factor[block], j, z, j, size, x)
        add_product(gain[block], j, z, 0, p, new)
    state[:] = new


@compiled
def form(s: Any, m: Any, root: Any, scale_a: Any, scale_b: Any, total: Any) -> tuple[Any, Any, Any]:
    """A token of each branch, (s + m) root and (s - m) root times its scale, in place of s and m.

    Adds their difference to `total` (d,) and returns a.a, b.b and a.b.
    """
    aa = bb = ab = np.float32(0)
    for k in range(root.size):
        a, b = (s[k] + m[k]) * (root[k] * scale_a), (s[k] - m[k]) * (root[k] * scale_b)
        s[k] = a
        m[k] = b
        aa += a * a
        bb += b * b
        ab += a * b
        total[k] += a - b
    return aa, bb, ab


@compiled
def inverse(square: Any) -> Any:
    """One over the root; NaN where the square overflowed, so that nothing goes wrong in silence."""
    return 1 / np.sqrt(square) if square < np.inf else np.nan


@compiled
def report(total: Any, sums: Any, out: Any) -> None:
    """Squared norms of the three sums (3, d), and the product of those of unit vectors."""
    out[:4] = 0
    for k in range(total.shape[1]):
        difference, u, v = (
            total[0, k] + sums[0, k],
            total[1, k] + sums[1, k],
            total[2, k] + sums[2, k],
        )
        out[0] += difference * difference
        out[1] += u * u
        out[2] += v * v
        out[3] += u * v


@compiled
def statistics(
    streams: Any,
    total_parts: Any,
    difference_parts: Any,
    root: Any,
    scales: Any,
    unit: bool,
    counts: Any,
    out: Any,
) -> None:
    """What `Reports` holds, (R, m, 5), after `counts` (m,) tokens, ascending.

    streams: (R, 2, 2) keys of the total and of the difference; scales: (R, 2, tokens) of each
    branch's tokens, or (R, 2, 0) where all are 1; unit: whether tokens are scaled to norm 1.
    """
    size, dim = total_parts[1].shape[1], root.size
    s, m = np.empty((size, dim), np.float32), np.empty((size, dim), np.float32)
    z = np.empty((2, dim), np.float32)
    states = np.empty((total_parts[2].shape[1], dim), np.float32)
    statem = np.empty((difference_parts[2].shape[1], dim), np.float32)
    news, newm = np.empty_like(states), np.empty_like(statem)
    sums, total = np.empty((3, dim), np.float32), np.empty((3, dim))
    norms = np.empty((2, size), np.float32)
    one = np.float32(1)
    for r in range(len(out)):
        states[:] = 0
        statem[:] = 0
        sums[:] = 0
        total[:] = 0
        equal, point, token, block = 0.0, 0, 0, 0
        while point < len(counts):
            draw_tokens(streams[r, 0], block, total_parts, states, z, news, s)
            draw_tokens(streams[r, 1], block, difference_parts, statem, z, newm, m)
            begin = 0
            while begin < size and point < len(counts):
                end = min(size, counts[point] - token)
                for j in range(begin, end):
                    drawn = scales.shape[2] > 0
                    scale_a = scales[r, 0, token + j] if drawn else one
                    scale_b = scales[r, 1, token + j] if drawn else one
                    aa, bb, ab = form(s[j], m[j], root, scale_a, scale_b, sums[0])
                    norms[0, j] = inverse(aa)
                    norms[1, j] = inverse(bb)
                    equal += ab * norms[0, j] * norms[1, j]
                add_product(norms[:1], begin, s[begin:end], 0, 1, sums[1:2])
                add_product(norms[1:], begin, m[begin:end], 0, 1, sums[2:])
                if unit:
                    sums[0] = sums[1] - sums[2]
                if counts[point] == token + end:
                    report(total, sums, out[r, point])
                    out[r, point, 4] = equal
                    point += 1
                begin = end
            token += size
            block += 1
            if token % LONGEST_SUM == 0:
                total += sums
                sums[:] = 0
