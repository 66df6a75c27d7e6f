"""Tokens that remember: correlations that cannot be summed."""

from __future__ import annotations

from functools import cached_property

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Structure
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class PowerLaw(Stationary):
    """Long memory: k(l) = (1 + l)^(-decay).

    Exponent tends to 1 - decay/2 for decay < 1 and to 1/2 for decay > 1 (1/2 with a logarithm at
    decay = 1). Convex and decreasing, hence valid at every n (Polya).
    """

    decay: float = parameter("exponent of the decay", above=0)

    def at_lag(self, lag: Array) -> Array:
        return (1.0 + lag) ** (-self.decay)

    def asymptotic_exponent(self) -> float:
        return max(1.0 - float(self.decay) / 2, 0.5)

    @cached_property
    def structure(self) -> Structure:
        return Structure(at_lag=self.at_lag, valid=True)
