"""Means over pairs that share pictures (or prompts), and what is known of them.

Pairs that have a picture in common are not independent. The delete-one-picture jackknife takes all
pairs of one picture away at once: theta_(-k) is the estimate from the pairs that remain, and
Cov = (K - 1)/K sum_k (theta_(-k) - mean)(theta_(-k) - mean)', with K - 1 degrees of freedom where
all pictures are in equally many pairs, and fewer else.

Over all pairs it is exact for what a picture adds to each of its pairs. What belongs to pairs alone
it counts 2 (K - 1)/(K - 2) times: where pictures have nothing of their own (a quantity whose mean
over the partners of a picture is the same for every picture) errors are 1.4 times too large at
large K, 1.6 at K = 5. Of covariances quadratic in the pairs, none without that surplus is positive
semi-definite; taking it off quantity by quantity made intervals of the others miss more often.

Source: Arvesen 1969, Jackknifing U-statistics; Efron & Stein 1981, The jackknife estimate of
variance, for why it is never too small in the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Estimate, Positive


def members_of(groups: Any, pairs: int) -> np.ndarray:
    """The groups of each pair as numbers 0..K-1, (pairs, w).

    Groups of the very same pairs are one, or these pairs would be left out twice.

    Args:
        groups: labels, (pairs,) or (pairs, w): what each pair shares with others. The same label
            is the same group in every column.
        pairs: how many there are.

    Raises:
        InputError: another shape, labels that are no names, fewer than 2 groups, or one that every
            pair is in.
    """
    labels = labels_of(
        groups,
        lambda shape: len(shape) in (1, 2) and shape[0] == pairs and 0 not in shape,
        f"groups must name what each of {pairs} pairs shares, shape ({pairs},), or ({pairs}, 2) "
        "for the pictures of a pair",
    )
    _, numbers = np.unique(labels, return_inverse=True)
    members = _merged(numbers.reshape(pairs, -1))
    sizes = sizes_of(members)
    if len(sizes) < 2:
        raise InputError(
            "groups: all pairs are in one group, so nothing is known of errors; leave groups out "
            "if pairs are independent"
        )
    if np.any(sizes == pairs):
        raise InputError(
            "groups: one of them is in every pair, so leaving it out leaves nothing; if that is by "
            "design, name the other member of each pair alone"
        )
    return members


def labels_of(groups: Any, fits: Callable[[tuple[int, ...]], bool], wanted: str) -> np.ndarray:
    """Labels of groups as an array of whole numbers or words.

    Args:
        groups: what is given.
        fits: whether a shape is allowed.
        wanted: what is needed, in words, for the error.

    Raises:
        InputError: no array, another shape, or labels that are no names.
    """
    try:
        labels = np.asarray(groups)
    except ValueError as error:
        raise InputError(f"groups cannot be read as an array: {error}") from None
    if not fits(labels.shape):
        raise InputError(f"{wanted}, but their shape is {labels.shape}")
    if labels.dtype.kind not in "iuUSb":
        raise InputError(f"groups have dtype {labels.dtype}; whole numbers or words are needed")
    return labels


def _merged(members: np.ndarray) -> np.ndarray:
    """The same with one number for groups that are in the same pairs."""
    if members.shape[1] == 1:
        return members
    pairs_of: list[list[int]] = [[] for _ in range(members.max() + 1)]
    for pair, row in enumerate(members.tolist()):
        for group in set(row):
            pairs_of[group].append(pair)
    known: dict[tuple[int, ...], int] = {}
    numbers = [known.setdefault(tuple(found), len(known)) for found in pairs_of]
    return np.array(numbers)[members]


@dataclass(frozen=True)
class GroupSums:
    """Values summed over all pairs (v,) and over the pairs of each group (K, v), and their counts.

    For what is computed anew without each group; of means alone, `clusters` keeps less.
    """

    count: int
    total: np.ndarray
    sizes: np.ndarray
    sums: np.ndarray

    def add(self, values: np.ndarray, members: np.ndarray) -> GroupSums:
        """The sums after more pairs (P, v) with their groups (P, w).

        A pair that names a group twice is in it once.
        """
        sizes, sums = self.sizes.copy(), self.sums.copy()
        for column, new in named_once(members):
            np.add.at(sizes, column[new], 1)
            np.add.at(sums, column[new], values[new])
        return GroupSums(self.count + len(values), self.total + values.sum(axis=0), sizes, sums)

    @property
    def mean(self) -> np.ndarray:
        """Over all pairs, (v,)."""
        return self.total / self.count

    @property
    def without(self) -> np.ndarray:
        """Means over the pairs that are not in each group, (K, v)."""
        return (self.total - self.sums) / (self.count - self.sizes)[:, None]

    @property
    def degrees_of_freedom(self) -> float:
        """See `freedom_of`."""
        return freedom_of(self.sizes)


def named_once(members: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each column of members (P, w), and which pairs name that group in no column before, (P,)."""
    return [
        (column, ~np.any(members[:, :k] == column[:, None], axis=1))
        for k, column in enumerate(members.T)
    ]


def freedom_of(sizes: np.ndarray) -> float:
    """(sum s^2)^2 / sum s^4 - 1 for groups of s pairs: K - 1 where all are of one size.

    As if groups had effects of one variance, so that a group of many pairs brings more of it;
    at least 1. Source: Satterthwaite 1946, for sums of unequal variances.
    """
    square = sizes.astype(np.float64) ** 2
    return max(float(square.sum() ** 2 / (square @ square)) - 1, 1.0)


def sizes_of(members: np.ndarray, groups: int | None = None) -> np.ndarray:
    """How many pairs with these groups (pairs, w) each group is in, (K,); K is found if not given.

    A pair that names a group twice is in it once.
    """
    groups = int(members.max()) + 1 if groups is None else groups
    once = [np.bincount(column[new], minlength=groups) for column, new in named_once(members)]
    return np.sum(once, axis=0)


def begin_groups(groups: int, width: int) -> GroupSums:
    """No pair yet, of K groups and values (v,)."""
    return GroupSums(0, np.zeros(width), np.zeros(groups, np.int64), np.zeros((groups, width)))


def deviations(left: np.ndarray) -> np.ndarray:
    """Estimates without each of K groups (K, ...) about their mean, so scaled that squares, summed
    over K, are the jackknife's variance."""
    groups = len(left)
    return (left - left.mean(axis=0)) * np.sqrt((groups - 1) / groups)


def jackknifed(rows: np.ndarray, count: int, freedom: float) -> Estimate:
    """A number of all groups with the error that those without each, (1 + K,) in all, give it.

    Its error is NaN where one of them is none, or where there is none.
    """
    left = rows[1:]
    known = len(left) > 0 and np.isfinite(left).all()
    error = np.sqrt(np.sum(deviations(left) ** 2)) if known else np.asarray(np.nan)
    return Estimate(rows[0], error, count, freedom)


def unbiased(rows: np.ndarray, count: int, freedom: float, *, positive: bool = False) -> Estimate:
    """The same without the bias that falls as 1/K: K theta - (K - 1) mean of theta_(-k).

    For variances and higher moments of few groups, which lean low and whose errors rest on the
    few groups that lie far out: degrees of freedom are at most 2 K / (kappa - 1 + 2/(K - 1)), those
    of a variance of K values of kurtosis kappa, K - 1 of Gaussian ones. kappa is that of the K
    deviations, times (K + 1)/(K - 1), as that of few Gaussian values is too small.

    Args:
        rows: the number of all groups, then without each, (1 + K,), K >= 3.
        count, freedom: of the estimate.
        positive: of what is > 0: the error is that of its logarithm, NaN where one is not > 0.
            Else the interval is of log(value + c), where value + c is a variance of K Gaussian
            values with that error (and value + c > 0): as of a variance, the error is small where
            the value came out small.

    Source: Quenouille 1956, Notes on bias in estimation; Satterthwaite 1946.
    """
    left, groups = rows[1:], len(rows) - 1
    mean = groups * rows[0] - (groups - 1) * left.mean()
    if positive and not (mean > 0 and np.all(left > 0)):
        return Estimate(np.asarray(mean), np.asarray(np.nan), count, freedom)
    terms = deviations(np.log(left) if positive else left) ** 2
    variance = terms.sum()
    if variance > 0:
        kappa = groups * np.sum(terms**2) / variance**2 * (groups + 1) / (groups - 1)
        freedom = min(freedom, 2 * groups / (kappa - 1 + 2 / (groups - 1)))
    error = np.sqrt(variance) * (mean if positive else 1.0)
    like = error * np.sqrt(groups / 2) if variance > 0 else 1.0
    shift = 0.0 if positive else float(like + max(-mean, 0.0))
    return Positive(np.asarray(mean), error, count, freedom, shift)
