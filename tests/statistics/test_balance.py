"""n_balance and Fieller's interval against the set that defines it, found by trying."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.statistics.balance import Balance, _fieller, balance_curve, fit_balance
from tokenspace.statistics.estimate import Moments

N = np.array([1, 2, 4, 8, 16, 32])


def tried(intercept, slope, c, t, at):
    """Where (intercept - b slope)^2 <= t^2 Var(intercept - b slope), at each b of `at`."""
    variance = c[0, 0] - 2 * at * c[0, 1] + at**2 * c[1, 1]
    return (intercept - at * slope) ** 2 <= t**2 * variance


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.9])
@pytest.mark.parametrize("t", [2.0, 4.3])
def test_interval_is_the_set_that_defines_it(correlation, t):
    intercept, slope, errors = 3.0, 1.0, np.array([0.3, 0.1])
    c = np.outer(errors, errors) * [[1, correlation], [correlation, 1]]
    low, high = _fieller(intercept, slope, c, t)
    at = np.linspace(-2, 12, 140_001)
    inside = at[tried(intercept, slope, c, t, at)]
    np.testing.assert_allclose((low, high), (inside.min(), inside.max()), atol=2e-4)
    assert low < 3 < high


def test_unbounded_above_where_the_slope_may_be_zero():
    """All but a hole: the part above it, as what is below cannot be an n_balance."""
    c = np.diag([0.01, 0.09])
    low, high = _fieller(3.0, 0.5, c, 2.0)
    assert high == np.inf and tried(3.0, 0.5, c, 2.0, np.array([low * 1.001, 1e9])).all()
    assert not tried(3.0, 0.5, c, 2.0, np.array([low * 0.999, 0.0])).any()


def test_no_bound_where_possible_values_lie_on_both_sides_of_the_hole():
    """A slope that may be 0, and a hole at 2 to 3: both 0 and 100 are in the set."""
    intercept, slope, t = 3.0, 1.0, 3.0
    c = np.array([[1.41, 0.59], [0.59, 0.25]])
    at = np.array([-1.0, 0.0, 2.4, 3.0, 100.0])
    assert tried(intercept, slope, c, t, at).tolist() == [True, True, False, True, True]
    assert _fieller(intercept, slope, c, t) == (0, np.inf)
    quarter = np.array([0.25, 1.0])  # the same at a quarter of each b: a hole from 0.5 on
    assert _fieller(intercept / 4, slope, c * np.outer(quarter, quarter), t) == (0, np.inf)


@pytest.mark.parametrize("seed", range(40))
def test_ends_are_those_of_the_possible_part_of_the_set(seed):
    """Of any line and errors: the least and largest b >= 0 of the set, by trying."""
    rng = np.random.default_rng(seed)
    intercept, slope = rng.normal(0.3, 1), abs(rng.normal(0, 0.3))
    root = rng.normal(0, 0.3, (2, 2))
    c, t = root @ root.T, 2.0
    low, high = _fieller(intercept, slope, c, t)
    at = np.concatenate([np.linspace(0, 40, 400_001), [1e9]])
    inside = at[tried(intercept, slope, c, t, at)]
    if not len(inside):  # all of it is impossible
        assert low == high and low in (0, np.inf)
    elif slope > t * np.sqrt(c[1, 1]) and inside[-1] < 40:
        np.testing.assert_allclose((low, high), inside[[0, -1]], atol=2e-4)
    elif inside[-1] == 1e9:
        assert high == np.inf and low == pytest.approx(inside[0] if intercept > 0 else 0, abs=2e-4)


@pytest.mark.parametrize("count", [2, *(pytest.param(k, marks=pytest.mark.slow) for k in (4, 12))])
@pytest.mark.parametrize("balance", [0.0, 0.3, 4.0, np.inf])
def test_intervals_of_possible_values_hold(balance, count):
    """Replicates with noise of their own at each n, of every law there can be; two are enough."""
    rng, runs, held = np.random.default_rng(7), 400, 0
    truth = np.sqrt(N * (N + balance)) if np.isfinite(balance) else np.sqrt(N * 10.0)
    for _ in range(runs):
        samples = truth * (1 + 0.15 * rng.standard_normal((count, len(N))))
        mean, covariance = samples.mean(axis=0), np.cov(samples.T) / count
        found = fit_balance(N, Moments(mean, covariance, count))
        low, high = found.interval
        assert 0 <= low <= found.mean <= high and found.standard_error > 0
        held += low <= balance <= high
    least = stats.binom.ppf(1e-3, runs, 0.93)
    most = runs if balance in (0, np.inf) else stats.binom.isf(1e-3, runs, 0.975)
    assert least <= held <= most


def test_what_grows_faster_than_n_has_no_balance_and_no_constant_correlations():
    """D = n^1.3: the best line has an intercept below 0; that through 0 is off by what is said."""
    mean = N**1.3
    found = fit_balance(N, Moments(mean, np.diag((1e-3 * mean) ** 2), 10))
    assert found.mean == 0 and found.interval == (0, 0) and not found.constant
    y = mean**2 / N
    off = [abs(np.sqrt(s * N / y) - 1).max() for s in np.linspace(0.5, 5, 10_000)]
    assert min(off) <= found.lack_of_fit < 1


def test_what_cancels_has_no_balance():
    """Differences of neighbours: D grows more slowly than sqrt(n)."""
    mean = N**0.3
    found = fit_balance(N, Moments(mean, np.diag((1e-3 * mean) ** 2), 10))
    assert found.mean == np.inf and found.interval == (np.inf, np.inf)
    assert repr(found).startswith("n_balance: none, D grows more slowly than sqrt(n) (Delta < 0, ")


def test_unknown_errors_bound_nothing():
    found = fit_balance(N, Moments(law(5.0).mean, np.full((6, 6), np.nan), 3))
    assert found.mean == pytest.approx(5) and np.isnan(found.interval).all()


def law(balance, noise=0.0, count=20, shared=0.0):
    """Moments of an exact law with independent relative errors, and one that all n share."""
    mean = np.sqrt(N * (N + balance) / (1 + balance))
    relative = noise**2 * np.eye(len(N)) + shared**2
    return Moments(mean, np.outer(mean, mean) * relative, count)


def test_an_exact_law_is_recovered():
    found = fit_balance(N, law(5.0, 1e-3))
    assert found.mean == pytest.approx(5, rel=1e-9) and found.lack_of_fit < 1e-9 and found.constant
    low, high = found.interval
    assert low < 5 < high


def test_the_standard_error_is_that_of_the_fit():
    """Least squares of many noisy laws, each fitted: their spread is the error that is said."""
    moments, rng = law(5.0, 0.01), np.random.default_rng(0)
    said = fit_balance(N, moments).standard_error
    draws = rng.multivariate_normal(moments.mean, moments.covariance, 4000)
    fitted = [fit_balance(N, Moments(a, moments.covariance, 20)).mean for a in draws]
    assert np.std(fitted) == pytest.approx(said, rel=0.06)  # 5 standard errors of a spread


def test_the_scale_of_d_does_not_matter():
    """Also where it is known badly, as from few replicates of heavy tails."""
    known, unknown = (fit_balance(N, law(5.0, 0.01, 3, s)) for s in (0.0, 0.6))
    np.testing.assert_allclose(unknown.interval, known.interval, rtol=1e-6)
    assert unknown.standard_error == pytest.approx(known.standard_error, rel=1e-6)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_interval_is_students(count):
    """With small errors Fieller's interval is mean ± t s.e. with count - 1 degrees of freedom."""
    found = fit_balance(N, law(5.0, 1e-5, count))
    want = stats.t.interval(0.95, count - 1, found.mean, found.standard_error)
    np.testing.assert_allclose(found.interval, want, rtol=1e-3)
    reach = (found.interval[1] - found.interval[0]) / (want[1] - want[0])
    assert reach == pytest.approx(1, rel=1e-2)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_lack_of_fit_is_told_from_noise(scale):
    """A power n^0.2 is no law of constant correlations; whether it shows is a matter of errors."""
    mean = scale * N**0.2
    for noise, constant in ((0.002, False), (0.2, True)):
        errors = np.diag((noise * mean) ** 2)
        found = fit_balance(N, Moments(mean, errors, 10))
        assert found.lack_of_fit > 0.1 and found.constant is constant
        assert ("not constant" in repr(found)) is not constant
    exact = law(5.0, 1e-4)
    moved = Moments(exact.mean * scale, exact.covariance * scale**2, exact.count)
    found = fit_balance(N, moved)
    assert found.constant and found.lack_of_fit == pytest.approx(0, abs=1e-9)
    assert found.interval == pytest.approx(fit_balance(N, exact).interval, rel=1e-9)


def test_lack_of_fit_is_held_against_bonferroni():
    """The largest residual over its noise, against t at 5 % over all n."""
    mean = N**0.2
    limit = stats.t.ppf(1 - 0.05 / (2 * len(N)), 9)
    y = mean**2 / N

    def constant(noise):
        return fit_balance(N, Moments(mean, np.diag((noise * mean) ** 2), 10)).constant

    noises = np.geomspace(0.002, 0.2, 200)
    first = next(noise for noise in noises if constant(noise))
    design = np.vstack([np.ones(len(N)), N]).T
    solve = np.linalg.pinv(design / y[:, None]) / y
    weights = np.maximum(design @ (solve @ y), y / 2)
    solve = np.linalg.pinv(design / weights[:, None]) / weights
    jacobian = 2 * y[:, None] * (np.eye(len(N)) - 1 / len(N))
    rest = (np.eye(len(N)) - design @ solve) @ jacobian
    ratio = abs(y - design @ (solve @ y)) / np.sqrt(np.diag(rest @ rest.T))
    assert first == pytest.approx(np.max(ratio) / limit, rel=0.03)


def test_the_interval_forgets_the_scale_that_all_n_share():
    """Samples: y of each n about the replicate's mean over n, then Fieller's set by trying."""
    rng = np.random.default_rng(5)
    truth = np.sqrt(N * (N + 5.0) / 6)
    samples = truth * np.exp(
        0.3 * rng.standard_normal((12, 1)) + 0.1 * rng.standard_normal((12, 6))
    )
    mean = samples.mean(axis=0)
    found = fit_balance(N, Moments(mean, np.cov(samples.T) / 12, 12))
    logs = 2 * (samples - mean) / mean
    y = mean**2 / N
    influence = y * (logs - logs.mean(axis=1, keepdims=True))
    design = np.vstack([np.ones(6), N]).T
    solve = np.linalg.pinv(design / y[:, None]) / y
    solve = np.linalg.pinv(design / (design @ solve @ y)[:, None]) / (design @ solve @ y)
    (intercept, slope), parts = solve @ y, influence @ solve.T
    at = np.linspace(-1, 100, 400_001)
    inside = tried(intercept, slope, np.cov(parts.T) / 12, stats.t.ppf(0.975, 11), at)
    np.testing.assert_allclose(found.interval, at[inside][[0, -1]], atol=1e-3)


def test_a_slope_that_may_be_zero_keeps_its_estimate():
    found = fit_balance(N[:3], Moments(law(9.0).mean[:3], law(9.0, 0.2).covariance[:3, :3], 20))
    assert found.mean == pytest.approx(9) and found.interval[1] == np.inf
    assert found.interval[0] < 9


def test_no_bound_where_neither_is_known():
    """Errors of 0.1 of an intercept and a slope of 0.01: no b is excluded."""
    c = np.diag([0.01, 0.01])
    assert tried(0.01, 0.01, c, 2.0, np.linspace(-100, 100, 1001)).all()
    assert _fieller(0.01, 0.01, c, 2.0) == (0, np.inf)


def test_in_words():
    inf = np.inf
    for mean, error, interval, words in (
        (5.0, 0.25, (4.5, 5.5), "n_balance = 5.00 ± 0.25 (95 % interval 4.50 to 5.50; "),
        (5.0, 0.25, (4.5, inf), "n_balance = 5.00 ± 0.25 (at least 4.50, 95 %; "),
        (5.0, 9.0, (0.0, inf), "n_balance = 5.0 ± 9.0 (not bounded; "),
        (5.0, np.nan, (np.nan, np.nan), "n_balance = 5 (its error is unknown; "),
        (
            inf,
            inf,
            (4.5, inf),
            "n_balance: none seen, D grows like sqrt(n) as far as the data go (",
        ),
    ):
        for constant, end in ((True, ")"), (False, ": correlations are not constant here)")):
            found = repr(Balance(mean, error, interval, 0.95, 0.123, 10, 9.0, constant))
            assert found.startswith(words)
            assert found.endswith(f"largest deviation from the law 12.3 %{end}")


def test_a_fit_needs_three_points_and_is_a_value():
    with pytest.raises(ts.TokenspaceError, match="at least 3"):
        fit_balance(N[:2], Moments(law(5.0).mean[:2], np.eye(2), 10))
    with pytest.raises(AttributeError):
        fit_balance(N, law(5.0, 0.1)).mean = 3.0


@pytest.mark.once
def test_curve_has_the_intervals_of_psis_of_pairs_and_their_covariance():
    """By hand from the cosines of every pair of sequences; between the ends all b, beyond none."""
    rng = np.random.default_rng(3)
    common = rng.standard_normal((2, 40, 1, 8))
    h = common + 1.5 * rng.standard_normal((2, 40, 9, 8))
    found = ts.measure(h[0], h[1], grid=9)
    psi = found.correlations
    value, low, high = balance_curve(
        found.n, psi["psi_equal"], psi["psi_delta"], found.cosine_upsilon()
    )
    u = h / np.linalg.norm(h, axis=-1, keepdims=True)
    t = stats.t.ppf(0.975, 39)
    assert np.isnan([value[0], low[0], high[0]]).all()
    for k, n in enumerate(found.n[1:], 1):
        aa, bb, ab = (
            np.einsum("pid,pjd->pij", u[i, :, :n], u[j, :, :n]) for i, j in ((0, 0), (1, 1), (0, 1))
        )
        equal = np.trace(ab, axis1=1, axis2=2) / n
        pairs = n * (n - 1)
        delta = ((aa + bb).sum((1, 2)) / 2 - n - ab.sum((1, 2)) + n * equal) / pairs
        ratio = np.stack([1 - equal - delta, delta])
        intercept, slope = ratio.mean(axis=1)
        assert value[k] == pytest.approx(intercept / slope, rel=1e-4)
        c = np.cov(ratio) / 40
        assert np.isfinite([low[k], high[k]]).all()
        for end, outward in ((low[k], -1), (high[k], 1)):
            at = end + outward * 1e-3 * (high[k] - low[k]) * np.array([-1, 1])
            assert tried(intercept, slope, c, t, at).tolist() == [True, False]


def test_without_errors_the_set_is_one_value_whatever_the_rounding():
    rng = np.random.default_rng(2)
    for intercept, slope in rng.random((200, 2)):
        found = _fieller(intercept, slope, np.zeros((2, 2)), 2.0)
        np.testing.assert_allclose(found, intercept / slope, rtol=1e-6)


@pytest.mark.parametrize(("noise", "said"), [(1e-4, "interval 6.99"), (0.0, "interval 7 to 7;")])
def test_ends_are_shown_to_the_digits_of_the_error(noise, said):
    assert said in repr(fit_balance(N, law(7.0, noise)))
