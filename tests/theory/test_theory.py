import time

import numpy as np
import pytest
from scipy import special

import tokenspace as ts
from models import BRANCHES, N
from oracles import assert_agrees, mean_norm_by_quadrature, sample_pairs, upsilon_from_psi
from tokenspace import theory

GRID = np.array([1, 2, 3, 8, 21, N])
ISO = ts.Isotropic(5)


@pytest.mark.parametrize("name", BRANCHES)
def test_upsilon_and_psi_are_averages_of_correlations(name):
    branches = BRANCHES[name]
    expected = [upsilon_from_psi(branches, n) for n in GRID]
    np.testing.assert_allclose(theory.upsilon(branches, GRID), expected, rtol=1e-10)
    p = theory.psi(branches, GRID)
    assert np.isnan(p.within[0]) and np.isnan(p.cross[0])
    rebuilt = GRID * (1 - p.equal) + GRID * (GRID - 1) * np.nan_to_num(p.within - p.cross)
    np.testing.assert_allclose(rebuilt, expected, rtol=1e-9)


@pytest.mark.parametrize("balance", [0.0, 2.0, 20.0, 200.0])
def test_constant_correlations_in_closed_form(balance):
    delta = 0.9 / (1 + balance)
    branches = ts.equicorrelated(0.1, delta / 2, -delta / 2)
    n = np.array([1, 2, 10, 1000])
    np.testing.assert_allclose(theory.upsilon(branches, n), delta * n * (n + balance))
    assert theory.n_balance(branches) == pytest.approx(balance)
    gamma = (1 + n / (n + balance)) / 2
    np.testing.assert_allclose(theory.local_exponent(branches, n), gamma)
    beta = 1.7
    np.testing.assert_allclose(theory.alpha_local(branches, n, beta), -beta * gamma)
    later = n[1:]
    log_n = np.log(later)
    secant = beta / 2 * np.log((1 + balance) / (later + balance)) / log_n - beta / 2
    np.testing.assert_allclose(theory.alpha(branches, n, beta)[1:], secant)
    np.testing.assert_allclose(theory.alpha(branches, 1, beta), -beta * gamma[0])


def test_no_balance():
    assert theory.n_balance(ts.equicorrelated(0.1, 0.2, 0.2)) == np.inf
    np.testing.assert_allclose(theory.alpha(ts.equicorrelated(0.1, 0.2, 0.2), 50, 2.0), -1.0)
    with pytest.raises(ts.errors.NoExactResult, match="balance_curve"):
        theory.n_balance(ts.Branches(ts.Exponential(4.0)))


def test_fractional_noise_has_exponent_hurst_everywhere():
    branches = ts.Branches(ts.FractionalGaussianNoise(0.3))
    np.testing.assert_allclose(theory.local_exponent(branches, GRID), 0.3)


@pytest.mark.parametrize("d", [1, 2, 7, 1024])
def test_mean_norm_isotropic(d):
    expected = np.sqrt(2) * np.exp(special.gammaln((d + 1) / 2) - special.gammaln(d / 2))
    np.testing.assert_allclose(theory.mean_norm(np.ones(d)), expected, rtol=1e-13)
    # The integral must agree with the closed form when it is forced by a tiny split of eigenvalues.
    split = np.ones(d) * (1 + 1e-13 * np.arange(d))
    np.testing.assert_allclose(theory.mean_norm(split), expected, rtol=1e-10)


@pytest.mark.parametrize("lam", [[1.0, 0.5], [1e-6, 1.0, 30.0], 1 / np.arange(1, 40.0)])
def test_mean_norm_any_spectrum(lam):
    np.testing.assert_allclose(theory.mean_norm(lam), mean_norm_by_quadrature(lam), rtol=1e-9)


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 0.999])
def test_mean_norm_of_two_eigenvalues_is_an_elliptic_integral(ratio):
    expected = np.sqrt(2 / np.pi) * special.ellipe(1 - ratio)
    np.testing.assert_allclose(theory.mean_norm([1.0, ratio]), expected, rtol=1e-10)


def test_negative_balance_is_no_model():
    """k(0) < Delta leaves 1 - psi_equal - Delta < 0, an eigenvalue from two tokens on."""
    with pytest.raises(ts.errors.NotPositiveSemidefinite):
        ts.equicorrelated(0.5, 0.5, -0.5)


def test_mean_norm_slope():
    lam, change = np.array([1.0, 0.4, 0.1]), np.array([0.3, -0.1, 0.2])
    step = 1e-5
    numeric = (theory.mean_norm(lam + step * change) - theory.mean_norm(lam - step * change)) / (
        2 * step
    )
    exact = theory.divergence.mean_norm_slope(lam, change)
    assert exact == pytest.approx(numeric, rel=1e-7)


@pytest.mark.parametrize("features", [ISO, ts.PowerLawSpectrum(6, 1.0), ts.Spiked(4, (9.0,))])
def test_moments_against_dense_sampling(features):
    branches = BRANCHES["shared context"]
    model = ts.TokenModel(branches, features)
    rng = np.random.default_rng(1)
    a, b = sample_pairs(rng, branches, features.eigenvalues, N, 6000)
    d = np.linalg.norm(np.cumsum(a - b, axis=1), axis=2)[:, GRID - 1]
    se = d.std(0) / np.sqrt(len(d))
    assert_agrees(d.mean(0), se, theory.expected_divergence(model, GRID))
    d2 = d**2
    assert_agrees(d2.mean(0), d2.std(0) / np.sqrt(len(d)), theory.second_moment(model, GRID))
    np.testing.assert_allclose(d.std(0), theory.divergence_std(model, GRID), rtol=0.06)


def test_jensen_and_lambda():
    model = ts.TokenModel(BRANCHES["equicorrelated"], ISO)
    ratio = theory.expected_divergence(model, GRID) / np.sqrt(theory.upsilon(model, GRID))
    np.testing.assert_allclose(ratio, np.sqrt(2) * theory.mean_norm(ISO.eigenvalues))
    assert np.all(theory.expected_divergence(model, GRID) < theory.rms_divergence(model, GRID))


def test_student_pair_scales_gaussian():
    gauss = ts.TokenModel(BRANCHES["equicorrelated"], ISO)
    heavy = ts.TokenModel(BRANCHES["equicorrelated"], ISO, ts.StudentT(5.0))
    factor = np.sqrt(2.5) * special.gamma(2.0) / special.gamma(2.5)
    ratio = theory.expected_divergence(heavy, GRID) / theory.expected_divergence(gauss, GRID)
    np.testing.assert_allclose(ratio, factor)
    np.testing.assert_allclose(
        theory.local_exponent(heavy, GRID), theory.local_exponent(gauss, GRID)
    )
    infinite = ts.TokenModel(BRANCHES["equicorrelated"], ISO, ts.StudentT(1.5))
    assert np.all(np.isinf(theory.second_moment(infinite, GRID)))


def test_token_laws_have_no_exact_mean():
    for law in (ts.UnitNorm(), ts.StudentT(5.0, "token")):
        with pytest.raises(ts.errors.NoExactResult, match="rms_divergence"):
            theory.expected_divergence(ts.TokenModel(BRANCHES["equicorrelated"], ISO, law), 5)


@pytest.mark.parametrize(
    "features", [ts.Isotropic(3), ts.Isotropic(16), ts.PowerLawSpectrum(5, 1.0), ts.Isotropic(1)]
)
def test_expected_cosine(features):
    rng = np.random.default_rng(3)
    lam, rho = features.eigenvalues, np.array([-0.7, 0.2, 0.6, 0.95])
    x, e = rng.standard_normal((2, 200_000, len(lam))) * np.sqrt(lam)
    for r in rho:
        y = r * x + np.sqrt(1 - r**2) * e
        cos = np.sum(x * y, 1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        assert_agrees(
            cos.mean(), cos.std() / np.sqrt(len(cos)), theory.expected_cosine(r, features)
        )
    np.testing.assert_allclose(
        theory.expected_cosine(np.array([0.0, 1.0]), features), [0, 1], atol=1e-6
    )


def test_cosine_integral_meets_closed_form():
    from tokenspace.covariance.cosine import _cosine_integrals

    for d in (1, 2, 5, 300):
        closed = theory.expected_cosine(np.array([-0.6, 0.3, 0.9]), ts.Isotropic(d))
        rho = np.array([-0.6, 0.3, 0.9])[:, None]
        integral = _cosine_integrals(rho, np.array([1.0]), np.array([d]))
        np.testing.assert_allclose(integral, closed, rtol=1e-7)


def test_tabulated_cosine_is_the_integral_between_nodes():
    from tokenspace.covariance.cosine import _cosine_integrals

    features = ts.PowerLawSpectrum(5, 1.0)
    values, counts = features.distinct()
    rho = np.array([-0.99, -0.4, 0.07, 0.5, 0.999])
    exact = _cosine_integrals(rho[:, None], values, counts)
    np.testing.assert_allclose(theory.expected_cosine(rho, features), exact, rtol=1e-7)


def test_sum_of_terms():
    a = ts.TokenModel(BRANCHES["equicorrelated"], ts.Spectrum((1.0, 0.5, 0.0)))
    b = ts.TokenModel(ts.Branches(ts.Exponential(6.0)), ts.Spectrum((0.0, 0.3, 0.9)))
    both = a + b
    lam = (
        2 * theory.upsilon(a, 9) * a.features.eigenvalues
        + 2 * theory.upsilon(b, 9) * b.features.eigenvalues
    )
    assert theory.expected_divergence(both, 9) == pytest.approx(mean_norm_by_quadrature(lam))
    np.testing.assert_allclose(
        theory.second_moment(both, GRID),
        theory.second_moment(a, GRID) + theory.second_moment(b, GRID),
    )
    alone = theory.local_exponent(ts.SumModel((a,)), GRID)
    np.testing.assert_allclose(alone, theory.local_exponent(a, GRID), rtol=1e-9)
    ratio = theory.expected_divergence(both, GRID) / np.sqrt(theory.upsilon(both, GRID))
    assert np.ptp(ratio) / ratio.mean() > 1e-3  # lambda is not constant here


def test_regimes():
    names = theory.regime([0.3, 0.5, 0.75, 1.0, 1.2])
    assert list(names) == list(theory.REGIMES)
    assert theory.asymptotic_exponent(ts.Branches(ts.PowerLaw(0.4))) == pytest.approx(0.8)


def test_refuses_bad_n():
    for n in (0, 1.5, -3, "x", np.nan, []):
        with pytest.raises(ts.TokenspaceError, match="number of tokens"):
            theory.upsilon(BRANCHES["equicorrelated"], n)


def test_a_million_tokens_in_seconds():
    started = time.perf_counter()
    for branches in (ts.Branches(ts.PowerLaw(0.4)), ts.equicorrelated(0.2, 0.3, 0.1)):
        model = ts.TokenModel(branches, ts.Isotropic(1024))
        theory.expected_divergence(model, np.arange(1, 1_000_001))
        theory.local_exponent(model, np.array([10, 1_000_000]))
    assert time.perf_counter() - started < 10  # 5 s each, with room for a busy machine
