"""Which law is preferred, by a criterion computed by hand, and when that is decisive."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

import tokenspace as ts
from tokenspace.scaling.preference import _slope, aicc, compare
from tokenspace.scaling.result import LawFit
from tokenspace.scaling.robust import constant_squares, deviance

N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0])
WAVE = np.array([1, -2, 1, 2, -1, -1, 2, -2, 1, -1])  # noise that no law follows


def made(law, value, std=0.1):
    """A fit of which only its criterion and its residuals matter."""
    return LawFit(law, {}, {}, 0.95, 7, std, value, value, 0.0, 0.7 * std**2, N, N, np.ones(10))


SCORE = 5 * N**0.2 * np.exp(0.1 * WAVE)


def ranked(fits, n=N, score=N):
    return compare(fits, np.log(n), np.log(score), np.ones(len(n)))


def judged(lead, score=SCORE, n=N, std=0.1, other=1.0):
    fits = [made("a", 3.0, std), made("b", 3.0 + lead, other)]
    return ranked(fits, n, score)


@pytest.mark.parametrize(
    ("points", "parameters", "squares", "value"),
    [
        (10, 2, 0.1, 10 * np.log(0.01) + 6 + 24 / 6),
        (10, 3, 0.1, 10 * np.log(0.01) + 8 + 40 / 5),
        (5, 2, 0.2, 5 * np.log(0.04) + 6 + 24),
        (4, 2, 0.2, np.inf),
        (6, 3, 0.2, 6 * np.log(0.2 / 6) + 8 + 40),
        (5, 3, 0.2, np.inf),
        (10, 2, 0.0, 10 * np.log(1e-12) + 6 + 4),
        (10, 2, 1e-13, 10 * np.log(1e-12) + 6 + 4),
    ],
)
def test_criterion(points, parameters, squares, value):
    assert aicc(points, parameters, squares) == pytest.approx(value, rel=1e-12)


def test_criterion_of_a_fit():
    fits = ts.fit_scaling(N, SCORE).fits
    (squares,) = np.polyfit(np.log(N), np.log(SCORE), 1, full=True)[1]
    assert fits["power"].aicc == pytest.approx(10 * np.log(squares / 10) + 10, rel=1e-9)
    squares = 7 * fits["crossover"].residual_std ** 2
    assert fits["crossover"].aicc == pytest.approx(10 * np.log(squares / 10) + 16, rel=1e-9)


def test_the_smallest_criterion_wins_and_the_next_measures_the_evidence():
    values = {"a": 7.0, "b": 4.5, "c": 20.0, "d": np.inf}
    found = ranked([made(*v) for v in values.items()])
    assert found.winner == "b" and found.best.law == "b" and found.evidence == 2.5
    assert list(found.fits) == list(values)


def test_decisive_above_ten_only():
    assert judged(10.5).decisive and judged(10.5).why == ""
    for lead in (10.0, 3.0):
        assert judged(lead).why == "AICc is not ahead by more than 10" and not judged(lead).decisive


def test_not_decisive_where_laws_cannot_be_compared():
    assert "10 points are too few to compare" in judged(np.inf).why
    none = ranked([made("a", np.inf), made("b", np.inf)])
    assert np.isnan(none.evidence) and "too few" in none.why
    one = ranked([made("a", 3.0)])
    assert np.isnan(one.evidence) and one.why == "only one law was fitted"


def test_not_decisive_by_the_count_of_parameters():
    """10 points: the fit itself is better by 10 where residuals differ by exp(1/2)."""
    for other, decisive in ((0.1648, False), (0.1649, True)):
        found = judged(99.0, other=other)
        assert found.decisive is decisive
        assert decisive or "ahead for fewer parameters" in found.why
    three = "power,crossover,saturating"
    few = ts.fit_scaling(N[3:], SCORE[3:], three)  # at 7 points the third parameter costs 14
    assert few.winner == "power" and few.evidence > 10 and "fewer parameters" in few.why


def test_decisive_against_every_other_law():
    """The runner-up by AICc may be far off while a law of more parameters fits as well."""
    fits = [made("a", 3.0), made("b", 20.0, std=1.0), made("c", 40.0, std=0.1)]
    found = ranked(fits, N, SCORE)
    assert not found.decisive and "not for a better fit than the c law" in found.why
    assert ranked(fits[:2], N, SCORE).decisive


def test_not_decisive_without_noise():
    assert "no noise: they follow the a law to rounding" in judged(99.0, std=1e-6).why
    assert judged(99.0, std=1.1e-6).decisive


def test_not_decisive_without_slope():
    """At the edge of Student's interval: with 8 degrees of freedom t is 2.3060 at 95 %."""
    x = np.log(N)
    noise = WAVE - np.polyval(np.polyfit(x, WAVE, 1), x)
    error = np.sqrt(noise @ noise / 8 / np.sum((x - x.mean()) ** 2))
    for share, decisive in ((2.30, False), (2.31, True), (-2.30, False), (-2.31, True)):
        # residuals so large that no law fits better than a constant
        found = judged(99.0, np.exp(share * error * x + noise), std=2.0, other=20.0)
        assert found.decisive is decisive and found.flat is not decisive
        assert decisive or "no slope" in found.why


def test_flat_by_the_weights():
    """The slope's interval is that of weighted least squares: a wild point may count little."""
    x, weight = np.log(N), np.r_[np.ones(9), 1e-6]
    score = np.exp(0.3 * x + 0.05 * WAVE)
    score[9] = 1e-3
    for weights, flat in ((weight, False), (np.ones(10), True)):
        fits = [made("a", 3.0, std=10.0)]
        assert compare(fits, x, np.log(score), weights).flat is flat
        slope, cov = np.polyfit(x, np.log(score), 1, w=np.sqrt(weights), cov=True)
        half = stats.t.ppf(0.975, 8) * np.sqrt(cov[0, 0])
        ends = slope[0] - half, slope[0] + half
        assert _slope(x, np.log(score), weights, 0.95) == pytest.approx(ends, rel=1e-9)


@pytest.mark.parametrize("loss", ["squares", "huber"])
def test_steep_curves_that_saturate_are_not_flat(loss):
    """The misfit of the power law widens alpha's interval over 0, though they rise by 20 to 50."""
    n, rng = np.array([1, 4, 16, 64, 256, 1024.0]), np.random.default_rng(2)
    for _ in range(2):
        found = ts.fit_scaling(n, 50 - 30 / n + rng.normal(0, 0.5, 6), loss=loss)
        low, high = found.fits["power"].intervals["alpha"]
        assert low < 0 < high and not found.flat and "slope" not in found.why


@pytest.mark.parametrize("loss", ["squares", "huber"])
def test_a_constant_is_as_good_as_a_law_at_the_edge_of_the_f_test(loss):
    """One law of 3 parameters and 10 points: F of 2 and 7 degrees of freedom at 5 %."""
    x = np.log(N)
    y = np.log(SCORE) - np.polyval(np.polyfit(x, np.log(SCORE), 1), x)
    about = constant_squares(y, np.ones(10), loss)
    for share, flat in ((1.001, True), (0.999, False)):
        squares = about / (1 + stats.f.isf(0.05, 2, 7) * 2 / 7) * share
        fit = replace(made("a", 3.0), loss=loss, mean_squares=squares)
        assert compare([fit], x, y, np.ones(10)).flat is flat
        two = compare([fit, replace(fit, law="b")], x, y, np.ones(10))
        assert two.flat  # of two laws each must be surer


def test_huber_squares_about_a_constant():
    """The least deviance over all constants and scales, found by a general minimiser."""
    y, weight = np.r_[0.01 * WAVE[:9], 0.2], np.r_[np.ones(5), 0.5 * np.ones(5)]

    def loss(at):
        return deviance((y - at[0])[None], np.exp(at[1:]), weight[None])[0]

    found = optimize.minimize(loss, [0.0, -3.0], method="Nelder-Mead", tol=1e-10)
    least = constant_squares(y, weight, "huber")
    assert least == pytest.approx(np.exp(found.fun / 10), rel=1e-6)
    about = np.average(y, weights=weight)
    expected = np.mean(weight * (y - about) ** 2)
    assert constant_squares(y, weight, "squares") == pytest.approx(expected, rel=1e-12)


def test_not_decisive_where_a_point_is_given_twice():
    twice = np.r_[N[:9], N[8]]
    assert judged(99.0, SCORE, twice).decisive  # two measurements at one n
    assert "repeats exactly" in judged(99.0, np.r_[SCORE[:9], SCORE[8]], twice).why


@pytest.mark.once
def test_curves_without_noise_or_slope():
    three = "power,crossover,saturating"
    flat = ts.fit_scaling(N, np.full(10, 5.0), three)
    assert not flat.decisive and "the scores are all the same" in flat.why
    for score in (5 * N**0.3, 80 * (1 - 0.6 * N**-0.5)):
        found = ts.fit_scaling(N, score, three)
        assert not found.decisive and "no noise" in found.why
    assert "no slope" in ts.fit_scaling(N, np.exp(0.1 * WAVE), three).why
    score = 80 * (1 - 0.6 * N**-0.5) * np.exp(0.003 * WAVE)
    clear = ts.fit_scaling(N, score, three)
    assert clear.decisive and clear.winner == "saturating"
    assert clear.to_dict()["decisive"] is True and clear.to_dict()["why"] == ""
