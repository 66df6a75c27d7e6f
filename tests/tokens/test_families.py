"""Families of covariances: their sums and lags are those of the matrix, and a search finds them."""

import numpy as np
import pytest

from tokenspace.grids import log_grid
from tokenspace.tokens.families import known_families, place_of
from tokenspace.tokens.families.place import SIDE_POINTS
from tokenspace.tokens.fit.cells import Moments
from tokenspace.tokens.fit.search import Target

SHAPES = {  # a row a family
    "constant": [],
    "exponential": [5.0],
    "matern": [6.0, 1.7],
    "power_law": [0.6],
    "fractional": [0.8],
    "blocks": [7],
    "exponentials": [1.5, 8.0],
    "patch_grid": [4.0, 2.0],
    "patch_distance": [4.0, 2.0],
    "patch_power_law": [0.7, 1.3],
}
ROWS, COLUMNS = 6, 8
FAMILIES = known_families()


def places(family):
    orders = ("raster", "serpentine", "hilbert")
    if family.picture:
        return [place_of(ROWS, COLUMNS, order) for order in orders]
    return [place_of(1, ROWS * COLUMNS)]


def test_every_family_has_a_row():
    assert set(FAMILIES) == set(SHAPES)
    sizes = [f.size for f in FAMILIES.values()]
    assert sizes == sorted(sizes) and sizes[0] == 0


def mean_at_lags(matrix, place):
    """K averaged over all pairs of places a lag apart, element by element."""
    down, right = place.places
    total, count = np.zeros((2, place.rows, 2 * place.columns - 1))
    for i in range(place.tokens):
        for j in range(place.tokens):
            lag = down[j] - down[i], right[j] - right[i]
            if lag[0] >= 0:
                total[lag[0], lag[1] + place.columns - 1] += matrix[i, j]
                count[lag[0], lag[1] + place.columns - 1] += 1
    return total, count


@pytest.mark.every_case
@pytest.mark.parametrize("name", SHAPES)
def test_sums_and_lags_are_those_of_the_matrix(name):
    family, shape = FAMILIES[name], np.array(SHAPES[name], float)
    for place in places(family):
        parts = family.covariances(shape, place)
        assert len(parts) == len(family.weights) and all(p.structure.valid for p in parts)
        found = family.correlations(shape, place)
        for part, k, totals in zip(parts, found, family.totals(shape, place), strict=True):
            matrix = part.dense(place.tokens)
            total, count = mean_at_lags(matrix, place)
            np.testing.assert_array_equal(count, place.counts)
            np.testing.assert_allclose(k, total / count, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(totals, [matrix[:n, :n].sum() for n in place.n], rtol=1e-12)


def test_windows_are_sums_over_rectangles():
    place = place_of(ROWS, COLUMNS)
    family, shape = FAMILIES["patch_grid"], np.array([4.0, 2.0])
    (part,) = family.covariances(shape, place)
    sums = place.windows @ family.correlations(shape, place).ravel()
    row, column = np.divmod(np.arange(48), COLUMNS)
    want = []
    for high in log_grid(ROWS, SIDE_POINTS):
        for wide in log_grid(COLUMNS, SIDE_POINTS):
            inside = np.flatnonzero((row < high) & (column < wide))
            want.append(part.dense(48)[np.ix_(inside, inside)].sum())
    np.testing.assert_allclose(sums, want, rtol=1e-12)


def exact_moments(family, place, shape, weights, psi=(0.25, 0.1), size=3.0):
    """Moments that tokens of this covariance have in expectation."""
    parts = family.covariances(shape, place)
    *of_parts, constant, white = weights
    tokens = place.tokens
    k = constant + white * np.eye(tokens)
    for w, part in zip(of_parts, parts, strict=True):
        k = k + w * part.dense(tokens)
    equal, cross = psi
    difference = 2 * size * (1 - equal) * k
    n = place.n
    across = size * (cross + (equal - cross) * np.eye(tokens))
    within = difference / 2 + across
    sums = [np.array([m[:i, :i].sum() for i in n]) for m in (within, across, difference)]
    prefixes = np.array([2 * size * n, size * equal * n, 2 * sums[0], sums[1], sums[2]])
    return Moments(n, 10, prefixes, {place: mean_at_lags(difference, place)[0]})


@pytest.mark.parametrize("aim", ["sums", "lags"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_search_finds_what_moments_are_of(name, aim):
    family, shape = FAMILIES[name], np.array(SHAPES[name], float)
    place = places(family)[0]
    weights = {2: [0.4, 0.6], 3: [0.5, 0.2, 0.3], 4: [0.3, 0.3, 0.2, 0.2]}[len(family.weights) + 2]
    moments = exact_moments(family, place, shape, weights)
    fit = Target(family, place, aim).fit(moments)
    assert fit.cost < 1e-6
    if (name, aim) in {("fractional", "sums"), ("exponentials", "sums")}:
        return  # other shapes have the same sums to 1e-3
    np.testing.assert_allclose(fit.values, shape, rtol=0.02)
    np.testing.assert_allclose(fit.weights, weights, atol=0.02)


def test_moments_of_known_tokens_are_named_right():
    place = place_of(1, 12)
    moments = exact_moments(FAMILIES["constant"], place, np.zeros(0), [0.4, 0.6])
    equal, within, cross = moments.psi
    np.testing.assert_allclose(equal, 0.25)
    np.testing.assert_allclose(cross[1:], 0.1)
    np.testing.assert_allclose(within[1:], 0.1 + 0.75 * 0.4)
    np.testing.assert_allclose(moments.upsilon, 0.75 * (0.4 * place.n**2 + 0.6 * place.n))
    fit = Target(FAMILIES["constant"], place, "").fit(moments)
    np.testing.assert_allclose(fit.weights, [0.4, 0.6])
