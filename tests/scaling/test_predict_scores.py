"""Scores predicted from tokens: against known truths, and with both errors in the intervals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.bend import bend_test
from tokenspace.scaling.joint.family import abscissa
from tokenspace.statistics.balance import balance_quantiles, fit_balance

GRID = [1, 2, 4, 8, 16, 32, 64, 128, 256]
BALANCE, BETA = 39.0, 0.3  # of psi's 0.2, 0.12, 0.1
AT = np.array([1.0, 128, 2000])


def tokens(pairs, seed=0):
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.12, 0.1), ts.Isotropic(256))
    asked = ("divergence", "correlations")
    return ts.simulate(model, GRID, pairs, seed=seed, statistics=asked)


def scores(n, noise=0.0, rng=None):
    x = abscissa(np.asarray(n, float), np.array([BALANCE]))[0]
    scatter = 0 if rng is None else noise * rng.standard_normal(len(x))
    return dict(zip(n, np.exp(3 + BETA * x + scatter), strict=True))


@pytest.fixture(scope="module")
def many():
    return tokens(1000)


def test_many_tokens_and_exact_scores_give_the_truth(many):
    found = ts.predict_scores(many, scores([8, 32, 256]), AT)
    assert found.n_balance.mean == pytest.approx(BALANCE, rel=0.02)
    np.testing.assert_allclose(found.score, list(scores(AT).values()), rtol=0.01)
    assert found.beta == pytest.approx(BETA, rel=0.01)
    branches = ts.equicorrelated(0.0, 1 / (1 + BALANCE), 0.0)
    alpha = ts.theory.alpha(branches, np.array([1, 128, 2000]), BETA)
    np.testing.assert_allclose(found.alpha, alpha, rtol=0.01)
    assert (found.low < found.score).all() and (found.score < found.high).all()


def test_known_tokens_leave_students_interval_of_a_line(many):
    """With n_balance known the interval is the textbook's; here its error is small beside noise."""
    given = scores([2, 8, 32, 256], 0.05, np.random.default_rng(1))
    found = ts.predict_scores(many, given, AT)
    x, y = abscissa(np.array(list(given), float), [BALANCE])[0], np.log(list(given.values()))
    line = stats.linregress(x, y)
    new = abscissa(AT, [BALANCE])[0]
    s = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 2)
    reach = s * np.sqrt(1 + 1 / 4 + (new - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    half = np.log(found.high / found.low) / 2
    np.testing.assert_allclose(half, stats.t.ppf(0.975, 2) * reach, rtol=0.03)
    beta_half = (found.beta_high - found.beta_low) / 2
    assert beta_half == pytest.approx(stats.t.ppf(0.975, 2) * line.stderr, rel=0.03)
    rest = AT > 1
    alpha_half = (found.alpha_high - found.alpha_low)[rest] / 2
    np.testing.assert_allclose(alpha_half, beta_half * new[rest] / np.log(AT[rest]), rtol=0.03)


def test_errors_weigh_scores_as_in_a_fit(many):
    """n_balance all but known: the textbook's weighted line, for a new score that weighs 1."""
    given = scores([2, 8, 32, 256], 0.05, np.random.default_rng(1))
    error = dict(zip(given, [3.0, 0.4, 0.2, 2.0], strict=True))
    found = ts.predict_scores(many, given, AT, error=error)
    balance = found.n_balance.mean
    x, y = abscissa(np.array(list(given), float), [balance])[0], np.log(list(given.values()))
    w = (np.array(list(given.values())) / list(error.values())) ** 2
    w /= w.mean()
    slope, level = np.polyfit(x, y, 1, w=np.sqrt(w))
    s = np.sqrt(np.sum(w * (y - level - slope * x) ** 2) / 2)
    new, centre = abscissa(AT, [balance])[0], np.average(x, weights=w)
    reach = s * np.sqrt(1 + 1 / 4 + (new - centre) ** 2 / np.sum(w * (x - centre) ** 2))
    np.testing.assert_allclose(found.score, np.exp(level + slope * new), rtol=0.01)
    half = np.log(found.high / found.low) / 2
    np.testing.assert_allclose(half, stats.t.ppf(0.975, 2) * reach, rtol=0.03)
    for wrong, words in (({2: 1.0}, "of the same n"), (given | {8: 0.0}, "finite and > 0")):
        with pytest.raises(ts.TokenspaceError, match=words):
            ts.predict_scores(many, given, error=wrong)


def test_fewer_tokens_make_wider_intervals(many):
    given = scores([8, 16, 64])
    few, lots = (ts.predict_scores(t, given, AT, noise=1e-5) for t in (tokens(4), many))
    assert np.all(np.log(few.high / few.low)[[0, 2]] > 2 * np.log(lots.high / lots.low)[[0, 2]])


def test_noise_that_is_known_does_with_two_scores(many):
    found = ts.predict_scores(many, scores([8, 256]), noise=0.01)
    assert list(found.n) == GRID and found.residual_std == 0.01
    with pytest.raises(ts.TokenspaceError, match="give a third, or noise="):
        ts.predict_scores(many, scores([8, 256]))


def test_agrees_with_scores_of_the_same_tokens_only(many):
    n = np.array([1.0, 8, 32, 128, 512])
    rng = np.random.default_rng(0)
    found = ts.predict_scores(many, scores([8, 32, 256]))

    def joint(balance):
        x = abscissa(n, np.array([balance]))[0]
        made = {b: (n, np.exp(b * x + 0.001 * rng.standard_normal(5))) for b in (0.2, 0.3, 0.5)}
        return ts.fit_joint(made, runs=99)

    assert found.agrees(joint(BALANCE), "chi-square")
    assert not found.agrees(joint(400.0), "chi-square")


def test_a_bend_is_tested_as_in_a_textbook():
    """With n_balance known: the last coefficient of weighted least squares."""
    rng, n = np.random.default_rng(3), np.array([2.0, 8, 32, 128, 256])
    x = np.repeat(abscissa(n, np.array([BALANCE])), 200, axis=0)
    y, w = (
        3 + 0.3 * x[0] - 0.02 * x[0] ** 2 + 0.01 * rng.standard_normal(5),
        np.array([1, 2, 1, 0.5, 0.5]),
    )
    design = np.vander(x[0], 3) * np.sqrt(w)[:, None]
    inverse = np.linalg.inv(design.T @ design)
    q = inverse @ design.T @ (np.sqrt(w) * y)
    s = np.sqrt(np.sum((np.sqrt(w) * y - design @ q) ** 2) / 2)
    t = abs(q[0]) / np.sqrt(inverse[0, 0])
    assert bend_test(x, y, w) == pytest.approx((2 * stats.t.sf(t / s, 2) + 1 / 200, -1.0))
    assert bend_test(x, y, w, 0.03)[0] == pytest.approx(2 * stats.norm.sf(t / 0.03) + 1 / 200)
    both = x[:100], np.repeat(abscissa(n, np.array([4.0])), 100, axis=0)
    apart = [bend_test(half, y, w) for half in both]
    assert apart[0][1] == apart[1][1] and abs(apart[0][0] - apart[1][0]) > 1e-3
    largest = max(p for p, _ in apart) - 1 / 100 + 1 / 200
    assert bend_test(np.vstack(both), y, w)[0] == pytest.approx(largest)
    between = 3 + 0.3 * x[0] - 0.01 * x[0] ** 2  # down about this n_balance, up about a power law
    ends = [np.repeat(abscissa(n, np.array([b])), 100, axis=0) for b in (BALANCE, 0.0)]
    assert [bend_test(end, between, np.ones(5))[1] for end in ends] == [-1, 1]
    assert bend_test(np.vstack(ends), between, np.ones(5)) == (1.0, 0.0)
    assert np.isnan(bend_test(x[:, :3], y[:3], w[:3])).all()


def test_scores_that_follow_another_law_are_said_to(many):
    given = scores([4, 8, 16, 64, 256], 0.002, np.random.default_rng(1))
    found = ts.predict_scores(many, given)
    assert found.p_value > 0.05 and not found.words()
    level = {n: s / (1 + 0.01 * n) ** 0.3 for n, s in given.items()}
    found = ts.predict_scores(many, level)
    assert found.p_value < 0.05 and "scores bend down in log-log" in repr(found)
    sure = ts.predict_scores(many, level, level=0.999)  # p is never below 1 / 200
    assert sure.p_value == found.p_value > 0.001
    assert f"Scores and tokens disagree (p <= {found.p_value:.2g})" in repr(sure)
    chance = replace(found, p_value=0.06, level=0.5)
    assert chance.words() == [] and replace(chance, p_value=0.04).words() != []
    steep = {n: s * (1 + 0.01 * n) for n, s in given.items()}
    assert "scores bend up in log-log" in ts.predict_scores(many, steep).words()[0]
    assert "it takes 4 at different n" in repr(ts.predict_scores(many, scores([8, 32, 256])))


def test_tokens_without_constant_correlations_are_said_to_be(many):
    model = ts.TokenModel(ts.Branches(ts.Exponential(4.0), 0.0 * ts.White()), ts.Isotropic(64))
    markov = ts.simulate(model, GRID, 32, statistics=("divergence", "correlations"))
    said = ts.predict_scores(markov, scores([4, 8, 16, 64, 256])).words()[0]
    assert said.startswith("Correlations of these tokens are not constant (D is up to ")


def test_white_tokens_whose_differences_cancel_by_chance_are_predicted():
    model = ts.TokenModel(ts.Branches(ts.White(), 0.0 * ts.White()), ts.Isotropic(64))
    asked = ("divergence", "correlations")
    given = {n: 20 * n**0.15 for n in (4, 8, 16, 64)}
    found = ts.predict_scores(ts.simulate(model, GRID, 32, seed=37, statistics=asked), given, [512])
    assert found.n_balance.interval[0] == np.inf
    assert "perhaps by chance" in found.words()[0]
    assert found.score == pytest.approx(20 * 512**0.15) and found.alpha == pytest.approx(-0.15)
    cancel = ts.TokenModel(ts.equicorrelated(0.2, 0.1, 0.102), ts.Isotropic(256))
    with pytest.raises(ts.TokenspaceError, match="their differences cancel"):
        ts.predict_scores(ts.simulate(cancel, GRID, 200, statistics=asked), given)


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ({8: 1.0}, {}, "at least 2 different token counts"),
        ({8: 1.0, 16: -1.0, 32: 2.0}, {}, r"score\[1\] = -1.0 is not allowed"),
        ([1, 2], {}, "table n -> score"),
        ({8: 1.0, 16: 2.0, 32: 3.0}, {"noise": -1.0}, "noise = -1.0"),
        ({8: 1.0, 16: 2.0, 32: 3.0}, {"level": "95%"}, "level = .95%"),
        ({8: 1.0, 16: 2.0, 32: 3.0}, {"at": [0]}, "at must be"),
    ],
)
def test_refuses(many, given, options, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        ts.predict_scores(many, given, **options)


def test_refuses_tokens_that_say_too_little():
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.12, 0.1), ts.Isotropic(16))
    given = scores([8, 16, 64])
    with pytest.raises(ts.TokenspaceError, match="realised psi's"):
        ts.predict_scores(ts.simulate(model, GRID, 4), given)
    with pytest.raises(ts.TokenspaceError, match="at least 2 pairs"):
        ts.predict_scores(tokens(1), given)


@pytest.mark.slow
def test_agreement_has_the_level_of_the_scores_where_tokens_say_all(many):
    """n_balance all but known: 3 to 7 % of true ones are refused, within the error of 100 runs."""
    n, rng = np.array([1.0, 8, 32, 128, 512, 1024]), np.random.default_rng(4)
    found = ts.predict_scores(many, scores([8, 32, 256]))
    x, refused, runs = abscissa(n, np.array([BALANCE]))[0], 0, 100
    for _ in range(runs):
        made = {b: (n, np.exp(b * x + 0.02 * rng.standard_normal(6))) for b in (0.2, 0.3, 0.5)}
        refused += not found.agrees(ts.fit_joint(made, runs=99), "independent")
    assert stats.binom.ppf(0.01, runs, 0.03) <= refused <= stats.binom.ppf(0.99, runs, 0.07)


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "few"), [(10, (8, 16, 64)), (50, (8, 16, 32, 64, 256))])
def test_intervals_hold_new_scores(pairs, few):
    rng = np.random.default_rng(2)
    runs, held = 300, np.zeros(4)
    for seed in range(runs):
        found = ts.predict_scores(tokens(pairs, seed), scores(few, 0.02, rng), AT)
        new = np.array(list(scores(AT, 0.02, rng).values()))
        held[:3] += (found.low <= new) & (new <= found.high)
        held[3] += found.beta_low <= BETA <= found.beta_high
    low, high = (stats.binom.ppf(q, runs, p) for q, p in ((0.01, 0.93), (0.99, 0.97)))
    assert np.all((low <= held) & (held <= high)), held / runs


def test_of_tokens_that_differ_in_length_those_n_count_that_half_of_the_pairs_reach():
    rng = np.random.default_rng(0)
    lengths = [40] + [20] * 29
    shared = rng.standard_normal((2, 30, 1, 8))
    a, b = ([s + rng.standard_normal((n, 8)) for n, s in zip(lengths, x)] for x in shared)  # noqa: B905
    whole = ts.measure(a, b)
    assert whole.n[-1] == 40 and np.isnan(whole.standard_error[-1])
    given = {2: 10.0, 4: 12.0, 8: 15.0}
    found = ts.predict_scores(whole, given, AT, noise=0.01)
    same = ts.predict_scores(whole.reached(), given, AT, noise=0.01)
    np.testing.assert_array_equal(found.low, same.low)
    assert np.isfinite(found.n_balance.standard_error)


def test_tokens_without_errors_are_refused():
    """One group is in every pair: nothing is left when it is left out."""
    rng = np.random.default_rng(0)
    pictures = [rng.standard_normal((9 + k, 4)) for k in range(3)]
    whole = ts.measure(pictures, pairs="all", groups=[0, 0, 1])
    with pytest.raises(ts.TokenspaceError, match="errors of the psi's are not known"):
        ts.predict_scores(whole, {2: 1.0, 4: 2.0, 8: 3.0})


def test_confidence_of_n_balance_is_the_ends_of_its_intervals(many):
    """Each share against the interval of its level, fitted anew."""
    amplitude = many.divergence
    shares = np.array([0.01, 0.2, 0.45, 0.6, 0.975])
    found = balance_quantiles(many.n, amplitude, shares)
    for p, value in zip(shares, found, strict=True):
        low, high = fit_balance(many.n, amplitude, abs(2 * p - 1)).interval
        assert value == pytest.approx(low if p < 0.5 else high, rel=1e-12)
    assert (np.diff(found) > 0).all()
