"""What `measure` says of norms: how much they bend lambda, and whether branches are the reason."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.tokens import bend
from tokenspace.tokens.bend import Bend, bend_of, said_of_norms

RNG = np.random.default_rng(4)


def branches(pairs=30, tokens=24, d=16, rng=RNG):
    """Tokens of norm 1 (pairs, tokens, d), whose branches have much in common."""
    shared = rng.standard_normal((pairs, tokens, d)) + rng.standard_normal((pairs, 1, d))
    both = [shared + 0.4 * rng.standard_normal((pairs, 1, d)) for _ in "ab"]
    return [h / np.linalg.norm(h, axis=-1, keepdims=True) for h in both]


def test_of_one_norm_nothing_is_said():
    result = ts.measure(*branches())
    assert result.norm_ratio == pytest.approx(1, abs=1e-3) and bend_of(result).largest < 1e-6
    assert said_of_norms([("x", result)]) == ""


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("ratio", [1.5, 3.0])
def test_branches_of_unlike_norms_are_named_with_both_numbers(ratio, swapped):
    """The bend is that of the formula of docs/norms.md with the psi's of the tokens."""
    a, b = branches()
    a, b = (ratio * a, b) if swapped else (a, ratio * b)
    result, ratio = ts.measure(a, b, 24), 1 / ratio if swapped else ratio
    assert result.norm_ratio == pytest.approx(ratio, rel=1e-4)
    mean = np.log(result.divergence.mean / result.unit_divergence.mean)
    largest = max(abs(np.exp(mean - mean.mean()) - 1))
    said = said_of_norms([("x", result)])
    assert said.startswith(
        f"norms bend the fit of lambda by up to {100 * largest:.1f} %: tokens of branch "
    )
    assert f"branch B are {ratio:.3g} times as long as those of A" in said and largest > 0.05


def test_norms_that_vary_alike_in_both_branches_are_told_from_that():
    a, b = branches(tokens=64)
    length = np.exp(np.linspace(0, 2, 64))[:, None]
    result = ts.measure(a * length, b * length, 64)
    assert result.norm_ratio < 1.05
    assert "%: tokens differ in norm, and" in said_of_norms([("x", result)])


GRID = [1, 2, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("groups", [1, 5])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("off", "said"), [(-1e-6, False), (1e-6, True)])
def test_a_bend_is_said_from_five_per_cent_and_its_error_on(groups, sign, off, said):
    """At one n of 4 by log 1.05 and t standard errors of it, on either side."""
    freedom, error = 7.0, 0.02
    t = stats.t.isf(0.05 / (4 * groups), freedom)
    change = np.zeros(4)
    change[1] = sign * (abs(np.log1p(sign * 0.05)) + t * error + off)
    found = Bend(np.array([1, 2, 4, 8]), change, error**2 * np.eye(4), freedom)
    assert found.is_said(False, groups) is said
    assert found.is_said(True, groups) is said  # along n it is no more than noise


@pytest.mark.parametrize("groups", [1, 5])
@pytest.mark.parametrize(("off", "said"), [(0.999, False), (1.001, True)])
def test_of_unlike_branches_a_bend_is_said_that_grows_by_more_than_its_error(groups, off, said):
    n, freedom = np.array([1, 2, 4, 8]), 7.0
    change = 0.1 * (np.log2(n) - 1.5)
    slope, at = stats.t.isf(0.025 / groups, freedom), np.log2(n) - 1.5
    error = (change @ at) / (off * slope * np.sqrt(at @ at))
    found = Bend(n, change, error**2 * np.eye(4), freedom)
    assert found.is_said(True, groups) is said and not found.is_said(False, groups)


@pytest.mark.parametrize(
    ("pairs", "d", "spread", "common"),
    [(2, 8, 0.0, 1.0), (3, 8, 0.0, 0.0), (3, 8, 0.4, 1.0), (5, 64, 0.4, 0.0), (10, 8, 0.0, 0.0)],
)
def test_noise_of_few_pairs_is_not_said(pairs, d, spread, common):
    """One law of norms in both branches; about 5 % of runs may say so, at 95 %."""
    rng, runs, above, said = np.random.default_rng(6), 60, 0, 0
    for _ in range(runs):
        both = rng.standard_normal((2, pairs, 64, d))
        both += common * rng.standard_normal((2, pairs, 1, d))
        both *= np.exp(spread * rng.standard_normal((2, pairs, 64, 1)))
        result = ts.measure(*both, GRID)
        above += bend_of(result).largest > 0.05
        said += bool(said_of_norms([("x", result)]))
    assert above > runs / 3 and said <= stats.binom.isf(1e-3, runs, 0.05)


def test_noise_of_many_groups_is_not_said():
    """About 5 % of folders of 16 groups; without an allowance for how many, most of them."""
    rng, runs = np.random.default_rng(7), 20
    said = 0
    for _ in range(runs):
        both = rng.standard_normal((16, 2, 3, 64, 8))
        both += rng.standard_normal((16, 2, 3, 1, 8))
        both *= np.exp(0.4 * rng.standard_normal((16, 2, 3, 64, 1)))
        said += bool(said_of_norms([(str(k), ts.measure(*h, GRID)) for k, h in enumerate(both)]))
    assert said <= stats.binom.isf(1e-3, runs, 0.05)


@pytest.mark.once
@pytest.mark.parametrize("pairs", [2, 3, 10])
def test_branches_of_unlike_norms_are_said_as_often_as_students_t_can(pairs):
    """Slopes of the bend over its error are of a noncentral t of pairs - 1 degrees of freedom.

    About 0.3 of runs of two pairs, 0.8 of three. The noncentrality is that of the runs themselves;
    of normal slopes its relative error is 1 / sqrt(2 runs).
    """
    runs, rng, slopes, said = 200, np.random.default_rng(pairs), [], 0
    for a, b in (branches(pairs, 64, 64, rng) for _ in range(runs)):
        result = ts.measure(a, 3 * b, GRID)
        slopes.append(np.polyfit(np.log(GRID), bend_of(result).change, 1)[0])
        said += "branch B are 3 times" in said_of_norms([("x", result)])
    shift = abs(np.mean(slopes)) / np.std(slopes, ddof=1)
    t = stats.t.isf(0.025, pairs - 1)
    low, high = (
        stats.nct.sf(t, pairs - 1, shift * (1 + off / np.sqrt(2 * runs))) for off in (-3, 3)
    )
    assert stats.binom.ppf(1e-3, runs, low) <= said <= stats.binom.isf(1e-3, runs, high)


def test_of_one_pair_only_unlike_norms_are_said():
    a, b = branches(1, 64, 64)
    grown = np.exp(np.linspace(0, 2, 64))[:, None]
    assert said_of_norms([("x", ts.measure(a, 3 * b, GRID))])
    result = ts.measure(a * grown, b * grown, GRID)
    assert bend_of(result).largest > 0.05 and not said_of_norms([("x", result)])


def test_the_error_of_the_bend_is_the_jackknife_of_its_definition():
    a, b = branches(200)
    both, grid = (a * np.exp(0.3 * RNG.standard_normal((200, 24, 1))), 2 * b), [1, 4, 24]
    covariance = bend_of(ts.measure(*both, grid)).covariance
    unit = [h / np.linalg.norm(h, axis=-1, keepdims=True) for h in both]
    d, of_unit = (ts.divergence(*h, grid).astype(float) for h in (both, unit))
    left = np.log((d.sum(axis=0) - d) / (of_unit.sum(axis=0) - of_unit))
    left -= left.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(covariance, 199**2 / 200 * np.cov(left.T), rtol=0.1, atol=1e-7)


@pytest.mark.parametrize("kind", ["arrays", "pictures", "lists", "groups", "columns", "random"])
def test_the_ratio_is_that_of_its_definition(kind):
    """Root mean squares of all norms, of pairs as long as they are."""
    h = RNG.standard_normal((8, 10, 4)) * np.array([1, 5, 1, 4, 2, 1, 6, 1.0])[:, None, None]
    first, second = np.arange(0, 8, 2), np.arange(1, 8, 2)
    if kind == "pictures":
        result = ts.measure(h, pairs="all")
    elif kind == "lists":
        lengths = [10, 7, 10, 10]
        result = ts.measure(
            [h[i][:k] for i, k in zip(first, lengths, strict=True)], list(h[second]), [1, 7, 10]
        )
    else:
        more = {
            "groups": {"groups": [0, 0, 1, 1]},
            "columns": {"groups": [[0, 5], [1, 6], [1, 5], [2, 7]]},  # none is in both branches
            "random": {"order": "random"},
        }.get(kind, {})
        result = ts.measure(h[first], h[second], **more)
    if kind == "pictures":  # each is in both branches
        assert np.isnan(result.norm_ratio)
        return
    square = np.mean(np.sum(h**2, axis=2), axis=1)
    x, y = square[first], square[second]
    if kind == "lists":  # the second pair ends after 7 tokens
        x[1], y[1] = (np.mean(np.sum(h[k][:7] ** 2, axis=1)) for k in (2, 3))
    assert result.norm_ratio == pytest.approx(np.sqrt(np.sum(y) / np.sum(x)), rel=1e-5)


def test_of_very_many_numbers_a_sample_is_taken(monkeypatch):
    a, b = branches(64, 40, 8)
    monkeypatch.setattr(bend, "LOOKED_AT", 1 << 11)
    monkeypatch.setattr(bend, "ENOUGH", 8)
    taken = []
    squares = bend.squares_of
    monkeypatch.setattr(
        "tokenspace.tokens.measure.squares_of",
        lambda a, b, which: taken.append(which.sum()) or squares(a, b, which),
    )
    assert ts.measure(a, 2 * b).norm_ratio == pytest.approx(2, rel=1e-4)
    assert sum(taken) == 32


def test_of_many_groups_one_sentence_names_the_worst():
    a, b = branches()
    found = [(f"layer {k}", ts.measure(a, k * b)) for k in (1, 4, 2)]
    said = said_of_norms(found)
    assert "lambda in 2 of 3 groups, most in layer 4, by up to" in said
    assert said_of_norms(found[:1]) == ""


def test_equal_branches_have_no_bend():
    a, _ = branches()
    assert said_of_norms([("x", ts.measure(a, a))]) == ""
