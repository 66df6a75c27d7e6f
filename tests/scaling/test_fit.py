import dataclasses
import json

import numpy as np
import pytest
from scipy import optimize

import tokenspace as ts
from tokenspace import theory
from tokenspace.errors import InputError
from tokenspace.scaling import fit, lanes, validation
from tokenspace.scaling.curves import Curve, fit_curves, read_curves
from tokenspace.scaling.points import grouped

CURVES = read_curves()
N = np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768])


def test_the_papers_36_curves_are_there():
    assert len(CURVES) == 36 and all(len(c.n) == 10 for c in CURVES)


@pytest.mark.parametrize("curve", CURVES, ids=[c.name for c in CURVES])
def test_power_law_is_ordinary_least_squares(curve):
    n, score = curve.n, curve.score
    slope, intercept = np.polyfit(np.log(n), np.log(score), 1)
    fit = ts.fit_scaling(n, score, "power").best.parameters
    assert fit["c"] == pytest.approx(np.exp(intercept), rel=1e-6)
    assert fit["alpha"] == pytest.approx(-slope, rel=1e-6, abs=1e-8)


def test_crossover_recovers_the_theory():
    branches = ts.equicorrelated(0.0, 1 / 31, 0.0)  # n_balance = 30
    score = 5.0 * N ** -theory.alpha(branches, N, 0.4)
    fit = ts.fit_scaling(N, score, "power,crossover,saturating")
    assert fit.winner == "crossover"
    assert fit.best.parameters["n_balance"] == pytest.approx(30, rel=1e-3)
    assert fit.best.parameters["beta"] == pytest.approx(0.4, rel=1e-3)
    np.testing.assert_allclose(fit.best.predict(N), score, rtol=1e-5)


def test_saturating_recovers_itself():
    score = 80 * (1 - 0.6 * N**-0.5)
    fit = ts.fit_scaling(N, score)
    assert fit.winner == "saturating"
    for name, value in (("limit", 80), ("q", 0.6), ("g", 0.5)):
        assert fit.best.parameters[name] == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("k", [0, 4, 7, 35])
def test_optimum_is_that_of_scipy(k):
    n, score = CURVES[k].n, CURVES[k].score
    fit = ts.fit_scaling(n, score, "saturating").best
    x, y = np.log(n), np.log(score)

    def loss(p):
        return np.sum((np.log(p[0] * (1 - p[1] * np.exp(-p[2] * x))) - y) ** 2)

    bounds = [(1e-6, None), (-50, 1 - 1e-9), (0.01, 10)]
    starts = [
        (top * score.max(), q, g) for top in (1.02, 1.5) for q in (0.3, 0.8) for g in (0.1, 0.5)
    ]
    best = min(
        optimize.minimize(
            loss, start, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15}
        ).fun
        for start in starts
    )
    assert loss(list(fit.parameters.values())) <= best * (1 + 1e-4)


@pytest.mark.parametrize("k", [2, 9])
def test_residuals_and_data_are_kept(k):
    n, score = CURVES[k].n, CURVES[k].score
    fit = ts.fit_scaling(n[::-1], score[::-1], "power").best
    residuals = np.log(score) - np.polyval(np.polyfit(np.log(n), np.log(score), 1), np.log(n))
    assert fit.degrees_of_freedom == 8 and fit.too_few == ""
    assert fit.residual_std == pytest.approx(np.sqrt(residuals @ residuals / 8), rel=1e-6)
    np.testing.assert_allclose(fit.n, n)
    np.testing.assert_allclose(fit.score, score)


def test_a_fit_does_not_depend_on_its_company():
    rng = np.random.default_rng(3)
    curves = [(N[:m], N[:m] ** 0.2 * np.exp(0.1 * rng.standard_normal(m))) for m in (10, 7, 9)]
    progress = []
    together = fit_curves(
        [Curve(str(len(n)), n, s) for n, s in curves], "saturating", progress=progress.append
    )
    assert progress == [3]
    for (name, found), (n, score) in zip(together, curves, strict=True):
        assert name == str(len(n))
        assert json.dumps(found.to_dict()) == json.dumps(
            ts.fit_scaling(n, score, "saturating").to_dict()
        )


def test_many_points_come_in_smaller_blocks(monkeypatch):
    """As many numbers at once, at least one curve; the fits are the same."""
    rng = np.random.default_rng(3)
    curves = [Curve(str(k), N, N**0.2 * np.exp(0.1 * rng.standard_normal(10))) for k in range(2)]
    want = json.dumps([f.to_dict() for _, f in fit_curves(curves, "saturating")])
    for numbers in (10 * 7, 100_000):  # seven lanes of ten points
        monkeypatch.setattr(lanes, "NUMBERS", numbers)
        monkeypatch.setattr(validation, "NUMBERS", numbers)
        assert json.dumps([f.to_dict() for _, f in fit_curves(curves, "saturating")]) == want


def test_curves_too_long_to_leave_each_score_out(monkeypatch):
    n = np.arange(1.0, 2002.0)
    with pytest.raises(InputError, match=r"n has 2,001 values, and a curve may have 2,000: .*keep"):
        ts.fit_scaling(n, n**0.2)
    monkeypatch.setattr(fit, "MOST", 10)
    assert ts.fit_scaling(n[:10], n[:10] ** 0.2, "power").best.parameters["alpha"] < 0
    with pytest.raises(InputError, match="n has 11 values"):
        ts.fit_scaling(n[:11], n[:11] ** 0.2, "power")


def test_fits_are_values_and_options_have_names():
    found = ts.fit_scaling(N, 5 * N**0.3, "power")
    ((_, points),) = grouped([(np.log(N), np.log(N), np.ones(10))])
    for value, name in ((found, "winner"), (found.best, "aicc"), (points, "x")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 1)
    for options in (("power", 0.9), ("power", 0.9, None)):
        with pytest.raises(TypeError):
            ts.fit_scaling(N, N, *options)
        with pytest.raises(TypeError):
            fit_curves([Curve("", N, N)], *options)


def test_an_error_names_the_curve():
    with pytest.raises(ts.TokenspaceError, match=r"^bad: score\[0\] = -1"):
        fit_curves([Curve("good", N, N), Curve("bad", N, np.r_[-1, N[1:]])])


@pytest.mark.parametrize("level", [0.0, 1.0, -1, np.nan, "95%"])
def test_levels_that_cannot_be(level):
    with pytest.raises(ts.TokenspaceError, match="level = "):
        ts.fit_scaling(N, N, level=level)
    with pytest.raises(ts.TokenspaceError, match="level = "):
        ts.fit_scaling(N, N, "power").best.predict_interval(N, level=level)


@pytest.mark.parametrize(
    ("n", "score", "words"),
    [
        ([1, 2, 3], [1, 2], "3 values but score has 2"),
        ([1, 2, 3], [1, -2, 3], "score[1] = -2"),
        ([0, 2, 3], [1, 2, 3], "n[0] = 0"),
        ([1, 1, 2], [1, 2, 3], "at least 3 different"),
        (["a", 1, 2], [1, 2, 3], "list of numbers"),
    ],
)
def test_refuses(n, score, words):
    with pytest.raises(ts.TokenspaceError) as caught:
        ts.fit_scaling(n, score)
    assert words in str(caught.value)
    with pytest.raises(ts.TokenspaceError, match="law = 'cubic'"):
        ts.fit_scaling([1, 2, 3], [1, 2, 3], "cubic")


def test_fits_are_printed_for_people():
    n = np.array([4, 16, 36, 64, 144, 576])
    score = np.array([41, 50.1, 55.3, 57.2, 60, 61.9])
    found = ts.fit_scaling(n, score, "power,logarithm")
    first, second = str(found).split("\n")
    assert first == (
        "ScalingFit of 6 points: of 2 laws AICc prefers the logarithm law, not decisively: AICc is "
        "not ahead by more than 10"
    )
    assert second == "c = 36.44 (29.84 to 43.48), k = 0.1262 (0.06484 to 0.2121) (95 % intervals)"
    power = found.fits["power"]
    low, high = power.intervals["c"]
    said = f"LawFit: power law of 6 points, 95 % intervals: c = {power.parameters['c']:.4g} ("
    assert repr(power).startswith(f"{said}{low:.4g} to {high:.4g}), alpha = -0.08")
    few = ts.fit_scaling(n[:3], score[:3])
    assert "none of 6 laws is preferred: 3 points are too few to compare the laws;" in str(few)
    assert str(ts.fit_scaling(n, score, "power")).startswith("ScalingFit of 6 points: the power ")
    assert "but the scores have no slope" in str(ts.fit_scaling(n, 0 * n + 40, "power"))
    odds = ts.fit_scaling(n, score, "saturating", scale=ts.Logit(100, 0)).best
    assert f"limit = {odds.limits_as_scores().parameters['limit']:.4g} (" in repr(odds)


@pytest.mark.parametrize("odd", ["masked", "complex"])
def test_masked_and_complex_scores_are_not_taken_for_others(odd):
    s = np.array([1.0, 2, 3, 4])
    bad = np.ma.masked_array(s, s > 3) if odd == "masked" else s + 1j
    with pytest.raises(InputError, match=f"score has {odd} values; give real numbers"):
        ts.fit_scaling([1, 2, 4, 8], bad)


@pytest.mark.parametrize(
    "name, bad",
    [
        *(("largest", value) for value in (0, "a", np.nan, True, np.complex128(9), 2**31 - 1)),
        *(("points", value) for value in (0, np.inf, 2.5, 9 + 0j, True, "a", None)),
    ],
)
def test_grids_that_are_none(name, bad):
    said = (
        rf"log_grid: {name} = .* is not allowed; it must be a (whole )?number from 1 to 2147483646"
    )
    with pytest.raises(InputError, match=said):
        ts.log_grid(**{"largest": 9, "points": 4} | {name: bad})
    np.testing.assert_array_equal(ts.log_grid(np.float32(9), np.int64(3)), [1, 3, 9])
