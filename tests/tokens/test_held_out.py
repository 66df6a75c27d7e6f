"""Ranking on held-out halves: what is compared, its errors, and which family is chosen."""

from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts
from oracles import sample_pairs
from tokenspace.errors import InputError
from tokenspace.tokens.families import known_families, place_of
from tokenspace.tokens.fit import search
from tokenspace.tokens.fit.cells import cells_of
from tokenspace.tokens.fit.held_out import (
    NO_MODEL,
    Splits,
    chosen,
    halves,
    observed,
    predicted,
    ranking,
)
from tokenspace.tokens.fit.model import branches_of
from tokenspace.tokens.fit.search import Shape, Target
from tokenspace.tokens.pairs import pairs_of


def pictures(difference, count, seed, features=24, shared=0.5):
    """Independent pictures (count, N, d) of this covariance, with a mean that they share."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(difference + 1e-9 * np.eye(len(difference)))
    own = np.einsum("ij,pjd->pid", root, rng.standard_normal((count, len(root), features)))
    return own + shared * rng.standard_normal(features)


MIXED = 0.2 * ts.Constant() + 0.5 * ts.Exponential(6.0) + 0.3 * ts.White()


@pytest.mark.parametrize("groups", [4, 5, 8, 20])
def test_halves_are_used_both_ways(groups):
    masks = halves(groups)
    assert len({m.tobytes() for m in masks}) == len(masks) >= 6
    for m in masks:
        assert m.sum() in (groups // 2, groups - groups // 2)
        assert any(np.array_equal(~m, other) for other in masks)


def test_a_perfect_prediction_misses_nothing_and_the_theory_is_what_is_predicted():
    h = pictures(MIXED.dense(24), 6, 0)
    place = place_of(1, 24)
    cells = cells_of(pairs_of(h, None, "all", None), np.arange(6), place.n, [place])
    moments = cells.of(np.ones(6, bool))
    seen = observed(moments)
    assert np.all(seen.errors(seen) == 0)
    squares = np.mean(
        [ts.divergence(a, b, place.n) ** 2 for i, a in enumerate(h) for b in h[:i]], axis=0
    )
    np.testing.assert_allclose(seen.rms, np.sqrt(squares), rtol=1e-5)
    target = Target(known_families()["exponential"], place, "sums")
    guess = predicted(target, target.fit(moments), moments)
    model = ts.fit_tokens(h, family="exponential", pairs="all", aim="sums").model
    psi = ts.theory.psi(model, place.n)
    np.testing.assert_allclose(guess.rms, ts.theory.rms_divergence(model, place.n), rtol=1e-6)
    np.testing.assert_allclose(guess.psi[:, 1:], np.array(psi)[:, 1:], rtol=1e-6)
    off = np.log(seen.rms / guess.rms)
    want = [np.mean(off**2), np.mean((np.diff(off) / np.diff(np.log(place.n))) ** 2)]
    want.append(np.mean((seen.psi - guess.psi)[:, 1:] ** 2))
    np.testing.assert_allclose(guess.errors(seen), want, rtol=1e-9)


def test_ranking_by_hand():
    rng = np.random.default_rng(0)
    none = rng.uniform(0.5, 2.0, (6, 3))
    misses = {
        ("big", "", "sums"): none * 0.25,  # half the error, the same on every split
        ("big", "", "lags"): none * 0.36,
        ("small", "", "sums"): none * 0.25 * np.exp(rng.normal(0.02, 0.2, (6, 1))),
        ("worse", "raster", "lags"): none * 4,
    }
    rows = ranking(misses, {"big": 3, "small": 1, "worse": 0}, none, 20)
    assert [(r.family, r.aim) for r in rows[-2:]] == [(NO_MODEL, ""), ("worse", "lags")]
    found = {r.family: r for r in rows}
    assert found["big"].aim == "sums" and found["worse"].name == "worse, raster"
    assert found["big"].score.mean == pytest.approx(0.5)
    assert found["worse"].score.mean == pytest.approx(2) and not found["worse"].ties
    assert found["worse"].behind.mean - found["big"].behind.mean == pytest.approx(np.log(4))
    assert found[NO_MODEL].score.mean == 1 and found[NO_MODEL].score.standard_error == 0
    assert found["big"].divergence.mean == pytest.approx(np.sqrt(none[:, 0].mean()) / 2)
    best, other = sorted((found["big"], found["small"]), key=lambda r: r.score.mean)
    level = none.mean(axis=0)
    logs = [
        np.log(np.mean(misses[r.family, "", "sums"] / level, axis=1)) / 2 for r in (other, best)
    ]
    steps = logs[0] - logs[1]
    assert other.behind.mean == pytest.approx(steps.mean())
    error = np.sqrt((1 / 6 + 1) * steps.var(ddof=1))  # as many pictures to test as to learn from
    assert other.behind.standard_error == pytest.approx(error)
    assert other.ties and chosen(rows).family == "small"
    assert chosen(ranking({k: misses[k] for k in list(misses)[:2]}, {"big": 3}, none, 20)).size == 3


@pytest.mark.parametrize(
    ("truth", "family"),
    [
        (0.4 * ts.Constant() + 0.6 * ts.White(), "constant"),
        (MIXED, "exponential"),
        (0.2 * ts.Constant() + 0.5 * ts.Block(16) + 0.3 * ts.White(), "blocks"),
    ],
)
def test_what_tokens_were_drawn_from_is_chosen(truth, family):
    h = pictures(truth.dense(64), 16, 3)
    fit = ts.fit_tokens(h, pairs="all", family=("constant", "exponential", "blocks"))
    assert fit.family == family and f"{family} (this model)" in repr(fit)
    if family != "constant":
        assert not next(r for r in fit.ranking if r.family == "constant").ties


@pytest.mark.once
def test_auto_tries_every_family_and_its_model_simulates():
    fit = ts.fit_tokens(pictures(MIXED.dense(36), 8, 3), pairs="all", family="auto")
    orders = {r.family: {x.order for x in fit.ranking if x.family == r.family} for r in fit.ranking}
    assert set(orders) == {*known_families(), NO_MODEL}
    sizes = {name: family.size for name, family in known_families().items()}
    assert {r.family: r.size for r in fit.ranking} == sizes | {NO_MODEL: 0}
    assert orders["patch_distance"] == {"raster", "serpentine", "hilbert"} != orders["matern"]
    assert next(r for r in fit.ranking if r.family == "exponential").ties
    table = fit.table()
    assert list(table["score"]) == sorted(table["score"]) and len(table) == len(fit.ranking)
    assert fit.family == chosen(fit.ranking).family and "more, see table()" in repr(fit)
    n = ts.log_grid(36, 5)
    assert ts.simulate(fit.model, n, 400).check(tolerance=0.1).verdict == "PASS"


def test_the_order_of_patches_is_part_of_the_question():
    grid = ts.PatchGrid(8, 8, ts.Exponential(4.0), ts.Exponential(4.0), "hilbert")
    truth = 0.1 * ts.Constant() + 0.8 * grid + 0.1 * ts.White()
    fit = ts.fit_tokens(pictures(truth.dense(64), 24, 1), None, ["patch_grid"], pairs="all")
    assert fit.order == "hilbert" and fit.family == "patch_grid"
    assert {r.order for r in fit.ranking} == {"", "raster", "serpentine", "hilbert"}
    others = [r.behind for r in fit.ranking if r.order in ("raster", "serpentine")]
    assert len(others) == 2 and all(b.mean > b.standard_error for b in others)
    assert fit.model.branches.within.max_tokens == 64


def test_random_order_leaves_constant_correlations():
    h = pictures(MIXED.dense(64), 12, 2)
    fit = ts.fit_tokens(h, pairs="all", family=("constant", "exponential"), order="random")
    assert fit.family == "constant"
    assert fit.parameters["weight_constant"].standard_error > 0


def test_nothing_depends_on_the_unit_of_tokens():
    h = pictures(MIXED.dense(16), 6, 4).astype(np.float32)
    names = ("constant", "exponential")
    one, other = (ts.fit_tokens(x, pairs="all", family=names) for x in (h, h * 2.0**-12))
    for name in ("score", "divergence", "gamma", "psi"):
        left, right = ([float(getattr(r, name).mean) for r in f.ranking] for f in (one, other))
        np.testing.assert_allclose(left, right, rtol=1e-5)
    for name, value in one.parameters.items():
        unit = 2.0**-24 if name == "mean_square" else 1.0
        assert other.parameters[name].mean == pytest.approx(value.mean * unit, rel=1e-5)


def test_given_pairs_are_ranked_too():
    rng = np.random.default_rng(7)
    a, b = sample_pairs(rng, ts.Branches(MIXED), np.ones(16), 40, 24)
    fit = ts.fit_tokens(a, b, ("constant", "exponential"), patches=(5, 8), aim="lags")
    assert fit.family == "exponential" and {r.aim for r in fit.ranking} == {"lags", ""}
    low, high = fit.parameters["length"].interval()
    assert 0 < low < 6 < high


def test_what_pictures_do_not_share_is_set_to_what_a_model_has():
    """psi_cross below 0 by chance, where no constant part of the difference makes up for it."""
    h = pictures(ts.Exponential(3.0).dense(64), 8, 5, shared=0.0)
    h = h - h.mean(axis=0)  # so that psi_cross is below 0
    fit = ts.fit_tokens(h, family="exponential", pairs="all", aim="lags")
    cross = float(fit.parameters["psi_cross"].mean)
    assert cross < 0
    assert "psi_equal" in fit.notes[0] and fit.notes[0] in repr(fit)
    fit.model.require_valid(64)
    n = ts.log_grid(64)
    before = ts.fit_tokens(h + 1.0, family="exponential", pairs="all", aim="lags")
    assert before.notes == () or "belongs to no model" in before.notes[0]
    ratio = ts.theory.second_moment(fit.model, n) / ts.theory.second_moment(before.model, n)
    np.testing.assert_allclose(ratio, 1, rtol=1e-4)  # the difference is what it was


@pytest.mark.parametrize("cross", [-0.3, -0.01, 0.1, 0.9])
def test_a_psi_cross_that_no_model_has_is_moved_and_said(cross):
    target = Target(known_families()["exponential"], place_of(1, 64), "sums")
    psi = {"psi_equal": 0.2, "psi_within": 0.4, "psi_cross": cross}
    branches, notes = branches_of(
        target, Shape(np.array([3.0]), np.array([0.7, 0.1, 0.2]), 0.0), psi
    )
    moved = cross not in (-0.01, 0.1)
    assert len(notes) == moved and branches.total.structure.valid
    branches.require_valid(64)
    found = ts.theory.psi(branches, 64)
    assert found.equal == pytest.approx(0.2)
    assert found.cross == pytest.approx({-0.3: -0.04, 0.9: 0.28}.get(cross, cross))
    assert branches.difference.dense(4)[0, 0] == pytest.approx(0.8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("count", "tokens", "features"), [(4, 2, 1), (5, 3, 2), (4, 4, 1)])
def test_little_is_enough_to_be_ranked(count, tokens, features):
    h = np.random.default_rng(tokens).standard_normal((count, tokens, features))
    names = ("constant", "exponential", "blocks", "fractional", "patch_grid")
    fit = ts.fit_tokens(h, pairs="all", family=names)
    assert fit.family in names and np.isfinite([float(r.score.mean) for r in fit.ranking]).all()


def test_errors():
    h = pictures(MIXED.dense(12), 5, 0)
    for arguments, match in (
        ({"family": "expnential"}, "did you mean 'exponential'"),
        ({"family": ()}, "names no family"),
        ({"family": "auto", "aim": "both"}, "aim = 'both' is not allowed"),
        ({"family": "patch_grid"}, "12 tokens are no square"),
        ({"family": ["patch_grid"]}, "12 tokens are no square"),
        ({"family": ["patch_grid", "patch_distance"]}, "12 tokens are no square"),
        ({"family": "auto", "patches": (3, 5)}, "must hold 12 tokens"),
        ({"family": "auto", "patches": 12}, "rows and columns"),
    ):
        with pytest.raises(InputError, match=match):
            ts.fit_tokens(h, pairs="all", **arguments)
    with pytest.raises(InputError, match="at least 4 pictures"):
        ts.fit_tokens(h[:3], pairs="all", family="auto")
    both = ("constant", "patch_grid")
    fit = ts.fit_tokens(h, pairs="all", family=both)  # no square: without pictures
    assert not any(r.order for r in fit.ranking)
    with_patches = ts.fit_tokens(h, pairs="all", family=both, patches=(3, 4))
    assert any(r.order for r in with_patches.ranking)


@pytest.mark.slow
def test_intervals_of_lags_cover():
    """95 % intervals from eight pictures hold the truth in 91 to 99 % of runs."""
    truth = {"length": 6.0, "weight_constant": 0.2, "weight_exponential": 0.5, "weight_white": 0.3}
    held = dict.fromkeys(truth, 0)
    for run in range(300):
        h = pictures(MIXED.dense(96), 8, [9, run])
        fit = ts.fit_tokens(h, family="exponential", pairs="all", aim="lags")
        for name, value in truth.items():
            low, high = fit.parameters[name].interval()
            held[name] += low <= value <= high
    assert all(0.91 <= count / 300 <= 0.99 for count in held.values()), held


def test_splits_leave_nothing_of_the_test_in_the_fit():
    h = pictures(MIXED.dense(12), 6, 4)
    place = place_of(1, 12)
    splits = Splits.of(cells_of(pairs_of(h, None, "all", None), np.arange(6), place.n, []))
    for train, test, mask in zip(splits.train, splits.test, halves(6), strict=True):
        for part, kept in ((train, mask), (test, ~mask)):
            squares = [np.sum((a - b).sum(axis=0) ** 2) for a in h[kept] for b in h[kept]]
            count = kept.sum() * (kept.sum() - 1)
            assert part.prefixes[4, -1] == pytest.approx(np.sum(squares) / count, rel=1e-5)


def test_groups_that_no_halving_keeps_apart_are_told_in_words():
    """Seven groups, of which all pairs but one share the first."""
    groups = np.array([[0, k] for k in range(1, 7)] + [[1, 4]])
    a, b = np.random.default_rng(0).standard_normal((2, 7, 9, 3))
    with pytest.raises(InputError, match="name one family instead"):
        ts.fit_tokens(a, b, ["constant", "blocks"], groups=groups)


def test_weights_are_found_where_active_sets_go_round(monkeypatch):
    """As of SciPy 1.13, whose `nnls` may give up."""
    rng = np.random.default_rng(0)
    design, scale = rng.uniform(0.1, 1, (30, 3)), rng.uniform(0.5, 2, 30)
    values = design @ np.array([0.2, 0.0, 0.8]) + 0.01 * rng.standard_normal(30)
    want, cost = search._weights(design, values, scale)

    def gives_up(*_, **__):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(search, "nnls", gives_up)
    weights, other = search._weights(design, values, scale)
    np.testing.assert_allclose(weights, want, atol=1e-6)
    assert other == pytest.approx(cost, rel=1e-6)


@pytest.mark.parametrize(("layer", "helps"), [("layer_3", True), ("layer_9", False)])
def test_it_is_said_where_no_family_does_better_than_no_model(layer, helps):
    tokens = np.load(Path(__file__).parents[1] / "data" / "picture_tokens.npz")[layer]
    fit = ts.fit_tokens(tokens.astype("f4"), pairs="all", family=["constant", "exponential"])
    assert (fit.ranking[0].family != NO_MODEL) == helps
    said = "on held-out tokens no family did better than no model at all"
    assert (said in fit.notes) == (not helps) and (said in repr(fit)) == (not helps)
