"""Means over pairs that share pictures or prompts and may differ in length, and their errors.

At each n the mean is over the C pairs that reach it. Its error is the delete-one-group jackknife of
`jackknife` over the K_n groups that have such pairs,

    Cov(n, n') = sum_k e_k(n) e_k(n'),
    e_k(n) = sqrt((K_n - 1)/K_n) (theta_(-k)(n) - mean over those groups), 0 for the others:

at each n what the pairs that reach it give alone, and positive semi-definite across n. Between n
with different pairs it is too low by sqrt((1 - 1/K_n')/(1 - 1/K_n)), n' the larger, for independent
pairs: 5 % where 10 groups of many are left.

Means at two n are means over different pairs where some end between them, and their ratio is no
growth of D. So at each n the same is also kept of D at the n before and at the first n, over the
pairs that reach this n: slopes are of pairs that reach both their ends. What is fitted to many n is
fitted to the pairs that reach the last of them, of which a state of its own is kept (`common`).

No group is kept once its pairs are complete. Of a group with s_k pairs of sum S_k,

    theta_(-k) = (T - S_k)/(C - s_k) = mean (1 + z_k) - y_k,   z_k = s_k/(C - s_k),
                                                               y_k = S_k/(C - s_k),

where C is known before the first pair is: so the sums over groups of products of y, z and 1 are
enough, whatever the mean turns out to be. Values are taken from where the first pairs lie, so that
little cancels. Only those products are kept of which somebody wants the covariance: at m token
counts and one length 8 m^2 numbers, fewer than the results have.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tokenspace.statistics.estimate import Estimate, Moments
from tokenspace.statistics.jackknife import named_once, sizes_of
from tokenspace.statistics.quantiles import Sketch, begin_sketch, update_sketch
from tokenspace.statistics.streaming import PSI, Samples, Summary, vectors
from tokenspace.statistics.unit import unit_divergence

AT_ONCE = 1 << 17  # pairs times token counts
MOST = 0.5  # of the pairs: what is fitted to many n is fitted to the n that so many reach

D, SQUARE, UPSILON, UNIT, BEFORE, FIRST, Z, ONE = range(8)  # values of a group; psi's are apart
WANTED = (
    *((D, D), (D, SQUARE), (D, UPSILON), (SQUARE, SQUARE), (SQUARE, UPSILON), (UPSILON, UPSILON)),
    *((UNIT, UNIT), (UNIT, UPSILON), (UNIT, D)),
)
OF_SLOPES = ((BEFORE, BEFORE), (BEFORE, D), (FIRST, FIRST), (FIRST, D))  # where lengths differ


@dataclass(frozen=True)
class Clusters:
    """What has been seen of pairs in K groups, at token counts n (m,).

    counts (m,): of pairs that will reach n; missing (K,): pairs still to come of each group.
    partial: (1 + v, m) of groups that are not complete, their counts and sums less `origin`.
    origin (v, m), total (v, m): where values are taken from (NaN before there is one), and their
    sum over pairs from there; v = 10 where all pairs reach every n, else 12.
    products: sums over complete groups of y y' (m, m) for the values that are wanted together, and
    of y z, y 1, z z, z 1 and 1 1, in which n' has one value, (m, 1), where all pairs reach every n.
    own (3, 6, m): of y of the psi's with y, z and 1 at one n.
    powers (2, m): sums of s^2 and s^4; everywhere (m,): whether one group is in every pair.
    alone: whether each group has one pair. Arrays, which may be large, are added to in place.
    common: the same of the pairs that reach the last n that half of them do, up to it; None where
    all reach every n.
    """

    n: np.ndarray
    counts: np.ndarray
    missing: np.ndarray
    alone: bool
    origin: np.ndarray
    total: np.ndarray
    products: dict[tuple[int, int], np.ndarray]
    own: np.ndarray
    powers: np.ndarray
    everywhere: np.ndarray
    sketch: Sketch
    common: Clusters | None
    partial: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def values(self) -> int:
        """How many there are before the psi's: `BEFORE` and `FIRST` only where lengths differ."""
        return BEFORE if self.common is None else FIRST + 1


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
    counts, common = np.full(m, pairs), None
    if lengths is not None:
        reach = np.searchsorted(n, lengths, "right")
        counts = pairs - np.cumsum(np.bincount(reach, minlength=m + 1))[:m]
        members, lengths = members[reach > 0], lengths[reach > 0]
    if lengths is not None and counts[-1] < counts[0]:
        last = int(np.flatnonzero(counts >= MOST * counts[0])[-1])
        common = begin_clusters(n[: last + 1], members[lengths >= n[last]])
    missing = sizes_of(members, groups)
    values = BEFORE if common is None else FIRST + 1
    many = 1 if common is None else m  # numbers that z and 1 of a group have
    widths = {k: many if k in (Z, ONE) else m for k in (*range(values), Z, ONE)}
    kept = [*WANTED, *(OF_SLOPES if common is not None else ())]
    kept += [(k, other) for k in (*range(values), Z) for other in (Z, ONE)] + [(ONE, ONE)]
    return Clusters(
        n,
        counts,
        missing,
        bool(missing.max() == 1),
        np.full((values + len(PSI), m), np.nan),
        np.zeros((values + len(PSI), m)),
        {(k, other): np.zeros((widths[k], widths[other])) for k, other in kept},
        np.zeros((3, len(PSI), m)),
        np.zeros((2, m)),
        np.zeros(m, bool),
        begin_sketch(m),
        common,
    )


def update_clusters(state: Clusters, samples: Samples, members: np.ndarray) -> Clusters:
    """The state after more of the pairs that were announced.

    Args:
        state: what was seen before, which is changed.
        samples: name -> (R, m), D and the kernels' four psi's; D is NaN where a pair has ended.
        members: numbers of their groups, (R, w); one that a pair names twice has it once.
    """
    step = max(1, AT_ONCE // len(state.n))
    for start in range(0, len(members), step):
        now = slice(start, start + step)
        _add(state, {k: v[now] for k, v in samples.items()}, members[now])
    common = state.common
    if common is not None:
        m = len(common.n)
        there = ~np.isnan(samples["divergence"][:, m - 1])
        same = {k: v[there, :m] for k, v in samples.items()}
        common = update_clusters(common, same, members[there])
    sketch = update_sketch(state.sketch, samples["divergence"])
    return replace(state, sketch=sketch, common=common)


def _add(state: Clusters, samples: Samples, members: np.ndarray) -> None:
    m = len(state.n)
    reach = ~np.isnan(samples["divergence"])
    joint, psi = vectors(state.n, samples)
    if psi is None:
        raise ValueError("psi's are needed")
    rows = [joint, unit_divergence(joint[:, 2 * m :])]
    if state.common is not None:
        rows += [joint[:, [0, *range(m - 1)]], joint[:, [0] * m]]  # D before, and D at the first n
    values = np.hstack([*rows, psi]).reshape(len(reach), -1, m)
    there = reach[:, None]
    new = np.isnan(state.origin) & reach.any(axis=0)
    if new.any():
        first = np.where(there, values, 0.0).sum(axis=0) / np.maximum(reach.sum(axis=0), 1)
        state.origin[new] = np.nan_to_num(first[new])  # psi's of pairs have no n = 1
    moved = np.where(there, values - state.origin, 0.0)
    state.total[...] += moved.sum(axis=0)
    _add_to_groups(state, np.concatenate([reach[:, None], moved], axis=1), members)


def _add_to_groups(state: Clusters, rows: np.ndarray, members: np.ndarray) -> None:
    """Counts and values of pairs (R, 1 + v, m) to their groups; complete ones are dissolved."""
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
    """Add the products of complete groups (K, 1 + v, m)."""
    size, values = sums[:, 0], state.values
    rest = state.counts - size
    state.everywhere[...] |= np.any((size > 0) & (rest == 0), axis=0)
    weight = np.where(size > 0, 1 / np.maximum(rest, 1), 0.0)
    y, z, one = sums[:, 1:] * weight[:, None], size * weight, (size > 0).astype(np.float64)
    row = {**{k: y[:, k] for k in range(values)}, Z: z, ONE: one}
    for (k, j), product in state.products.items():
        product += row[k][:, : len(product)].T @ row[j][:, : product.shape[1]]
    for at, other in enumerate((y[:, values:], z[:, None], one[:, None])):
        state.own[at] += (y[:, values:] * other).sum(axis=0)
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
    m, counts, values = len(state.n), state.counts, state.values
    moved = state.total / counts
    mean = state.origin + moved
    freedom = np.maximum(state.powers[0] ** 2 / state.powers[1] - 1, 1.0)
    unequal, slopes = state.common is not None, slice(1, None)
    parts = {row: _parts(state, moved, row) for row in range(values)}

    def moments(*rows: int, part: slice = slice(None)) -> Moments:
        size = len(np.arange(m)[part])
        block = np.empty((len(rows), size, len(rows), size))
        for i, row in enumerate(rows):
            for j, other in enumerate(rows[i:], i):
                found = _covariance(state, parts[row], parts[other])[part, part]
                block[i, :, j], block[j, :, i] = found, found.T
        many = np.tile(freedom[part], len(rows)) if unequal else float(freedom[0])
        flat = block.reshape(len(rows) * size, -1)
        return Moments(mean[list(rows), part].ravel(), flat, int(counts.max()), many)

    error = np.sqrt(_variance_of_psi(state, moved[values:]))
    many = freedom if unequal else float(freedom[0])
    psi = {
        k: Estimate(mean[values + i], error[i], int(counts.max()), many) for i, k in enumerate(PSI)
    }
    return Summary(
        state.n,
        moments(D, SQUARE, UPSILON),
        psi,
        state.sketch,
        independent=state.alone and not unequal,
        unit=moments(UNIT, UPSILON, D),
        counts=counts if unequal else None,
        steps=moments(BEFORE, D, part=slopes) if unequal else None,
        spans=moments(FIRST, D, part=slopes) if unequal else None,
        common=None if state.common is None else summary_of_clusters(state.common),
    )


def _product(state: Clusters, row: int, other: int) -> np.ndarray:
    found = state.products.get((row, other))
    return state.products[other, row].T if found is None else found


def _at_one_n(state: Clusters, row: int, other: int) -> np.ndarray:
    """Sums over groups of products of two rows at the same n, (m,)."""
    m = len(state.n)
    return np.diagonal(np.broadcast_to(_product(state, row, other), (m, m)))


def _scale(state: Clusters) -> np.ndarray:
    """sqrt((K - 1)/K) of the groups at each n (m,); NaN where one is in every pair."""
    groups = _at_one_n(state, ONE, ONE)
    return np.where(state.everywhere, np.nan, np.sqrt((groups - 1) / groups))


def _parts(state: Clusters, moved: np.ndarray, row: int) -> dict[int, np.ndarray]:
    """What -y, z and 1 of a group are multiplied by in e = scale (mean z + centre - y), (m,)."""
    scale, groups = _scale(state), _at_one_n(state, ONE, ONE)
    centre = (_at_one_n(state, row, ONE) - moved[row] * _at_one_n(state, Z, ONE)) / groups
    return {row: -scale, Z: scale * moved[row], ONE: scale * centre}


def _covariance(
    state: Clusters, left: dict[int, np.ndarray], right: dict[int, np.ndarray]
) -> np.ndarray:
    """Of two values, (m, m): the sums of e e' over groups."""
    m = len(state.n)
    out = np.zeros((m, m))
    for k, x in left.items():
        for j, y in right.items():
            out += x[:, None] * _product(state, k, j) * y
    if left is right:
        np.fill_diagonal(out, np.maximum(np.diagonal(out), 0.0))  # rounding
    return out


def _variance_of_psi(state: Clusters, moved: np.ndarray) -> np.ndarray:
    """The same of psi's, at each n alone, (6, m)."""
    groups, z = _at_one_n(state, ONE, ONE), _at_one_n(state, Z, ONE)
    squares, with_z, with_one = state.own
    centre = (with_one - moved * z) / groups
    scatter = squares - 2 * moved * with_z + moved**2 * _at_one_n(state, Z, Z) - groups * centre**2
    return _scale(state) ** 2 * np.maximum(scatter, 0.0)
