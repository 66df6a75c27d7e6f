import sys

import numpy as np
import pytest
from scipy import special

import tokenspace as ts
from models import BRANCHES, N
from oracles import assert_agrees, divergences, sample_pairs
from tokenspace import theory
from tokenspace.covariance.features.base import SMALLEST
from tokenspace.experiments.placement import place
from tokenspace.sampling import plan

GRID = np.array([1, 2, 3, 7, 20, N])
R = 4096
ISO = ts.Isotropic(6)
SPECTRUM = ts.PowerLawSpectrum(6, 1.0)


def draw(model, sampler, statistics=("divergence",), seed=11, replicates=R):
    prepared = plan(model, GRID, sampler, statistics)
    out = place(prepared).sample(seed, 0, -(-replicates // prepared.block))
    return {k: np.asarray(v[:replicates], float) for k, v in out.items()}


def check_moments(model, d):
    root = np.sqrt(len(d))
    d2 = d**2
    assert_agrees(d2.mean(0), d2.std(0) / root, theory.second_moment(model, GRID))
    if model.law.joint_scale:
        assert_agrees(d.mean(0), d.std(0) / root, theory.expected_divergence(model, GRID))


@pytest.mark.every_case
@pytest.mark.parametrize("sampler", ["tokens", "dense", "partial_sums", "collapsed"])
@pytest.mark.parametrize("name", BRANCHES)
def test_moments_of_every_model_and_sampler(name, sampler):
    model = ts.TokenModel(BRANCHES[name], ISO)
    check_moments(model, draw(model, sampler)["divergence"])


@pytest.mark.every_case
@pytest.mark.parametrize("sampler", ["tokens", "dense", "partial_sums", "collapsed"])
@pytest.mark.parametrize("features", [SPECTRUM, ts.Spiked(6, (5.0,)), ts.Isotropic(2)])
def test_moments_of_every_spectrum(features, sampler):
    model = ts.TokenModel(BRANCHES["equicorrelated"], features)
    check_moments(model, draw(model, sampler)["divergence"])


@pytest.mark.parametrize(
    ("name", "law"),  # each law where tokens are Markov and where they are not
    [
        ("equicorrelated", ts.UnitNorm()),
        pytest.param("grid hilbert", ts.UnitNorm(), marks=pytest.mark.once),
        ("power law", ts.StudentT(9.0, "token")),
        pytest.param("shared context", ts.StudentT(9.0, "token"), marks=pytest.mark.once),
        ("shared context", ts.StudentT(7.0)),
        pytest.param("power law", ts.StudentT(7.0), marks=pytest.mark.once),
    ],
)
def test_moments_of_token_laws(name, law):
    model = ts.TokenModel(BRANCHES[name], ISO, law)
    check_moments(model, draw(model, "tokens")["divergence"])


@pytest.mark.parametrize("sampler", ["tokens", "dense"])
def test_scales_of_the_branches_are_independent(sampler):
    """E[D^2] from psi's and c = E[w]^2 / E[w^2]: one w for both branches loses c at psi_equal.

    At n = 1 that is 1 - psi_equal = 0.1 for 1 - c psi_equal = 0.16: tens of standard errors.
    """
    df, psi_equal, psi_within, psi_cross = 9.0, 0.9, 0.2, 0.15
    branches = ts.equicorrelated(psi_equal, psi_within, psi_cross)
    model = ts.TokenModel(branches, ISO, ts.StudentT(df, "token"))
    c = (df / 2 - 1) * np.exp(2 * (special.gammaln((df - 1) / 2) - special.gammaln(df / 2)))
    of_pairs = GRID * (GRID - 1) * c * (psi_within - psi_cross)
    expected = 2 * df / (df - 2) * (GRID * (1 - c * psi_equal) + of_pairs)
    d2 = draw(model, sampler)["divergence"] ** 2
    assert_agrees(d2.mean(0), d2.std(0) / np.sqrt(R), expected)


@pytest.mark.parametrize("statistics", [("divergence",), ("divergence", "correlations")])
@pytest.mark.parametrize("law", [ts.Gaussian(), ts.UnitNorm(), ts.StudentT(9.0, "token")])
@pytest.mark.parametrize("name", ["equicorrelated", "shared context", "block", "product"])
def test_moments_of_wide_tokens(name, law, statistics):
    """Enough features for what a CPU draws by Numba, and not a whole number of its vectors."""
    model = ts.TokenModel(BRANCHES[name], ts.PowerLawSpectrum(19, 1.0), law)
    out = draw(model, "tokens", statistics)
    check_moments(model, out["divergence"])
    if "correlations" in statistics:
        check_psi(model, out)


def test_unit_norm_with_a_spectrum():
    model = ts.TokenModel(BRANCHES["shared context"], SPECTRUM, ts.UnitNorm())
    check_moments(model, draw(model, "tokens")["divergence"])


@pytest.mark.parametrize("name", ["equicorrelated", "fgn 0.3", "grid raster"])
def test_samplers_agree_across_n(name):
    """The correlation of D across n, which no marginal test sees, against dense NumPy sampling."""
    model = ts.TokenModel(BRANCHES[name], SPECTRUM)
    rng = np.random.default_rng(8)
    tokens = sample_pairs(rng, BRANCHES[name], SPECTRUM.eigenvalues, N, R)
    reference, reference_error = batched_correlations(divergences(*tokens, GRID))
    for sampler in ("tokens", "dense", "partial_sums", "collapsed"):
        found, error = batched_correlations(draw(model, sampler)["divergence"])
        assert_agrees(found - reference, np.hypot(error, reference_error), 0.0)


def batched_correlations(d, batches=64):
    """Fisher-transformed correlations between grid points: mean over batches, standard error."""
    upper = np.triu_indices(d.shape[1], 1)
    values = np.array([np.arctanh(np.corrcoef(b.T)[upper]) for b in np.split(d, batches)])
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(batches)


@pytest.mark.parametrize(
    "name", [k for k, b in BRANCHES.items() if b.difference.structure.markov is not None]
)
def test_innovations_are_the_dense_cholesky_factor(name):
    """Same seed, same white noise, same paths: an identity, not a statistical test."""
    model = ts.TokenModel(BRANCHES[name], SPECTRUM)
    fast, dense = (draw(model, s, replicates=8)["divergence"] for s in ("tokens", "dense"))
    np.testing.assert_allclose(fast, dense, rtol=2e-5)


def check_psi(model, out):
    expected = theory.psi(model, GRID, "cosine")
    within = (out["psi_cross_AA"] + out["psi_cross_BB"]) / 2
    for value, target, first in (
        (out["psi_equal"], expected.equal, 0),
        (within, expected.within, 1),
        (out["psi_cross_AB"], expected.cross, 1),
    ):
        value, target = value[:, first:], target[first:]
        # psi's that are the same in every replicate are off by their rounding, which is no chance
        error = np.hypot(value.std(0) / np.sqrt(R), np.finfo(np.float32).eps)
        assert_agrees(value.mean(0), error, target)


@pytest.mark.parametrize("name", ["equicorrelated", "shared context", "power law", "grid hilbert"])
def test_realised_psi(name):
    model = ts.TokenModel(BRANCHES[name], ISO)
    check_psi(model, draw(model, "tokens", ("correlations",)))


@pytest.mark.parametrize("implementation", ["xla", None])
def test_psi_of_the_smallest_tokens_are_those_of_others(monkeypatch, implementation):
    """Cosines know no scale: the squared norms of these tokens reach far below the variance."""
    if implementation:
        monkeypatch.setenv("TOKENSPACE_KERNELS", implementation)
    smallest = ts.TokenModel(BRANCHES["equicorrelated"], ts.Spectrum([SMALLEST / 2] * 2))
    other = ts.TokenModel(BRANCHES["equicorrelated"], ts.Isotropic(2))
    drawn, want = (draw(m, "tokens", ("correlations",)) for m in (smallest, other))
    for name, values in want.items():
        if name.startswith("psi"):
            np.testing.assert_allclose(drawn[name], values, atol=64 * np.finfo("f4").eps)


def test_statistics_path_draws_the_same_divergence():
    model = ts.TokenModel(BRANCHES["shared context"], SPECTRUM)
    alone = draw(model, "tokens", replicates=16)["divergence"]
    with_psi = draw(model, "tokens", ("correlations",), replicates=16)["divergence"]
    np.testing.assert_allclose(alone, with_psi, rtol=3e-5)


@pytest.mark.parametrize("sampler", ["tokens", "dense", "partial_sums", "collapsed"])
def test_blocks_of_an_accelerator_draw_the_same(monkeypatch, sampler):
    """More replicates at once, as on a GPU, from the same keys."""
    of_plan = sys.modules["tokenspace.sampling.plan"]
    model = ts.TokenModel(BRANCHES["exponential"], ts.Isotropic(300))
    prepared = plan(model, GRID, sampler)
    block = prepared.block
    few = place(prepared).sample(5, 0, -(-64 // block))["divergence"]
    monkeypatch.setattr(of_plan, "BLOCK_ELEMENTS", {})
    assert prepared.block > block or block == of_plan.LARGEST_BLOCK
    at_once = place(prepared).sample(5, 0, 1)["divergence"]
    np.testing.assert_allclose(at_once[:64], few[:64], rtol=1e-5)


def test_sum_of_terms():
    model = ts.TokenModel(BRANCHES["equicorrelated"], ts.Spectrum((1.0, 0.5, 0.0))) + ts.TokenModel(
        ts.Branches(ts.Exponential(6.0)), ts.Spectrum((0.0, 0.3, 0.9))
    )
    for sampler in ("tokens", "dense", "partial_sums", "collapsed"):
        check_moments(model, draw(model, sampler)["divergence"])


SUMS = {
    "Markov": ("equicorrelated", "exponential"),
    "of lags": ("power law", "equicorrelated"),
    "a picture": ("grid hilbert", "shared context"),
}


@pytest.mark.parametrize("sampler", ["tokens", "dense"])
@pytest.mark.parametrize("names", SUMS.values(), ids=SUMS)
def test_realised_psi_of_a_sum(names, sampler):
    """Features of both terms and of one alone, so that each has a correlation of its own."""
    a, b = (BRANCHES[name] for name in names)
    model = ts.TokenModel(a, ts.Spectrum((1.0, 0.5, 0.0))) + ts.TokenModel(
        b, ts.Spectrum((0.0, 0.3, 0.9))
    )
    out = draw(model, sampler, ("divergence", "correlations"))
    check_psi(model, out)
    check_moments(model, out["divergence"])


def test_psi_of_a_sum_come_with_the_same_divergence():
    model = ts.TokenModel(BRANCHES["power law"], SPECTRUM) + ts.TokenModel(
        BRANCHES["grid hilbert"], ISO
    )
    alone = draw(model, "tokens", replicates=16)["divergence"]
    with_psi = draw(model, "tokens", ("correlations",), replicates=16)["divergence"]
    np.testing.assert_allclose(alone, with_psi, rtol=3e-5)


def test_psi_of_more_terms_than_streams_are_refused():
    many = ts.SumModel((ts.TokenModel(BRANCHES["equicorrelated"], ts.Isotropic(1)),) * 1001)
    with pytest.raises(ts.errors.UnsupportedSampler, match="at most 1000 terms"):
        plan(many, GRID, "auto", ("correlations",))


def test_auto_says_why():
    iso = plan(ts.TokenModel(BRANCHES["equicorrelated"], ISO), GRID)
    assert iso.name == "collapsed" and "only D(n)" in iso.reason
    wide = plan(ts.TokenModel(BRANCHES["equicorrelated"], ts.PowerLawSpectrum(64, 1.0)), GRID)
    assert wide.name == "partial_sums"
    psi = plan(ts.TokenModel(BRANCHES["equicorrelated"], ISO), GRID, "auto", ("correlations",))
    assert psi.name == "tokens" and "psi" in psi.reason


def test_refuses_what_a_sampler_cannot_do():
    model = ts.TokenModel(BRANCHES["equicorrelated"], ISO, ts.UnitNorm())
    with pytest.raises(ts.errors.UnsupportedSampler, match="use 'tokens'"):
        plan(model, GRID, "collapsed")
    with pytest.raises(ts.errors.UnsupportedSampler, match="must be one of"):
        plan(model, GRID, "fast")
    with pytest.raises(ts.errors.UnsupportedSampler, match="statistics"):
        plan(model, GRID, "auto", ("entropy",))


class Untrue(ts.Stationary):
    """Said to be valid, and not so."""

    structure = ts.Structure(at_lag=lambda lag: np.where(lag == 0, 1.0, -0.9), valid=True)

    def at_lag(self, lag):
        return self.structure.at_lag(lag)


@pytest.mark.parametrize("sampler", ["dense", "tokens", "collapsed", "partial_sums"])
def test_a_covariance_that_is_not_what_it_says(sampler):
    model = ts.TokenModel(ts.Branches(Untrue()), ISO)
    with pytest.raises(ts.TokenspaceError, match="is said to be valid"):
        plan(model, [1, 2, 5], sampler)


def test_choose_refuses_what_is_no_model():
    for arguments in ((None, 8), (ts.TokenModel(BRANCHES["white"], ISO), 8, "correlations")):
        with pytest.raises(ts.TokenspaceError, match="must be"):
            ts.choose(*arguments)


def test_cost_follows_the_structure():
    """Dense where nothing is known, far below it where something is."""

    def each(covariance, n=1024):
        model = ts.TokenModel(ts.Branches(covariance), ISO)
        normals, multiply_adds = ts.choose(model, n, sampler="tokens").cost
        return multiply_adds / normals

    side = ts.Exponential(3.0)
    grid = ts.PatchGrid(32, 32, side, side)
    assert each(ts.PowerLaw(0.4)) < each(grid) < 100 < each(grid * side) == 1024
    assert each(0.5 * grid + 0.5 * ts.PowerLaw(0.4)) == each(grid)
