"""Given tokens in whatever array they come: where they are read, and what is refused."""

import tracemalloc
from contextlib import nullcontext
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.precision import float64
from tokenspace.tokens import given, pairs
from tokenspace.tokens import measure as module
from tokenspace_kernels import dispatch

A, B = np.random.default_rng(0).standard_normal((2, 3, 20, 6)).astype(np.float32)


@pytest.fixture
def seen(monkeypatch):
    """The arrays that reach the kernel of an implementation."""
    arrays = []

    def spy(implementation):
        chosen = dispatch.kernel("measure", implementation)

        def call(a, b, *rest, **named):
            arrays[:] = [a, b]
            return chosen.call(a, b, *rest, **named)

        monkeypatch.setattr(module, "kernel", lambda name, work: chosen._replace(call=call))
        return arrays

    return spy


@pytest.mark.parametrize("call", [ts.divergence, ts.correlations, ts.measure])
def test_arrays_of_jax_reach_the_kernel_as_they_are(seen, call):
    arrays = seen("xla")
    on_device = (
        [jax.device_put(h)[None] for h in (A, B)]
        if call is not ts.measure
        else [jax.device_put(h) for h in (A, B)]
    )
    call(*on_device, 20)
    assert [x is y for x, y in zip(arrays, on_device, strict=True)] == [True, True]


@pytest.mark.parametrize("order", ["random", np.arange(20)[::-1]])
def test_they_are_put_in_order_on_the_device(seen, order):
    arrays = seen("xla")
    result = ts.measure(jnp.asarray(A), jnp.asarray(B), order=order)
    assert all(isinstance(h, jax.Array) for h in arrays)
    np.testing.assert_array_equal(result.mean, ts.measure(A, B, order=order).mean)


def test_numba_reads_the_memory_of_jax(monkeypatch):
    """No copy on the way to the loops, for each format."""
    cpu = pytest.importorskip("tokenspace_kernels.given_tokens_cpu")
    places = []
    short = cpu.measure_short

    def spy(a, b, *rest):
        places.extend(h.__array_interface__["data"][0] for h in (a, b))
        return short(a, b, *rest)

    monkeypatch.setattr(cpu, "measure_short", spy)
    for dtype in given.FORMATS:
        tokens = [jnp.asarray(h, dtype) for h in (A, B)]
        places.clear()
        monkeypatch.setattr(
            module, "kernel", lambda name, work: dispatch.Kernel("numba", cpu.measure)
        )
        ts.divergence(*tokens, 20)
        assert places == [h.unsafe_buffer_pointer() for h in tokens]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64", "int32"])
@pytest.mark.parametrize("implementation", ["xla", "reference", None])
def test_a_library_of_arrays_changes_no_number(seen, dtype, implementation):
    seen(implementation)
    with float64() if dtype == "float64" else nullcontext():  # a user's JAX that has the dtype
        ours, jaxs = (
            [np.asarray(jnp.asarray(9 * h, dtype)) for h in (A, B)],
            [jnp.asarray(9 * h, dtype) for h in (A, B)],
        )
        assert ours[0].dtype == jaxs[0].dtype == dtype
        want = ts.measure(*ours)
        for a, b in (jaxs, (ours[0], jaxs[1]), [h.tolist() for h in ours]):
            if isinstance(a, list) and dtype not in ("float64", "int32"):
                continue  # lists hold numbers of 64 bits
            got = ts.measure(a, b)
            np.testing.assert_array_equal(got.mean, want.mean)
            for name, psi in want.correlations.items():
                np.testing.assert_array_equal(got.correlations[name].mean, psi.mean)


@pytest.mark.parametrize("as_array", [np.asarray, jnp.asarray])
def test_places_are_named_in_every_library(as_array):
    bad = A.copy()
    bad[1, 4, 2] = np.nan
    with pytest.raises(InputError, match=r"tokens a\[1, 4, 2\] = nan is not finite \(1 such"):
        ts.measure(as_array(bad), as_array(B))
    bad[1, 4] = 0
    for order in ("raster", "random"):
        with pytest.raises(InputError, match=r"tokens b\[1, 4\] is all zero \(1 such token\)"):
            ts.measure(as_array(A), as_array(bad), order=order)


def test_numbers_beyond_float32_are_not_called_infinite(tmp_path):
    bad = A.astype(float)
    bad[1, 4, 2] = -1e300
    np.save(tmp_path / "bad.npy", bad)
    words = r"tokens b\[1, 4, 2\] = -1e\+300 is beyond the range of float32 \(3.4e38\) \(1 such"
    with pytest.raises(InputError, match=words):
        ts.measure(A, np.load(tmp_path / "bad.npy", "r"))


@pytest.mark.parametrize(
    "bad", [[[1, 2], [3]], [None], "text", object(), {"a": 1}, np.ones((2, 3), bool)]
)
def test_what_is_no_array_of_numbers_is_refused(bad):
    with pytest.raises(InputError, match=r"tokens a (cannot be read as an array|have dtype)"):
        ts.measure(bad, bad)


def test_masks_are_not_passed_over():
    masked = np.ma.masked_array(A, A > 2)
    with pytest.raises(InputError, match="tokens a have masked values, which are no tokens"):
        ts.measure(masked, A)
    whole = ts.measure(np.ma.masked_array(A), 2 * A).mean
    np.testing.assert_array_equal(whole, ts.measure(A, 2 * A).mean)


def test_inside_jit_is_refused():
    with pytest.raises(InputError, match="tokens a cannot be read as an array"):
        jax.jit(lambda x: ts.divergence(x, x, 20))(A)


@pytest.mark.parametrize("dtype", ["f4", "f2"])
def test_the_order_of_bytes_changes_nothing(dtype):
    a, b = np.random.default_rng(5).standard_normal((2, 3, 8, 16)).astype(dtype)
    swapped = (h.astype(h.dtype.newbyteorder()) for h in (a, b))
    np.testing.assert_array_equal(ts.divergence(*swapped, [1, 8]), ts.divergence(a, b, [1, 8]))


@pytest.mark.parametrize("order", ["raster", "random"])
@pytest.mark.parametrize("scale", [1e-17, 1e19])
def test_norms_whose_squares_leave_float32_are_refused(order, scale):
    """Never wrong in silence."""
    words = r"must lie between 1e-30 and 3e38, or float32 loses digits: multiply the tokens by a"
    with pytest.raises(InputError, match=words):
        ts.measure(np.float32(scale) * A, B, order=order)
    small = ts.measure(np.float32(2.0**-40) * A, np.float32(2.0**-40) * B, order=order)
    want = ts.measure(A, B, order=order)
    np.testing.assert_array_equal(small.mean * 2.0**40, want.mean)
    np.testing.assert_array_equal(small.cosine_upsilon().mean, want.cosine_upsilon().mean)


def test_blocks_change_no_bit_of_unit_norm(monkeypatch):
    """Pairs come in blocks; what is known of them does not depend on these."""
    want = ts.measure(A, B)
    monkeypatch.setattr(pairs, "BLOCK_BYTES", A[0].nbytes)
    got = ts.measure(A, B)
    np.testing.assert_array_equal(got.unit_divergence.mean, want.unit_divergence.mean)
    np.testing.assert_array_equal(got.unit_divergence.covariance, want.unit_divergence.covariance)


def test_a_grid_whose_covariances_fill_the_memory_is_refused(monkeypatch):
    memory = SimpleNamespace(available=8 * module.SQUARES * 10**2)
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: memory)
    assert len(ts.measure(A, B, grid=np.arange(1, 11)).n) == 10
    with pytest.raises(
        InputError, match=r"11 token counts.*5\.6e-05 GB .* at most 10 token counts"
    ):
        ts.measure(A, B, grid=np.arange(1, 12))


@pytest.mark.parametrize(
    ("lengths", "squares"), [(3 * [300], module.SQUARES), ([300, 299, 300], module.UNEQUAL_SQUARES)]
)
def test_the_memory_of_a_grid_is_what_is_asked_for(lengths, squares):
    rng, grid = np.random.default_rng(0), np.arange(1, 301)
    a, b = ([rng.standard_normal((n, 2)).astype("f4") for n in lengths] for _ in "ab")
    ts.measure(a, b, grid=[1, 2])
    tracemalloc.start()
    ts.measure(a, b, grid=grid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 < peak / (8 * squares * 300**2) < 1
