import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenspace as ts
from models import POSITIONS

names = st.sampled_from(sorted(POSITIONS))
weights = st.floats(0.1, 3.0)


@given(names, names, weights, weights)
def test_algebra_is_that_of_matrices(a, b, v, w):
    p, q, n = POSITIONS[a], POSITIONS[b], 24
    kp, kq = p.dense(n), q.dense(n)
    np.testing.assert_allclose((v * p + w * q).dense(n), v * kp + w * kq, atol=1e-12)
    np.testing.assert_allclose((p * q).dense(n), kp * kq, atol=1e-12)
    np.testing.assert_allclose((p / v - q).dense(n), kp / v - kq, atol=1e-12)
    grid = np.array([1, 3, 10, 24])
    total = (v * p * q).prefix_covariance(grid)
    expected = [[(v * kp * kq)[:i, :j].sum() for j in grid] for i in grid]
    np.testing.assert_allclose(total, expected, atol=1e-9)


def test_equal_terms_are_collected():
    a, b = ts.Exponential(3.0), ts.Block(4)
    assert (a + b) - b == 1.0 * a
    assert (a - a).is_zero
    assert ts.Constant() * a == 1.0 * a


class Triangular(ts.Stationary):
    """A user's class with one method."""

    def at_lag(self, lag):
        return np.maximum(1 - lag / 10, 0.0)


class Varying(ts.Covariance):
    """A user's class that is not stationary, one method."""

    def __call__(self, i, j):
        return np.exp(-abs(np.sqrt(i + 1) - np.sqrt(j + 1)))


@pytest.mark.parametrize("own", [Triangular(), Varying()])
def test_own_class_works_everywhere(own):
    model = ts.TokenModel(ts.Branches(own), ts.Isotropic(8))
    for sampler in ("collapsed", "tokens"):
        result = ts.simulate(model, [1, 4, 20, 30], 4000, sampler=sampler)
        assert result.check(0.1).verdict == "PASS"


def test_models_are_pytrees_that_differentiate():
    def total(length, lags):
        return ts.Exponential(length).at_lag(lags).sum()

    slope = jax.grad(total)(3.0, jax.numpy.arange(10.0))
    lags = np.arange(10.0)  # the oracle in NumPy's float64
    numeric = (total(3.0 + 1e-6, lags) - total(3.0 - 1e-6, lags)) / 2e-6
    assert float(slope) == pytest.approx(numeric, rel=1e-6)
    leaves, tree = jax.tree.flatten(ts.Branches(ts.Exponential(3.0) + 0 * ts.White()))
    assert 3.0 in leaves
    assert jax.tree.unflatten(tree, leaves).within.at_lag(np.array([3.0])) == np.exp(-1)


def test_old_names_warn_and_validity_is_still_believed():
    with pytest.warns(DeprecationWarning, match="say the same in `structure`"):

        class Old(Varying):
            valid_by_construction = True

    ts.Branches(Old()).require_valid(50_000)  # beyond what a dense check reaches
