"""Huber's loss in log S: points far off count by their distance, not its square.

The loss is the likelihood of Huber's least favourable distribution: normal up to `BEND` scales,
exponential beyond. Its optimum in the scale s is s^2 = sum of w r^2 / m with the weights
w = min(1, BEND s / |r|), so fits alternate between weights and least squares.
The weighted sum of squares understates how far scores and estimates scatter. For normal noise s is
kappa = 0.87 of its standard deviation, the root of E chi(Z / kappa) = 1 with chi(z) = w z^2, so
that s^2 / kappa^2 is its variance; and log s varies by Var chi / (m A^2), A = E z chi'(z), as that
of least squares with A^2 / (2 Var chi) = 88 % of the degrees of freedom. That is what intervals of
new scores are made of; `widening` mends those of estimates.

Source: P. J. Huber, Robust Estimation of a Location Parameter, Ann. Math. Stat. 35, 73, 1964;
Robust Statistics, 1981, section 7.6 (errors of regression).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.optimize import brentq

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import LEAST_SCATTER, on_grid

BEND = 1.345  # scales; 95 % efficient where noise is normal
ROUNDS = 30
STILL = 1e-4  # change of the weights at which they are settled


@cache
def of_normal(bend: float) -> tuple[float, float]:
    """(kappa, share of the degrees of freedom) of normal noise; takes 0.1 s once."""
    grid = (np.arange(200_000) + 0.5) * (12 / 200_000)
    share = np.exp(-(grid**2) / 2)
    share /= share.sum()

    def mean_chi(kappa: float) -> float:
        z = grid / kappa
        return float(share @ np.minimum(z**2, bend * z)) - 1

    kappa = float(brentq(mean_chi, 0.1, 1.0))
    z = grid / kappa
    spread = float(share @ np.minimum(z**2, bend * z) ** 2) - 1
    rise = float(share @ np.where(z <= bend, 2 * z**2, bend * z))
    return kappa, rise**2 / (2 * spread)


def reweighted(law: ScalingLaw, points: Points) -> Points:
    """The curves with the weights that Huber's loss gives their points under this law.

    Each curve stops when its own weights are settled, whatever the others do.
    """
    weight = points.weight.copy()
    moving = np.arange(len(weight))
    for _ in range(ROUNDS):
        given = points[moving]
        off, scale = _residuals(law, replace(given, weight=weight[moving]), given)
        with np.errstate(divide="ignore"):
            fresh = given.weight * np.minimum(1, BEND * scale[:, None] / np.abs(off))
        change = np.abs(fresh - weight[moving]).max(axis=1)
        weight[moving] = fresh
        moving = moving[change >= STILL]
        if not len(moving):
            break
    return robust(Points(points.x, points.y, weight))


def robust(points: Points) -> Points:
    """Points whose weights are Huber's: how their weighted sum of squares tells the noise."""
    kappa, told = of_normal(BEND)
    return replace(points, spread=kappa**-2, told=told)


def deviance(off: np.ndarray, scale: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """-2 log likelihood (curves,) of residuals; m log(RSS / m) where none is far off.

    weight: before the loss is robust, 0 at points that pad.
    """
    z = np.abs(off) * np.sqrt(weight) / scale[:, None]
    loss = np.where(z <= BEND, z**2, 2 * BEND * z - BEND**2).sum(axis=1)
    count = (weight > 0).sum(axis=1)
    return np.asarray(2 * count * np.log(scale) + loss - count)


def constant_squares(y: np.ndarray, weight: np.ndarray, loss: str) -> float:
    """Mean squares about a constant, as `LawFit.mean_squares` has them of a law by the same loss.

    Args:
        y: values (points,); weight: before the loss is robust.
        loss: "squares" or "huber".
    """
    fair = weight
    for _ in range(1 if loss == "squares" else ROUNDS):
        off = y - np.average(y, weights=fair)
        scale = max(np.sqrt(np.mean(fair * off**2)), LEAST_SCATTER)
        far = np.maximum(np.abs(off) * np.sqrt(weight) / scale, BEND)
        fair = weight * BEND / far
    if loss == "squares":
        return float(scale**2)
    return float(np.exp(deviance(off[None], np.array([scale]), weight[None])[0] / len(y)))


def widening(off: np.ndarray, scale: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """Variance of estimates over that of least squares with Huber's weights, (curves,).

    For p parameters and m points it is K^2 sum psi^2 / (m - p) / (mean psi')^2 (X^T X)^-1 with
    K = 1 + p / m (1 - mean psi') / mean psi', psi = u z, z the residuals in scales, and u their
    weights; weighted least squares has sum u z^2 / (m - p) / mean u instead.

    Args:
        off: residuals of log S; weight: before the loss is robust, 0 at points that pad.
        scale: s of each curve.
        size: parameters of the law, p.
    """
    count, there = (weight > 0).sum(axis=1), weight > 0
    z = np.maximum(np.abs(off) * np.sqrt(weight) / scale[:, None], 1e-12)
    u = np.minimum(1, BEND / z)
    bent = ((z <= BEND) & there).sum(axis=1) / count
    mean = (u * there).sum(axis=1) / count
    few = 1 + size / count * (1 - bent) / bent
    share = (u**2 * z**2).sum(axis=1) / (u * z**2).sum(axis=1)
    return np.asarray(few**2 * share * mean / bent**2)


def _residuals(law: ScalingLaw, now: Points, points: Points) -> tuple[np.ndarray, np.ndarray]:
    optima, squares = on_grid(law, now).refined()
    best = optima[np.arange(len(optima)), squares.argmin(axis=1)]
    off = (points.y - law.log_scores(best, points.x)) * np.sqrt(points.weight)
    scale = np.sqrt(squares.min(axis=1) / points.counts)
    return off, np.maximum(scale, LEAST_SCATTER)
