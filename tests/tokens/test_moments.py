"""Second moments of all pairs and without each group: those of the pairs, one by one."""

from itertools import combinations

import numpy as np
import pytest

from tokenspace.tokens.moments import pair_moments, token_sums, with_left_out
from tokenspace.tokens.pairs import pairs_of

H = (np.random.default_rng(6).standard_normal((7, 9, 4)) + 0.4).astype(np.float32).astype(float)
N = np.array([1, 3, 9])
IJ = np.array(list(combinations(range(7), 2)))
LABELS = np.array([2, 0, 0, 1, 3, 3, 3])


def by_hand(x, y):
    """Of one pair, with sums over tokens written out."""
    gram, across = x @ x.T + y @ y.T, x @ y.T
    off = ~np.eye(len(x), dtype=bool)
    apart = [np.sum((x[:n].sum(axis=0) - y[:n].sum(axis=0)) ** 2) for n in N]
    return [np.trace(gram), np.trace(across), gram[off].sum(), across[off].sum(), *apart]


GIVEN = {  # arguments, pairs, and the groups of each
    "pictures": ((H, None, "all", None), IJ, IJ),
    "groups": ((H, None, "all", LABELS), IJ, LABELS[IJ]),
    "pairs": ((H[:4], H[3:], None, None), [[k, k + 3] for k in range(4)], np.arange(4)[:, None]),
    "shared": (
        (H[:4], H[3:], None, [1, 0, 0, 2]),
        [[k, k + 3] for k in range(4)],
        [[1], [0], [0], [2]],
    ),
}


@pytest.mark.parametrize("name", GIVEN)
def test_moments_are_those_of_each_pair(name):
    arguments, pairs, groups = GIVEN[name]
    given = pairs_of(*arguments)
    found = pair_moments(given, N)
    values = np.array([by_hand(H[i], H[j]) for i, j in pairs])
    groups = np.asarray(groups)
    np.testing.assert_array_equal(given.members, None if name == "pairs" else groups)
    left = [values[~(groups == g).any(axis=1)] for g in range(groups.max() + 1)]
    assert found.count == len(given) == len(pairs)
    assert found.sizes.tolist() == [len(pairs) - len(kept) for kept in left]
    rows = [values.mean(axis=0), *(kept.mean(axis=0) for kept in left)]
    np.testing.assert_allclose(with_left_out(found), rows, rtol=1e-12, atol=1e-12)
    difference = token_sums(given).difference
    want = sum((H[i] - H[j]).T @ (H[i] - H[j]) for i, j in pairs)
    np.testing.assert_allclose(difference, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("labels", [None, [0, 0, 0], [0, 0, 1]])
def test_nothing_is_left_out_that_every_pair_has(labels):
    count = 2 if labels is None else 3
    found = pair_moments(pairs_of(H[:count], None, "all", labels), N)
    assert with_left_out(found).shape == (1, 7)
