"""What standard errors say of the noise of a law, and of a score that is not measured yet.

Every interval of a new score asks here: that of one law, whoever prints it, and that of all laws
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from tokenspace.scaling.points import Points
from tokenspace.scaling.scales import Log, Scale

# p-value of chi^2 below which the scatter counts. 95 % intervals of 4 points hold 95 % where errors
# are 1.5 times too small; with 0.05 in its place they would hold 86 %.
DOUBT = 0.5


def stated_variance(score: Any, error: Any = None, scale: Scale | None = None) -> float:
    """Variance of y of a point of weight 1 by the standard errors; not a number without them."""
    if error is None:
        return float("nan")
    return float(1 / np.mean(1 / variances(score, error, Log() if scale is None else scale)))


def weights(score: Any, error: Any, scale: Scale) -> np.ndarray:
    """Weights of the scores by their standard errors: variance is `stated_variance` / weight."""
    return stated_variance(score, error, scale) / variances(score, error, scale)


def variances(score: Any, error: Any, scale: Scale) -> np.ndarray:
    """Variance of y of each score, by its standard error."""
    score = np.asarray(score, np.float64)
    return np.asarray((np.asarray(error, np.float64) * scale.slope(score) / score) ** 2)


def variance_of(curves: int, stated: Sequence[float] | np.ndarray | None, loss: str) -> np.ndarray:
    """`stated_variance` of each curve, (curves,); none by a robust loss: errors only weigh then."""
    if stated is None or loss == "huber":
        return np.full(curves, np.nan)
    return np.asarray(stated, float)


def noise_of_law(stated: Any, chi_squared: Any, freedom: Any) -> np.ndarray:
    """The noise of one law, taken for true: the variance by the errors where chi^2 agrees with it.

    Args:
        stated: variance of a point of weight 1; chi_squared: of the law's residuals by it; freedom:
            points less parameters. Same shape, not numbers where not known.

    Returns:
        stated where p >= `DOUBT`, else not a number: the scatter tells the noise.
    """
    return np.where(stats.chi2.sf(chi_squared, freedom) >= DOUBT, stated, np.nan)


def with_noise(points: Points, noise: np.ndarray) -> Points:
    """The points with this variance of weight 1, (curves,), as they are where none is known."""
    return replace(points, noise=noise) if np.isfinite(noise).any() else points


def weight_ahead(x: np.ndarray, weight: np.ndarray, ahead: np.ndarray, loss: str) -> np.ndarray:
    """Weights of new scores of a curve at log n = ahead, (k,).

    A new score is taken to be as uncertain as those beside it: errors are interpolated in log n,
    and beyond the ends they are those of the last n. Several scores at one n count by the mean of
    their log weights. Huber's loss has one scatter for all n.

    Args:
        x, weight: log n and weights of the scores that are seen, (points,).
    """
    if loss == "huber":
        return np.ones(len(ahead))
    at = np.unique(x)
    beside = [np.log(weight[x == k]).mean() for k in at]
    return np.asarray(np.exp(np.interp(ahead, at, beside)))
