"""Sums over the pairs of groups: every subset's moments are those of its pairs, one by one."""

import dataclasses

import numpy as np
import pytest

from tokenspace.tokens.families import place_of
from tokenspace.tokens.fit import Ranked, TokenFit, cells
from tokenspace.tokens.fit.cells import Cells, Moments
from tokenspace.tokens.fit.compare import Compared
from tokenspace.tokens.fit.held_out import Prediction, Splits
from tokenspace.tokens.fit.search import Shape, Target
from tokenspace.tokens.pairs import pairs_of

H = (np.random.default_rng(5).standard_normal((7, 12, 5)) + 0.3).astype(np.float32)
H = H.astype(float)  # as they are read, so that sums agree to float64
N = np.array([1, 2, 5, 12])
PLACES = [place_of(1, 12), place_of(3, 4), place_of(3, 4, "serpentine")]


def by_hand(pairs):
    """Prefix moments and lags of pairs (a, b), by definition."""
    prefixes, lags = [], {p: [] for p in PLACES}
    for a, b in pairs:
        rows = []
        for n in N:
            a_n, b_n = a[:n], b[:n]
            s, t = a_n.sum(axis=0), b_n.sum(axis=0)
            square, product = np.sum(a_n**2) + np.sum(b_n**2), np.sum(a_n * b_n)
            rows.append([square, product, s @ s + t @ t, s @ t, (s - t) @ (s - t)])
        prefixes.append(np.array(rows).T)
        gram = (a - b) @ (a - b).T
        for place, found in lags.items():
            down, right = place.places
            total = np.zeros((place.rows, 2 * place.columns - 1))
            for i in range(12):
                for j in range(12):
                    if down[j] >= down[i]:
                        total[down[j] - down[i], right[j] - right[i] + place.columns - 1] += gram[
                            i, j
                        ]
            found.append(total)
    return np.mean(prefixes, axis=0), {k: np.mean(v, axis=0) for k, v in lags.items()}


def assert_same(moments, pairs):
    prefixes, lags = by_hand(pairs)
    assert moments.count == len(pairs)
    np.testing.assert_allclose(moments.prefixes, prefixes, rtol=1e-11, atol=1e-11)
    for place, want in lags.items():
        np.testing.assert_allclose(moments.lags[place], want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("group", [np.arange(7), np.array([0, 0, 1, 1, 2, 3, 3])])
@pytest.mark.parametrize("block", [1 << 27, 1])
def test_all_pairs_of_pictures(group, block, monkeypatch):
    monkeypatch.setattr(cells, "BLOCK_BYTES", block)
    found = cells.cells_of(pairs_of(H, None, "all", None), group, N, PLACES)
    for left in (None, 0, 2):
        kept = np.arange(found.groups) != left
        chosen = [h for h, g in zip(H, group, strict=True) if kept[g]]
        pairs = [(a, b) for i, a in enumerate(chosen) for b in chosen[i + 1 :]]
        assert_same(found.of(kept), pairs)


@pytest.mark.parametrize(
    "labels", [np.array([0, 1, 1, 2]), np.array([[0, 1], [1, 2], [0, 3], [2, 3]])]
)
def test_pairs_in_groups(labels):
    a, b = H[:4], H[3:]
    found = cells.cells_of(pairs_of(a, b, None, None), labels, N, PLACES)
    for left in (None, 0, 1):
        kept = np.arange(found.groups) != left
        inside = [k for k, row in enumerate(labels.reshape(4, -1)) if kept[row].all()]
        assert_same(found.of(kept), [(a[k], b[k]) for k in inside])


def test_two_pictures_are_one_pair():
    found = cells.cells_of(pairs_of(H, None, "all", None), np.arange(7), N, PLACES)
    assert_same(found.of(np.arange(7) < 2), [(H[0], H[1])])


def test_nothing_kept_is_no_pair():
    found = cells.cells_of(pairs_of(H, None, "all", None), np.arange(7), N, PLACES)
    assert found.of(np.arange(7) == 0).count == 0


@pytest.mark.parametrize(
    "kind", [Cells, Compared, Moments, Prediction, Ranked, Shape, Splits, Target, TokenFit]
)
def test_what_is_known_of_tokens_stays_as_it_is(kind):
    """A fit shares moments and shapes among families, splits and groups."""
    assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen
