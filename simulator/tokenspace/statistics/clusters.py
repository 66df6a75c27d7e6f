"""Means over pairs that share pictures or prompts and may differ in length, and their errors.

At each n the mean is over the pairs that reach it. Its error is the delete-one-group jackknife of
`jackknife` over the K_n groups that have such pairs,

    Cov(n, n') = sum_k e_k(n) e_k(n'),
    e_k(n) = sqrt((K_n - 1)/K_n) (theta_(-k)(n) - mean over those groups), 0 for the others:

at each n what the pairs that reach it give alone, and positive semi-definite across n. Between n
with different pairs it is too low by sqrt((1 - 1/K_n')/(1 - 1/K_n)), n' the larger, for independent
pairs: 5 % where 10 groups of many are left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tokenspace.statistics.estimate import Estimate, Moments
from tokenspace.statistics.quantiles import Sketch, begin_sketch, update_sketch
from tokenspace.statistics.streaming import PSI, Samples, Summary, vectors
from tokenspace.statistics.unit import unit_divergence

JOINT = 4  # D, D^2, Upsilon, D of unit-norm tokens; psi's follow


@dataclass(frozen=True)
class Clusters:
    """What has been seen of pairs in K groups, at token counts n (m,).

    counts (m,), total (10, m): of pairs that reach n; sizes (K, m), sums (K, 10, m): of each group.
    Memory grows with groups, not with pairs.
    """

    n: np.ndarray
    counts: np.ndarray
    total: np.ndarray
    sizes: np.ndarray
    sums: np.ndarray
    sketch: Sketch


def begin_clusters(n: np.ndarray, groups: int) -> Clusters:
    """Nothing seen yet, at token counts n (m,), of K groups; psi's will be given."""
    m, width = len(n), JOINT + len(PSI)
    return Clusters(
        n,
        np.zeros(m, np.int64),
        np.zeros((width, m)),
        np.zeros((groups, m), np.int64),
        np.zeros((groups, width, m)),
        begin_sketch(m),
    )


def update_clusters(state: Clusters, samples: Samples, members: np.ndarray) -> Clusters:
    """The state after more pairs.

    Args:
        state: what was seen before; its sums of groups, which may be large, are added to in place.
        samples: name -> (R, m), D and the kernels' four psi's; D is NaN where a pair has ended.
        members: numbers of their groups, (R, w); one that a pair names twice has it once.
    """
    m = len(state.n)
    reach = ~np.isnan(samples["divergence"])
    joint, psi = vectors(state.n, samples)
    if psi is None:
        raise ValueError("psi's are needed")
    values = np.hstack([joint, unit_divergence(joint[:, 2 * m :]), psi]).reshape(len(reach), -1, m)
    values = np.where(reach[:, None], values, 0.0)
    sizes, sums = state.sizes, state.sums
    for k, column in enumerate(members.T):
        new = ~np.any(members[:, :k] == column[:, None], axis=1)
        np.add.at(sizes, column[new], reach[new])
        np.add.at(sums, column[new], values[new])
    return replace(
        state,
        counts=state.counts + reach.sum(axis=0),
        total=state.total + values.sum(axis=0),
        sizes=sizes,
        sums=sums,
        sketch=update_sketch(state.sketch, samples["divergence"]),
    )


def padded(samples: Samples, m: int) -> Samples:
    """Samples (R, m' <= m) of pairs that have ended, with NaN at the n beyond, (R, m)."""
    return {
        k: np.pad(v, ((0, 0), (0, m - v.shape[1])), constant_values=np.nan)
        for k, v in samples.items()
    }


def summary_of_clusters(state: Clusters) -> Summary:
    """Estimates from the pairs seen so far, at least one at every n.

    Errors are NaN at an n where one group is in every pair that reaches it.
    """
    m, counts = len(state.n), state.counts
    mean = state.total / counts
    errors = _jackknifed(state)
    freedom = _freedom(state.sizes)
    unequal = bool(np.any(counts != counts[0]))

    def moments(*rows: int) -> Moments:
        places = np.concatenate([np.arange(r * m, (r + 1) * m) for r in rows])
        left = errors.reshape(len(errors), -1)[:, places]
        many = np.tile(freedom, len(rows)) if unequal else float(freedom[0])
        return Moments(mean.ravel()[places], left.T @ left, int(counts.max()), many)

    error = np.sqrt((errors[:, JOINT:] ** 2).sum(axis=0))
    many = freedom if unequal else float(freedom[0])
    psi = {
        k: Estimate(mean[JOINT + i], error[i], int(counts.max()), many) for i, k in enumerate(PSI)
    }
    return Summary(
        state.n,
        moments(0, 1, 2),
        psi,
        state.sketch,
        independent=bool(state.sizes.max() == 1) and not unequal,
        unit=moments(3, 2),
        counts=counts if unequal else None,
    )


def _jackknifed(state: Clusters) -> np.ndarray:
    """The e_k(n) above of all values, (K, 10, m); NaN where a group is in every pair."""
    out = np.empty_like(state.sums)
    for k, count in enumerate(state.counts):  # one n after the other, as groups may be many
        size = state.sizes[:, k]
        inside = size > 0
        rest = (count - size).astype(np.float64)
        rest[rest == 0] = np.nan
        left = (state.total[:, k] - state.sums[..., k]) / rest[:, None]
        groups = inside.sum()
        centre = left[inside].sum(axis=0) / groups
        scaled = (left - centre) * np.sqrt((groups - 1) / groups)
        out[..., k] = np.where(inside[:, None], scaled, 0.0)
    return out


def _freedom(sizes: np.ndarray) -> np.ndarray:
    """Degrees of freedom at each n, as `GroupSums.degrees_of_freedom`, (m,)."""
    square = sizes.astype(np.float64) ** 2
    return np.maximum(square.sum(axis=0) ** 2 / (square**2).sum(axis=0) - 1, 1.0)
