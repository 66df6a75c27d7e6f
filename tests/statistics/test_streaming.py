"""Moments of a stream are those of its replicates, whatever the portions in which they arrive."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from tokenspace.errors import InputError
from tokenspace.statistics import quantiles, streaming
from tokenspace.statistics.result import summarise
from tokenspace.statistics.streaming import PSI, SEGMENT, Sums, begin, merge, summary, update

N = np.array([1, 2, 7])
ROWS = 3 * SEGMENT + 1234
KERNELS = ("psi_equal", "psi_cross_AA", "psi_cross_BB", "psi_cross_AB")


def replicates(rows=ROWS, seed=0):
    """D that leans to the right and psi's, float32, correlated across n."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((rows, 1))
    out = {"divergence": 5 + np.abs(shared + 0.3 * rng.standard_normal((rows, 3))) * N}
    out |= {k: np.tanh(0.2 * shared + 0.1 * rng.standard_normal((rows, 3))) for k in KERNELS}
    out = {k: v.astype(np.float32) for k, v in out.items()}
    for k in KERNELS[1:]:
        out[k][:, 0] = np.nan  # undefined at n = 1
    return out


def summarised(samples, cuts=()):
    state = begin(N, "psi_equal" in samples)
    rows = len(samples["divergence"])
    for start, end in zip([0, *cuts], [*cuts, rows], strict=True):
        state = update(state, {k: v[start:end] for k, v in samples.items()})
    assert state.count == rows
    return summary(state)


def upsilon(s):
    within = (s["psi_cross_AA"] + s["psi_cross_BB"]) / 2  # float32, as they are drawn
    pairs = np.where(N > 1, within.astype(float) - s["psi_cross_AB"], 0)
    return N * (1 - s["psi_equal"].astype(float)) + N * (N - 1) * pairs


@pytest.mark.parametrize(
    "cuts",
    [
        [1],
        [SEGMENT],
        [SEGMENT - 1, SEGMENT, SEGMENT + 1],
        list(range(777, ROWS, 777)),
        [2 * SEGMENT + 5, 2 * SEGMENT + 6],
    ],
)
def test_any_portions_give_the_same_bits(cuts):
    samples = replicates()
    one, other = summarised(samples), summarised(samples, cuts)
    np.testing.assert_array_equal(one.joint.mean, other.joint.mean)
    np.testing.assert_array_equal(one.joint.covariance, other.joint.covariance)
    np.testing.assert_array_equal(one.sketch.rows, other.sketch.rows)
    for k in PSI:
        np.testing.assert_array_equal(one.psi[k].mean, other.psi[k].mean)
        np.testing.assert_array_equal(one.psi[k].standard_error, other.psi[k].standard_error)


@pytest.mark.parametrize("rows", [2, 3, 100, ROWS])
def test_moments_are_those_of_two_passes(rows):
    samples = replicates(rows)
    found = summarised(samples)
    d = samples["divergence"].astype(float)
    vectors = np.hstack([d, d**2, upsilon(samples)])
    np.testing.assert_allclose(found.joint.mean, vectors.mean(0), rtol=1e-12)
    want = np.cov(vectors.T) / rows
    scale = np.sqrt(np.outer(np.diag(want), np.diag(want)))
    assert np.max(abs(found.joint.covariance - want) / scale) < 1e-12
    assert found.joint.count == rows and found.joint.degrees_of_freedom == rows - 1
    equal = samples["psi_equal"].astype(float)
    np.testing.assert_allclose(found.psi["psi_equal"].mean, equal.mean(0), rtol=1e-12)
    error = equal.std(0, ddof=1) / np.sqrt(rows)
    np.testing.assert_allclose(found.psi["psi_equal"].standard_error, error, rtol=1e-12)


def test_unit_norm_without_psi_is_refused():
    with pytest.raises(ValueError, match="psi=True is needed"):
        begin(np.array([1, 2]), psi=False, unit=True)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("counts", [(1, 1), (1, 40), (40, 3)])
def test_merging_is_exact(full, counts):
    a, b = (np.random.default_rng(c).standard_normal((c, 4)) + 10 * c for c in counts)

    def sums(x):
        centred = x - x.mean(0)
        return Sums(len(x), x.mean(0), centred.T @ centred if full else (centred**2).sum(0))

    both, want = merge(sums(a), sums(b)), sums(np.concatenate([a, b]))
    assert both.count == want.count
    np.testing.assert_allclose(both.mean, want.mean, rtol=1e-12)
    np.testing.assert_allclose(both.scatter, want.scatter, rtol=1e-12, atol=1e-12)


def test_a_result_has_the_standard_deviation_of_its_replicates():
    samples = {"divergence": replicates(50)["divergence"]}
    how = dict.fromkeys(("sampler", "method", "reason", "kernels", "device"), "")
    result = summarise(summarised(samples), seed=None, seconds=0.0, **how)
    d = samples["divergence"].astype(float)
    np.testing.assert_allclose(result.std, d.std(0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(result.standard_error, d.std(0, ddof=1) / np.sqrt(50), rtol=1e-12)
    assert np.all(abs(result.std - 1) > 0.05)  # a variance would be another number


def test_the_geometric_mean_is_that_of_logarithms(monkeypatch):
    """Of all replicates, also of those that quantiles keep in a histogram alone."""
    monkeypatch.setattr(streaming, "SEGMENT", 64)
    monkeypatch.setattr(quantiles, "KEPT", 100)
    monkeypatch.setattr(quantiles, "LEAST_KEPT", 1)
    d = np.random.default_rng(0).lognormal(1, 2, (300, len(N))).astype(np.float32)
    seen = streaming.update(streaming.begin(N, False, logs=True), {"divergence": d})
    found = streaming.summary(seen).geometric
    logs = np.log(d.astype(float))
    np.testing.assert_allclose(found.mean, np.exp(logs.mean(axis=0)), rtol=1e-12)
    relative = found.covariance / np.outer(found.mean, found.mean)
    np.testing.assert_allclose(relative, np.cov(logs.T) / 300, rtol=1e-9)
    assert found.count == 300


def test_how_many_values_are_not_finite_is_said():
    d = np.ones((4, 3), np.float32)
    d[1, 0], d[2, 2] = np.inf, np.nan
    with pytest.raises(InputError, match="not finite in 2 of 12 values"):
        update(begin(N, psi=False), {"divergence": d})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("psi", [False, True])
def test_one_replicate_has_no_error(psi):
    samples = replicates(1) if psi else {"divergence": replicates(1)["divergence"]}
    found = summarised(samples)
    assert np.isnan(found.joint.covariance).all() and found.independent
    assert (found.psi is not None) is psi
    if psi:
        assert np.isnan(found.psi["psi_equal"].standard_error).all()


def test_states_are_values():
    state = begin(N, psi=True)
    for value, name in ((state, "n"), (state.joint, "count"), (summarised(replicates(2)), "n")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 1)


@pytest.mark.parametrize("m", [33, 100, 300])
@pytest.mark.parametrize("psi", [False, True])
def test_memory_is_what_is_said_within_a_factor_of_two(psi, m):
    """Of chi-distributed D with a dozen degrees of freedom, kept first and in histograms then."""
    rng, n = np.random.default_rng(0), np.arange(1, m + 1)
    samples = {"divergence": np.sqrt(rng.chisquare(12, (SEGMENT, m))).astype(np.float32)}
    if psi:
        samples |= {k: rng.uniform(-1, 1, (SEGMENT, m)).astype(np.float32) for k in KERNELS}
    tracemalloc.start()
    try:
        state = begin(n, psi)
        for _ in range(3):
            state = update(state, samples)
        summary(state)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.5 < peak / streaming.bytes_of(m, psi) < 1.1
