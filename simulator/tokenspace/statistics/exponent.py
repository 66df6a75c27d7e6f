"""Exponents from estimated amplitudes, with errors that know of the covariance.

Values of D at different n come from the same replicates, so their errors are correlated: every
standard error here is propagated through the covariance across n (first-order, delta method).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import counted
from tokenspace.statistics.estimate import LEVEL, Moments, two_sided


@dataclass(frozen=True)
class Exponent:
    """An exponent at each n with standard errors and their covariance."""

    n: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    count: int
    degrees_of_freedom: Any

    @property
    def standard_error(self) -> np.ndarray:
        return np.sqrt(self.covariance.diagonal())

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Student's t interval at each n, (low, high); NaN from a single replicate."""
        reach = two_sided(level, self.degrees_of_freedom) * self.standard_error
        return self.mean - reach, self.mean + reach


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
    """At least so many token counts, and an amplitude above 0 at each: a power law has a meaning.

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
            + (f" and {counted(len(zero) - 1, 'more token count')}" if len(zero) > 1 else "")
            + ", where both branches have the same sum, so it follows no power of n; leave tokens "
            "that the branches share, or those token counts, out"
        )


def local_exponent(n: np.ndarray, amplitude: Moments, ends: Moments | None = None) -> Exponent:
    """Slope of log amplitude on log n between adjacent grid points, at their geometric mean.

    Args:
        n: token counts (m,).
        amplitude: at n (m,).
        ends: where amplitudes at two n are not of the same pairs: those at both ends of each step
            of the same, lower ends first, (2 (m - 1),).

    Raises:
        InputError: fewer than 2 grid points, or an amplitude of 0; with ends, where no step has two
            that are above 0.
    """
    if ends is None or len(n) < 2:
        require_points("the local exponent", n, amplitude, 2)
    middle, matrix = adjacent_slopes(n)
    if ends is not None:
        return _between(n[:-1], n[1:], middle, 1 / np.diff(np.log(n)), ends)
    jacobian = matrix / amplitude.mean
    return Exponent(
        middle,
        matrix @ np.log(amplitude.mean),
        _propagated(jacobian, amplitude.covariance),
        amplitude.count,
        _lesser(amplitude, slice(-1), slice(1, None)),
    )


def no_exponent(amplitude: Moments) -> Exponent:
    """The local exponent of one token count: at no n."""
    none = np.zeros(0)
    freedom = amplitude.degrees_of_freedom
    return Exponent(none, none, np.zeros((0, 0)), amplitude.count, freedom)


def secant_exponent(
    n: np.ndarray, amplitude: Moments, beta: float, ends: Moments | None = None
) -> Exponent:
    """alpha(n) = -beta log(A(n) / A(1)) / log(n) for every grid point after the first, n = 1.

    The alpha of S(n) = S(1) / n^alpha(n) for S proportional to E[D]^beta.

    Args:
        n, amplitude: as in `local_exponent`.
        beta: any number.
        ends: where needed, amplitudes at n = 1 and at each later n of the same pairs.

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
    if ends is not None:
        return _between(n[[0] * len(log_n)], n[1:], n[1:], -beta / log_n, ends)
    matrix = np.hstack([np.full((len(n) - 1, 1), -1.0), np.eye(len(n) - 1)])
    matrix *= -beta / log_n[:, None]
    jacobian = matrix / amplitude.mean
    return Exponent(
        n[1:],
        matrix @ np.log(amplitude.mean),
        _propagated(jacobian, amplitude.covariance),
        amplitude.count,
        _lesser(amplitude, slice(1), slice(1, None)),
    )


def _between(
    lower: np.ndarray, upper: np.ndarray, n: np.ndarray, factor: np.ndarray, ends: Moments
) -> Exponent:
    """factor log(A(upper) / A(lower)) at n, of amplitudes at the lower and the upper ends, (2 k,).

    NaN between two n where the pairs that reach the upper one have an amplitude of 0.

    Raises:
        InputError: that is so between any two.
    """
    k = len(n)
    none = ~(ends.mean > 0)
    unknown = none[:k] | none[k:]
    if unknown.all():
        raise InputError(
            f"the exponent from n = {lower[0]} to {upper[0]}, and from every other n: D(n) = 0 at "
            "one of them in every pair that reaches both, so it follows no power of n; leave "
            "tokens that the branches share, or those token counts, out"
        )
    matrix = np.hstack([-np.diag(factor), np.diag(factor)])
    amplitude = np.where(none, 1.0, ends.mean)
    covariance = np.where(none | none[:, None], np.nan, ends.covariance)
    return Exponent(
        n,
        np.where(unknown, np.nan, matrix @ np.log(amplitude)),
        _propagated(matrix / amplitude, covariance),
        ends.count,
        _lesser(ends, slice(k), slice(k, None)),
    )


def _propagated(jacobian: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """J C J', NaN only where it needs a mean whose error is unknown."""
    unknown = np.isnan(covariance.diagonal())
    known = np.where(unknown | unknown[:, None], 0.0, covariance)
    needs = (jacobian[:, unknown] != 0).any(axis=1)
    return np.where(needs | needs[:, None], np.nan, jacobian @ known @ jacobian.T)


def _lesser(amplitude: Moments, *parts: slice) -> Any:
    """Degrees of freedom of what is made of two means: those of the one that is known less."""
    many = amplitude.degrees_of_freedom
    return np.minimum(*(many[part] for part in parts)) if np.ndim(many) else many
