"""Tokens of a chosen smoothness."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Markov, Structure
from tokenspace.parameters import array_namespace, model, parameter
from tokenspace.registry import register


@register
@model
class Matern(Stationary):
    """Matern tokens of smoothness nu.

    k(l) = 2^(1-nu)/Gamma(nu) x^nu K_nu(x) with x = sqrt(2 nu) l / length. Closed forms and an
    O(N) recursion for nu = 1/2, 3/2, 5/2. Exponent 1 for n << length, 1/2 for n >> length.
    """

    nu: float = parameter("smoothness", above=0, at_most=50, static=True)
    length: float = parameter("correlation length in tokens", at_least=1e-9, at_most=1e18)

    def at_lag(self, lag: Array) -> Array:
        xp = array_namespace(lag, self.length)
        x = math.sqrt(2 * self.nu) * lag / self.length
        if self.nu == 0.5:
            return xp.exp(-x)
        if self.nu == 1.5:
            return (1 + x) * xp.exp(-x)
        if self.nu == 2.5:
            return (1 + x + x**2 / 3) * xp.exp(-x)
        return _by_bessel(self.nu, np.asarray(x, np.float64))

    def asymptotic_exponent(self) -> float:
        return 0.5

    @cached_property
    def structure(self) -> Structure:
        markov = _markov(self.nu, self.length) if self.nu in (0.5, 1.5, 2.5) else None
        return Structure(at_lag=self.at_lag, markov=markov, valid=True)


def _by_bessel(nu: float, x: Array) -> Array:
    from scipy import special  # takes long to import, and most covariances need none of it

    safe = np.where(x > 0, x, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):  # lost where k rounds to 1 or to 0
        log_k = (
            (1 - nu) * math.log(2)
            - special.gammaln(nu)
            + nu * np.log(safe)
            + np.log(special.kve(nu, safe))
            - safe
        )
    known = np.isfinite(log_k) & (x > 0)
    return np.where(known, np.exp(np.minimum(log_k, 0.0)), np.where(x < 1, 1.0, 0.0))


def _markov(nu: float, length: float) -> Markov:
    """The process and its derivatives, in units of the rate sqrt(2 nu) / length."""
    order = int(nu + 0.5)
    rate = math.sqrt(2 * nu) / length
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
            np.linalg.matrix_power(nilpotent, k) * x**k / math.factorial(k) for k in range(order)
        )
        return np.exp(-x) * polynomial

    return Markov(stationary, np.eye(order)[0], transition)
