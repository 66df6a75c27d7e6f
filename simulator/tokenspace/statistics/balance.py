"""n_balance from estimated amplitudes, with the interval of a ratio (Fieller's theorem)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.statistics.estimate import (
    LEVEL,
    Estimate,
    FittedNumber,
    Moments,
    t_quantile,
    two_sided,
)
from tokenspace.statistics.exponent import require_points

LEAST_POINTS = 3  # token counts: two fix the law, and say nothing of whether it holds
LACK = 0.1  # relative deviation from the law beyond which it is said, if it is no noise


@dataclass(frozen=True)
class Balance(FittedNumber):
    """n_balance with its error.

    Infinite where D grows like sqrt(n) as far as the data go: pairs of tokens then add nothing, or
    less than nothing that could be told from it. An end of the interval that the data do not bound
    is infinite; the mean always lies inside. Below -1: differences cancel, Delta < 0.
    constant: False where lack_of_fit is more than 10 % and more than noise.
    """

    constant: bool

    def __repr__(self) -> str:
        low, high = self.interval
        said = f"n_balance = {self.mean:.5g}"
        if not np.isnan(self.standard_error):
            said += f" ± {self.standard_error:.2g}"
        if np.isinf(self.mean):
            said = "n_balance: none seen, D grows like sqrt(n) as far as the data go"
        bounds = f"{self.level:.0%} interval {low:.5g} to {high:.5g}"
        if np.isinf(high):
            bounds = f"at least {low:.5g}, {self.level:.0%}" if np.isfinite(low) else "not bounded"
        if np.isnan(self.standard_error):
            bounds = "its error is unknown"
        return (
            f"{said} ({bounds}; "
            f"largest deviation from the law {self.lack_of_fit:.1%}"
            f"{'' if self.constant else ': correlations are not constant here'})"
        )


def fit_balance(n: np.ndarray, amplitude: Moments, level: float = LEVEL) -> Balance:
    """Fit amplitude^2 / n = Delta' (n + n_balance) by least squares in relative deviations.

    Every n has the same weight, relative to its fitted value: weights from estimated errors would
    follow the noise when replicates are few. The errors of slope and intercept use the full
    covariance, but for a common factor, on which their ratio does not depend; its interval is
    Fieller's with Student's t.

    Args:
        n: token counts (m,), at least 3.
        amplitude: moments of E[D] at n, > 0, or of another amplitude that is proportional to it.
        level: confidence of the interval, in (0, 1).

    Raises:
        InputError: fewer than 3 grid points, or an amplitude of 0.

    Source: the law is Li et al. 2025; Fieller 1954 for the interval.
    """
    y, covariance, design, solve = _relative(n, amplitude)
    intercept, slope = solve @ y
    c = solve @ covariance @ solve.T
    t = two_sided(level, amplitude.least_freedom)
    interval = _fieller(intercept, slope, c, t)
    mean, error = np.inf, np.inf
    if slope > 0 or np.isfinite(interval[1]):
        mean = intercept / slope
        gradient = np.array([1 / slope, -intercept / slope**2])
        error = float(np.sqrt(gradient @ c @ gradient))
    fitted = design @ np.array([intercept, slope])
    lack = float(np.max(abs(np.sqrt(np.maximum(fitted, 0) / y) - 1)))
    rest = np.eye(len(n)) - design @ solve
    noise = np.sqrt(np.diag(rest @ covariance @ rest.T))
    limit = t_quantile(1 - (1 - level) / (2 * len(n)), amplitude.least_freedom)
    constant = lack <= LACK or not np.any(abs(y - fitted) > limit * noise)
    return Balance(
        float(mean),
        error,
        interval,
        level,
        lack,
        amplitude.count,
        amplitude.least_freedom,
        bool(constant),
    )


def balance_quantiles(n: np.ndarray, amplitude: Moments, shares: np.ndarray) -> np.ndarray:
    """Values of n_balance below which it lies with these confidences in (0, 1), (k,).

    Ends of the intervals of `fit_balance` at every level |2 share - 1|, low ones below one half.
    """
    y, covariance, _, solve = _relative(n, amplitude)
    (intercept, slope), c = solve @ y, solve @ covariance @ solve.T
    t = t_quantile((1 + abs(2 * shares - 1)) / 2, amplitude.least_freedom)
    ends = [_fieller(intercept, slope, c, float(k)) for k in t]
    return np.array([low if p < 0.5 else high for p, (low, high) in zip(shares, ends, strict=True)])


def _relative(
    n: np.ndarray, amplitude: Moments
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """amplitude^2 / n, its covariance over n, the design (m, 2), and what solves it (2, m)."""
    require_points("n_balance", n, amplitude, LEAST_POINTS)
    y = amplitude.mean**2 / n
    unshared = np.eye(len(n)) - 1 / len(n)  # log y about its mean over n
    jacobian = y[:, None] * unshared * (2 / amplitude.mean)
    covariance = jacobian @ amplitude.covariance @ jacobian.T
    design = np.vstack([np.ones(len(n)), n]).T.astype(float)
    solve = _weighted(design, y)
    # measured values as weights would prefer those that came out small
    solve = _weighted(design, np.maximum(design @ (solve @ y), y / 2))
    return y, covariance, design, solve


def balance_curve(
    n: np.ndarray, equal: Estimate, delta: Estimate, upsilon: Moments, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(1 - psi_equal)/Delta - 1 from the psi's of each n, with the ends of Fieller's interval.

    How the errors of psi_equal and Delta go together is known of Upsilon = n (1 - psi_equal) +
    n (n - 1) Delta, which is measured on the same pairs: Var(Upsilon) = n^2 Var(psi_equal) +
    n^2 (n - 1)^2 Var(Delta) - 2 n^2 (n - 1) Cov(psi_equal, Delta).

    Args:
        n: token counts (m,).
        equal, delta: psi_equal and Delta = psi_within - psi_cross at n.
        upsilon: of the same psi's.
        level: confidence of the interval, in (0, 1).

    Returns:
        Value, low and high, (m,). Infinite: a value where Delta <= 0, ends that the data do not
        bound. NaN: all at n = 1, and ends where errors are unknown.

    Source: the curve is Li et al. 2025; Fieller 1954 for the interval.
    """
    value, low, high = np.full((3, len(n)), np.nan)
    error = upsilon.standard_error
    freedom = np.broadcast_to(upsilon.degrees_of_freedom, len(n))
    for k in np.flatnonzero(n > 1):
        slope, intercept = delta.mean[k], 1 - equal.mean[k] - delta.mean[k]
        value[k] = intercept / slope if slope > 0 else np.inf
        of_equal, of_delta = equal.standard_error[k] ** 2, delta.standard_error[k] ** 2
        m = n[k] - 1.0
        both = (of_equal + m**2 * of_delta - (error[k] / n[k]) ** 2) / (2 * m)
        across = -both - of_delta  # of intercept and slope
        c = np.array([[of_equal + of_delta + 2 * both, across], [across, of_delta]])
        if np.isfinite(c).all():
            low[k], high[k] = _fieller(intercept, slope, c, two_sided(level, freedom[k]))
    return value, low, high


def _weighted(design: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The matrix (2, m) that takes y to intercept and slope, residuals relative to `scale`."""
    return np.linalg.pinv(design / scale[:, None]) / scale


def _fieller(intercept: float, slope: float, c: np.ndarray, t: float) -> tuple[float, float]:
    """The b with (intercept - b slope)^2 <= t^2 Var(intercept - b slope), low and high.

    Where the slope may be 0 that set is all but a hole, and reaches through infinity. Its part
    above the hole is given if no possible n_balance, > -1, lies below, and else no bound at all.
    """
    qa = slope**2 - t**2 * c[1, 1]
    qb = -2 * (intercept * slope - t**2 * c[0, 1])
    qc = intercept**2 - t**2 * c[0, 0]
    discriminant = qb**2 - 4 * qa * qc
    if not (discriminant >= 0 and qa != 0):  # also where errors are unknown
        return -np.inf, np.inf
    low, high = np.sort((-qb + np.array([-1, 1]) * np.sqrt(discriminant)) / (2 * qa))
    if qa > 0:
        return float(low), float(high)
    above = intercept > 0 and low <= -1
    return (float(high), np.inf) if above else (-np.inf, np.inf)
