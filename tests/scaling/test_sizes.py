"""Several sizes of a model fitted together."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

import tokenspace as ts
from tokenspace.scaling.curves import Curve, fit_curves, read_curves
from tokenspace.scaling.sizes import fit_sizes, in_several_sizes

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


def test_with_a_limit_at_the_top_intervals_are_those_of_scipy_without_it():
    rng = np.random.default_rng(3)
    curves = []
    for size in SIZES:
        score = 1.05 - 0.6 * (size / SIZES[0]) ** -0.2 * N**-0.15
        score = np.minimum(score * np.exp(0.01 * rng.standard_normal(len(N))), 1.0)
        curves.append(Curve("c", N, score, {"model": f"{size:g}", "benchmark": "b"}, size=size))
    (fit,) = fit_sizes(curves)
    assert fit.parameters["limit"] == pytest.approx(1, rel=1e-6) and "limit" not in fit.intervals

    def off(p):
        parts = [
            np.log(1 - p[0] * (c.size / SIZES[0]) ** -p[1] * c.n ** -p[2]) - np.log(c.score)
            for c in curves
        ]
        return np.concatenate(parts)

    found = optimize.least_squares(off, [0.5, 0.2, 0.15], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    freedom = len(found.fun) - 3
    error = np.sqrt(2 * found.cost / freedom * np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    low, high = fit.intervals["b"]
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, freedom) * error[1], rel=1e-3)
    assert fit.residual_std == pytest.approx(np.sqrt(2 * found.cost / freedom), rel=1e-5)
