from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import Chebyshev, Polynomial
from scipy import special, stats

from oracles import assert_agrees, divergences, realised_psi
from tokenspace import kernels
from tokenspace_kernels import collapsed, random_bits, streams, weighted_noise
from tokenspace_kernels.blocks import lay_out
from tokenspace_kernels.chi_square import chi_square

KNOWN = [  # answers published with Random123 for Threefry-2x32, 20 rounds
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN)
def test_threefry_known_answers(key, counter, expected):
    words = kernels.threefry2x32(
        tuple(jnp.uint32(k) for k in key), tuple(jnp.uint32(c) for c in counter)
    )
    assert tuple(int(w) for w in words) == expected


@pytest.mark.parametrize(("words", "counter", "expected"), KNOWN)
def test_all_64_bits_of_a_seed_make_the_key(words, counter, expected):
    seed, (replicate, stream) = words[0] | words[1] << 32, counter
    (key,) = kernels.replicate_keys(seed, replicate, 1, stream)
    assert tuple(int(w) for w in key) == expected


def normal_over_uniform(t):
    """z(u) / u at t = -log(1 - u^2) / NORMAL_HALF - 1, in float64 without cancellation."""
    w = random_bits.NORMAL_HALF * (np.asarray(t, float) + 1)
    u = np.sqrt(-np.expm1(-w))
    z = -special.ndtri(0.5 * np.exp(-w) / (1 + u))
    return np.where(u < 1e-6, np.sqrt(np.pi / 2), z / np.where(u < 1e-6, 1.0, u))


def test_normals_are_the_inverse_of_the_normal_law():
    """The coefficients are those of the interpolant, and every size of u comes out to 5e-7."""
    degree = len(random_bits.NORMAL_COEFFICIENTS) - 1
    fitted = Chebyshev.interpolate(normal_over_uniform, degree).convert(kind=Polynomial)
    np.testing.assert_allclose(
        np.float32(random_bits.NORMAL_COEFFICIENTS), np.float32(fitted.coef), rtol=2e-7
    )
    inner = np.unique(np.geomspace(1, 2**22, 100_000).astype(np.int64))
    k = np.concatenate([inner, 2**23 - inner, [0, 2**23 - 1]])  # near 0 and near 1
    z = random_bits.bits_to_normal(jnp.asarray(k << 8, jnp.uint32))
    u = (k + 0.5) * 2.0**-23
    np.testing.assert_allclose(z, -special.ndtri((1 - u) / 2), rtol=5e-7)
    mirrored = random_bits.bits_to_normal(jnp.asarray((-1 - k) % 2**24 << 8, jnp.uint32))
    np.testing.assert_array_equal(mirrored, -z)


def test_normals_have_the_moments_and_law_of_normals():
    keys = kernels.replicate_keys(7, 0, 64)
    z = np.asarray(jax.vmap(lambda k: kernels.normals(k, 0, 64, 256))(keys), float)
    flat, count = z.ravel(), z.size
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert_agrees((flat**power).mean(), np.sqrt(variance / count), moment)
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    for axis in range(3):  # neighbours along replicates, tokens and features are uncorrelated
        a, b = np.take(z, range(63), axis), np.take(z, range(1, 64), axis)
        assert_agrees((a * b).mean(), 1 / np.sqrt(a.size), 0.0)


@pytest.mark.parametrize("interleave", ["_side_by_side", "_stacked", "_chosen"])
def test_every_platform_interleaves_the_same_normals(interleave):
    """Equal but for the rounding that compilers differ in."""
    key = kernels.replicate_keys(3, 0, 1)[0]
    draw = partial(getattr(random_bits, interleave), pairs=6, dim=5)
    got = jax.jit(draw)(key, jnp.uint32(2**31 - 3))  # pairs are counted past 2^31
    pair, feature = np.indices((6, 5), np.uint32)
    counter = (jnp.asarray(pair + np.uint32(2**31 - 3)), jnp.asarray(feature))
    even, odd = random_bits.threefry2x32((key[0], key[1]), counter)
    bits = np.stack([even, odd], axis=1).reshape(12, 5)
    np.testing.assert_allclose(got, random_bits.bits_to_normal(jnp.asarray(bits)), rtol=1e-6)


def test_normals_do_not_depend_on_how_they_are_asked_for():
    key = kernels.replicate_keys(3, 5, 1)[0]
    whole = kernels.normals(key, 0, 12, 5)
    np.testing.assert_array_equal(whole[4:10], kernels.normals(key, 4, 6, 5))
    np.testing.assert_array_equal(whole[:, :3], kernels.normals(key, 0, 12, 3))
    assert whole.dtype == jnp.float32
    np.testing.assert_array_equal(key, kernels.replicate_keys(3, 0, 9)[5])


@pytest.mark.parametrize("tokens", [1, 8])
def test_a_tpu_draws_the_same_normals_even_tokens_first(tokens):
    key = kernels.replicate_keys(3, 5, 1)[0]
    whole = kernels.normals(key, 4, tokens, 5)
    got = random_bits.even_then_odd(key, 2, tokens, 5)
    np.testing.assert_array_equal(got, np.concatenate([whole[::2], whole[1::2]]))
    weights = jnp.arange(3.0 * tokens).reshape(3, tokens)
    for way in (weighted_noise.apart, weighted_noise.even_first):
        np.testing.assert_allclose(way(weights, key, 4, 5), weights @ whole, rtol=1e-5)


@pytest.mark.parametrize("m", [5, 6])
def test_rows_of_a_bartlett_factor_may_come_even_ones_first(m):
    key, number = kernels.replicate_keys(3, 5, 1)[0], np.arange(m)
    noise, order = collapsed.in_order(key, m)
    other, drawn = collapsed.even_first(key, m)
    for row in number:
        (place,) = np.flatnonzero(drawn == row)
        np.testing.assert_array_equal(noise[row, row + 1 :], other[place, row + 1 :])
    assert np.all(np.sort(drawn)[m:] == m)
    factor = jnp.asarray(np.tril(1.0 + np.add.outer(number, number)), jnp.float32)
    arguments = (key, factor, jnp.sqrt(1.0 + number), jnp.int32(max(1, m - 1)))
    first, second = (
        collapsed.squared_rows(*arguments, rows=rows)
        for rows in (collapsed.in_order, collapsed.even_first)
    )
    np.testing.assert_allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("degrees", [0.3, 1.0, 2.0, 5.0, 1000.0])
def test_chi_square(degrees):
    keys = kernels.replicate_keys(1, 0, 100)
    x = jax.vmap(lambda k: chi_square(k, jnp.full(500, degrees)))(keys)
    assert stats.kstest(np.asarray(x, float).ravel(), "chi2", args=(degrees,)).pvalue > 1e-3
    single = chi_square(keys[3], jnp.full(500, degrees))
    # The batch does not matter, except for float32 rounding, which U^(1/shape) magnifies.
    magnified = 1e-6 * (1 + 2 * 17 / degrees)
    np.testing.assert_allclose(single, x[3], rtol=magnified, atol=1e-6)


def test_layout_reports_every_grid_point_once():
    for size in (2, 8, 64):
        grid = np.array([1, 2, 3, 8, 9, 64, 65, 130])
        layout = lay_out(grid, size)
        block, slot = np.divmod(layout.where, layout.slots)
        np.testing.assert_array_equal(block * size + layout.ends[block, slot], grid)


@pytest.mark.parametrize("shape", [(1, 3), (5, 7), (127, 4), (128, 4), (300, 16), (2, 3, 200, 8)])
def test_given_tokens_against_definitions(shape):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, *shape)) + 0.3
    tokens = shape[-2]
    grid = np.unique(np.clip([1, 2, 5, 100, 128, 129, tokens], 1, tokens))
    d = kernels.divergence(a.astype(np.float32), b.astype(np.float32), grid)
    np.testing.assert_allclose(d, divergences(a, b, grid), rtol=2e-6)
    psi = kernels.correlations(a.astype(np.float32), b.astype(np.float32), grid)
    for index in np.ndindex(shape[:-2]):
        for k, n in enumerate(grid):
            if n < 2:
                assert np.isnan(psi["psi_cross_AB"][index][k])
                continue
            equal, within, cross = realised_psi(a[index], b[index], n)
            mean = (psi["psi_cross_AA"][index][k] + psi["psi_cross_BB"][index][k]) / 2
            got = [psi["psi_equal"][index][k], mean, psi["psi_cross_AB"][index][k]]
            np.testing.assert_allclose(got, [equal, within, cross], atol=3e-6)


def test_identity_for_tokens_of_equal_norm():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 200, 32))
    a, b = (3 * h / np.linalg.norm(h, axis=1, keepdims=True) for h in (a, b))
    grid = np.array([1, 2, 50, 200])
    d = np.asarray(kernels.divergence(a.astype(np.float32), b.astype(np.float32), grid), float)
    psi = kernels.correlations(a.astype(np.float32), b.astype(np.float32), grid)
    psi = {k: np.nan_to_num(np.asarray(v, float)) for k, v in psi.items()}
    within = (psi["psi_cross_AA"] + psi["psi_cross_BB"]) / 2
    upsilon = grid * (1 - psi["psi_equal"]) + grid * (grid - 1) * (within - psi["psi_cross_AB"])
    np.testing.assert_allclose(d**2, 2 * 9 * upsilon, rtol=1e-5)


def test_long_sequences_lose_nothing():
    rng = np.random.default_rng(4)
    n = 1_000_000
    a = (rng.standard_normal((n, 4)) + 0.5).astype(np.float32)
    b = rng.standard_normal((n, 4)).astype(np.float32)
    grid = np.array([1000, n])
    exact = divergences(a.astype(float), b.astype(float), grid)
    np.testing.assert_allclose(kernels.divergence(a, b, grid), exact, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_tokens(dtype):
    rng = np.random.default_rng(5)
    a, b = (jnp.asarray(rng.standard_normal((500, 8)), dtype) for _ in range(2))
    exact = divergences(np.asarray(a, float), np.asarray(b, float), [10, 500])
    np.testing.assert_allclose(kernels.divergence(a, b, np.array([10, 500])), exact, rtol=1e-6)


def test_streams_of_one_draw_differ():
    """Every number that a draw may use is given out once, for ten thousand terms or groups."""
    numbers = np.asarray(streams.numbered(np.arange(1, 10_001)))
    assert len(np.unique(numbers)) == len(numbers)
    np.testing.assert_array_equal(numbers[:1999], np.arange(1, 2000))  # as ever, up to here
    for used in streams.TOGETHER.values():
        fixed = [k for k in used if k != "numbered"]
        together = [*fixed, *(numbers if "numbered" in used else [])]
        assert len(set(together)) == len(together)
