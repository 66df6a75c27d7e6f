"""Derivatives of the theory through the parameters of a model, against finite differences."""

import jax
import numpy as np
import pytest

import tokenspace as ts
from tokenspace import theory
from tokenspace.precision import float64

N = np.array([1, 2, 7, 40])
BASE = ts.equicorrelated(0.2, 0.3, 0.1)
ISO = ts.Isotropic(8)

MODELS = {  # parameter -> model, and where to differentiate
    "psi_equal": (lambda p: ts.TokenModel(ts.equicorrelated(p, 0.3, 0.1), ISO), 0.2),
    "psi_within": (lambda p: ts.TokenModel(ts.equicorrelated(0.2, p, 0.1), ISO), 0.3),
    "psi_cross": (lambda p: ts.TokenModel(ts.equicorrelated(0.2, 0.3, p), ISO), 0.1),
    "length": (lambda p: ts.TokenModel(ts.Branches(ts.Exponential(p)), ISO), 5.0),
    "Matern length": (lambda p: ts.TokenModel(ts.Branches(ts.Matern(1.5, p)), ISO), 5.0),
    "decay": (lambda p: ts.TokenModel(ts.Branches(ts.PowerLaw(p)), ISO), 0.4),
    "hurst": (lambda p: ts.TokenModel(ts.Branches(ts.FractionalGaussianNoise(p)), ISO), 0.7),
    "mixture": (lambda p: ts.TokenModel(ts.Branches(ts.RationalQuadratic(4.0, p)), ISO), 0.3),
    "share": (
        lambda p: ts.TokenModel(ts.shared_context(ts.Exponential(9.0), ts.White(), p), ISO),
        0.4,
    ),
    "df": (lambda p: ts.TokenModel(BASE, ISO, ts.StudentT(p)), 6.0),
    "spectrum": (lambda p: ts.TokenModel(BASE, ts.PowerLawSpectrum(8, p)), 1.0),
}


def assert_differentiates(f, at):
    step = 1e-5 * max(abs(at), 0.1)
    numeric = (np.asarray(f(at + step)) - np.asarray(f(at - step))) / (2 * step)
    with float64():
        exact = jax.jacobian(f)(at)
    np.testing.assert_allclose(exact, numeric, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("quantity", [theory.upsilon, theory.expected_divergence])
@pytest.mark.parametrize("name", MODELS)
def test_gradients(name, quantity):
    make, at = MODELS[name]
    assert_differentiates(lambda p: quantity(make(p), N), at)


@pytest.mark.parametrize("name", ["psi_equal", "psi_within", "psi_cross"])
def test_gradient_of_n_balance(name):
    make, at = MODELS[name]
    assert_differentiates(lambda p: theory.n_balance(make(p)), at)
    with float64():
        compiled = jax.jit(lambda p: theory.n_balance(make(p)))(at)
    assert compiled == pytest.approx(theory.n_balance(make(at)), rel=1e-12)


def test_a_law_that_acts_on_tokens():
    def upsilon(psi_within):
        branches = ts.equicorrelated(0.2, psi_within, 0.1)
        return theory.upsilon(ts.TokenModel(branches, ISO, ts.StudentT(6.0, "token")), N)

    assert_differentiates(upsilon, 0.3)


def test_models_pass_through_jit_and_vmap():
    lengths = np.array([2.0, 5.0, 9.0])
    with float64():
        models = jax.vmap(lambda p: ts.TokenModel(ts.Branches(ts.Exponential(p)), ISO))(lengths)
        many = jax.jit(jax.vmap(lambda m: theory.expected_divergence(m, N)))(models)
    for length, row in zip(lengths, many, strict=True):
        one = theory.expected_divergence(ts.TokenModel(ts.Branches(ts.Exponential(length)), ISO), N)
        np.testing.assert_allclose(row, one, rtol=1e-12)


def test_sums_of_models_and_heavy_tokens():
    def of_sum(length):
        a = ts.TokenModel(BASE, ts.Spectrum((1.0, 0.5, 0.0)))
        b = ts.TokenModel(ts.Branches(ts.Exponential(length)), ts.Spectrum((0.0, 0.3, 0.9)))
        return theory.expected_divergence(a + b, N)

    assert_differentiates(of_sum, 6.0)

    def heavy(df):
        return theory.upsilon(ts.TokenModel(BASE, ISO, ts.StudentT(df, "token")), N)

    assert_differentiates(heavy, 6.0)


def test_no_gradient_of_what_is_not_one_number():
    def balance(length):
        return theory.n_balance(ts.TokenModel(ts.Branches(ts.Exponential(length)), ISO))

    with pytest.raises(ts.errors.NoExactResult, match="balance_curve"):
        jax.grad(balance)(5.0)
