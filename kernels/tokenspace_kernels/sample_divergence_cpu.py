"""`sample_divergence` on the cores of a CPU by Numba: replicates and pieces of the features shared.

What is drawn is what `sample_divergence` draws, to rounding; the number of threads changes nothing.
Numba is an optional extra; `dispatch.py` says when it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.random_bits import threefry2x32
from tokenspace_kernels.sample_divergence import LinearBlocks
from tokenspace_kernels.sample_divergence_loops import squares
from tokenspace_kernels.streams import numbered
from tokenspace_kernels.workers import share

PIECE = 512  # features whose sums, state and noise fit into the fastest cache
LANES = 16  # float32 numbers of the longest vector


def substreams(keys: np.ndarray, number: Any) -> np.ndarray:
    """`random_bits.substream` of keys (R, 2), with one number or (R,), without a compilation."""
    words: Any = (keys[:, 0], keys[:, 1])
    numbers = np.broadcast_to(np.asarray(number, np.uint32), len(keys))
    counter: Any = (numbers, np.uint32(0xFFFFFFFF))
    return np.stack(threefry2x32(words, counter), axis=-1)


def sample_divergence(keys: Any, terms: tuple[LinearBlocks, ...], where: Any) -> np.ndarray:
    """As `sample_divergence.sample_divergence`, from the same arguments."""
    keys, where = np.asarray(keys), np.asarray(where, np.int64)
    noise, state, scale = _stacked(terms)
    streams = [keys, *(substreams(keys, numbered(q)) for q in range(1, len(terms)))]
    pieces = -(-scale.shape[1] // PIECE)
    out = np.empty((len(keys), pieces, len(where)))
    of_replicate = np.stack(streams, axis=1)

    def draw(tasks: slice) -> None:
        squares(of_replicate, noise, state, scale, where, PIECE, tasks.start, tasks.stop, out)

    share(len(keys) * pieces, draw)
    return np.sqrt(out.sum(axis=1)).astype(np.float32)


def _stacked(terms: tuple[LinearBlocks, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The terms in one array of each kind, states padded with zeros to the largest."""
    most = max(t.state.shape[2] for t in terms)
    noise, state = [], []
    for term in terms:
        more = most - term.state.shape[2]
        rows = ((0, 0), (0, more))
        noise.append(np.pad(term.noise, (*rows, (0, 0))))
        state.append(np.pad(term.state, (*rows, (0, more))))
    return np.stack(noise), np.stack(state), np.stack([whole_vectors(t.scale) for t in terms])


def whole_vectors(scale: Any) -> np.ndarray:
    """Scales of features (d,) with zeros up to a whole number of vectors: a rest costs more alone.

    The features beyond d are drawn like the others, and count for nothing.
    """
    return np.pad(np.asarray(scale, np.float32), (0, -len(scale) % LANES))
