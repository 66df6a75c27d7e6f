"""Large sizes in float32 against float64, and parameters at the edge of what is allowed."""

import numpy as np
import pytest
from scipy import signal

import tokenspace as ts
from oracles import assert_agrees, divergences
from tokenspace import kernels
from tokenspace.errors import InputError
from tokenspace_kernels import dispatch

MILLION = 1_000_000


@pytest.mark.parametrize(("tokens", "dim"), [(MILLION, 8), (2000, 16_384)])
def test_given_tokens_at_a_million_and_at_many_features(monkeypatch, tokens, dim):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((tokens, dim), dtype=np.float32) + np.float32(0.3)
    b = rng.standard_normal((tokens, dim), dtype=np.float32)
    grid = np.array([1, 1000, tokens])
    exact = divergences(a.astype(float), b.astype(float), grid)
    u, v = (h.astype(float) / np.linalg.norm(h.astype(float), axis=1)[:, None] for h in (a, b))
    pairs = tokens * (tokens - 1.0)
    within = (np.sum(u.sum(0) ** 2) + np.sum(v.sum(0) ** 2) - 2 * tokens) / (2 * pairs)
    cross = (u.sum(0) @ v.sum(0) - np.sum(u * v)) / pairs
    # Each psi is a difference of sums of about n^2 psi: relative to those, 1e-5 of float32 holds.
    size = np.sum(u.sum(0) ** 2) / pairs + 1 / tokens
    for implementation in dispatch.implementations("measure"):
        if implementation == "reference":
            continue
        monkeypatch.setenv(dispatch.VARIABLE, implementation)
        np.testing.assert_allclose(ts.divergence(a, b, grid), exact, rtol=1e-5)
        psi = ts.correlations(a, b, [tokens])
        assert abs(psi["psi_within"][0] - within) < 1e-5 * size
        assert abs(psi["psi_cross"][0] - cross) < 1e-5 * size


BRANCHES = {
    "equicorrelated": ts.equicorrelated(0.2, 0.3, 0.1),
    "AR(1)": ts.Branches(ts.Exponential(1000.0)),
    "power law": ts.Branches(ts.PowerLaw(0.3)),
    "fGn": ts.Branches(ts.FractionalGaussianNoise(0.9)),
    "blocks": ts.Branches(ts.Block(4096)),
    "forgets at blocks": ts.Branches(ts.Block(4096) * ts.Exponential(500.0)),
    "blocks in blocks": ts.Branches(ts.Block(30) * ts.Block(4096) * ts.PowerLaw(0.4)),
}


@pytest.mark.parametrize("sampler", ["collapsed", "partial_sums"])
@pytest.mark.parametrize("name", BRANCHES)
def test_a_million_tokens_of_many_features(name, sampler):
    model = ts.TokenModel(BRANCHES[name], ts.Isotropic(16_384))
    r = ts.simulate(model, ts.log_grid(MILLION, 9), 64, 1, sampler)
    exact = ts.theory.expected_divergence(model, r.n)
    assert_agrees(r.mean, np.sqrt(r.standard_error**2 + (1e-6 * exact) ** 2), exact)


def test_a_million_tokens_one_by_one():
    """The recursion of AR(1) in float64 on the same white noise: an identity."""
    model, grid = ts.TokenModel(BRANCHES["AR(1)"], ts.Isotropic(4)), ts.log_grid(MILLION, 9)
    r = ts.simulate(model, grid, 1, 1, "tokens", max_memory=20_000)  # and not 512 replicates
    z = np.array(kernels.normals(kernels.replicate_keys(1, 0, 1)[0], 0, MILLION, 4), float)
    rho = np.exp(-1 / 1000)
    z[1:] *= np.sqrt(1 - rho**2)
    x = signal.lfilter([1.0], [1.0, -rho], z, axis=0)
    sums = np.cumsum(x, axis=0)[grid - 1] * np.sqrt(2 * model.features.eigenvalues)
    np.testing.assert_allclose(r.mean, np.linalg.norm(sums, axis=1), rtol=1e-5)


EDGES = {
    "psi_within just valid": ts.equicorrelated(0.2, 0.1 + 1e-9, 0.1),
    "psi_within at 1": ts.equicorrelated(0.0, 1.0, 0.0),
    "branches almost alike": ts.equicorrelated(1 - 1e-6, 0.5, 0.5 - 1e-7),
    "negative, just valid": ts.equicorrelated(0.0, -1 / 127 + 1e-9, 0.0),
    "length near 0": ts.Branches(ts.Exponential(1e-6)),
    "length far above N": ts.Branches(ts.Exponential(1e9)),
    "Matern far above N": ts.Branches(ts.Matern(2.5, 1e5)),
    "squared exponential above N": ts.Branches(ts.SquaredExponential(1e3)),
    "Hurst near 0": ts.Branches(ts.FractionalGaussianNoise(0.001)),
    "Hurst near 1": ts.Branches(ts.FractionalGaussianNoise(0.999)),
    "decay near 0": ts.Branches(ts.PowerLaw(1e-6)),
    "decay large": ts.Branches(ts.PowerLaw(50.0)),
    "mixture small": ts.Branches(ts.RationalQuadratic(10.0, 1e-3)),
    "block of all": ts.Branches(ts.Block(10**9)),
}


@pytest.mark.parametrize("sampler", ["collapsed", "partial_sums", "tokens"])
@pytest.mark.parametrize("name", EDGES)
def test_parameters_at_the_edge(name, sampler):
    """Float32 sampling agrees with float64 theory; errors below 1e-5 of E[D] are rounding."""
    model = ts.TokenModel(EDGES[name], ts.Isotropic(32))
    r = ts.simulate(model, ts.log_grid(128, 9), 1500, 2, sampler)
    exact = ts.theory.expected_divergence(model, r.n)
    assert_agrees(r.mean, np.sqrt(r.standard_error**2 + (1e-5 * exact) ** 2), exact)


def test_heavy_tails():
    """df near 1: D has a mean and no variance, so the median is compared instead of the mean."""
    from scipy import stats

    df = 1.05
    model = ts.TokenModel(BRANCHES["equicorrelated"], ts.Isotropic(512), ts.StudentT(df))
    r = ts.simulate(model, [64], 20_000, 3)
    exact = np.sqrt(ts.theory.upsilon(model, 64) * 2 * df / stats.chi2.ppf(0.5, df))
    median = r.quantiles[r.quantile_levels.index(0.5)]
    # The norm of 512 features varies by 1/sqrt(2 * 512); the scale has the density of a t variate.
    scale = np.sqrt(df / stats.chi2.rvs(df, size=200_000, random_state=0))
    spread = np.diff(np.quantile(scale, [0.49, 0.51]))[0] / np.quantile(scale, 0.5) / 0.02
    assert_agrees(median / exact, np.array([spread * 0.5 / np.sqrt(20_000)]), 1.0)
    assert r.mean > 0 and np.isfinite(r.mean).all()
    check = ts.simulate(model, [8, 64], 100).check()
    assert check.verdict == "UNDECIDED" and check.amplitude.name == "median D"
    np.testing.assert_allclose(check.amplitude.theoretical[1], exact, rtol=5e-3)  # d is finite


class OwnCovariance(ts.Covariance):
    """One's own class that states K alone, of tokens that forget ever more slowly."""

    structure = ts.covariance.Structure(valid=True)

    def __call__(self, i, j):
        return np.exp(-abs(np.sqrt(i + 1) - np.sqrt(j + 1)))


@pytest.mark.parametrize(
    ("branches", "words"),
    [
        (ts.Branches(ts.PowerLaw(0.4)), "limited to n = 134,217,728"),
        (ts.Branches(ts.Block(7) * ts.Exponential(9.0)), "limited to n = 134,217,728"),
        (ts.Branches(OwnCovariance()), "limited to n = 200,000"),
        (ts.Branches(ts.Exponential(8.0), 0.5 * ts.Exponential(4.0)), "cannot be checked at n"),
    ],
)
def test_sizes_that_would_never_end_are_refused(branches, words):
    """What would take hours or all memory is refused at once, with the limit."""
    with pytest.raises(InputError, match=words):
        ts.simulate(ts.TokenModel(branches, ts.Isotropic(4)), 2**31 - 2, 10)


def test_the_largest_size_of_closed_forms():
    for branches in (BRANCHES["equicorrelated"], BRANCHES["fGn"], BRANCHES["blocks"]):
        model = ts.TokenModel(branches, ts.Isotropic(16_384))
        r = ts.simulate(model, ts.log_grid(2**31 - 2, 7), 100, 4)
        exact = ts.theory.expected_divergence(model, r.n)
        assert_agrees(r.mean, np.sqrt(r.standard_error**2 + (1e-6 * exact) ** 2), exact)


def test_validity_of_a_markov_difference_ends_once_it_repeats():
    from tokenspace.covariance.innovations import largest_valid_n

    assert largest_valid_n(ts.Exponential(8.0) - 0.5 * ts.Exponential(4.0), 10**9) == 10**9
    invalid = ts.Exponential(2.0) - 0.5 * ts.Exponential(8.0)
    dense = np.linalg.eigvalsh(invalid.dense(64))[0]
    assert dense < 0 and largest_valid_n(invalid, 10**9) < 64
