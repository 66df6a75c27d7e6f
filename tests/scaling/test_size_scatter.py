"""What sizes of a model have in common, and what intervals of the law over sizes hold."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.size_scatter import scatter_of
from tokenspace.scaling.sizes import fit_sizes

DOCS = Path(__file__).parent.parent.parent / "docs"
N = np.array([1, 4, 16, 36, 64, 144, 576.0])
SIZES = (0.5e9, 1.8e9, 7e9)


def test_scatter_that_sizes_share_is_henderson_s():
    """Beside squares of regressions with and without a column for each size."""
    rng, size = np.random.default_rng(1), np.repeat(np.arange(6), 5)
    root = np.sqrt(rng.uniform(0.5, 2, 30))
    law = root[:, None] * np.stack([np.ones(30), np.tile(np.arange(5), 6), size**1.5], axis=1)
    shifts = root[:, None] * (size[:, None] == np.arange(6))
    y = rng.standard_normal(30) + shifts @ np.array([1, -2, 1, 2, -1, -2.0])

    def squares(design):
        rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        return rest @ rest, design @ np.linalg.pinv(design)

    both = np.column_stack([law, shifts])
    (less, wide), (more, narrow) = squares(both), squares(law)
    residuals = y - narrow @ y
    found, of_within, of_common = scatter_of(residuals, law, root, size, np.nan)
    within, told = less / 23, np.trace(shifts.T @ (np.eye(30) - narrow) @ shifts)
    assert (found.sizes, found.left) == (4, 23) == (round(np.trace(wide - narrow)), 23)
    assert found.within == pytest.approx(within)
    assert found.common == pytest.approx((more - less - 4 * within) / told)
    assert found.p_value == pytest.approx(stats.f.sf((more - less) / 4 / within, 4, 23))
    whole = found.common * shifts @ shifts.T
    np.testing.assert_allclose(of_within, within * np.linalg.inv(law.T @ law))
    np.testing.assert_allclose(of_common, np.linalg.pinv(law) @ whole @ np.linalg.pinv(law).T)
    a, b = 0.3 * within, 0.7 * found.common
    freedom = (a + b) ** 2 / (a**2 / 23 + b**2 / 4)
    half = stats.t.ppf(0.9, freedom) * np.sqrt(a + b)
    assert found.half(0.8, np.array([a]), np.array([b])) == pytest.approx(half)

    known, *_ = scatter_of(residuals, law, root, size, 1.5 * within)  # errors that agree
    assert (known.within, known.left) == (1.5 * within, np.inf)
    assert known.p_value == pytest.approx(stats.chi2.sf((more - less) / (1.5 * within), 4))
    normal = stats.t.ppf(0.9, (a + b) ** 2 / (b**2 / 4)) * np.sqrt(a + b)
    assert known.half(0.8, np.array([a]), np.array([b])) == pytest.approx(normal)

    y = y - shifts @ np.linalg.lstsq(shifts, y, rcond=None)[0]  # each size has its own mean
    alone, _, none = scatter_of(y - narrow @ y, law, root, size, np.nan)
    assert alone.p_value > 0.5 and alone.common == 0 and not none.any() and alone.left == 27


def test_a_size_that_is_not_measured_has_luck_of_its_own():
    """New scores and the law's own value are known less where sizes lie 3 % off, each as a whole."""
    rng = np.random.default_rng(0)
    sizes = 0.5e9 * np.geomspace(1, 32, 8)
    curves = []
    for k, size in enumerate(sizes):
        noise = 0.005 * rng.standard_normal(len(N)) + 0.03 * (-1) ** k
        score = (0.7 - 0.3 * (size / sizes[0]) ** -0.2 * N**-0.15) * np.exp(noise)
        curves.append(Curve(str(k), N, score, {"model": str(k)}, size=size))
    (fit,) = fit_sizes(curves)
    assert fit.scatter.p_value < 1e-6
    assert np.sqrt([fit.scatter.within, fit.scatter.common]) == pytest.approx(
        [0.005, 0.03], rel=0.25
    )
    new, law = (fit.predict_interval(100.0, 5e9, error) for error in (None, 0.0))
    slopes = np.log(new[1] / new[0]) ** 2 - np.log(law[1] / law[0]) ** 2
    assert slopes / 4 > stats.norm.ppf(0.975) ** 2 * fit.scatter.common
    covariance, common = np.array(fit.covariance), np.array(fit.common_covariance)
    assert (np.diag(common) > 0.5 * np.diag(covariance)).all()


def test_a_variance_that_sizes_share_is_not_below_0():
    """Between the median of F and 1 Henderson's estimate is: what sizes share is then nothing."""
    size, ones = np.repeat(np.arange(4), 6), np.ones((24, 1))
    noise = np.random.default_rng(0).standard_normal((4, 6))
    within = noise - noise.mean(axis=1, keepdims=True)
    between = np.repeat(np.array([-1, 0, 0, 1.0]), 6)
    between *= np.sqrt(0.95 * 3 * (within**2).sum() / 20 / (between**2).sum())
    found, _, common = scatter_of(within.ravel() + between, ones, np.ones(24), size, np.nan)
    assert found.p_value == pytest.approx(stats.f.sf(0.95, 3, 20)) and found.p_value < 0.5
    assert found.common == 0 and not common.any()


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage", DOCS / "sizes_coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["none", "none, sizes scatter"])
def test_what_intervals_hold(coverage, setting):
    """90 to 97 % of new scores of sizes between and beyond, and what the page says."""
    law, count = "limit hardly told", 5
    found, runs = coverage.held(law, count, setting), coverage.RUNS
    for share in found[0][1:]:
        held = round(share / 100 * runs)
        assert stats.binom.ppf(0.01, runs, 0.90) <= held <= stats.binom.ppf(0.99, runs, 0.97)
    place = 3 + list(coverage.SETTINGS).index(setting)
    page = coverage.PAGE.read_text().splitlines()
    rows = [line.split("|") for line in page if line.startswith(f"| {law} | {count} |")]
    for part, row in zip(found, rows, strict=True):  # a run falls otherwise by rounding
        assert [float(x) for x in row[place].split()] == pytest.approx(part, abs=1)
