"""Pictures that are there twice: found by their tokens, left out, and errors that hold."""

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy import special, stats

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.tokens import copies
from tokenspace.tokens.arrays import load_array
from tokenspace.tokens.copies import first_of
from tokenspace.tokens.folders import measure_groups, token_groups
from tokenspace.tokens.mapped import map_safetensors

H = np.random.default_rng(0).standard_normal((6, 20, 5)).astype("f4")
TWICE = [0, 1, 2, 1, 3, 4, 5, 0]
GIVEN = H[TWICE]
LEFT_OUT = "2 of 8 pictures have the tokens of another and are left out"


def same(got, want):
    assert got.replicates == want.replicates and got.reason == want.reason
    np.testing.assert_allclose(got.mean, want.mean, rtol=1e-9)
    np.testing.assert_allclose(got.covariance, want.covariance, rtol=1e-8, atol=1e-14)


def test_copies_are_found_in_whatever_they_lie(tmp_path):
    want = [0, 1, 2, 1, 4, 5, 6, 0]
    np.save(tmp_path / "a.npy", GIVEN)
    names = [f"{k}" for k in range(8)]
    save_file(dict(zip(names, GIVEN.copy(), strict=True)), tmp_path / "a.safetensors")
    on_disk = map_safetensors(tmp_path / "a.safetensors").sequences(names)
    for sequences in (
        GIVEN,
        list(GIVEN),
        jnp.asarray(GIVEN),
        load_array(tmp_path / "a.npy"),
        on_disk,
    ):
        np.testing.assert_array_equal(first_of(sequences), want)


@pytest.mark.parametrize("size", [1, 1 << 24])
def test_copies_are_found_in_every_format(monkeypatch, size):
    """Whatever is read at once."""
    monkeypatch.setattr(copies, "READ_BYTES", size)
    near = H.copy()
    near[0, 3, 2] += 3
    for dtype in ("bfloat16", "float16", "float64", "int8"):
        h = np.concatenate([H, near]).astype(jnp.dtype(dtype) if dtype[0] == "b" else dtype)
        for sequences in (h, list(h), h[:, ::-1], jnp.asarray(h)):
            np.testing.assert_array_equal(first_of(sequences), [0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("unequal", [False, True])
def test_pictures_that_are_nearly_the_same_are_said_to_be(unequal):
    """Three saved again, with noise of 0.1 %: until one of each is left out."""
    noise = 1e-3 * np.random.default_rng(1).standard_normal((3, 20, 5)).astype("f4")
    near = np.concatenate([H, H[:3] + noise])
    given = [h[: 9 if k == 5 else 20] for k, h in enumerate(near)] if unequal else near
    (note,) = ts.measure(given, pairs="all").notes
    pairs = "3 of 28" if unequal else "3 of 36"  # of those that reach the end
    assert f"below 1 % of the median pair's at every n in {pairs} pairs" in note
    assert "leave one picture of each out" in note
    assert ts.measure(given[3:], pairs="all").notes == ()
    assert ts.measure(near[:, :, :1], pairs="all").notes == ()  # of one feature it may be chance
    assert ts.measure(near[:3], near[6:]).notes == ()  # branches may be as near as they are


def test_pictures_that_are_near_at_some_n_alone_are_not():
    """Two that share their first token, and one whose tokens another has in another order."""
    h = np.random.default_rng(5).standard_normal((6, 8, 5)).astype("f4")
    h[1, 0] = h[0, 0]
    h[3] = h[2, ::-1]
    assert ts.measure(h, pairs="all", grid=[1, 4, 8]).notes == ()


def test_a_picture_cut_short_hides_no_other():
    near = np.concatenate([H, H[:1] + np.float32(1e-4)])
    (*_, note) = ts.measure([*near, H[3][:9]], pairs="all").notes
    assert "at every n in 1 of" in note


def test_pictures_of_which_d_is_0_are_not_also_said_to_be_near():
    h = np.concatenate([H, H[:1]])
    h[6, 8:] += 1
    (note,) = ts.measure(h, pairs="all", grid=[1, 4, 8]).notes
    assert note.startswith("D(n) = 0 at every n in 1 of 21 pairs")
    h[6] += 1e-4
    (note,) = ts.measure(h, pairs="all", grid=[1, 4, 8]).notes
    assert "1 % of the median pair's at every n in 1 of 21 pairs" in note


def test_what_is_alike_in_part_is_no_copy(monkeypatch):
    """One bit of the tokens between those that are looked at, fewer tokens, or another format."""
    near = H[0].copy()
    near[3, 2] = np.nextafter(near[3, 2], 9)
    others = [H[0], near, H[0][:19], H[0].astype("f8"), H[0, ::-1], H[0].reshape(10, 10)]
    np.testing.assert_array_equal(first_of(others), np.arange(6))
    read = []
    monkeypatch.setattr(copies, "_digest", lambda h: read.append(h) or h.tobytes())
    first_of(others)
    assert len(read) == 2  # the others are known apart at a glance


@pytest.mark.parametrize("where", ["array", "list", "jax", "disk", "folder"])
def test_each_picture_is_measured_once(tmp_path, where):
    np.save(tmp_path / "a.npy", GIVEN)
    given = {"array": GIVEN, "list": list(GIVEN), "jax": jnp.asarray(GIVEN)}
    grid = ts.log_grid(20, 17)
    given["disk"] = np.load(tmp_path / "a.npy", "r")
    if where == "folder":
        (tmp_path / "f").mkdir()
        save_file({f"{k}": h.copy() for k, h in enumerate(GIVEN)}, tmp_path / "f" / "a.safetensors")
        (group,) = token_groups(tmp_path / "f")
        (found,) = (m.result for m in measure_groups([group]))
        assert group.open().name(4) == "5"  # names are those given
    else:
        found = ts.measure(given[where], pairs="all", grid=grid)
    same(found, ts.measure(H, pairs="all", grid=grid))
    assert len(found.notes) == 1 and found.notes[0].startswith(f"{LEFT_OUT} as a copy, no second")


@pytest.mark.parametrize("as_array", [np.asarray, list, jnp.asarray])
def test_bad_tokens_are_named_as_they_were_given(as_array):
    bad = GIVEN.copy()
    bad[5, 18, 2] = np.nan
    for call in (ts.measure, ts.fit_tokens)[: 1 if as_array is list else 2]:
        with pytest.raises(InputError, match=r"tokens a\[5\]\[18, 2\] = nan is not finite"):
            call(as_array(bad), pairs="all")


def test_groups_that_share_a_picture_are_one():
    """x has a picture of y, which has one of z; u and v stand alone."""
    groups = np.array(["x", "y", "y", "x", "u", "z", "v", "z"])
    found = ts.measure(GIVEN, pairs="all", groups=groups)
    want = ts.measure(H, pairs="all", groups=["xyz", "xyz", "xyz", "u", "xyz", "v"])
    same(found, want)


def test_fits_and_descriptions_know_each_picture_once(tmp_path):
    h = H + np.random.default_rng(1).standard_normal((6, 1, 5)).astype("f4")
    fit, want = (ts.fit_tokens(x, pairs="all") for x in (h[TWICE], h))
    for name, value in want.parameters.items():
        assert fit.parameters[name].mean == pytest.approx(value.mean, rel=1e-6, nan_ok=True)
    assert any(LEFT_OUT in note for note in fit.notes)
    np.save(tmp_path / "short.npy", h[0, :19])  # a copy of one that is left out, cut short
    for k, x in enumerate(h[TWICE]):
        np.save(tmp_path / f"{k}.npy", x)
    notes = [ts.fit_tokens(tmp_path, tokens=n).notes for n in (20, 19)]
    assert any(LEFT_OUT.replace("8", "9") in note for note in notes[0])
    assert any("; 1 of 7 pictures has the tokens" in note for note in notes[1])
    said, want = (ts.describe_tokens(x, pairs="all").found["norm"] for x in (h[TWICE], h))
    assert said.standard_error == pytest.approx(want.standard_error, rel=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("grouped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_intervals_of_pictures_that_are_there_twice_hold(grouped):
    """5 of them, each twice: intervals held 48 %. Or 12 in groups of 2, a copy of each elsewhere."""
    runs, rng, n = 400, np.random.default_rng(3), 8
    chi = np.sqrt(2) * np.exp(special.gammaln(17 / 2) - special.gammaln(16 / 2))
    apart, within = np.sqrt(2 * (n + 0.5 * n**2)) * chi, np.sqrt(2 * n) * chi
    truth = (60 * apart + 6 * within) / 66 if grouped else apart
    count, sharing, groups = (
        (12, 6, np.r_[np.repeat(range(6), 2), 6:18]) if grouped else (5, 5, None)
    )
    held = 0
    for _ in range(runs):
        own = np.repeat(rng.standard_normal((sharing, 1, 16)), count // sharing, axis=0)
        h = rng.standard_normal((count, n, 16)) + np.sqrt(0.5) * own
        twice = np.concatenate([h, h]).astype("f4")
        low, high = ts.measure(twice, pairs="all", grid=[n], groups=groups).interval()
        held += low[0] <= truth <= high[0]
    low, high = stats.binom.ppf(5e-4, runs, 0.94), stats.binom.isf(5e-4, runs, 0.97)
    assert low <= held <= high, held


@pytest.mark.parametrize("as_given", [np.asarray, list])
@pytest.mark.parametrize("groups", [None, np.arange(12), np.arange(24).reshape(12, 2)])
def test_pairs_that_are_given_twice_have_the_errors_of_each_once(as_given, groups):
    """Every pair three times tells what it tells once, whatever others say that pairs share."""
    a, b = np.random.default_rng(3).standard_normal((2, 4, 16, 8)) + 0.3
    once = ts.measure(as_given(a), as_given(b))
    given = (as_given(np.tile(h, (3, 1, 1))) for h in (a, b))
    found = ts.measure(*given, groups=groups)
    np.testing.assert_allclose(found.mean, once.mean, rtol=1e-6)
    np.testing.assert_allclose(found.standard_error, once.standard_error, rtol=1e-5)
    assert found.notes[0].startswith("8 of 12 pairs have the tokens of another pair")


@pytest.mark.parametrize("as_given", [np.asarray, list])
def test_one_pair_many_times_has_no_errors(as_given):
    a, b = np.random.default_rng(4).standard_normal((2, 1, 16, 8))
    found = ts.measure(as_given(np.tile(a, (5, 1, 1))), as_given(np.tile(b, (5, 1, 1))))
    assert found.replicates == 1 and np.isnan(found.standard_error).all()
    assert found.notes == ("all 5 pairs are equal and count as one",)


def test_a_copy_joins_what_its_groups_share():
    """Pairs 0 and 3 are equal, of groups x and z: both are one group, y stays."""
    a, b = np.random.default_rng(5).standard_normal((2, 4, 16, 8))
    a[3], b[3] = a[0], b[0]
    found = ts.measure(a, b, groups=["x", "y", "y", "z"])
    want = ts.measure(a, b + 0, groups=["x", "y", "y", "x"])
    np.testing.assert_array_equal(found.standard_error, want.standard_error)
    only_a = b.copy()
    only_a[3] += 1.0
    assert ts.measure(a, only_a).notes == ()
