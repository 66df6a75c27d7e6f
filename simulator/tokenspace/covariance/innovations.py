"""Cholesky factor of a Markov covariance, block by block in O(N): the innovations form.

For tokens x with a Markov state, x = O m + L z in each block, where m is the best prediction of
the state from all earlier tokens and z white noise of one number a token; then m' = T m + G z.
L z over all blocks is exactly the dense Cholesky factor times z, so sampling by it and by the dense
factor gives the same tokens from the same noise. Signs of the weights do not matter, so that
differences of covariances (cross > 0) need no special case, and a negative pivot shows where
validity ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tokenspace.covariance.base import Covariance
from tokenspace.covariance.cholesky import NegativePivot, gain_of, semidefinite_cholesky

CHECK_BLOCK = 64
STEADY = 1e-12  # difference of two blocks, relative to k(0), that is rounding


class Innovation(NamedTuple):
    """One block in float64: observe O, factor L, transition T, gain G (see the module)."""

    observe: np.ndarray
    factor: np.ndarray
    transition: np.ndarray
    gain: np.ndarray


def innovations(covariance: Covariance, count: int, size: int) -> Iterator[Innovation]:
    """The innovations form of `count` blocks of `size` tokens.

    Raises:
        NegativePivot: with the number of the token at which the covariance stops being valid.
    """
    form = covariance.structure.markov
    assert form is not None
    deviation = np.zeros_like(form.stationary)  # covariance of the state given the past, less P
    scale = float(covariance.diagonal(1)[0])
    inside = np.arange(size)
    for block in range(count):
        tokens = block * size + inside
        following = (block + 1) * size
        start_at = np.full(size, tokens[0])
        to_token = form.transition(start_at, tokens)
        observe = form.observe @ to_token  # (size, p)
        transition = form.transition(tokens[:1], np.array([following]))[0]
        to_next = form.transition(tokens, np.full(size, following))
        covers = np.asarray(covariance(tokens[:, None], tokens[None, :]), np.float64)
        covers = np.broadcast_to(covers, (size, size)) + observe @ deviation @ observe.T
        try:
            factor = semidefinite_cholesky(covers, scale)
        except NegativePivot as error:
            raise NegativePivot(block * size + error.row) from None
        ahead = (to_next @ (form.stationary @ form.observe)).T + transition @ deviation @ observe.T
        gain = gain_of(factor, ahead)
        deviation = transition @ deviation @ transition.T - gain @ gain.T
        # The deviation belongs to the next block's start, where the stationary part is P again.
        yield Innovation(observe, factor, transition, gain)


def largest_valid_n(covariance: Covariance, n: int) -> int:
    """Largest number of tokens up to n at which a Markov covariance is valid."""
    if covariance.diagonal(1)[0] < 0:
        return 0
    before: Innovation | None = None
    steady = STEADY * float(covariance.diagonal(1)[0])
    try:
        for k, block in enumerate(innovations(covariance, -(-n // CHECK_BLOCK), CHECK_BLOCK)):
            # Stationary blocks converge geometrically: one that equals the block half as far along
            # has converged, and all that follow are the same.
            if covariance.structure.at_lag is None or k & (k - 1):
                continue
            if before is not None:
                pairs = zip(block, before, strict=True)
                if all(np.max(abs(x - y), initial=0.0) <= steady for x, y in pairs):
                    break
            before = block
    except NegativePivot as error:
        return min(error.row, n)
    return n
