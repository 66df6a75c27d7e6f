"""Moments, covariances across n and exponents, against definitions and differences."""

import numpy as np
import pytest

import tokenspace as ts
from models import BRANCHES, N
from oracles import mean_norm_by_quadrature, within_and_cross
from tokenspace import theory

GRID = np.array([1, 2, 3, 8, 21, N])
ISO = ts.Isotropic(5)
CONSTANT = BRANCHES["equicorrelated"]
A = ts.TokenModel(CONSTANT, ts.Spectrum((1.0, 0.5, 0.0)))
B = ts.TokenModel(BRANCHES["exponential"], ts.Spectrum((0.0, 0.3, 0.7)))
STUDENT_PAIR = ts.TokenModel(CONSTANT, ISO, ts.StudentT(5.0))


def test_mean_norm_of_arrays_and_of_nothing():
    rows = np.array([[[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]], [[2.0, 2.0, 2.0], [0.0, 3.0, 0.0]]])
    found = theory.mean_norm(rows)
    expected = [[mean_norm_by_quadrature(rows[0, 0]), 0.0], [4 / np.sqrt(np.pi), 0.0]]
    expected[1][1] = np.sqrt(6 / np.pi)  # E|z| sqrt(3)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert theory.mean_norm(2.0) == pytest.approx(2 / np.sqrt(np.pi))


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_mean_norm_of_any_size_and_spread(size):
    """The integral in units of the trace: exact from one feature that counts to 4,096 alike."""
    for lam in ([1.0, 1e-9], np.r_[np.ones(4095), 0.5]):
        lam = np.asarray(lam)
        expected = np.sqrt(size) * mean_norm_by_quadrature(lam)
        np.testing.assert_allclose(theory.mean_norm(size * lam), expected, rtol=1e-10)


@pytest.mark.parametrize("model", [A, A + B, STUDENT_PAIR], ids=["one", "sum", "student"])
def test_second_moments_and_spread(model):
    """E[D^2] = 2 sum over terms of E||h||^2 1'(within - cross)1, Var D = E[D^2] - E[D]^2."""
    heavy = 5 / 3 if model is STUDENT_PAIR else 1.0
    expected = np.zeros(len(GRID))
    for term in model.terms:
        within, cross = within_and_cross(term.branches, N)
        sums = np.array([np.sum((within - cross)[:n, :n]) for n in GRID])
        expected += 2 * heavy * np.sum(term.features.eigenvalues) * sums
    np.testing.assert_allclose(theory.second_moment(model, GRID), expected, rtol=1e-9)
    np.testing.assert_allclose(theory.rms_divergence(model, GRID), np.sqrt(expected), rtol=1e-9)
    spread = np.sqrt(expected - theory.expected_divergence(model, GRID) ** 2)
    np.testing.assert_allclose(theory.divergence_std(model, GRID), spread, rtol=1e-6)


def test_shapes_and_heavy_tails():
    n = np.array([[1, 2], [3, 8]])
    for model in (A, A + B):
        for quantity in (theory.expected_divergence, theory.second_moment, theory.local_exponent):
            flat = quantity(model, n.ravel())
            np.testing.assert_array_equal(quantity(model, n), flat.reshape(2, 2))
            assert np.shape(quantity(model, 3)) == ()
    infinite = ts.TokenModel(CONSTANT, ISO, ts.StudentT(2.0))
    assert np.all(theory.second_moment(infinite, n) == np.full((2, 2), np.inf))
    assert np.all(theory.divergence_std(infinite, n) == np.inf)
    assert np.all(np.isfinite(theory.expected_divergence(infinite, n)))


def test_one_feature_has_the_spread_of_a_normal():
    """D = |x| with Var x = 2 Upsilon: E[D^2] (1 - 2 / pi)."""
    model = ts.TokenModel(CONSTANT, ts.Isotropic(1))
    expected = np.sqrt((1 - 2 / np.pi) * 2 * theory.upsilon(model, GRID))
    np.testing.assert_allclose(theory.divergence_std(model, GRID), expected)


def test_covariance_of_prefix_sums():
    found = theory.divergence_covariance(A + B, GRID)
    for term, c in zip((A, B), found, strict=True):
        within, cross = within_and_cross(term.branches, N)
        expected = [[2 * np.sum((within - cross)[:a, :b]) for b in GRID] for a in GRID]
        np.testing.assert_allclose(c, expected, rtol=1e-9)
    with pytest.raises(ts.errors.NotPositiveSemidefinite):
        theory.divergence_covariance(ts.TokenModel(BRANCHES["differences cancel"], ISO), [2, 5000])


def test_exponents_of_a_sum_are_those_of_its_mean():
    both, n = A + B, np.array([2, 8, 40])
    ahead, behind = (np.log(theory.expected_divergence(both, n + k)) for k in (1, -1))
    differences = (ahead - behind) / np.log((n + 1) / (n - 1))
    # Differences over n - 1 .. n + 1 err by 1 / (3 n^2) of the exponent.
    np.testing.assert_allclose(theory.local_exponent(both, n)[1:], differences[1:], rtol=4e-3)
    with np.errstate(all="raise"):  # no 0/0 at n = 1
        found = theory.alpha(both, GRID, 1.7)
    growth = np.log(theory.expected_divergence(both, GRID) / theory.expected_divergence(both, 1))
    np.testing.assert_allclose(found[1:], -1.7 * growth[1:] / np.log(GRID[1:]), rtol=1e-12)
    assert found[0] == pytest.approx(-1.7 * theory.local_exponent(both, 1))


def test_exponents_of_a_sum_in_closed_form():
    """Features that do not mix: D of one feature of each term at a time."""
    same = ts.TokenModel(CONSTANT, ts.Spectrum((0.4, 0.1, 0.9)))
    gamma = theory.local_exponent(CONSTANT, GRID)
    np.testing.assert_allclose(theory.local_exponent(A + same, GRID), gamma, rtol=1e-9)
    np.testing.assert_allclose(
        theory.alpha(A + same, GRID, 0.6), theory.alpha(CONSTANT, GRID, 0.6), rtol=1e-9
    )


def test_asymptotic_exponent_of_a_sum_is_the_largest():
    power = ts.TokenModel(ts.Branches(ts.PowerLaw(0.4)), ts.Isotropic(3))
    assert theory.asymptotic_exponent(power + B) == theory.asymptotic_exponent(B + power) == 0.8
    assert theory.asymptotic_exponent(B) == 0.5


def test_where_regimes_end():
    inside = [0.451, 0.549, 0.551, 0.949, 0.951, 1.049, 1.051, 0.449]
    names = ["sublinear"] * 2 + ["crossover"] * 2 + ["linear"] * 2 + ["super-linear"]
    assert list(theory.regime(inside)) == [*names, "anti-persistent"]
    assert list(theory.regime([0.35, 0.65, 0.85, 1.15], 0.2)) == ["sublinear"] * 2 + ["linear"] * 2
    assert theory.regime(0.75) == "crossover"
