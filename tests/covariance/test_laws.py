"""Every token law against its formula in NumPy, and what it says of its moments against samples."""

import jax
import numpy as np
import pytest

import tokenspace as ts
from tokenspace.registry import ROOMS
from tokenspace_kernels.chi_square import chi_square
from tokenspace_kernels.random_bits import replicate_keys

KEY = replicate_keys(3, 0, 1)[0]
SIZE = 4000


def chi2(df):
    return np.asarray(chi_square(KEY, np.full(SIZE, df, np.float32)), float)


LAWS = {  # name -> an instance, and the scales w that h = w g must have, by its formula
    "gaussian": (ts.Gaussian(), lambda g: np.ones(len(g))),
    "student_t": (ts.StudentT(5.0, "token"), lambda g: np.sqrt(5.0 / chi2(5.0))),
    "unit_norm": (ts.UnitNorm(), lambda g: 1 / np.sqrt(np.sum(g**2, axis=1))),
    "laplace": (ts.Laplace(), lambda g: np.sqrt(chi2(2.0) / 2)),
}


def test_every_law_has_a_row():
    assert set(LAWS) == set(ROOMS["law"].names())


@pytest.mark.every_case
@pytest.mark.parametrize("name", LAWS)
def test_what_it_does_to_tokens(name):
    law, scale = LAWS[name]
    g = np.random.default_rng(0).standard_normal((SIZE, 3))
    h = jax.jit(lambda law, g: law.of_tokens(g, KEY))(law, g.astype(np.float32))
    np.testing.assert_allclose(h, scale(g)[:, None] * g, rtol=2e-5)


@pytest.mark.every_case
@pytest.mark.parametrize("name", LAWS)
def test_moments_and_correlation_of_samples(name):
    """E||h||^2 and the correlation of two tokens, from tokens that were drawn."""
    law, _ = LAWS[name]
    features, rho = ts.Spectrum((0.7, 0.2, 0.1)), 0.6
    rng = np.random.default_rng(1)
    g, other = rng.standard_normal((2, SIZE, 3)) * np.sqrt(features.eigenvalues)
    partner = rho * g + np.sqrt(1 - rho**2) * other
    keys = replicate_keys(7, 0, 2)
    h, k = (
        np.asarray(law.of_tokens(x.astype(np.float32), key), float)
        for x, key in zip((g, partner), keys, strict=True)
    )
    square, product = np.sum(h**2, axis=1), np.sum(h * k, axis=1)
    expected = float(law.mean_square(features))
    error = square.std() / np.sqrt(SIZE)
    assert abs(square.mean() - expected) < 4 * error + 1e-6
    target = float(law.correlation(np.array(rho), features)) * expected
    assert abs(product.mean() - target) < 4 * product.std() / np.sqrt(SIZE)


def test_scale_of_a_pair():
    law, keys = ts.StudentT(7.0), replicate_keys(3, 0, SIZE)
    w = np.asarray(law.of_pair(keys), float)[:, 0]
    assert abs(w.mean() - float(law.mean_scale())) < 4 * w.std() / np.sqrt(SIZE)
    assert abs((w**2).mean() - law.mean_square_scale()) < 4 * (w**2).std() / np.sqrt(SIZE)
    assert all(law.of_pair(keys) is None for law, _ in LAWS.values())


def test_which_moments_exist():
    assert ts.StudentT(2.5).tail == 2.5 and ts.StudentT(2.5, "token").tail == 2.5
    assert all(law.tail == np.inf for law in (ts.Gaussian(), ts.Laplace(), ts.UnitNorm()))


@pytest.mark.parametrize("scale", ["pair", "token"])
def test_the_second_moment_ends_at_two_degrees_of_freedom(scale):
    """E[w^2] = df / (df - 2), also where D^2 has no variance."""
    for df, expected in ((1.5, np.inf), (2.0, np.inf), (2.1, 21.0), (3.0, 3.0), (4.0, 2.0)):
        assert ts.StudentT(df, scale).mean_square_scale() == pytest.approx(expected)
