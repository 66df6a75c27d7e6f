"""What makes the law over sizes uncertain: scatter of scores, and of whole sizes.

A model that is trained once has luck of its own, which moves all its scores. With residuals r of
log S times the roots of their weights, slopes J of the law likewise, Z the roots in a column for
each size, and M = 1 - J J^+ what the law leaves free,

    Q = r' Z (Z' M Z)^+ Z' r

are the squares that a shift of each size takes of r' r, and k, the rank of Z' M Z, their degrees
of freedom. Without common scatter F = (Q / k) / ((r' r - Q) / (m - p - k)) is about 1; with one of
variance c, and s^2 of a score of weight 1 about its size, E[Q] = k s^2 + c tr(Z' M Z). Least
squares then have the covariance J^+ (s^2 + c Z Z') J^+'.

Source: C. R. Henderson, Biometrics 9, 226, 1953 (method 3); F. E. Satterthwaite, Biometrics Bull.
2, 110, 1946 (degrees of freedom of a sum).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from tokenspace.scaling.predictive import LEAST_SCATTER
from tokenspace.scaling.stated import DOUBT, noise_of_law
from tokenspace.shares import require_share

RANK = 1e-6  # of the number of scores, below which the law takes a shift for its own


@dataclass(frozen=True)
class Scatter:
    """Variances of log S: within, of a score of weight 1; common, that all scores of a size share.

    left, sizes: degrees of freedom of both; left is infinite where the noise is that of the
    standard errors; p_value: of F, not a number where the law leaves no size, or no score about
    its size, free.
    """

    within: float
    common: float
    left: float
    sizes: int
    p_value: float

    def half(self, level: float, within: np.ndarray, common: np.ndarray) -> np.ndarray:
        """Half-width of an interval whose variance is the sum of a part by each.

        Student's t of the degrees of freedom of a sum; normal where the noise is known.
        """
        require_share("level", level)
        if not self.common:
            return np.asarray(stats.t.ppf((1 + level) / 2, self.left) * np.sqrt(within))
        variance = within + common
        with np.errstate(invalid="ignore"):
            share = within / variance  # whose squares are finite however large an error is given
            freedom = 1 / (share**2 / self.left + (1 - share) ** 2 / self.sizes)
        freedom = np.where(variance > 0, freedom, self.left)
        return np.asarray(stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance))


def scatter_of(
    residuals: np.ndarray, slopes: np.ndarray, root: np.ndarray, size: np.ndarray, stated: float
) -> tuple[Scatter, np.ndarray, np.ndarray]:
    """The scatter, and the covariances of the parameters by both its parts, (p, p) each.

    The common part is 0 unless F is above its median (p < `DOUBT`), as with standard errors the
    scatter counts: tests that refuse only what is sure keep intervals that are too narrow.

    Args:
        residuals: of log S, (m,), and slopes (m, p), times root, (m,), of the weights.
        size: of each score, (m,).
        stated: variance of log S of weight 1 by the standard errors, not a number without them.
    """
    moved = np.linalg.pinv(slopes)
    shifts = root[:, None] * (size[:, None] == np.unique(size))
    told, ways = np.linalg.eigh(shifts.T @ (shifts - slopes @ (moved @ shifts)))
    told, ways = told[told > RANK * len(root)], ways[:, told > RANK * len(root)]
    squares, sizes = float(residuals @ residuals), len(told)
    taken = float(np.sum((ways.T @ (shifts.T @ residuals)) ** 2 / told))
    taken = min(taken, squares)  # rounding may leave less than nothing
    left = len(residuals) - slopes.shape[1]
    common, p_value, alone = 0.0, np.nan, _within(squares, left, stated)
    if 0 < sizes < left:
        within, freedom = _within(squares - taken, left - sizes, stated)
        ratio = taken / sizes / max(within, LEAST_SCATTER**2)
        # F of no end of degrees of freedom is chi^2
        p_value = stats.chi2.sf(sizes * ratio, sizes)
        if np.isfinite(freedom):
            p_value = stats.f.sf(ratio, sizes, freedom)
        if p_value < DOUBT:
            common, alone = max(0.0, taken - sizes * within) / told.sum(), (within, freedom)
    found = Scatter(alone[0], float(common), alone[1], sizes, float(p_value))
    by_size = moved @ shifts
    return found, found.within * moved @ moved.T, found.common * by_size @ by_size.T


def _within(squares: float, left: int, stated: float) -> tuple[float, float]:
    """Variance of a score of weight 1, and its degrees of freedom."""
    noise = float(noise_of_law(stated, squares / stated, left))
    return (noise, np.inf) if np.isfinite(noise) else (squares / left, float(left))


def ends_below(slopes: np.ndarray, residuals: np.ndarray, half: np.ndarray) -> np.ndarray:
    """How far each parameter reaches where the limit, first, may only be below its optimum.

    With r the residuals, J the slopes, and H = J' J, parameters p beside the optimum have squares
    r' r + 2 p' J' r + p' H p. Those that are above r' r by no more than the ends of the interval
    with the limit as it is are an ellipsoid; its ends are asked, and those of that interval where
    they lie above the limit. Exact for a law that is linear in p; else rather too wide.

    Args:
        slopes: of the limit and the others, (m, p), and residuals: of the law less log S, (m,),
            times the roots of the weights.
        half: of intervals with the limit as it is, (p - 1,).

    Returns:
        (p - 1, 2).
    """
    inverse = np.linalg.pinv(slopes.T @ slopes, hermitian=True)
    gradient = slopes.T @ residuals
    given = np.diag(np.linalg.pinv(slopes[:, 1:].T @ slopes[:, 1:], hermitian=True))
    centre = -inverse @ gradient
    ends = half[:, None] * np.array([-1.0, 1.0])
    for k in np.flatnonzero(np.isfinite(half)):
        above = half[k] ** 2 / given[k] - gradient @ centre
        reach = np.sqrt(above / inverse[k + 1, k + 1]) * inverse[:, k + 1]
        for side, way in enumerate((-1, 1)):
            at = centre + way * reach
            if at[0] < 0:
                ends[k, side] = at[k + 1]
    return ends
