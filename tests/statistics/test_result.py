"""What a result says of its exponents, and what it refuses to say."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Moments
from tokenspace.statistics.exponent import secant_exponent

TOKENS = np.random.default_rng(0).standard_normal((2, 5, 30, 6)).astype(np.float32)
MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(16))
DERIVED = {
    "local_exponent": lambda r: r.local_exponent(),
    "secant_exponent": lambda r: r.secant_exponent(1.0),
    "n_balance": lambda r: r.n_balance(),
    "scale_fit": lambda r: r.scale_fit(),
}


@pytest.fixture(scope="module")
def simulated():
    return ts.simulate(MODEL, 32, 200, statistics=("divergence", "correlations"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("quantity", DERIVED)
def test_equal_branches_have_a_divergence_and_no_exponent(quantity):
    result = ts.measure(TOKENS[0], TOKENS[0])
    assert not result.mean.any() and not result.standard_error.any()
    np.testing.assert_allclose(result.correlations["psi_equal"].mean, 1, rtol=1e-6)
    with pytest.raises(
        InputError, match="D\\(n\\) = 0 at every n, since both branches are the sam"
    ):
        DERIVED[quantity](result)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("quantity", [*DERIVED, "check"])
@pytest.mark.parametrize(("zeros", "words"), [(1, "n = 1,"), (3, "n = 1 and 2 more token counts")])
def test_a_divergence_of_zero_at_some_n_is_named(simulated, quantity, zeros, words):
    d = simulated.divergence
    mean = np.where(np.arange(len(d.mean)) < zeros, 0.0, d.mean)
    result = dataclasses.replace(simulated, divergence=Moments(mean, d.covariance, d.count))
    with pytest.raises(InputError, match=f"D\\(n\\) = 0 at {words}"):
        (DERIVED | {"check": lambda r: r.check()})[quantity](result)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("quantity", "least"), [("local_exponent", 2), ("secant_exponent", 2), ("n_balance", 3)]
)
def test_too_few_token_counts(quantity, least):
    enough = list(range(1, least + 1))
    DERIVED[quantity](ts.measure(*TOKENS, grid=enough))
    with pytest.raises(InputError, match=f"at least {least} token counts"):
        DERIVED[quantity](ts.measure(*TOKENS, grid=enough[:-1]))


def test_one_token_has_a_scale():
    """At n = 1, lambda = D / sqrt(1 - psi_equal)."""
    result = ts.measure(*TOKENS, grid=[1])
    scale = result.scale_fit()
    cosines = [
        np.mean(np.sum(u * v, -1))
        for u, v in [[h[:, 0] / np.linalg.norm(h[:, 0], axis=-1)[:, None] for h in TOKENS]]
    ]
    d = np.linalg.norm(TOKENS[0][:, 0] - TOKENS[1][:, 0], axis=-1).mean()
    assert scale.mean == pytest.approx(d / np.sqrt(1 - cosines[0]), rel=1e-5)
    assert scale.lack_of_fit == pytest.approx(0, abs=1e-12)


def test_alpha_is_the_papers_or_none():
    """A(n) = 2 n^0.7 gives alpha = -0.7 beta from n = 1; from n = 2 it would be another quantity."""
    n = np.array([1, 2, 4, 8])
    a = Moments(2 * n**0.7, np.eye(4) * 1e-4, 10)
    alpha = secant_exponent(n, a, 1.5)
    np.testing.assert_allclose(alpha.mean, -0.7 * 1.5, rtol=1e-12)
    # d alpha / d log A(1) = beta / log n, d alpha / d log A(n) = -beta / log n
    want = 1.5 / np.log(n[1:]) * 1e-2 * np.sqrt(1 / a.mean[0] ** 2 + 1 / a.mean[1:] ** 2)
    np.testing.assert_allclose(alpha.standard_error, want, rtol=1e-12)
    with pytest.raises(InputError, match="starts at n = 2; put 1 at the start"):
        secant_exponent(n[1:], Moments(a.mean[1:], a.covariance[1:, 1:], 10), 1.5)
    with pytest.raises(InputError, match="starts at n = 2"):
        ts.measure(*TOKENS, grid=[2, 4, 8]).secant_exponent(1.0)


def test_upsilon_of_cosines_has_its_own_name(simulated):
    """D^2 = 2 s^2 Upsilon of realised cosines, exactly, for one pair of tokens of one norm s."""
    a, b = (h[:1] / np.linalg.norm(h[:1], axis=-1, keepdims=True) for h in TOKENS)
    result = ts.measure(a, b)
    np.testing.assert_allclose(2 * result.cosine_upsilon().mean, result.mean**2, rtol=1e-4)
    with pytest.warns(DeprecationWarning, match="cosine_upsilon"):
        old = simulated.upsilon()
    np.testing.assert_array_equal(old, simulated.cosine_upsilon().mean)
    psi = {k: e.mean for k, e in simulated.correlations.items()}
    n, pairs = simulated.n, np.where(simulated.n > 1, psi["psi_delta"], 0.0)
    np.testing.assert_allclose(old, n * (1 - psi["psi_equal"]) + n * (n - 1) * pairs, rtol=1e-5)
    with pytest.raises(InputError, match="Upsilon needs realised psi's"):
        dataclasses.replace(simulated, correlations=None, joint=None).cosine_upsilon()


@pytest.mark.filterwarnings("error")
def test_one_replicate_has_a_mean_and_no_error():
    result = ts.simulate(MODEL, [1, 2, 4], 1)
    assert np.isfinite(result.mean).all()
    for unknown in (result.std, result.standard_error, *result.interval()):
        assert np.isnan(unknown).all()
    with pytest.raises(InputError, match="at least 3 token counts and 2 replicates"):
        result.n_balance()
    assert not result.enough_for_balance


def test_two_replicates_have_an_n_balance():
    result = ts.simulate(MODEL, [1, 2, 4], 2)
    assert result.enough_for_balance and result.n_balance().degrees_of_freedom == 1
    assert not ts.simulate(MODEL, [1, 2], 2).enough_for_balance


def test_amplitudes_include_the_rounding_of_float32(simulated):
    """One part in a million of D at each n, independent of the others."""
    _, found = simulated.amplitude()
    added = found.covariance - simulated.divergence.covariance
    np.testing.assert_allclose(np.sqrt(np.diag(added)), 1e-6 * simulated.mean, rtol=1e-3)
    assert not (added - np.diag(np.diag(added))).any()


def test_quantiles_are_one_and_two_sigma(simulated):
    sigmas = stats.norm.cdf([-2, -1, 0, 1, 2])
    np.testing.assert_allclose(simulated.quantile_levels, sigmas, atol=5e-4)
    assert repr(simulated).startswith("Result(200 replicates, n = 1..32 (")
