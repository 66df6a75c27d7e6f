"""`sample_statistics` on the cores of a CPU by Numba: replicates are shared out among threads.

What is drawn is what `sample_divergence.sample_statistics` draws, to rounding; the number of
threads changes nothing. Numba is an optional extra; `dispatch.py` says when it runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from tokenspace_kernels.given_tokens import Reports
from tokenspace_kernels.sample_divergence import TokenBlocks
from tokenspace_kernels.sample_divergence_cpu import substreams, whole_vectors
from tokenspace_kernels.sample_statistics_loops import statistics
from tokenspace_kernels.streams import SCALES_A, SCALES_B, TOTAL
from tokenspace_kernels.workers import cores, share

SCALE_BYTES = 1 << 26  # for the scales of tokens that await their turn


def sample_statistics(
    keys: Any,
    total: TokenBlocks,
    difference: TokenBlocks,
    scale: Any,
    ends: Any,
    where: Any,
    law: Any,
) -> Reports:
    """As `sample_divergence.sample_statistics`, for laws that say how they change tokens.

    Blocks of `total` and `difference` may be shorter than those of `ends`, by which the law draws.
    """
    keys, ends, where = np.asarray(keys), np.asarray(ends), np.asarray(where)
    blocks, slots = ends.shape
    size = len(total.factor) * total.factor.shape[1] // blocks
    counts = where // slots * size + ends.ravel()[where]
    parts = [tuple(map(np.asarray, p)) for p in (total, difference)]
    root = np.sqrt(np.float32(0.5)) * whole_vectors(scale)
    out = np.empty((len(keys), len(counts), 5))
    streams = np.stack([substreams(keys, TOTAL), keys], axis=1)
    drawn, unit = law.token_change == "scale", law.token_change == "unit"
    together = len(keys)
    if drawn:  # always as many, for one compilation
        together = min(max(16, cores()), max(1, SCALE_BYTES // (8 * blocks * size)))

    def draw(streams: np.ndarray, scales: np.ndarray, out: np.ndarray, s: slice) -> None:
        statistics(streams[s], *parts, root, scales[s], unit, counts, out[s])

    for begin in range(0, len(keys), together):
        now = slice(begin, begin + together)
        scales = np.ones((len(keys[now]), 2, 0), np.float32)
        if drawn:
            scales = _scales(np.resize(keys[now], (together, 2)), law, blocks, size)
        share(len(keys[now]), partial(draw, streams[now], scales, out[now]))
    return Reports(*np.moveaxis(out, 2, 0))


def _scales(keys: np.ndarray, law: Any, blocks: int, size: int) -> np.ndarray:
    """What a law multiplies tokens by, (R, 2, tokens), from a key for each block of a branch.

    Keys are made by NumPy: XLA takes minutes to compile generators within generators.
    """
    branches = np.stack([substreams(keys, k) for k in (SCALES_A, SCALES_B)], axis=1)
    number = np.tile(np.arange(blocks, dtype=np.uint32), 2 * len(keys))
    of_blocks = substreams(np.repeat(branches.reshape(-1, 2), blocks, axis=0), number)
    return np.asarray(_of_law(of_blocks, law, size)).reshape(len(keys), 2, -1)


@partial(jax.jit, static_argnames="size")
def _of_law(keys: jax.Array, law: Any, size: int) -> jax.Array:
    return jax.vmap(lambda key: law.token_scales(key, size))(keys)
