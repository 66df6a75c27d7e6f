"""Norms of given tokens, how they vary, and the fourth moment of their differences.

Each is a function of means over sequences (or pairs), taken again without each unit.
"""

from __future__ import annotations

import numpy as np

from tokenspace.statistics.estimate import Estimate, Total
from tokenspace.statistics.jackknife import begin_groups, freedom_of, jackknifed, unbiased
from tokenspace.tokens.moments import with_left_out
from tokenspace.tokens.pairs import Pairs

WHOLE, PARTS = "norm_variation", ("within sequences", "between sequences")


def norms(given: Pairs, units: np.ndarray) -> dict[str, Estimate]:
    """Mean of ||h||, and Var ||h||^2 / (E||h||^2)^2 within and between sequences and of both.

    units: number of the picture, pair or group that each sequence (or pair) is left out with.
    """
    branches = [np.asarray(h) for h in given.branches]
    values = np.array([_of_norms(h) for branch in branches for h in branch])
    units = np.concatenate([units] * len(branches))
    norm, square, of_means, fourth = _means(values, units).T
    variation = {
        WHOLE: fourth / square**2 - 1,
        PARTS[0]: (fourth - of_means) / square**2,
        PARTS[1]: of_means / square**2 - 1,
    }
    count, freedom = len(values), freedom_of(np.bincount(units))
    found = {k: unbiased(v, count, freedom, positive=True) for k, v in variation.items()}
    whole, *parts = found.values()
    together = _correlation(*(variation[k][1:] for k in PARTS))
    found[WHOLE] = Total(**vars(whole), parts=(parts[0], parts[1]), correlation=together)
    return {"norm": jackknifed(norm, count, freedom)} | found


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Of values without each unit; 0 where one of them does not vary."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def kurtosis(given: Pairs, units: np.ndarray) -> Estimate:
    """sum_k E x_k^4 / (3 sum_k (E x_k^2)^2) - 1 of the features x of h^A - h^B; units: as above."""
    rows = _of_pictures(given, units) if given.every else _of_pairs(given, units)
    return unbiased(rows, len(given), freedom_of(np.bincount(units)))


def _of_norms(h: np.ndarray) -> list[float]:
    """Of one sequence the means of ||h||, ||h||^2, its square, and ||h||^4."""
    square = np.sum(h.astype(np.float64) ** 2, axis=1)
    mean = square.mean()
    return [np.sqrt(square).mean(), mean, mean**2, np.mean(square**2)]


def _means(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Over all rows (s, v), then without those of each unit, (1 + K, v)."""
    sums = begin_groups(int(units.max()) + 1, values.shape[1])
    return with_left_out(sums.add(values, units[:, None]))


def _of_pairs(given: Pairs, units: np.ndarray) -> np.ndarray:
    sums = []
    for x, y in zip(np.asarray(given.a), np.asarray(given.b), strict=True):
        square = (x.astype(np.float64) - y.astype(np.float64)) ** 2
        sums.append([square.mean(axis=0), np.mean(square**2, axis=0)])
    second, fourth = np.moveaxis(
        _means(np.array(sums).reshape(len(sums), -1), units).reshape(-1, 2, given.a.shape[2]), 1, 0
    )
    return fourth.sum(axis=1) / (3 * np.sum(second**2, axis=1)) - 1


def _of_pictures(given: Pairs, units: np.ndarray) -> np.ndarray:
    """From sums of powers of the features, at all positions."""
    h = np.asarray(given.a)

    def powers(pictures: np.ndarray) -> np.ndarray:
        total = np.zeros((4, *h.shape[1:]))
        for picture in pictures:
            x = picture.astype(np.float64)
            total += [x, x**2, x**3, x**4]
        return total

    whole = powers(h)
    rows = [_of_powers(whole, len(h))]
    for unit, size in enumerate(np.bincount(units)):
        rows.append(_of_powers(whole - powers(h[units == unit]), len(h) - size))
    return np.array(rows)


def _of_powers(powers: np.ndarray, count: int) -> float:
    """Of all pairs of `count` pictures: sum (x - y)^4 = K s_4 - 4 s_3 s_1 + 3 s_2^2 over pairs."""
    one, two, three, four = powers
    pairs = count * (count - 1) / 2
    second = np.mean(count * two - one**2, axis=0) / pairs
    fourth = np.mean(count * four - 4 * three * one + 3 * two**2, axis=0) / pairs
    return float(fourth.sum() / (3 * np.sum(second**2)) - 1)
