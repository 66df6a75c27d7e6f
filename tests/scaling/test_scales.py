"""Scales of scores, their errors, and losses."""

import numpy as np
import pytest
from scipy.special import erf

import tokenspace as ts
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.points import Points, grouped
from tokenspace.scaling.robust import BEND, deviance, of_normal, reweighted, robust
from tokenspace.scaling.scales import Log, Logit, error_of_share

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])
WAVE = np.array([1, -2, 1, 2, -1, -1, 2, -2, 1, -1])

KAPPA, TOLD = of_normal(BEND)


@pytest.mark.parametrize("scale", [Log(), Logit(100, 25), Logit(1.0)])
def test_scales_return_and_slope(scale):
    score = np.array([0.3, 0.5, 0.99]) * (1 if scale == Logit(1.0) else 100)
    np.testing.assert_allclose(scale.backward(scale.forward(score)), score, rtol=1e-12)
    step = 1e-6
    slope = (scale.forward(score * np.exp(step)) - scale.forward(score * np.exp(-step))) / 2 / step
    np.testing.assert_allclose(scale.slope(score), slope, rtol=1e-5)


def test_odds_follow_the_law():
    odds = 0.3 * N**0.4
    score = 25 + 75 * odds / (1 + odds)
    fit = ts.fit_scaling(N, score, "power", scale=Logit(100, 25)).best
    assert fit.parameters == pytest.approx({"c": 0.3, "alpha": -0.4}, rel=1e-6)
    np.testing.assert_allclose(fit.predict(N), score, rtol=1e-9)
    low, high = fit.predict_interval([4000.0])
    assert 25 < low < high < 100


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Logit(100, 100), "0 <= chance < top"),
        (lambda: ts.fit_scaling(N, N, scale=Logit(100)), r"score\[5\] = 128.0 .* top = 100"),
        (lambda: ts.fit_scaling(N, N, scale=Logit(1000, 4)), r"score\[0\] = 1.0 .* chance = 4"),
        (lambda: ts.fit_scaling(N, N, error=N[:9]), "n has 10 values but error has 9"),
        (lambda: ts.fit_scaling(N, N, error=0 * N), "every standard error must be"),
        (lambda: ts.fit_scaling(N, N, loss="cubes"), "one of squares, huber"),
        (lambda: error_of_share([1200.0], [100]), "1200 is no percentage"),
        (lambda: error_of_share([50.0], [0]), "at least 1"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        make()


def test_error_of_a_percentage():
    np.testing.assert_allclose(error_of_share([50, 20], [100, 400]), [5, 2])
    np.testing.assert_allclose(error_of_share([0.5], [100]), [0.05])
    assert error_of_share([100.0], [50])[0] == pytest.approx(100 * np.sqrt(0.01 * 0.99 / 50))


def test_errors_weigh_points_as_least_squares_does():
    score = 5 * N**0.2 * np.exp(0.05 * WAVE)
    error = score * np.linspace(0.01, 0.1, 10)
    x, y, weight = np.log(N), np.log(score), 1 / np.linspace(0.01, 0.1, 10)
    slope, level = np.polyfit(x, y, 1, w=weight)
    fit = ts.fit_scaling(N, score, "power", error=error).best
    assert fit.parameters == pytest.approx({"c": np.exp(level), "alpha": -slope}, rel=1e-6)
    assert fit.weight.mean() == pytest.approx(1)


def test_hubers_weights_are_at_their_fixed_point():
    score = 5 * N**0.2 * np.exp(0.02 * WAVE)
    score[7] *= 0.6
    ((_, points),) = grouped([(np.log(N), np.log(score), np.ones(10))])
    law = known_laws()["power"]
    weight = reweighted(law, points).weight[0, :10]
    slope, level = np.polyfit(np.log(N), np.log(score), 1, w=np.sqrt(weight))
    off = np.log(score) - level - slope * np.log(N)
    scale = np.sqrt(np.sum(weight * off**2) / 10)
    np.testing.assert_allclose(weight, np.minimum(1, BEND * scale / abs(off)), rtol=2e-3)
    assert weight[7] < 0.3 and np.sum(weight < 1) <= 3
    steeper = ts.fit_scaling(N, score, "power", loss="huber").best.parameters["alpha"]
    clean = -0.2
    plain = ts.fit_scaling(N, score, "power").best.parameters["alpha"]
    assert abs(steeper - clean) < abs(plain - clean)


def test_hubers_weights_are_those_of_a_curve_alone():
    """Beside curves that need more rounds, one of them of more points."""
    rng = np.random.default_rng(3)
    log_scores = 0.2 * np.log(N) + 0.05 * rng.standard_t(2, (6, 10))
    law = known_laws()["power"]
    logs = [(np.log(N[k % 2 :]), y[k % 2 :], np.ones(10 - k % 2)) for k, y in enumerate(log_scores)]
    for which, points in grouped(logs):
        together = reweighted(law, points).weight
        for k, weight in zip(which, together, strict=True):
            ((_, own),) = grouped([logs[k]])
            count = len(logs[k][0])
            np.testing.assert_allclose(weight[:count], reweighted(law, own).weight[0, :count], 1e-9)


def test_hubers_scale_of_normal_noise_is_small():
    """0.87 of it, the k at which E[min(z^2, BEND k |z|)] = k^2, within four standard errors."""
    k = 0.87
    for _ in range(50):
        a, density = BEND * k, np.exp(-((BEND * k) ** 2) / 2) / np.sqrt(2 * np.pi)
        k = np.sqrt(erf(a / np.sqrt(2)) - 2 * a * density + a * 2 * density)
    assert k == pytest.approx(0.871, abs=5e-4)
    x = np.linspace(0, 6, 4000)
    y = 0.2 * x + 0.05 * np.random.default_rng(1).standard_normal(4000)
    ((_, points),) = grouped([(x, y, np.ones(4000))])
    law = known_laws()["power"]
    weight = reweighted(law, points).weight[0, :4000]
    off = y - np.polyval(np.polyfit(x, y, 1, w=np.sqrt(weight)), x)
    scale = np.sqrt(np.mean(weight * off**2))
    assert scale == pytest.approx(k * 0.05, rel=4 / np.sqrt(2 * 4000))
    assert pytest.approx(k, abs=1e-6) == KAPPA


def test_hubers_scale_is_known_by_fewer_degrees_of_freedom():
    """log s^2 of 40 normal values varies by 2 / (TOLD 39), within four errors of 4,000 runs."""
    runs, m = 4000, 40
    y = np.random.default_rng(2).standard_normal((runs, m))
    points = Points(np.tile(np.arange(m, dtype=float), (runs, 1)), y, np.ones((runs, m)))
    scale = np.ones(runs)
    for _ in range(60):
        w = np.minimum(1, BEND * scale[:, None] / abs(y))
        scale = np.sqrt((w * y**2).mean(axis=1))
    assert np.var(np.log(scale**2)) == pytest.approx(
        2 / (TOLD * m), rel=4 * np.sqrt(2 / runs) + 2 / m
    )
    told = robust(points)
    assert (told.spread, told.told) == (KAPPA**-2, TOLD) and 0.85 < TOLD < 0.9
    assert (points.spread, points.told) == (1, 1)


def test_deviance_is_that_of_squares_where_no_point_is_far():
    off = np.array([[0.1, -0.1, 0.1, -0.1, 9.0]])
    weight = np.array([[1.0, 1, 1, 1, 0]])
    assert deviance(off, np.array([0.1]), weight)[0] == pytest.approx(4 * np.log(0.01))
    far = deviance(np.array([[0.3]]), np.array([0.1]), np.ones((1, 1)))[0]
    assert far == pytest.approx(2 * np.log(0.1) + 2 * BEND * 3 - BEND**2 - 1)


def read(tmp_path, text):
    path = tmp_path / "c.csv"
    path.write_text(text)
    return read_curves(path)


def test_columns_beside_a_score(tmp_path):
    text = (
        "model,n,score,questions,confound,trained_for_n,model_size,source\n"
        "m,1,50,100,odd,no,7e9,x\nm,4,60,100,,no,7e9,y\n"
    )
    (curve,) = read(tmp_path, text)
    assert curve.name == "m" and curve.labels == {"model": "m"}
    assert curve.trained == "no" and curve.size == 7e9
    np.testing.assert_allclose(curve.error, error_of_share([50, 60], 100))
    assert list(curve.confound) == ["odd", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n,score,questions,standard_error\n1,2,3,4\n", "both standard_error and questions"),
        ("n,score,questions\n1,2,many\n", "line 2: questions = 'many' is not a number"),
        ("m,n,score,questions\na,1,1992,100\n", "line 2: score = '1992' is no percentage"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, text, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        read(tmp_path, text)
