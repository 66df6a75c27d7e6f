"""Estimates with their errors: what every number that comes from sampling is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from tokenspace.printable import number
from tokenspace.shares import require_share

LEVEL = 0.95  # of intervals


def t_quantile(probability: Any, degrees_of_freedom: Any) -> Any:
    """Quantile of Student's t; NaN without degrees of freedom.

    Args:
        probability: in (0, 1).
        degrees_of_freedom: of the standard error; real numbers > 0, or none at 0.
    """
    known = np.where(np.asarray(degrees_of_freedom) > 0, degrees_of_freedom, np.nan)
    return special.stdtrit(known, probability)


def two_sided(level: float, degrees_of_freedom: Any) -> Any:
    """How many standard errors a Student's t interval reaches to either side.

    Raises:
        InputError: the level is not in (0, 1).
    """
    require_share("level", level)
    return t_quantile((1 + level) / 2, degrees_of_freedom)


@dataclass(frozen=True)
class Estimate:
    """Mean, standard error of the mean, count and degrees of freedom; arrays share one shape.

    degrees_of_freedom: of the standard error, count - 1 unless values are not independent; an array
    where they differ.
    """

    mean: np.ndarray
    standard_error: np.ndarray
    count: int
    degrees_of_freedom: Any = field(default=-1.0)

    def __post_init__(self) -> None:
        _default_freedom(self)

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Student's t interval of the mean, (low, high); NaN from a single value.

        Args:
            level: confidence, in (0, 1).
        """
        reach = two_sided(level, self.degrees_of_freedom) * self.standard_error
        return self.mean - reach, self.mean + reach

    def __repr__(self) -> str:
        if np.ndim(self.mean) == 0 and np.isfinite(self.standard_error):
            return f"{number(self.mean, self.standard_error)} (n = {self.count})"
        if np.ndim(self.mean) == 0:
            return f"{float(self.mean):.3g}, its error unknown (n = {self.count})"
        return f"Estimate(shape={np.shape(self.mean)}, count={self.count})"


@dataclass(frozen=True, repr=False)
class Positive(Estimate):
    """An estimate of what is > -shift, such as a length; its interval is of log(value + shift)."""

    shift: float = 0.0

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Student's t interval, (low, high), both > -shift; NaN where the error is unknown."""
        value = self.mean + self.shift
        reach = two_sided(level, self.degrees_of_freedom) * self.standard_error / value
        with np.errstate(over="ignore"):
            return value * np.exp(-reach) - self.shift, value * np.exp(reach) - self.shift


@dataclass(frozen=True, repr=False)
class Total(Positive):
    """The sum of two parts, each with an interval of its own, from which that of the sum is made.

    What leans in one part is hidden by the other: in the logarithm of the sum too little is left.
    correlation: of the errors of the parts.

    Source: Zou & Donner 2008, Construction of confidence limits about effect measures.
    """

    parts: tuple[Estimate, Estimate] | None = None
    correlation: float = 0.0

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """(low, high), distances to the ends of the parts added as errors are.

        As of `Positive` where a part has no interval.
        """
        low, high = super().interval(level)
        if self.parts is None:
            return low, high
        x, y = (np.array(part.interval(level)) - part.mean for part in self.parts)
        reach = np.sqrt(x**2 + y**2 + 2 * self.correlation * x * y)
        known = np.isfinite(reach)
        return (
            np.where(known[0], self.mean - reach[0], low),
            np.where(known[1], self.mean + reach[1], high),
        )


@dataclass(frozen=True)
class Moments:
    """Mean with its covariance across the grid, (m,) and (m, m); count and degrees of freedom.

    degrees_of_freedom: of the covariance, count - 1 unless values are not independent; (m,) where
    they differ.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int
    degrees_of_freedom: Any = field(default=-1.0)

    def __post_init__(self) -> None:
        _default_freedom(self)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of the mean at each grid point; NaN from a single replicate."""
        return np.sqrt(self.covariance.diagonal())

    @property
    def estimate(self) -> Estimate:
        """Mean and standard error, without the covariance across the grid."""
        return Estimate(self.mean, self.standard_error, self.count, self.degrees_of_freedom)

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Student's t interval, (low, high), of log mean where the mean is > 0; NaN from one.

        Of distances, whose distribution leans to the right: in logarithms it leans less.

        Args:
            level: confidence, in (0, 1).
        """
        plain = self.estimate.interval(level)
        positive = self.mean > 0
        mean = np.where(positive, self.mean, 1.0)
        with np.errstate(over="ignore"):  # so little may be known that there is no upper bound
            reach = np.exp((plain[1] - self.mean) / mean)
            log = mean / reach, mean * reach
        return np.where(positive, log[0], plain[0]), np.where(positive, log[1], plain[1])

    def select(self, part: slice) -> Moments:
        """The same of a part of the grid."""
        return self.take(np.arange(len(self.mean))[part])

    def take(self, places: np.ndarray) -> Moments:
        """The same at places of the grid."""
        many = self.degrees_of_freedom
        return Moments(
            self.mean[places],
            self.covariance[np.ix_(places, places)],
            self.count,
            many[places] if np.ndim(many) else many,
        )

    @property
    def least_freedom(self) -> float:
        """Degrees of freedom of what is made of all these means."""
        return float(np.min(self.degrees_of_freedom))


@dataclass(frozen=True)
class FittedNumber:
    """One fitted number with its error, and how far the data lie from the law that was fitted.

    interval: (low, high) at `level`; lack_of_fit: the largest relative deviation from the law.
    """

    mean: float
    standard_error: float
    interval: tuple[float, float]
    level: float
    lack_of_fit: float
    count: int
    degrees_of_freedom: float


def _default_freedom(value: Estimate | Moments) -> None:
    if np.ndim(value.degrees_of_freedom) == 0 and value.degrees_of_freedom < 0:
        object.__setattr__(value, "degrees_of_freedom", float(value.count - 1))
