"""D(n) and the realised psi's of given tokens on a CPU, at the rate at which memory is read.

Loops compiled by Numba (`given_tokens_loops.py`) go through the tokens row by row; here the tokens
are shared out among threads. XLA on a CPU has no such loop and reads the tokens several times.
Numba is an optional extra; `dispatch.py` says when it runs.

Sums of a piece of tokens are float32; pieces are added up in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels import workers
from tokenspace_kernels.given_tokens import Pieces, Reports, cut, psi_from_reports
from tokenspace_kernels.given_tokens_loops import AS_NUMBA, add_pieces, measure_short, sum_pieces

LONGEST_PIECE = 512  # tokens: their float32 sums round by about 1e-6
BUFFER_BYTES = 1 << 24  # for the sums of pieces that await their turn
SHARE = 1 << 19  # bytes of a branch below which a thread costs more than it saves


def measure_long(
    a: np.ndarray, b: np.ndarray, pieces: Pieces, psi: bool, team: workers.Workers
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
            sum_pieces(a, b, first[s], length[s], psi, sums[s], equal[s])  # noqa: B023

        team.share(length, sum_part)
        add_pieces(sums, psi, total, products[now])
    return products, np.cumsum(cosines)


def measure(
    a: Any, b: Any, grid: np.ndarray, psi: bool = True
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """D and realised psi's of tokens (..., N, d) on an ascending grid, each (..., m), float32.

    As `given_tokens.measure`; tokens that are not contiguous in memory are copied first.
    """
    lead = a.shape[:-2]
    a, b = _sequences(a), _sequences(b)
    pieces, where = cut(np.asarray(grid), (LONGEST_PIECE,))
    first, length = pieces.first, pieces.length
    products = np.zeros((len(a), len(length), 4))
    cosines = np.zeros((len(a), len(length)))

    def short(s: slice) -> None:
        measure_short(a[s], b[s], first, length, psi, products[s], cosines[s])

    team = workers.everyone()
    if a.nbytes < team.number * SHARE:
        short(slice(0, len(a)))
    elif len(a) >= 4 * team.number or a[0].nbytes < team.number * SHARE:
        team.share(np.ones(len(a)), short)
    else:
        for k in range(len(a)):
            products[k], cosines[k] = measure_long(a[k], b[k], pieces, psi, team)

    at_grid = (*np.moveaxis(products[:, where], 2, 0), cosines[:, where])
    reports = Reports(*(x.reshape(*lead, len(where)) for x in at_grid))
    d = np.sqrt(reports.squared_divergence).astype(np.float32)
    if not psi:
        return d, {}
    return d, {k: v.astype(np.float32) for k, v in psi_from_reports(reports, grid).items()}


def _sequences(h: Any) -> np.ndarray:
    """Tokens as (sequences, N, d), without a copy where they are contiguous.

    Never writable, whatever they were: Numba would compile both kinds.
    """
    h = np.ascontiguousarray(h)
    h = h.reshape(-1, *h.shape[-2:]).view(AS_NUMBA[h.dtype.name])
    h.flags.writeable = False
    return h
