"""One factor that all tokens share."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from tokenspace.covariance.base import Array, Stationary
from tokenspace.covariance.structure import Exchangeable, Markov, Structure
from tokenspace.parameters import array_namespace, model
from tokenspace.registry import register


@register
@model
class Constant(Stationary):
    """One factor shared by all tokens: k(l) = 1. Exponent 1 at every n."""

    is_one: ClassVar[bool] = True

    def at_lag(self, lag: Array) -> Array:
        return array_namespace(lag).ones(np.shape(lag))

    def totals(self, n: Array) -> Array:
        return np.asarray(n, np.float64) ** 2

    def asymptotic_exponent(self) -> float:
        return 1.0

    @cached_property
    def structure(self) -> Structure:
        return Structure(
            at_lag=self.at_lag,
            markov=Markov(np.ones((1, 1)), np.ones(1), _stays),
            exchangeable=Exchangeable(1.0, 1.0),
            valid=True,
        )


def _stays(i: Array, j: Array) -> Array:
    """The state is the same at every token."""
    return np.ones((*np.broadcast_shapes(np.shape(i), np.shape(j)), 1, 1))
