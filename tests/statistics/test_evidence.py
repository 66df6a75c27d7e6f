"""The statement about a whole sweep: independent z-scores, and what chance makes of them."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import special, stats

from tokenspace.statistics.estimate import Moments
from tokenspace.statistics.evidence import (
    FLOOR,
    Evidence,
    Witness,
    evidence,
    step_down,
)

GRID = np.array([1.0, 4, 16, 64, 256])


def moments(values):
    """Mean of values (R, m) and its covariance."""
    return Moments(values.mean(0), np.cov(values.T) / len(values), len(values))


def z_of(values, expected, wrong=1.0):
    """z-scores of D (R, m) as a report makes them, with errors that are `wrong` times too large."""
    found = moments(values)
    relative = found.covariance / np.outer(found.mean, found.mean) * wrong**2
    return step_down(np.log(found.mean / expected), relative, len(values) - 1)


def divergences(rng, points, replicates, d, balance=3.0):
    """D of an equicorrelated model, (points, R, m), and E[D] (m,)."""
    covariance = np.minimum.outer(GRID, GRID) + np.outer(GRID, GRID) / balance
    z = rng.standard_normal((points, replicates, len(GRID), d))
    sums = np.einsum("ab,prbk->prak", np.linalg.cholesky(covariance), z)
    chi = math.sqrt(2) * math.exp(special.gammaln((d + 1) / 2) - special.gammaln(d / 2))
    return np.linalg.norm(sums, axis=-1), np.sqrt(np.diag(covariance)) * chi


def test_each_score_is_the_intercept_of_a_regression():
    """t of the intercept when a column is regressed on those before, from the textbook's formula."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((12, 5)) @ rng.standard_normal((5, 5)) + 0.3
    found = moments(y)
    z = step_down(found.mean, found.covariance, 11)
    order = [4, 0, 2, 1]
    for k, place in enumerate(order):
        design = np.column_stack([np.ones(12), y[:, order[:k]]])
        coefficients, residual, *_ = np.linalg.lstsq(design, y[:, place])
        freedom = 12 - design.shape[1]
        error = math.sqrt(residual[0] / freedom * np.linalg.inv(design.T @ design)[0, 0])
        t = coefficients[0] / error
        assert z[k] == pytest.approx(stats.norm.ppf(stats.t.cdf(t, freedom)), rel=1e-9)


@pytest.mark.once
@pytest.mark.parametrize("replicates", [10, 100])
@pytest.mark.parametrize("d", [4, 64])
def test_scores_are_standard_normal_and_independent(replicates, d):
    """But for D that leans: 10 replicates of 4 features have means of z of about -0.05."""
    points = 2000 if replicates == 10 else 500
    rng = np.random.default_rng([replicates, d])
    values, expected = divergences(rng, points, replicates, d)
    z = np.array([z_of(v, expected) for v in values])
    assert z.shape == (points, 4)
    noise = 3.5 / math.sqrt(points)
    leaning = 0.2 / math.sqrt(replicates * d / 4)
    assert np.all(abs(z.mean(0)) < leaning + noise)
    assert np.all(abs(z.std(0) - 1) < 0.02 + noise / math.sqrt(2))
    for both in (z, abs(z)):
        assert np.all(abs(np.corrcoef(both.T)[~np.eye(4, dtype=bool)]) < noise)
    sweeps = [
        evidence([Witness("", k, "", row) for k, row in enumerate(part)])
        for part in np.split(z, points // 50)
    ]
    assert sum(s.p_value < 0.05 for s in sweeps) <= stats.binom.ppf(0.999, len(sweeps), 0.05)


@pytest.mark.parametrize("replicates", [10, 100])
@pytest.mark.parametrize("d", [4, 64])
@pytest.mark.parametrize("wrong", [1 / 1.5, 1.5])
def test_wrong_errors_are_found_in_fifty_points(replicates, d, wrong):
    values, expected = divergences(np.random.default_rng(1), 50, replicates, d)
    witnesses = [Witness("", k, "PASS", z_of(v, expected, wrong)) for k, v in enumerate(values)]
    found = evidence(witnesses)
    assert found.p_value < 1e-5 and min(found.p_values, key=found.p_values.get) == "spread"
    if replicates > 10:  # with few, Student's t takes part of a large deviation for chance
        assert found.std * wrong == pytest.approx(1, abs=0.15)
    low, high = found.chance()["std"]
    assert found.std < low if wrong > 1 else found.std > high


@pytest.mark.once
def test_true_sweeps_have_the_p_values_of_chance():
    rng = np.random.default_rng(2)
    sweeps = [Evidence(50, 0, z, {}, ()) for z in rng.standard_normal((600, 150))]
    p = np.array([s.p_value for s in sweeps])
    low, high = stats.binom.ppf([0.001, 0.999], len(p), 0.05)
    assert low <= np.sum(p < 0.05) <= high and np.sum(p < 1e-3) <= 4
    for name in ("mean", "std", "beyond"):
        inside = [s.chance()[name][0] <= getattr(s, name) <= s.chance()[name][1] for s in sweeps]
        assert 0.92 < np.mean(inside) < 0.985


@pytest.mark.parametrize("name", ["mean", "spread", "shape"])
def test_each_departure_has_its_name(name):
    z = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    odd = {"mean": z + 0.3, "spread": 1.4 * z, "shape": np.where(z > 0, 1.0, -1.0)}[name]
    found = Evidence(100, 0, odd, {}, ())
    assert min(found.p_values, key=found.p_values.get) == name and found.p_value < 1e-4
    assert found.p_value == pytest.approx(3 * found.p_values[name])
    assert Evidence(100, 0, z, {}, ()).p_value == 1


def test_what_varies_only_by_rounding_gives_no_score():
    covariance = np.diag([4 * FLOOR, FLOOR / 2])
    assert len(step_down(np.zeros(2), covariance, 9)) == 1
    tied = np.full((2, 2), 1e-4) + np.diag([0, FLOOR / 2])
    assert len(step_down(np.zeros(2), tied, 9)) == 1
    assert len(step_down(np.zeros(3), np.eye(3), 1.0)) == 1  # nothing left to estimate a second by
    assert len(step_down(np.zeros(33), np.eye(33), 99.0)) == 4


def test_the_last_first_middle_and_quarter_of_a_grid_are_taken():
    """Of independent deviations each score stands for its own."""
    off = np.linspace(-0.3, 0.3, 33)
    z = step_down(off, np.diag(np.full(33, 1e-2)), 1e6)
    np.testing.assert_allclose(z, off[[32, 0, 16, 8]] / 0.1, rtol=1e-3)
    assert len(step_down(off[:2], np.diag([1e-2, 1e-2]), 99.0)) == 2


def test_chance_is_that_of_normal_scores():
    """95 % ranges of mean, standard deviation and the share beyond 2 of 40 scores."""
    chance = Evidence(40, 0, np.zeros(40), {}, ()).chance()
    draws = np.random.default_rng(0).standard_normal((100_000, 40))
    seen = {
        "mean": draws.mean(axis=1),
        "std": draws.std(axis=1, ddof=1),
        "beyond": np.mean(abs(draws) > 2, axis=1),
    }
    for name, values in seen.items():
        want = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
        np.testing.assert_allclose(chance[name], want, atol=0.004)
    two = Evidence(2, 0, np.zeros(2), {}, ()).chance()["std"]
    np.testing.assert_allclose(two, np.sqrt(stats.chi2.ppf([0.025, 0.975], 1)))


def test_statements_are_values():
    for value in (Evidence(2, 0, np.zeros(2), {}, ()), Witness("a", 1, "PASS", np.zeros(0))):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.z = 0


def test_far_off_is_still_a_number():
    z = step_down(np.array([-1e3, 1e3]), np.diag([1e-6, 1e-6]), 1e6)
    assert np.all(np.isfinite(z)) and z[0] > 30


def test_points_that_share_a_seed_give_no_p_value():
    z = np.array([0.5, -0.5])
    found = evidence([Witness(n, s, "FAIL", z) for n, s in (("a", 1), ("b", 2), ("c", 1))])
    assert found.shared == ((1, ("a", "c")),) and found.p_values == {}
    assert math.isnan(found.p_value) and math.isnan(found.fail_p_value)
    assert found.to_dict()["shared"] == [{"seed": 1, "points": ["a", "c"]}]


def test_fails_are_held_against_five_per_cent():
    found = Evidence(40, 6, np.zeros(0), {}, ())
    assert found.fail_p_value == pytest.approx(
        sum(stats.binom.pmf(k, 40, 0.05) for k in range(6, 41))
    )
    some = Evidence(140, 3, np.zeros(0), {"without exact theory": 100, "other": 7}, ())
    assert some.judged == 40 and some.most_fails == Evidence(40, 3, np.zeros(0), {}, ()).most_fails
    assert found.most_fails == 4 and Evidence(40, 0, np.zeros(0), {}, ()).fail_p_value == 1


@pytest.mark.filterwarnings("error")
def test_little_or_nothing_to_go_by():
    empty = Witness("a", 1, "UNDECIDED", np.zeros(0), "without exact theory")
    two = evidence([empty, dataclasses.replace(empty, seed=2)])
    assert two.left_out == {"without exact theory": 2} and two.judged == 0
    none = evidence([empty])
    assert none.left_out == {"without exact theory": 1} and none.p_values == {}
    assert all(math.isnan(x) for x in (none.mean, none.std, none.beyond, none.p_value))
    one = Evidence(1, 0, np.array([1.0]), {}, ())
    assert one.p_value == pytest.approx(2 * stats.norm.sf(1)) and math.isnan(one.std)
