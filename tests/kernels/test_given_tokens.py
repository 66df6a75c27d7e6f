"""Kernels of given tokens: any layout in memory, 16 bits, any number of threads, what they refuse."""

import warnings
from contextlib import nullcontext

import jax
import numpy as np
import pytest
from kernel_cases import BRANCHES, FAST, SHAPES, arguments, assert_close, kernel_of

import tokenspace as ts
from tokenspace_kernels import (
    dispatch,
    given_tokens,
    given_tokens_gpu,
    limits,
    reference,
)


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


@pytest.mark.once
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


@pytest.mark.once
def test_a_gpu_takes_more_pairs_than_a_launch_can(monkeypatch):
    """Places in an array are numbers of 32 bits there."""
    args = arguments("measure", SHAPES[4], BRANCHES["white"])
    monkeypatch.setattr(limits, "LARGEST_GIVEN", 2 * args[0][0].size + 1)
    measure = kernel_of("measure", "pallas (GPU)").call
    assert_close(measure(*args), reference.measure(*args), SHAPES[4].tokens * SHAPES[4].dim)


@pytest.mark.parametrize("instruction", [True, False])
def test_every_float16_is_converted_exactly(monkeypatch, instruction):
    vectors = pytest.importorskip("tokenspace_kernels.vectors")
    numba = pytest.importorskip("numba")
    if instruction and not vectors.HAS_FLOAT16:
        pytest.skip("this processor lacks the instruction")
    monkeypatch.setattr(vectors, "HAS_FLOAT16", instruction)
    load, store, as_float32 = vectors.loader(8), vectors.store, vectors.as_float32

    @numba.njit
    def convert(h, got):
        for k in range(h.shape[1]):
            got[0, k] = as_float32(h[0, k])
        for k in range(np.uintp(0), np.uintp(h.shape[1]), np.uintp(8)):
            store(got, np.uintp(1), k, load(h, np.uintp(0), k))

    bits = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    got = np.zeros((2, bits.size), np.float32)
    convert(bits[None], got)
    np.testing.assert_array_equal(got, 2 * [bits.view(np.float16).astype(np.float32)])


@pytest.mark.parametrize(("dtype", "lines"), [(np.float32, 4), (np.uint16, 2)])
def test_every_line_of_a_vector_is_asked_for_ahead(dtype, lines):
    """Only the time says otherwise that nothing is: results do not."""
    vectors = pytest.importorskip("tokenspace_kernels.vectors")
    numba = pytest.importorskip("numba")
    fetch = vectors.fetcher(64)
    ask = numba.njit(lambda h, row, column: fetch(h, row, column))
    ask(np.zeros((2, 64), dtype), np.uintp(1), np.uintp(0))
    (code,) = ask.inspect_llvm().values()
    assert code.count("call void @llvm.prefetch") == lines


@pytest.mark.once
def test_both_loops_over_tokens_ask_for_those_to_come():
    """In the machine's code, whatever was unrolled: a line at least of each token to come."""
    units = pytest.importorskip("tokenspace_kernels.given_tokens_units")
    numba = pytest.importorskip("numba")
    shape = units.SHAPES[numba.int16]
    products, (_, add_two) = numba.njit(units.products_of(shape)), units.adders_of(shape)
    tokens, sums, row = np.zeros((2, 128), np.int16), np.zeros((3, 128), np.float32), np.uintp(1)
    norms = np.float32(1), np.float32(1)

    @numba.njit
    def two(a, t, norms, sums):
        add_two(a, a, t, norms, t, norms, t, t, sums)

    products(tokens, tokens, row, row)
    two(tokens, row, norms, sums)
    codes = [next(iter(f.inspect_llvm().values())) for f in (products, two)]
    norms_ask, adders_ask = (code.count("call void @llvm.prefetch") for code in codes)
    assert norms_ask >= 1
    assert adders_ask >= 2 and adders_ask % 2 == 0


@pytest.mark.parametrize("dim", [1, 63, 200])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_where_tokens_begin_in_memory_changes_nothing(dtype, dim):
    """Not one bit, though vectors then lie across other lines of the cache."""
    measure = pytest.importorskip("tokenspace_kernels.given_tokens_cpu").measure
    tokens = np.random.default_rng(2).standard_normal((2, 40, dim)).astype(dtype)
    grid = np.array([1, 7, 40])
    memory = np.empty(tokens.nbytes + 128, np.uint8)
    out = []
    for begin in (0, 4, 16, 52):
        first = -memory.ctypes.data % 64 + begin
        h = memory[first : first + tokens.nbytes].view(dtype).reshape(tokens.shape)
        h[:] = tokens
        out.append(measure(*h, grid))
    assert_close(out[0], reference.measure(*tokens, grid), tokens[0].size)
    for other in out[1:]:
        for x, y in zip(jax.tree.leaves(out[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(x, y)


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


@pytest.mark.once
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
