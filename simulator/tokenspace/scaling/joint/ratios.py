"""Likelihood ratios of the joint fit, and their null distributions by bootstrap.

With normal noise in log S whose variance each curve has for itself, twice the log likelihood of K
curves is -sum_k m_k log RSS_k, up to a constant. Of curves of one variance by their standard errors
it is -M log sum_k RSS_k, with M points (`joint.stated`). Three hypotheses are held against richer
ones:

    need     no crossover (power laws)   against   one n_balance for all
    sharing  one n_balance for all       against   one for each curve
    shape    one n_balance for all       against   a parabola in log n for each curve

An n_balance of 0 or infinity is no crossover, where it cannot be told from others: the ratios are
not chi-square, so every one is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import minimize_scalar

from tokenspace.scaling.joint.family import Family
from tokenspace.scaling.joint.noise import BLOCKS, Noise

NAMES = ("need", "sharing", "shape")
AT_ONCE = 25  # bootstrap draws: few enough that their arrays stay in the cache
ROUNDING = 1e-9  # of a ratio
FAR = 6  # standard deviations; 25 draws know them to a seventh, and 4.5 would be one in 300,000


@dataclass(frozen=True)
class Ratio:
    """A likelihood ratio (of -2 log L) with its p-value by bootstrap for each kind of noise."""

    name: str
    statistic: float
    p: dict[str, float]


def ratios(family: Family, log_score: np.ndarray | None = None) -> np.ndarray:
    """The three ratios, (3, ...), of the family's scores or of others (..., K, m)."""
    y = family.centred(log_score)
    least = np.empty(y.shape[:-1])
    together = family.profile(y, family.on_grid, least)
    shared = together.min(-1)
    bent = family.log_likelihood(family.bent(log_score))
    separate = family.log_likelihood(least)
    apart = np.maximum(shared - separate, 0.0)  # rounding may leave less than nothing
    return np.stack([together[..., 0] - shared, apart, shared - bent])


def drawn_ratios(
    family: Family, truth: np.ndarray, noise: Noise, kind: str, runs: int, seed: int
) -> np.ndarray:
    """The three ratios of curves drawn about `truth`, log S (K, m): (3, runs)."""
    rng = np.random.default_rng(seed)
    found = [
        ratios(family, truth + noise.draw(kind, rng, now, family.weight)) for now in parts(runs)
    ]
    return np.concatenate(found, axis=-1)


def p_value(statistic: float, drawn: np.ndarray) -> float:
    """(1 + draws at least as large) / (1 + draws)."""
    return float((1 + (drawn >= statistic - ROUNDING).sum()) / (1 + len(drawn)))


def deviance(family: Family, log_score: np.ndarray | None = None) -> np.ndarray:
    """-2 log L over the grid of n_balance less its least value, (..., g)."""
    total = family.profile(family.centred(log_score), family.on_grid)
    return total - total.min(-1, keepdims=True)


def refined(family: Family) -> Family:
    """The family with a finer grid round its best n_balance, which is then a point of the grid."""

    def height(log_balance: float) -> float:
        squares = family.squares(family.directions(np.array([np.exp(log_balance)])))
        return float(family.log_likelihood(squares)[0])

    place = int(deviance(family).argmin())
    if place in (0, len(family.grid) - 1):
        return family
    low, high = (np.log(family.grid[min(max(place + s, 1), len(family.grid) - 2)]) for s in (-1, 1))
    found = minimize_scalar(height, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    step = 1e-3
    rise = (height(found.x - step) + height(found.x + step)) / 2 - found.fun
    width = step / np.sqrt(max(rise, 1e-12))  # of the parabola (log b / width)^2
    return replace(family, near=float(np.exp(found.x)), width=float(width))


@dataclass(frozen=True)
class Deviances:
    """Deviances at a true n_balance, drawn: places in the grid (p,), drawn (runs, p)."""

    places: np.ndarray
    drawn: np.ndarray


def drawn_deviances(
    family: Family, noise: Noise, kind: str, runs: int, seed: int, every: int
) -> Deviances:
    """Of curves whose n_balance is one of the grid, the deviance there.

    At every `every`-th of the grid and the last finite one; the first, 0, is the null of `need`,
    whose ratio that is. The noise is that about the best fit, not that about each n_balance:
    residuals about a wrong one would count its misfit as scatter. It is the same at all, so that
    limits are smooth.
    """
    size = len(family.grid)
    places = np.unique(np.r_[np.arange(0, size - 1, every), size - 2])
    truths = [family.centred(family.fitted(family.grid[place]))[:, None] for place in places]
    near: dict[int, np.ndarray] = {}  # place -> what of the grid may fit a draw best
    rng = np.random.default_rng(seed)
    drawn = []
    for now in parts(runs):
        scatter = family.centred(noise.draw(kind, rng, now, family.weight))
        found = []
        for truth, place in zip(truths, places, strict=True):
            some = near.get(place, np.arange(size))
            total = family.profile(truth + scatter, family.on_grid[..., some])
            here = total[:, np.searchsorted(some, place)]
            if place not in near:
                near[place] = rivals(total - here[:, None])
            found.append(here - total.min(-1))
        drawn.append(found)
    return Deviances(places, np.concatenate(drawn, axis=1).T)


def limits(
    family: Family, noise: Noise, kind: str, level: float, deviances: Deviances
) -> tuple[np.ndarray, np.ndarray]:
    """What the deviance at a true n_balance stays below in a share `level` of draws, (g,).

    And the standard error that it has from so many draws, (g,). Straight between the places of the
    draws; the two ends of the grid, which are one law, have one limit.
    """
    factor = 1.0
    if kind == BLOCKS:
        factor = few_counts(typical_count(family), noise.freedom, level)
    limit, error = (
        np.interp(
            np.arange(len(family.grid)), deviances.places, factor * of(deviances.drawn.T, level)
        )
        for of in (upper, upper_error)
    )
    limit[-1], error[-1] = limit[0], error[0]
    return limit, error


def rivals(ahead: np.ndarray) -> np.ndarray:
    """Which n_balance of the grid may fit a draw better than the true one, ascending.

    Of two given values of n_balance the difference of -2 log L is nearly normal, so that one whose
    mean lies `FAR` standard deviations above 0 in a few draws is never ahead.

    Args:
        ahead: of a few draws, -2 log L at each n_balance less that at the true one, (runs, g).
    """
    return np.flatnonzero(ahead.mean(axis=0) <= FAR * ahead.std(axis=0))


def typical_count(family: Family) -> int:
    """Different n of the median curve: other n than its own say nothing of its scatter."""
    return int(np.median(family.different))


def few_counts(counts: int, freedom: float, level: float) -> float:
    """What limits from blocks are multiplied by, since few counts say how scores scatter together.

    At the true n_balance the deviance is z^2 over the variance of a score, where z is what all
    scores together say of log n_balance. That scores of one n scatter together enters by the
    variance of z, which draws in blocks take from the residuals: from a sum of them at each of m
    different n, less a level, a slope and the n_balance that is fitted, which is chi-square with
    nu = m - 3, and scaled as if with nu + 1, since residuals are scaled for a level and a slope.
    So z^2 over it has Student's quantile t^2(nu) (nu + 1) / nu. Draws know that variance, and only
    each curve's own is not known to them, from all scores less two a curve and one: `freedom`. The
    variance of a score, by which both are divided, cancels, and the factor is

        h(m - 3) / h(freedom),    h(nu) = t^2(nu) (nu + 1) / nu.

    One curve with a score at each n has nothing to scatter together with: there freedom = m - 3,
    and the factor is 1. It is 1.55 for six curves of ten counts and 95 %, 1.64 for 36, and at most
    1.66. Curves that scatter together are counted in full all the same, and of six counts and less
    the deviance, which grows like a logarithm, says less than z^2: there sets hold more than asked.

    Args:
        counts: different n, m > 3.
        freedom: of the residuals that draws take, >= m - 3, see `Noise.freedom`.
        level: in (0, 1).

    Source: Kent, Biometrika 69 (1982), for likelihood ratios where the noise is not as the model
    has it; the degrees of freedom follow as above, and simulations agree (docs/shared_balance.md).
    """

    def h(nu: float) -> float:
        return float(stats.t.ppf((1 + level) / 2, nu) ** 2 * (nu + 1) / nu)

    return h(counts - 3) / h(freedom)


def upper(drawn: np.ndarray, level: float) -> np.ndarray:
    """What one more draw stays below with probability `level`: the value of that rank, (...,).

    Of 199 draws (..., runs) and 95 % the 190th: one more is as likely to fall into each of the
    200 gaps.
    """
    return np.asarray(np.quantile(drawn, level, axis=-1, method="weibull"))


def upper_error(drawn: np.ndarray, level: float) -> np.ndarray:
    """Standard error of `upper` of so many draws, (...,).

    The share of draws below the true value is binomial: half the distance between the values whose
    ranks are one standard deviation of it to either side.
    """
    runs = drawn.shape[-1]
    step = np.sqrt(level * (1 - level) / runs)
    ranks = np.clip([level - step, level + step], 1 / (runs + 1), runs / (runs + 1))
    low, high = np.quantile(drawn, ranks, axis=-1, method="weibull")
    return np.asarray((high - low) / 2)


def parts(runs: int) -> list[int]:
    """Draws in blocks whose arrays stay in the cache."""
    return [min(AT_ONCE, runs - first) for first in range(0, runs, AT_ONCE)]
