"""Tokens that forget geometrically: AR(1)."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Markov, Structure
from tokenspace.parameters import array_namespace, model, parameter
from tokenspace.registry import register


@register
@model
class Exponential(Stationary):
    """AR(1) tokens: k(l) = exp(-l / length). Exponent 1 for n << length, 1/2 for n >> length."""

    length: float = parameter("correlation length in tokens", at_least=1e-9, at_most=1e18)

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag, self.length).exp(-lag / self.length)

    def asymptotic_exponent(self) -> float:
        return 0.5

    @cached_property
    def structure(self) -> Structure:
        def transition(i: Array, j: Array) -> Array:
            return np.exp(-(j - i) / self.length)[..., None, None]

        markov = Markov(np.ones((1, 1)), np.ones(1), transition)
        return Structure(at_lag=self.at_lag, markov=markov, valid=True)
