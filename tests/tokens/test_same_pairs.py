"""Slopes and fits where pairs differ in length: of the same pairs at every n, and honest."""

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace.errors import InputError

GRID = np.array([1, 4, 12, 24, 40])
LENGTHS = np.array([8, 12, 14, 20, 24, 26, 40, 40, 45, 40])
LABELS = np.arange(10) // 2


def drawn(rng, delta=0.25, d=16):
    """Pictures of constant correlations; the long ones have tokens three times as large."""
    scale = np.where(LENGTHS < 24, 1.0, 3.0) * np.exp(0.15 * rng.standard_normal(10))
    own = np.sqrt(delta) * rng.standard_normal((10, d))
    return [
        (s * (x + rng.standard_normal((n, d)))).astype("f4")
        for s, x, n in zip(scale, own, LENGTHS, strict=True)
    ]


KINDS = {
    "prompts": lambda a, b, kept, grid: ts.measure(
        [a[k] for k in kept], [b[k] for k in kept], grid=grid
    ),
    "prompts of groups": lambda a, b, kept, grid: ts.measure(
        [a[k] for k in kept], [b[k] for k in kept], grid=grid, groups=LABELS[kept]
    ),
    "pictures": lambda a, b, kept, grid: ts.measure([a[k] for k in kept], pairs="all", grid=grid),
    "groups": lambda a, b, kept, grid: ts.measure(
        [a[k] for k in kept], pairs="all", grid=grid, groups=LABELS[kept]
    ),
}
ALL = np.arange(10)


@pytest.mark.parametrize("kind", KINDS)
def test_each_slope_is_that_of_the_pairs_that_reach_both_ends(kind):
    """Measured again without the others, a step at a time."""
    rng = np.random.default_rng(1)
    a, b = drawn(rng), drawn(rng)
    measured = KINDS[kind]
    found = measured(a, b, ALL, GRID)
    local, secant = found.local_exponent(), found.secant_exponent(-1.0)
    for k in range(len(GRID) - 1):
        kept = np.flatnonzero(GRID[k + 1] <= LENGTHS)
        for ours, grid, exponent in ((local, GRID[[k, k + 1]], "local_exponent"),
                                     (secant, GRID[[0, k + 1]], "secant_exponent")):  # fmt: skip
            want = getattr(measured(a, b, kept, grid), exponent)(*[-1.0] * (ours is secant))
            assert ours.mean[k] == pytest.approx(want.mean[0], rel=1e-5)
            assert ours.standard_error[k] == pytest.approx(want.standard_error[0], rel=1e-4)
            freedom = np.broadcast_to(want.degrees_of_freedom, 1)[0]
            assert ours.degrees_of_freedom[k] == pytest.approx(freedom)
    other = np.diff(np.log(found.mean)) / np.diff(np.log(GRID))
    assert np.max(abs(other - local.mean)) > 0.2  # of other pairs at the two ends


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_fitted_is_fitted_to_the_same_pairs(kind):
    """Those that reach the last n that half of them do."""
    rng = np.random.default_rng(2)
    a, b = drawn(rng), drawn(rng)
    found = KINDS[kind](a, b, ALL, GRID)
    last = np.flatnonzero(found.counts >= found.counts[0] / 2)[-1]
    assert 0 < last < len(GRID) - 1
    want = KINDS[kind](a, b, np.flatnonzero(GRID[last] <= LENGTHS), GRID[: last + 1])
    part = found.reached()
    np.testing.assert_array_equal(part.n, want.n)
    assert part.replicates == want.replicates == found.counts[last] and part.counts is None
    for take in (
        lambda r: r.n_balance(),
        lambda r: r.scale_fit(),
        lambda r: r.scale_fit(by="plain"),
        lambda r: r.scale_fit(unit=True),
        lambda r: r.secant_exponent(-1.0),
        lambda r: r.correlations["psi_equal"],
    ):
        ours, theirs = take(part), take(want)
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-5)
        np.testing.assert_allclose(ours.standard_error, theirs.standard_error, rtol=1e-4)
        np.testing.assert_allclose(ours.degrees_of_freedom, theirs.degrees_of_freedom)
    assert found.n_balance() == part.n_balance() and found.scale_fit() == part.scale_fit()
    assert found.secant_exponent(-1.0).mean[last - 1] == pytest.approx(
        part.secant_exponent(-1.0).mean[-1]
    )
    np.testing.assert_array_equal(found.mean[last], part.mean[-1])


def test_white_noise_grows_by_one_half_whatever_the_scale_of_long_pictures():
    """Means over the pairs that reach each n grow as n^0.9 here."""
    rng = np.random.default_rng(3)
    a, b = ([h for _ in range(20) for h in drawn(rng, 0.0)] for _ in "ab")
    slope = ts.measure(a, b, grid=[8, 40]).local_exponent()
    assert abs(slope.mean[0] - 0.5) < 4 * slope.standard_error[0] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["prompts", "pictures", "groups"])
def test_intervals_of_slopes_and_fits_hold(kind):
    """Upsilon = n + n^2/4 at any scale: gamma, alpha and n_balance = 4 are known."""
    runs, rng = 250, np.random.default_rng(len(kind))
    log = np.log(GRID + GRID**2 / 4) / 2
    truth = np.r_[np.diff(log) / np.diff(np.log(GRID)), (log[1:] - log[0]) / np.log(GRID[1:]), 4]
    held = np.zeros(len(truth))
    for _ in range(runs):
        found = KINDS[kind](drawn(rng), drawn(rng), ALL, GRID)
        ends = [e.interval() for e in (found.local_exponent(), found.secant_exponent(-1.0))]
        low, high = np.hstack([*ends, np.array(found.n_balance().interval)[:, None]])
        held += (low <= truth) & (truth <= high)
    low, high = stats.binom.ppf(5e-4, runs, 0.93), stats.binom.isf(5e-4, runs, 0.97)
    assert np.all((low <= held) & (held <= high)), held / runs


def test_one_pair_that_is_left_has_no_n_balance():
    a, b = ([h[4], h[8]] for h in (drawn(np.random.default_rng(k)) for k in (5, 6)))
    found = ts.measure(a, b, grid=GRID)
    assert found.replicates == 2 and found.reached().replicates == 1
    with pytest.raises(InputError, match="3 token counts and 2 replicates"):
        found.n_balance()
    assert np.isnan(found.scale_fit().standard_error) and found.scale_fit().mean > 0


def test_where_long_pairs_begin_alike_the_slope_from_there_is_unknown():
    a = [np.ones((n, 3), "f4") * np.arange(1, n + 1)[:, None] for n in (4, 4, 8, 8)]
    b = [h + (np.arange(len(h)) >= (len(h) > 4))[:, None] for h in a]
    found = ts.measure(a, b, grid=[1, 4, 8])
    alpha = found.secant_exponent(1.0)
    assert alpha.mean[0] == pytest.approx(-np.log(found.mean[1] / found.mean[0]) / np.log(4))
    assert np.isfinite(alpha.standard_error[0])
    assert np.isnan([alpha.mean[1], alpha.standard_error[1]]).all()
    assert np.isfinite(found.local_exponent().mean).all()
    with pytest.raises(InputError, match="and from every other n"):
        ts.measure(a[1:], b[1:], grid=[1, 8]).secant_exponent(1.0)
