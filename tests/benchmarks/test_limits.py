"""Limits of the machine: counts that a program confirms, floors that are arithmetic, honest probes."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace_benchmarks import harness, machine, operations, work
from tokenspace_benchmarks.limits import RATES, Work
from tokenspace_kernels.random_bits import (
    NORMAL_COEFFICIENTS,
    NORMAL_HALF,
    bits_to_normal,
    threefry2x32,
)

GRID = ts.log_grid(64, 9)
M = len(GRID)
MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(32))


def primitives(function, *arguments):
    """How often each operation stands in the program of a function, called functions included."""
    found = {}

    def look(jaxpr):
        for equation in jaxpr.eqns:
            inner = equation.params.get("jaxpr")
            if inner is not None:
                look(getattr(inner, "jaxpr", inner))
            else:
                found[equation.primitive.name] = found.get(equation.primitive.name, 0) + 1

    look(jax.make_jaxpr(function)(*arguments).jaxpr)
    return found


def test_floor_is_the_largest_quotient():
    limits = {
        "copy_gb_per_s": 10.0,
        "giga_operations_per_s": 8.0,
        "giga_rotations_per_s": 1.0,
        "giga_multiplications_per_s": 4.0,
        "matrix_gflop_per_s": 100.0,
    }
    assert set(limits) == set(RATES)
    assert Work(bytes=2e10, multiplications=4e9).floor(limits) == (2.0, "bytes")
    assert Work(rotations=3e9, others=8e9).floor(limits) == (3.0, "rotations")
    assert Work(multiplications=8e9, others=1e9).floor(limits) == (2.0, "multiplications")
    work = Work(rotations=1e9, multiplications=4e9, others=11e9)
    assert work.floor(limits) == (2.0, "operations")
    assert Work(products=4e11, others=1e9).floor(limits) == (4.0, "products")
    twice = 2 * Work(1.0, 2.0, 3.0, 4.0, 5.0) + Work(others=1.0)
    assert twice == Work(2.0, 4.0, 6.0, 9.0, 10.0)


def test_counts_of_threefry_are_those_of_the_program_but_for_what_is_the_same_for_all_tokens():
    word = jnp.ones(4, jnp.uint32)
    found = primitives(lambda *w: threefry2x32(w[:2], w[2:]), word, word, word, word)
    counted = operations.two_words(accelerator=False)
    # a rotation is two shifts and an "or"; xors of the key's third word, the key added to the
    # counter (2) and the number of each group (5) are done once for all tokens
    assert counted.rotations == found["shift_left"] - 1 == found["or"] - 1
    assert counted.others == found["add"] - 2 - 5 + found["xor"] - 2
    fewer = counted.others - operations.two_words(accelerator=True).others
    assert fewer == 4  # between 5 groups


def test_counts_of_a_normal_are_those_of_the_program_with_multiply_adds_fused():
    found = primitives(bits_to_normal, jnp.ones(4, jnp.uint32))
    degree = len(NORMAL_COEFFICIENTS) - 1
    assert degree == operations.POLYNOMIAL
    assert (
        found["log"] == 1 and found["convert_element_type"] == found["shift_right_arithmetic"] == 1
    )
    # u, 1 - u^2 (for which the program takes two sums and a product) and t's scale, the polynomial,
    # the last product; the scale goes into the logarithm's own constants
    assert found["mul"] == 1 + 1 + 1 + degree + 1
    counted = operations.from_bits(accelerator=True)
    assert counted == Work(multiplications=found["mul"] - 1, others=1 + 1 + 1)


def test_the_degree_of_the_logarithm_is_the_least_that_leaves_normals_as_they_are():
    """On [1 / root 2, root 2] Chebyshev's coefficients of log are 2 q^k / k, q = 3 - root 8.

    The least error of degree n is below the sum of the coefficients beyond it, and above pi / 4
    times the first of them.
    """
    ratio = np.polynomial.Polynomial(NORMAL_COEFFICIENTS)  # z / u against t = -log(..) / half - 1
    t = np.linspace(-1, 1, 2001)
    slope = np.abs(ratio.deriv()(t) / ratio(t)).max() / NORMAL_HALF
    k = np.arange(1, 60)
    coefficients = 2 * (3 - np.sqrt(8)) ** k / k
    octave = np.polynomial.Chebyshev.interpolate(np.log, 40, [np.sqrt(0.5), np.sqrt(2.0)])
    assert np.allclose(np.abs(octave.coef[1:20]), coefficients[:19], atol=1e-12)
    degree = operations.LOGARITHM
    assert slope * coefficients[degree:].sum() < 2.0**-24
    assert slope * np.pi / 4 * coefficients[degree - 1] > 2.0**-24
    total = operations.normal(accelerator=False).operations
    assert f"a normal takes {total:g} operations" in operations.__doc__


@pytest.fixture(params=[False, True], ids=["CPU", "accelerator"])
def accelerator(request, monkeypatch):
    monkeypatch.setattr(work, "on_accelerator", lambda: request.param)
    return request.param


def product(number, accelerator):
    return Work(products=2 * number) if accelerator else Work(multiplications=number)


def test_work_of_samplers(accelerator):
    def of(name, statistics=("divergence",)):
        return work.replicate(ts.choose(MODEL, GRID, statistics, name))

    normal, numbers = operations.normal(accelerator), 64 * 32
    assert of("tokens") == numbers * normal + Work(others=numbers)
    psi = of("tokens", ("divergence", "correlations"))
    assert psi == 2 * numbers * normal + numbers * Work(multiplications=5, others=3)
    squares = Work(multiplications=M * 32)
    triangle = product(32 * M * (M + 1) / 2, accelerator)
    assert of("partial_sums") == M * 32 * normal + triangle + squares
    assert work.given_tokens(10, 3, psi=True) == Work(240.0, 0, 150.0, 60.0)
    assert work.given_tokens(10, 3, psi=False) == Work(240.0, 0, 0, 60.0)


@pytest.mark.parametrize("dim", [2, 32])
def test_work_of_collapsed_is_that_of_two_triangles(dim, accelerator):
    """A has as many columns as there are features, m at most: chi-squares on its diagonal."""
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(dim))
    factor = np.tril(np.ones((M, M)))
    bartlett = factor[:, : min(M, dim)]
    chi_squares = bartlett.shape[1]
    wanted = (
        (bartlett.sum() - chi_squares) * operations.normal(accelerator)
        + chi_squares * operations.chi_square(accelerator)
        + product((factor @ bartlett).sum(), accelerator)
        + Work(multiplications=bartlett.sum())
    )
    assert work.replicate(ts.choose(model, GRID, ("divergence",), "collapsed")) == wanted


@pytest.mark.parametrize("what", machine.STEPS)
def test_compiled_chains_do_all_that_they_count(what):
    """What a compiler shortened would be a rate that no machine has."""
    length = 16
    x, u = jnp.arange(64, dtype=jnp.uint32), jnp.ones(64)
    text = jax.jit(machine.chain(what, length)).lower(x, u, x, u).compile().as_text()
    kinds = {
        "integers": ("add", "xor"),
        "mixed": ("add", "xor", "multiply"),
        "rotations": ("shift-left",),
        "multiplications": ("multiply",),
    }
    found = sum(len(re.findall(rf" {kind}\(", text)) for kind in kinds[what])
    assert found == length


def test_loops_do_all_that_they_count():
    """The numbers after a few rounds are those of the same steps in NumPy."""
    loops = pytest.importorskip("tokenspace_benchmarks.arithmetic_loops")
    r, c = np.uint32(13), np.float32(1)

    def after(what):
        a, b = np.arange(32, dtype=np.uint32).reshape(4, 8), np.full((4, 8), 2, np.float32)
        loop, counted = loops.LOOPS[what]
        loop(a, b, 3, r, c)
        return a, b, counted * 3 // 4  # operations of each number

    x = np.arange(32, dtype=np.uint32).reshape(4, 8)
    integers, _, count = after("integers")
    for _ in range(count // 2):
        x = (x + r) ^ r
    assert np.array_equal(integers, x)
    turned, _, count = after("rotations")
    x = np.arange(32, dtype=np.uint32).reshape(4, 8)
    turn = np.uint32(count * 13 % 32)
    assert np.array_equal(turned, (x << turn) | (x >> np.uint32(32 - turn)))
    _, fused, count = after("multiplications")
    assert np.all(fused == 2 + count)  # x 1 + 1 counts
    half, also, count = after("mixed")
    assert np.array_equal(half[:2], integers[:2]) and np.array_equal(half[2:], x[2:])
    assert np.all(also[:2] == 2 + count) and np.all(also[2:] == 2)


def test_probes_reach_for_every_limit_of_the_device():
    found = {p.limit: p for p in machine.probes(quick=True)}
    accelerator = operations.on_accelerator()
    assert set(found) == set(RATES) - (set() if accelerator else {"matrix_gflop_per_s"})
    limits = {}
    for name, probe in found.items():
        jax.block_until_ready(probe.call())
        limits[name] = probe.amount / machine.timed(probe.call)[0]
    # no machine that runs these tests makes fewer than 1e6 or more than 1e13 normals a second
    assert 1e6 < operations.normals_per_second(limits, accelerator) < 1e13


def test_xla_measures_where_numba_is_missing(monkeypatch):
    monkeypatch.setattr(machine, "compiled_loops", lambda: False)
    found = machine.arithmetic_probes(quick=True)
    assert [p.limit for p in found] == list(RATES)[1:4]
    for probe in found:
        jax.block_until_ready(probe.call())


def test_old_files_keep_their_times_and_lose_their_shares(tmp_path):
    timing = harness.Timing("case", "ours", True, 1.0, 0.9, 1.1, 2.0, 3, 0.5, "normals")
    old = {"device": "cpu", "limits": {"normals_per_s": 4e8}, "timings": [vars(timing)]}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    read = harness.load(path)
    assert read["timings"] == [vars(timing) | {"floor": None, "floor_by": None}]
    assert read["limits"] == {} and "left out" in read["skipped"][0]
    path.write_text(json.dumps(old | {"format": harness.FORMAT}))
    assert harness.load(path)["limits"] == old["limits"]
    path.write_text(json.dumps(old | {"format": harness.FORMAT + 1}))
    with pytest.raises(InputError, match=r"old\.json: a benchmark result of format 4"):
        harness.load(path)
