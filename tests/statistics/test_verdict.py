import dataclasses

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.statistics.estimate import Moments

MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(64))
RESULT = ts.simulate(MODEL, 256, 20_000)


def shifted(factor):
    """RESULT as if D had been measured `factor` too large at each n."""
    d = RESULT.divergence
    moved = Moments(d.mean * factor, d.covariance, d.count)
    return dataclasses.replace(RESULT, divergence=moved)


def test_agreement_passes_and_names_regimes():
    check = RESULT.check()
    assert check.verdict == "PASS" and check.passed and "0.02" in check.reason
    assert check.regimes_theoretical[0] == "crossover" and check.regimes_theoretical[-1] == "linear"
    assert "PASS" in str(check) and check.to_dict()["verdict"] == "PASS"


def test_wrong_amplitude_fails():
    assert shifted(1.05).check(0.02).verdict == "FAIL"


def test_wrong_exponent_fails():
    assert shifted((RESULT.n / 16.0) ** 0.05).check(0.02).verdict == "FAIL"
    other = ts.TokenModel(ts.equicorrelated(0.2, 0.29, 0.1), ts.Isotropic(64))
    assert dataclasses.replace(RESULT, model=other).check(0.01).verdict == "FAIL"


def test_too_few_replicates_is_undecided_and_says_how_many_would_do():
    few = ts.simulate(MODEL, 256, 40)
    check = few.check(0.005)
    assert check.verdict == "UNDECIDED" and check.replicates_needed > 40
    assert ts.simulate(MODEL, 256, check.replicates_needed).check(0.005).verdict == "PASS"


def test_false_alarms_are_rare():
    """At a tolerance that the truth sits on the inside of, FAIL must be rare."""
    verdicts = [ts.simulate(MODEL, 64, 100, seed=s).check(0.001).verdict for s in range(100)]
    assert verdicts.count("FAIL") <= 12  # 5 % expected at most; P(more than 12) < 0.002


def test_heavy_tails_are_undecided():
    heavy = ts.TokenModel(MODEL.branches, MODEL.features, ts.StudentT(1.8))
    check = ts.simulate(heavy, 64, 1000).check()
    assert check.verdict == "UNDECIDED" and "infinite variance" in check.reason


def test_token_laws_are_checked_by_their_second_moment():
    model = ts.TokenModel(MODEL.branches, MODEL.features, ts.UnitNorm())
    check = ts.simulate(model, 32, 3000).check(0.05)
    assert check.amplitude.name == "rms D" and check.verdict == "PASS"


def test_block_tokens_have_exact_slopes_without_noise():
    model = ts.TokenModel(ts.Branches(ts.Block(16)), ts.Isotropic(64))
    check = ts.simulate(model, 64, 4000).check()
    assert check.verdict == "PASS" and np.all(np.isfinite(check.exponent.z))


def test_refuses():
    with pytest.raises(ts.TokenspaceError, match="tolerance"):
        RESULT.check(-1)
    with pytest.raises(ts.TokenspaceError, match="needs a model"):
        dataclasses.replace(RESULT, model=None).check()


def test_a_tolerance_beyond_any_run():
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(8))
    check = ts.simulate(model, [1, 4, 16], 64).check(5e-324)
    assert check.verdict in ("UNDECIDED", "FAIL") and check.replicates_needed is None
