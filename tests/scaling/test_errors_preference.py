"""Which law is preferred where standard errors are stated: one noise of known size for all laws."""

import importlib.util
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.scaling.curves import Curve, fit_curves
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import Mixture, on_grid
from tokenspace.scaling.preference import _slope, birge, compare
from tokenspace.scaling.result import LawFit

DOCS = Path(__file__).parent.parent.parent / "docs"
N = np.array([1, 4, 16, 64, 256, 1024.0])
OFF = np.array([1, -2, 1, 2, -1, -1.0])  # noise that no law follows, in standard errors
LAW = known_laws()["saturating"]
LAWS = "power,logarithm,saturating"
CHI = np.array([[8.0, 8.0, 90.0, np.nan, 0.0], [3.0, 4.5, 60.0, np.nan, 0.0]])


def test_one_noise_for_all_laws():
    """Least chi^2 / freedom: 1, 1.5 (p 0.21), 20 (refused), no errors, and of a law not told."""
    freedom = np.array([[4.0] * 5, [3.0, 3.0, 3.0, 3.0, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = birge(CHI, freedom)
    np.testing.assert_array_equal(found, [1, 1.5, np.nan, np.nan, 1])
    edge = stats.chi2.isf(0.05, 4)
    for chi_squared, s in ((0.999 * edge, 0.999 * edge / 4), (1.001 * edge, np.nan)):
        found = birge(np.array([[chi_squared]]), np.array([[4.0]]))
        np.testing.assert_allclose(found, [s])


def curve(size=1.0):
    """A saturating curve whose noise is of size 2 % in log S."""
    return (50 - 30 * N**-0.4) * np.exp(0.02 * size * OFF / np.sqrt(2))


@pytest.mark.parametrize("size", [0.6, 1.1])
def test_criteria_of_known_noise(size):
    score = curve(size)
    found = ts.fit_scaling(N, score, LAWS, error=0.02 * score)
    least = min(f.chi_squared / f.degrees_of_freedom for f in found.fits.values())
    assert (least > 1) is (size > 1)
    for one in found.fits.values():
        p, chi_squared = len(one.parameters), one.chi_squared / max(1, least)
        assert one.aicc == pytest.approx(chi_squared + 2 * p, rel=1e-9)
        assert one.bic == pytest.approx(chi_squared + p * np.log(6), rel=1e-9)
        assert one.noise == pytest.approx(0.02**2 * max(1, least), rel=1e-9)
    assert found.by_errors and found.to_dict()["compared_by"] == "standard errors"


def test_refused_errors_are_weights_alone():
    """All laws refused: everything is as without errors, which are alike at every n here."""
    score = curve(4.0)
    found = ts.fit_scaling(N, score, LAWS, error=0.02 * score)
    plain = ts.fit_scaling(N, score, LAWS)
    assert not found.by_errors and found.to_dict()["compared_by"] == "scatter"
    for name, one in found.fits.items():
        other = plain.fits[name]
        for key in ("aicc", "bic", "left_out"):
            assert getattr(one, key) == pytest.approx(getattr(other, key), rel=1e-6), (name, key)
    assert (found.winner, found.why, found.flat) == (plain.winner, plain.why, plain.flat)


def line(x, y, variance):
    """(design, covariance, coefficients) of a weighted line."""
    design = np.stack([np.ones_like(x), x], axis=1)
    covariance = np.linalg.inv(design.T @ (design / variance[:, None]))
    return covariance, covariance @ design.T @ (y / variance)


SHARE = np.array([0.04, 0.03, 0.02, 0.02, 0.01, 0.01])


def test_scores_left_out_are_judged_by_their_errors():
    """The power law in closed form: a normal density of known variance."""
    x, y = np.log(N), 3 + 0.2 * np.log(N) + SHARE * OFF / 2
    one = ts.fit_scaling(N, np.exp(y), "power", error=SHARE * np.exp(y)).best
    assert one.noise == one.stated
    want = []
    for k in range(6):
        rest = np.arange(6) != k
        covariance, found = line(x[rest], y[rest], SHARE[rest] ** 2)
        at = np.array([1, x[k]])
        size = np.sqrt(SHARE[k] ** 2 + at @ covariance @ at)
        want.append(stats.norm.logpdf(y[k], at @ found, size))
    assert one.left_out == pytest.approx(np.mean(want), rel=1e-9)


def test_shapes_of_known_noise_are_as_likely_as_their_squares_say():
    """Each curve by its own noise, where one is known."""
    x, y = np.log(np.stack([N, N])), np.log(np.stack([curve(), curve()]))
    points = Points(x, y, np.ones((2, 6)), noise=np.array([0.02**2, np.nan]))
    grid = on_grid(LAW, points)
    known, scatter = grid.predict(x[:, :1]).weight[:, 0]
    want = np.exp(-grid.squares / (2 * 0.02**2))[0], grid.squares[1] ** -2.0
    for found, likely in zip((known, scatter), want, strict=True):
        np.testing.assert_allclose(found, likely / likely.sum(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_new_scores_have_the_errors_of_those_beside_them(size):
    """By the errors where chi^2 is below its median, else by Student's t of the scatter."""
    x, y = np.log(N), 3 + 0.2 * np.log(N) + size * SHARE * OFF
    one = ts.fit_scaling(N, np.exp(y), "power", error=SHARE * np.exp(y)).best
    assert one.by_errors is (size < 1)
    scatter, quantile = 1.0, stats.norm.ppf(0.95)
    if not one.by_errors:
        scatter, quantile = one.chi_squared / 4, stats.t.ppf(0.95, 4)
    covariance, found = line(x, y, SHARE**2)
    ahead = {4096.0: 0.01, 0.5: 0.04, 2.0: np.sqrt(0.04 * 0.03), 16.0: 0.02}
    low, high = one.predict_interval(list(ahead), level=0.9)
    for k, (n, share) in enumerate(ahead.items()):
        at = np.array([1, np.log(n)])
        half = quantile * np.sqrt(scatter * (share**2 + at @ covariance @ at))
        ends = np.exp(at @ found - half), np.exp(at @ found + half)
        assert (low[k], high[k]) == pytest.approx(ends, rel=1e-7), n


@pytest.mark.slow
@pytest.mark.parametrize(
    ("points", "true", "low", "high"),
    [(5, 1.0, 0.95, 0.99), (5, 2.0, 0.95, 0.95), (10, 1.0, 0.95, 0.99), (10, 4.0, 0.95, 0.95)],
)
def test_new_scores_lie_in_their_intervals(points, true, low, high, runs=600):
    n, share = np.geomspace(1, 512, points), np.linspace(0.04, 0.01, points)
    rng = np.random.default_rng(points)
    logs = 3 + 0.2 * np.log(n) + true * share * rng.standard_normal((runs, points))
    ahead = np.exp(3 + 0.2 * np.log(1024) + true * 0.01 * rng.standard_normal(runs))
    curves = [Curve(str(k), n, np.exp(y), error=np.exp(y) * share) for k, y in enumerate(logs)]
    held = []
    for (_, found), score in zip(fit_curves(curves, "power"), ahead, strict=True):
        bottom, top = found.best.predict_interval(1024.0)
        held.append(bottom[0] < score < top[0])
    error = 3 * np.sqrt(0.95 * 0.05 / runs)
    assert low - error < np.mean(held) < high + error


def test_student_of_infinite_freedom_is_normal():
    one = np.ones((1, 1, 2))
    mixture = Mixture(one / 2, 3 * one, 0.5 * one, np.array([[[np.inf, 4.0]]]))
    y = np.array([[3.7]])
    parts = stats.norm(3, 0.5), stats.t(4, 3, 0.5)
    density = np.log(np.mean([p.pdf(3.7) for p in parts]))
    assert mixture.log_density(y)[0, 0] == pytest.approx(density, rel=1e-12)
    below = np.mean([p.cdf(3.7) for p in parts])
    assert mixture.cdf(y)[0, 0] == pytest.approx(below, rel=1e-12)
    assert mixture.quantile(below)[0, 0] == pytest.approx(3.7, rel=1e-8)


def made(law, value, squares, noise, stated):
    """A fit of 10 points and 3 parameters of which only criterion and mean squares matter."""
    plain = LawFit(law, {}, {}, 0.95, 7, 0.1, value, value, 0.0, squares, N, N, np.ones(10))
    return replace(plain, noise=noise, stated=stated)


X = np.linspace(0, 6, 10)


def test_decisive_by_the_same_noise():
    """chi^2 / s less by 10: mean squares that differ by the noise, of ten points."""
    for squares, decisive in ((0.999, False), (1.001, True)):
        fits = [made("a", 3.0, 0.5, 1.0, 0.8), made("b", 99.0, 0.5 + squares, 1.0, 0.8)]
        found = compare(fits, X, 5 * X, np.ones(10))
        assert found.decisive is decisive, squares
        assert decisive or "ahead for fewer parameters" in found.why


def test_flat_by_the_same_noise():
    """chi^2 of 2 degrees of freedom at 5 % where the errors hold, F where s widens them."""
    y = 2 * np.array([1, -1, 2, -2, 1, 1, -2, 2, -1, -1.0])  # no slope
    y -= np.polyval(np.polyfit(X, y, 1), X)
    about = np.mean((y - y.mean()) ** 2)
    edge = about - stats.chi2.isf(0.05, 2) / 10
    by_f = about / (1 + stats.f.isf(0.05, 2, 7) * 2 / 7)
    for stated, squares in ((1.0, edge), (0.8, by_f)):
        for share, flat in ((1.001, True), (0.999, False)):
            one = made("a", 3.0, squares * share, 1.0, stated)
            assert compare([one], X, y, np.ones(10)).flat is flat, (stated, share)


def test_slope_of_known_noise():
    weight = np.linspace(1, 3, 10)
    x = X - np.average(X, weights=weight)
    half = stats.norm.ppf(0.95) * np.sqrt(0.25 / np.sum(weight * x**2))
    ends = _slope(X, 0.3 * X, weight, 0.9, 0.25)
    assert ends == pytest.approx((0.3 - half, 0.3 + half), rel=1e-9)


def test_preferred_is_the_winner_where_there_is_one():
    found = ts.fit_scaling(N, curve(), LAWS, error=0.02 * curve())
    assert found.preferred == found.winner == "saturating"
    assert ts.fit_scaling(N, curve(), "power").preferred == ""
    assert replace(found, flat=True).preferred == ""
    few = ts.fit_scaling([1, 4, 16], [2, 3, 5])
    assert few.winner and few.preferred == ""


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("fits", DOCS / "fits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(script, monkeypatch):
    script.alone(monkeypatch.setattr)
    return script


def cells(row):
    return [float(x) for cell in row.strip("| ").split("|")[2:] for x in cell.split(",")]


def held(page, law, points, which):
    """A row of the page beside one made anew: at most two runs fall otherwise by rounding."""
    table = page.PAGE.read_text().split("<!-- errors -->")[1].split("<!-- / -->")[0]
    (said,) = (s for s in table.splitlines() if s.startswith(f"| {law} | {points} |"))
    want = np.reshape(cells(said), (-1, 2))[which]
    for factor, cell in zip(np.array(list(page.ERRORS.values()))[which], want, strict=True):
        right, wrong, flat = (100 * x for x in page.rates(law, points, factor))
        assert cell == pytest.approx([flat if law == "constant" else right, wrong], abs=1), factor


@pytest.mark.once
def test_what_the_page_says_of_errors(page):
    """The curve of six points that AICc of the scatter calls a logarithm."""
    held(page, "saturating", 6, slice(0, 3, 2))


@pytest.mark.once
def test_what_the_page_says_of_intervals_of_parameters(script, monkeypatch):
    """Of six points, without errors and with some that are too large."""
    monkeypatch.setattr(script, "ERRORS", dict(list(script.ERRORS.items())[:2]))
    for made in script.held(6):
        assert made in script.PAGE.read_text(), "run: python docs/fits.py parameters"


@pytest.mark.slow
@pytest.mark.parametrize(("law", "points"), [("constant", 5), ("logarithm", 10)])
def test_other_rows_of_the_page(page, law, points):
    """Two of them: all take minutes."""
    held(page, law, points, slice(None))


@pytest.mark.slow
def test_what_the_page_says_of_other_rules_and_of_forecasts(page):
    """One row each, by the command's own functions."""
    said = page.PAGE.read_text()
    for cells in (page.chosen("logarithm", 5), page.told("logarithm", 5)):
        assert f"| logarithm | 5 | {' | '.join(cells)} |" in said, "run: python docs/fits.py"
    assert page.stated.DOUBT == 0.5
