"""Covariances of tokens after a law: every correlation of different vectors is changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import numpy as np

from tokenspace.covariance import Covariance, Exchangeable, Structure
from tokenspace.parameters import array_namespace


class Transformed(Covariance):
    """A covariance with every correlation of different vectors replaced by f(correlation).

    `same_vector` says that K(i, i) belongs to a token and itself, so that it stays 1. Where the
    original depends on the lag alone f is applied lag by lag, so T(n) costs O(n).
    """

    def __init__(self, original: Covariance, f: Callable[[Any], Any], same_vector: bool) -> None:
        self.original, self.f, self.same_vector = original, f, same_vector
        self.max_tokens = original.max_tokens

    @cached_property
    def structure(self) -> Structure:
        """Valid, as the covariance of tokens that exist."""
        of_lag = self._at_lag if self.original.structure.at_lag is not None else None
        alike = self.original.structure.exchangeable
        if alike is not None:
            variance = 1.0 if self.same_vector else self.f(alike.variance)
            alike = Exchangeable(variance, self.f(alike.covariance))
        return Structure(at_lag=of_lag, exchangeable=alike, valid=True)

    def _changed(self, values: Any, same: Any) -> np.ndarray:
        xp = array_namespace(*jax.tree.leaves(values))
        changed = self.f(xp.asarray(values, dtype=float))
        xp = array_namespace(changed)
        return xp.where(same, 1.0, changed) if self.same_vector else changed

    def _at_lag(self, lag: Any) -> np.ndarray:
        return self._changed(self.original.structure.at_lag(lag), lag == 0)  # type: ignore[misc]

    def __call__(self, i: Any, j: Any) -> np.ndarray:
        if self.structure.at_lag is not None:
            return self.structure.at_lag(abs(i - j))
        return self._changed(self.original(i, j), np.equal(i, j))
