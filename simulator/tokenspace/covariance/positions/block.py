"""Tokens that are identical inside a block: tiles, windows, pooled patches."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tokenspace.covariance.base import Array, Covariance
from tokenspace.covariance.structure import Cells, Markov, Structure
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class Block(Covariance):
    """K(i, j) = 1 when floor(i / size) = floor(j / size), else 0.

    Exponent 1 inside the first block, 1/2 across many blocks.
    """

    size: int = parameter("tokens in a block", at_least=1, at_most=2**31, integer=True)

    def __call__(self, i: Array, j: Array) -> Array:
        return np.where(i // self.size == j // self.size, 1.0, 0.0)

    @property
    def characteristic_length(self) -> float:
        return float(self.size)

    @cached_property
    def structure(self) -> Structure:
        def transition(i: Array, j: Array) -> Array:
            return np.asarray(self(i, j))[..., None, None]

        return Structure(
            markov=Markov(np.ones((1, 1)), np.ones(1), transition),
            cells=Cells(lambda n: np.arange(0, n, self.size), lambda lag: np.ones(np.shape(lag))),
            valid=True,
        )

    def prefix_covariance(self, grid: Array) -> Array:
        """Pairs in a common block: q size^2 + r min(rest, size) with a = q size + r <= b."""
        a = np.minimum(grid[:, None], grid[None, :])
        b = np.maximum(grid[:, None], grid[None, :])
        q, r = np.divmod(a, self.size)
        return (q * self.size**2 + r * np.minimum(b - q * self.size, self.size)).astype(float)

    def totals(self, n: Array) -> Array:
        q, r = np.divmod(np.asarray(n), self.size)
        return (q * self.size**2 + r**2).astype(float)

    def asymptotic_exponent(self) -> float:
        return 0.5
