"""Tokens that do not correlate."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Exchangeable, Markov, Structure
from tokenspace.parameters import array_namespace, model
from tokenspace.registry import register


@register
@model
class White(Stationary):
    """Uncorrelated tokens: k(l) = 1 for l = 0, else 0. Exponent 1/2 at every n."""

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag).where(lag == 0, 1.0, 0.0)

    def totals(self, n: Array) -> Array:
        return np.asarray(n, np.float64)

    def asymptotic_exponent(self) -> float:
        return 0.5

    @cached_property
    def structure(self) -> Structure:
        return Structure(
            at_lag=self.at_lag,
            markov=Markov(np.ones((1, 1)), np.ones(1), _stays),
            exchangeable=Exchangeable(1.0, 0.0),
            valid=True,
        )


def _stays(i: Array, j: Array) -> Array:
    """Nothing of the state is left at the next token."""
    return np.where(i == j, 1.0, 0.0)[..., None, None]
