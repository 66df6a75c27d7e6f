"""What a fitted model says of numbers that were measured on the same tokens."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.statistics.estimate import Estimate
from tokenspace.tokens.families import known_families, place_of
from tokenspace.tokens.fit.compare import SIZES, Compared
from tokenspace.tokens.fit.model import shared_with
from tokenspace.tokens.fit.search import Shape, Target

pytestmark = pytest.mark.filterwarnings("error")
PSIS = ("psi_equal", "psi_within", "psi_cross", "psi_delta")


def pairs_of_tokens(rng, count, tokens, features=4, shared=0.0):
    """Neighbours are alike; `shared`: how much of the tokens both branches have, < 0 the reverse."""
    a, b = rng.standard_normal((2, count, tokens, features))
    b = b + shared * a
    for h in (a, b):
        for i in range(1, tokens):
            h[:, i] = 0.8 * h[:, i - 1] + 0.6 * h[:, i]
    return np.float32([a, b]).astype(float)  # as they are taken


@pytest.mark.parametrize("shared", [0.0, 1.5, -1.5])
@pytest.mark.parametrize(
    ("family", "aim"), [("constant", None), ("exponential", "lags"), ("exponential", "sums")]
)
def test_numbers_are_those_of_the_tokens_and_of_the_model(family, aim, shared):
    """-1.5: psi_equal is so low that what branches share falls with the distance."""
    a, b = pairs_of_tokens(np.random.default_rng(5), 8, 14, shared=shared)
    fit = ts.fit_tokens(a, b, family, aim=aim)
    psi, rows = ts.theory.psi(fit.model, 14), {row.name: row for row in fit.compared}
    assert list(rows) == [*PSIS, "rms D(1)", "rms D(7)", "rms D(14)", SIZES]
    model = [psi.equal, psi.within, psi.cross, psi.within - psi.cross]
    model += [*ts.theory.rms_divergence(fit.model, np.array([1, 7, 14])), 1]
    np.testing.assert_allclose([r.model.mean for r in rows.values()], model, rtol=1e-6, atol=1e-12)
    square = np.mean(
        [np.sum(np.cumsum(a - b, axis=1)[:, n - 1] ** 2, axis=1) for n in (1, 7, 14)], 1
    )
    sizes = np.mean(np.sum((a - b) ** 2, axis=2), axis=0)
    tokens = [*np.sqrt(square), sizes[7:].mean() / sizes[:7].mean()]
    np.testing.assert_allclose([r.tokens.mean for r in list(rows.values())[4:]], tokens, rtol=1e-9)
    for name in PSIS:
        assert rows[name].tokens == fit.parameters[name]
    exact = {"psi_equal"} | (set(PSIS) | {"rms D(14)"} if family == "constant" else set())
    assert {name for name, row in rows.items() if row.z == 0} >= exact


def test_the_error_is_that_of_the_difference():
    """Both are taken anew without each pair, so what they have in common does not count."""
    a, b = pairs_of_tokens(np.random.default_rng(6), 7, 10)
    whole = ts.fit_tokens(a, b, "exponential").compared
    left = []
    for k in range(7):
        stay = np.arange(7) != k
        rows = ts.fit_tokens(a[stay], b[stay], "exponential").compared
        means = [(float(r.model.mean), float(r.tokens.mean)) for r in rows]
        left.append([(model - tokens, model, tokens) for model, tokens in means])
    spread = np.sqrt(36 / 7) * np.std(left, axis=0, ddof=1)
    for row, (error, of_model, of_tokens) in zip(whole, spread, strict=True):
        assert row.model.standard_error == pytest.approx(of_model, rel=0.03, abs=1e-9)
        assert row.tokens.standard_error == pytest.approx(of_tokens, rel=0.03, abs=1e-9)
        off = float(row.model.mean) - float(row.tokens.mean)
        assert float(row.difference.mean) == pytest.approx(off, abs=1e-12)
        assert row.difference.degrees_of_freedom == 6
        if row.z:
            assert row.z == pytest.approx(off / error, rel=0.03)  # a search ends near its minimum
            assert row.difference.standard_error == pytest.approx(error, rel=0.03)


def constant_pairs(rng):
    return rng.standard_normal((2, 20, 12, 4)) + rng.standard_normal((2, 20, 1, 4))


@pytest.mark.once
@pytest.mark.parametrize(
    ("family", "pairs", "runs"),
    [
        ("constant", constant_pairs, 100),
        pytest.param(
            "exponential", lambda rng: pairs_of_tokens(rng, 20, 12), 100, marks=pytest.mark.slow
        ),
    ],
)
def test_a_true_family_is_rarely_told_to_be_off(family, pairs, runs):
    """z has the spread of Student's t, so that errors twice or half as large show; 5 % are told."""
    rng, z, told = np.random.default_rng(7), [], 0
    for _ in range(runs):
        fit = ts.fit_tokens(*pairs(rng), family, aim="lags")
        z.append([row.z for row in fit.compared])
        told += any("the model's" in note or "not alike" in note for note in fit.notes)
    spread = np.sqrt(np.mean(np.square(z)[:, 3:], axis=0) / (19 / 17))
    assert np.all(abs(np.log(spread)) < 4 / np.sqrt(2 * runs)), spread
    assert told <= stats.binom.isf(1e-3, runs, 0.05)


def test_the_psi_cross_of_a_model_is_the_nearest_that_leaves_no_weight_below_0():
    """Of within + cross the constant has low + w_constant (1 - psi_equal)/2 >= 0, and so on."""
    place = place_of(1, 9)
    target = Target(known_families()["exponential"], place, "lags", "exponential")
    fit = Shape(np.array([2.0]), np.array([0.5, 0.2, 0.3]), 0.0)  # exponential, constant, white
    for cross, wanted in ((-0.5, -0.09), (0.15, 0.15), (0.9, 0.1 + 0.135)):
        assert shared_with(target, fit, 0.1, cross) == pytest.approx(wanted)
    assert shared_with(target, fit, -0.9, 0.0) is None


def test_the_limit_is_that_of_all_tests_together():
    limit = stats.t.isf(0.05 / (2 * 8), 5)
    for size, told in ((0.999, False), (1.001, True)):
        for sign in (-1, 1):
            off = Estimate(np.asarray(sign * size * limit), np.asarray(1.0), 9, 5)
            assert Compared("x", off, off, off).off(8) == told
    nothing = Estimate(np.asarray(9.0), np.asarray(1.0), 1, 0)
    assert not Compared("x", nothing, nothing, nothing).off(8)


def test_one_pair_says_nothing_of_how_far_it_is_off():
    fit = ts.fit_tokens(*pairs_of_tokens(np.random.default_rng(8), 1, 9), "exponential")
    assert all(row.z == 0 or np.isnan(row.z) for row in fit.compared)
    assert not any("the model's" in note for note in fit.notes) and "z = nan" not in repr(fit)


def test_tokens_that_grow_are_told_with_the_number():
    """psi_delta measured and that of the model contradict each other, and this is why."""
    rng = np.random.default_rng(9)
    grow = np.linspace(0, 2, 16)[:, None]
    a, b = rng.standard_normal((2, 20, 16, 4)) + grow * rng.standard_normal((2, 20, 1, 4))
    fit = ts.fit_tokens(a, b, "exponential", aim="sums")
    rows = {row.name: row for row in fit.compared}
    assert rows["psi_delta"].z < -5 and rows[SIZES].z < -5
    size = np.sum((a - b) ** 2, axis=(0, 2))
    said = f"is {size[8:].sum() / size[:8].sum():.2f} ± "
    assert said in repr(fit) and "in the second half as in the first" in repr(fit)
    assert f"psi_delta: tokens {fit.parameters['psi_delta']!r}, model " in repr(fit)


def test_lags_that_do_not_give_the_sums_are_told():
    """Every picture has the same two halves: averages over lags do not know of them."""
    rng, halves = np.random.default_rng(10), np.repeat([0.0, 1.0], 8)[:, None]
    h = rng.standard_normal((12, 16, 4)) + rng.standard_normal((12, 1, 4)) * (1 - 2 * halves)
    fits = {
        aim: ts.fit_tokens(h, None, "exponential", pairs="all", aim=aim) for aim in (None, "sums")
    }
    assert "aim = sums fits D(n) itself" in repr(fits[None])
    assert "aim = sums fits" not in repr(fits["sums"]) and fits[None].aim == "lags"


def test_every_pair_of_pictures_is_a_pair():
    h = pairs_of_tokens(np.random.default_rng(11), 6, 9)[0]
    both = list(combinations(range(6), 2))
    pairs = ts.fit_tokens(
        *(h[[p[k] for p in both]] for k in (0, 1)), "exponential", groups=np.array(both)
    )
    pictures = ts.fit_tokens(h, None, "exponential", pairs="all")
    for x, y in zip(pairs.compared, pictures.compared, strict=True):
        for name in ("tokens", "model", "difference"):
            one, other = getattr(x, name), getattr(y, name)
            assert one.mean == pytest.approx(other.mean, rel=1e-4, abs=1e-9)
            assert one.standard_error == pytest.approx(other.standard_error, rel=0.02, abs=1e-9)


def test_tokens_that_branches_share_leave_the_constant_family_its_errors():
    """psi_equal is 1 at small n, where D is 0; over all tokens it is not."""
    a, b = np.random.default_rng(3).standard_normal((2, 8, 9, 4))
    b[:, :3] = a[:, :3]
    rows = ts.fit_tokens(a, b, "constant").compared
    assert all(float(row.model.standard_error) > 0 for row in rows if row.name != SIZES)
