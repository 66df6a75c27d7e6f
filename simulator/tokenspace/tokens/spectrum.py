"""Spectrum of given tokens, from halves of the pictures, and without each picture for the errors.

Eigenvalues of few pictures lie too far apart. So directions are found on one half of the pictures
and their variances on the other, and tr S^2 is the product of two halves. Every number is taken
anew without each picture, with the same halves: how much it moves is its error. (How much halvings
differ says too little: most of what varies is the same in all of them.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenspace.errors import InputError
from tokenspace.grids import log_grid
from tokenspace.tokens.moments import SequenceSums, token_sums
from tokenspace.tokens.pairs import Pairs

HALVINGS = 5
MOST = 8  # blocks of pictures, that halves are made of and that are left out one by one
LARGEST = 1024  # features, above which eigenvectors without each block would take minutes
VARIANCE_ROUNDING = 1e-10  # of the variance: what a difference of equal tokens may leave
POINTS = 17  # eigenvalues that the decay is fitted to
NAMES = ("effective_dimension", "leading_share", "decay")


@dataclass(frozen=True)
class Half:
    """What is used of one half of the pictures."""

    sums: SequenceSums

    @cached_property
    def variance(self) -> float:
        """Trace of the second moment of h^A - h^B; 0 of one picture, or of copies."""
        found = float(np.trace(self.sums.difference))
        return (
            found
            if found > VARIANCE_ROUNDING * self.sums.sequences * np.trace(self.sums.second)
            else 0.0
        )

    @cached_property
    def scaled(self) -> np.ndarray:
        """The second moment as shares of the variance, (d, d)."""
        return self.sums.difference / self.variance

    @cached_property
    def vectors(self) -> np.ndarray:
        """Its eigenvectors, the largest eigenvalue first."""
        return np.linalg.eigh(self.scaled)[1][:, ::-1]

    @cached_property
    def tokens(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean (d,) and covariance (d, d) of tokens, and E||h||^2."""
        size = self.sums.sequences * len(self.sums.total)
        mean, second = self.sums.total.sum(axis=0) / size, self.sums.second / size
        return mean, second - np.outer(mean, mean), float(np.trace(second))

    def along(self, other: Half) -> np.ndarray:
        """Shares of the variance along the directions of another half, (d,)."""
        return np.einsum("ik,ij,jk->k", other.vectors, self.scaled, other.vectors, optimize=True)


def spectrum_rows(
    given: Pairs, units: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all tokens, then without each block of units, and the spectrum.

    Means over halvings of those of `NAMES` and of Var ||h||^2 / (E||h||^2)^2 of Gaussian tokens of
    the same mean m and covariance C, 4 m' C m + 2 tr C^2 over the squared mean.

    Args:
        given: at least 4 units.
        units: number of the unit (picture, or group of pairs) of each picture, or of each pair.
        rng: of the halvings.

    Returns:
        (1 + blocks, 4), not a number where a half has too few, or too many features to tell; and
        (d,) shares of the variance.

    Raises:
        InputError: a half of the pictures has no differences.
    """
    count = int(units.max()) + 1
    blocks = min(count, MOST)
    block = (rng.permutation(count) * blocks // count)[units]  # of each picture or pair
    directions = given.a.shape[2] <= LARGEST
    rows, shares = [], []
    for _ in range(HALVINGS):
        order = rng.permutation(blocks)
        sides = order[: blocks // 2], order[blocks // 2 :]
        whole = [Half(token_sums(_part(given, np.isin(block, side)))) for side in sides]
        if not all(half.variance for half in whole):
            raise InputError(
                "half of the pictures (or pairs) are the same, so that their difference has no "
                "spectrum; leave copies out"
            )
        now, share = _numbers(whole[0], whole[1])
        found = [now]
        for left in range(blocks):
            part = token_sums(_part(given, block == left))
            one, other = (
                Half(half.sums - part) if left in side else half
                for half, side in zip(whole, sides, strict=True)
            )
            found.append(_numbers(one, other, directions)[0])
        rows.append(found)
        shares.append(share)
    return np.mean(rows, axis=0), np.mean(shares, axis=0)


def _part(given: Pairs, kept: np.ndarray) -> Pairs:
    a = given.a[kept]
    return Pairs(a, a if given.every else given.b[kept], given.every, None, "")


def _numbers(one: Half, other: Half, directions: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The four numbers from two halves, and the spectrum, (d,); NaN what needs its directions."""
    share = np.full(len(one.sums.second), np.nan)
    if not (one.variance and other.variance):
        return np.full(len(NAMES) + 1, np.nan), share
    (m, c, square), (n, e, other_square) = one.tokens, other.tokens
    gaussian = (2 * m @ (c + e) @ n + 2 * np.sum(c * e)) / (square * other_square)
    dimension = 1 / np.sum(one.scaled * other.scaled)
    leading = decay = np.nan
    if directions:
        share = (one.along(other) + other.along(one)) / 2
        leading, decay = share[0], _decay(share)
    return np.array([dimension, leading, decay, gaussian]), share


def _decay(share: np.ndarray) -> float:
    """Slope of log share on log k over the first half of those > 0; NaN of fewer than two."""
    half = min(max(int(np.count_nonzero(share > 0)) // 2, 2), len(share))
    k = log_grid(half, POINTS)
    if half < 2 or not np.all(share[k - 1] > 0):
        return np.nan
    return -float(np.polyfit(np.log(k), np.log(share[k - 1]), 1)[0])
