"""Standard errors of scores: chi^2, and intervals that take them as given or widen."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.curves import Curve, fit_curves

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])


def with_errors(true, runs=2000, seed=3):
    """Power-law fits of scores whose noise is `true` times their standard errors."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0.04, 0.01, 10)
    logs = np.log(20) + 0.2 * np.log(N) + true * share * rng.standard_normal((runs, 10))
    curves = [Curve(str(k), N, np.exp(y), error=np.exp(y) * share) for k, y in enumerate(logs)]
    return [f.best for _, f in fit_curves(curves, "power")]


@pytest.mark.parametrize(("true", "low", "high"), [(1.0, 0.95, 0.956), (4.0, 0.93, 0.95)])
def test_intervals_by_standard_errors_cover(true, low, high):
    """95 % where the errors are true, a little more as 5 % count as doubtful; and where they are
    four times too small, as the scatter counts then: without it there would be 38 %."""
    fits = with_errors(true)
    ends = np.array([f.intervals["alpha"] for f in fits])
    covered = np.mean((ends[:, 0] < -0.2) & (ends[:, 1] > -0.2))
    error = np.sqrt(0.95 * 0.05 / len(fits))
    assert low - 3 * error < covered < high + 3 * error
    doubtful = np.mean([not f.by_errors for f in fits])
    if true == 1:
        assert abs(doubtful - 0.05) < 3 * error
        width = np.median(ends[:, 1] - ends[:, 0])  # of known noise, in closed form
        x, w = np.log(N), np.linspace(0.04, 0.01, 10) ** -2.0
        spread = np.sum(w * (x - np.average(x, weights=w)) ** 2)
        assert width == pytest.approx(2 * 1.959964 / np.sqrt(spread), rel=1e-6)
    else:
        assert doubtful > 0.99


def test_chi_squared_by_hand():
    """Errors of 1 % about a line that they lie 1 % off in turn, and of a tenth of that."""
    x = np.arange(1.0, 7)
    y = 2 + 0.3 * x + 0.01 * np.array([1, -1, 1, 1, -1, 1])
    off = y - np.polyval(np.polyfit(x, y, 1), x)
    for share in (0.01, 0.001):
        fit = ts.fit_scaling(np.exp(x), np.exp(y), "power", error=share * np.exp(y)).best
        assert fit.chi_squared == pytest.approx(np.sum(off**2) / share**2, rel=1e-9)
        assert fit.p_value == pytest.approx(stats.chi2.sf(fit.chi_squared, 4), rel=1e-6)
        assert fit.by_errors is (share == 0.01)
    plain = ts.fit_scaling(np.exp(x), np.exp(y), "power").best
    assert fit.intervals["alpha"] == pytest.approx(plain.intervals["alpha"], rel=1e-9)
    assert np.isnan(plain.p_value) and not plain.by_errors
    huber = ts.fit_scaling(np.exp(x), np.exp(y), "power", error=0.01 * np.exp(y), loss="huber")
    assert np.isnan(huber.best.chi_squared) and not huber.best.by_errors
