"""`partial_sum_divergence` on the cores of a CPU by Numba: replicates and features are shared.

What is drawn is what `partial_sums.partial_sum_divergence` draws, to rounding; the number of
threads changes nothing. Numba is an optional extra; `dispatch.py` says when it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.partial_sums_loops import squares
from tokenspace_kernels.streams import first_numbers
from tokenspace_kernels.triangular_loops import padded
from tokenspace_kernels.workers import share

WIDEST = 512  # features of a piece
LANES = 16  # numbers of the widest vector


def partial_sum_divergence(keys: Any, factors: Any, scales: Any) -> np.ndarray:
    """As `partial_sums.partial_sum_divergence`, from the same arguments."""
    keys, m = np.asarray(keys), factors.shape[1]
    factors, scales = padded(factors), np.asarray(scales)
    terms, dim = scales.shape
    pieces = -(-dim // WIDEST)
    width = -(-dim // (pieces * LANES)) * LANES
    scales = np.pad(scales, ((0, 0), (0, pieces * width - dim)))
    out = np.empty((len(keys) * pieces, m), np.float32)
    numbers = first_numbers(terms - 1)
    share(len(out), lambda s: squares(keys, numbers, factors, scales, width, s.start, out[s]))
    return np.sqrt(out.reshape(len(keys), pieces, m).sum(axis=1))
