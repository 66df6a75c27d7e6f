"""Likelihood ratios of the joint fit, and their null distributions by bootstrap.

With normal noise in log S whose variance each curve has for itself, twice the log likelihood of K
curves is -sum_k m_k log RSS_k, up to a constant. Three hypotheses are held against richer ones:

    need     no crossover (power laws)   against   one n_balance for all
    sharing  one n_balance for all       against   one for each curve
    shape    one n_balance for all       against   a parabola in log n for each curve

An n_balance of 0 or infinity is no crossover, where it cannot be told from others: the ratios are
not chi-square, so every one is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.joint.family import Family
from tokenspace.scaling.joint.noise import Noise

NAMES = ("need", "sharing", "shape")
AT_ONCE = 25  # bootstrap draws: few enough that their arrays stay in the cache


@dataclass(frozen=True)
class Ratio:
    """A likelihood ratio (of -2 log L) with its p-value by bootstrap for each kind of noise."""

    name: str
    statistic: float
    p: dict[str, float]


def ratios(family: Family, log_score: np.ndarray | None = None) -> np.ndarray:
    """The three ratios, (3, ...), of the family's scores or of others (..., K, m)."""
    squares = family.counts * np.log(family.squares(family.on_grid, log_score))
    together = squares.sum(-1)
    shared = together.min(-1)
    bent = (family.counts * np.log(family.bent(log_score))).sum(-1)
    separate = squares.min(-2).sum(-1)
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
    return float((1 + (drawn >= statistic - 1e-9).sum()) / (1 + len(drawn)))


def deviance(family: Family, log_score: np.ndarray | None = None) -> np.ndarray:
    """-2 log L over the grid of n_balance less its least value, (..., g)."""
    squares = family.squares(family.on_grid, log_score)
    total = (family.counts * np.log(squares)).sum(-1)
    return total - total.min(-1, keepdims=True)


def limits(
    family: Family, noise: Noise, kind: str, level: float, runs: int, seed: int, every: int
) -> np.ndarray:
    """What the deviance at a true n_balance stays below in a share `level` of draws, (g,).

    Drawn at every `every`-th n_balance of the grid, and straight between them; the two ends, which
    are one model, have one limit. The noise is that about the best fit, not that about each
    n_balance: residuals about a wrong one would count its misfit as scatter.
    """
    size = len(family.grid)
    places = np.unique(np.r_[np.arange(0, size - 1, every), size - 2])
    truths = [family.fitted(family.grid[place]) for place in places]
    rng = np.random.default_rng(seed)
    drawn = []
    for now in parts(runs):
        scatter = noise.draw(kind, rng, now, family.weight)  # the same for all: limits are smooth
        at = zip(truths, places, strict=True)
        drawn.append([deviance(family, truth + scatter)[:, place] for truth, place in at])
    found = upper(np.concatenate(drawn, axis=1), level)
    out = np.interp(np.arange(size), places, found)
    out[-1] = out[0]
    return out


def upper(drawn: np.ndarray, level: float) -> np.ndarray:
    """What one more draw stays below with probability `level`: the value of that rank, (...,).

    Of 199 draws (..., runs) and 95 % the 190th: one more is as likely to fall into each of the
    200 gaps.
    """
    return np.asarray(np.quantile(drawn, level, axis=-1, method="weibull"))


def parts(runs: int) -> list[int]:
    """Draws in blocks that fit into memory."""
    return [min(AT_ONCE, runs - first) for first in range(0, runs, AT_ONCE)]
