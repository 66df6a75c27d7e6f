"""Covariances that depend on the distance of two positions only, k(l) with k(0) = 1.

Each states the exponent it forces on E[D(n)] as n grows.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from tokenspace.covariance.base import Array, Markov, Stationary
from tokenspace.parameters import array_namespace, model, parameter


class _ShortMemory(Stationary):
    """Correlation functions that are positive and summable: tokens far apart forget each other."""

    @property
    def valid_by_construction(self) -> bool:
        return True

    def asymptotic_exponent(self) -> float:
        return 0.5


@model
class White(_ShortMemory):
    """Uncorrelated tokens: k(l) = 1 for l = 0, else 0. Exponent 1/2 at every n."""

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag).where(lag == 0, 1.0, 0.0)

    def totals(self, n: Array) -> Array:
        return np.asarray(n, np.float64)

    def markov(self) -> Markov:
        return Markov(
            np.ones((1, 1)), np.ones(1), lambda i, j: np.where(i == j, 1.0, 0.0)[..., None, None]
        )


@model
class Constant(Stationary):
    """One factor shared by all tokens: k(l) = 1. Exponent 1 at every n."""

    @property
    def valid_by_construction(self) -> bool:
        return True

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag).ones(np.shape(lag))

    def totals(self, n: Array) -> Array:
        return np.asarray(n, np.float64) ** 2

    def asymptotic_exponent(self) -> float:
        return 1.0

    def markov(self) -> Markov:
        return Markov(
            np.ones((1, 1)),
            np.ones(1),
            lambda i, j: np.ones((*np.broadcast_shapes(np.shape(i), np.shape(j)), 1, 1)),
        )


@model
class Exponential(_ShortMemory):
    """AR(1) tokens: k(l) = exp(-l / length). Exponent 1 for n << length, 1/2 for n >> length."""

    length: float = parameter("correlation length in tokens", above=0)

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag, self.length).exp(-lag / self.length)

    def markov(self) -> Markov:
        return Markov(
            np.ones((1, 1)),
            np.ones(1),
            lambda i, j: np.exp(-(j - i) / self.length)[..., None, None],
        )


@model
class Matern(_ShortMemory):
    """Matern tokens of smoothness nu.

    k(l) = 2^(1-nu)/Gamma(nu) x^nu K_nu(x) with x = sqrt(2 nu) l / length. Closed forms and an
    O(N) recursion for nu = 1/2, 3/2, 5/2. Exponent 1 for n << length, 1/2 for n >> length.
    """

    nu: float = parameter("smoothness", above=0, at_most=50, static=True)
    length: float = parameter("correlation length in tokens", above=0)

    def at_lag(self, lag: Array) -> Array:
        xp = array_namespace(lag, self.length)
        x = math.sqrt(2 * self.nu) * lag / self.length
        if self.nu == 0.5:
            return xp.exp(-x)
        if self.nu == 1.5:
            return (1 + x) * xp.exp(-x)
        if self.nu == 2.5:
            return (1 + x + x**2 / 3) * xp.exp(-x)
        x = np.asarray(x, np.float64)
        safe = np.where(x > 0, x, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):  # lost to overflow where k rounds to 1
            log_k = (
                (1 - self.nu) * math.log(2)
                - special.gammaln(self.nu)
                + self.nu * np.log(safe)
                + np.log(special.kve(self.nu, safe))
                - safe
            )
        return np.where((x > 0) & np.isfinite(log_k), np.exp(np.minimum(log_k, 0.0)), 1.0)

    def markov(self) -> Markov | None:
        if self.nu not in (0.5, 1.5, 2.5):
            return None
        order = int(self.nu + 0.5)
        rate = math.sqrt(2 * self.nu) / self.length
        # State: the process and its derivatives in units of 1 / rate.
        companion = np.zeros((order, order))
        companion[np.arange(order - 1), np.arange(1, order)] = 1.0
        companion[-1] = [-math.comb(order, k) for k in range(order)]
        nilpotent = companion + np.eye(order)
        stationary = {
            1: np.ones((1, 1)),
            2: np.eye(2),
            3: np.array([[1, 0, -1 / 3], [0, 1 / 3, 0], [-1 / 3, 0, 1]]),
        }[order]

        def transition(i: Array, j: Array) -> Array:
            x = (rate * (j - i))[..., None, None]
            polynomial = sum(
                np.linalg.matrix_power(nilpotent, k) * x**k / math.factorial(k)
                for k in range(order)
            )
            return np.exp(-x) * polynomial

        return Markov(stationary, np.eye(order)[0], transition)


@model
class SquaredExponential(_ShortMemory):
    """Smooth tokens: k(l) = exp(-l^2 / (2 length^2)). Exponent 1, then 1/2 beyond length."""

    length: float = parameter("correlation length in tokens", above=0)

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag, self.length).exp(-0.5 * (lag / self.length) ** 2)


@model
class RationalQuadratic(_ShortMemory):
    """A scale mixture: k(l) = (1 + l^2 / (2 mixture length^2))^(-mixture).

    Decays like l^(-2 mixture), so the exponent tends to 1 - mixture for mixture < 1/2 and to 1/2
    otherwise.
    """

    length: float = parameter("correlation length in tokens", above=0)
    mixture: float = parameter("exponent of the scale mixture", above=0)

    def at_lag(self, lag: Array) -> Array:
        xp = array_namespace(lag, self.length, self.mixture)
        return xp.exp(-self.mixture * xp.log1p((lag / self.length) ** 2 / (2 * self.mixture)))

    def asymptotic_exponent(self) -> float:
        return max(1.0 - float(self.mixture), 0.5)


@model
class PowerLaw(Stationary):
    """Long memory: k(l) = (1 + l)^(-decay).

    Exponent tends to 1 - decay/2 for decay < 1 and to 1/2 for decay > 1 (1/2 with a logarithm at
    decay = 1). Convex and decreasing, hence valid at every n (Polya).
    """

    decay: float = parameter("exponent of the decay", above=0)

    @property
    def valid_by_construction(self) -> bool:
        return True

    def at_lag(self, lag: Array) -> Array:
        return (1.0 + lag) ** (-self.decay)

    def asymptotic_exponent(self) -> float:
        return max(1.0 - float(self.decay) / 2, 0.5)


@model
class FractionalGaussianNoise(Stationary):
    """Increments of fractional Brownian motion: T(n) = n^(2 hurst).

    k(l) = ((l+1)^2H - 2 l^2H + |l-1|^2H) / 2. Exponent exactly H at every n; H < 1/2 is
    anti-persistent, H = 1/2 is white.
    """

    hurst: float = parameter("Hurst exponent", above=0, below=1)

    @property
    def valid_by_construction(self) -> bool:
        return True

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
