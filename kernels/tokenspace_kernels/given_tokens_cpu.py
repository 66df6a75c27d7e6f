"""D(n) and the realised psi's of given tokens on a CPU, at the rate at which memory is read.

Loops compiled by Numba (`given_tokens_loops.py`) go through the tokens row by row; here the tokens
are shared out among threads. XLA on a CPU has no such loop and reads the tokens several times.
Numba is an optional extra; `dispatch.py` says when it runs.

Sums of a piece of tokens are float32; pieces are added up in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tokenspace_kernels import workers
from tokenspace_kernels.given_tokens import Reports, psi_from_reports
from tokenspace_kernels.given_tokens_loops import (
    AS_NUMBA,
    add_pieces,
    add_segments,
    cut_rows,
    in_segments,
    measure_short,
    sum_pieces,
    sums_of,
)

LONGEST_PIECE = 512  # tokens: their float32 sums round by about 1e-6
PART = 1024  # rows that are near each other in memory while those of one segment are added up
TURN = 16  # parts that threads share
VALUES = 1 << 24  # of a branch in a turn, at most
BUFFER_BYTES = 1 << 24  # for the sums of pieces that await their turn, and for those of segments
SHARE = 1 << 19  # bytes of a branch below which a thread costs more than it saves


def measure_long(
    a: np.ndarray,
    b: np.ndarray,
    positions: np.ndarray,
    ends: np.ndarray,
    cut: tuple[int, int, int],
    psi: bool,
    team: workers.Workers,
    between: Callable[[], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Of one sequence: products (m, 4) up to each point of the grid, and cosines (m,) of segments.

    The same for every number of threads. Tokens are read a turn at a time, as they lie.
    """
    most, part, longest = cut
    dim, turn = a.shape[1], TURN * part
    segments = np.empty(len(a), np.int32)
    in_segments(positions, ends, segments)
    rows, pieces = np.empty(turn, np.int64), np.empty((3, turn), np.int64)
    at_once = max(1, BUFFER_BYTES // (12 * dim))
    equal = np.zeros(turn)
    running, products, cosines = np.zeros((3, dim)), np.zeros((len(ends), 4)), np.zeros(len(ends))
    for begin in range(0, len(ends), most):
        end = min(begin + most, len(ends))
        totals = np.zeros((end - begin, 3, dim))
        for start in range(0, len(a), turn):
            near = segments[start : start + turn]
            count = cut_rows(near, begin, end, part, longest, rows, pieces)
            if not count:
                continue
            x, y = _sequences(a[start : start + turn], b[start : start + turn])
            sums = sums_of(min(at_once, count), dim)
            filled = rows[: pieces[1, :count].sum()]
            for k in range(0, count, at_once):
                now = pieces[:, k : min(k + at_once, count)]

                def sum_part(s: slice) -> None:
                    sum_pieces(x, y, filled, now[:, s], psi, sums[s], equal[s])  # noqa: B023

                team.share(now[1], sum_part)
                add_pieces(sums, equal, now[2] - begin, psi, totals, cosines[begin:end])
            between()
        add_segments(totals, psi, running, products[begin:end])
    return products, cosines


def measure(
    a: Any,
    b: Any,
    grid: np.ndarray,
    psi: bool = True,
    order: Any = None,
    between: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """D and realised psi's of tokens (..., N, d) on an ascending grid, each (..., m), float32.

    As `given_tokens.measure`; what is no contiguous array of a format that is read is copied a turn
    at a time, and so much of a long sequence lies in memory at once, in any order.

    Args:
        order: (..., N) or (N,), the row that stands at each place.
        between: called when a turn of a long sequence has been read.
    """
    lead, (tokens, dim) = a.shape[:-2], a.shape[-2:]
    a, b = np.asarray(a), np.asarray(b)
    a, b = a.reshape(-1, tokens, dim), b.reshape(-1, tokens, dim)
    ends = np.asarray(grid, np.int64)
    if order is None:
        a, b = a[:, : ends[-1]], b[:, : ends[-1]]
        order = np.arange(ends[-1])
    positions = np.asarray(order, np.int64).reshape(-1, np.shape(order)[-1])
    part = max(1, min(PART, VALUES // (TURN * dim)))
    cut = max(1, BUFFER_BYTES // (24 * dim)), part, LONGEST_PIECE
    products, cosines = np.zeros((len(a), len(ends), 4)), np.zeros((len(a), len(ends)))

    team = workers.everyone()
    if len(a) >= 4 * team.number or a[0].nbytes < team.number * SHARE:
        x, y = _sequences(a, b)

        def short(s: slice) -> None:
            own = positions[s] if len(positions) > 1 else positions
            measure_short(x[s], y[s], own, ends, cut, psi, products[s], cosines[s])

        if a.nbytes < team.number * SHARE:
            short(slice(0, len(a)))
        else:
            team.share(np.ones(len(a)), short)
    else:
        for k in range(len(a)):
            own = positions[k if len(positions) > 1 else 0]
            products[k], cosines[k] = measure_long(a[k], b[k], own, ends, cut, psi, team, between)

    at_grid = (*products.transpose(2, 0, 1), cosines.cumsum(axis=1))
    reports = Reports(*(x.reshape(*lead, len(ends)) for x in at_grid))
    d = np.sqrt(reports.squared_divergence).astype(np.float32)
    if not psi:
        return d, {}
    return d, {k: v.astype(np.float32) for k, v in psi_from_reports(reports, grid).items()}


def _sequences(*both: np.ndarray) -> list[np.ndarray]:
    """Tokens of both branches as the loops take them, without a copy where they can be.

    Never writable, whatever they were: Numba would compile both kinds.
    """
    alike = both[0].dtype == both[1].dtype and both[0].dtype.isnative
    kind = AS_NUMBA.get(both[0].dtype.name) if alike else None
    out = []
    for h in both:
        h = np.ascontiguousarray(h if kind else _float32(h)).view(kind or np.float32)
        h.flags.writeable = False
        out.append(h)
    return out


def _float32(h: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # infinity is found by who asks
        return h.astype(np.float32)
