"""Standard errors of scores: chi^2, and intervals that take them as given or widen."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.curves import Curve, fit_curves

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])


def with_errors(points, true, runs=2000, seed=3):
    """Power-law fits of scores whose noise is `true` times their standard errors."""
    rng = np.random.default_rng(seed)
    n, share = N[:points], np.linspace(0.04, 0.01, points)
    logs = np.log(20) + 0.2 * np.log(n) + true * share * rng.standard_normal((runs, points))
    curves = [Curve(str(k), n, np.exp(y), error=np.exp(y) * share) for k, y in enumerate(logs)]
    return n, share, [f.best for _, f in fit_curves(curves, "power")]


@pytest.mark.parametrize(
    ("points", "true", "low", "high"),
    [
        (10, 1.0, 0.96, 0.98),
        (10, 4.0, 0.95, 0.95),
        (5, 1.0, 0.96, 0.98),
        (5, 1.5, 0.95, 0.96),
        (5, 2.0, 0.95, 0.96),
        (3, 2.0, 0.91, 0.92),
    ],
)
def test_intervals_by_standard_errors_cover(points, true, low, high):
    """More than 95 % where the errors are true, as half of the curves are judged by their scatter,
    and 95 % where they are too small, as nearly all are then."""
    n, share, fits = with_errors(points, true)
    ends = np.array([f.intervals["alpha"] for f in fits])
    covered = np.mean((ends[:, 0] < -0.2) & (ends[:, 1] > -0.2))
    error = np.sqrt(0.95 * 0.05 / len(fits))
    assert low - 3 * error < covered < high + 3 * error
    by_errors = np.array([f.by_errors for f in fits])
    if true == 1:
        assert abs(by_errors.mean() - 0.5) < 3 * np.sqrt(0.25 / len(fits))
        x, w = np.log(n), share**-2.0  # of known noise, in closed form
        spread = np.sum(w * (x - np.average(x, weights=w)) ** 2)
        width = (ends[:, 1] - ends[:, 0])[by_errors]
        assert width == pytest.approx(2 * 1.959964 / np.sqrt(spread), rel=1e-6)
    elif true == 4:
        assert by_errors.mean() < 0.01


def test_flat_is_what_the_printed_interval_says():
    """A slope of 2.5 of its stated standard errors, 3.5 of those of the scatter: the first is sure
    by the normal law, the second is not by Student's t with 2 degrees of freedom."""
    x = np.log([1.0, 10, 100, 1000])
    slope = 2.5 * 0.01 / np.sqrt(np.sum((x - x.mean()) ** 2))
    score = np.exp(3 + slope * x + 0.005 * np.array([1, -1, -1, 1]))
    for share, flat in ((None, True), (0.01, False), (0.02, True)):
        fit = ts.fit_scaling(np.exp(x), score, error=None if share is None else share * score)
        low, high = fit.fits["power"].intervals["alpha"]
        assert fit.flat is (low <= 0 <= high) is flat, share


def test_chi_squared_by_hand():
    """Scores that lie 1 % off a line in turn, of errors of 1.5 % and of a tenth of that."""
    x = np.arange(1.0, 7)
    y = 2 + 0.3 * x + 0.01 * np.array([1, -1, 1, 1, -1, 1])
    off = y - np.polyval(np.polyfit(x, y, 1), x)
    for share in (0.015, 0.0015):
        fit = ts.fit_scaling(np.exp(x), np.exp(y), "power", error=share * np.exp(y)).best
        assert fit.chi_squared == pytest.approx(np.sum(off**2) / share**2, rel=1e-9)
        assert fit.p_value == pytest.approx(stats.chi2.sf(fit.chi_squared, 4), rel=1e-6)
        assert fit.by_errors is (share == 0.015)
    plain = ts.fit_scaling(np.exp(x), np.exp(y), "power").best
    assert fit.intervals["alpha"] == pytest.approx(plain.intervals["alpha"], rel=1e-9)
    assert np.isnan(plain.p_value) and not plain.by_errors
    huber = ts.fit_scaling(np.exp(x), np.exp(y), "power", error=0.01 * np.exp(y), loss="huber")
    assert np.isnan(huber.best.chi_squared) and not huber.best.by_errors
