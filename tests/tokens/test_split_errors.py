"""Errors over repeated halvings: their formula, their freedom, and how often intervals hold."""

import numpy as np
import pytest

from tokenspace.statistics.estimate import Estimate
from tokenspace.tokens.fit.held_out import _mapped, _over_splits, halves, ranking


@pytest.mark.parametrize(("splits", "groups"), [(6, 4), (6, 20), (12, 20), (2, 2)])
def test_the_variance_is_that_of_nadeau_and_bengio(splits, groups):
    values = np.random.default_rng(splits).standard_normal(splits)
    found = _over_splits(values, groups)
    spread = sum((v - sum(values) / splits) ** 2 for v in values) / (splits - 1)
    assert found.standard_error**2 == pytest.approx(spread / splits + spread)
    assert (
        found.degrees_of_freedom == {(6, 4): 3, (6, 20): 3, (12, 20): 6, (2, 2): 1}[splits, groups]
    )
    assert found.count == splits and found.mean == pytest.approx(sum(values) / splits)


def test_one_split_has_no_error():
    found = _over_splits(np.array([2.0]), 9)
    assert found.mean == 2 and np.isnan(found.standard_error) and found.degrees_of_freedom == 1


def test_every_column_of_a_ranking_knows_its_freedom():
    none = np.random.default_rng(3).uniform(0.5, 2.0, (6, 3))
    rows = ranking({("one", "", "sums"): none**1.2}, {"one": 1}, none, 3)
    for row in rows:
        for name in ("divergence", "gamma", "psi", "score", "behind"):
            assert getattr(row, name).degrees_of_freedom == 2


@pytest.mark.parametrize("groups", [4, 6, 8, 20])
def test_intervals_of_what_groups_add_hold(groups):
    """A loss that is a mean over the held-out groups, each with its own: of mean 0.

    4000 runs: 95 % intervals hold in 93.5 to 98 %, and the squared error is 1 to 1.4 times that
    of the mean over all groups.
    """
    rng = np.random.default_rng(groups)
    masks = np.array([~m for m in halves(groups)])
    held, squares = 0, 0.0
    for _ in range(4000):
        own = rng.standard_normal(groups)
        found = _over_splits(masks @ own / masks.sum(axis=1), groups)
        low, high = found.interval()
        held += low <= 0 <= high
        squares += found.standard_error**2 / 4000
    assert 0.935 < held / 4000 < 0.98, held / 4000
    assert 1 < squares * groups < 1.4, squares * groups


@pytest.mark.parametrize(("groups", "most"), [(4, 6), (5, 20), (6, 12), (8, 12)])
def test_few_groups_are_halved_in_every_way_and_more_six_times(groups, most):
    masks = {tuple(m) for m in halves(groups)}
    assert len(masks) == len(halves(groups)) <= most and (len(masks) == most or groups > 5)
    assert all(tuple(~np.array(m)) in masks for m in masks)  # each half is learned from
    assert {sum(m) for m in masks} == {groups // 2, groups - groups // 2}


def test_errors_of_roots_and_exponentials_follow_their_slope():
    root = _mapped(Estimate(np.float64(0.04), np.float64(0.01), 6, 3.0), np.sqrt)
    assert (root.mean, root.count, root.degrees_of_freedom) == (0.2, 6, 3)
    assert root.standard_error == pytest.approx(0.01 / (2 * 0.2))
    grown = _mapped(Estimate(np.log(2.0), np.float64(0.01), 6, 3.0), np.exp)
    assert grown.mean == pytest.approx(2) and grown.standard_error == pytest.approx(0.02)
    assert np.isnan(_mapped(Estimate(np.float64(0), np.float64(0), 6, 3.0), np.sqrt).standard_error)
