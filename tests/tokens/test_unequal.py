"""Sequences that differ in length, and arrays on disk: the same numbers, in bounded memory."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.tokens import mapped, pairs, unequal
from tokenspace.tokens.arrays import load_array

RNG = np.random.default_rng(0)
LENGTHS = [30, 12, 30, 25, 8, 30]
A = [RNG.standard_normal((n, 5)).astype("f4") + 0.5 for n in LENGTHS]
B = [RNG.standard_normal((n, 5)).astype("f4") for n in (30, 30, 20, 25, 30, 28)]
PICTURES = np.stack([h for h in A if len(h) == 30])


def same(got, want, rtol=1e-9):
    assert got.replicates == want.replicates
    np.testing.assert_allclose(got.mean, want.mean, rtol=rtol)
    np.testing.assert_allclose(got.covariance, want.covariance, rtol=1e-8, atol=1e-14)
    np.testing.assert_array_equal(got.quantiles, want.quantiles)
    for name, psi in want.correlations.items():
        np.testing.assert_allclose(got.correlations[name].mean, psi.mean, rtol=rtol)
        errors = got.correlations[name].standard_error
        np.testing.assert_allclose(errors, psi.standard_error, rtol=1e-8, atol=1e-12)
    for of in (lambda r: r.unit_divergence.mean, lambda r: r.unit_divergence.standard_error):
        np.testing.assert_allclose(of(got), of(want), rtol=1e-8)


def test_each_n_has_the_pairs_that_reach_it():
    found = ts.measure(A, B)
    assert found.n[-1] == 30 and found.replicates == 6
    for k, n in enumerate(found.n):
        reach = [(a, b) for a, b in zip(A, B, strict=True) if min(len(a), len(b)) >= n]
        d = [ts.divergence(a[:n], b[:n], [int(n)])[0] for a, b in reach]
        assert found.counts[k] == len(reach)
        assert found.mean[k] == pytest.approx(np.mean(d), rel=1e-6)
        error = np.std(d, ddof=1) / np.sqrt(len(d)) if len(d) > 1 else np.nan
        assert found.standard_error[k] == pytest.approx(error, rel=1e-4, nan_ok=True)
        np.testing.assert_allclose(
            found.quantiles[:, k], np.quantile(d, found.quantile_levels), 1e-6
        )
    first = [ts.divergence(a[:1], b[:1], [1]) for a, b in zip(A, B, strict=True)]
    assert found.std[0] == pytest.approx(np.std(first, ddof=1))


def test_what_is_fitted_is_fitted_where_half_of_the_pairs_reach():
    found = ts.measure(A, B, grid=[1, 2, 5, 8, 12, 20, 25, 30])
    reached = found.reached()
    np.testing.assert_array_equal(found.counts, [6, 6, 6, 6, 5, 4, 3, 1])
    assert list(reached.n) == [1, 2, 5, 8, 12, 20, 25]
    assert found.n_balance() == reached.n_balance() and found.scale_fit() == reached.scale_fit()
    assert np.isnan(found.local_exponent().standard_error[-1])
    assert np.isfinite(found.local_exponent().standard_error[:-1]).all()
    np.testing.assert_array_equal(found.local_exponent().degrees_of_freedom, [5, 5, 5, 4, 3, 2, 1])
    assert ts.measure(A[0], B[0]).reached().n[-1] == 30  # of one length: every n


def test_lists_of_one_length_are_arrays():
    a, b = PICTURES[:2], PICTURES[1:]
    same(ts.measure(list(a), list(b)), ts.measure(a, b))
    same(ts.measure(list(PICTURES), pairs="all"), ts.measure(PICTURES, pairs="all"))
    groups = ["x", "x", "y"]
    found = ts.measure(A[:3], B[:3], groups=groups)
    assert "group" in found.reason and found.divergence.degrees_of_freedom[0] < 2


def test_all_pairs_of_pictures_of_different_length():
    found = ts.measure(A, pairs="all", grid=[1, 8, 12])
    i, j = np.triu_indices(6, 1)
    pairs_ = ts.measure(
        [A[k] for k in i], [A[k] for k in j], grid=[1, 8, 12], groups=np.stack([i, j], 1)
    )
    same(found, pairs_)
    np.testing.assert_array_equal(found.counts, [15, 15, 10])


@pytest.mark.parametrize("order", ["raster", "random"])
def test_sequences_of_several_formats_keep_their_values(order):
    """65504 is the largest number of float16."""
    mixed = [PICTURES[0].astype("f2"), 1e6 * PICTURES[1], PICTURES[2].astype("f8")]
    others = [h.copy() for h in PICTURES]
    alike = [h.astype("f4") for h in mixed]
    same(ts.measure(mixed, others, order=order), ts.measure(alike, others, order=order))
    same(ts.measure(mixed, pairs="all", order=order), ts.measure(alike, pairs="all", order=order))


@pytest.mark.parametrize("order", ["raster", "random", np.arange(30)[::-1]])
def test_lists_of_jax_arrays_have_the_numbers_of_numpys(order):
    on_device = [jnp.asarray(h) for h in PICTURES]
    want = ts.measure(list(PICTURES), pairs="all", order=order)
    same(ts.measure(on_device, pairs="all", order=order), want)


@pytest.mark.parametrize("groups", [["x"] * 6, ["x"] * 5 + ["y"]])
def test_a_group_in_every_pair_leaves_errors_unknown_and_says_so(groups):
    found = ts.measure(A, pairs="all", groups=groups)
    assert np.isnan(found.standard_error).all()
    assert found.reason.endswith("errors unknown: one group is in every pair")


@pytest.mark.parametrize("order", ["raster", "random", np.arange(30)[::-1]])
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f2", "f8", "i2"])
def test_mapped_arrays_have_the_numbers_of_arrays_in_memory(
    tmp_path, monkeypatch, order, every, dtype
):
    """Whatever the blocks."""
    a = np.round(20 * np.random.default_rng(1).standard_normal((7, 30, 5))).astype(dtype) + 3
    b = a[::-1] + np.arange(30)[:, None].astype(dtype)
    np.save(tmp_path / "a.npy", a)
    save_file({"b": np.ascontiguousarray(b), "other": a[0]}, tmp_path / "b.safetensors")
    on_disk = [load_array(tmp_path / "a.npy"), load_array(tmp_path / "b.safetensors", "b")]
    assert all(map(mapped.is_mapped, on_disk))
    arguments = {"pairs": "all"} if every else {}
    given = [(a,), on_disk[:1]] if every else [(a, b), on_disk]
    want = ts.measure(*given[0], order=order, **arguments)
    for size in (2 * a[0].nbytes, 1 << 20):
        for module, name in (
            (pairs, "BLOCK_BYTES"),
            (unequal, "TILE_BYTES"),
            (unequal, "GATHERED_BYTES"),
        ):
            monkeypatch.setattr(module, name, size)
        same(ts.measure(*given[1], order=order, **arguments), want)


def test_pairs_that_end_before_the_grid_count_nowhere():
    found = ts.measure(A, B, grid=[20, 25])
    same(
        found, ts.measure([A[k] for k in (0, 2, 3, 5)], [B[k] for k in (0, 2, 3, 5)], grid=[20, 25])
    )
    np.testing.assert_array_equal(found.counts, [4, 3])


def test_nothing_that_is_given_is_written_to():
    before = [h.copy() for h in A + B]
    ts.measure(A, B, order="random")
    ts.measure(A, pairs="all", order="random")
    ts.measure(A, pairs="all")
    for h, copy in zip(A + B, before, strict=True):
        np.testing.assert_array_equal(h, copy)


def test_tiles_take_each_pair_once(monkeypatch):
    monkeypatch.setattr(unequal, "TILE_BYTES", 2 * A[0].nbytes)
    given = unequal.unequal_pairs_of(A, None, "all", None)
    taken = np.concatenate([now for *_, now in given.blocks()])
    assert sorted(taken) == list(range(15)) and len(list(given._tiles())) > 1
    same(ts.measure(A, pairs="all"), ts.measure([*A], pairs="all"))


@pytest.mark.parametrize("order", ["raster", "random"])
def test_blocks_have_few_shapes_however_many_lengths(order):
    """XLA compiles for every shape: points of the grid times powers of two."""
    rng, grid = np.random.default_rng(3), np.array([4, 9, 30])
    lengths = rng.integers(1, 31, 200)
    given = unequal.unequal_pairs_of(*([h[:n] for n in lengths] for h in (A[0], B[0])), None, None)
    blocks = list(given.blocks(order, 0, grid))
    assert [a.shape[1] for a, *_ in blocks if len(a) > 1] == [4, 9, 30]
    np.testing.assert_array_equal(
        np.sort(np.concatenate([now for *_, now in blocks])), np.flatnonzero(lengths >= 4)
    )


def test_other_kernels_have_the_same_numbers(monkeypatch):
    """Three pairs of each length, filled up to four."""
    want = ts.measure(A, B, [4, 25], order="random")
    monkeypatch.setenv("TOKENSPACE_KERNELS", "xla")
    found = ts.measure(A, B, [4, 25], order="random")
    assert found.kernels == "xla"
    np.testing.assert_allclose(found.mean, want.mean, rtol=1e-5)
    np.testing.assert_allclose(found.standard_error, want.standard_error, rtol=1e-4)
    np.testing.assert_array_equal(found.counts, [6, 3])


def test_pairs_of_equal_tokens_are_counted():
    assert ts.measure(A, pairs="all").notes == ()
    (note,) = ts.measure([*A, A[0][:9]], pairs="all").notes  # cut short
    assert note.startswith("D(n) = 0 at every n in 1 of 21 pairs")
    (note,) = ts.measure(PICTURES, PICTURES[[0, 2, 1]]).notes
    assert note.startswith("D(n) = 0 at every n in 1 of 3 pairs")
    (note,) = ts.measure([A[0]] * 3, pairs="all").notes  # no two are left
    assert note.startswith("D(n) = 0 at every n in 3 of 3 pairs")


def test_changes_in_memory_of_a_copy_on_write_map_are_seen(tmp_path):
    """Pages are only given back where nobody can have written to them."""
    np.save(tmp_path / "a.npy", PICTURES)
    changed = np.load(tmp_path / "a.npy", "c")
    changed[:] = PICTURES[::-1]
    assert not mapped.is_mapped(changed)
    for _ in range(2):
        same(ts.measure(changed, PICTURES), ts.measure(PICTURES[::-1].copy(), PICTURES))


def test_progress_counts_pairs(monkeypatch):
    seen = []
    monkeypatch.setattr(pairs, "BLOCK_BYTES", PICTURES[0].nbytes)
    ts.measure(PICTURES, PICTURES[::-1].copy(), progress=seen.append)
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        ([A], {}, "for both branches"),
        ([A, B], {"pairs": "all"}, "for both branches"),
        ([A, B[:2]], {}, "as many sequences, not 6 and 2"),
        ([A, [h[:, :4] for h in B]], {}, "one number of features, but they have 4 to 5"),
        ([A[:1]], {"pairs": "all"}, "at least 2 of them"),
        ([A, B], {"order": "zigzag"}, "order = 'zigzag' is not allowed"),
        ([A, B], {"order": np.arange(30)}, "order must hold each of 0..7 once"),
        ([A[:1], B[:1]], {"order": np.arange(30.0)}, "once, as integers, shape (30,)"),
        ([PICTURES, PICTURES], {"order": np.arange(30.0)}, "once, as integers, shape (30,)"),
        ([A, B], {"order": "random", "seed": -1}, "seed = -1 is not allowed; it must be an"),
        ([PICTURES, PICTURES], {"order": "random", "seed": -1}, "seed = -1 is not allowed"),
        ([A, B], {"grid": [31]}, "there are 30 tokens"),
        ([A, B], {"groups": ["x"] * 6}, "all pairs are in one group"),
        ([A], {"pairs": "all", "groups": ["x"]}, "each of 6 pictures shares"),
        ([A], {"pairs": "all", "groups": [0.5] * 6}, "groups have dtype float64"),
        ([A, [*B[:5], B[5].astype(complex)]], {}, "complex128; real numbers"),
    ],
)
def test_refuses_in_words(arguments, named, words):
    with pytest.raises(InputError) as caught:
        ts.measure(*arguments, **named)
    assert words in str(caught.value)


def test_bad_tokens_are_named():
    bad = [h.copy() for h in B]
    bad[2][7, 3] = np.inf
    for order in ("raster", "random"):
        with pytest.raises(InputError, match=r"tokens b\[2\]\[7, 3\] = inf is not finite \(1 such"):
            ts.measure(A, bad, order=order)
    bad[2][7] = 0
    with pytest.raises(InputError, match=r"tokens b\[2\]\[7\] is all zero"):
        ts.measure(A, bad)


MEASURE = """
import resource, sys
import numpy as np
import tokenspace as ts
from tokenspace.tokens.arrays import load_array
from pathlib import Path
small = np.ones((2, 8, 64), "f2") + np.arange(2)[:, None, None].astype("f2")
ts.measure(small, small[::-1], order="random")
ts.measure(small, pairs="all")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
a = load_array(Path(sys.argv[1]))
half = len(a) // 2
ts.measure(a[:half], a[half:], order=sys.argv[2])
if sys.argv[2] == "raster":
    ts.measure(a[:12], pairs="all")
ts.measure(a[:half].reshape(-1, 8192), a[half:].reshape(-1, 8192), order=sys.argv[2])  # one pair
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", ["raster", "random"])
def test_memory_does_not_grow_with_the_file(tmp_path, order):
    """0.8 GB take less than 0.4 GB more than nothing does: two blocks, and their pages."""
    array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "f2", (96, 512, 8192))
    array[:] = np.random.default_rng(0).standard_normal((512, 8192)).astype("f2")
    array += np.arange(96, dtype="f2")[:, None, None] / 8
    array.flush()
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "a.npy", order],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(run.stdout) < 0.4e9 < array.nbytes
