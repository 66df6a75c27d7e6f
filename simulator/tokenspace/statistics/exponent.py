"""Exponents and n_balance from estimated amplitudes, with errors that know of the covariance.

Values of D at different n come from the same replicates, so their errors are correlated: every
standard error here is propagated through the covariance across n (first-order, delta method).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Moments


@dataclass(frozen=True)
class Exponent:
    """An exponent at each n with standard errors and their covariance."""

    n: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    count: int

    @property
    def standard_error(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True)
class Balance:
    """n_balance with its standard error and confidence interval (Fieller's theorem).

    interval holds infinities where the data do not bound n_balance. lack_of_fit is the largest
    relative deviation of the amplitude from the constant-correlation law: large means that one
    n_balance does not describe these data.
    """

    mean: float
    standard_error: float
    interval: tuple[float, float]
    level: float
    lack_of_fit: float
    count: int

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"n_balance = {self.mean:.5g} ± {self.standard_error:.2g} "
            f"({self.level:.0%} interval {low:.5g} to {high:.5g}; "
            f"largest deviation from the law {self.lack_of_fit:.1%}"
            f"{': correlations are not constant here' if self.lack_of_fit > 0.1 else ''})"
        )


def adjacent_slopes(n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mid-points of the grid, and the matrix that takes log-amplitudes to slopes between points."""
    log_n = np.log(n)
    m = len(n)
    step = np.diff(log_n)
    rows = np.arange(m - 1)
    matrix = np.zeros((m - 1, m))
    matrix[rows, rows + 1] = 1 / step
    matrix[rows, rows] = -1 / step
    return np.exp((log_n[1:] + log_n[:-1]) / 2), matrix


def require_points(what: str, n: np.ndarray, amplitude: Moments, least: int) -> None:
    """Enough token counts, and an amplitude above 0 at each, so that a power law has a meaning.

    Raises:
        InputError: too few token counts, or D(n) is 0 in every replicate at some of them.
    """
    if len(n) < least:
        raise InputError(f"{what} needs at least {least} token counts, but the grid has {len(n)}")
    zero = n[~(amplitude.mean > 0)]
    if len(zero) == len(n):
        raise InputError(f"{what}: D(n) = 0 at every n, since both branches are the same")
    if len(zero):
        raise InputError(
            f"{what}: D(n) = 0 at n = {zero[0]}"
            + (f" and {len(zero) - 1} more token counts" if len(zero) > 1 else "")
            + ", where both branches have the same sum, so it follows no power of n; leave tokens "
            "that the branches share, or those token counts, out"
        )


def local_exponent(n: np.ndarray, amplitude: Moments) -> Exponent:
    """Slope of log amplitude on log n between adjacent grid points, at their geometric mean.

    Raises:
        InputError: fewer than 2 grid points, or an amplitude of 0.
    """
    require_points("the local exponent", n, amplitude, 2)
    middle, matrix = adjacent_slopes(n)
    jacobian = matrix / amplitude.mean
    return Exponent(
        middle,
        matrix @ np.log(amplitude.mean),
        jacobian @ amplitude.covariance @ jacobian.T,
        amplitude.count,
    )


def secant_exponent(n: np.ndarray, amplitude: Moments, beta: float) -> Exponent:
    """alpha(n) = -beta log(A(n) / A(1)) / log(n) for every grid point after the first, n = 1.

    The alpha of S(n) = S(1) / n^alpha(n) for S proportional to E[D]^beta.

    Raises:
        InputError: the grid does not start at 1 or has no other point, or an amplitude is 0.

    Source: Li et al. 2025.
    """
    if n[0] != 1:
        raise InputError(
            f"alpha(n) compares n tokens with 1, but the grid starts at n = {n[0]}; put 1 at the "
            "start of the grid, or take local_exponent, the slope between grid points"
        )
    require_points("alpha(n)", n, amplitude, 2)
    log_n = np.log(n[1:])
    matrix = np.hstack([np.full((len(n) - 1, 1), -1.0), np.eye(len(n) - 1)])
    matrix *= -beta / log_n[:, None]
    jacobian = matrix / amplitude.mean
    return Exponent(
        n[1:],
        matrix @ np.log(amplitude.mean),
        jacobian @ amplitude.covariance @ jacobian.T,
        amplitude.count,
    )


def fit_balance(n: np.ndarray, amplitude: Moments, level: float = 0.95) -> Balance:
    """Fit amplitude^2 / n = Delta' (n + n_balance) by weighted least squares.

    Weights are the inverse variances of each point; the errors of slope and intercept use the full
    covariance, and the interval of their ratio is Fieller's.

    Raises:
        InputError: fewer than 3 grid points, or an amplitude of 0.
    """
    require_points("n_balance", n, amplitude, 3)
    y = amplitude.mean**2 / n
    jacobian = np.diag(2 * amplitude.mean / n)
    covariance = jacobian @ amplitude.covariance @ jacobian.T
    design = np.vstack([np.ones(len(n)), n]).T.astype(float)
    error = np.sqrt(np.diag(covariance))
    error = np.where(error > 0, error, y * 1e-12)
    solve = np.linalg.pinv(design / error[:, None]) / error
    intercept, slope = solve @ y
    c = solve @ covariance @ solve.T
    fitted = design @ np.array([intercept, slope])
    lack = float(np.max(abs(np.sqrt(np.maximum(fitted, 0) / y) - 1)))
    ratio = intercept / slope
    gradient = np.array([1 / slope, -intercept / slope**2])
    z = special.ndtri((1 + level) / 2)
    # Fieller: the b with (intercept - b slope)^2 <= z^2 Var(intercept - b slope).
    qa = slope**2 - z**2 * c[1, 1]
    qb = -2 * (intercept * slope - z**2 * c[0, 1])
    qc = intercept**2 - z**2 * c[0, 0]
    discriminant = qb**2 - 4 * qa * qc
    interval = (-np.inf, np.inf)
    if qa > 0 and discriminant >= 0:
        roots = (-qb + np.array([-1, 1]) * np.sqrt(discriminant)) / (2 * qa)
        interval = (float(roots[0]), float(roots[1]))
    elif intercept > 0 and discriminant >= 0:
        # The slope may be 0: n_balance is bounded from below only.
        roots = np.sort((-qb + np.array([-1, 1]) * np.sqrt(discriminant)) / (2 * qa))
        interval = (float(roots[1]) if qa < 0 else float(roots[0]), np.inf)
    return Balance(
        float(ratio),
        float(np.sqrt(gradient @ c @ gradient)),
        interval,
        level,
        lack,
        amplitude.count,
    )
