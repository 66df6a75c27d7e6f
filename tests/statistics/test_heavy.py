"""Tails without a variance: the median is the amplitude, exponents come from the geometric mean."""

import dataclasses
import tomllib

import numpy as np
import pytest
from folders import to_format_2

import tokenspace as ts
from tokenspace.experiments.results import load_results
from tokenspace.experiments.sweep import run_sweep

MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(64), ts.StudentT(1.5))
CONFIG = """
[tokens]
count = 16
points = 5
[features]
model = "isotropic"
dim = 8
[branches]
model = "equicorrelated"
psi_equal = 0.2
psi_within = 0.3
psi_cross = 0.1
[law]
model = "student_t"
df = 1.5
[run]
replicates = 40
"""


@pytest.fixture(scope="module")
def result():
    return ts.simulate(MODEL, [1, 4, 16, 64], 400, 2)


def test_exponents_do_not_see_the_scale_that_a_replicate_shares(result):
    """Their errors are those of Gaussian tokens of as many features, not those of medians."""
    slopes = result.local_exponent()
    gaussian = dataclasses.replace(MODEL, law=ts.Gaussian())
    want = ts.simulate(gaussian, [1, 4, 16, 64], 400, 3).local_exponent()
    np.testing.assert_allclose(slopes.standard_error, want.standard_error, rtol=0.2)
    name, median = result.amplitude()
    assert name == "median D"
    assert np.min(median.standard_error / median.mean) > 5 * np.max(slopes.standard_error)


def test_check_compares_medians_and_those_exponents(result):
    check = result.check(0.3)
    assert check.amplitude.name == "median D" and check.verdict == "PASS"
    np.testing.assert_array_equal(check.exponent.empirical, result.local_exponent().mean)


def test_stored_and_read_back(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    run_sweep(config, tmp_path / "out")
    ((_, read),) = load_results(tmp_path / "out")
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(8), ts.StudentT(1.5))
    want = ts.simulate(model, read.n, 40)
    for name in ("median", "geometric"):
        np.testing.assert_array_equal(getattr(read, name).mean, getattr(want, name).mean)
    assert read.n_balance().interval == want.n_balance().interval


def test_of_format_2_there_is_no_error_of_the_median(tmp_path):
    config = tomllib.loads(CONFIG)
    run_sweep(config, tmp_path)
    to_format_2(tmp_path, config)
    ((_, read),) = load_results(tmp_path)
    check = read.check()
    assert check.verdict == "UNDECIDED" and "earlier format" in check.reason
    assert set(check.regimes_empirical) == {"-"}


def test_a_target_needs_a_variance():
    with pytest.raises(ts.TokenspaceError, match="D has no variance"):
        ts.simulate(MODEL, [1, 4], 1000, target_relative_error=0.1)
    assert "see its median" in ts.simulate(MODEL, [1, 4], 10).notes[-1]
