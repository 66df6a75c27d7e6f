"""All pairs of pictures, and groups of pairs: what is measured, and how far to trust it."""

from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.tokens import pairs as module

PICTURES = np.random.default_rng(0).standard_normal((6, 20, 5)).astype("f4")
PICTURES += np.random.default_rng(1).standard_normal((6, 1, 5)).astype("f4")
IJ = np.array(list(combinations(range(6), 2)))
GIVEN = PICTURES[IJ[:, 0]], PICTURES[IJ[:, 1]]


def same(got, want, rtol=1e-9):
    """Two results, whatever they say of how they were made."""
    assert got.replicates == want.replicates
    np.testing.assert_allclose(got.mean, want.mean, rtol=rtol)
    np.testing.assert_allclose(got.covariance, want.covariance, rtol=rtol, atol=1e-14)
    np.testing.assert_array_equal(got.quantiles, want.quantiles)
    assert got.divergence.degrees_of_freedom == want.divergence.degrees_of_freedom
    for name, psi in want.correlations.items():
        np.testing.assert_allclose(got.correlations[name].mean, psi.mean, rtol=rtol)
        found = got.correlations[name].standard_error
        np.testing.assert_allclose(found, psi.standard_error, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(got.cosine_upsilon().mean, want.cosine_upsilon().mean, rtol=rtol)


@pytest.mark.parametrize("order", ["raster", np.arange(20)[::-1]])
def test_all_pairs_are_those_given_with_their_pictures(order):
    found = ts.measure(PICTURES, pairs="all", order=order)
    same(found, ts.measure(*GIVEN, groups=IJ, order=order))
    assert found.replicates == 15 and found.divergence.degrees_of_freedom == 5
    assert found.reason.endswith(
        " order; all pairs of 6 pictures, errors by leaving one picture out: 5 degrees of freedom"
    )
    assert np.isnan(found.quantile_intervals).all()  # of independent pairs only
    plain = ts.measure(*GIVEN, order=order)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=1e-12)
    assert plain.reason in ("raster order", "given order")


def test_pictures_may_share_what_they_show():
    """Their groups are those that each pair names, one by one."""
    groups = np.array(["x", "y", "x", "z", "z", "u"])
    found = ts.measure(PICTURES, pairs="all", groups=groups)
    same(found, ts.measure(*GIVEN, groups=groups[IJ]))
    assert "all pairs of 6 pictures, errors by leaving one group out: 2.127 degrees" in found.reason
    one = ts.measure(PICTURES, pairs="all", groups=["x"] * 6)
    assert "errors unknown: one group is in every pair" in one.reason
    assert np.isnan(one.standard_error).all() and (one.mean == found.mean).all()


@pytest.mark.parametrize("as_array", [np.asarray, jnp.asarray, lambda h: h.astype(float)])
def test_pairs_are_taken_in_blocks(monkeypatch, as_array):
    want = ts.measure(PICTURES, pairs="all")
    seen = []
    measured = ts.measure.__globals__["_measured"]

    def spy(kernel, a, b, *rest, **named):
        seen.append(a.nbytes)
        return measured(kernel, a, b, *rest, **named)

    monkeypatch.setitem(ts.measure.__globals__, "_measured", spy)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * PICTURES[0].nbytes)
    same(ts.measure(as_array(PICTURES), pairs="all"), want)
    assert len(seen) == 4 and max(seen) == 4 * PICTURES[0].nbytes


def test_random_order_is_one_for_all_pictures():
    """Else the tokens of a pair would stand at different places."""
    found = ts.measure(PICTURES, pairs="all", order="random", seed=3)
    order = np.random.default_rng(3).permutation(20)
    same(found, ts.measure(PICTURES, pairs="all", order=order))
    assert found.seed == 3


def test_every_error_knows_of_the_pictures():
    """Every pair given twice brings nothing: no error may shrink."""
    found = ts.measure(PICTURES, pairs="all")
    twice = [np.concatenate([h, h]) for h in GIVEN]
    groups = np.stack(np.triu_indices(len(PICTURES), 1), axis=1)
    again = ts.measure(*twice, groups=np.concatenate([groups, groups]))
    plain = ts.measure(*twice)
    for take in (
        lambda r: r.n_balance(),
        lambda r: r.scale_fit(),
        lambda r: r.local_exponent(),
        lambda r: r.secant_exponent(1.0),
        lambda r: r.cosine_upsilon(),
        lambda r: r.correlations["psi_delta"],
    ):
        ours, theirs = take(found), take(again)
        assert ours.degrees_of_freedom == theirs.degrees_of_freedom == 5
        np.testing.assert_allclose(theirs.mean, ours.mean, rtol=1e-6, equal_nan=True)
        np.testing.assert_allclose(theirs.standard_error, ours.standard_error, rtol=1e-5)
        assert np.nanmin(ours.standard_error / take(plain).standard_error) > 1.1


def test_two_pictures_have_no_errors_and_three_have_few():
    one = ts.measure(PICTURES[:2], pairs="all")
    assert one.replicates == 1 and np.isnan(one.standard_error).all()
    assert one.reason == "raster order; the one pair of 2 pictures, errors unknown"
    np.testing.assert_array_equal(one.mean, ts.measure(PICTURES[0], PICTURES[1]).mean)
    three = ts.measure(PICTURES[:3], pairs="all")
    assert three.reason.endswith("2 degrees of freedom") and three.replicates == 3
    # with three pairs, theta without a picture is the pair of the other two
    d = np.array([ts.divergence(*PICTURES[list(p)], [20])[0] for p in ((1, 2), (0, 2), (0, 1))])
    error = three.standard_error[-1]
    assert error == pytest.approx(np.sqrt(2 / 3 * np.sum((d - d.mean()) ** 2)), rel=1e-5)
    low, high = three.interval()
    reach = stats.t.ppf(0.975, 2) * error / d.mean()
    np.testing.assert_allclose([low[-1], high[-1]], d.mean() * np.exp([-reach, reach]), rtol=1e-5)
    assert np.isnan(three.quantile_intervals).all()
    two = ts.measure(GIVEN[0][:3], GIVEN[1][:3], groups=["x", "y", "y"])
    assert (
        two.reason == "raster order; 2 groups, errors by leaving one group out: 1 degree of freedom"
    )


@pytest.mark.parametrize("call", [ts.measure, ts.fit_tokens])
@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        ([PICTURES], {}, "a and b, (pairs, N, d); or pairs='all'"),
        ([PICTURES, PICTURES], {"pairs": "all"}, "leave b out"),
        ([PICTURES], {"pairs": "every"}, "pairs = 'every' is not allowed; it must be 'all'"),
        ([PICTURES], {"pairs": IJ}, "it must be 'all', or left out"),
        ([PICTURES], {"pairs": "all", "groups": IJ}, "what each of 6 pictures shares"),
        ([PICTURES], {"pairs": "all", "groups": [0.5] * 6}, "dtype float64; whole numbers or"),
        ([PICTURES[:1]], {"pairs": "all"}, "at least 2 pictures, (K, N, d), but their shape is (1"),
        ([PICTURES[0]], {"pairs": "all"}, "(K, N, d), but their shape is (20, 5)"),
        ([PICTURES[None]], {"pairs": "all"}, "but their shape is (1, 6, 20, 5)"),
        ([["x"]], {"pairs": "all"}, "tokens a have dtype"),
        ([*GIVEN], {"groups": IJ[:3]}, "each of 15 pairs shares"),
        ([PICTURES[0], PICTURES[1]], {"groups": [0]}, "all pairs are in one group"),
    ],
)
def test_refuses_in_words(call, arguments, named, words):
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    assert words in str(caught.value)


def test_bad_tokens_are_named_by_their_picture():
    bad = PICTURES.copy()
    bad[4, 18, 2] = np.nan
    for order in ("raster", "random"):
        with pytest.raises(InputError, match=r"tokens a\[4, 18, 2\] = nan is not finite \(1 such"):
            ts.measure(bad, pairs="all", order=order)
    ts.measure(bad, pairs="all", grid=[2, 18])  # the token is not asked for
    bad[4, 18] = 0
    with pytest.raises(InputError, match=r"tokens a\[4, 18\] is all zero"):
        ts.measure(bad, pairs="all")


COUNTS = np.array([1, 4, 16])


def drawn(rng, pictures):
    """Tokens (K, 16, 16) of pictures, each with its own direction, spread and norm."""
    own = rng.standard_normal((pictures, 1, 16)) * rng.uniform(0.4, 0.8, (pictures, 1, 1))
    norm = np.exp(0.15 * rng.standard_normal((pictures, 1, 1)))
    noise = rng.standard_normal((pictures, 16, 16))
    return ((noise + own + 0.5) * norm).astype(np.float32)


def quantities(result):
    """Name -> (estimate, low, high) at the last n."""
    out = {"E[D]": (result.mean[-1], *(end[-1] for end in result.interval()))}
    slope = result.local_exponent()
    out["exponent"] = (slope.mean[-1], *(end[-1] for end in slope.interval()))
    for name, found in (("n_balance", result.n_balance()), ("lambda", result.scale_fit())):
        out[name] = (found.mean, *found.interval)
    delta = result.correlations["psi_delta"]
    out["psi_delta"] = (delta.mean[-1], *(end[-1] for end in delta.interval()))
    return out


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(5)
    result = ts.measure(drawn(rng, 40_000), drawn(rng, 40_000), COUNTS)
    return {name: value for name, (value, _, _) in quantities(result).items()}


@pytest.mark.once
@pytest.mark.parametrize(
    ("pictures", "runs"),
    [
        (5, 1000),
        pytest.param(30, 2000, marks=pytest.mark.slow),
    ],
)
def test_intervals_cover(truth, pictures, runs):
    """95 % intervals over all pairs cover in 93 to 97 % of runs, whatever the quantity."""
    rng = np.random.default_rng(pictures)
    covered = dict.fromkeys(truth, 0)
    for _ in range(runs):
        found = quantities(ts.measure(drawn(rng, pictures), pairs="all", grid=COUNTS))
        for name, (_, low, high) in found.items():
            covered[name] += low <= truth[name] <= high
    low, high = stats.binom.ppf(5e-4, runs, 0.93), stats.binom.isf(5e-4, runs, 0.97)
    assert all(low <= count <= high for count in covered.values()), covered
