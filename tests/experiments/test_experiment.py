import numpy as np
import pytest

import tokenspace as ts
from oracles import realised_psi
from tokenspace import theory
from tokenspace.errors import InputError, Interrupted
from tokenspace_kernels import dispatch

MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(64))


@pytest.mark.parametrize("sampler", ["tokens", "dense", "partial_sums", "collapsed"])
def test_same_seed_same_result_whatever_the_batch(sampler):
    results = [
        ts.simulate(MODEL, 40, 300, seed=5, sampler=sampler, batch_size=size)
        for size in (1, 7, 300)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].mean, other.mean)
        np.testing.assert_array_equal(results[0].quantiles, other.quantiles)
    assert not np.array_equal(results[0].mean, ts.simulate(MODEL, 40, 300, 6, sampler).mean)


def test_every_bit_of_a_seed_changes_the_draws():
    seeds = [0, *(1 << bit for bit in range(64))]
    means = [float(ts.simulate(MODEL, [4], 4, seed=seed).mean[0]) for seed in seeds]
    assert len(set(means)) == len(seeds)


def test_a_longer_run_begins_with_the_shorter_one():
    long = ts.simulate(MODEL, [1, 9], 2, sampler="tokens")
    first = ts.simulate(MODEL, [1, 9], 1, sampler="tokens")
    # two values lie std / sqrt(2) on either side of their mean
    np.testing.assert_allclose(abs(first.mean - long.mean), long.std / np.sqrt(2), rtol=1e-5)
    assert first.replicates == 1 and np.all(np.isnan(first.standard_error))


def test_target_relative_error_stops():
    result = ts.simulate(MODEL, 64, 1_000_000, target_relative_error=0.005)
    assert result.replicates < 100_000 and "stopped" in result.notes[0]
    assert np.max(result.standard_error / result.mean) < 0.005
    late = ts.simulate(MODEL, 64, 100, target_relative_error=1e-6)
    assert "not below 1e-06" in late.notes[0]


def test_a_target_is_judged_at_the_same_counts_whatever_the_batch():
    counts = {
        ts.simulate(MODEL, 16, 10_000, batch_size=size, target_relative_error=0.004).replicates
        for size in (1, 100, 3000)
    }
    assert len(counts) == 1 and counts < {128, 160, 200, 250, 312, 390, 487, 608, 760, 950}
    assert ts.simulate(MODEL, 16, 10_000, target_relative_error=0.9).replicates == 128


def test_equal_experiments_stop_alike_after_an_interruption():
    whole = ts.simulate(MODEL, 16, 5000, target_relative_error=0.002)
    with pytest.raises(Interrupted) as caught:
        ts.simulate(MODEL, 16, 5000, batch_size=64, target_relative_error=0.002, stop=lambda: True)
    kept = caught.value.seen
    assert 0 < kept.count < whole.replicates
    again = ts.simulate(MODEL, 16, 5000, target_relative_error=0.002, begun=kept)
    assert again.replicates == whole.replicates
    np.testing.assert_array_equal(again.covariance, whole.covariance)
    np.testing.assert_array_equal(again.quantiles, whole.quantiles)


def test_result_says_how_it_was_made():
    seen = []
    result = ts.simulate(MODEL, 64, 500, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (500, 500)
    assert result.sampler == "collapsed" and result.reason and result.device
    assert result.versions["jax"] and result.seed == 0
    assert result.covariance.shape == (len(result.n),) * 2


def test_exponents_and_balance_against_theory():
    result = ts.simulate(MODEL, 512, 20_000)
    beta = 1.3
    alpha = result.secant_exponent(beta)
    z = (alpha.mean - theory.alpha(MODEL, alpha.n, beta)) / alpha.standard_error
    assert np.max(abs(z)) < 4.5
    balance = result.n_balance()
    assert abs(balance.mean - theory.n_balance(MODEL)) < 4 * balance.standard_error
    assert balance.interval[0] < balance.mean < balance.interval[1]
    white = ts.simulate(
        ts.TokenModel(ts.equicorrelated(0.2, 0.1, 0.1), ts.Isotropic(64)), 512, 4000
    )
    assert white.n_balance().interval[1] == np.inf


def test_errors_use_the_covariance_across_n():
    """Standard errors of slopes must match their spread over repeated experiments."""
    runs = [ts.simulate(MODEL, [4, 8, 16, 32], 200, seed=s).local_exponent() for s in range(150)]
    spread = np.std([r.mean for r in runs], axis=0, ddof=1)
    stated = np.mean([r.standard_error for r in runs], axis=0)
    # The standard deviation of 150 values is known to 1 / sqrt(2 * 149) = 5.8 %.
    assert np.all(abs(np.log(spread / stated)) < 4 * 0.058)


def test_given_tokens_take_the_same_path():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 30, 8)) + 0.2
    result = ts.measure(a, b, [2, 10, 30])
    psi = np.array([realised_psi(x, y, 30) for x, y in zip(a, b, strict=True)]).mean(0)
    names = ("psi_equal", "psi_within", "psi_cross")
    np.testing.assert_allclose([result.correlations[k].mean[-1] for k in names], psi, atol=1e-6)
    assert result.replicates == 4
    shuffled = ts.measure(a, b, [2, 10, 30], order="random", seed=1)
    np.testing.assert_allclose(shuffled.mean[-1], result.mean[-1], rtol=1e-5)
    assert not np.allclose(shuffled.mean[0], result.mean[0])
    reverse = ts.measure(a, b, [2, 10, 30], order=np.arange(30)[::-1])
    np.testing.assert_allclose(reverse.mean, ts.measure(a[:, ::-1], b[:, ::-1], [2, 10, 30]).mean)


@pytest.mark.parametrize("implementation", dispatch.implementations("measure"))
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "tokens b[1, 61, 3] = nan is not finite (1 such value)"),
        (-np.inf, "tokens b[1, 61, 3] = -inf is not finite (1 such value)"),
        (0.0, "tokens b[1, 61] is all zero (1 such token)"),
        (3e30, "float32 loses digits"),
        (1e-30, "float32 loses digits"),
    ],
)
def test_bad_tokens_are_found_and_named(monkeypatch, implementation, value, words):
    monkeypatch.setenv(dispatch.VARIABLE, implementation)
    a, b = np.random.default_rng(0).standard_normal((2, 2, 80, 5), dtype=np.float32)
    b[1, 61] = 0.0
    b[1, 61, 3] = value
    in_float64 = implementation == "reference" and 0 < value < np.inf
    for measure in (ts.measure, ts.correlations):
        if in_float64:  # the reference has range to spare
            measure(a, b, [2, 62, 70])
            continue
        with pytest.raises(InputError) as caught:
            measure(a, b, [2, 62, 70])
        assert words in str(caught.value)
    ts.measure(a, b, [2, 61])  # the token is not asked for
    if words.startswith("tokens"):
        with pytest.raises(InputError) as caught:
            ts.measure(a, b, order="random")
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ts.simulate("x", 5, 5), "must be a TokenModel"),
        (lambda: ts.simulate(MODEL, [3, 2], 5), "must ascend"),
        (lambda: ts.simulate(MODEL, [0, 2], 5), "grid"),
        (lambda: ts.simulate(MODEL, 5, 0), "replicates = 0"),
        (lambda: ts.simulate(MODEL, 5, 2.5), "replicates = 2.5"),
        (lambda: ts.simulate(MODEL, 5, 5, seed=-1), "seed = -1"),
        (lambda: ts.simulate(MODEL, 5, 5, target_relative_error=2), "target_relative_error"),
        (lambda: ts.divergence(np.ones((3, 2)), np.ones((4, 2)), 3), "one shape"),
        (lambda: ts.divergence(np.ones((3, 2)), np.full((3, 2), np.nan), 3), "not finite"),
        (lambda: ts.divergence(np.ones((3, 2)), np.ones((3, 2)), [5]), "there are 3 tokens"),
        (lambda: ts.correlations(np.zeros((3, 2)), np.ones((3, 2)), 3), "all zero"),
        (lambda: ts.divergence(np.array([["a"]]), np.ones((1, 1)), 1), "real numbers"),
        (lambda: ts.measure(np.ones((3, 2)), np.ones((3, 2)), order="zigzag"), "zigzag"),
        (lambda: ts.measure(np.ones((3, 2)), np.ones((3, 2)), order=[0, 0, 1]), "once"),
    ],
)
def test_refuses_with_words(call, words):
    with pytest.raises(ts.TokenspaceError) as caught:
        call()
    assert words in str(caught.value)
