import pickle

import numpy as np
import pytest
from scipy import special

import tokenspace as ts
from models import POSITIONS, N
from tokenspace.covariance.sums import lag_totals
from tokenspace.errors import InputError

LAG = np.arange(0, 200)


@pytest.mark.every_case
@pytest.mark.parametrize("name", POSITIONS)
def test_is_a_correlation_matrix(name):
    k = POSITIONS[name].dense(N)
    np.testing.assert_allclose(np.diag(k), 1.0, atol=1e-12)
    np.testing.assert_allclose(k, k.T, atol=1e-14)
    assert np.linalg.eigvalsh(k)[0] > -1e-10


@pytest.mark.every_case
@pytest.mark.parametrize("name", POSITIONS)
def test_prefix_covariance_sums_the_matrix(name):
    covariance, grid = POSITIONS[name], np.array([1, 2, 5, 7, 8, 20, N])
    k = covariance.dense(N)
    expected = [[k[:a, :b].sum() for b in grid] for a in grid]
    np.testing.assert_allclose(covariance.prefix_covariance(grid), expected, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(covariance.totals(grid), np.diag(expected), rtol=1e-10, atol=1e-9)
    assert covariance.totals(np.array([0, 1]))[0] == 0


@pytest.mark.parametrize(
    "name", [k for k, v in POSITIONS.items() if v.structure.markov is not None]
)
def test_markov_form_is_the_covariance(name):
    covariance = POSITIONS[name]
    form = covariance.structure.markov
    i, j = np.triu_indices(N)
    value = np.einsum(
        "p,npq,q->n", form.observe, form.transition(i, j), form.stationary @ form.observe
    )
    np.testing.assert_allclose(value, covariance(i, j), atol=1e-12)


def test_formulas():
    np.testing.assert_allclose(ts.Exponential(3.0).at_lag(LAG), np.exp(-LAG / 3))
    np.testing.assert_allclose(ts.SquaredExponential(3.0).at_lag(LAG), np.exp(-(LAG**2) / 18))
    np.testing.assert_allclose(
        ts.RationalQuadratic(3.0, 0.7).at_lag(LAG), (1 + LAG**2 / (2 * 0.7 * 9)) ** -0.7
    )
    np.testing.assert_allclose(ts.PowerLaw(0.4).at_lag(LAG), (1.0 + LAG) ** -0.4)
    x = np.sqrt(2 * 0.8) * LAG[1:] / 6
    matern = 2**0.2 / special.gamma(0.8) * x**0.8 * special.kv(0.8, x)
    np.testing.assert_allclose(ts.Matern(0.8, 6.0).at_lag(LAG[1:]), matern)
    for nu in (0.5, 1.5, 2.5):  # closed forms are limits of the general formula
        np.testing.assert_allclose(
            ts.Matern(nu, 6.0).at_lag(LAG), ts.Matern(nu + 1e-9, 6.0).at_lag(LAG), rtol=1e-6
        )


@pytest.mark.parametrize("hurst", [0.05, 0.3, 0.5, 0.8, 0.99])
def test_fractional_gaussian_noise(hurst):
    fgn = ts.FractionalGaussianNoise(hurst)
    lag = LAG.astype(float)
    direct = ((lag + 1) ** (2 * hurst) - 2 * lag ** (2 * hurst) + abs(lag - 1) ** (2 * hurst)) / 2
    np.testing.assert_allclose(fgn.at_lag(LAG), direct, atol=3e-13 * 200 ** (2 * hurst))
    n = np.arange(1, 2000)
    np.testing.assert_allclose(lag_totals(fgn, fgn.at_lag, n), n ** (2 * hurst), rtol=1e-9)


@pytest.mark.parametrize("order", ["raster", "serpentine", "hilbert"])
def test_patch_orders_visit_every_patch_once(order):
    grid = ts.PatchGrid(8, 8, ts.White(), ts.White(), order)
    r, c = grid.places()
    assert sorted(zip(r, c, strict=True)) == [(i, j) for i in range(8) for j in range(8)]
    steps = abs(np.diff(r)) + abs(np.diff(c))
    assert (steps.max() == 1) == (order != "raster")


def test_sums_of_the_first_patches_are_the_same_in_raster_and_serpentine_order():
    """They are the same patches, or their mirror image: no psi and no D(n) tells the two apart."""

    def totals(order):
        matrix = ts.PatchGrid(8, 8, ts.Exponential(3.0), ts.PowerLaw(0.7), order).dense(64)
        return [matrix[:n, :n].sum() for n in range(1, 65)]

    np.testing.assert_allclose(totals("serpentine"), totals("raster"), rtol=1e-12)
    assert not np.allclose(totals("hilbert"), totals("raster"), rtol=0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ts.Exponential(0.0), "length = 0.0 is not allowed; it must be a number >= 1e-09"),
        (lambda: ts.Exponential(float("nan")), "length"),
        (lambda: ts.FractionalGaussianNoise(1.0), "> 0 and < 1"),
        (lambda: ts.Block(2.5), "an integer >= 1"),
        (lambda: ts.PatchGrid(2, 2, ts.White(), ts.White(), "zigzag"), "'raster'"),
        (lambda: ts.Empirical([[1, 2], [2, 1]]), "valid up to n = 1"),
        (lambda: ts.Empirical([[1, 0], [0.5, 1]]), "not symmetric"),
        (lambda: ts.Empirical([[1.0, np.nan], [np.nan, 1]]), "not finite"),
        (lambda: ts.PatchGrid(2, 3, ts.White(), ts.White()).dense(7), "has 6 positions"),
    ],
)
def test_refuses_with_words(make, words):
    with pytest.raises(ts.TokenspaceError, match=r"not|up to|positions") as caught:
        make()
    assert words in str(caught.value)


def test_exponents_as_n_grows():
    expected = {
        ts.White(): 0.5,
        ts.Constant(): 1.0,
        ts.PowerLaw(0.4): 0.8,
        ts.PowerLaw(2.0): 0.5,
        ts.FractionalGaussianNoise(0.3): 0.3,
        ts.Block(8): 0.5,
        ts.RationalQuadratic(1.0, 0.2): 0.8,
    }
    for covariance, exponent in expected.items():
        assert covariance.asymptotic_exponent() == pytest.approx(exponent)
        n = np.array([100_000, 10_000_000])
        slope = np.diff(np.log(covariance.totals(n))) / np.diff(np.log(n)) / 2
        assert abs(slope[0] - exponent) < 0.02


@pytest.mark.parametrize("nu", [0.5, 0.8, 1.5, 2.5, 3.0])
def test_matern_at_the_ends_of_its_range(nu):
    """White below any token, constant above all."""
    np.testing.assert_array_equal(ts.Matern(nu, 1e-9).at_lag(LAG[:4]), [1, 0, 0, 0])
    np.testing.assert_allclose(ts.Matern(nu, 1e18).at_lag(LAG[:4]), 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ts.Exponential(None),
        lambda: ts.Exponential(np.array([1.0, -2.0])),
        lambda: ts.Exponential(1e-310),
        lambda: ts.StudentT(1e308),
        lambda: ts.Spectrum((1e-310, 1e-310)),
        lambda: ts.Spectrum((1e300, 1.0)),
        lambda: ts.Isotropic(64.5),
        lambda: ts.Isotropic(True),
    ],
)
def test_what_is_no_parameter(make):
    with pytest.raises(ts.TokenspaceError, match="must"):
        make()


def test_whole_numbers_and_equality():
    assert ts.Isotropic(64.0) == ts.Isotropic(64) and isinstance(ts.Isotropic(64.0).dim, int)
    assert ts.Spectrum((1.0, 2.0)) == ts.Spectrum([1.0, 2.0]) != ts.Spectrum((1.0, 3.0))
    assert hash(ts.Spectrum((1.0, 2.0))) == hash(ts.Spectrum((1.0, 2.0)))
    assert ts.Empirical(np.eye(2)) == ts.Empirical(np.eye(2)) != ts.Empirical(2 * np.eye(2))
    assert pickle.loads(pickle.dumps(ts.equicorrelated(0.2, 0.3, 0.1))) == ts.equicorrelated(
        0.2, 0.3, 0.1
    )


def test_equal_models_have_equal_hashes():
    pairs = (
        (ts.Exponential(np.array(8.0)), ts.Exponential(8.0)),
        (ts.Exponential(np.float32(8.0)), ts.Exponential(8)),
        (ts.Spectrum((0.0, 1.0)), ts.Spectrum((-0.0, 1.0))),
    )
    for a, b in pairs:
        assert a == b and len({a, b}) == 1


class Hole(ts.Stationary):
    def at_lag(self, lag):
        return np.where(lag == 5, np.nan, np.where(lag == 0, 1.0, 0.0))


def test_a_covariance_that_is_not_finite():
    with pytest.raises(InputError, match="is not finite at every pair"):
        ts.Branches(Hole()).require_valid(20)


@pytest.mark.parametrize("order", ["raster", "hilbert"])
def test_patch_distance_is_a_function_of_the_distance(order):
    covariance = ts.PatchDistance(6, 8, 3.0, 2.0, 1.5, order)
    row, column = ts.PatchGrid(6, 8, ts.White(), ts.White(), order).places()
    for i, j in ((0, 0), (0, 47), (3, 17), (40, 2)):
        x = np.sqrt(3) * np.hypot((row[i] - row[j]) / 3, (column[i] - column[j]) / 2)
        assert covariance(i, j) == pytest.approx((1 + x) * np.exp(-x))
    assert covariance.max_tokens == 48 and covariance.structure.valid
