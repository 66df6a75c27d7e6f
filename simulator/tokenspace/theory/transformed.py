"""Covariances of tokens after a law: every correlation of different vectors is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class Together(Covariance):
    """f of the correlations of several covariances at the same pair of tokens, (..., terms).

    `same_vector` as in `Transformed`. O(n) values of f where all originals depend on the lag alone.
    """

    def __init__(
        self, originals: Sequence[Covariance], f: Callable[[Any], Any], same_vector: bool
    ) -> None:
        self.originals, self.f, self.same_vector = tuple(originals), f, same_vector
        self.max_tokens = min(c.max_tokens for c in originals)

    @cached_property
    def structure(self) -> Structure:
        """Valid, as the covariance of tokens that exist."""
        lags = all(c.structure.at_lag is not None for c in self.originals)
        return Structure(at_lag=self._at_lag if lags else None, valid=True)

    def _changed(self, values: list[Any], same: Any) -> np.ndarray:
        changed = self.f(np.stack(np.broadcast_arrays(*values), axis=-1))
        return np.where(same, 1.0, changed) if self.same_vector else changed

    def _at_lag(self, lag: Any) -> np.ndarray:
        lag = np.asarray(lag)
        values = [np.zeros(lag.shape) + c.structure.at_lag(lag) for c in self.originals]  # type: ignore[misc]
        return self._changed(values, lag == 0)

    def __call__(self, i: Any, j: Any) -> np.ndarray:
        if self.structure.at_lag is not None:
            return self._at_lag(abs(i - j))
        return self._changed([np.asarray(c(i, j)) for c in self.originals], np.equal(i, j))
