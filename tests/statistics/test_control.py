"""E[D] by the control variate: unbiased, as accurate as it says, and not used where it is not."""

import numpy as np
import pytest
from derivatives import propagated

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments.experiment import Experiment
from tokenspace.statistics.control import LEAST, Control, chosen_estimator, control
from tokenspace.statistics.estimate import Moments

GRID = [1, 4, 16]
RUNS = 1500


def model(law, d=16):
    return ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(d), law)


def divergences(law, rows, seed=5):
    from tokenspace.experiments.draw import draw

    chunks = draw(Experiment(model(law), GRID, rows, seed))
    return np.concatenate([c.samples["divergence"] for c in chunks]).astype(float)


def moments(d):
    """Of one experiment (R, m)."""
    joint = np.hstack([d, d**2])
    return Moments(joint.mean(0), np.cov(joint.T) / len(d), len(d))


@pytest.fixture(scope="module")
def gaussian():
    """Experiments of 512 replicates of tokens whose E[D] is exact."""
    law = ts.Gaussian()
    exact = ts.theory.second_moment(model(law), GRID)
    runs = divergences(law, LEAST * RUNS).reshape(RUNS, LEAST, len(GRID))
    return [control(moments(d), exact) for d in runs]


def shares(found, truth, scale=1.0):
    """In how many experiments the interval has the truth inside, errors so many times as large."""
    inside = []
    for c in found:
        by = c.divergence
        low, high = Moments(by.mean, by.covariance * scale**2, by.count).interval()
        inside.append((low <= truth) & (truth <= high))
    return np.mean(inside, axis=0)


def good(share):
    return np.all((share >= 0.925) & (share <= 0.97))


def test_intervals_hold_the_exact_mean(gaussian):
    """Just below 95 % from 512 replicates; an error 1.5 times as large or as small is seen."""
    truth = ts.theory.expected_divergence(model(ts.Gaussian()), GRID)
    assert good(shares(gaussian, truth))
    assert not good(shares(gaussian, truth, 1.5)) and not good(shares(gaussian, truth, 1 / 1.5))


def test_no_bias_and_the_gain_of_many_features(gaussian):
    truth = ts.theory.expected_divergence(model(ts.Gaussian()), GRID)
    means = np.array([c.divergence.mean for c in gaussian])
    z = (means.mean(0) - truth) / means.std(0) * np.sqrt(RUNS)
    assert np.all(abs(z) < 4)
    gain = np.median([c.gain for c in gaussian], axis=0)
    np.testing.assert_allclose(gain, 4 * 16, rtol=0.15)  # 4 d_eff
    said = np.mean([c.divergence.standard_error for c in gaussian], axis=0)
    np.testing.assert_allclose(said, means.std(0), rtol=0.08)  # 4 standard errors of a spread


@pytest.mark.once
def test_unit_norm_is_held_to_a_huge_run():
    law = ts.UnitNorm()
    exact = ts.theory.second_moment(model(law), GRID)
    truth = divergences(law, 100_000, 6).mean(0)
    runs = divergences(law, LEAST * 400).reshape(400, LEAST, len(GRID))
    found = [control(moments(d), exact) for d in runs]
    means = np.array([c.divergence.mean for c in found])
    error = np.sqrt(runs.var(axis=(0, 1)) / 100_000 + means.var(0) / 400)
    assert np.all(abs(means.mean(0) - truth) < 4 * error)
    good_runs = shares(found, means.mean(0))
    assert np.all((good_runs > 0.90) & (good_runs < 0.98))


def test_covariance_is_that_of_the_variance_of_d():
    d = divergences(ts.Gaussian(), 600)
    joint = moments(d)
    exact = ts.theory.second_moment(model(ts.Gaussian()), GRID)
    found = control(joint, exact)
    np.testing.assert_allclose(found.divergence.mean**2, exact - d.var(0, ddof=1), rtol=1e-9)

    def estimate(means):
        variance = (means[3:] - means[:3] ** 2) * 600 / 599
        return np.sqrt(exact - variance)

    want = propagated(estimate, joint.mean, joint.covariance)
    np.testing.assert_allclose(found.divergence.covariance, want, rtol=1e-5)
    assert found.divergence.degrees_of_freedom == 599


def test_where_it_is_not_used():
    exact = ts.theory.second_moment(model(ts.Gaussian()), GRID)
    d = divergences(ts.Gaussian(), LEAST)
    assert control(moments(d), exact) is not None
    assert control(moments(d[:-1]), exact) is None
    assert control(moments(d), exact * 1e-3) is None  # E[D^2] below the variance of D
    d[:, 1] = 2.0
    assert control(moments(d), exact) is None
    assert chosen_estimator("auto", model(ts.Gaussian())) == "mean"
    assert chosen_estimator("auto", model(ts.UnitNorm())) == "control"
    assert chosen_estimator("auto", model(ts.StudentT(16.0, "token"))) == "mean"
    with pytest.raises(InputError, match="needs 16 moments of D"):
        chosen_estimator("control", model(ts.StudentT(16.0, "token")))


def test_in_words():
    mean, covariance = np.array([2.0, 4.0, 8.0]), np.diag([1e-6, 9e-6, 4e-6])
    found = Control(Moments(mean, covariance, 600), np.array([7.0, 20.0, 50.0]))
    assert repr(found) == (
        "E[D] by the control variate E[D^2], 7 to 50 times less variance: "
        "2 ± 0.001 at the first n, 8 ± 0.002 at the last"
    )
    with pytest.raises(InputError, match=r"'best' is not allowed; .* 'auto', 'mean', 'control'"):
        chosen_estimator("best", model(ts.Gaussian()))
    assert chosen_estimator("mean", model(ts.UnitNorm())) == "mean"
    assert chosen_estimator("control", model(ts.Gaussian())) == "control"
    assert chosen_estimator("auto", model(ts.StudentT(16.5, "token"))) == "control"


def test_gain_is_the_variance_of_the_plain_mean_over_its_own():
    joint = moments(divergences(ts.Gaussian(), 600))
    found = control(joint, ts.theory.second_moment(model(ts.Gaussian()), GRID))
    plain = np.diag(joint.covariance)[: len(GRID)]
    np.testing.assert_allclose(found.gain, plain / found.divergence.standard_error**2, rtol=1e-9)
