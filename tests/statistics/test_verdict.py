import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.deferred import Deferred
from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Moments
from tokenspace.statistics.exponent import Exponent
from tokenspace.statistics.verdict import (
    _empirical_regimes,
    expected_of,
    require_tolerance,
    unjudged,
)

MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(64))
RESULT = ts.simulate(MODEL, 256, 20_000)
N = np.array([2.0, 8.0, 32.0])


def shifted(factor, errors=1.0):
    """RESULT as if D had been measured `factor` too large at each n, its errors `errors`."""
    d = RESULT.divergence
    moved = Moments(d.mean * factor, d.covariance * errors**2, d.count)
    return dataclasses.replace(RESULT, divergence=moved)


def test_agreement_passes_and_names_regimes():
    check = RESULT.check()
    assert check.verdict == "PASS" and check.passed and "0.02" in check.reason
    assert check.regimes_theoretical[0] == "crossover" and check.regimes_theoretical[-1] == "linear"
    assert "PASS" in str(check) and check.to_dict()["verdict"] == "PASS"


def test_wrong_amplitude_fails():
    assert shifted(1.05).check(0.02).verdict == "FAIL"


def test_a_theory_may_be_computed_once_for_many_results(monkeypatch):
    """And be another one: a result off by a factor is a theory off by its inverse."""
    expected = expected_of(MODEL, RESULT.n)
    alone = RESULT.check().to_dict()
    with monkeypatch.context() as patch:
        patch.setattr(ts.statistics.verdict, "theoretical_amplitude", None)
        assert RESULT.check(expected=expected).to_dict() == alone
        off = dataclasses.replace(expected, amplitude=expected.amplitude / 1.05)
        assert RESULT.check(expected=off).verdict == "FAIL"
    np.testing.assert_allclose(
        RESULT.check(expected=off).amplitude.z, shifted(1.05, 1.05).check().amplitude.z
    )
    with pytest.raises(InputError, match=r"other token counts .*expected_of\(result.model"):
        RESULT.check(expected=expected_of(MODEL, RESULT.n + 1))
    for other, name in ((MODEL, "TokenModel"), (expected.amplitude, "ndarray")):
        with pytest.raises(InputError, match=f"the theory given is a {name}; take .*expected_of"):
            RESULT.check(expected=other)


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
    for grid, least in ((64, 0), ([16], 1)):  # one n has one test, which does reach its 5 %
        runs = (ts.simulate(MODEL, grid, 100, seed=s) for s in range(100))
        verdicts = [run.check(0.001).verdict for run in runs]
        assert least <= verdicts.count("FAIL") <= 12  # P(more than 12 | 5 %) < 0.002


def test_one_n_is_judged_by_its_amplitude():
    result = ts.simulate(MODEL, [16], 20_000)
    check = result.check()
    assert check.judged and check.passed and check.reason.startswith("the one value is within")
    assert len(check.exponent.n) == len(check.regimes_empirical) == 0
    other = ts.TokenModel(ts.equicorrelated(0.2, 0.4, 0.1), ts.Isotropic(64))
    failed = dataclasses.replace(result, model=other).check()
    assert failed.verdict == "FAIL" and "1 of 1 value lies more than 0.02" in failed.reason
    few = ts.simulate(MODEL, [16], 20).check(0.005)
    assert few.verdict == "UNDECIDED" and few.replicates_needed > 100
    assert "PASS" in str(check) and str(check).count("|") == 1


HEAVY_GRID = [1, 4, 16, 64]


def test_heavy_tails_are_judged_by_the_median():
    heavy = ts.TokenModel(MODEL.branches, MODEL.features, ts.StudentT(1.5))
    result = ts.simulate(heavy, HEAVY_GRID, 40_000)
    check = result.check(0.04)
    assert check.verdict == "PASS" and check.amplitude.name == "median D"
    other = ts.TokenModel(ts.equicorrelated(0.2, 0.35, 0.1), MODEL.features, ts.StudentT(1.5))
    assert dataclasses.replace(result, model=other).check(0.04).verdict == "FAIL"


@pytest.mark.parametrize(("df", "amplitude"), [(1.5, "median D"), (3.0, "E[D]")])
def test_without_an_exact_theory_exponents_have_errors_and_no_verdict(df, amplitude):
    law = ts.StudentT(df, "token")
    check = ts.simulate(ts.TokenModel(MODEL.branches, MODEL.features, law), HEAVY_GRID, 500).check()
    assert check.verdict == "UNDECIDED" and "no exact" in check.reason
    assert check.amplitude.name == amplitude and check.replicates_needed is None
    assert np.all(check.exponent.standard_error > 0) and np.all(check.regimes_theoretical == "-")


@pytest.mark.parametrize("replicates", [2, 3, 5])
def test_few_replicates_never_fail_a_true_theory_and_say_how_many_would_do(replicates):
    """With normal quantiles 99 %, 74 % and 32 % of true theories failed."""
    checks = [ts.simulate(MODEL, [1, 4, 16, 64], replicates, seed=s).check() for s in range(40)]
    assert sum(c.verdict == "FAIL" for c in checks) <= 6  # P(more | 5 %) < 0.004
    undecided = [c for c in checks if c.verdict == "UNDECIDED"]
    assert len(undecided) > 30
    needed = [c.replicates_needed for c in undecided]
    assert all(n >= 2 * replicates for n in needed)
    # the coefficient of variation of D is sqrt(1 / (2 d)) = 0.088, allowed are 2 %
    assert 60 < np.median(needed) < 600


def test_replicates_that_do_not_vary_prove_nothing():
    d = RESULT.divergence
    frozen = dataclasses.replace(
        RESULT, divergence=Moments(d.mean, np.zeros_like(d.covariance), d.count)
    )
    check = frozen.check()
    assert check.verdict == "UNDECIDED" and "the same in every replicate" in check.reason


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


@pytest.mark.once
@pytest.mark.parametrize("dimension", [1, 2])
def test_tokens_of_few_values_fail_no_true_theory(dimension):
    """Unit vectors in one dimension are signs: D repeats, and so do its squares."""
    model = ts.TokenModel(MODEL.branches, ts.Isotropic(dimension), ts.UnitNorm())
    for replicates in (2, 4, 12):
        for seed in range(10):
            result = ts.simulate(model, [1, 2, 3], replicates, seed)
            if result.mean.all():
                check = result.check()
                assert check.verdict == "UNDECIDED" and check.replicates_needed >= 50


def off_by(deviation, error, count, n=(1, 4, 16)):
    """Amplitudes that are all too large by exp(deviation), with one error that all n share."""
    n = np.array(n)
    mean = ts.theory.expected_divergence(MODEL, n) * np.exp(deviation)
    found = Moments(mean, error**2 * np.outer(mean, mean), count)
    return dataclasses.replace(RESULT, n=n, divergence=found)


@pytest.mark.parametrize("n", [(1, 4, 16), (16,)])
@pytest.mark.parametrize("count", [2, 5, 1000])
def test_verdicts_change_at_the_quantiles_of_students_t(count, n):
    """PASS at 5 % a side; FAIL at 5 % over the 2 m - 1 values; p-values of the same t."""
    error, allowed, freedom, tests = 1e-3, np.log1p(0.02), count - 1, 2 * len(n) - 1
    inside = stats.t.ppf(0.95, freedom) * error
    beyond = stats.t.ppf(1 - 0.05 / (2 * tests), freedom) * error
    for edge, below, above in (
        (allowed - inside, "PASS", "UNDECIDED"),
        (allowed + beyond, "UNDECIDED", "FAIL"),
    ):
        for sign in (1, -1):
            near = [off_by(sign * edge * f, error, count, n).check(0.02) for f in (0.9999, 1.0001)]
            assert [c.verdict for c in near] == [below, above]
    z = 2.5
    p = off_by(z * error, error, count, n).check(0.02).p_value
    assert p == pytest.approx(min(1, 2 * tests * stats.t.sf(z, freedom)), rel=1e-3)


@pytest.mark.parametrize(("count", "error"), [(2, 0.03), (50, 0.02), (1000, 0.015)])
def test_as_many_replicates_as_are_said_would_do_and_one_less_would_not(count, error):
    needed = off_by(0.0, error, count).check(0.02).replicates_needed

    def enough(replicates):
        reach = stats.t.ppf(0.95, replicates - 1) + 2
        return error * np.sqrt(count / replicates) * reach <= np.log1p(0.02)

    assert enough(needed) and (needed == 2 * count or not enough(needed - 1))


def test_in_words():
    """A line of each n, with the exponent that follows it; the last n has none."""
    check = ts.simulate(MODEL, [1, 4, 16], 5000).check(0.03)
    head, *rows, last = str(check).splitlines()
    a, e = check.amplitude, check.exponent
    assert head.split() == [
        "n",
        "E[D]",
        "±",
        "s.e.",
        "theory",
        "z",
        "|",
        "n",
        "exponent",
        "±",
        "s.e.",
        "theory",
        "z",
        "regime",
    ]
    assert last == f"PASS: {check.reason}" and len(rows) == 3
    for k, row in enumerate(rows):
        left, _, right = row.partition("|")
        numbers = (a.empirical[k], a.standard_error[k], a.theoretical[k], a.z[k])
        assert left.split()[0] == f"{a.n[k]}"
        np.testing.assert_allclose([float(x) for x in left.split()[1:]], numbers, 0.05, 0.005)
        if k == 2:
            assert right == ""
            continue
        *found, regime = right.split()
        numbers = (e.n[k], e.empirical[k], e.standard_error[k], e.theoretical[k], e.z[k])
        np.testing.assert_allclose([float(x) for x in found], numbers, 0.05, 0.005)
        assert regime == check.regimes_empirical[k]


def test_everything_as_plain_numbers():
    check = RESULT.check()
    found = check.to_dict()
    assert json.loads(json.dumps(found)) == found
    for name in ("amplitude", "exponent"):
        comparison = getattr(check, name)
        assert found[name].pop("name") == comparison.name
        for key, values in found[name].items():
            np.testing.assert_array_equal(values, getattr(comparison, key))
        np.testing.assert_allclose(
            comparison.z * comparison.deviation_error, comparison.deviation, rtol=1e-12
        )
    assert found["tolerance"] == 0.02 and found["replicates"] == 20_000
    assert found["regimes_theoretical"] == list(check.regimes_theoretical)


@pytest.mark.parametrize("known", [True, False])
def test_of_what_cannot_be_judged_the_measured_is_shown(known):
    """Exponents too: they need no theory, nor the class of a model that is not here."""

    def missing():
        raise InputError("its model is not here")

    result = dataclasses.replace(RESULT, control=None)
    result = result if known else dataclasses.replace(result, model=Deferred(missing))
    check = unjudged(result, 0.04, "the reason")
    assert (check.verdict, check.reason, check.tolerance) == ("UNDECIDED", "the reason", 0.04)
    assert check.replicates_needed is None and np.isnan(check.p_value) and not check.passed
    assert not check.judged and RESULT.check().judged
    seen = RESULT.check()
    for name in ("amplitude", "exponent"):
        shown, judged = getattr(check, name), getattr(seen, name)
        for what in ("n", "empirical", "standard_error"):
            np.testing.assert_array_equal(getattr(shown, what), getattr(judged, what))
        for what in ("theoretical", "deviation", "z"):
            assert np.isnan(getattr(shown, what)).all()
        assert set(shown.verdicts) == {"UNDECIDED"}
    np.testing.assert_array_equal(check.regimes_empirical, seen.regimes_empirical)
    assert set(check.regimes_theoretical) == {"-"}


def test_of_one_n_or_a_divergence_of_0_there_are_no_exponents():
    same = dataclasses.replace(RESULT.divergence, mean=np.zeros(len(RESULT.n)))
    check = unjudged(dataclasses.replace(RESULT, divergence=same), 0.04, "the reason")
    assert len(check.exponent.n) == len(RESULT.n) - 1 == len(check.regimes_empirical)
    assert np.isnan(check.exponent.empirical).all() and set(check.regimes_empirical) == {"-"}


def test_regimes_that_the_interval_allows():
    """0.9 ± 0.04 may be crossover or linear; without errors nothing is said."""

    def regimes(mean, error, count=1000):
        covariance = np.diag(np.full(len(mean), error**2))
        return list(_empirical_regimes(Exponent(N, np.array(mean), covariance, count, count - 1.0)))

    assert regimes([0.5, 0.75, 1.0], 0.01) == ["sublinear", "crossover", "linear"]
    assert regimes([0.55, 0.95, 0.75], 0.02) == [
        "sublinear/crossover",
        "crossover/linear",
        "crossover",
    ]
    assert regimes([0.75, 0.75, 0.75], np.nan) == ["-", "-", "-"]
    assert regimes([0.75, 0.75, 0.75], 1.0) == ["any", "any", "any"]
    assert regimes([0.55 - 1.97 * 0.1], 0.1)[0] == "anti-persistent/sublinear"
    # the upper end is 0.55 to three digits: 95 % of 999 degrees of freedom reach 1.962
    assert regimes([0.55 - 1.96 * 0.02], 0.02)[0].endswith("crossover")


def test_two_replicates_are_enough():
    ts.simulate(MODEL, [1, 4], 2).check()
    with pytest.raises(ts.TokenspaceError, match="at least 2 replicates"):
        ts.simulate(MODEL, [1, 4], 1).check()


def test_more_replicates_than_a_run_can_have_are_not_asked_for():
    """(error reach / tolerance)^2 replicates: 3e9 and 6e9, on both sides of 2^32."""
    reach = stats.norm.ppf(0.95) + 2
    for wanted, possible in ((3e9, True), (6e9, False)):
        error = np.log1p(0.02) / reach * np.sqrt(wanted / 1000)
        check = off_by(0.0, error, 1000).check(0.02)
        assert check.verdict == "UNDECIDED"
        assert (check.replicates_needed is not None) is possible
        assert ("is beyond any run" in check.reason) is not possible


@pytest.mark.parametrize("tolerance", [0, -1.0, np.inf, np.nan, "a", None])
def test_tolerances_that_cannot_be(tolerance):
    with pytest.raises(ts.TokenspaceError, match=r"tolerance = .* is not allowed"):
        require_tolerance(tolerance)


def test_a_significant_difference_inside_the_tolerance_is_said():
    error = 1e-4
    for deviation, said in ((5 * error, True), (2 * error, False)):
        check = off_by(deviation, error, 1000).check(0.02)
        assert check.verdict == "PASS" and ("is significant" in check.reason) is said
