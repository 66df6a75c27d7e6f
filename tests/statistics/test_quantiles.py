"""Quantiles: exact while replicates are few, within a bucket beyond, with intervals that hold."""

import numpy as np
import pytest

from tokenspace.statistics import quantiles
from tokenspace.statistics.quantiles import (
    QUANTILES,
    begin_sketch,
    below,
    median,
    quantile,
    quantile_interval,
    update_sketch,
)

LEVELS = np.array(QUANTILES)


def heavy(rows, seed=0):
    """D over many orders of magnitude, at three n."""
    rng = np.random.default_rng(seed)
    scale = np.exp(2 * rng.standard_normal((rows, 1)))
    return (scale * np.exp(0.1 * rng.standard_normal((rows, 3))) * [1e-3, 1, 70]).astype(np.float32)


def sketched(d, cuts=()):
    sketch = begin_sketch(d.shape[1])
    for part in np.split(d, cuts):
        sketch = update_sketch(sketch, part)
    assert sketch.count == len(d)
    return sketch


@pytest.fixture
def small(monkeypatch):
    """Few replicates are kept, so that buckets are used."""
    monkeypatch.setattr(quantiles, "KEPT", 900)
    monkeypatch.setattr(quantiles, "LEAST_KEPT", 300)


@pytest.mark.parametrize("rows", [1, 2, 7, 300])
def test_exact_while_replicates_are_kept(small, rows):
    d = heavy(rows)
    sketch = sketched(d, [rows // 2])
    assert sketch.exact
    np.testing.assert_array_equal(quantile(sketch, LEVELS), np.quantile(d, LEVELS, axis=0))


@pytest.mark.parametrize("rows", [301, 1000, 20_000])
def test_beyond_within_a_bucket(small, rows):
    """A quantile lies between the order statistics beside it, each moved by 2^-10 at most."""
    d = heavy(rows)
    sketch = sketched(d)
    assert not sketch.exact and len(sketch.rows) == 300
    ranks = LEVELS * (rows - 1)
    ordered = np.sort(d.astype(float), axis=0)
    low, high = ordered[np.floor(ranks).astype(int)], ordered[np.ceil(ranks).astype(int)]
    found = quantile(sketch, LEVELS)
    assert np.all(found >= low * (1 - 2**-10)) and np.all(found <= high * (1 + 2**-10))


@pytest.mark.parametrize("cuts", [[1], [299, 300, 301], [300], list(range(50, 5000, 50)), [4999]])
def test_any_portions_give_the_same_bits(small, cuts):
    d = heavy(5000)
    one, other = sketched(d), sketched(d, cuts)
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.first, other.first)


def test_zero_is_a_value_like_others(small):
    d = heavy(1000)
    d[:400] = 0
    found = quantile(sketched(d), np.array([0.1, 0.9]))
    assert np.all(found[0] < 1e-30) and np.all(found[1] > 0)


def exact_coverage(rows, probability):
    """P(lower < quantile < upper) by Monte Carlo over uniform order statistics."""
    u = np.random.default_rng(1).random((20_000, rows)).astype(np.float32)
    u = np.sort(u, axis=1).T  # one replicate a row, one experiment a column
    low, high = quantile_interval(sketched(u), np.array([probability]))
    return np.mean((low[0] <= probability) & (probability <= high[0]))


@pytest.mark.parametrize(("rows", "probability"), [(10, 0.5), (40, 0.159), (100, 0.841)])
def test_intervals_hold_the_quantile(rows, probability):
    """Two-sided: of 20,000 experiments 95 % ± 2.5 %, interpolation included."""
    assert 0.935 < exact_coverage(rows, probability) < 0.972


@pytest.mark.parametrize("level", [0.997, 0.81])
def test_a_level_of_other_error_bars_is_seen(monkeypatch, level):
    """1.5 times as long, or as short, as those of 95 %."""
    monkeypatch.setattr(quantiles.quantile_interval, "__defaults__", (level,))
    assert not 0.935 < exact_coverage(100, 0.5) < 0.972


def test_what_few_replicates_do_not_bound():
    low, high = quantile_interval(sketched(heavy(10)), LEVELS)
    assert np.all(low[0] == 0) and np.all(np.isinf(high[-1]))
    assert np.all(low[2] > 0) and np.all(np.isfinite(high[2]))


@pytest.mark.parametrize("rows", [2, 5, 10, 100])
def test_the_median_is_inside_its_interval_as_often_as_said(rows):
    """Experiments side by side as columns; the correlation across them is not looked at."""
    d = np.exp(np.random.default_rng(rows).standard_normal((rows, 2000))).astype(np.float32)
    low, high = median(sketched(d)).interval()
    share = np.mean((low <= 1) & (high >= 1))
    assert 0.93 < share < 0.975


def test_medians_are_as_correlated_as_being_below_them():
    """Bivariate normal logarithms of correlation r: 2 / pi arcsin(r)."""
    r, rows = 0.8, 40_000
    z = np.random.default_rng(0).multivariate_normal([0, 0], [[1, r], [r, 1]], rows)
    found = median(sketched(np.exp(0.1 * z).astype(np.float32)))
    correlation = found.covariance[0, 1] / np.prod(found.standard_error)
    assert correlation == pytest.approx(2 / np.pi * np.arcsin(r), abs=4 / np.sqrt(rows))
    want = 0.1 * np.sqrt(np.pi / 2 / rows)
    np.testing.assert_allclose(found.standard_error, want, rtol=0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_values_that_are_all_equal_have_no_error(value):
    sketch = sketched(np.full((20, 2), value, np.float32))
    found = median(sketch)
    np.testing.assert_allclose(found.mean, value, rtol=1e-12)
    assert not found.covariance.any()


@pytest.mark.filterwarnings("error")
def test_one_replicate_bounds_nothing():
    sketch = sketched(np.array([[2.0, 5.0]], np.float32))
    low, high = quantile_interval(sketch, LEVELS)
    assert not low.any() and np.isinf(high).all()
    found = median(sketch)
    np.testing.assert_array_equal(found.mean, [2, 5])
    assert found.covariance.shape == (2, 2) and np.isnan(found.covariance).all()


@pytest.mark.parametrize("rows", [7, 300, 5000])
def test_so_many_are_below_a_value(small, rows):
    """All of them, and up to a bucket of one part in 1,024 beyond those kept."""
    d = heavy(rows)
    d[0] = 0.0
    sketch = sketched(d, [rows // 2])
    for value in (np.zeros(3), *np.quantile(d, [0.01, 0.5, 0.9], axis=0), d.max(axis=0) * 2):
        low, high = (np.sum(d < x, axis=0) for x in (value * (1 - 2**-10), value))
        found = below(sketch, value)
        assert np.all((low <= found) & (found <= high)), (found, low, high)
        if sketch.exact:
            np.testing.assert_array_equal(found, high)


@pytest.mark.parametrize("kept", [1000, 2])
def test_replicates_that_lack_an_n_do_not_count_there(monkeypatch, kept):
    """Exactly, and in a histogram, whatever the blocks; one n has few, and none at first."""
    monkeypatch.setattr(quantiles, "KEPT", kept)
    monkeypatch.setattr(quantiles, "LEAST_KEPT", kept)
    rng = np.random.default_rng(8)
    d = rng.uniform(1, 2, (300, 3)).astype("f4")
    d[100:, 1] = np.nan
    d[:290, 2] = np.nan
    sketch = begin_sketch(3)
    for start in range(0, 300, 70):
        sketch = update_sketch(sketch, d[start : start + 70])
    levels = np.array([0.1, 0.5, 0.9])
    found = quantile(sketch, levels)
    for k in range(3):
        alone = update_sketch(begin_sketch(1), d[~np.isnan(d[:, k]), k : k + 1])
        np.testing.assert_array_equal(found[:, k], quantile(alone, levels)[:, 0])
    if kept > 2:
        np.testing.assert_allclose(found, np.nanquantile(d, levels, axis=0), rtol=1e-6)
