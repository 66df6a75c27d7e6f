"""lambda: least squares in logarithms, with the errors of D and Upsilon together."""

import dataclasses

import numpy as np
import pytest
from derivatives import propagated
from scipy import stats

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Moments
from tokenspace.statistics.scale import Scale, fit_scale, stands_for

UPSILON = np.array([0.8, 2.0, 9.0])
D = 1.3 * np.sqrt(UPSILON) * [0.99, 1.0, 1.02]
ROOT = np.random.default_rng(3).standard_normal((6, 6)) * 0.02
JOINT = Moments(np.concatenate([D, UPSILON]), ROOT @ ROOT.T, 12)


def log_lambda(means):
    return np.mean(np.log(means[:3] / np.sqrt(means[3:])))


def test_value_and_error():
    found = fit_scale(JOINT)
    assert found.mean == pytest.approx(np.exp(log_lambda(JOINT.mean)), rel=1e-12)
    error = np.sqrt(propagated(log_lambda, JOINT.mean, JOINT.covariance)[0, 0])
    assert found.standard_error / found.mean == pytest.approx(error, rel=1e-6)
    want = np.exp(stats.t.interval(0.95, 11, np.log(found.mean), error))
    np.testing.assert_allclose(found.interval, want, rtol=1e-6)
    off = max(abs(D / (found.mean * np.sqrt(UPSILON)) - 1))
    assert found.lack_of_fit == pytest.approx(off, rel=1e-9)


def test_degrees_of_freedom_are_those_of_the_errors():
    found = fit_scale(Moments(JOINT.mean, JOINT.covariance, 45, 9.0), 0.5)
    reach = np.log(found.interval[1] / found.mean)
    want = stats.t.ppf(0.75, 9) * found.standard_error / found.mean
    assert reach == pytest.approx(want, rel=1e-6) and found.count == 45


def test_in_words():
    scale = Scale(1.25, 0.125, (1.0, 1.5), 0.95, 0.034, 10, 9.0)
    assert repr(scale) == (
        "lambda = 1.25 ± 0.12 (95 % interval 1.00 to 1.50; E[D] off lambda sqrt(Upsilon) by at most 3.4 %)"
    )
    unknown = dataclasses.replace(scale, standard_error=np.nan)
    assert repr(unknown).startswith("lambda = 1.25 (its error is unknown")


def test_plain_is_least_squares_at_every_n():
    """As the paper fits: lambda of numpy's least squares, where the grid has every n."""
    rng = np.random.default_rng(3)
    n = np.arange(1, 30)
    upsilon = n * (n + 5.0)
    d = 1.3 * np.sqrt(upsilon) * np.exp(0.1 * rng.standard_normal(29))
    root = np.sqrt(upsilon)
    joint = Moments(np.concatenate([d, upsilon]), np.eye(58) * 1e-4, 10)
    found = fit_scale(joint, n=n, by="plain")
    assert found.mean == pytest.approx(np.linalg.lstsq(root[:, None], d)[0][0], rel=1e-12)

    def at(mean):
        half = len(n)
        return (mean[:half] @ np.sqrt(mean[half:])) / mean[half:].sum()

    step = 1e-6
    slope = [
        (at(joint.mean + step * e) - at(joint.mean - step * e)) / (2 * step) for e in np.eye(58)
    ]
    assert found.standard_error == pytest.approx(1e-2 * np.linalg.norm(slope), rel=1e-6)


def test_plain_on_a_grid_stands_for_every_n():
    n = np.array([1, 2, 5, 11])
    np.testing.assert_allclose(stands_for(n), [1, 2, 4.5, 3.5])
    np.testing.assert_allclose(stands_for(np.arange(1, 9)), 1)
    assert stands_for(n).sum() == 11
    law = Moments(np.concatenate([2.0 * n, n.astype(float) ** 2]), np.eye(8) * 1e-6, 10)
    assert fit_scale(law, n=n, by="plain").mean == pytest.approx(2)
    with pytest.raises(InputError, match="by = 'square' is not allowed; it must be 'log' or"):
        fit_scale(law, n=n, by="square")
