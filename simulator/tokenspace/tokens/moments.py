"""Second moments of pairs of sequences: of each pair, and what is left without each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.statistics.jackknife import GroupSums, begin_groups
from tokenspace.tokens.pairs import Pairs


@dataclass(frozen=True)
class PairMoments:
    """What second moments are made of, a row a pair; sums run over all tokens.

    n: token counts (m,). values (P, 4 + m): sum ||a_i||^2 + ||b_i||^2; sum a_i . b_i; over i != j
    the sums of a_i . a_j + b_i . b_j and of a_i . b_j; ||sum_{i<=n} (a_i - b_i)||^2 at each n.
    members: numbers of the groups of each pair, (P, w).
    """

    n: np.ndarray
    values: np.ndarray
    members: np.ndarray

    def rows(self, most: int | None = None) -> np.ndarray:
        """Means over all pairs, then without each group, (1 + K, 4 + m); K = 0 for one pair.

        most: neighbouring groups are left out together, so that there are no more than this.
        """
        if len(self.values) == 1:
            return self.values
        groups = int(self.members.max()) + 1
        if most is not None and groups > most:
            together = self._sums(self.members * most // groups, most)
            if np.all(together.sizes < together.count):
                return np.vstack([together.mean, together.without])
        alone = self._sums(self.members, groups)
        return np.vstack([alone.mean, alone.without])

    def _sums(self, members: np.ndarray, groups: int) -> GroupSums:
        return begin_groups(groups, self.values.shape[1]).add(self.values, members)


def pair_moments(given: Pairs, n: np.ndarray) -> PairMoments:
    """Second moments of every pair, at token counts n for the sums of differences."""
    a = np.asarray(given.a, np.float64)
    if not given.every:
        b = np.asarray(given.b, np.float64)
        members = np.arange(len(a))[:, None] if given.members is None else given.members
        sum_a, sum_b = a.sum(axis=1), b.sum(axis=1)
        square, product = np.sum(a * a + b * b, axis=(1, 2)), np.sum(a * b, axis=(1, 2))
        within = np.sum(sum_a**2 + sum_b**2, axis=1) - square
        cross = np.sum(sum_a * sum_b, axis=1) - product
        squares = np.sum(np.cumsum(a - b, axis=1)[:, n - 1] ** 2, axis=2)
        return PairMoments(n, np.column_stack([square, product, within, cross, squares]), members)
    flat, sums = a.reshape(len(a), -1), a.sum(axis=1)
    first, second = np.triu_indices(len(a), 1)
    product, across = flat @ flat.T, sums @ sums.T
    own = np.diag(across) - np.diag(product)

    def both(values: np.ndarray) -> np.ndarray:
        return values[first] + values[second]

    columns = [both(np.diag(product)), product[first, second], both(own)]
    columns.append((across - product)[first, second])
    for at in np.moveaxis(np.cumsum(a, axis=1)[:, n - 1], 1, 0):
        gram = at @ at.T
        columns.append(both(np.diag(gram)) - 2 * gram[first, second])
    return PairMoments(n, np.column_stack(columns), np.stack([first, second], axis=1))


@dataclass(frozen=True)
class TokenSums:
    """Sums over the sequences of a set, of which parts can be taken out again.

    sequences: how many; second: of h h' over all tokens (d, d); total: of h at each position
    (N, d); pairs: of (a - b)(a - b)' over given pairs (d, d), None where all pairs are meant.
    """

    sequences: int
    second: np.ndarray
    total: np.ndarray
    pairs: np.ndarray | None

    def __sub__(self, part: TokenSums) -> TokenSums:
        pairs = None if self.pairs is None or part.pairs is None else self.pairs - part.pairs
        return TokenSums(
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


def token_sums(given: Pairs) -> TokenSums:
    """Of all sequences, one after the other in float64."""
    tokens, features = given.a.shape[1:]
    second, total = np.zeros((features, features)), np.zeros((tokens, features))
    for branch in (given.a,) if given.every else (given.a, given.b):
        for h in np.asarray(branch):
            x = h.astype(np.float64)
            second += x.T @ x
            total += x
    if given.every:
        return TokenSums(len(given.a), second, total, None)
    pairs = np.zeros((features, features))
    for a, b in zip(np.asarray(given.a), np.asarray(given.b), strict=True):
        x = a.astype(np.float64) - b
        pairs += x.T @ x
    return TokenSums(2 * len(given.a), second, total, pairs)
