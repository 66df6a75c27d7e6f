"""Several sizes of a model fitted together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

import tokenspace as ts
from tokenspace.cli.fit_tables import show_sizes
from tokenspace.scaling.curves import Curve, fit_curves, read_curves
from tokenspace.scaling.size_scatter import Scatter, scatter_of
from tokenspace.scaling.sizes import SizeFit, fit_sizes, in_several_sizes, units_of_sizes

DOCS = Path(__file__).parent.parent.parent / "docs"
N = np.array([1, 4, 16, 36, 64, 144, 576.0])
SIZES = (0.5e9, 1.8e9, 7e9)


def made(noise=0.0):
    rng = np.random.default_rng(2)
    curves = []
    for size in SIZES:
        score = 0.7 - 0.3 * (size / 0.5e9) ** -0.2 * N**-0.15
        score = score * np.exp(noise * rng.standard_normal(len(N)))
        labels = {"model": f"{size:g}", "benchmark": "b"}
        curves.append(Curve("c", N, score, labels, size=size))
    return curves


def test_recovers_itself():
    (fit,) = fit_sizes(made())
    assert fit.benchmark == "b" and fit.sizes == SIZES and fit.points == 21
    want = {"limit": 0.7, "A": 0.3, "b": 0.2, "g": 0.15}
    assert fit.parameters == pytest.approx(want, rel=1e-3)
    np.testing.assert_allclose(fit.predict(N, 7e9), made()[2].score, rtol=1e-5)


def test_optimum_and_intervals_are_those_of_scipy():
    curves = made(0.01)
    (fit,) = fit_sizes(curves)

    def off(p):
        parts = [
            np.log(p[0] - p[1] * (c.size / SIZES[0]) ** -p[2] * c.n ** -p[3]) - np.log(c.score)
            for c in curves
        ]
        return np.concatenate(parts)

    found = optimize.least_squares(off, [0.7, 0.3, 0.2, 0.15], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert fit.residual_std == pytest.approx(np.sqrt(2 * found.cost / 17), rel=1e-6)
    np.testing.assert_allclose(list(fit.parameters.values()), found.x, rtol=1e-3)
    error = np.sqrt(2 * found.cost / 17 * np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    low, high = fit.intervals["b"]
    assert (high - low) / 2 == pytest.approx(2.1098 * error[2], rel=1e-3)


def test_a_law_that_does_not_fit_is_told_by_its_scatter():
    """Sizes of which every second lies 10 % off, against the same without."""
    curves = [replace(c, name=f"{c.size:g}") for c in made(0.01)]
    off = [replace(c, score=c.score * 1.1 ** (k % 2)) for k, c in enumerate(curves)]
    (right,), (wrong,) = (fit_sizes(given, fits=dict(fit_curves(given))) for given in (curves, off))
    assert right.p_value > 0.05 > 1e-4 > wrong.p_value
    fits = [fit.best for _, fit in fit_curves(off)]
    freedom = sum(f.degrees_of_freedom for f in fits)
    pooled = sum(f.residual_std**2 * f.degrees_of_freedom for f in fits) / freedom
    assert wrong.curves_std == pytest.approx(np.sqrt(pooled), rel=1e-6)
    ratio = wrong.residual_std**2 / pooled
    left = wrong.points - len(wrong.intervals)
    assert wrong.p_value == pytest.approx(stats.f.sf(ratio, left, freedom), rel=1e-5)
    assert np.isnan(fit_sizes(off)[0].p_value)


def test_needs_two_sizes():
    with pytest.raises(ts.TokenspaceError, match="two sizes of model: a column model_size"):
        fit_sizes(read_curves())
    with pytest.raises(ts.TokenspaceError, match="4 scores do not determine"):
        fit_sizes([c.keep(c.n < 5) for c in made()[:2]])


def test_benchmarks_without_two_sizes_or_without_differences_are_left_out():
    small, large = made()[::2]
    other = Curve("d", N, large.score, {"model": "d", "benchmark": "other"}, size=7e9)
    assert in_several_sizes([small, other]) == {}
    flat = [c.keep(c.n > 0) for c in (small, large)]
    for curve in flat:
        curve.score[:] = 1.0
    assert in_several_sizes(flat) == {}


def test_a_perfect_score_is_the_best_there_can_be():
    """Shares of which one is 1: their limit is 1, not that of percentages."""
    curves = made()
    gaps = [c.score / 0.7 for c in curves]
    gaps[2][-1] = 1.0
    (fit,) = fit_sizes(
        [Curve("c", N, s, c.labels, size=c.size) for c, s in zip(curves, gaps, strict=True)]
    )
    assert fit.parameters["limit"] == pytest.approx(1) and "limit" not in fit.intervals


@pytest.mark.slow
def test_published_sizes():
    fits = fit_sizes(read_curves("published"))
    assert len(fits) == 2
    assert sorted(fit.residual_std < 0.01 for fit in fits) == [False, True]  # OCR scatters more
    for fit in fits:
        assert fit.sizes == (0.5e9, 1.8e9, 4e9, 7e9) and fit.residual_std < 0.08
        assert (
            fit.parameters["limit"] == pytest.approx(1, rel=1e-3) and "limit" not in fit.intervals
        )
        assert fit.parameters["b"] > 0 and fit.parameters["g"] > 0


def test_with_a_limit_at_the_top_others_may_have_one_below_it():
    """The ends of A, b and g lie on scipy's profile of limits of at most 1."""
    rng = np.random.default_rng(6)
    scores = [1 - 0.6 * (size / SIZES[0]) ** -0.2 * N**-0.15 for size in SIZES]
    scores = [s * np.exp(0.002 * rng.standard_normal(len(N))) for s in scores]
    curves = [
        Curve("c", N, s, {"model": f"{k:g}", "benchmark": "b"}, size=k)
        for k, s in zip(SIZES, scores, strict=True)
    ]
    (fit,) = fit_sizes(curves)
    assert fit.parameters["limit"] == pytest.approx(1, rel=1e-6) and "limit" not in fit.intervals
    assert fit.scatter.common == 0

    def off(p):
        parts = [
            np.log(p[0] - p[1] * (c.size / SIZES[0]) ** -p[2] * c.n ** -p[3]) - np.log(c.score)
            for c in curves
        ]
        return np.concatenate(parts)

    def least(place, value):
        """Squares with a parameter held; the limit too, at 1, for none."""
        start = np.delete([0.99, *list(fit.parameters.values())[1:]], place)
        bounds = [[0.8, 0, -1, 0], [1, 2, 1, 1]]
        found = optimize.least_squares(
            lambda q: off(np.insert(q, place, value)),
            start,
            bounds=np.delete(bounds, place, axis=1),
            xtol=1e-12,
            ftol=1e-12,
        )
        return 2 * found.cost

    rss = least(0, 1.0)
    assert fit.residual_std == pytest.approx(np.sqrt(rss / 18), rel=1e-5)
    for place, name in enumerate(("A", "b", "g"), 1):
        for end in fit.intervals[name]:
            above = (least(place, end) / rss - 1) * 18
            assert above == pytest.approx(stats.t.ppf(0.975, 18) ** 2, rel=0.05), (name, end)


SHARE = np.geomspace(0.03, 0.01, len(N))  # standard errors over scores


def with_errors(off, seed=4, factor=1.0):
    """Scores that are off by `off` of what their errors, times 1 / factor, say."""
    rng = np.random.default_rng(seed)
    noise = off * SHARE * rng.standard_normal((len(SIZES), len(N)))
    bare = [replace(c, name=f"{c.size:g}") for c in made()]
    scores = [c.score * np.exp(e) for c, e in zip(bare, noise, strict=True)]
    return [
        replace(c, score=s, error=s * SHARE / factor) for c, s in zip(bare, scores, strict=True)
    ]


@pytest.mark.parametrize(("off", "by_errors"), [(0.5, True), (3.0, False)])
def test_errors_weigh_the_scores_and_tell_the_noise_unless_chi_squared_is_large(off, by_errors):
    """Beside scipy's least squares of residuals over errors; (J^T J)^-1 is the covariance."""
    curves = with_errors(off, seed=9)  # sizes that share no scatter
    (fit,) = fit_sizes(curves)
    n, size = np.tile(N, 3), np.repeat(SIZES, len(N))

    def law(p, n, size):
        return p[0] - p[1] * (size / SIZES[0]) ** -p[2] * n ** -p[3]

    def residuals(p):
        share = np.tile(SHARE, 3)
        return (np.log(law(p, n, size)) - np.log(np.concatenate([c.score for c in curves]))) / share

    found = optimize.least_squares(
        residuals, [0.7, 0.3, 0.2, 0.15], xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    np.testing.assert_allclose(list(fit.parameters.values()), found.x, rtol=1e-3)
    chi_squared, freedom = 2 * found.cost, 17
    assert fit.chi_squared == pytest.approx(chi_squared, rel=1e-6) and fit.by_errors is by_errors
    widen = 1.0 if by_errors else chi_squared / freedom
    covariance = widen * np.linalg.inv(found.jac.T @ found.jac)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=5e-3)
    quantile = stats.norm.ppf(0.975) if by_errors else stats.t.ppf(0.975, freedom)
    low, high = fit.intervals["b"]
    assert (high - low) / 2 == pytest.approx(quantile * np.sqrt(covariance[2, 2]), rel=2e-3)
    half = quantile * np.sqrt(covariance[0, 0])
    ends = found.x[0] - half, min(found.x[0] + half, 1.0)
    np.testing.assert_allclose(fit.intervals["limit"], ends, rtol=2e-3)

    at, new = np.array([100.0]), 0.02
    value = law(found.x, at, 3e9)
    steps = 1e-6 * np.eye(4)
    slopes = [
        (np.log(law(found.x + e, at, 3e9)) - np.log(law(found.x - e, at, 3e9)))[0] / 2e-6
        for e in steps
    ]
    variance = slopes @ covariance @ slopes
    for error, own in ((0.0, 0.0), (new, widen * (new / value[0]) ** 2)):
        ends = fit.predict_interval(at, 3e9, error)
        half = quantile * np.sqrt(variance + own)
        np.testing.assert_allclose(
            np.log(ends).ravel(), np.log(value) + half * np.array([-1, 1]), atol=2e-3 * half
        )


def test_errors_that_some_curves_lack_weigh_nothing():
    curves = with_errors(1.0)
    (some,) = fit_sizes([replace(curves[0], error=None), *curves[1:]])
    (none,) = fit_sizes([replace(c, error=None) for c in curves])
    assert some.parameters == none.parameters and some.intervals == none.intervals
    assert np.isnan([some.chi_squared, some.stated]).all() and not some.by_errors
    low, high = none.predict_interval(100.0, 3e9)
    bare = none.predict_interval(100.0, 3e9, 0.0)
    own = (np.log(high / low) ** 2 - np.log(bare[1] / bare[0]) ** 2) / 4
    assert own[0] == pytest.approx((stats.t.ppf(0.975, 17) * none.residual_std) ** 2, rel=1e-9)


def test_chi_squared_refuses_the_law_where_the_curves_agree_with_their_errors():
    """A size that lies 10 % off; by errors that are too small the scatter is judged, by F."""
    curves = with_errors(0.5)
    off = [replace(c, score=c.score * 1.1 ** (k % 2)) for k, c in enumerate(curves)]
    (fit,) = fit_sizes(off, fits=dict(fit_curves(off, "saturating")))
    assert fit.p_value == stats.chi2.sf(fit.chi_squared, 17) < 1e-3
    doubted = with_errors(1.0, factor=5.0)
    fits = dict(fit_curves(doubted, "saturating"))
    (fit,) = fit_sizes(doubted, fits=fits)
    own = [f.best for f in fits.values()]
    freedom = sum(f.degrees_of_freedom for f in own)
    squares = sum(f.chi_squared for f in own) * fit.stated  # each by its own errors
    assert fit.curves_std == pytest.approx(np.sqrt(squares / freedom), rel=1e-6)
    ratio = fit.residual_std**2 / fit.curves_std**2
    assert fit.p_value == pytest.approx(stats.f.sf(ratio, 17, freedom), rel=1e-6)
    assert fit.p_value > 0.05 > 1e-6 > stats.chi2.sf(fit.chi_squared, 17)


def test_a_limit_may_lie_below_a_score_that_noise_has_raised():
    """Curves that are level at the end: the optimum is that of scipy without a bound."""
    curves = []
    for size in SIZES:
        score = 0.7 - 0.4 * (size / SIZES[0]) ** -0.6 * N**-0.8
        score[-1] *= 1.02
        curves.append(Curve("c", N, score, {"model": f"{size:g}", "benchmark": "b"}, size=size))
    (fit,) = fit_sizes(curves)

    def off(p):
        parts = [
            np.log((p[0] - p[1] * (c.size / SIZES[0]) ** -p[2] * c.n ** -p[3]) / c.score)
            for c in curves
        ]
        return np.concatenate(parts)

    found = optimize.least_squares(off, [0.7, 0.4, 0.6, 0.8], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert found.x[0] < max(c.score.max() for c in curves)
    np.testing.assert_allclose(list(fit.parameters.values()), found.x, rtol=1e-3)
    low, high = fit.intervals["limit"]
    error = np.sqrt(2 * found.cost / 17 * np.linalg.inv(found.jac.T @ found.jac)[0, 0])
    assert high - low == pytest.approx(2 * 2.1098 * error, rel=0.01)


def test_what_the_scores_do_not_tell_is_not_bounded():
    """A law that only rises, of scores that fall: g is 0, and as small as any."""
    curves = [replace(c, score=1.2 - c.score) for c in made()]
    (fit,) = fit_sizes(curves)
    assert fit.parameters["g"] < 1e-6 and fit.intervals["g"] == (0, np.inf)


def test_sizes_in_two_units_are_named():
    small, *large = made()
    assert units_of_sizes([small, *large]) == []
    assert units_of_sizes([replace(small, score=100 * small.score), *large]) == ["b"]


def test_of_bare_noise_the_limit_and_what_is_to_be_gained_are_not_bounded():
    """Nor does a number overflow on the way."""
    noise = np.random.default_rng(0).standard_normal((len(SIZES), len(N)))
    curves = [replace(c, score=0.7 * np.exp(0.3 * e)) for c, e in zip(made(), noise, strict=True)]
    with np.errstate(over="raise"):
        (fit,) = fit_sizes(curves)
    assert fit.intervals["A"] == fit.intervals["g"] == (0, np.inf)
    assert fit.intervals["limit"] == (0, 100)  # a score is above 1: per cent


def test_intervals_are_of_the_level_that_is_asked_for():
    curves = made(0.01)
    wide, narrow = (fit_sizes(curves, level)[0] for level in (0.95, 0.5))
    assert narrow.level == 0.5
    ratio = stats.t.ppf(0.75, 17) / stats.t.ppf(0.975, 17)
    for ends in (lambda fit: np.log(fit.predict_interval(9, 1e9)), lambda fit: fit.intervals["b"]):
        assert np.ptp(ends(narrow)) == pytest.approx(ratio * np.ptp(ends(wide)), rel=1e-9)
    at = [4.0, 9.0], 1e9
    np.testing.assert_array_equal(
        wide.predict_interval(*at, level=0.5), narrow.predict_interval(*at)
    )


LAW = SizeFit(
    "b",
    SIZES,
    {"limit": 0.7, "A": 0.3, "b": 0.2, "g": 0.15},
    dict.fromkeys(("limit", "A", "b", "g"), (0.0, 1.0)),
    residual_std=0.01,
    points=21,
    scatter=Scatter(1e-4, 0.0, 17.0, 1, np.nan),
    covariance=((0.0,) * 4,) * 4,
    common_covariance=((0.0,) * 4,) * 4,
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n": 0}, "n = 0 is not allowed; it must be a finite number > 0"),
        ({"n": [4, -3]}, r"n = \[4, -3\]"),
        ({"n": np.inf}, "n = inf"),
        ({"n": "many"}, "n = 'many'"),
        ({"n": [[4.0]]}, "n = .*, or a list of them"),
        ({"size": 0}, "size = 0 is not allowed; it must be a finite number > 0$"),
        ({"size": [1e9, 7e9]}, "size = "),
        ({"error": -0.1}, "error = -0.1 is not allowed; it must be a finite number >= 0"),
        ({"level": "95%"}, "level = '95%' is not allowed"),
        ({"error": [0.1, 0.2]}, "error has 2 values, but n has 1"),
        ({"error": 1e300}, r"error = 1e\+300 is not allowed beside scores of .*1e\+30 times"),
        ({"n": [1e-9, 1e-3, 4]}, "at size = 500000000.0: the law is not above 0 from n = 0.001"),
    ],
)
def test_what_is_no_number_of_tokens_no_size_and_no_error_is_refused(given, words):
    with pytest.raises(ts.TokenspaceError, match=words):
        LAW.predict_interval(**({"n": 4.0, "size": 0.5e9} | given))
    with pytest.raises(ts.TokenspaceError, match="size = -1"):
        LAW.predict(4, -1)


@pytest.mark.parametrize("n", [4.0, [4.0, 9.0]])
def test_an_error_of_0_of_a_law_without_doubt_is_its_value(n):
    low, high = LAW.predict_interval(n, 7e9, error=0)
    np.testing.assert_allclose([low, high], [np.atleast_1d(LAW.predict(n, 7e9))] * 2, rtol=1e-14)


def test_scatter_beside_a_huge_error_is_no_part_of_an_interval():
    """Student's t of the degrees of freedom of the error's part alone, and no overflow."""
    half = replace(LAW.scatter, common=4e-4).half(0.95, np.array(1e200), np.array(4e-4))
    assert half == pytest.approx(stats.t.ppf(0.975, 17) * 1e100, rel=1e-12)


def test_scores_without_noise_of_sizes_that_scatter():
    """The part within is 0, not less by rounding; a new score of a new size has luck all the same."""
    slopes = np.stack([np.ones(20), np.tile(np.arange(5.0), 4)], axis=1)
    size, root = np.repeat(np.arange(4), 5), np.ones(20)
    for seed in range(5):
        shift = np.random.default_rng(seed).standard_normal(4)[size]
        residuals = shift - slopes @ np.linalg.pinv(slopes) @ shift
        assert scatter_of(residuals, slopes, root, size, np.nan)[0].within >= 0
    fit = replace(LAW, scatter=Scatter(0.0, 4e-4, 17.0, 2, 0.01))
    for error, wide in ((None, True), (1e-9, True), (0.0, False)):
        low, high = np.log(fit.predict_interval(100.0, 7e9, error))
        half = stats.t.ppf(0.975, 2) * 0.02 if wide else 0.0
        assert (high - low) / 2 == pytest.approx(half, abs=1e-12, rel=1e-6)


def test_what_the_law_leaves_is_named_and_whether_intervals_count_it(capsys):
    law = (
        "this law does not fit: scatter 1 %, and 0.2 % about the curves' own best laws (p = 0.01)."
    )
    whole = "Each size scatters as a whole, by 2 % (p = 0.04), and scores by 1 % about it: its "
    whole += "intervals count both."
    for p_law, p_sizes, words in (
        (0.06, 0.06, ""),
        (0.01, 0.06, f"b: {law} Its intervals say little."),
        (0.06, 0.04, f"b: {whole}"),
        (0.01, 0.04, f"b: {law} {whole}"),
    ):
        scatter = replace(LAW.scatter, common=4e-4, p_value=p_sizes)
        show_sizes([replace(LAW, curves_std=0.002, p_value=p_law, scatter=scatter)])
        assert " ".join(capsys.readouterr().out.split("┘")[-1].split()) == words
