"""What float32 leaves of the psi's of given tokens that are exactly 1 or 0: the one place."""

from __future__ import annotations

import numpy as np

PIECE = 512  # tokens that are added up in float32, at most; pieces are added to all their digits
EPSILON = float(np.finfo(np.float32).eps)
COSINE_ROUNDING = 4 * EPSILON  # of a cosine, and of a mean of cosines: psi_equal at every n


def psi_rounding(n: int) -> float:
    """How far psi_within or psi_cross of n tokens that point the same way may be from 1.

    Adding the k-th of equal unit vectors u rounds by half a digit of the sum, EPSILON k/2 of |u| at
    most. Below a power of two all of these errors may have one sign: after p tokens they are
    EPSILON p/6 of the sum on average over such k, and twice that of a product of two sums. To this
    comes the rounding of the cosines:

        EPSILON (4 + min(n, 512)/3)

    Args:
        n: number of tokens >= 1.

    Source: the sum of 2^floor(log2 k) over k < 2^m is (4^m - 1)/3.
    """
    return COSINE_ROUNDING + EPSILON * min(n, PIECE) / 3
