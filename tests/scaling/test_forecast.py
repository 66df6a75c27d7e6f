"""Forecasts: distributions against formulas of textbooks, intervals that cover, and who is best."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import NO_CHANGE, STACKED, Task, cases, rolling_origins, stack
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.points import grouped
from tokenspace.scaling.predictive import Mixture, on_grid
from tokenspace.scaling.robust import BEND, of_normal
from tokenspace.scaling.skill import by_curve
from tokenspace.scaling.validation import leave_one_out

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])
LAWS = known_laws()
TRUTHS = {
    "logarithm": (20, 0.15),
    "power": (12, -0.25),
    "crossover": (20, 0.1, 30),
    "offset": (20, 0.5, 0.3),
    "saturating": (80, 0.6, 0.5),
    "broken": (20, -0.3, -0.05, 32),
}


def simulated(name, noise, runs, seed):
    law = LAWS[name]
    y = np.log(law.score(dict(zip(law.parameters, TRUTHS[name], strict=True)), N))
    rng = np.random.default_rng(seed)
    return [(np.log(N), y + noise * rng.standard_normal(10), np.ones(10)) for _ in range(runs)]


def textbook(x, y, new, weight=None):
    """Centre and scale of a new y of a weighted straight line, from the normal equations."""
    weight = np.ones_like(x) if weight is None else weight
    design = np.stack([np.ones_like(x), x], axis=1)
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    line = inverse @ design.T @ (weight * y)
    rss = np.sum(weight * (y - design @ line) ** 2)
    ahead = np.stack([np.ones_like(new), new], axis=1)
    leverage = np.einsum("ij,jk,ik->i", ahead, inverse, ahead)
    return ahead @ line, np.sqrt(rss / (len(x) - 2) * (1 + leverage))


def test_power_law_forecasts_by_the_textbook():
    x, y, weight = simulated("power", 0.05, 1, 3)[0]
    centre, scale = textbook(x[:7], y[:7], x[7:])
    table = ts.forecast(N, np.exp(y), law="power").set_index("law")
    t = stats.t.ppf(0.975, 5)
    np.testing.assert_allclose(table.loc["power", "forecast"], np.exp(centre), rtol=1e-6)
    np.testing.assert_allclose(table.loc["power", "low"], np.exp(centre - t * scale), rtol=1e-6)
    np.testing.assert_allclose(table.loc["power", "high"], np.exp(centre + t * scale), rtol=1e-6)
    off = centre - y[7:]
    assert table.loc["power", "rms error"] == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-6)
    assert table.loc["power", "bias"] == pytest.approx(off.mean(), rel=1e-6)
    density = stats.t.logpdf(off / scale, 5) - np.log(scale)
    assert table.loc["power", "log score"] == pytest.approx(density.mean(), rel=1e-6)
    assert table.loc["power", "held"] == list(abs(off) <= t * scale)
    assert table.loc[NO_CHANGE, "forecast"] == pytest.approx([np.exp(y[6])] * 3)


def test_weights_enter_as_in_the_textbook():
    x, y, _ = simulated("power", 0.05, 1, 4)[0]
    weight = np.linspace(0.5, 1.5, 10)
    ((_, points),) = grouped([(x[:7], y[:7], weight[:7])])
    mixture = on_grid(LAWS["power"], points).predict(x[None, 7:], np.ones((1, 3)))
    centre, scale = textbook(x[:7], y[:7], x[7:], weight[:7])
    t = stats.t.ppf(0.975, 5)
    np.testing.assert_allclose(mixture.quantile(0.975)[0], centre + t * scale, rtol=1e-6)
    _, own = textbook(x[:7], y[:7], x[7:], weight[:7])
    sure = on_grid(LAWS["power"], points).predict(x[None, 7:], np.full((1, 3), 4.0))
    line = y[:7] - textbook(x[:7], y[:7], x[:7], weight[:7])[0]
    variance = np.sum(weight[:7] * line**2) / 5  # of a new score that weighs 4, a quarter of it
    want = centre + t * np.sqrt(own**2 - variance * 3 / 4)
    np.testing.assert_allclose(sure.quantile(0.975)[0], want, rtol=1e-6)


def test_leaving_one_out_is_fitting_the_others():
    x, y, weight = simulated("power", 0.05, 1, 5)[0]
    ((_, points),) = grouped([(x, y, weight)])
    found = leave_one_out(LAWS["power"], points, points.weight)[0]
    for k in range(10):
        rest = np.arange(10) != k
        centre, scale = textbook(x[rest], y[rest], x[[k]])
        want = stats.t.logpdf((y[k] - centre[0]) / scale[0], 7) - np.log(scale[0])
        assert found[k] == pytest.approx(want, rel=1e-6), k
    assert np.isnan(found[10:]).all()


def test_crossover_is_mixed_over_n_balance():
    """Each n_balance of the grid by hand: centre, scale and weight RSS^(-(m - 2) / 2)."""
    x, y, weight = simulated("crossover", 0.05, 1, 6)[0]
    law = LAWS["crossover"]
    ((_, points),) = grouped([(x[:7], y[:7], weight[:7])])
    mixture = on_grid(law, points).predict(x[None, 7:8])
    rss, centre, scale = [], [], []
    for balance in law.starts(x[:7], y[:7])[:, 2]:
        bracket = law.log_score(np.array([0, 2.0, balance]), x)
        slope, level = np.polyfit(bracket[:7], y[:7], 1)
        rss.append(np.sum((level + slope * bracket[:7] - y[:7]) ** 2))
        at, spread = textbook(bracket[:7], y[:7], bracket[7:8])
        centre.append(at[0])
        scale.append(spread[0])
    share = np.array(rss) ** -2.5
    np.testing.assert_allclose(mixture.weight[0, 0], share / share.sum(), rtol=1e-5)
    np.testing.assert_allclose(mixture.centre[0, 0], centre, rtol=1e-6)
    np.testing.assert_allclose(mixture.scale[0, 0], scale, rtol=1e-4)
    for p in (0.025, 0.5, 0.99):
        assert mixture.cdf(mixture.quantile(p)) == pytest.approx(p, abs=1e-9)


def test_density_of_a_mixture_is_the_slope_of_its_distribution():
    rng = np.random.default_rng(1)
    shape = (1, 1, 3)
    weight = np.array([[[0.2, 0.5, 0.3]]])
    mixture = Mixture(weight, rng.normal(size=shape), rng.uniform(1, 2, shape), np.full(shape, 4))
    y = np.array([[0.3]])
    slope = (mixture.cdf(y + 1e-5) - mixture.cdf(y - 1e-5)) / 2e-5
    assert np.exp(mixture.log_density(y)) == pytest.approx(slope, rel=1e-7)


def covered(name, noise, runs, origin=7, loss="squares"):
    logs = simulated(name, noise, runs, seed=runs)
    tasks = [Task(k, origin, 10 - origin) for k in range(runs)]
    table = cases(logs, tasks, chosen_method(name, 0.95, None, loss))
    share = table[table["law"] == name].groupby("curve")["held"].mean()
    return share.mean(), share.std() / np.sqrt(runs)


@pytest.mark.once
@pytest.mark.parametrize("name", ["power", "crossover", "saturating"])
def test_prediction_intervals_cover(name):
    """90 to 97 %, within three standard errors; half as wide: 65 %."""
    share, error = covered(name, 0.05, 150)
    assert 0.90 - 3 * error < share < 0.97 + 3 * error


@pytest.mark.once
@pytest.mark.parametrize("origin", [5, 9])
def test_intervals_of_a_robust_fit_hold_new_scores(origin):
    """94 to 96 % within three standard errors; of RSS / (m - p) as by least squares 90 to 92 %."""
    share, error = covered("power", 0.05, 1500, origin, "huber")
    assert 0.94 - 3 * error < share < 0.96 + 3 * error


def test_interval_of_a_robust_line_by_hand():
    score = np.exp(LOGS[1][:7]) * np.r_[np.ones(3), 0.7, np.ones(3)]
    fit = ts.fit_scaling(N[:7], score, "power", loss="huber").best
    centre, scale = textbook(LOGS[0][:7], np.log(score), LOGS[0][7:], fit.weight)
    kappa, told = of_normal(BEND)
    half = stats.t.ppf(0.975, told * 5) * scale / kappa
    low, high = fit.predict_interval(N[7:])
    np.testing.assert_allclose(np.log([low, high]), [centre - half, centre + half], atol=1e-6)


def test_a_robust_fit_gives_the_interval_of_its_forecast():
    score = np.exp(LOGS[1]) * np.r_[np.ones(3), 0.7, np.ones(6)]
    fit = ts.fit_scaling(N[:7], score[:7], "saturating", loss="huber").best
    table = ts.forecast(N, score, law="saturating", loss="huber").set_index("law")
    low, high = fit.predict_interval(N[7:])
    np.testing.assert_allclose(low, table.loc["saturating", "low"], rtol=1e-9)
    np.testing.assert_allclose(high, table.loc["saturating", "high"], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "origin"), [(0.02, 6), (0.1, 9)])
@pytest.mark.parametrize("name", LAWS)
def test_prediction_intervals_of_every_law_cover(name, noise, origin):
    share, error = covered(name, noise, 500, origin)
    assert 0.90 - 2 * error < share < 0.97 + 2 * error


def test_rolling_origins_hold_every_forecast():
    logs = [simulated("saturating", 0.02, 1, 1)[0], tuple(a[:6] for a in LOGS)]
    table = rolling_origins(logs, chosen_method("power,saturating", 0.95))
    of_power = table[table["law"] == "power"]
    assert set(table["law"]) == {"power", "saturating", STACKED, NO_CHANGE}
    assert of_power.groupby(["curve", "origin"]).size().to_dict() == {
        **{(0, m): 10 - m for m in range(4, 10)},
        **{(1, m): 6 - m for m in (4, 5)},
    }
    first = of_power[(of_power["curve"] == 1) & (of_power["origin"] == 4)]
    np.testing.assert_allclose(first["n"], N[4:6])
    np.testing.assert_allclose(
        first["error"], np.log(first["forecast"]) - np.log(first["score"]), atol=1e-12
    )


LOGS = simulated("power", 0.03, 1, 2)[0]


def test_a_law_is_asked_only_with_more_points_than_parameters():
    table = rolling_origins([LOGS], chosen_method("broken", 0.95))
    assert table.groupby("law")["origin"].min().to_dict() == {"broken": 5, NO_CHANGE: 4}


def test_the_truth_is_forecast_best():
    logs = simulated("saturating", 0.01, 20, 8)
    table = rolling_origins(logs, chosen_method("power,saturating", 0.95), hold=3)
    rms = np.sqrt((table.assign(s=table["error"] ** 2)).groupby("law")["s"].mean())
    assert rms["saturating"] < 0.03 < 0.2 < rms["power"]
    assert rms[STACKED] < 0.1


def test_stacking_finds_the_better_half():
    """Densities 3 : 1 at every second point each way: half and half; one law dead: the other."""
    even = np.log(np.array([[3.0, 1], [1, 3]] * 10))[None]
    np.testing.assert_allclose(stack(even), [[0.5, 0.5]])
    better = np.log(np.array([[3.0, 1]] * 20))[None]
    assert stack(better)[0, 0] > 0.95
    dead = np.where(np.arange(2) == 1, np.nan, better)
    np.testing.assert_allclose(stack(dead), [[1, 0]])
    np.testing.assert_allclose(stack(np.full((1, 5, 2), np.nan)), [[0.5, 0.5]])


def test_stacked_weights_are_at_their_maximum():
    rng = np.random.default_rng(3)
    logs = rng.normal(size=(1, 12, 3))
    found = stack(logs)[0]

    def aim(w):  # one point more on which all do alike, so the log of the weights' mean
        w = w / w.sum()
        return np.log(np.exp(logs[0]) @ w).sum() + np.log(w).mean()

    for k in range(3):
        for step in (-1e-3, 1e-3):
            assert aim(found + step * np.eye(3)[k]) <= aim(found) + 1e-9


def test_what_is_left_needs_three_different_n():
    with pytest.raises(ts.TokenspaceError, match=r"at 4 different n .* an integer from 1 to 1$"):
        ts.forecast(np.repeat(N[:4], 3), np.arange(1.0, 13), 2)


@pytest.mark.parametrize(
    ("points", "hold", "words"),
    [
        (10, 0, "an integer from 1 to 6$"),
        (10, 7, "an integer from 1 to 6$"),
        (10, 1.5, "hold = 1.5 is not allowed"),
        (4, 1, "needs 4 points at 3 different n, and one n more, but there are 4 points at 4"),
    ],
)
def test_what_cannot_be_held_back(points, hold, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        ts.forecast(N[:points], N[:points], hold)


def test_no_held_back_n_is_seen():
    """Scores at one n are held back together; "no change" is the weighted mean of log S before."""
    n = np.array([1, 4, 4, 16, 64, 64, 64, 256, 256])
    score, error = np.arange(20.0, 29), np.linspace(0.5, 2, 9)
    table = ts.forecast(n, score, 2, "power", error=error).set_index("law")
    seen = n < 64
    line = ts.fit_scaling(n[seen], score[seen], "power", error=error[seen]).best
    np.testing.assert_allclose(table.loc["power", "forecast"], line.predict(n[~seen]), rtol=1e-6)
    assert table.loc[NO_CHANGE, "forecast"] == pytest.approx([score[3]] * 5)
    last = ts.forecast(n, score, 1, "power", error=error).set_index("law").loc[NO_CHANGE]
    mean = np.average(np.log(score[4:7]), weights=(score / error)[4:7] ** 2)
    assert last["forecast"] == pytest.approx([np.exp(mean)] * 2)
    rolling = rolling_origins(
        [(np.log(n), np.log(score), np.ones(9))], chosen_method("power", 0.95)
    )
    of_power = rolling[rolling["law"] == "power"]
    assert of_power.groupby("origin")["step"].agg(list).to_dict() == {4: [1, 1, 1, 2, 2], 7: [1, 1]}
    assert len(by_curve(rolling).columns) == 2  # scores at one n do not hide each other


def test_leaving_one_n_out_leaves_all_its_scores_out():
    x = np.log([1.0, 4, 4, 16, 64, 64, 256])
    y = 1 + 0.2 * x + 0.1 * np.sin(7 * np.arange(7))
    ((_, points),) = grouped([(x, y, np.ones(7))])
    found = leave_one_out(LAWS["power"], points, points.weight)[0, :7]
    for k in range(7):
        rest = x != x[k]
        centre, scale = textbook(x[rest], y[rest], x[[k]])
        want = stats.t.logpdf((y[k] - centre[0]) / scale[0], rest.sum() - 2) - np.log(scale[0])
        assert found[k] == pytest.approx(want, rel=1e-6), k


def test_scores_at_few_n_do_not_determine_a_law():
    """Twelve scores at three n tell three values of a law, and no four parameters."""
    n, score = np.repeat([1.0, 8, 64], 4), np.exp(0.1 * np.sin(np.arange(12.0))) * 9
    fit = ts.fit_scaling(n, score)
    assert fit.fits["broken"].intervals == {} and fit.fits["crossover"].intervals != {}
    words = "3 different n do not determine the 4 parameters of the broken law"
    assert fit.fits["broken"].too_few == words
    noisy = np.exp(0.1 * np.random.default_rng(0).standard_normal(12)) * np.repeat([3, 9, 2.0], 4)
    judged = ts.fit_scaling(n, noisy)
    assert judged.fits["broken"].aicc == judged.fits["broken"].bic == np.inf
    assert judged.best.law != "broken"
    table = cases(
        [(np.log(n), np.log(score), np.ones(12))], [Task(0, 8, 4)], chosen_method("auto", 0.95)
    )
    assert set(table["law"]) == {"power", "logarithm", STACKED, NO_CHANGE}


def test_log_scores_are_of_log_s_on_the_odds_too():
    """Density of the log odds times d log odds / d log S, by differences."""
    score, scale = 60 * np.exp(LOGS[1] - LOGS[1].max()), ts.Logit()
    table = ts.forecast(N, score, 2, "power", scale=scale).set_index("law")
    y = scale.forward(score)
    centre, spread = textbook(np.log(N[:8]), y[:8], np.log(N[8:]))
    slope = (scale.forward(score * 1.0001) - scale.forward(score / 1.0001)) / np.log(1.0001**2)
    density = stats.t.logpdf((y[8:] - centre) / spread, 6) - np.log(spread) + np.log(slope[8:])
    assert table.loc["power", "log score"] == pytest.approx(density.mean(), rel=1e-6)


def test_scores_without_scatter_have_the_least_there_is():
    """RSS is no less than that of 1e-6 of log S at each of seven points, of five degrees."""
    x = np.log(N[:7])
    leverage = 1 / 7 + (np.log(N[7:]) - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    half = stats.t.ppf(0.975, 5) * 1e-6 * np.sqrt(7 / 5 * (1 + leverage))
    row = ts.forecast(N, np.full(10, 50.0), law="power").set_index("law").loc["power"]
    np.testing.assert_allclose(np.log(row["high"]) - np.log(50), half, rtol=1e-4)
