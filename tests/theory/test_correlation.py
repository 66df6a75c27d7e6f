"""psi's, Upsilon and n_balance, under token laws too, against averages of explicit matrices."""

import numpy as np
import pytest

import tokenspace as ts
from models import BRANCHES, N
from oracles import assert_agrees, within_and_cross
from tokenspace import theory
from tokenspace.theory.correlation import upsilon_slope
from tokenspace.theory.transformed import Transformed

GRID = np.array([1, 2, 3, 8, 21, N])
ISO = ts.Isotropic(5)
CONSTANT = BRANCHES["equicorrelated"]
LAWS = [ts.Gaussian(), ts.StudentT(5.0), ts.StudentT(5.0, "token"), ts.UnitNorm(), ts.Laplace()]
KINDS = ["equicorrelated", "shared context", "power law", "block", "cross part of within"]


def averages(within, cross, n):
    """psi's of the first n tokens by definition."""
    off = ~np.eye(n, dtype=bool)
    within, cross = within[:n, :n], cross[:n, :n]
    pairs = (np.nan, np.nan) if n == 1 else (within[off].mean(), cross[off].mean())
    return np.array([np.diag(cross).mean(), *pairs])


def after(law, branches):
    """Correlation matrices of tokens after a law; a token and itself correlate by 1."""
    within, cross = (law.correlation(k, ISO) for k in within_and_cross(branches, N))
    return np.where(np.eye(N), 1.0, within), cross


def assert_psi(found, within, cross):
    expected = np.transpose([averages(within, cross, n) for n in GRID])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("name", KINDS)
def test_psi_after_a_law(name, law):
    model, matrices = ts.TokenModel(BRANCHES[name], ISO, law), after(law, BRANCHES[name])
    with np.errstate(all="raise"):  # what is undefined is not computed
        assert_psi(theory.psi(model, GRID), *matrices)
    assert_psi(theory.psi(model, GRID, "cosine"), *after(ts.UnitNorm(), BRANCHES[name]))
    sums = [np.sum((matrices[0] - matrices[1])[:n, :n]) for n in GRID]
    np.testing.assert_allclose(theory.upsilon(model, GRID), sums, rtol=1e-9)


def test_psi_of_a_sum_are_means_weighted_by_variance():
    a = ts.TokenModel(CONSTANT, ts.Spectrum((1.0, 0.5, 0.0)))
    b = ts.TokenModel(BRANCHES["exponential"], ts.Spectrum((0.0, 0.3, 0.7)))
    of_a, of_b = (within_and_cross(m.branches, N) for m in (a, b))
    matrices = [0.6 * x + 0.4 * y for x, y in zip(of_a, of_b, strict=True)]
    assert_psi(theory.psi(a + b, GRID), *matrices)
    sums = [np.sum((matrices[0] - matrices[1])[:n, :n]) for n in GRID]
    np.testing.assert_allclose(theory.upsilon(a + b, GRID), sums)
    np.testing.assert_allclose(
        upsilon_slope(a + b, GRID),
        0.6 * upsilon_slope(a, GRID) + 0.4 * upsilon_slope(b, GRID),
    )


def test_cosines_of_a_sum_of_equal_correlations_are_those_of_one_model():
    """Of spectra that add up to an isotropic one, for which there is a closed form."""
    lam, mu = ts.Spectrum((1.0, 0.5, 0.0, 0.2)), ts.Spectrum((0.0, 0.5, 1.0, 0.8))
    both = ts.Isotropic(4)
    for name in ("exponential", "grid raster"):
        parts = [ts.TokenModel(BRANCHES[name], features) for features in (lam, mu)]
        whole = theory.psi(ts.TokenModel(BRANCHES[name], both), GRID, "cosine")
        found = theory.psi(parts[0] + parts[1], GRID, "cosine")
        for have, want in zip(found, whole, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("names", [(CONSTANT, "exponential"), ("grid raster", "exponential")])
def test_cosines_of_a_sum_are_those_of_tokens(names):
    """Against means of cosines of pairs drawn by the definition, feature by feature."""
    a, b = (BRANCHES[x] if isinstance(x, str) else x for x in names)
    lam, mu = np.array([1.0, 0.5, 0.0]), np.array([0.0, 0.3, 0.9])
    model = ts.TokenModel(a, ts.Spectrum(tuple(lam))) + ts.TokenModel(b, ts.Spectrum(tuple(mu)))
    rng = np.random.default_rng(7)
    found, of_a, of_b = theory.psi(model, [3], "cosine"), *(within_and_cross(x, 3) for x in (a, b))
    total, error = np.zeros(2), np.zeros(2)
    for which in (0, 1):  # within, cross
        for i, j in ((0, 1), (0, 2), (1, 2)):
            shared = of_a[which][i, j] * lam + of_b[which][i, j] * mu
            x, z = rng.standard_normal((2, 200_000, 3))
            rho = shared / (lam + mu)
            y = rho * x + np.sqrt(1 - rho**2) * z
            x, y = x * np.sqrt(lam + mu), y * np.sqrt(lam + mu)
            norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
            cosines = np.sum(x * y, axis=1) / norms
            total[which] += cosines.mean() / 3
            error[which] += cosines.var() / 200_000 / 9
    assert_agrees(total, np.sqrt(error), np.array([found.within[0], found.cross[0]]))


def test_cosines_of_a_sum_with_too_many_integrals_are_refused():
    spectrum = ts.PowerLawSpectrum(1024, 1.0)
    model = ts.TokenModel(BRANCHES["exponential"], spectrum) + ts.TokenModel(CONSTANT, spectrum)
    with pytest.raises(ts.errors.NoExactResult, match="more than 1,000,000"):
        theory.psi(model, [2, 4096], "cosine")


def test_slope_of_constant_correlations_and_at_the_last_token():
    """Upsilon = 0.2 n^2 + 0.6 n; where no token follows the difference is one-sided."""
    np.testing.assert_allclose(upsilon_slope(CONSTANT, GRID), 0.4 * GRID + 0.6)
    last = ts.Branches(ts.Empirical(0.7 * np.eye(4) + 0.3))
    np.testing.assert_allclose(upsilon_slope(last, [3, 4]), [0.3 * 6 + 0.7, 0.3 * 7 + 0.7])


def test_balance_curve():
    constant = theory.balance_curve(CONSTANT, GRID)
    assert np.isnan(constant[0])
    np.testing.assert_allclose(constant[1:], 0.8 / 0.2 - 1)
    branches = BRANCHES["shared context"]
    equal, within, cross = np.transpose(
        [averages(*within_and_cross(branches, n), n) for n in GRID[1:]]
    )
    expected = (1 - equal) / (within - cross) - 1
    np.testing.assert_allclose(theory.balance_curve(branches, GRID)[1:], expected, rtol=1e-9)
    assert theory.balance_curve(ts.Branches(ts.White()), 9) == np.inf


def test_balance_of_a_law_and_of_a_sum():
    law = ts.StudentT(5.0, "token")
    c = law.correlation(np.array(1.0), ISO)
    heavy = ts.TokenModel(CONSTANT, ISO, law)
    assert theory.n_balance(heavy) == pytest.approx((1 - 0.2 * c) / (0.2 * c) - 1)
    a = ts.TokenModel(CONSTANT, ts.Spectrum((1.0, 0.5)))
    b = ts.TokenModel(ts.equicorrelated(0.1, 0.5, 0.2), ts.Spectrum((0.4, 0.1)))
    assert theory.n_balance(a + b) == pytest.approx((1 - 0.175) / (0.75 * 0.2 + 0.25 * 0.3) - 1)


@pytest.mark.parametrize("tokens", [2, 5, 40])
def test_balance_of_a_matrix_that_turns_out_constant(tokens):
    """Its structure does not say so: psi's at a few n do."""
    matrix = 0.7 * np.eye(tokens) + 0.3
    branches = ts.Branches(ts.Empirical(matrix), ts.Empirical(0.1 * np.eye(tokens) + 0.1))
    assert theory.n_balance(branches) == pytest.approx(0.8 / 0.2 - 1)
    if tokens > 2:
        matrix[0, 1] = matrix[1, 0] = 0.3 + 1e-9
        with pytest.raises(ts.errors.NoExactResult, match="balance_curve"):
            theory.n_balance(ts.Branches(ts.Empirical(matrix)))


def test_balance_needs_a_constant_psi_equal():
    """Delta = 0 at every n, but the branches meet at the first token only."""
    first = ts.Empirical(np.diag([0.5, 0, 0, 0, 0]))
    with pytest.raises(ts.errors.NoExactResult, match="balance_curve"):
        theory.n_balance(ts.Branches(ts.White(), first))


# psi_equal, a spread of Delta, and whether it is rounding: up to 1e-12 max(1, 1 - psi_equal).
SPREADS = [(0.2, 1e-12, True), (0.2, 1.5e-12, False), (-0.9, 1.5e-12, True), (-0.9, 2.1e-12, False)]


@pytest.mark.parametrize(("equal", "delta", "is_rounding"), SPREADS)
@pytest.mark.parametrize("sign", [1, -1])
def test_no_balance_up_to_rounding(equal, delta, is_rounding, sign):
    shared = -sign * delta
    branches = ts.Branches(ts.White(), (equal - shared) * ts.White() + shared * ts.Constant())
    expected = np.inf if is_rounding else (1 - equal) / (sign * delta) - 1
    assert theory.n_balance(branches) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("equal", "spread", "is_rounding"), SPREADS)
def test_probed_correlations_are_constant_up_to_rounding(equal, spread, is_rounding):
    """Delta is a at two tokens and a - spread at three, or psi_equal is."""
    spread, sign = 0.99 * spread, np.sign(equal)
    within, cross = 0.95 * np.eye(3) + 0.05, equal * np.eye(3)
    within[0, 1] = within[1, 0] = 0.05 + 1.5 * spread
    cross[2, 2] = equal + 3 * spread
    of_delta = ts.Branches(ts.Empirical(within), equal * ts.White())
    even = 0.95 * ts.White() + 0.05 * ts.Constant()
    of_equal = ts.Branches(even, sign * ts.Empirical(sign * cross))
    for branches in (of_delta, of_equal):
        if is_rounding:
            assert theory.n_balance(branches) == pytest.approx((1 - equal) / 0.05 - 1)
        else:
            with pytest.raises(ts.errors.NoExactResult, match="balance_curve"):
                theory.n_balance(branches)


def test_differences_that_cancel_have_a_negative_balance():
    assert theory.n_balance(BRANCHES["differences cancel"]) == pytest.approx(0.8 / -0.005 - 1)


def test_counts_of_tokens_in_any_shape_and_kind():
    n = np.array([[1.0, 2.0], [3.0, 8.0]])
    found = theory.upsilon(CONSTANT, n)
    np.testing.assert_allclose(found, n * (0.6 + 0.2 * n))
    assert theory.upsilon(CONSTANT, np.uint8(5)) == theory.upsilon(CONSTANT, 5)
    for bad in (True, 2 + 0j, [3, 0], [[2.5, 3.0]]):
        with pytest.raises(ts.TokenspaceError, match="number of tokens"):
            theory.upsilon(CONSTANT, bad)


def test_structure_after_a_law():
    of_law = Transformed(CONSTANT.within, lambda rho: rho / 2, same_vector=True).structure
    assert of_law.exchangeable == (1.0, 0.15) and of_law.valid
    assert list(of_law.at_lag(np.arange(3))) == [1.0, 0.15, 0.15]


def test_refusals():
    for kind, match in (("Cosine", "'correlation' or 'cosine'"), (None, "'correlation' or")):
        with pytest.raises(ts.TokenspaceError, match=match):
            theory.psi(CONSTANT, 5, kind)
    with pytest.raises(ts.errors.NoExactResult, match="which Branches do not have"):
        theory.psi(CONSTANT, 5, "cosine")
    cancel = BRANCHES["differences cancel"]
    for quantity in (theory.upsilon, theory.psi, upsilon_slope):
        with pytest.raises(ts.errors.NotPositiveSemidefinite):
            quantity(cancel, [2, 5000])
        with pytest.raises(ts.errors.TooManyTokens):
            quantity(BRANCHES["empirical"], [2, N + 1])


@pytest.mark.parametrize(("delta", "known"), [(0.9e-12, False), (1.1e-12, True)])
@pytest.mark.parametrize("shape", ["equicorrelated", "matrix"])
def test_a_difference_that_is_rounding_is_no_balance(delta, known, shape):
    """Of a structure that says it, and of one whose constant correlations are found by looking."""
    within = ts.equicorrelated(0.0, delta, 0.0).within
    if shape == "matrix":
        within = ts.Empirical(np.full((9, 9), delta) + (1 - delta) * np.eye(9))
    assert np.isfinite(theory.n_balance(ts.Branches(within, 0.0 * ts.White()))) == known
