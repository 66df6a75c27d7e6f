"""One suite for every implementation of every kernel: each is held to the reference."""

import sys
import warnings
from contextlib import nullcontext
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tokenspace as ts
from tokenspace import kernels
from tokenspace.sampling.by_blocks import linear_blocks, token_blocks
from tokenspace.theory import divergence_covariance
from tokenspace_benchmarks.shapes import Shape, shapes
from tokenspace_kernels import (
    dispatch,
    given_tokens,
    given_tokens_gpu,
    given_tokens_tpu,
    limits,
    pair_strips,
    pair_tokens,
    reference,
    sample_divergence_gpu,
    sample_divergence_tpu,
    sample_divergence_unrolled,
    sample_statistics_gpu,
    sample_statistics_tpu,
    sample_statistics_unrolled,
)
from tokenspace_kernels.blocks import lay_out
from tokenspace_kernels.random_bits import PLAIN

HAS_GPU = any(d.platform == "gpu" for d in jax.devices())
EPSILON = np.finfo(np.float32).eps
SHAPES = shapes("test")
FAST = [
    (name, implementation)
    for name in dispatch.KERNELS
    for implementation in dispatch.implementations(name)
    if implementation != "reference"
]
INTERPRETED = {  # kernels for devices that are not here, run by Pallas's interpreter
    ("sample_divergence", "pallas (GPU)"): sample_divergence_gpu.sample_divergence,
    ("sample_divergence", "pallas (TPU)"): sample_divergence_tpu.sample_divergence,
    ("sample_statistics", "pallas (GPU)"): sample_statistics_gpu.sample_statistics,
    ("sample_statistics", "pallas (TPU)"): sample_statistics_tpu.sample_statistics,
    ("measure", "pallas (GPU)"): given_tokens_gpu.measure,
    ("measure", "pallas (TPU)"): given_tokens_tpu.measure,
}
FAST += list(INTERPRETED)
BRANCHES = {
    "white": ts.Branches(ts.White()),
    "equicorrelated": ts.equicorrelated(0.2, 0.3, 0.1),
    "AR(1)": ts.Branches(ts.Exponential(9.0)),
    "Matern 3/2": ts.Branches(ts.Matern(1.5, 6.0)),
    "Matern 5/2": ts.Branches(ts.Matern(2.5, 6.0), 0.4 * ts.Matern(2.5, 6.0)),
    "blocks": ts.Branches(ts.Block(7)),
}
LAWS = {
    "gaussian": ts.Gaussian(),
    "student": ts.StudentT(5.0, "token"),
    "unit": ts.UnitNorm(),
    "laplace": ts.Laplace(),
}


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "gpu" and not HAS_GPU:
        pytest.skip("no GPU here")
    with jax.default_device(jax.devices(request.param)[0]):
        yield request.param


def grid_of(shape):
    return ts.log_grid(shape.tokens, shape.points)


def features(shape):
    return ts.PowerLawSpectrum(shape.dim, 1.0)


def kernel_of(name, implementation):
    if call := INTERPRETED.get((name, implementation)):
        return dispatch.Kernel("pallas", partial(call, interpret=True))
    kernel = dispatch.kernel(name, implementation)
    assert kernel.implementation == implementation
    return kernel


def arguments(name, shape, branches, law="gaussian", token_block=None):
    """What a kernel is called with for a model of that shape."""
    grid = grid_of(shape)
    keys = kernels.replicate_keys(11, 3, shape.replicates)
    model = ts.TokenModel(branches, features(shape), LAWS[law])
    eigenvalues = model.features.eigenvalues
    if name == "collapsed_divergence":
        groups, counts = np.unique(np.append(eigenvalues, eigenvalues[:1]), return_counts=True)
        covariance = divergence_covariance(model, grid)
        factors = np.sqrt(groups)[:, None, None] * np.linalg.cholesky(covariance)
        return keys, jnp.asarray(factors, jnp.float32), jnp.asarray(counts)
    if name == "partial_sum_divergence":
        factors = np.linalg.cholesky(divergence_covariance(model, grid))
        return (
            keys,
            jnp.asarray(factors, jnp.float32),
            jnp.asarray(np.sqrt(eigenvalues), "f4")[None],
        )
    if name == "sample_divergence":
        layout = lay_out(grid, token_block or 16)
        first = linear_blocks(branches.difference, layout, eigenvalues)
        second = linear_blocks(ts.Exponential(4.0), layout, eigenvalues[::-1])
        return keys, tuple(jax.tree.map(jnp.asarray, t) for t in (first, second)), layout.where
    if name == "sample_statistics":
        layout = lay_out(grid, 64)
        parts = (branches.total, branches.difference)
        blocks = [token_blocks(part, layout, token_block or 64) for part in parts]
        scale = np.sqrt(eigenvalues).astype(np.float32)
        device_law = jax.tree.map(jnp.float32, model.law)
        return keys, *blocks, scale, layout.ends, layout.where, device_law
    rng = np.random.default_rng(shape.tokens)
    a, b = rng.standard_normal((2, shape.replicates, shape.tokens, shape.dim), dtype=np.float32)
    return a + 0.3 * b, b, grid


def assert_close(got, want, scale):
    """Equal up to float32 rounding of sums over `scale` terms, relative to the largest value."""
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        x, y = np.asarray(x, float), np.asarray(y, float)
        assert x.shape == y.shape
        np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
        size = np.nanmax(np.abs(y), initial=1e-30)
        np.testing.assert_allclose(x, y, rtol=0, atol=4 * EPSILON * np.sqrt(scale + 64) * size)


def as_plans_run(kernel):
    """Traced once, or called on the host."""
    return kernel.call if kernel.on_host else jax.jit(kernel.call)


def slow_if(repeats, *values):
    """Kernels take long to compile for the interpreter: what repeats a program is a slow test."""
    return pytest.param(*values, marks=pytest.mark.slow if repeats else ())


@pytest.mark.parametrize(
    ("name", "implementation", "shape"),
    [
        slow_if(
            k in INTERPRETED and k[0] == "sample_statistics" and shape in SHAPES[1:3], *k, shape
        )
        for k in FAST
        for shape in SHAPES
    ],
    ids=str,
)
def test_against_reference(device, name, implementation, shape):
    kernel = kernel_of(name, implementation)
    args = arguments(name, shape, BRANCHES["equicorrelated"], token_block=kernel.token_block)
    call = kernel.call if name == "measure" else as_plans_run(kernel)
    want = getattr(reference, name)(*args)
    assert_close(call(*args), want, shape.tokens * shape.dim)


SAMPLING = [k for k in FAST if k[0].startswith("sample_")]


@pytest.mark.parametrize(
    ("name", "implementation", "branches"),
    [
        slow_if(k in INTERPRETED and b != "Matern 5/2", *k, b)  # that has the largest states
        for k in SAMPLING
        for b in BRANCHES
        if b != "equicorrelated"  # drawn above
    ],
)
def test_every_fused_covariance(device, name, implementation, branches):
    shape = SHAPES[4]
    kernel = kernel_of(name, implementation)
    args = arguments(name, shape, BRANCHES[branches], token_block=kernel.token_block)
    got = as_plans_run(kernel)(*args)
    assert_close(got, getattr(reference, name)(*args), shape.tokens * shape.dim)


# Plain JAX as a GPU runs it, in shorter steps than there: a CPU compiles long ones for long.
UNROLLED = {
    "sample_divergence": (sample_divergence_unrolled.sample_divergence, 4),
    "sample_statistics": (partial(sample_statistics_unrolled.sample_statistics, pairs=2), 2),
}


@pytest.mark.parametrize(
    ("shape", "branches", "law"),
    [
        (SHAPES[4], "Matern 5/2", "gaussian"),
        pytest.param(SHAPES[0], "white", "gaussian", marks=pytest.mark.slow),
        pytest.param(SHAPES[5], "equicorrelated", "unit", marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", UNROLLED)
def test_plain_jax_as_on_a_gpu(device, name, shape, branches, law):
    call, token_block = UNROLLED[name]
    args = arguments(name, shape, BRANCHES[branches], law, token_block)
    got = jax.jit(call)(*args)
    assert_close(got, getattr(reference, name)(*args), shape.tokens * shape.dim)


OF_LAWS = [
    (implementation, law)
    for name, implementation in SAMPLING
    for law in LAWS
    if name == "sample_statistics"
    if (name, implementation) not in INTERPRETED or law == "unit"  # Gaussian ones are drawn above
]


@pytest.mark.parametrize(("implementation", "law"), OF_LAWS)
def test_every_token_law(device, implementation, law):
    shape = SHAPES[4]
    kernel = kernel_of("sample_statistics", implementation)
    branches = BRANCHES["equicorrelated"]
    args = arguments("sample_statistics", shape, branches, law, kernel.token_block)
    got = as_plans_run(kernel)(*args)
    assert_close(got, reference.sample_statistics(*args), shape.tokens * shape.dim)


@pytest.mark.parametrize("name", ["sample_divergence", "sample_statistics"])
def test_numba_takes_features_in_several_pieces(name):
    numba = pytest.importorskip("tokenspace_kernels.sample_divergence_cpu")
    shape = Shape(70, 2 * numba.PIECE + 3, 2, 5, ())
    args = arguments(name, shape, BRANCHES["Matern 5/2"])
    got = dispatch.kernel(name, "numba").call(*args)
    assert_close(got, getattr(reference, name)(*args), shape.tokens * shape.dim)


@pytest.mark.parametrize("size", [2, 8, 16])
@pytest.mark.parametrize("branches", BRANCHES)
def test_blocks_of_tokens_of_any_length_are_the_same_tokens(branches, size):
    """The factor of a block is a part of one Cholesky factor, however long the block."""
    pytest.importorskip("numba")
    long, short = (
        arguments("sample_statistics", SHAPES[4], BRANCHES[branches], "student", s)
        for s in (64, size)
    )
    numba = dispatch.kernel("sample_statistics", "numba").call
    assert_close(numba(*short), numba(*long), SHAPES[4].tokens * SHAPES[4].dim)


@pytest.mark.parametrize("windows", [(1,), (4, 32), given_tokens.ACCELERATOR_WINDOWS])
def test_given_tokens_do_not_depend_on_the_windows(monkeypatch, windows):
    """An accelerator reads longer windows than a CPU; its path is held to the same reference."""
    monkeypatch.setattr(given_tokens, "WINDOWS", {})
    monkeypatch.setattr(given_tokens, "ACCELERATOR_WINDOWS", windows)
    shape = SHAPES[5]
    args = arguments("measure", shape, BRANCHES["white"])
    assert_close(given_tokens.measure(*args), reference.measure(*args), shape.tokens * shape.dim)


MEASURES = [implementation for name, implementation in FAST if name == "measure"]


@pytest.mark.parametrize("implementation", MEASURES)
def test_difference_alone_is_the_same_divergence(implementation):
    args = arguments("measure", SHAPES[5], BRANCHES["white"])
    measure = kernel_of("measure", implementation).call
    alone, nothing = measure(*args, psi=False)
    assert nothing == {}
    assert_close(alone, measure(*args)[0], SHAPES[5].tokens)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("implementation", MEASURES)
def test_tokens_of_16_bits(implementation, dtype):
    """The reference reads the same rounded tokens in float64; subnormal numbers are among them."""
    a, b, grid = arguments("measure", SHAPES[5], BRANCHES["white"])
    scale = np.geomspace(1e-7, 100, a.shape[1])[:, None]
    a, b = ((h * scale).astype(dtype) for h in (a, b))
    measure = kernel_of("measure", implementation).call
    if (implementation, dtype) == ("pallas (TPU)", "float16"):
        with pytest.raises(ValueError, match="measure: 'pallas' reads no float16"):
            measure(a, b, grid)
        return
    assert_close(measure(a, b, grid), reference.measure(a, b, grid), a[0].size)


@pytest.mark.parametrize(
    ("platform", "work", "why"),
    [
        ("gpu", limits.Work(8193), "reads no more than 8192 features"),
        ("tpu", limits.Work(16_385), "reads no more than 16384 features"),
        ("tpu", limits.Work(4, formats=frozenset({"float32", "float16"})), "reads no float16"),
        (
            "gpu",
            limits.Work(4096, tokens=1 << 19),
            "reads sequences of fewer than 2147483648 numbers",
        ),
        ("gpu", limits.Work(8192, tokens=1000, formats=frozenset({"float16"})), None),
        ("tpu", limits.Work(16_384, tokens=1 << 19, formats=frozenset({"bfloat16"})), None),
    ],
)
def test_given_tokens_name_what_read_them(monkeypatch, platform, work, why):
    """Pallas is not chosen for what it does not read; a warning says so to who named it."""
    calls = {"xla": given_tokens.measure, "pallas": given_tokens_gpu.measure}
    monkeypatch.setattr(dispatch, "implementations", lambda name: calls)
    monkeypatch.setattr(dispatch, "default", lambda name: "pallas")
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    want = "xla" if why else "pallas"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # who named none is told by the result alone
        assert dispatch.kernel("measure", work=work).implementation == want
    monkeypatch.setenv(dispatch.VARIABLE, "pallas")
    with pytest.warns(UserWarning, match=f"'pallas' {why}") if why else nullcontext():
        assert dispatch.kernel("measure", work=work).implementation == want


@pytest.mark.parametrize("implementation", ["pallas (GPU)", "pallas (TPU)"])
def test_a_result_names_what_read_its_tokens(monkeypatch, implementation):
    call = kernel_of("measure", implementation).call
    monkeypatch.setattr(dispatch, "_of_pallas", lambda name: call)
    monkeypatch.setattr(dispatch, "default", lambda name: "pallas")
    monkeypatch.setitem(limits.GIVEN_DIM, "cpu", 16)
    a, b = np.random.default_rng(1).standard_normal((2, 3, 40, 17), dtype=np.float32)
    for dim, want in ((16, "pallas"), (17, "xla")):
        result = ts.measure(a[..., :dim], b[..., :dim])
        assert result.kernels == want
        d, _ = reference.measure(a[..., :dim], b[..., :dim], result.n)
        np.testing.assert_allclose(result.mean, d.mean(axis=0), rtol=1e-5)


def test_a_gpu_takes_more_pairs_than_a_launch_can(monkeypatch):
    """Places in an array are numbers of 32 bits there."""
    args = arguments("measure", SHAPES[4], BRANCHES["white"])
    monkeypatch.setattr(limits, "LARGEST_GIVEN", 2 * args[0][0].size + 1)
    measure = kernel_of("measure", "pallas (GPU)").call
    assert_close(measure(*args), reference.measure(*args), SHAPES[4].tokens * SHAPES[4].dim)


@pytest.mark.parametrize("way", ["float16_by_integers", "float16"])
def test_every_float16_is_converted_exactly(way):
    loops = pytest.importorskip("tokenspace_kernels.given_tokens_loops")
    numba = pytest.importorskip("numba")
    if way == "float16" and not loops.HAS_INSTRUCTION:
        pytest.skip("this processor lacks the instruction")
    convert = numba.njit(getattr(loops, way))
    bits = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    got = np.array([convert(b) for b in bits], np.float32)
    np.testing.assert_array_equal(got, bits.view(np.float16).astype(np.float32))


@pytest.mark.parametrize("implementation", MEASURES)
def test_arrays_that_are_not_contiguous_and_of_any_rank(implementation):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 2, 3, 40, 12), dtype=np.float32)[..., ::-2, ::3]
    grid = np.array([1, 3, 17])
    got = kernel_of("measure", implementation).call(a, b, grid)
    assert got[0].shape == (2, 3, 3)
    assert_close(got, reference.measure(a, b, grid), 20 * 4)


@pytest.mark.parametrize("implementation", MEASURES)
def test_tokens_after_the_last_n_are_not_read(implementation):
    a, b, _ = arguments("measure", SHAPES[5], BRANCHES["white"])
    grid = np.array([1, 30, 200])
    measure = kernel_of("measure", implementation).call
    clean = measure(a, b, grid)
    a[:, 200:], b[:, 200:] = np.nan, np.inf
    for x, y in zip(jax.tree.leaves(measure(a, b, grid)), jax.tree.leaves(clean), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(("sequences", "tokens"), [(1, 3000), (3, 1500), (40, 70)])
def test_given_tokens_do_not_depend_on_the_number_of_threads(
    monkeypatch, with_threads, sequences, tokens
):
    numba = pytest.importorskip("tokenspace_kernels.given_tokens_cpu")
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, sequences, tokens, 48), dtype=np.float32)
    grid = ts.log_grid(tokens, 9)
    monkeypatch.setattr(numba, "BUFFER_BYTES", 5000)  # several turns, even at this size
    out = []
    for threads, share in ((1, 1 << 30), (2, 1), (5, 1)):
        with_threads(threads)
        monkeypatch.setattr(numba, "SHARE", share)
        out.append(jax.tree.leaves(numba.measure(a, b, grid)))
    for other in out[1:]:
        for x, y in zip(out[0], other, strict=True):
            np.testing.assert_array_equal(x, y)
    want = reference.measure(a, b, grid)
    assert_close(numba.measure(a, b, grid), want, tokens * 48)


@pytest.mark.parametrize("name", ["collapsed_divergence", "partial_sum_divergence"])
def test_sums_do_not_depend_on_threads_nor_on_who_else_is_drawn(with_threads, name):
    pytest.importorskip("numba")
    shape = Shape(600, 520, 300, 13, ())  # several batches of replicates, and pieces of features
    keys, *rest = arguments(name, shape, BRANCHES["AR(1)"])
    if name == "collapsed_divergence":
        rest = [rest[0][:7], rest[1][:7]]
    call = dispatch.kernel(name, "numba").call
    out = []
    for threads in (1, 2, 5):
        with_threads(threads)
        out.append(call(keys, *rest))
        np.testing.assert_array_equal(out[0], out[-1])
        np.testing.assert_array_equal(out[0][-9:], call(keys[-9:], *rest))
    few = [0, 150, 299]
    want = getattr(reference, name)(np.asarray(keys)[few], *rest)
    assert_close(out[0][few], want, shape.tokens * shape.dim)


def test_reference_runs_a_whole_experiment(monkeypatch):
    model = ts.TokenModel(BRANCHES["AR(1)"], ts.Isotropic(8))
    for sampler, statistics, kernel in (
        ("collapsed", ["divergence"], "collapsed_divergence"),
        ("partial_sums", ["divergence"], "partial_sum_divergence"),
        ("tokens", ["divergence"], "sample_divergence"),
        ("tokens", ["correlations"], "sample_statistics"),
    ):
        # Whatever is asked for, whole blocks are drawn: of a few replicates, in so little memory.
        request = (model, 80, 3, 1, sampler, statistics)
        monkeypatch.delenv(dispatch.VARIABLE, raising=False)
        fast = ts.simulate(*request, max_memory=80_000)
        monkeypatch.setenv(dispatch.VARIABLE, "reference")
        slow = ts.simulate(*request, max_memory=80_000)
        default = next(iter(dispatch.implementations(kernel)))
        assert (fast.kernels, slow.kernels) == (default, "reference")
        np.testing.assert_allclose(fast.mean, slow.mean, rtol=1e-5)


def test_missing_implementation_falls_back_with_a_message(monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, "pallas")
    default = next(iter(dispatch.implementations("sample_divergence")))
    with pytest.warns(UserWarning, match=f"'pallas'.*'{default}' runs instead"):
        assert dispatch.kernel("sample_divergence").implementation == default


@pytest.fixture
def fresh_dispatch():
    dispatch._of_numba.cache_clear()
    yield
    dispatch._of_numba.cache_clear()


def test_without_numba_the_default_runs(monkeypatch, fresh_dispatch):
    monkeypatch.setattr(dispatch, "find_spec", lambda name: None)
    assert dispatch.kernel("measure").implementation == "xla"


def test_numba_that_does_not_know_this_numpy(monkeypatch, fresh_dispatch):
    pytest.importorskip("numba")
    for name in ("given_tokens_cpu", "given_tokens_loops", "machine_code"):
        monkeypatch.delitem(sys.modules, f"tokenspace_kernels.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)  # importing it raises ImportError
    monkeypatch.setattr(dispatch, "find_spec", lambda name: True)
    with pytest.warns(UserWarning, match="Numba cannot be used"):
        assert dispatch.kernel("measure").implementation == "xla"


@pytest.mark.parametrize("module", [sample_divergence_gpu, sample_divergence_tpu])
def test_pallas_takes_features_in_slices_and_tokens_in_chunks(monkeypatch, module):
    monkeypatch.setattr(module, "LARGEST_SLICE", 128)
    monkeypatch.setattr(sample_divergence_tpu, "CHUNK", 128)
    shape = Shape(600, 300, 9, 21, ())
    args = arguments("sample_divergence", shape, BRANCHES["AR(1)"], token_block=2)
    got = jax.jit(partial(module.sample_divergence, interpret=True))(*args)
    assert_close(got, reference.sample_divergence(*args), shape.tokens * shape.dim)


@pytest.mark.parametrize("module", [sample_statistics_gpu, sample_statistics_tpu])
def test_pallas_forms_tokens_of_two_chunks_with_features_that_fill_no_vector(monkeypatch, module):
    monkeypatch.setattr(sample_statistics_tpu, "CHUNK", 128)
    monkeypatch.setattr(pair_strips, "LARGEST_STRIP", 1)
    shape = Shape(300, 150, 9, 21, ())
    args = arguments("sample_statistics", shape, BRANCHES["AR(1)"], "unit", 2)
    got = jax.jit(partial(module.sample_statistics, interpret=True))(*args)
    assert_close(got, reference.sample_statistics(*args), shape.tokens * shape.dim)


def test_sums_of_long_sequences_lose_nothing():
    """A million times a number whose float32 sum without remainders is off by 1 %."""
    step = pair_tokens.Tokens(*[None] * 4, PLAIN, jnp.sum)
    x, count = jnp.float32(0.1), 1_000_000
    begin = pair_tokens.Sum(jnp.float32(0), jnp.float32(0))
    total = jax.lax.fori_loop(0, count, lambda _, s: step._add(s, x, jnp.float32(1)), begin)
    want = count * float(x)
    assert abs(float(total.value) - want) <= EPSILON * want
