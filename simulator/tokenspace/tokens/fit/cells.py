"""Second moments of tokens, summed over the pairs of each two groups: all that a fit looks at.

Pictures (or pairs) are put into at most MOST_GROUPS groups. Sums over the pairs of any two groups,
"cells", then give the moments of any subset of the groups by adding: all of them, all but one for
the jackknife, a half for a fit and the other half to test it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.tokens.families.place import Place, from_power, spectrum
from tokenspace.tokens.pairs import Pairs

MOST_GROUPS = 20
BLOCK_BYTES = 1 << 27  # of transformed features held at once


@dataclass(frozen=True)
class Cells:
    """Sums over the pairs of two groups, a row a cell.

    members: the two groups of each cell (c, 2), equal where pairs lie inside a group; counts: its
    pairs (c,). prefixes: (c, 5, m), at token counts n the sums of ||a_i||^2 + ||b_i||^2 and of
    a_i . b_i over i <= n, of ||sum a||^2 + ||sum b||^2, of (sum a) . (sum b), and of
    ||sum (a - b)||^2. lags: place -> (c, rows, 2 columns - 1), the sums over places of the products
    of a - b with a - b a lag apart.
    """

    n: np.ndarray
    members: np.ndarray
    counts: np.ndarray
    prefixes: np.ndarray
    lags: dict[Place, np.ndarray]

    @property
    def groups(self) -> int:
        return int(self.members.max()) + 1

    def of(self, kept: np.ndarray) -> Moments:
        """Means over the pairs both of whose groups are kept, (groups,) true or false."""
        chosen = kept[self.members].all(axis=1) & (self.counts > 0)
        count = self.counts[chosen].sum()
        return Moments(
            self.n,
            int(count),
            self.prefixes[chosen].sum(axis=0) / max(count, 1),
            {k: v[chosen].sum(axis=0) / max(count, 1) for k, v in self.lags.items()},
        )


@dataclass(frozen=True)
class Moments:
    """Means over pairs: `Cells` without the cells. All correlations are ratios to ||h||^2."""

    n: np.ndarray
    count: int
    prefixes: np.ndarray
    lags: dict[Place, np.ndarray]

    @property
    def size(self) -> np.ndarray:
        """Mean of ||h||^2 over the first n tokens."""
        return self.prefixes[0] / (2 * self.n)

    @property
    def psi(self) -> np.ndarray:
        """psi_equal, psi_within and psi_cross over the first n tokens, (3, m); NaN at n = 1."""
        square, product, own, cross, _ = self.prefixes
        ordered = np.where(self.n > 1, self.n * (self.n - 1.0), np.nan) * self.size
        equal = product / (self.n * self.size)
        return np.array([equal, (own - square) / (2 * ordered), (cross - product) / ordered])

    @property
    def upsilon(self) -> np.ndarray:
        """E[D(n)^2] / (2 E||h||^2), with ||h||^2 of all tokens."""
        return self.prefixes[4] / (2 * self.size[-1])

    def correlation(self, place: Place) -> np.ndarray:
        """Of a - b, averaged over the places a lag apart, an array over lags."""
        return self.lags[place] / (place.counts * 2 * self.size[-1])


def cells_of(given: Pairs, groups: np.ndarray, n: np.ndarray, places: list[Place]) -> Cells:
    """The cells of pairs whose pictures (or pairs themselves) are in these groups.

    groups: of each picture (K,) where all pairs are taken, else of each pair (P, w), w <= 2.
    """
    if given.every:
        return _of_pictures(np.asarray(given.a), groups, n, places)
    return _of_pairs(np.asarray(given.a), np.asarray(given.b), groups, n, places)


def _of_pictures(h: np.ndarray, group: np.ndarray, n: np.ndarray, places: list[Place]) -> Cells:
    count = int(group.max()) + 1
    sizes = np.bincount(group, minlength=count)
    first, second = np.triu_indices(count)
    inside = first == second
    pairs = np.where(inside, sizes[first] * (sizes[first] - 1) // 2, sizes[first] * sizes[second])

    def own(each: np.ndarray) -> np.ndarray:
        """Sums of f(a) + f(b) over the pairs of each cell, from sums of f over each group."""
        a, b = (_column(x, each.ndim) for x in (sizes[first] - inside, sizes[second]))
        return np.where(
            _column(inside, each.ndim), a * each[first], b * each[first] + a * each[second]
        )

    def mixed(gram: np.ndarray, each: np.ndarray) -> np.ndarray:
        """Sums of f(a, b); gram: f of the sums of two groups, (groups, groups, ...)."""
        across = gram[first, second]
        return np.where(_column(inside, each.ndim), (across - each[first]) / 2, across)

    norms, squares = np.zeros((count, len(n))), np.zeros((count, len(n)))
    sums = np.zeros((count, *h.shape[1:]))
    for picture, g in zip(h, group, strict=True):
        x = picture.astype(np.float64)
        sums[g] += x
        norms[g] += np.cumsum(np.sum(x * x, axis=1))[n - 1]
        squares[g] += np.sum(np.cumsum(x, axis=0)[n - 1] ** 2, axis=1)
    alike = np.stack([np.cumsum(np.sum(sums * s, axis=2), axis=1)[:, n - 1] for s in sums])
    at = np.cumsum(sums, axis=1)[:, n - 1]
    together = np.einsum("gnd,hnd->ghn", at, at, optimize=True)
    all_own, all_mixed = own(squares), mixed(together, squares)
    prefixes = [own(norms), mixed(alike, norms), all_own, all_mixed, all_own - 2 * all_mixed]
    lags = {}
    for place in places:
        gram, each = _powers(h, group, place)
        lags[place] = from_power(own(each) - 2 * mixed(gram, each), place)
    members = np.stack([first, second], axis=1)
    return Cells(n, members, pairs, np.stack(prefixes, axis=1), lags)


def _powers(h: np.ndarray, group: np.ndarray, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Of the spectra, products of groups' sums (g, g, u, v) and groups' sums of squares (g, u, v).

    Block by block of the features, so that memory does not grow with them or with the pictures.
    """
    count, features = int(group.max()) + 1, h.shape[2]
    one = spectrum(np.zeros((place.rows, place.columns, 1)))
    step = max(1, BLOCK_BYTES // (one.nbytes * (count + 1)))
    shape = one.shape[:2]
    gram, each = np.zeros((count, count, *shape)), np.zeros((count, *shape))
    for start in range(0, features, step):
        sums = np.zeros((count, *shape, min(step, features - start)), complex)
        for picture, g in zip(h, group, strict=True):
            found = spectrum(_placed(picture[:, start : start + step], place))
            sums[g] += found
            each[g] += np.sum(found.real**2 + found.imag**2, axis=-1)
        at = np.moveaxis(sums, 0, 2)  # (u, v, groups, features)
        gram += np.moveaxis((at @ at.conj().swapaxes(2, 3)).real, (2, 3), (0, 1))
    return gram, each


def _of_pairs(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray, n: np.ndarray, places: list[Place]
) -> Cells:
    both = np.sort(groups.reshape(len(a), -1)[:, [0, -1]], axis=1)
    members, cell = np.unique(both, axis=0, return_inverse=True)
    cell = cell.ravel()
    prefixes = np.zeros((len(members), 5, len(n)))
    lags = {p: np.zeros((len(members), p.rows, 2 * p.columns - 1)) for p in places}
    for x, y, c in zip(a, b, cell, strict=True):
        x, y = x.astype(np.float64), y.astype(np.float64)
        s, t = (np.cumsum(h, axis=0)[n - 1] for h in (x, y))
        prefixes[c] += [
            np.cumsum(np.sum(x * x + y * y, axis=1))[n - 1],
            np.cumsum(np.sum(x * y, axis=1))[n - 1],
            np.sum(s * s + t * t, axis=1),
            np.sum(s * t, axis=1),
            np.sum((s - t) ** 2, axis=1),
        ]
        for place, found in lags.items():
            power = np.sum(abs(spectrum(_placed(x - y, place))) ** 2, axis=-1)
            found[c] += from_power(power, place)
    return Cells(n, members, np.bincount(cell, minlength=len(members)), prefixes, lags)


def _placed(tokens: np.ndarray, place: Place) -> np.ndarray:
    """Tokens (N, d) at their places, (rows, columns, d), float64."""
    out = np.zeros((place.rows, place.columns, tokens.shape[1]))
    out[place.places] = tokens
    return out


def _column(values: np.ndarray, dimensions: int) -> np.ndarray:
    return values.reshape(-1, *([1] * (dimensions - 1)))
