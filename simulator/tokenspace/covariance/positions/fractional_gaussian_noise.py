"""Tokens with one exponent at every n."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Structure
from tokenspace.parameters import array_namespace, model, parameter
from tokenspace.registry import register


@register
@model
class FractionalGaussianNoise(Stationary):
    """Increments of fractional Brownian motion: T(n) = n^(2 hurst).

    k(l) = ((l+1)^2H - 2 l^2H + |l-1|^2H) / 2. Exponent exactly H at every n; H < 1/2 is
    anti-persistent, H = 1/2 is white.
    """

    hurst: float = parameter("Hurst exponent", above=0, below=1)

    def at_lag(self, lag: Array) -> Array:
        xp = array_namespace(lag, self.hurst)
        p = 2.0 * self.hurst
        lag = xp.asarray(lag, dtype=float)
        direct = ((lag + 1) ** p - 2 * lag**p + abs(lag - 1) ** p) / 2
        # The difference cancels at long lags: expand in 1 / lag^2 (next term is below 1e-13).
        far = xp.maximum(lag, 100.0)
        s = far**-2.0
        inner = 1 + (p - 4) * (p - 5) / 30 * s * (1 + (p - 6) * (p - 7) / 56 * s)
        series = p * (p - 1) / 2 * far ** (p - 2) * (1 + (p - 2) * (p - 3) / 12 * s * inner)
        return xp.where(lag > 100, series, direct)

    def totals(self, n: Array) -> Array:
        return np.asarray(n, np.float64) ** (2.0 * self.hurst)

    def total_slope(self, n: Array) -> Array:
        return 2.0 * self.hurst * np.asarray(n, np.float64) ** (2.0 * self.hurst - 1)

    def asymptotic_exponent(self) -> float:
        return float(self.hurst)

    @cached_property
    def structure(self) -> Structure:
        return Structure(at_lag=self.at_lag, valid=True)
