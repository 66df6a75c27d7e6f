"""Tokens that vary smoothly."""

from __future__ import annotations

from functools import cached_property

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Structure
from tokenspace.parameters import array_namespace, model, parameter
from tokenspace.registry import register


@register
@model
class SquaredExponential(Stationary):
    """Smooth tokens: k(l) = exp(-l^2 / (2 length^2)). Exponent 1, then 1/2 beyond length."""

    length: float = parameter("correlation length in tokens", at_least=1e-9, at_most=1e18)

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag, self.length).exp(-0.5 * (lag / self.length) ** 2)

    def asymptotic_exponent(self) -> float:
        return 0.5

    @cached_property
    def structure(self) -> Structure:
        return Structure(at_lag=self.at_lag, valid=True)
