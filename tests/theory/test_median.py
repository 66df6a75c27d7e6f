"""Median and quantiles of D against laws that are known in closed form."""

import numpy as np
import pytest
from scipy import optimize, stats

import tokenspace as ts
from tokenspace import theory
from tokenspace.errors import NoExactResult
from tokenspace.theory.quantiles import isotropic_quantiles

BRANCHES = ts.equicorrelated(0.2, 0.3, 0.1)
N = np.array([[1, 2], [5, 40]])
WITH_ZEROS = (0.9, 0.3, 0.3, 0.01, 0.0)


def median(features, df):
    return theory.median_divergence(ts.TokenModel(BRANCHES, features, ts.StudentT(df)), N)


@pytest.mark.parametrize("df", [1.01, 1.5, 7.0, 1e3, 1e6])
@pytest.mark.parametrize("d", [1, 2, 64, 4096])
def test_equal_features_are_an_f_distribution(d, df):
    """Of trace 1: D^2 / (2 Upsilon) = (chi2_d / d) / (chi2_nu / nu)."""
    want = np.sqrt(2 * theory.upsilon(BRANCHES, N) * stats.f.ppf(0.5, d, df))
    np.testing.assert_allclose(median(ts.Isotropic(d), df), want, rtol=1e-8)


@pytest.mark.parametrize("d", [1, 16])
def test_quantiles_of_equal_features(d):
    n, levels = np.array([1, 5]), np.array([0.02, 0.5, 0.9])
    size = 2 * theory.upsilon(BRANCHES, n)
    gaussian = ts.TokenModel(BRANCHES, ts.Isotropic(d))
    heavy = ts.TokenModel(BRANCHES, ts.Isotropic(d), ts.StudentT(3.0))
    want = np.sqrt(np.outer(stats.chi2.ppf(levels, d) / d, size))
    np.testing.assert_allclose(isotropic_quantiles(gaussian, n, levels), want, rtol=1e-9)
    want = np.sqrt(np.outer(stats.f.ppf(levels, d, 3), size))
    np.testing.assert_allclose(isotropic_quantiles(heavy, n, levels), want, rtol=1e-9)
    middle = isotropic_quantiles(heavy, n, [0.5])[0]
    np.testing.assert_allclose(middle, theory.median_divergence(heavy, n), rtol=1e-8)


def survival(df, lam, square):
    """P(chi2_nu / nu > sum lambda z^2 / y^2), at even nu a sum of exponentials."""
    s = df / (2 * square)  # P(chi2_2 > 2 q) = exp(-q), P(chi2_4 > 2 q) = (1 + q) exp(-q)
    mean = np.prod((1 + 2 * lam * s) ** -0.5)
    return mean if df == 2 else mean * (1 + np.sum(lam * s / (1 + 2 * lam * s)))


@pytest.mark.parametrize("df", [2.0, 4.0])
@pytest.mark.parametrize(
    "lam", [WITH_ZEROS, (1.0, 1e-7), tuple(1 / np.arange(1, 200.0)), (50.0, *[0.1] * 30)]
)
def test_any_features_at_even_degrees_of_freedom(lam, df):
    size = np.array(lam)
    square = optimize.brentq(lambda y: survival(df, size, y) - 0.5, 1e-6, 1e4, xtol=1e-15)
    want = np.sqrt(2 * theory.upsilon(BRANCHES, N) * square)
    np.testing.assert_allclose(median(ts.Spectrum(lam), df), want, rtol=1e-8)


def test_features_of_any_size():
    unit, large = (median(ts.Spectrum(tuple(np.array(WITH_ZEROS) * s)), 3.0) for s in (1, 1e20))
    np.testing.assert_allclose(large, 1e10 * unit, rtol=1e-12)


def test_only_where_the_pair_shares_one_scale():
    heavy = ts.TokenModel(BRANCHES, ts.Isotropic(4), ts.StudentT(1.5))
    gaussian = ts.TokenModel(BRANCHES, ts.Isotropic(4))
    by_token = ts.TokenModel(BRANCHES, ts.Isotropic(4), ts.StudentT(1.5, "token"))
    for other in (gaussian, by_token, gaussian + gaussian):
        with pytest.raises(NoExactResult, match="no exact median"):
            theory.median_divergence(other, 4)
    assert theory.median_divergence(heavy, 4).shape == ()
