"""Which numbered stream of a replicate each use of random numbers has.

A replicate has one key; `random_bits.substream` makes another key of it for every number, and two
uses of one number in one draw would be the same random numbers twice. Numbers are given out here
alone, and a test proves that those of one draw differ.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

CHI = 0  # diagonals of Bartlett factors
TOTAL, SCALES_A, SCALES_B = 1001, 1002, 1003  # the branches' sum; what a token law does to A and B
PAIR = 2000  # what a token law does to a pair as a whole

_SHIFT = 1 << 31

# What one draw may use together, beside the replicate's own key: `numbered` stands for all of them.
TOGETHER = {
    "collapsed_divergence": (CHI, PAIR, "numbered"),
    "partial_sum_divergence": (PAIR, "numbered"),
    "sample_divergence": (PAIR, "numbered"),
    "sample_statistics": (TOTAL, SCALES_A, SCALES_B, PAIR),
}


def numbered(k: Any) -> Any:
    """The stream of the k-th separable term or group of features, k = 1, 2, ... below 2^31.

    k itself below PAIR, and far above every other stream from there on.
    """
    k = jnp.asarray(k, jnp.uint32)
    return jnp.where(k < PAIR, k, k + jnp.uint32(_SHIFT))


@cache
def first_numbers(count: int) -> np.ndarray:
    """The streams of the terms or groups 1 .. count, for code that runs on the host."""
    return np.asarray(numbered(np.arange(1, count + 1)))
