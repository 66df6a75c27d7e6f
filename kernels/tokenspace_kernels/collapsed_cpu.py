"""`collapsed_divergence` on the cores of a CPU by Numba: replicates are the vector, and shared.

What is drawn is what `collapsed.collapsed_divergence` draws, to rounding; the number of threads
changes nothing. Now and then the rounding decides whether a gamma variate is accepted, and another
is taken than by XLA: 2 of 2 million at d = 1,024, where D then differs by up to 0.4 %. Numba is an
optional extra; `dispatch.py` says when it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.collapsed_loops import squares
from tokenspace_kernels.streams import first_numbers
from tokenspace_kernels.triangular_loops import padded
from tokenspace_kernels.workers import share

FEWEST, MOST = 16, 128  # replicates drawn together


def collapsed_divergence(keys: Any, factors: Any, freedom: Any) -> np.ndarray:
    """As `collapsed.collapsed_divergence`, from the same arguments."""
    groups, m, _ = factors.shape
    factors, freedom = padded(factors), np.asarray(freedom, np.int64)
    count = len(keys)
    lanes = MOST if count > MOST // 2 else FEWEST
    batches = -(-count // lanes)
    keys = np.resize(np.asarray(keys), (batches, lanes, 2)).swapaxes(1, 2).copy()  # some once more
    numbers = first_numbers(groups)
    out = np.empty((batches, m, lanes), np.float32)

    def draw(tasks: slice) -> None:
        for batch in range(tasks.start, tasks.stop):
            squares(keys[batch], numbers, factors, freedom, out[batch])

    share(batches, draw)
    return np.sqrt(out.swapaxes(1, 2).reshape(-1, m)[:count])
