"""Limits of the joint profile: their sums in arrays, and what few counts leave unknown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joint_curves import N, curves
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint import family as family_module
from tokenspace.scaling.joint import ratios as ratios_module
from tokenspace.scaling.joint.family import Family, abscissa
from tokenspace.scaling.joint.fit import SURE, fit_joint
from tokenspace.scaling.joint.noise import KINDS, Noise
from tokenspace.scaling.joint.ratios import (
    deviance,
    drawn_deviances,
    drawn_ratios,
    few_counts,
    limits,
    ratios,
    typical_count,
    upper,
    upper_error,
)

ONE_TWICE = [1] * 5 + [2] + [1] * 4  # scores at each n


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "common", "runs", "times"),
    [
        (6, 0.9, 1000, 1),
        (12, 0.5, 500, 1),
        (36, 0.5, 500, 1),
        (1, 0.5, 300, 3),
        (6, 0.5, 300, 3),
        (1, 1.0, 500, ONE_TWICE),
        (2, 0.5, 500, ONE_TWICE),
        (1, 0.5, 500, [1, 2] * 5),
    ],
)
def test_blocks_hold_the_truth_however_many_curves_scatter_together(count, common, runs, times):
    """At least 95 %, at most 98.5, within the error of the runs; without the widening 88 to 93 %.

    times: scores of a curve at each n, which scatter together as curves do: at 1.0 they are copies.
    """
    rng = np.random.default_rng(7)
    n = np.repeat(N, times)
    x = abscissa(n, np.array([30.0]))[0]
    slopes, deviations = rng.uniform(0.05, 0.25, count), rng.uniform(0.02, 0.06, count)
    truth = 3 + slopes[:, None] * x
    family = Family.of([Curve(str(k), n, np.exp(y)) for k, y in enumerate(truth)])
    place = int(np.argmin(abs(family.grid - 30)))
    truth = family.fitted(family.grid[place])
    held = 0
    for _ in range(runs):
        own, shared = (
            rng.standard_normal(truth.shape),
            np.repeat(rng.standard_normal(len(N)), times),
        )
        scatter = np.sqrt(1 - common) * own + np.sqrt(common) * shared
        drawn = replace(family, log_score=truth + deviations[:, None] * scatter)
        profile = deviance(drawn)
        noise = Noise.of(drawn, float(drawn.grid[profile.argmin()]))
        found, _ = limits(
            drawn, noise, "blocks", 0.95, drawn_deviances(drawn, noise, "blocks", 199, 1, place)
        )
        held += int(profile[place] <= found[place])
    low, high = (stats.binom.ppf(q, runs, p) for q, p in ((0.01, 0.95), (0.99, 0.985)))
    assert low <= held <= high


def test_limits_are_those_of_a_deviance_at_a_time():
    """The limits' sums in arrays against the plain profile of every draw, ties and gaps too."""
    given = [c.keep(np.arange(len(N)) != k) for k, c in enumerate(curves(60.0, 0.05))]
    family = Family.of(given)
    assert len(family.n) == 10 and typical_count(family) == 9
    noise = Noise.of(family, 60.0)
    for kind in KINDS:
        found, error = limits(
            family, noise, kind, 0.9, drawn_deviances(family, noise, kind, 30, 3, 40)
        )
        rng = np.random.default_rng(3)
        scatter = np.concatenate([noise.draw(kind, rng, k, family.weight) for k in (25, 5)])
        factor = few_counts(9, noise.freedom, 0.9) if kind == "blocks" else 1.0
        for place in (0, 40, 80):
            drawn = deviance(family, family.fitted(family.grid[place]) + scatter)[:, place]
            for got, of in ((found, upper), (error, upper_error)):
                want = factor * of(drawn, 0.9)
                assert got[place] == pytest.approx(want, rel=1e-9, abs=1e-9), (kind, place)
        assert found[-1] == found[0] and error[-1] == error[0]
        np.testing.assert_allclose(found[20], (found[0] + found[40]) / 2, rtol=1e-9)


def test_blocks_are_all_scores_of_one_n():
    """Residuals that tell their column: scores of one n come from one n, its own where n is asked."""
    n = np.array([1, 4, 4, 4, 16, 64, 64.0])
    columns = np.stack([np.arange(7.0), 10 + np.arange(7)])
    noise = Noise(np.ones(2), columns, np.ones((2, 7), bool), n)
    asked = np.array([2, 2, 8, 8, 8, 32.0])
    drawn = noise.draw("blocks", np.random.default_rng(0), 400, np.ones((2, 6)), asked)
    np.testing.assert_array_equal(drawn[:, 1], drawn[:, 0] + 10)
    blocks = [[0, 0, 0], [1, 2, 3], [4, 4, 4], [5, 6, 5]]  # in turn, where there are too few
    for first, size in ((0, 2), (2, 3), (5, 1)):
        found, times = np.unique(drawn[:, 0, first : first + size], axis=0, return_counts=True)
        np.testing.assert_array_equal(found, sorted(b[:size] for b in blocks))
        assert times.min() > 60  # of 100
    assert abs(np.corrcoef(drawn[:, 0, 0], drawn[:, 0, 5])[0, 1]) < 0.15


def test_several_scores_at_one_n_are_one_count():
    """Two curves of ten n, one of them thrice everywhere and one once: four scores at each n."""
    family = Family.of([thrice(0.05), curves(60.0, 0.05)[1]])
    assert list(family.different) == [10, 10] and typical_count(family) == 10
    noise = Noise.of(family, 60.0)
    found, _ = limits(
        family, noise, "blocks", 0.9, drawn_deviances(family, noise, "blocks", 30, 3, 40)
    )
    rng = np.random.default_rng(3)
    parts = [noise.draw("blocks", rng, k, family.weight) for k in (25, 5)]
    drawn = deviance(family, family.fitted(family.grid[40]) + np.concatenate(parts))[:, 40]
    assert found[40] == pytest.approx(upper(drawn, 0.9) * few_counts(10, noise.freedom, 0.9))


def thrice(noise, copies=0.0):
    """A curve of three scores at each n, noise of their own, of which copies are so much."""
    own = curves(60.0, noise, seed=5, n=np.repeat(N, 3))[0]
    first = own.keep(np.repeat(np.arange(0, 3 * len(N), 3), 3))
    return Curve("a", own.n, own.score ** (1 - copies) * first.score**copies)


def test_a_copy_of_a_score_counts_for_nothing_and_an_independent_one_for_one():
    """Of 30 scores at 10 n as many as differ; limits a score are those of the curve without copies."""
    found = {c: Noise.of(Family.of([thrice(0.05, c)]), 60.0) for c in (0.0, 0.9, 0.999, 1.0)}
    assert found[1.0].alike == pytest.approx(1) and found[1.0].freedom == pytest.approx(7)
    assert found[0.999].freedom == pytest.approx(7, abs=0.01)  # without a jump
    for noise in found.values():
        pairs = noise.columns[0].reshape(10, 3)
        rho = sum((pairs * np.roll(pairs, k, axis=1)).sum() for k in (1, 2)) / 2 / (pairs**2).sum()
        assert noise.alike == pytest.approx(max(rho, 0), abs=1e-12)
        assert noise.freedom == pytest.approx(30 / (1 + 2 * max(rho, 0) ** 2) - 3)
    assert found[0.0].alike < 0.5 and found[0.0].freedom > 17
    once = Family.of([thrice(0.05, 1.0).keep(np.arange(0, 30, 3))])
    alone = Noise.of(once, 60.0)
    assert alone.alike == 0 and alone.freedom == 7 and few_counts(10, 7, 0.95) == 1
    of_one, of_three = (
        np.array(
            limits(
                f,
                Noise.of(f, 60.0),
                "blocks",
                0.95,
                drawn_deviances(f, Noise.of(f, 60.0), "blocks", 999, 0, 120),
            )
        )[:, 0]
        * scale
        for f, scale in ((once, 3), (Family.of([thrice(0.05, 1.0)]), 1))
    )
    (limit, error), (other, its_error) = of_one, of_three
    assert other == pytest.approx(limit, abs=4 * np.hypot(error, its_error))


def test_one_score_more_counts_as_often_as_blocks_have_one_more():
    """Ten n, one of them twice: nine blocks of ten are taken twice there, and count once."""
    one = curves(60.0, 0.05)[0].keep(np.r_[np.arange(10), 5])
    one.score[-1] *= np.exp(0.1)
    noise = Noise.of(Family.of([one]), 60.0)
    assert noise.freedom == pytest.approx(10 + (2 / (1 + noise.alike**2) - 1) / 10 - 3)
    two = Noise.of(Family.of([one, curves(60.0, 0.05)[1].keep(np.arange(9))]), 60.0)
    more = 9 - 2  # of a curve without repeats
    assert two.freedom - more == pytest.approx(10 + (2 / (1 + two.alike**2) - 1) / 10 - 3)


def test_profiles_are_sums_of_logarithms(monkeypatch):
    """A few curves at a time, their squares multiplied: as all together, one logarithm each."""
    family = Family.of(
        [c.keep(np.arange(len(N)) >= k % 3) for k, c in enumerate(curves(60.0) * 30)]
    )
    y = 1e-5 * np.random.default_rng(0).standard_normal((4, *family.log_score.shape))
    squares = family.squares(family.on_grid, y)
    want = np.einsum("k,k...->...", family.counts, np.log(squares))
    least = np.empty(squares.shape[:-1])
    for numbers in (1, 10_000, 1 << 20):
        monkeypatch.setattr(family_module, "CACHE", numbers)
        found = family.profile(family.centred(y), family.on_grid, least)
        np.testing.assert_allclose(found, want, rtol=1e-12)
    np.testing.assert_allclose(least, squares.min(-1), rtol=1e-12)
    np.testing.assert_allclose(family.log_likelihood(squares), want, rtol=1e-12)


def test_of_power_laws_fit_best_0_is_told():
    """Both ends of the grid are one law, and rounding does not choose: by weights of their own."""
    family = Family.of(curves(0.0))
    height = np.ones((2, len(family.grid)))
    height[:, [0, -1]] = [[1e-12, 0.0], [1e-3, 0.0]]
    np.testing.assert_array_equal(family.best_of(height), [0.0, 0.0])
    rng, n = np.random.default_rng(0), np.array([1.0, 4, 9, 16, 64, 256])
    for _ in range(20):  # without the rule infinity is told of some
        score = n**0.25 * 20 * np.exp(1e-3 * rng.standard_normal((3, 6)))
        error = score * 1e-3 * rng.uniform(0.3, 3, score.shape)
        own = Family.of([Curve(str(k), n, score[k], error=error[k]) for k in range(3)])
        assert own.best_of(deviance(own)) < np.inf


def test_only_what_may_fit_best_is_looked_at(monkeypatch):
    """The draws after the first 25 find the same deviances by a part of the grid, however tight."""
    made = [c for seed in range(10) for c in curves(60.0, 0.02, seed)]
    family = Family.of(made)
    noise = Noise.of(family, 60.0)
    looked = []

    def profile(self, y, directions, least=None, real=Family.profile):
        looked.append(directions.shape[-1])
        return real(self, y, directions, least)

    monkeypatch.setattr(Family, "profile", profile)
    for kind in KINDS:
        looked.clear()
        found = drawn_deviances(family, noise, kind, 50, 3, 10)
        half = len(looked) // 2
        assert set(looked[:half]) == {len(family.grid)}
        assert np.mean(looked[half:]) < 0.7 * len(family.grid)
        with monkeypatch.context() as patch:
            patch.setattr(ratios_module, "FAR", 1e9)
            every = drawn_deviances(family, noise, kind, 50, 3, 10)
        np.testing.assert_allclose(found.drawn, every.drawn, rtol=1e-9, atol=1e-9)


def test_the_null_of_need_is_drawn_once():
    """Power laws and noise about the best fit: the ratio of need is the deviance at 0."""
    family = Family.of(curves(60.0, 0.05))
    noise = Noise.of(family, 60.0)
    for kind in KINDS:
        need = drawn_ratios(family, family.fitted(0.0), noise, kind, 30, 3)[0]
        found = drawn_deviances(family, noise, kind, 30, 3, 40)
        assert list(found.places) == [0, 40, 80, len(family.grid) - 2]
        np.testing.assert_allclose(found.drawn[:, 0], need, rtol=1e-9, atol=1e-9)


def test_few_counts_widen_what_blocks_allow():
    """h(m - 3) / h(freedom) with h = t^2 (nu + 1) / nu; one curve by nothing, many counts by little."""
    want = (2.3646 / 2.0117) ** 2 * (8 / 7) / (48 / 47)  # t with 7 and 47 degrees of freedom
    assert few_counts(10, 47, 0.95) == pytest.approx(want, rel=1e-4)
    assert few_counts(1000, 5987, 0.95) == pytest.approx(1, abs=0.01)
    assert few_counts(10, 7, 0.8) == 1
    one = curves(60.0)[0]
    family = Family.of([one.keep(np.arange(len(N)) < count) for count in (6, 6, 8)])
    assert typical_count(family) == 6  # of the median curve


def test_few_counts_are_quantiles_of_what_scores_say_over_what_residuals_do():
    """Six straight lines with a bend in common, one noise for all, and noise of their own.

    z, what their sum says of the bend, over the sum's residuals, scaled as of 8 degrees of freedom;
    and over all residuals, as of 48: 19 of 20 draws stay below h(7) and h(47).
    """
    runs, rng = 40_000, np.random.default_rng(0)
    axes, _ = np.linalg.qr(np.stack([np.ones(10), np.log(N), np.log(N) ** 2], axis=1))
    common, own = rng.standard_normal((runs, 10)), rng.standard_normal((runs, 6, 10))
    z = common @ axes[:, 2]
    rest = (common**2).sum(-1) - ((common @ axes) ** 2).sum(-1)
    few = z**2 / (rest / 8)
    z = own.sum(axis=1) @ axes[:, 2] / np.sqrt(6)
    rest = (own**2).sum((1, 2)) - ((own @ axes[:, :2]) ** 2).sum((1, 2)) - z**2
    many = z**2 / (rest / 48)
    factor = few_counts(10, 47, 0.95)
    share = np.mean(few <= factor * np.quantile(many, 0.95))
    assert share == pytest.approx(0.95, abs=4 * np.sqrt(2 * 0.95 * 0.05 / runs))


def test_ratios_are_drawn_about_the_truth_by_the_same_noise():
    family = Family.of(curves(60.0, 0.05))
    noise, truth, rng = Noise.of(family, 60.0), family.fitted(60.0), np.random.default_rng(3)
    scatter = np.concatenate([noise.draw("blocks", rng, k, family.weight) for k in (25, 5)])
    drawn = drawn_ratios(family, truth, noise, "blocks", 30, 3)
    np.testing.assert_allclose(drawn, ratios(family, truth + scatter), rtol=1e-12, atol=1e-12)


def test_errors_of_limits_are_how_far_other_draws_lie():
    """Of 400 draws of a normal: the standard deviation of the value of that rank, within 10 %."""
    drawn = np.random.default_rng(7).standard_normal((2000, 400))
    error = upper_error(drawn, 0.95)
    assert error.mean() == pytest.approx(upper(drawn, 0.95).std(), rel=0.1)
    few = np.arange(99.0)  # of a level that they hardly reach, half the distance to the largest
    assert upper_error(few, 0.995) == pytest.approx(
        (98 - np.quantile(few, 0.9879, method="weibull")) / 2, rel=0.01
    )


def test_what_is_excluded_at_least_and_at_most_lies_about_it():
    fit = fit_joint(curves(60.0, 0.05), runs=199)
    low, said, high = (fit.regions("blocks", by) for by in (-2.0, 0.0, 2.0))
    assert high[0][0] <= said[0][0] <= low[0][0] and low[-1][1] <= said[-1][1] <= high[-1][1]
    assert high != low
    (best,) = fit.regions("blocks", -1e6)  # what fits best is in every set
    assert best[0] <= fit.n_balance <= best[1]
    kept = fit.to_dict()
    assert kept["excluded_at_least"]["chi-square"] == kept["excluded_at_most"]["chi-square"]
    for key, errors in (("at_least", SURE), ("at_most", -SURE)):
        assert kept[f"excluded_{key}"]["blocks"] == fit.excluded("blocks", errors)


def test_the_error_of_an_end_is_that_of_its_limit_over_the_slope_of_the_profile():
    fit = fit_joint(curves(60.0, 0.05), runs=199)
    for kind in KINDS:
        ends = [[r[side] for r in fit.regions(kind, by)] for by in (0.01, -0.01) for side in (0, 1)]
        for side in (0, 1):
            moved = abs(ends[side][0] - ends[side + 2][0]) / 0.02
            assert fit.end_error(fit.regions(kind)[0][side], kind) == pytest.approx(moved, rel=0.01)
    assert fit.end_error(fit.regions("chi-square")[0][0], "chi-square") == 0
    level = replace(
        fit, deviance=np.zeros_like(fit.deviance), limits={"blocks": np.ones(len(fit.grid))}
    )
    assert level.end_error(60.0) == np.inf
    assert fit.end_error(fit.grid[1]) == fit.end_error(fit.grid[-2]) == np.inf


@pytest.mark.parametrize(
    ("curves", "words"),
    [
        ("my.csv", r"pass ts.read_curves\('my.csv'\)"),
        (Path("my.csv"), r"pass ts.read_curves\('my.csv'\)"),
        (["my.csv"], r"curves must be those of ts.read_curves"),
        (5, r"curves must be those of ts.read_curves"),
    ],
)
def test_what_are_no_curves(curves, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        ts.fit_joint(curves)
