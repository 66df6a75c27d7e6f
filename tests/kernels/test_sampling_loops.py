"""The loops of token-level sampling that Numba compiles: their bits, their normals, their threads."""

import jax
import numpy as np
import pytest
from scipy import special

import tokenspace as ts
from tokenspace.experiments.placement import place
from tokenspace.parameters import model
from tokenspace.sampling import plan
from tokenspace_kernels import random_bits

pytest.importorskip("numba")

from tokenspace_kernels import random_bits_loops
from tokenspace_kernels.machine_code import compiled

LAWS = [ts.Gaussian(), ts.UnitNorm(), ts.Laplace(), ts.StudentT(5.0), ts.StudentT(5.0, "token")]


@compiled
def words(key, counters, out):
    for k in range(len(out)):
        out[k] = random_bits_loops.threefry(key[0], key[1], counters[k, 0], counters[k, 1])


@compiled
def normals_of(bits, out):
    for k in range(len(out)):
        out[k] = random_bits_loops.normal(bits[k])


def test_words_are_those_of_threefry():
    key, *counters = np.random.default_rng(1).integers(2**32, size=(300, 2), dtype=np.uint32)
    counters, out = np.array(counters), np.empty((299, 2), np.uint32)
    words(key, counters, out)
    expected = random_bits.threefry2x32((key[0], key[1]), (counters[:, 0], counters[:, 1]))
    np.testing.assert_array_equal(out.T, expected)


def test_every_normal_is_exact_to_float32():
    """All 2^24 of them, against float64, and the mirrored ones are minus the same."""
    out, quarter = np.empty(2**21, np.float32), 2**21
    for begin in range(0, 2**23, quarter):
        k = np.arange(begin, begin + quarter)
        normals_of((k << 8).astype(np.uint32), out)
        exact = -special.ndtri((0.5 - k * 2.0**-23 - 2.0**-24 + 0.5) / 2)
        np.testing.assert_allclose(out, exact, rtol=5e-7)
        mirrored = np.empty_like(out)
        normals_of(((-1 - k) % 2**24 << 8).astype(np.uint32), mirrored)
        np.testing.assert_array_equal(mirrored, -out)


def test_a_pair_is_drawn_as_everywhere():
    key, z = np.uint32([7, 9]), np.empty((2, 21), np.float32)
    random_bits_loops.draw_pair(key, 5, 11, z)
    expected = np.asarray(random_bits.normals(key, 10, 2, 32))[:, 11:]
    np.testing.assert_allclose(z, expected, rtol=1e-6)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("statistics", ["divergence", "correlations"])
def test_neither_threads_nor_batches_change_a_bit(with_threads, law, statistics):
    tokens = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(600), law)
    prepared = plan(tokens, 70, "tokens", (statistics,))
    assert prepared.kernels == "numba" and prepared.block >= 2
    placed, block = place(prepared), prepared.block
    drawn = []
    for threads, parts in ((1, [3]), (2, [1, 2]), (5, [2, 1])):
        with_threads(threads)
        starts = np.cumsum([0, *parts[:-1]]) * block
        samples = [placed.sample(4, int(s), n) for s, n in zip(starts, parts, strict=True)]
        drawn.append({k: np.concatenate([s[k] for s in samples]) for k in samples[0]})
    for other in drawn[1:]:
        jax.tree.map(np.testing.assert_array_equal, drawn[0], other)


@model
class Shifted(ts.UnitNorm):
    """Changes tokens in a way of its own, and says nothing of it."""

    def of_tokens(self, g, key):
        return g + 1


def test_a_law_of_which_nothing_is_known_is_left_to_jax():
    tokens = ts.TokenModel(ts.Branches(ts.White()), ts.Isotropic(9), Shifted())
    assert plan(tokens, 9, "tokens", ("correlations",)).kernels == "xla"


def test_few_features_are_left_to_jax():
    """The loops go along the features; JAX also across replicates."""
    tokens = ts.TokenModel(ts.Branches(ts.White()), ts.Isotropic(2))
    assert plan(tokens, 9, "tokens").kernels == "xla"
