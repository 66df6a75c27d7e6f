"""The one forecast: an interval that grows beyond the data, and scores at n that nobody measured."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.ahead import ahead
from tokenspace.scaling.beyond import Stretched, distance
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import STACKED, rolling_origins
from tokenspace.scaling.points import grouped
from tokenspace.scaling.predictive import Mixture
from tokenspace.scaling.scales import Log, Logit

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])
LAWS = "power,logarithm,saturating"


def scores(seed=0, top=70):
    noise = 0.02 * np.random.default_rng(seed).standard_normal(len(N))
    return top * (1 - 0.5 * N**-0.3) * np.exp(noise)


def one(*parts):
    """A mixture of one curve and point."""
    return Mixture(*(np.array(a, float)[None, None] for a in parts))


def test_halves_of_a_stretched_interval_by_hand():
    """Student's t of 5 degrees and scale 0.1, and 0.3 more at 95 %: other levels in proportion."""
    found = Stretched.by(one([1], [2], [0.1], [5]), np.array([[0.3]]))
    half = 0.1 * stats.t.ppf(0.975, 5)
    factor = np.sqrt(half**2 + 0.3**2) / half
    for p in (0.025, 0.2, 0.5, 0.9, 0.975, 0.999):
        want = 2 + factor * 0.1 * stats.t.ppf(p, 5)
        assert found.quantile(p)[0, 0] == pytest.approx(want, abs=1e-9), p


def test_each_half_has_its_own_width():
    mixture = one([0.7, 0.3], [0, 1], [0.1, 0.5], [4, 4])
    same, wide = (Stretched.by(mixture, np.array([[e]])) for e in (0.0, 0.4))
    low, median, high = (mixture.quantile(p) for p in (0.025, 0.5, 0.975))
    assert not np.isclose(high - median, median - low, rtol=0.5)
    assert wide.quantile(0.5) == median and same.quantile(0.025) == pytest.approx(low)
    assert wide.quantile(0.975) - median == pytest.approx(np.hypot(high - median, 0.4))
    assert median - wide.quantile(0.025) == pytest.approx(np.hypot(median - low, 0.4))


def test_density_of_a_stretched_mixture_is_the_slope_of_its_distribution():
    wide = Stretched.by(one([0.7, 0.3], [0, 1], [0.1, 0.5], [4, 4]), np.array([[0.4]]))
    for p in (0.05, 0.3, 0.7, 0.98):
        slope = (wide.quantile(p + 1e-6) - wide.quantile(p - 1e-6)) / 2e-6
        assert np.exp(wide.log_density(wide.quantile(p))) == pytest.approx(1 / slope, rel=1e-4)


def test_distance_is_counted_from_the_nearer_end_of_each_curve():
    x = np.log(N)
    longer = np.log([8, 12, *N[2:9], 520])
    curves = [(x[:9], x[:9], np.ones(9)), (longer, longer, np.ones(10))]
    ((_, points),) = grouped(curves)  # both are padded to ten
    asked = np.log([[4.0, 64, 1024], [4, 64, 1040]])
    want = [[0, 0, np.log(2)], [np.log(2), 0, np.log(2)]]
    np.testing.assert_allclose(distance(points, asked), want, atol=1e-12)


@pytest.mark.parametrize(
    ("scale", "own", "strays"), [(Log(), Log(0.0), 0.05), (Logit(), Logit(strays=0.0), 0.075)]
)
def test_only_the_stack_grows_and_by_the_distance(scale, own, strays):
    """Halves become sqrt(h^2 + (strays log(n / last n))^2), of log S or of log odds."""
    logs = [(np.log(N), scale.forward(scores(k)), np.ones(10)) for k in range(2)]
    before, after = (rolling_origins(logs, chosen_method(LAWS, 0.95, s)) for s in (own, scale))
    grows = after["law"] == STACKED
    for name in ("low", "high", "log score"):
        np.testing.assert_array_equal(before.loc[~grows, name], after.loc[~grows, name])
    before, after = before[grows], after[grows]
    np.testing.assert_array_equal(before["forecast"], after["forecast"])
    last = N[after["origin"] - 1]
    np.testing.assert_allclose(after["times last n"], after["n"] / last)
    for end in ("low", "high"):
        halves = [
            np.abs(scale.forward(t[end].to_numpy()) - scale.forward(t["forecast"].to_numpy()))
            for t in (before, after)
        ]
        want = np.hypot(halves[0], strays * np.log(after["n"] / last))
        np.testing.assert_allclose(halves[1], want, rtol=1e-6)
    assert ((after["low"] <= after["score"]) & (after["score"] <= after["high"])).equals(
        after["held"].astype(bool)
    )


@pytest.mark.parametrize("make", [Log, lambda strays: Logit(strays=strays)])
@pytest.mark.parametrize("strays", [-0.1, np.inf, np.nan])
def test_what_strays_cannot_be(make, strays):
    with pytest.raises(ts.TokenspaceError, match=r"strays = .* is not allowed"):
        make(strays)


def test_scores_ahead_are_those_of_the_forecast_of_held_back_ones():
    n, score, error = N, scores(1), np.linspace(0.5, 2, 10)
    options = {"law": LAWS, "loss": "huber", "level": 0.8}
    want = ts.forecast(n, score, 3, **options).set_index("law").loc[STACKED]
    found = ts.forecast_at(n[:7], score[:7], n[7:], **options)
    for name in ("forecast", "low", "high"):
        np.testing.assert_allclose(found[name], want[name], rtol=1e-9)
    np.testing.assert_allclose(found["times last n"], n[7:] / n[6])
    assert set(found["law"]) == {STACKED}
    line = ts.fit_scaling(n, score, "power", error=error).best
    alone = ts.forecast_at(n, score, 1000, "power", error=error)
    assert alone["law"].item() == "power"
    np.testing.assert_allclose(alone["forecast"], line.predict([1000]), rtol=1e-6)
    np.testing.assert_allclose(
        alone[["low", "high"]].to_numpy()[0], np.ravel(line.predict_interval(1000)), rtol=1e-6
    )


def test_many_curves_keep_their_numbers(monkeypatch):
    """Of several lengths, and more than are forecast at once."""
    lengths, seen = (5, 10, 6, 9, 5), []
    logs = [(np.log(N[:m]), np.log(scores(k)[:m]), np.ones(m)) for k, m in enumerate(lengths)]
    method = chosen_method("power,logarithm", 0.95)
    monkeypatch.setattr("tokenspace.scaling.points.SQUARES", 200)  # points squared
    table = ahead(logs, np.array([100.0, 2000]), method, seen.append)
    assert list(table["curve"]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] and seen == [3, 5]
    assert list(table["n"]) == [100, 2000] * 5
    for k, m in enumerate(lengths):
        alone = ts.forecast_at(N[:m], scores(k)[:m], [100, 2000], ["power", "logarithm"])
        np.testing.assert_allclose(table[table["curve"] == k]["high"], alone["high"], rtol=1e-9)


@pytest.mark.parametrize(
    ("points", "at", "law", "words"),
    [
        (3, 9, "auto", "a forecast needs 4 points at 3 different n, but there are 3 points at 3"),
        (4, 9, "broken", "4 points do not determine the broken law"),
        (9, [], "auto", "numbers of tokens, each > 0 and at most 1e"),
        (9, [4, 0], "auto", "numbers of tokens, each > 0"),
        (9, [[4, 5]], "auto", "numbers of tokens, each > 0"),
        (9, "many", "auto", "at = many is not allowed"),
        (9, 1e100, "auto", "numbers of tokens, each > 0"),
    ],
)
def test_what_cannot_be_foretold(points, at, law, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        ts.forecast_at(N[:points], N[:points], at, law)
