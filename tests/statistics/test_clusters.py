"""Means over pairs that end at different n: exact against doing it by hand, and honest."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest

from tokenspace.statistics.clusters import begin_clusters, summary_of_clusters, update_clusters
from tokenspace.statistics.streaming import vectors

N = np.array([1, 3, 6, 10])
NAMES = ("psi_equal", "psi_cross_AA", "psi_cross_BB", "psi_cross_AB")


def samples(pairs, reach, seed=0):
    """Of pairs that reach so many of N; NaN beyond."""
    rng = np.random.default_rng(seed)
    found = {k: rng.uniform(-0.5, 0.5, (pairs, len(N))) for k in NAMES}
    for k in NAMES[1:]:
        found[k][:, 0] = np.nan
    found["divergence"] = rng.uniform(1, 2, (pairs, len(N)))
    gone = np.arange(len(N)) >= np.asarray(reach)[:, None]
    return {k: np.where(gone, np.nan, v).astype("f4") for k, v in found.items()}


def tokens_of(found):
    """The last of N that each pair reaches."""
    return np.concatenate([[0], N])[(~np.isnan(found["divergence"])).sum(axis=1)]


def summarised(found, members, block=1000):
    state = begin_clusters(N, members, tokens_of(found))
    for start in range(0, len(members), block):
        now = slice(start, start + block)
        state = update_clusters(state, {k: v[now] for k, v in found.items()}, members[now])
    return summary_of_clusters(state)


def by_hand(values, members):
    """Mean, covariance and degrees of freedom of values (P, m), NaN where a pair has ended."""
    m, groups = values.shape[1], members.max() + 1
    mean, off, freedom = np.zeros(m), np.zeros((groups, m)), np.zeros(m)
    for j in range(m):
        there = ~np.isnan(values[:, j])
        mean[j] = values[there, j].mean()
        present = [k for k in range(groups) if np.any(there & (members == k).any(axis=1))]
        left = {}
        for k in present:
            rest = there & ~(members == k).any(axis=1)
            left[k] = values[rest, j].mean() if rest.any() else np.nan
        centre = np.mean(list(left.values()))
        for k in present:
            off[k, j] = np.sqrt((len(present) - 1) / len(present)) * (left[k] - centre)
        sizes = np.array([np.sum(there & (members == k).any(axis=1)) for k in present], float)
        freedom[j] = max(1, np.sum(sizes**2) ** 2 / np.sum(sizes**4) - 1)
    return mean, sum(np.outer(row, row) for row in off), freedom


PICTURES = np.array(list(combinations(range(6), 2)))
LENGTHS = np.array([4, 4, 3, 2, 4, 3])
CASES = {
    "prompts": (np.arange(15)[:, None], np.array([4, 4, 3, 3, 3, 2, 2, 4, 1, 1, 4, 2, 3, 1, 4])),
    "several pairs a prompt": (np.repeat(np.arange(5), 3)[:, None], np.tile([4, 3, 2], 5)),
    "pictures": (PICTURES, LENGTHS[PICTURES].min(axis=1)),
}


@pytest.mark.parametrize("block", [4, 1000])
@pytest.mark.parametrize("case", CASES)
def test_is_doing_it_by_hand(case, block):
    members, reach = CASES[case]
    found = samples(len(reach), reach)
    got = summarised(found, members, block)
    mean, covariance, freedom = by_hand(found["divergence"].astype(float), members)
    d = got.joint.select(slice(len(N)))
    np.testing.assert_allclose(d.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(d.covariance, covariance, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(d.degrees_of_freedom, freedom, rtol=1e-12)
    np.testing.assert_array_equal(got.counts, (~np.isnan(found["divergence"])).sum(axis=0))
    with np.errstate(invalid="ignore"):
        joint, _ = vectors(N, found)
    mean, covariance, _ = by_hand(joint, members)
    np.testing.assert_allclose(got.joint.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(got.joint.covariance, covariance, rtol=1e-8, atol=1e-13)
    for name in ("psi_equal", "psi_cross_AA"):
        mean, covariance, _ = by_hand(found[name][:, 1:].astype(float), members)
        np.testing.assert_allclose(got.psi[name].mean[1:], mean, rtol=1e-6)
        error = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(got.psi[name].standard_error[1:], error, rtol=1e-6)
    assert not got.independent


@pytest.mark.parametrize("case", CASES)
def test_both_ends_of_a_step_are_of_the_pairs_that_reach_both(case):
    members, reach = CASES[case]
    found = samples(len(reach), reach)
    got = summarised(found, members, 4)
    d = found["divergence"].astype(float)
    for ends, low in ((got.steps, d[:, :-1]), (got.spans, d[:, [0, 0, 0]])):
        both = np.hstack([np.where(np.isnan(d[:, 1:]), np.nan, low), d[:, 1:]])
        mean, covariance, freedom = by_hand(both, members)
        np.testing.assert_allclose(ends.mean, mean, rtol=1e-12)
        np.testing.assert_allclose(ends.covariance, covariance, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(ends.degrees_of_freedom, freedom, rtol=1e-12)


@pytest.mark.parametrize("block", [4, 1000])
@pytest.mark.parametrize("case", CASES)
def test_what_is_fitted_is_of_the_same_pairs_at_every_n(case, block):
    """The last n that half of them reach is the third."""
    members, reach = CASES[case]
    found = samples(len(reach), reach)
    got = summarised(found, members, block).common
    last = np.flatnonzero([np.mean(reach > k) >= 0.5 for k in range(4)])[-1]
    kept = {k: v[reach > last, : last + 1] for k, v in found.items()}
    state = begin_clusters(N[: last + 1], members[reach > last])
    want = summary_of_clusters(update_clusters(state, kept, members[reach > last]))
    assert got.common is None and got.counts is None and got.steps is None
    assert got.joint.count == np.sum(reach > last) < len(reach) and last == 2
    for part in ("joint", "unit"):
        ours, theirs = getattr(got, part), getattr(want, part)
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12)
        np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-8, atol=1e-13)
        np.testing.assert_allclose(ours.degrees_of_freedom, theirs.degrees_of_freedom)
    mean, covariance, _ = by_hand(kept["divergence"].astype(float), members[reach > last])
    np.testing.assert_allclose(got.joint.mean[: last + 1], mean, rtol=1e-12)
    m = last + 1
    np.testing.assert_allclose(got.joint.covariance[:m, :m], covariance, rtol=1e-9, atol=1e-15)


def test_unknown_errors_are_no_number_and_stay_where_they_are():
    """At the last n one pair is left."""
    got = summarised(samples(5, [4, 3, 3, 3, 3]), np.arange(5)[:, None])
    assert np.isnan(got.joint.standard_error[3]) and np.isnan(
        got.psi["psi_equal"].standard_error[3]
    )
    assert np.isfinite(got.joint.standard_error[:3]).all()


def test_pairs_that_reach_nothing_are_not_waited_for():
    found = samples(5, [4, 0, 4, 4, 0])
    kept = np.array([0, 2, 3])
    state = begin_clusters(N, np.arange(5)[:, None], tokens_of(found))
    state = update_clusters(state, {k: v[kept] for k, v in found.items()}, kept[:, None])
    got = summary_of_clusters(state)
    want = summarised({k: v[kept] for k, v in found.items()}, np.arange(3)[:, None])
    np.testing.assert_allclose(got.joint.covariance, want.joint.covariance, rtol=1e-9)
    np.testing.assert_array_equal(got.joint.degrees_of_freedom, [2, 2, 2, 2] * 3)


def test_lengths_that_all_reach_the_last_n_are_of_one_length():
    found, members = samples(5, [4] * 5), np.arange(5)[:, None]
    state = begin_clusters(N, members, np.array([10, 12, 11, 99, 10]))
    assert state.common is None and begin_clusters(N, members, np.array([9, 12, 11, 99, 10])).common
    got = summary_of_clusters(update_clusters(state, found, members))
    assert got.counts is None and got.independent and got.steps is None
    half = [
        begin_clusters(N, members[:4], np.array(x)).common for x in ([10, 10, 3, 3], [10, 6, 3, 3])
    ]
    assert [state.n[-1] for state in half] == [10, 6]  # exactly half of them is half


def test_what_has_not_come_is_missed():
    found = samples(5, [4] * 5)
    state = begin_clusters(N, np.arange(5)[:, None])
    state = update_clusters(state, {k: v[:3] for k, v in found.items()}, np.arange(3)[:, None])
    with pytest.raises(ValueError, match="2 members of pairs have not come yet"):
        summary_of_clusters(state)


def test_errors_of_values_far_from_zero_that_hardly_differ():
    """Sums of squares alone would leave no digit."""
    found = samples(200, [4] * 200)
    found["divergence"] = (4096 + 2.0**-8 * found["divergence"]).astype("f4")
    got = summarised(found, np.arange(200)[:, None], block=50)
    d = found["divergence"].astype(float)
    np.testing.assert_allclose(got.joint.covariance[:4, :4], np.cov(d.T) / 200, rtol=1e-6)
    found["divergence"][:] = 4096.1
    assert summarised(found, np.arange(200)[:, None]).joint.standard_error[:4].max() < 1e-12


def test_memory_does_not_grow_with_groups():
    """Two pairs a prompt, which follow each other: sums of each would take 350 bytes and more."""
    prompts, block = 20_000, samples(1000, [4] * 1000)
    members = np.repeat(np.arange(prompts), 2)[:, None]
    tracemalloc.start()
    try:
        state = begin_clusters(N, members)
        for start in range(0, 2 * prompts, 1000):
            state = update_clusters(state, block, members[start : start + 1000])
            assert not state.partial
        summary_of_clusters(state)
        held = tracemalloc.get_traced_memory()[1] - 4 * state.sketch.rows.size
    finally:
        tracemalloc.stop()
    assert held < 175 * prompts


def test_unit_norm_divergence_is_that_of_each_pair():
    found = samples(8, [4] * 8)
    got = summarised(found, np.arange(8)[:, None])
    equal, aa, bb, ab = (found[k].astype(float) for k in NAMES)
    upsilon = N * (1 - equal) + N * (N - 1) * np.nan_to_num((aa + bb) / 2 - ab)
    unit = np.sqrt(2 * np.maximum(upsilon, 0))
    both = np.hstack([unit, upsilon, found["divergence"]])
    np.testing.assert_allclose(got.unit.mean, both.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(got.unit.covariance, np.cov(both.T) / 8, rtol=1e-5, atol=1e-7)


@pytest.mark.once
def test_errors_are_those_of_the_mean():
    """Two-sided: over many draws, the mean error squared is the variance of the mean, at each n."""
    rng = np.random.default_rng(4)
    runs, pairs = 1000, 12
    reach = rng.integers(1, 5, pairs)
    reach[:4] = 4
    members = np.arange(pairs)[:, None]
    found = samples(pairs * runs, np.tile(reach, runs), seed=5)
    means, squares = [], []
    for run in range(runs):
        now = slice(run * pairs, (run + 1) * pairs)
        mean, covariance, _ = _fast({k: v[now] for k, v in found.items()}, members)
        means.append(mean)
        squares.append(np.diag(covariance))
    ratio = np.mean(squares, axis=0) / np.var(means, axis=0, ddof=1)
    # the variance of 1000 means is known to 1 / sqrt(500), 4.5 %
    np.testing.assert_allclose(ratio, 1, atol=4 * np.sqrt(2 / runs))


def _fast(found, members):
    joint = summarised(found, members).joint.select(slice(len(N)))
    return joint.mean, joint.covariance, joint.degrees_of_freedom
