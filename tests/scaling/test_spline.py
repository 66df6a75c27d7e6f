"""The smoother of no law: against a dense Gaussian process, SciPy's spline, and its own draws."""

import numpy as np
import pytest
from scipy import integrate, interpolate, linalg, stats

from tokenspace.scaling.spline import ROUGHNESS, Spline, covariance, integrated

U = np.array([0.0, 0.13, 0.3, 0.3, 0.55, 0.8, 1.0])
WEIGHT = np.array([1.0, 2, 0.5, 1, 1, 0.7, 1])
Y = np.random.default_rng(0).standard_normal((2, 7))


def flat(rho):
    """Covariance of y over sigma^2, with straight lines nearly flat beforehand."""
    lines = np.stack([np.ones(7), U], axis=1)
    return 1e9 * lines @ lines.T + rho * covariance(U, U) + np.diag(1 / WEIGHT)


def test_covariance_is_that_of_an_integral_of_brownian_motion():
    value = integrate.dblquad(lambda a, b: min(a, b), 0, 0.4, 0, 0.9)[0]
    assert covariance(np.array([0.4]), np.array([0.9]))[0, 0] == pytest.approx(value, rel=1e-4)
    drawn = integrated(U[[0, 1, 2, 4, 6]], 40_000, np.random.default_rng(1))
    want = covariance(U[[1, 2, 4, 6]], U[[1, 2, 4, 6]])
    size = np.sqrt(np.outer(np.diag(want), np.diag(want)))
    assert np.all(abs(np.cov(drawn[:, 1:].T) - want) < 4 * np.sqrt(2 / 40_000) * size)
    assert np.all(drawn[:, 0] == 0)


def test_the_mean_is_the_cubic_smoothing_spline():
    """Minimises sum w (y - g)^2 + integral g''^2 / rho."""
    u, weight, y = np.delete(U, 3), np.delete(WEIGHT, 3), Y[0, :6]
    spline = Spline(u, weight)
    at = np.linspace(0, 1, 21)
    for k, rho in enumerate(spline.roughness):
        want = interpolate.make_smoothing_spline(u, y, weight, lam=1 / rho)(at)
        np.testing.assert_allclose(spline.smoother(at)[k] @ y, want, atol=1e-7)


def test_scores_left_out_are_foretold_as_by_the_whole_covariance():
    """Student's t of a dense Gaussian process; two scores at one u are left out together."""
    spline = Spline(U, WEIGHT)
    for out in (0, 3, 5):
        rest = U[out] != U
        logs, parts = [], []
        for rho in spline.roughness:
            whole = flat(rho)
            inner = whole[np.ix_(rest, rest)]
            gain = np.linalg.solve(inner, whole[rest, out])
            freedom = rest.sum() - 2
            squares = Y[1, rest] @ np.linalg.solve(inner, Y[1, rest])
            scale = np.sqrt(squares / freedom * (whole[out, out] - gain @ whole[rest, out]))
            parts.append(stats.t.logpdf(Y[1, out], freedom, gain @ Y[1, rest], scale))
            logs.append(-np.linalg.slogdet(inner)[1] / 2 - freedom / 2 * np.log(squares))
        share = np.exp(logs - np.max(logs))
        want = np.log(np.exp(parts) @ share / share.sum())
        assert spline.leave_one_out(Y)[1, out] == pytest.approx(want, abs=2e-6)


def test_roughness_is_as_likely_as_a_dense_likelihood_says():
    """Contrasts that straight lines leave are multivariate t, of no degrees of freedom beforehand."""
    spline = Spline(U, WEIGHT)
    contrasts = linalg.null_space(np.stack([np.ones(7), U]))
    for y, found in zip(Y, spline.shares(Y), strict=True):
        logs = []
        for rho in spline.roughness:
            own = np.diag(1 / WEIGHT) + rho * covariance(U, U)
            shape = contrasts.T @ own @ contrasts
            logs.append(stats.multivariate_t.logpdf(y @ contrasts, None, shape, df=1e-9))
        share = np.exp(logs - np.max(logs))
        np.testing.assert_allclose(found, share / share.sum(), rtol=1e-6)


def test_draws_scatter_as_what_is_not_known():
    """Mean, and covariance at two u, of the mixture over roughness."""
    spline = Spline(U, WEIGHT)
    at = np.unique(np.append(U, [0.2, 0.9]))
    drawn = spline.draws(Y, at, 40_000, 0)
    shares, squares = spline.shares(Y)[0], spline.squares(Y)[0]
    means = spline.smoother(at) @ Y[0]
    total = np.zeros((len(at), len(at)))
    for k, rho in enumerate(spline.roughness):
        lines = np.stack([np.ones(len(at)), at], axis=1) @ np.stack([np.ones(7), U])
        cross = 1e9 * lines + rho * covariance(at, U)
        own = np.stack([np.ones(len(at)), at], axis=1)
        own = 1e9 * own @ own.T + rho * covariance(at, at)
        left = own - cross @ np.linalg.solve(flat(rho), cross.T)
        off = means[k] - shares @ means
        total += shares[k] * (squares[k] / 3 * left + np.outer(off, off))  # 5 degrees of freedom
    np.testing.assert_allclose(drawn[0].mean(axis=0), shares @ means, atol=0.03)
    size = np.sqrt(np.outer(np.diag(total), np.diag(total)))
    assert np.all(abs(np.cov(drawn[0].T) - total) < 0.06 * size)


def test_roughness_follows_the_steps_between_counts():
    """Scores at one u twice are one count; by steps of 1 bends are as large as the source says."""
    assert Spline(U, WEIGHT).roughness[0] == 5**3
    assert Spline(np.linspace(0, 1, 11), np.ones(11)).roughness[-1] == pytest.approx(1e5)
    step = np.arange(3.0)
    second = np.array([1, -2, 1])
    for rho, *said in ((ROUGHNESS[0], 1.6, 0.8), (ROUGHNESS[-1], 16, 8.2)):
        bend = rho * covariance(step, step)
        found = np.sqrt([bend[2, 2], second @ bend @ second])
        np.testing.assert_allclose(found, said, rtol=0.03)
    assert np.sqrt(second @ second) == pytest.approx(2.4, abs=0.05)


@pytest.mark.parametrize("noise", [0.2, 3.0])
def test_with_known_noise_the_spline_is_a_dense_gaussian_process(noise):
    """Shares, and what is left out at one u, where sigma^2 is known; another curve's is not."""
    spline, known = Spline(U, WEIGHT), np.array([np.nan, noise])
    contrasts = linalg.null_space(np.stack([np.ones(7), U]))
    logs, parts, inside = [], [], []
    rest = U[3] != U
    inner = linalg.null_space(np.stack([np.ones(5), U[rest]]))
    for rho in spline.roughness:
        own = noise * (np.diag(1 / WEIGHT) + rho * covariance(U, U))
        normal = stats.multivariate_normal
        logs.append(normal.logpdf(Y[1] @ contrasts, None, contrasts.T @ own @ contrasts))
        some = own[np.ix_(rest, rest)]
        inside.append(normal.logpdf(Y[1, rest] @ inner, None, inner.T @ some @ inner))
        whole = noise * flat(rho)
        gain = np.linalg.solve(whole[np.ix_(rest, rest)], whole[rest, 3])
        scale = np.sqrt(whole[3, 3] - gain @ whole[rest, 3])
        parts.append(stats.norm.logpdf(Y[1, 3], gain @ Y[1, rest], scale))
    share, left = (np.exp(k - np.max(k)) / np.exp(k - np.max(k)).sum() for k in (logs, inside))
    np.testing.assert_allclose(spline.shares(Y, known)[1], share, rtol=1e-6)
    found = spline.leave_one_out(Y, known)
    assert found[1, 3] == pytest.approx(np.log(np.exp(parts) @ left), abs=1e-5)
    np.testing.assert_array_equal(spline.shares(Y, known)[0], spline.shares(Y)[0])
    np.testing.assert_array_equal(found[0], spline.leave_one_out(Y)[0])
    # draws scatter by it, however small the residuals are
    at = np.unique(U)
    drawn = spline.draws(0 * Y, at, 20_000, 0, known)
    shares, total = spline.shares(0 * Y, known)[1], np.zeros((6, 6))
    for k, rho in enumerate(spline.roughness):
        full = noise * flat(rho)
        lines = np.stack([np.ones(6), at], axis=1)
        prior = noise * (1e9 * lines @ lines.T + rho * covariance(at, at))
        cross = noise * (1e9 * lines @ np.stack([np.ones(7), U]) + rho * covariance(at, U))
        total += shares[k] * (prior - cross @ np.linalg.solve(full, cross.T))
    np.testing.assert_allclose(drawn[1].var(axis=0), np.diag(total), rtol=0.06)
    assert np.all(drawn[0].var(axis=0) < 1e-6)
