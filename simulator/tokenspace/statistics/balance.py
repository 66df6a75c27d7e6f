"""n_balance from estimated amplitudes, with the interval of a ratio (Fieller's theorem)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.printable import between, number, percent, to_error
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
    """n_balance with its error, both from 0 to infinity: no constant correlations have another.

    Infinite where D grows like sqrt(n) as far as the data go, or more slowly (Delta <= 0): pairs of
    tokens then add nothing. 0 where it grows like n or faster. The upper end of the interval is
    infinite if the data do not bound it, the lower one 0; the mean always lies inside.
    constant: False where lack_of_fit is more than 10 % and more than noise.
    """

    constant: bool

    def __repr__(self) -> str:
        low, high = self.interval
        error = self.standard_error
        said = f"n_balance = {number(self.mean, error)}"
        if np.isinf(self.mean):
            said = "n_balance: none seen, D grows like sqrt(n) as far as the data go"
        bounds = f"{percent(self.level)} interval {between(self.interval, error)}"
        if low == np.inf:
            said = "n_balance: none, D grows more slowly than sqrt(n)"
            bounds = f"Delta < 0, {percent(self.level)}"
        elif np.isinf(high):
            least = to_error(low, min(error, low))
            bounds = f"at least {least}, {percent(self.level)}" if low > 0 else "not bounded"
        if np.isnan(error):
            bounds = "its error is unknown"
        return (
            f"{said} ({bounds}; "
            f"largest deviation from the law {percent(self.lack_of_fit, '.1f')}"
            f"{'' if self.constant else ': correlations are not constant here'})"
        )


def fit_balance(n: np.ndarray, amplitude: Moments, level: float = LEVEL) -> Balance:
    """Fit amplitude^2 / n = Delta' (n + n_balance) by least squares in relative deviations.

    Of possible laws, n_balance >= 0: 0 where the best line would have less. Every n has the same
    weight, relative to its fitted value: weights from estimated errors would follow the noise when
    replicates are few. The errors of slope and intercept use the full covariance, but for a common
    factor, on which their ratio does not depend; its interval is Fieller's with Student's t.

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
    mean, error = np.inf, np.inf
    if slope > 0:
        mean = max(intercept / slope, 0.0)
        error = float(np.sqrt(c[0, 0] - 2 * mean * c[0, 1] + mean**2 * c[1, 1]) / slope)
    fitted = design @ (solve @ y)
    if intercept < 0:  # no possible law: the nearest is y = slope n
        design = design[:, 1:]
        solve = _weighted(design, np.maximum(fitted, y / 2))
        fitted = design @ (solve @ y)
    lack = float(np.max(abs(np.sqrt(np.maximum(fitted, 0) / y) - 1)))
    rest = np.eye(len(n)) - design @ solve
    noise = np.sqrt(np.diag(rest @ covariance @ rest.T))
    limit = t_quantile(1 - (1 - level) / (2 * len(n)), amplitude.least_freedom)
    constant = lack <= LACK or not np.any(abs(y - fitted) > limit * noise)
    return Balance(
        float(mean),
        error,
        _fieller(intercept, slope, c, two_sided(level, amplitude.least_freedom)),
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
        Value, low and high, (m,). Infinite: a value where Delta <= 0, upper ends that the data do
        not bound. NaN: all at n = 1, and ends where errors are unknown.

    Source: the curve is Li et al. 2025; Fieller 1954 for the interval.
    """
    value, low, high = np.full((3, len(n)), np.nan)
    error = upsilon.standard_error
    freedom = np.broadcast_to(upsilon.degrees_of_freedom, len(n))
    for k in np.flatnonzero(n > 1):
        slope, intercept = delta.mean[k], 1 - equal.mean[k] - delta.mean[k]
        value[k] = max(intercept, 0.0) / slope if slope > 0 else np.inf  # < 0 by rounding alone
        of_equal, of_delta = equal.standard_error[k] ** 2, delta.standard_error[k] ** 2
        m = n[k] - 1.0
        both = (of_equal + m**2 * of_delta - (error[k] / n[k]) ** 2) / (2 * m)
        across = -both - of_delta  # of intercept and slope
        c = np.array([[of_equal + of_delta + 2 * both, across], [across, of_delta]])
        low[k], high[k] = _fieller(intercept, slope, c, two_sided(level, freedom[k]))
    return value, low, high


def _weighted(design: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The matrix (2, m) that takes y to intercept and slope, residuals relative to `scale`."""
    return np.linalg.pinv(design / scale[:, None]) / scale


def _fieller(intercept: float, slope: float, c: np.ndarray, t: float) -> tuple[float, float]:
    """The b >= 0 with (intercept - b slope)^2 <= t^2 Var(intercept - b slope), low and high.

    No b < 0 is possible, and without those the set holds a possible b as often as with them. Where
    the slope may be 0 the set is all but a hole, and reaches through infinity; a hole above 0 is
    filled. Where all of the set is impossible: 0, or infinity if the slope is below 0. NaN where
    errors are unknown.
    """
    if np.isnan(c).any():
        return np.nan, np.nan
    qa = slope**2 - t**2 * c[1, 1]
    qb = -2 * (intercept * slope - t**2 * c[0, 1])
    qc = intercept**2 - t**2 * c[0, 0]
    if qa > 0 and slope < 0:
        return np.inf, np.inf
    discriminant = qb**2 - 4 * qa * qc
    if qa > 0:  # the best b is in the set: below 0 by rounding alone
        discriminant = max(discriminant, 0.0)
    if not (discriminant >= 0 and qa != 0):
        return 0.0, np.inf
    low, high = np.sort((-qb + np.array([-1, 1]) * np.sqrt(discriminant)) / (2 * qa))
    if qa > 0:
        return max(float(low), 0.0), max(float(high), 0.0)
    return float(high) if qc > 0 and intercept > 0 else 0.0, np.inf
