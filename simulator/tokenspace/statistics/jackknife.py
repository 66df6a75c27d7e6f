"""Means over pairs that share pictures (or prompts), and what is known of them.

Pairs that have a picture in common are not independent. The delete-one-picture jackknife takes all
pairs of one picture away at once: theta_(-k) is the mean of the pairs that remain, and
Cov = (K - 1)/K sum_k (theta_(-k) - mean)(theta_(-k) - mean)', with about K - 1 degrees of freedom.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Estimate, Moments
from tokenspace.statistics.quantiles import begin_sketch, update_sketch
from tokenspace.statistics.streaming import PSI, Samples, Summary, vectors


def members_of(groups: Any, pairs: int) -> np.ndarray:
    """The pictures of each pair as numbers 0..K-1, (pairs, w).

    Args:
        groups: labels, (pairs,) or (pairs, w): what each pair shares with others.
        pairs: how many there are.

    Raises:
        InputError: another shape, or fewer than 2 pictures, or one that is in every pair.
    """
    labels = np.asarray(groups)
    if labels.ndim not in (1, 2) or len(labels) != pairs or 0 in labels.shape:
        raise InputError(
            f"groups must name what each of {pairs} pairs shares, shape ({pairs},) or ({pairs}, 2)"
            f", but their shape is {labels.shape}"
        )
    if labels.dtype.kind not in "iuUSb":
        raise InputError(f"groups have dtype {labels.dtype}; whole numbers or words are needed")
    _, numbers = np.unique(labels, return_inverse=True)
    members = numbers.reshape(pairs, -1)
    sizes = _sum(members, np.ones((pairs, 1)))[:, 0]
    if len(sizes) < 2:
        raise InputError("groups: all pairs share one picture, so nothing is known of its errors")
    if np.any(sizes == pairs):
        raise InputError(
            "groups: a picture is in every pair, so leaving it out leaves nothing; give "
            "pairs without it, or leave it out of groups where it is the same by design"
        )
    return members


def jackknife(values: np.ndarray, members: np.ndarray) -> Moments:
    """Mean of values (pairs, v) with the delete-one-picture covariance, (v, v).

    Args:
        values: one row a pair.
        members: the pictures of each pair, from `members_of`.
    """
    pairs = len(values)
    mean = values.mean(axis=0)
    centred = values - mean
    sizes = _sum(members, np.ones((pairs, 1)))
    left = -_sum(members, centred) / (pairs - sizes)  # theta_(-k) - mean
    left -= left.mean(axis=0)
    pictures = len(sizes)
    covariance = (pictures - 1) / pictures * (left.T @ left)
    return Moments(mean, covariance, pairs, pictures - 1.0)


def clustered(n: np.ndarray, samples: Samples, members: np.ndarray) -> Summary:
    """The summary of pairs that share pictures; D must be finite."""
    joint, psi = vectors(n, samples)
    psis = None
    if psi is not None:
        found = [jackknife(part, members) for part in np.split(psi, len(PSI), axis=1)]
        psis = {
            k: Estimate(f.mean, f.standard_error, f.count, f.degrees_of_freedom)
            for k, f in zip(PSI, found, strict=True)
        }
    sketch = update_sketch(begin_sketch(len(n)), samples["divergence"])
    return Summary(n, jackknife(joint, members), psis, sketch)


def _sum(members: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums over the pairs of each picture, (K, v); a pair of a picture with itself counts once."""
    out = np.zeros((int(members.max()) + 1, values.shape[1]))
    for k, column in enumerate(members.T):
        new = ~np.any(members[:, :k] == column[:, None], axis=1)
        np.add.at(out, column[new], values[new])
    return out
