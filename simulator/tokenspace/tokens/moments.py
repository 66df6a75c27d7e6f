"""Second moments of pairs of sequences: of all pairs, and of those of each group.

Memory is that of one sequence and of what is kept of each group; no pair of pictures is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.statistics.jackknife import GroupSums, begin_groups
from tokenspace.tokens.pairs import Pairs
from tokenspace.tokens.pictures import pairs_among, pairs_of_groups


def pair_moments(given: Pairs, n: np.ndarray) -> GroupSums:
    """Sums over all pairs, and over those of each group, of 4 + m second moments.

    Of ||a_i||^2 + ||b_i||^2 and of a_i . b_i over all tokens; of a_i . a_j + b_i . b_j and of
    a_i . b_j over i != j; then ||sum_{i<=k} (a_i - b_i)||^2 at the token counts k in n (m,).
    """
    return _of_pictures(given, n) if given.every else _of_pairs(given, n)


def with_left_out(sums: GroupSums) -> np.ndarray:
    """Means over all pairs, then without each group, (1 + K, v); K = 0 if one is in every pair."""
    if np.any(sums.sizes == sums.count):
        return sums.mean[None]
    return np.vstack([sums.mean, sums.without])


def _of_pairs(given: Pairs, n: np.ndarray) -> GroupSums:
    rows = []
    for x, y in zip(np.asarray(given.a), np.asarray(given.b), strict=True):
        a, b = x.astype(np.float64), y.astype(np.float64)
        s, t = a.sum(axis=0), b.sum(axis=0)
        square, product = np.sum(a * a) + np.sum(b * b), np.sum(a * b)
        at = np.sum(np.cumsum(a - b, axis=0)[n - 1] ** 2, axis=1)
        rows.append([square, product, s @ s + t @ t - square, s @ t - product, *at])
    values, units = np.array(rows), given.units.reshape(len(rows), -1)
    return begin_groups(int(units.max()) + 1, values.shape[1]).add(values, units)


def _of_pictures(given: Pairs, n: np.ndarray) -> GroupSums:
    """Of what pictures add up to: sum |x - y|^2 = K sum |x|^2 - |sum x|^2 over all pairs of K."""
    h, units = np.asarray(given.a), given.units
    sequences = np.bincount(units)
    each = np.zeros((len(sequences), 2 + len(n)))
    total = np.zeros(h.shape[1:])
    for picture, unit in zip(h, units, strict=True):
        x = picture.astype(np.float64)
        total += x
        squares = np.sum(np.cumsum(x, axis=0)[n - 1] ** 2, axis=1)
        each[unit] += [np.sum(x * x), np.sum(x.sum(axis=0) ** 2), *squares]

    def over_pairs(count: int, own: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The sums over all pairs of so many pictures, with sums of theirs and of their tokens."""
        square, across, *at = own
        product = (np.sum(tokens**2) - square) / 2
        cross = (np.sum(tokens.sum(axis=0) ** 2) - across) / 2 - product
        differences = count * np.array(at) - np.sum(np.cumsum(tokens, axis=0)[n - 1] ** 2, axis=1)
        more = count - 1
        return np.array([more * square, product, more * (across - square), cross, *differences])

    whole = over_pairs(len(h), each.sum(axis=0), total)
    sums = []
    for unit, own in enumerate(each):
        others = total - h[units == unit].sum(axis=0, dtype=np.float64)
        left = over_pairs(len(h) - sequences[unit], each.sum(axis=0) - own, others)
        sums.append(whole - left)
    return GroupSums(pairs_among(len(h)), whole, pairs_of_groups(sequences), np.array(sums))


@dataclass(frozen=True)
class SequenceSums:
    """Sums over the sequences of a set, of which parts can be taken out again.

    sequences: how many; second: of h h' over all tokens (d, d); total: of h at each position
    (N, d); pairs: of (a - b)(a - b)' over given pairs (d, d), None where all pairs are meant.
    """

    sequences: int
    second: np.ndarray
    total: np.ndarray
    pairs: np.ndarray | None

    def __sub__(self, part: SequenceSums) -> SequenceSums:
        pairs = None if self.pairs is None or part.pairs is None else self.pairs - part.pairs
        return SequenceSums(
            self.sequences - part.sequences,
            self.second - part.second,
            self.total - part.total,
            pairs,
        )

    @property
    def difference(self) -> np.ndarray:
        """Sum over pairs and tokens of (a_i - b_i)(a_i - b_i)', (d, d)."""
        if self.pairs is not None:
            return self.pairs
        return self.sequences * self.second - self.total.T @ self.total


def token_sums(given: Pairs) -> SequenceSums:
    """Of all sequences, one after the other in float64."""
    tokens, features = given.a.shape[1:]
    second, total = np.zeros((features, features)), np.zeros((tokens, features))
    for branch in given.branches:
        for h in np.asarray(branch):
            x = h.astype(np.float64)
            second += x.T @ x
            total += x
    if given.every:
        return SequenceSums(len(given.a), second, total, None)
    pairs = np.zeros((features, features))
    for a, b in zip(np.asarray(given.a), np.asarray(given.b), strict=True):
        x = a.astype(np.float64) - b
        pairs += x.T @ x
    return SequenceSums(2 * len(given.a), second, total, pairs)
