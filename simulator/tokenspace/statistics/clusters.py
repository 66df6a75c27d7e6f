"""Means over pairs that share pictures or prompts and may differ in length, and their errors.

At each n the mean is over the C pairs that reach it. Its error is the delete-one-group jackknife of
`jackknife` over the K_n groups that have such pairs,

    Cov(n, n') = sum_k e_k(n) e_k(n'),
    e_k(n) = sqrt((K_n - 1)/K_n) (theta_(-k)(n) - mean over those groups), 0 for the others:

at each n what the pairs that reach it give alone, and positive semi-definite across n. Between n
with different pairs it is too low by sqrt((1 - 1/K_n')/(1 - 1/K_n)), n' the larger, for independent
pairs: 5 % where 10 groups of many are left.

No group is kept once its pairs are complete. Of a group with s_k pairs of sum S_k,

    theta_(-k) = (T - S_k)/(C - s_k) = mean (1 + z_k) - y_k,   z_k = s_k/(C - s_k),
                                                               y_k = S_k/(C - s_k),

where C is known before the first pair is: so the sums over groups of products of y, z and 1 are
enough, whatever the mean turns out to be. Values are taken from where the first pairs lie, so that
little cancels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tokenspace.statistics.estimate import Estimate, Moments
from tokenspace.statistics.jackknife import named_once
from tokenspace.statistics.quantiles import Sketch, begin_sketch, update_sketch
from tokenspace.statistics.streaming import PSI, Samples, Summary, vectors
from tokenspace.statistics.unit import unit_divergence

AT_ONCE = 4096  # pairs
JOINT = 4  # D, D^2, Upsilon, D of unit-norm tokens; psi's follow
WIDTH = JOINT + len(PSI)
Z, ONE = JOINT, JOINT + 1  # rows of `products` beside those values


@dataclass(frozen=True)
class Clusters:
    """What has been seen of pairs in K groups, at token counts n (m,).

    counts (m,): of pairs that will reach n; missing (K,): pairs still to come of each group.
    partial: (1 + 10, m) of groups that are not complete, their counts and sums less `origin`.
    origin (10, m), total (10, m): where values are taken from (NaN before there is one), and their
    sum over pairs from there.
    products (6, m, 6, m): sums over complete groups of products of y of D, D^2, Upsilon and D of
    unit norm, of z and of 1, at all n; own (3, 6, m): of y of the psi's with y, z and 1 at one n.
    powers (2, m): sums of s^2 and s^4; everywhere (m,): whether one group is in every pair.
    alone: whether each group has one pair. Arrays, which may be large, are added to in place.
    """

    n: np.ndarray
    counts: np.ndarray
    missing: np.ndarray
    alone: bool
    origin: np.ndarray
    total: np.ndarray
    products: np.ndarray
    own: np.ndarray
    powers: np.ndarray
    everywhere: np.ndarray
    sketch: Sketch
    partial: dict[int, np.ndarray] = field(default_factory=dict)


def begin_clusters(
    n: np.ndarray, members: np.ndarray, lengths: np.ndarray | None = None
) -> Clusters:
    """Nothing seen yet; psi's will be given.

    Args:
        n: token counts (m,).
        members: numbers of the groups of all pairs that will come, (P, w).
        lengths: of those pairs (P,); without, all of them reach every n.
    """
    m, pairs, groups = len(n), len(members), int(members.max()) + 1
    counts, missing = np.full(m, pairs), np.zeros(groups, np.int64)
    if lengths is not None:
        reach = np.searchsorted(n, lengths, "right")
        counts = pairs - np.cumsum(np.bincount(reach, minlength=m + 1))[:m]
        members = members[reach > 0]
    for column, new in named_once(members):
        missing += np.bincount(column[new], minlength=groups)
    return Clusters(
        n,
        counts,
        missing,
        bool(missing.max() == 1),
        np.full((WIDTH, m), np.nan),
        np.zeros((WIDTH, m)),
        np.zeros((JOINT + 2, m, JOINT + 2, m)),
        np.zeros((3, len(PSI), m)),
        np.zeros((2, m)),
        np.zeros(m, bool),
        begin_sketch(m),
    )


def update_clusters(state: Clusters, samples: Samples, members: np.ndarray) -> Clusters:
    """The state after more of the pairs that were announced.

    Args:
        state: what was seen before, which is changed.
        samples: name -> (R, m), D and the kernels' four psi's; D is NaN where a pair has ended.
        members: numbers of their groups, (R, w); one that a pair names twice has it once.
    """
    for start in range(0, len(members), AT_ONCE):
        now = slice(start, start + AT_ONCE)
        _add(state, {k: v[now] for k, v in samples.items()}, members[now])
    return replace(state, sketch=update_sketch(state.sketch, samples["divergence"]))


def _add(state: Clusters, samples: Samples, members: np.ndarray) -> None:
    m = len(state.n)
    reach = ~np.isnan(samples["divergence"])
    joint, psi = vectors(state.n, samples)
    if psi is None:
        raise ValueError("psi's are needed")
    values = np.hstack([joint, unit_divergence(joint[:, 2 * m :]), psi]).reshape(len(reach), -1, m)
    there = reach[:, None]
    new = np.isnan(state.origin) & reach.any(axis=0)
    if new.any():
        first = np.where(there, values, 0.0).sum(axis=0) / np.maximum(reach.sum(axis=0), 1)
        state.origin[new] = np.nan_to_num(first[new])  # psi's of pairs have no n = 1
    moved = np.where(there, values - state.origin, 0.0)
    state.total[...] += moved.sum(axis=0)
    _add_to_groups(state, np.concatenate([reach[:, None], moved], axis=1), members)


def _add_to_groups(state: Clusters, rows: np.ndarray, members: np.ndarray) -> None:
    """Counts and values of pairs (R, 11, m) to their groups; complete ones are dissolved."""
    groups, where = np.unique(members, return_inverse=True)
    where = where.reshape(members.shape)
    sums, seen = np.zeros((len(groups), *rows.shape[1:])), np.zeros(len(groups), np.int64)
    for column, new in named_once(where):
        np.add.at(sums, column[new], rows[new])
        np.add.at(seen, column[new], 1)
    state.missing[groups] -= seen
    complete = state.missing[groups] == 0
    for k, group in enumerate(groups.tolist() if state.partial or not complete.all() else ()):
        before = state.partial.pop(group, None)
        if before is not None:
            sums[k] += before
        if not complete[k]:
            state.partial[group] = sums[k].copy()
    _dissolve(state, sums[complete])


def _dissolve(state: Clusters, sums: np.ndarray) -> None:
    """Add the products of complete groups (K, 11, m)."""
    size, (values, m) = sums[:, 0], state.products.shape[:2]
    rest = state.counts - size
    state.everywhere[...] |= np.any((size > 0) & (rest == 0), axis=0)
    weight = np.where(size > 0, 1 / np.maximum(rest, 1), 0.0)
    y, z, one = sums[:, 1:] * weight[:, None], size * weight, (size > 0).astype(np.float64)
    stacked = np.concatenate([y[:, :JOINT], z[:, None], one[:, None]], axis=1)
    for k in range(values):  # a part at a time: all products together may be large
        own = stacked[:, k].T @ stacked.reshape(-1, values * m)
        state.products[k] += own.reshape(m, values, m)
    for k, other in enumerate((y[:, JOINT:], z[:, None], one[:, None])):
        state.own[k] += (y[:, JOINT:] * other).sum(axis=0)
    state.powers[...] += [(size**2).sum(axis=0), (size**4).sum(axis=0)]


def padded(samples: Samples, m: int) -> Samples:
    """Samples (R, m' <= m) of pairs that have ended, with NaN at the n beyond, (R, m)."""
    return {
        k: np.pad(v, ((0, 0), (0, m - v.shape[1])), constant_values=np.nan)
        for k, v in samples.items()
    }


def summary_of_clusters(state: Clusters) -> Summary:
    """Estimates from all pairs that were announced, at least one at every n.

    Errors are NaN at an n where one group is in every pair that reaches it.
    """
    if state.missing.any():
        raise ValueError(f"{np.sum(state.missing)} members of pairs have not come yet")
    m, counts = len(state.n), state.counts
    moved = state.total / counts
    mean = state.origin + moved
    covariance = _covariance(state, moved[:JOINT])
    freedom = np.maximum(state.powers[0] ** 2 / state.powers[1] - 1, 1.0)
    unequal = bool(np.any(counts != counts[0]))

    def moments(*rows: int) -> Moments:
        block = covariance[np.ix_(rows, range(m), rows, range(m))].reshape(len(rows) * m, -1)
        many = np.tile(freedom, len(rows)) if unequal else float(freedom[0])
        return Moments(mean[list(rows)].ravel(), block, int(counts.max()), many)

    error = np.sqrt(_variance_of_psi(state, moved[JOINT:]))
    many = freedom if unequal else float(freedom[0])
    psi = {
        k: Estimate(mean[JOINT + i], error[i], int(counts.max()), many) for i, k in enumerate(PSI)
    }
    return Summary(
        state.n,
        moments(0, 1, 2),
        psi,
        state.sketch,
        independent=state.alone and not unequal,
        unit=moments(3, 2),
        counts=counts if unequal else None,
    )


def _at_one_n(state: Clusters, row: int, other: int) -> np.ndarray:
    """Sums over groups of products of two rows at the same n, (m,)."""
    return np.diagonal(state.products[row, :, other])


def _scale(state: Clusters) -> np.ndarray:
    """sqrt((K - 1)/K) of the groups at each n (m,); NaN where one is in every pair."""
    groups = _at_one_n(state, ONE, ONE)
    return np.where(state.everywhere, np.nan, np.sqrt((groups - 1) / groups))


def _covariance(state: Clusters, moved: np.ndarray) -> np.ndarray:
    """Of the values in `products`, (4, m, 4, m); e = scale (mean z + centre - y) of each group."""
    scale, at = _scale(state), np.arange(len(state.n))
    groups, z = _at_one_n(state, ONE, ONE), _at_one_n(state, Z, ONE)
    weights = np.zeros((JOINT, JOINT + 2, len(at)))
    for k in range(JOINT):
        centre = (_at_one_n(state, k, ONE) - moved[k] * z) / groups
        weights[k, [k, Z, ONE]] = -scale, scale * moved[k], scale * centre
    half = np.einsum("qin,injp->qnjp", weights, state.products)
    out = np.einsum("qnjp,rjp->qnrp", half, weights)
    for k in range(JOINT):
        out[k, at, k, at] = np.maximum(out[k, at, k, at], 0.0)  # rounding
    return out


def _variance_of_psi(state: Clusters, moved: np.ndarray) -> np.ndarray:
    """The same of psi's, at each n alone, (6, m)."""
    groups, z = _at_one_n(state, ONE, ONE), _at_one_n(state, Z, ONE)
    squares, with_z, with_one = state.own
    centre = (with_one - moved * z) / groups
    scatter = squares - 2 * moved * with_z + moved**2 * _at_one_n(state, Z, Z) - groups * centre**2
    return _scale(state) ** 2 * np.maximum(scatter, 0.0)
