"""The size of stated standard errors in a joint fit: one variance for all curves, or each its own."""

from dataclasses import replace

import numpy as np
import pytest
from joint_curves import N, curves
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint import power as module
from tokenspace.scaling.joint.family import Family, abscissa
from tokenspace.scaling.joint.forecast import SHARED, forecast_joint
from tokenspace.scaling.joint.noise import KINDS, Noise
from tokenspace.scaling.joint.power import power
from tokenspace.scaling.joint.ratios import deviance, drawn_deviances, limits, ratios
from tokenspace.scaling.joint.stated import bartlett, by_errors

SIZES = np.linspace(0.01, 0.06, 6)[:, None] * np.r_[1.5, np.ones(8), 0.5]  # errors of log S


def stating(wrong=1.0, which=range(6), seed=0):
    """Curves that scatter as `SIZES`; those of `which` state that, over `wrong`."""
    factors = np.broadcast_to(wrong, 6)
    scatter = SIZES * np.random.default_rng(seed).standard_normal(SIZES.shape)
    made = [
        replace(c, score=c.score * np.exp(e)) for c, e in zip(curves(60.0), scatter, strict=True)
    ]
    return [
        replace(c, error=c.score * SIZES[k] / factors[k] if k in which else None)
        for k, c in enumerate(made)
    ]


def squares(curve, balance, error):
    """Weighted sum of squares about the best line, and the line, by polyfit."""
    x = np.log(curve.n) if balance is None else abscissa(curve.n, [balance])[0]
    degree = 2 if balance is None else 1
    w = np.ones(len(x)) if error is None else curve.score / error
    return np.polyfit(x, np.log(curve.score), degree, w=w, full=True)[1][0]


@pytest.mark.parametrize("which", [range(6), (0, 2, 3)])
def test_ratios_and_profile_are_those_of_one_variance(which):
    """M log sum_k RSS_k by 1 / s^2 for curves with errors, m_k log RSS_k for each without."""
    given = stating(which=which)
    given[2] = given[2].keep(np.arange(3, 10))
    family, stated = by_errors(given)
    assert stated.counted and list(np.flatnonzero(family.together)) == list(which)
    grid = family.grid[1:-1]

    def height(of):
        one = [k for k in range(6) if k in which]
        points = sum(len(given[k].n) for k in one)
        total = points * np.log(sum(of(k) for k in one))
        return total + sum(len(given[k].n) * np.log(of(k)) for k in range(6) if k not in which)

    at = np.array([[squares(c, b, c.error) for b in (1e-9, *grid)] for c in given])
    profile = height(lambda k: at[k])
    np.testing.assert_allclose(deviance(family)[:-1], profile - profile.min(), atol=1e-6)
    separate = height(lambda k: at[k].min())
    bent = height(lambda k: squares(given[k], None, given[k].error))
    least = profile.min()
    np.testing.assert_allclose(ratios(family), [profile[0] - least, least - separate, least - bent])
    table = forecast_joint(given[3:], 3)  # by the same likelihood
    early = by_errors([c.keep(np.arange(7)) for c in given[3:]])[0]
    assert table.attrs["n_balance"] == pytest.approx(early.best_of(deviance(early)), rel=0.2)
    assert np.isfinite(table[SHARED]).all()


def test_errors_of_one_size_are_one_variance_by_hand():
    """60 log of the sum of all squares, however large the errors are said to be."""
    given = [replace(c, error=0.3 * c.score) for c in curves(60.0, 0.05)]
    family, stated = by_errors(given)
    np.testing.assert_allclose(family.weight, 1.0)
    total = np.array([sum(squares(c, b, None) for c in given) for b in family.grid[1:-1]])
    want = 60 * np.log(total / total.min())
    found = deviance(family)[1:-1]
    np.testing.assert_allclose(found - found.min(), want, atol=1e-8)
    noise = Noise.of(family, family.grid[60])
    np.testing.assert_allclose(noise.deviations, np.sqrt(total[59] / (60 - 2 * 6)))
    assert stated.ratio == pytest.approx(np.sqrt(total.min() / 48) / 0.3, rel=1e-3)


def test_a_common_factor_of_the_errors_changes_nothing_but_their_ratio():
    fits = [ts.fit_joint(stating(wrong), runs=99) for wrong in (1.0, 0.5, 2.0)]
    right = fits[0].stated
    assert right.counted and abs(right.ratio - 1) < 4 / np.sqrt(2 * 48)
    for fit, wrong in zip(fits, (1.0, 0.5, 2.0), strict=True):
        np.testing.assert_allclose(fit.deviance, fits[0].deviance, atol=1e-6)
        for kind in KINDS:
            np.testing.assert_allclose(fit.limits[kind], fits[0].limits[kind], rtol=1e-6)
        np.testing.assert_allclose(fit.residual_std, fits[0].residual_std, rtol=1e-5)
        np.testing.assert_allclose(fit.stated.ratios, right.ratios * wrong, rtol=1e-5)
        kept = fit.to_dict()
        assert kept["stated_errors"] == {
            "curves": 6,
            "scatter_to_errors": pytest.approx(right.ratio * wrong),
            "p_of_one_ratio": pytest.approx(right.p_value),
            "size_counts": True,
        }
        assert kept["curves"][1]["scatter_to_errors"] == fit.stated.ratios[1]
    for k, curve in enumerate(stating()):  # of a point of mean weight, as of single fits
        w = (curve.score / curve.error) ** 2
        rest = squares(curve, fits[0].n_balance, curve.error) / w.mean() / 8
        assert fits[0].residual_std[k] == pytest.approx(np.sqrt(rest))


def test_errors_that_are_wrong_by_different_factors_only_weigh():
    """As without their size: each curve by its own variance; one that states errors alone, too."""
    for given in (stating([4.0, 1, 1, 1, 1, 1]), stating(which=[2])):
        family, stated = by_errors(given)
        assert not stated.counted and family.together is None
        np.testing.assert_array_equal(family.weight, Family.of(given).weight)
    assert np.isnan(stated.p_value) and np.isfinite(stated.ratios).sum() == 1
    assert stated.to_dict()["p_of_one_ratio"] is None and stated.by_curve()[0] is None
    none = ts.fit_joint(stating(which=[]), runs=99)
    assert none.stated is None and none.to_dict()["stated_errors"] is None


def test_scores_without_noise_are_named_whatever_their_errors():
    """What rounding leaves is of log S: large errors, of small weight, leave no more of it."""
    bare = curves(60.0, 0.0)
    given = [replace(c, error=10.0**-k * c.score) for k, c in enumerate(bare)]
    fit = ts.fit_joint(given, runs=99)
    assert fit.noiseless == len(given) and not fit.stated.counted
    size = np.geomspace(10, 0.1, 6)
    one = replace(Family.of(bare), weight=np.outer(size, np.ones(10)), together=np.ones(6, bool))
    np.testing.assert_allclose(one.rounding, 1e-11 * size)
    at = one.directions(np.array([60.0]))
    total = one.profile(one.centred(), at)
    np.testing.assert_allclose(total, 60 * np.log(one.rounding.sum()))


def test_bartlett_is_that_of_scipy_and_even_where_variances_are_one():
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal(m) * s for m, s in ((5, 1), (9, 1.5), (7, 1))]
    want = stats.bartlett(*samples).pvalue
    variances, freedom = ([f(x) for x in samples] for f in (lambda x: x.var(ddof=1), len))
    assert bartlett(np.array(variances), np.array(freedom) - 1.0) == pytest.approx(want)
    p = [by_errors(stating(seed=seed))[1].p_value for seed in range(100)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_noise_of_one_variance_is_drawn_over_the_root_of_its_weights():
    """Curves scatter as their errors say, times the ratio; in blocks as their residuals do."""
    given = stating(0.5, which=range(5))
    family, stated = by_errors(given)
    best = float(family.best_of(deviance(family)))
    noise = Noise.of(family, best)
    drawn = noise.draw("independent", np.random.default_rng(0), 4000, family.weight)
    spread = drawn.std(axis=0)[:5] / (stated.ratio * 2 * SIZES[:5])
    assert np.all(abs(spread - 1) < 0.06)
    residuals = np.sqrt(family.weight[:5]) * (family.log_score - family.fitted(best))[:5]
    own = noise.columns[:5].std(axis=1) / residuals.std(axis=1)
    assert np.all(abs(own - 1) < 0.25)
    elsewhere = family.at(np.array([4.0, 700.0]))  # for `power`: of the mean weight of each curve
    np.testing.assert_allclose(elsewhere.weight[:, 1], [*family.weight[:5].mean(axis=1), 1.0])
    assert list(elsewhere.together) == list(family.together)


def test_power_draws_about_the_fit_of_one_variance(monkeypatch):
    seen = []
    monkeypatch.setattr(
        module, "_cases", lambda family, best: iter(seen.append((family, best)) or ())
    )
    power(stating(), runs=20)
    ((family, best),) = seen
    want = by_errors(stating())[0]
    np.testing.assert_array_equal(family.weight, want.weight)
    assert want.together.all() and best == want.best_of(deviance(want))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "n", "wrong", "common"),
    [(6, N, False, 0.5), (18, N[[0, 1, 3, 5, 7, 9]], False, 0.0), (6, N[::2], True, 0.0)],
)
def test_sets_by_the_size_of_errors_hold_the_truth(count, n, wrong, common):
    """At least 94 %, at most 98.5, within the error of 400 data sets; errors right, or by 1/2 to 2."""
    rng, runs, held = np.random.default_rng(3), 400, 0
    truth = 3 + np.linspace(0.1, 0.35, count)[:, None] * abscissa(n, np.array([30.0]))[0]
    for run in range(runs):
        size = rng.uniform(0.01, 0.04, (count, 1)) * rng.uniform(0.7, 1.4, truth.shape)
        off = 2 ** rng.uniform(-1, 1, (count, 1)) if wrong else 1.0
        own, shared = rng.standard_normal(truth.shape), rng.standard_normal(len(n))
        scatter = np.sqrt(1 - common) * own + np.sqrt(common) * shared
        score = np.exp(truth + off * size * scatter)
        given = [
            Curve(str(k), n, s, error=s * e)
            for k, (s, e) in enumerate(zip(score, size, strict=True))
        ]
        family = replace(by_errors(given)[0], near=30.0, width=0.1)
        place = int(np.argmin(abs(family.grid - 30)))
        profile = deviance(family)
        noise = Noise.of(family, float(family.best_of(profile)))
        drawn = drawn_deviances(family, noise, "blocks", 199, run, place)
        held += int(profile[place] <= limits(family, noise, "blocks", 0.95, drawn)[0][place])
    low, high = (stats.binom.ppf(q, runs, p) for q, p in ((0.01, 0.94), (0.99, 0.985)))
    assert low <= held <= high


def test_a_curve_without_scatter_is_correlated_with_none():
    given = [*stating()[:3], Curve("level", N, np.ones(len(N)))]
    noise = Noise.of(Family.of(given), 60.0)
    np.testing.assert_array_equal(noise.correlation[3], [0, 0, 0, 1])
    assert 1 <= noise.independent_curves <= 4


def test_what_is_no_curve_is_refused_by_name():
    for given in ((N,), (N, N, N, N), N, "ab"):
        with pytest.raises(ts.TokenspaceError, match=r"odd: a curve must be \(n, score\) or"):
            ts.fit_joint({"odd": given})
    with pytest.raises(ts.TokenspaceError, match="rows: has 3 different n"):
        ts.fit_joint({"rows": np.ones((3, 3)) * N[:3]})
