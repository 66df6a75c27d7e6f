"""Which law a curve prefers, and whether that says anything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import stats

from tokenspace.scaling.predictive import LEAST_SCATTER
from tokenspace.scaling.result import LawFit, ScalingFit
from tokenspace.scaling.robust import constant_squares

# p-value of chi^2 below which it refuses a law; where it refuses every law, it refuses the errors
REFUSED = 0.05
CLEAR = 10.0  # by which the AICc of a clear winner is ahead (Burnham & Anderson 2002, ch. 2.6)


def birge(chi_squared: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """What the variances by standard errors count times where laws are compared, (curves,).

    Stated errors are of known size: no law may choose a noise of its own, as it does where none are
    stated. But scores may scatter more than their errors say. So all laws of a curve are judged by
    one noise: that of the errors, times Birge's ratio

        s = max(1, least chi^2 / freedom of a law),

    and by the scatter alone, as without errors, where chi^2 refuses every law (p < `REFUSED`): then
    the errors do not tell the noise.

    Args:
        chi_squared: of each law by the stated errors, (laws, curves), not numbers without errors.
        freedom: points less parameters, not a number where a law is not determined.

    Returns:
        s, not a number where the scatter tells the noise.

    Source: R. T. Birge, Phys. Rev. 40, 207, 1932; K. P. Burnham, D. R. Anderson, Model Selection
    and Multimodel Inference, 2002, section 2.5 (one ratio for all models, of the best of them).
    """
    most = np.fmax.reduce(stats.chi2.sf(chi_squared, freedom))
    least = np.fmin.reduce(chi_squared / freedom)
    return np.where(most >= REFUSED, np.maximum(1.0, least), np.nan)


def aicc(points: int, parameters: int, squares: float, noise: float = np.nan) -> float:
    """Akaike's criterion of a least-squares fit, corrected for few points, without its constant.

    AICc = m log(RSS / m) + 2 k + 2 k (k + 1) / (m - k - 1), with m points and k = p + 1, as the
    variance of the residuals is a parameter too; infinite unless m > k + 1. Residuals below
    `LEAST_SCATTER` count as being there, so that laws which all fit exactly are not told apart by
    them.

    noise: variance of a point of weight 1, where it is known. AIC = RSS / noise + 2 p then: what is
    corrected for few points is the error of the variance.

    Source: C. M. Hurvich, C.-L. Tsai, Biometrika 76, 297, 1989.
    """
    if np.isfinite(noise):
        return float(squares / noise + 2 * parameters)
    k = parameters + 1
    if points <= k + 1:
        return float("inf")
    likelihood = points * np.log(max(squares / points, LEAST_SCATTER**2))
    return float(likelihood + 2 * k + 2 * k * (k + 1) / (points - k - 1))


def bic(points: int, parameters: int, squares: float, noise: float = np.nan) -> float:
    """Schwarz's criterion of a least-squares fit, without its constant.

    BIC = m log(RSS / m) + k log m with k = p + 1; infinite unless m > k. Where the noise is known,
    as for `aicc`, RSS / noise + p log m.

    Source: G. Schwarz, Ann. Stat. 6, 461, 1978.
    """
    if np.isfinite(noise):
        return float(squares / noise + parameters * np.log(points))
    k = parameters + 1
    if points <= k:
        return float("inf")
    return float(points * np.log(max(squares / points, LEAST_SCATTER**2)) + k * np.log(points))


def compare(
    fits: Iterable[LawFit], log_n: np.ndarray, log_score: np.ndarray, weight: np.ndarray
) -> ScalingFit:
    """The fits of one curve, ranked; equal ones in the order given."""
    by_name = {f.law: f for f in fits}
    ranked = sorted(by_name.values(), key=lambda f: f.aicc)
    best = ranked[0]
    power = by_name.get("power")
    low, high = power.intervals.get("alpha", (np.nan, np.nan)) if power else (np.nan, np.nan)
    if np.isnan(low) or np.isnan(high):
        low, high = _slope(log_n, log_score, weight, best.level, best.noise)
    sloped = low > 0 or high < 0 or _better_than_constant(ranked, log_score, weight)
    flat = bool(np.ptp(log_score) <= LEAST_SCATTER or not sloped)
    if len(ranked) == 1:
        return ScalingFit(by_name, best.law, float("nan"), "only one law was fitted", flat)
    second = ranked[1]
    lead = second.aicc - best.aicc if np.isfinite(best.aicc) else float("nan")
    why = _doubt(ranked, lead, log_n, log_score, flat)
    return ScalingFit(by_name, best.law, lead, why, flat)


def _doubt(
    ranked: list[LawFit], lead: float, log_n: np.ndarray, log_score: np.ndarray, flat: bool
) -> str:
    """Why the preference for the best law is not decisive, empty where it is."""
    best, others = ranked[0], ranked[1:]
    if not np.isfinite(lead):
        return f"{len(log_n)} points are too few to compare the laws"
    if len(np.unique(np.stack([log_n, log_score]), axis=1).T) < len(log_n):
        return "a score repeats exactly at the same n: a copy would be no second measurement"
    if np.ptp(log_score) <= LEAST_SCATTER:
        return "the scores are all the same: every law fits them, and none is told from others"
    if best.residual_std <= LEAST_SCATTER:
        return f"the scores have no noise: they follow the {best.law} law to rounding"
    if flat:
        return (
            "the scores have no slope: the interval of the power law's alpha holds 0, and no law "
            "is sure to fit better than a constant"
        )
    if lead <= CLEAR:
        return f"AICc is not ahead by more than {CLEAR:g}"
    # With few points a law with fewer parameters is ahead whatever the scores are: only what the
    # data themselves say against every other law, before any penalty, decides.
    close = min(others, key=lambda f: f.mean_squares)
    if len(log_n) * _misfit(close.mean_squares, best) <= CLEAR:
        return f"AICc is ahead for fewer parameters, not for a better fit than the {close.law} law"
    return ""


def _misfit(squares: float, fit: LawFit) -> float:
    """-2 log likelihood a point of other mean squares, less that of a fit, by the same noise."""
    if np.isfinite(fit.noise):
        return (squares - fit.mean_squares) / fit.noise
    with np.errstate(divide="ignore"):
        return float(np.log(squares / fit.mean_squares))


def _better_than_constant(fits: list[LawFit], log_score: np.ndarray, weight: np.ndarray) -> bool:
    """Whether a law fits better than a constant by more than chance, however many were tried.

    A steep curve that soon saturates is no power law, so that the misfit widens the interval of
    alpha. F = (R0 / R - 1) (m - p) / (p - 1) with R0 and R the squares about the mean and a law of
    p parameters; its p-value counts times the number of laws (Bonferroni). Of flat curves, six laws
    and 5, 6 and 10 points, about 1 % come out as better. Where the noise is that of the standard
    errors, (R0 - R) / noise is chi^2 of p - 1 degrees of freedom; where Birge's ratio widens it, F.
    """
    points = len(log_score)
    about = constant_squares(log_score, weight, fits[0].loss)
    tried = [f for f in fits if 0 < f.degrees_of_freedom < points - 1]
    for fit in tried:
        size = points - fit.degrees_of_freedom
        squares = max(fit.mean_squares, LEAST_SCATTER**2)
        ratio = (about / squares - 1) * fit.degrees_of_freedom / (size - 1)
        p_value = stats.f.sf(ratio, size - 1, fit.degrees_of_freedom)
        if fit.noise == fit.stated:
            p_value = stats.chi2.sf(points * _misfit(about, fit), size - 1)
        if p_value * len(tried) < 1 - fit.level:
            return True
    return False


def _slope(
    log_n: np.ndarray,
    log_score: np.ndarray,
    weight: np.ndarray,
    level: float,
    noise: float = np.nan,
) -> tuple[float, float]:
    """Interval of the slope of log S against log n, by weighted least squares.

    Student's, or the normal law's where the variance of a point of weight 1 is known.
    """
    x = log_n - np.average(log_n, weights=weight)
    y = log_score - np.average(log_score, weights=weight)
    spread = np.sum(weight * x**2)
    slope = np.sum(weight * x * y) / spread
    freedom = len(x) - 2
    error = np.sqrt(np.sum(weight * (y - slope * x) ** 2) / freedom / spread)
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    if np.isfinite(noise):
        half = stats.norm.ppf((1 + level) / 2) * np.sqrt(noise / spread)
    return float(slope - half), float(slope + half)
