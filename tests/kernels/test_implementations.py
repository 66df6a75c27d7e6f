"""One suite for every implementation of every kernel: each is held to the reference."""

import sys
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernel_cases import (
    BRANCHES,
    EPSILON,
    FAST,
    INTERPRETED,
    LAWS,
    SHAPES,
    arguments,
    as_plans_run,
    assert_close,
    interpreted,
    kernel_of,
)

import tokenspace as ts
from tokenspace_benchmarks.shapes import Shape
from tokenspace_kernels import (
    dispatch,
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
from tokenspace_kernels.random_bits import PLAIN


def case(repeats, *values):
    """Kernels take long to compile for the interpreter: what repeats a program is a slow test.

    Every kernel is run on the oldest versions too, in one shape.
    """
    slow = repeats and values[:2] in INTERPRETED
    once = values[2] in SHAPES and values[2] != SHAPES[4]
    return pytest.param(*values, marks=[pytest.mark.slow] * slow + [pytest.mark.once] * once)


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("name", "implementation", "shape"),
    [
        case(k[0] == "sample_statistics" and shape == SHAPES[0], *k, shape)
        for k in FAST
        for shape in SHAPES
        # a part of a block, as the first and the fifth, and whole blocks, as the last
        if k not in INTERPRETED or shape not in SHAPES[1:3]
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
        case(b != "Matern 5/2", *k, b)  # that has the largest states
        for k in SAMPLING
        for b in BRANCHES
        if b != "equicorrelated"  # drawn above
        if k not in INTERPRETED or b not in ("AR(1)", "Matern 3/2")  # drawn below; between others
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


IN_PAIRS = {
    "plain JAX": sample_statistics_unrolled,
    "GPU": sample_statistics_gpu,
    "TPU": sample_statistics_tpu,
}


@pytest.mark.parametrize("module", IN_PAIRS.values(), ids=IN_PAIRS)
@pytest.mark.parametrize(
    ("law", "token_block", "said"),
    [
        ("student", 2, "draws Gaussian tokens alone, as they are or .*, not StudentT; .* every"),
        ("gaussian", 4, "takes blocks of 2, not of 4"),
    ],
)
def test_kernels_of_pairs_refuse_what_they_would_draw_otherwise(module, law, token_block, said):
    branches = BRANCHES["equicorrelated"]
    args = arguments("sample_statistics", SHAPES[4], branches, law, token_block)
    with pytest.raises(ValueError, match=said):
        module.sample_statistics(*args)


def test_kernels_of_pairs_leave_no_tokens_out():
    branches = BRANCHES["equicorrelated"]
    args = arguments("sample_statistics", SHAPES[4], branches, "gaussian", 2)
    pairs = len(args[1].factor)
    with pytest.raises(ValueError, match=f"of {pairs} pairs 1 would be left: `pairs` must"):
        sample_statistics_unrolled.sample_statistics(*args, pairs=pairs - 1)
    keys, terms, where = arguments("sample_divergence", SHAPES[4], branches, "gaussian", 2)
    odd = tuple(term._replace(noise=term.noise[..., :1]) for term in terms)
    for module, size in (
        (sample_divergence_unrolled, "an even number"),
        (sample_divergence_gpu, 2),
        (sample_divergence_tpu, 2),
    ):
        with pytest.raises(ValueError, match=f"takes blocks of {size}, not of 1"):
            module.sample_divergence(keys, odd, where)


@pytest.mark.parametrize("module", [sample_statistics_gpu, sample_statistics_tpu])
def test_kernels_of_pairs_refuse_more_features_than_they_hold(module):
    wide = Shape(4, limits.PALLAS_DIM + 1, 1, 2, ())
    args = arguments("sample_statistics", wide, BRANCHES["white"], "gaussian", 2)
    with pytest.raises(ValueError, match="draws no more than 2048 features"):
        module.sample_statistics(*args)


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


@pytest.mark.once
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


@pytest.mark.slow
def test_a_tpu_reports_more_replicates_than_it_has_lanes():
    """128 share an array of reports; the second one has eleven, and no program more."""
    shape = Shape(3, 2, 139, 2, ())
    args = arguments("sample_statistics", shape, BRANCHES["white"], token_block=2)
    call = interpreted(sample_statistics_tpu.sample_statistics)
    assert_close(call(*args), reference.sample_statistics(*args), shape.tokens * shape.dim)


@pytest.mark.once
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
    default = next(iter(dispatch.implementations("sample_divergence")))
    for asked in ("pallas", "nonsense", " Numba"):
        monkeypatch.setenv(dispatch.VARIABLE, asked)
        said = (
            f"'{asked.strip()}' here, which {dispatch.VARIABLE} asks for .*'{default}' runs instead"
        )
        with pytest.warns(UserWarning, match=said):
            assert dispatch.kernel("sample_divergence").implementation == default
    monkeypatch.setenv(dispatch.VARIABLE, " xla ")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dispatch.kernel("sample_divergence").implementation == "xla"


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


@pytest.mark.once
@pytest.mark.parametrize("module", [sample_divergence_gpu, sample_divergence_tpu])
def test_pallas_takes_features_in_slices_and_tokens_in_chunks(monkeypatch, module):
    monkeypatch.setattr(module, "LARGEST_SLICE", 128)
    monkeypatch.setattr(sample_divergence_tpu, "CHUNK", 128)
    shape = Shape(600, 300, 9, 21, ())
    args = arguments("sample_divergence", shape, BRANCHES["AR(1)"], token_block=2)
    got = interpreted(module.sample_divergence)(*args)
    assert_close(got, reference.sample_divergence(*args), shape.tokens * shape.dim)


@pytest.mark.once
@pytest.mark.parametrize("module", [sample_statistics_gpu, sample_statistics_tpu])
def test_pallas_forms_tokens_of_two_chunks_with_features_that_fill_no_vector(monkeypatch, module):
    monkeypatch.setattr(sample_statistics_tpu, "CHUNK", 128)
    monkeypatch.setattr(pair_strips, "LARGEST_STRIP", 1)
    shape = Shape(300, 150, 9, 21, ())
    args = arguments("sample_statistics", shape, BRANCHES["AR(1)"], "unit", 2)
    got = interpreted(module.sample_statistics)(*args)
    assert_close(got, reference.sample_statistics(*args), shape.tokens * shape.dim)


def test_sums_of_long_sequences_lose_nothing():
    """A million times a number whose float32 sum without remainders is off by 1 %."""
    step = pair_tokens.Tokens(*[None] * 4, PLAIN, jnp.sum)
    x, count = jnp.float32(0.1), 1_000_000
    begin = pair_tokens.Sum(jnp.float32(0), jnp.float32(0))
    total = jax.lax.fori_loop(0, count, lambda _, s: step._add(s, x, jnp.float32(1)), begin)
    want = count * float(x)
    assert abs(float(total.value) - want) <= EPSILON * want
