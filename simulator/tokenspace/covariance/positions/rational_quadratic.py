"""Tokens with many correlation lengths at once."""

from __future__ import annotations

from functools import cached_property

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Structure
from tokenspace.parameters import array_namespace, model, parameter
from tokenspace.registry import register


@register
@model
class RationalQuadratic(Stationary):
    """A scale mixture: k(l) = (1 + l^2 / (2 mixture length^2))^(-mixture).

    Decays like l^(-2 mixture), so the exponent tends to 1 - mixture for mixture < 1/2 and to 1/2
    otherwise.
    """

    length: float = parameter("correlation length in tokens", at_least=1e-9, at_most=1e18)
    mixture: float = parameter("exponent of the scale mixture", at_least=1e-9, at_most=1e9)

    def at_lag(self, lag: Array) -> Array:
        xp = array_namespace(lag, self.length, self.mixture)
        return xp.exp(-self.mixture * xp.log1p((lag / self.length) ** 2 / (2 * self.mixture)))

    def asymptotic_exponent(self) -> float:
        return max(1.0 - float(self.mixture), 0.5)

    @cached_property
    def structure(self) -> Structure:
        return Structure(at_lag=self.at_lag, valid=True)
