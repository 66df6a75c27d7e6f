"""Fits at held shapes, leaving one n out, and quantiles: the fast ways against the plain ones."""

import numpy as np
import pytest
from scipy import optimize, stats

from tokenspace.scaling import fit, validation
from tokenspace.scaling.held import fit_held
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.optimise import minimise
from tokenspace.scaling.points import grouped
from tokenspace.scaling.predictive import Mixture, on_grid
from tokenspace.scaling.student import student
from tokenspace.scaling.validation import leave_one_out

N = np.array([1, 4, 8, 16, 64, 64, 128, 256, 512.0])
LAWS = known_laws()


def points_of(runs=6, noise=0.03):
    """Saturating and crossing curves; one n twice, and weights that differ."""
    rng = np.random.default_rng(2)
    shapes = np.stack([np.log(60 * (1 - 0.5 * N**-0.4)), 2 + 0.1 * np.log(N * (N + 30) / 31)])
    logs = [
        (np.log(N), shapes[k % 2] + noise * rng.standard_normal(len(N)), rng.uniform(0.5, 1.5, 9))
        for k in range(runs)
    ]
    ((_, points),) = grouped(logs)
    return points


@pytest.mark.parametrize("name", LAWS)
def test_fits_at_held_shapes_are_those_of_the_general_search(name):
    law, points = LAWS[name], points_of()
    starts = np.concatenate(
        [law.starts(x[:9], y[:9]) for x, y in zip(points.x, points.y, strict=False)]
    )
    lanes = points[np.repeat(np.arange(6), len(starts) // 6)]
    stay = np.broadcast_to(np.arange(law.size) >= law.size - law.shapes, starts.shape)
    raw, squares = fit_held(law, starts, lanes)
    want, least = minimise(law, starts, stay, lanes)
    np.testing.assert_allclose(squares, least, rtol=1e-9)
    np.testing.assert_allclose(law.log_scores(raw, lanes.x), law.log_scores(want, lanes.x), 1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_leaving_one_n_out_is_refitting_without_it(name):
    law, points = LAWS[name], points_of()
    found = leave_one_out(law, points, points.weight)
    for k in range(2):
        x, y, weight = points.x[k, :9], points.y[k, :9], points.weight[k, :9]
        for out in range(9):
            rest = x != x[out]
            ((_, left),) = grouped([(x[rest], y[rest], weight[rest])])
            mixture = on_grid(law, left).predict(x[None, [out]], weight[None, [out]])
            want = mixture.log_density(y[None, [out]])[0, 0]
            assert found[k, out] == pytest.approx(want, abs=1e-6), (k, out)


def test_a_grid_that_is_there_already_is_taken(monkeypatch):
    """The whole curves are fitted only where no grid is given; a fit gives its own."""
    law, points = LAWS["saturating"], points_of()
    grid, fitted, given = on_grid(law, points), [], []

    def spy(law, points):
        fitted.append(points)
        return on_grid(law, points)

    monkeypatch.setattr(validation, "on_grid", spy)
    want = leave_one_out(law, points, points.weight)
    assert sum(p is points for p in fitted) == 1
    np.testing.assert_array_equal(leave_one_out(law, points, points.weight, grid), want)
    assert sum(p is points for p in fitted) == 1
    monkeypatch.setattr(fit, "leave_one_out", lambda *a: given.extend(a[3:]) or leave_one_out(*a))
    fit.fit_scaling(N, 5 * N**0.2, "power")
    assert [type(g.law) for g in given] == [type(LAWS["power"])]


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 40, 41, 4.4, np.inf])
def test_student_is_that_of_scipy(freedom):
    z = np.r_[-1e9, np.linspace(-30, 30, 301), 1e9]
    below, density = student(np.full(z.shape, float(freedom)), z)
    law = stats.norm() if np.isinf(freedom) else stats.t(freedom)
    np.testing.assert_allclose(below, law.cdf(z), rtol=0, atol=1e-15)
    np.testing.assert_allclose(density, law.pdf(z), rtol=1e-13, atol=1e-300)


def test_quantiles_of_mixtures_are_those_of_a_root_search():
    """Also of parts that lie far apart, where Newton's steps leave the bounds."""
    rng = np.random.default_rng(0)
    shape = (4, 3, 7)
    weight = rng.dirichlet(np.ones(7), shape[:2])
    spread = np.array([0.1, 1, 30, 1000.0])[:, None, None]
    mixture = Mixture(
        weight,
        spread * rng.normal(size=shape),
        10 ** rng.uniform(-3, 1, shape),
        rng.choice([1.0, 3, 4, 4.4], shape),
    )
    for p in (0.001, 0.025, 0.5, 0.975):
        found = mixture.quantile(p)
        for at in np.ndindex(shape[:2]):
            one = Mixture(*(a[at][None, None] for a in mixture._parts))
            want = optimize.brentq(
                lambda y, one=one, p=p: one.cdf(np.array([[y]]))[0, 0] - p, -1e7, 1e7, xtol=1e-12
            )
            assert found[at] == pytest.approx(want, rel=1e-9, abs=1e-9), (p, at)
