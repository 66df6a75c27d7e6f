"""Estimates with their errors: what every number that comes from sampling is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUANTILES = (0.023, 0.159, 0.5, 0.841, 0.977)  # the median and the 1 and 2 sigma bands


@dataclass(frozen=True)
class Estimate:
    """Mean, standard error of the mean and count; arrays share one shape."""

    mean: np.ndarray
    standard_error: np.ndarray
    count: int

    def __repr__(self) -> str:
        if np.ndim(self.mean) == 0:
            return f"{float(self.mean):.6g} ± {float(self.standard_error):.2g} (n = {self.count})"
        return f"Estimate(shape={np.shape(self.mean)}, count={self.count})"


@dataclass(frozen=True)
class Moments:
    """Mean over replicates with the covariance of the mean across the grid, (m,) and (m, m)."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of the mean at each grid point; NaN from a single replicate."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of one replicate at each grid point."""
        return self.standard_error * np.sqrt(self.count)

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.mean, self.standard_error, self.count)


def moments(samples: np.ndarray) -> Moments:
    """Moments of samples (R, m), accumulated in float64.

    With one replicate the covariance is unknown and NaN.
    """
    count, m = samples.shape
    mean = samples.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((m, m))
    for start in range(0, count, 65_536):
        centred = samples[start : start + 65_536].astype(np.float64) - mean
        scatter += centred.T @ centred
    covariance = scatter / ((count - 1) * count) if count > 1 else np.full((m, m), np.nan)
    return Moments(mean, covariance, count)
