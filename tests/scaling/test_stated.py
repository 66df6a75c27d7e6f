"""One rule of noise by standard errors for every interval of a new score."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.ahead import ahead
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import rolling_origins, stack
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.plan import smallest
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import on_grid
from tokenspace.scaling.scales import Log
from tokenspace.scaling.spline import Spline
from tokenspace.scaling.stated import noise_of_law, variance_of, weight_ahead
from tokenspace.scaling.validation import leave_one_out

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])
LAWS = "power,saturating"
AT = [100, 640, 2000]


OFF = np.array([1, -2, 1, 2, -1, -1, 1, -1, 1, -1]) / np.sqrt(1.6)  # no law follows it


def scores(size):
    """A power law with noise of `size`."""
    return 30 * N**0.08 * np.exp(size * OFF)


def test_noise_of_a_law_by_its_chi_squared():
    """The median of chi^2 is where they are doubted; without errors, or points, nothing is told."""
    median = stats.chi2.median(4)
    found = noise_of_law(
        np.array([4.0, 4, 4, np.nan]),
        np.array([0.999 * median, 1.001 * median, 1, np.nan]),
        np.array([4, 4, np.nan, 4]),
    )
    np.testing.assert_array_equal(found, [4, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(variance_of(2, [1.0, 2], "squares"), [1, 2])
    assert np.isnan([*variance_of(2, [1.0, 2], "huber"), *variance_of(2, None, "squares")]).all()


def test_weight_of_a_new_score_lies_between_those_beside_it():
    """Weights 1 and 4 by log n, of two scores at one n their geometric mean; the ends go on."""
    x, weight = np.log([2.0, 2, 8]), np.array([0.5, 2, 4])
    ahead = np.log([1.0, 2, 4, 8, 100])
    found = weight_ahead(x, weight, ahead, "squares")
    np.testing.assert_allclose(found, [1, 1, 2, 4, 4])
    np.testing.assert_array_equal(weight_ahead(x, weight, ahead, "huber"), np.ones(5))


@pytest.mark.parametrize("law", ["power", "saturating"])
@pytest.mark.parametrize(("size", "loss"), [(0.3, "squares"), (3, "squares"), (0.3, "huber")])
def test_two_ways_to_one_interval(law, size, loss):
    """Errors taken as given, doubted, and as weights alone; they differ by n."""
    score = scores(0.02 * size)
    options = {"error": np.geomspace(0.04, 0.01, 10) * score, "loss": loss, "level": 0.9}
    line = ts.fit_scaling(N, score, law, **options).best
    assert line.by_errors is (size < 1 and loss == "squares")
    found = ts.forecast_at(N, score, AT, law, **options)
    np.testing.assert_allclose(
        found[["low", "high"]].to_numpy().T, line.predict_interval(AT), rtol=1e-6
    )


def test_held_out_scores_have_their_own_errors():
    """By hand, of the power law: variance v (1 / w + h), v as stated and w of the score itself."""
    score = scores(0.01)
    error = np.geomspace(0.02, 0.06, 10) * score
    table = ts.forecast(N, score, 2, "power", error=error).set_index("law").loc["power"]
    x, sd = np.log(N), np.geomspace(0.02, 0.06, 10)
    design = np.stack([np.ones(8), x[:8]], axis=1)
    inverse = np.linalg.inv(design.T @ (design / sd[:8, None] ** 2))
    centre = np.stack([np.ones(2), x[8:]]).T
    best = inverse @ design.T @ (np.log(score[:8]) / sd[:8] ** 2)
    half = 1.959964 * np.sqrt(sd[8:] ** 2 + np.einsum("ki,ij,kj->k", centre, inverse, centre))
    np.testing.assert_allclose(np.log(table["high"]), centre @ best + half, rtol=1e-6)
    np.testing.assert_allclose(np.log(table["low"]), centre @ best - half, rtol=1e-6)


@pytest.mark.parametrize("size", [0.5, 1.1, 30])
def test_laws_are_mixed_as_they_are_and_weighed_by_one_noise(size):
    """As stated, as Birge's ratio widens it, and the scatter where chi^2 refuses every law."""
    score = scores(0.02 * size)
    error = 0.02 * score
    fits = ts.fit_scaling(N, score, LAWS, error=error)
    noise, stated = fits.best.noise, fits.best.stated
    assert np.isfinite(noise) == (size < 30)
    assert size != 1.1 or noise > 1.05 * stated
    laws = {k: known_laws()[k] for k in LAWS.split(",")}
    points = Points(np.log(N)[None], np.log(score)[None], np.ones((1, 10)))
    judged = replace(points, noise=np.array([noise]))
    left = [leave_one_out(law, judged, judged.weight) for law in laws.values()]
    share = stack(np.stack(left, axis=-1))[0]
    found = ts.forecast_at(N, score, AT, LAWS, error=error, scale=Log(0.0))
    for end, p in (("low", 0.025), ("forecast", 0.5), ("high", 0.975)):
        below = 0.0
        for w, (name, law) in zip(share, laws.items(), strict=True):
            own = stated if fits.fits[name].by_errors else np.nan
            told = on_grid(law, replace(points, noise=np.array([own]))).predict(np.log([AT]))
            below = below + w * told.cdf(np.log(found[end].to_numpy()[None]))
        np.testing.assert_allclose(below, p, rtol=1e-6)


def test_errors_of_curves_in_a_batch_are_their_own():
    """One with errors, one without: each as it is alone."""
    method = chosen_method(LAWS, 0.95)
    logs = [(np.log(N), np.log(scores(0.01 * k)), np.ones(10)) for k in (1, 2)]
    both = rolling_origins(logs, method, 2, stated=[0.02**2, np.nan])
    for k, stated in enumerate(([0.02**2], None)):
        alone = rolling_origins(logs[k : k + 1], method, 2, stated=stated)
        here = both[both["curve"] == k].reset_index(drop=True)
        np.testing.assert_allclose(here["high"], alone["high"], rtol=1e-9)
    bare = rolling_origins(logs, replace(method, loss="huber"), 2, stated=[0.02**2, np.nan])
    want = rolling_origins(logs, replace(method, loss="huber"), 2)
    np.testing.assert_array_equal(bare["high"], want["high"])


def test_scores_at_one_n_weigh_laws_by_their_mean():
    """Five scores at the last n, padded beside a curve of one: by hand, each n counted once."""
    n = np.concatenate([N, np.full(4, 768.0)])
    y = np.log(scores(0.02))
    y = np.concatenate([y, y[-1] + [0.03, -0.01, 0.05, 0.02]])
    logs = [(np.log(n), y, np.ones(14)), (np.log(N), y[:10], np.ones(10))]
    method = chosen_method(LAWS, 0.95, Log(0.0))
    found = ahead(logs, np.array([640.0]), method).set_index("curve")["forecast"]
    for curve, (x, own, weight) in enumerate(logs):
        points = Points(x[None], own[None], weight[None])
        left = [leave_one_out(law, points, points.weight)[0] for law in method.laws.values()]
        by_count = [[row[x == k].mean() for k in np.unique(x)] for row in left]
        share = stack(np.transpose(by_count)[None])[0]
        at = np.log([[found[curve]]])
        grids = [on_grid(law, points).predict(np.log([[640.0]])) for law in method.laws.values()]
        below = sum(w * g.cdf(at)[0, 0] for w, g in zip(share, grids, strict=True))
        assert below == pytest.approx(0.5, abs=1e-6), curve


def test_the_spline_of_a_plan_is_drawn_by_the_noise_that_is_stated():
    """Quantiles of more draws, by other random numbers: each end is one of 1,200."""
    y = np.log(scores(0.002))
    plan = ts.plan_tokens(N, np.exp(y), error=0.004 * np.exp(y))
    x = np.log(N)
    u = np.union1d(np.linspace(0, 1, 33), own := (x - x[0]) / (x[-1] - x[0]))
    curves = Spline(own, np.ones(10)).draws(y[None], u, 10_000, 1, np.array([0.004**2]))[0]
    found = smallest(x[0] + (x[-1] - x[0]) * u, curves, 0.95)
    want = np.diff(np.log(np.quantile(found, [0.025, 0.5, 0.975])))
    middle, low, high = np.log(plan.by_law["spline"])
    of_quantile = np.sqrt(0.025 * 0.975 / 1200) / stats.norm.pdf(1.96) / 1.96
    np.testing.assert_allclose([middle - low, high - middle], want, rtol=4 * of_quantile)


@pytest.mark.parametrize("far", [1e-31, 1e31, 1e300])
def test_errors_that_no_score_has_are_refused(far):
    error = np.full(10, 0.5)
    error[3] = far * scores(0.02)[3]
    with pytest.raises(
        ts.TokenspaceError, match=r"error\[3\] = .* is not allowed beside score\[3\]"
    ):
        ts.fit_scaling(N, scores(0.02), error=error)
