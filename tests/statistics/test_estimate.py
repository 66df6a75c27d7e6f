"""Intervals are Student's t with the degrees of freedom of their errors."""

import dataclasses

import numpy as np
import pytest
from derivatives import propagated
from scipy import stats

import tokenspace as ts
from tokenspace.statistics.estimate import Estimate, FittedNumber, Moments, t_quantile
from tokenspace.statistics.exponent import local_exponent, secant_exponent

N = np.array([1, 2, 5, 12])
MEAN = np.array([1.0, 1.7, 3.1, 6.0])
ROOT = np.random.default_rng(0).standard_normal((4, 4)) * 0.05
COVARIANCE = ROOT @ ROOT.T


@pytest.mark.parametrize("count", [2, 3, 5, 100])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_are_students(count, level):
    low, high = Estimate(np.array(2.0), np.array(0.3), count).interval(level)
    np.testing.assert_allclose((low, high), stats.t.interval(level, count - 1, 2.0, 0.3), rtol=1e-9)
    low, high = Moments(MEAN, COVARIANCE, count).interval(level)
    relative = np.sqrt(np.diag(COVARIANCE)) / MEAN
    want = stats.t.interval(level, count - 1, np.log(MEAN), relative)
    np.testing.assert_allclose(np.log([low, high]), want, rtol=1e-9)
    exponent = local_exponent(N, Moments(MEAN, COVARIANCE, count))
    want = stats.t.interval(level, count - 1, exponent.mean, exponent.standard_error)
    np.testing.assert_allclose(exponent.interval(level), want, rtol=1e-9)


def test_degrees_of_freedom_that_are_given_are_kept():
    moments = Moments(MEAN, COVARIANCE, 45, 9.0)
    for kept in (
        moments,
        moments.estimate,
        moments.select(slice(1, 3)),
        local_exponent(N, moments),
    ):
        assert kept.degrees_of_freedom == 9 and kept.count == 45
    np.testing.assert_array_equal(moments.select(slice(1, 3)).covariance, COVARIANCE[1:3, 1:3])


def test_one_replicate_bounds_nothing():
    assert np.isnan(t_quantile(0.975, 0))
    assert np.isnan(Moments(MEAN, np.full((4, 4), np.nan), 1).interval()).all()


@pytest.mark.parametrize("beta", [1.0, -0.4])
def test_exponents_have_the_errors_of_their_derivatives(beta):
    """Covariances against finite differences, at amplitudes far from 1."""
    moments = Moments(MEAN, COVARIANCE, 10)
    found = local_exponent(N, moments)
    want = propagated(lambda a: np.diff(np.log(a)) / np.diff(np.log(N)), MEAN, COVARIANCE)
    np.testing.assert_allclose(found.covariance, want, rtol=1e-6)
    found = secant_exponent(N, moments, beta)
    want = propagated(lambda a: -beta * np.log(a[1:] / a[0]) / np.log(N[1:]), MEAN, COVARIANCE)
    np.testing.assert_allclose(found.covariance, want, rtol=1e-6)


@pytest.mark.once
def test_rms_has_the_error_of_a_root():
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(6), ts.UnitNorm())
    result = ts.simulate(model, [1, 3, 8], 50)
    name, rms = result.amplitude()
    square = result.mean_square
    assert name == "rms D"
    np.testing.assert_allclose(rms.mean, np.sqrt(square.mean), rtol=1e-12)
    want = propagated(np.sqrt, square.mean, square.covariance)
    np.testing.assert_allclose(rms.covariance, want, rtol=1e-6)


def test_in_words():
    estimate = Estimate(np.array(2.25), np.array(0.125), 7)
    assert repr(estimate) == "2.25 ± 0.12 (n = 7)"
    assert repr(dataclasses.replace(estimate, standard_error=np.array(np.nan))) == (
        "2.25, its error unknown (n = 7)"
    )
    assert repr(Estimate(MEAN, MEAN, 7)) == "Estimate(shape=(4,), count=7)"


def test_means_that_are_not_positive_have_plain_intervals():
    """D = 0 has no logarithm; its neighbours have theirs."""
    moments = Moments(np.array([0.0, 2.0, -1.0]), np.diag([0.04, 0.04, 0.04]), 10)
    low, high = moments.interval()
    reach = stats.t.ppf(0.975, 9) * 0.2
    np.testing.assert_allclose([low[0], high[0]], [-reach, reach])
    np.testing.assert_allclose([low[2], high[2]], [-1 - reach, -1 + reach])
    np.testing.assert_allclose(np.log([low[1], high[1]]) - np.log(2), [-reach / 2, reach / 2])


@pytest.mark.filterwarnings("error")
def test_so_little_may_be_known_that_there_is_no_upper_bound():
    low, high = Moments(np.array([1.0]), np.array([[1e6]]), 3).interval()
    assert low == 0 and high == np.inf


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.1, np.nan, "95%"])
def test_levels_that_cannot_be(level):
    with pytest.raises(ts.TokenspaceError, match=r"level = .* between 0 and 1"):
        Estimate(np.array(2.0), np.array(0.3), 5).interval(level)


def test_estimates_are_values():
    fitted = FittedNumber(1.0, 0.1, (0.8, 1.2), 0.95, 0.0, 5, 4.0)
    for value in (Estimate(MEAN, MEAN, 7), Moments(MEAN, COVARIANCE, 7), fitted):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.mean = 0
