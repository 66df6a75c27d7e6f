"""Norms of tokens: D as it is and of norm 1, and how norms bend the fit of lambda."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts

PAGE = Path(__file__).parents[2] / "docs" / "norms.md"
SPEC = importlib.util.spec_from_file_location("norms", PAGE.with_suffix(".py"))
norms = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(norms)
N = np.array([1, 2, 5, 20])
PSI = (0.2, 0.3, 0.1)


def tokens(pairs, d=16, seed=0):
    """Unit tokens (pairs, 20, d) of both branches, of constant correlations."""
    rng = np.random.default_rng(seed)
    equal, within, cross = PSI
    shared = rng.standard_normal((pairs, 1, d)) * np.sqrt(cross)
    own = [rng.standard_normal((pairs, 1, d)) * np.sqrt(within - cross) for _ in "ab"]
    at = rng.standard_normal((pairs, 20, d)) * np.sqrt(equal - cross)
    rest = 1 - within - (equal - cross)
    both = [shared + x + at + rng.standard_normal(at.shape) * np.sqrt(rest) for x in own]
    return [h / np.linalg.norm(h, axis=-1, keepdims=True) for h in both]


@pytest.mark.parametrize("arguments", [{}, {"groups": [0, 0, 1, 1, 2, 2]}])
def test_unit_norm_divergence_is_that_of_scaled_tokens(arguments):
    rng = np.random.default_rng(1)
    a, b = (h * np.exp(rng.standard_normal((6, 20, 1))) for h in tokens(6))
    scaled = ts.measure(
        *(h / np.linalg.norm(h, axis=-1, keepdims=True) for h in (a, b)), N, **arguments
    )
    found = ts.measure(a, b, N, **arguments)
    np.testing.assert_allclose(found.unit_divergence.mean, scaled.mean, rtol=1e-5)
    np.testing.assert_allclose(
        found.unit_divergence.standard_error, scaled.standard_error, rtol=1e-4
    )
    fit, want = found.scale_fit(unit=True), scaled.scale_fit()
    assert fit.mean == pytest.approx(want.mean, rel=1e-5)
    assert fit.standard_error == pytest.approx(want.standard_error, rel=1e-3)
    assert found.scale_fit().mean != pytest.approx(want.mean, rel=0.05)


def test_unit_norm_divergence_is_of_given_tokens():
    model = ts.TokenModel(ts.equicorrelated(*PSI), ts.Isotropic(4))
    with pytest.raises(ts.TokenspaceError, match="known of given tokens"):
        _ = ts.simulate(model, 4, 10).unit_divergence


@pytest.mark.parametrize(("ratio", "variation"), [(1.0, 0.0), (2.0, 0.0), (1.0, 0.5), (1.5, 0.3)])
def test_the_formula_is_that_of_tokens(ratio, variation):
    """E[D^2] with the psi's of the same tokens, within 4 errors of the paired difference."""
    a, b = tokens(4000)
    rng = np.random.default_rng(2)
    side = np.sqrt(3) * variation  # a uniform law of mean 1
    length = [rng.uniform(1 - side, 1 + side, (*h.shape[:2], 1)) for h in (a, b)]
    psi = ts.correlations(a, b, N)
    equal, within, cross = (np.nan_to_num(psi[k]) for k in ("psi_equal", "psi_within", "psi_cross"))
    square = ts.divergence(a * length[0], b * ratio * length[1], N).astype(float) ** 2
    want = (
        (1 + ratio**2)
        * (1 + variation**2)
        * norms.moment(N, (equal, within, cross), ratio, variation)
    )
    off = square - want
    # with one norm a branch the two are equal but for psi_within's two halves
    error = off.std(axis=0) / np.sqrt(len(off)) + 1e-5
    assert np.all(abs(off.mean(axis=0)) < 4 * error)
    if (ratio, variation) == (1.0, 0.0):
        np.testing.assert_allclose(square, want, rtol=1e-3, atol=1e-4)


def test_page_is_made_of_the_formula():
    assert PAGE.read_text() == norms.page()
