"""Tokens that are alike inside a block: tiles, windows."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Block, Covariance
from tokenspace.registry import register
from tokenspace.tokens.families.base import TokenFamily
from tokenspace.tokens.families.place import Place

MOST_SIZES = 1024  # sizes that are tried


@register(name="blocks")
class BlocksFamily(TokenFamily):
    """1 inside blocks of size tokens, 0 between them."""

    parameters = ("size",)
    weights = ("weight_blocks",)
    integer = True

    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        return (Block(int(shape[0])),)

    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        return ((2.0, place.tokens / 2),)

    def starts(self, place: Place) -> np.ndarray:
        return np.arange(2, min(max(place.tokens // 2, 2), MOST_SIZES) + 1)[:, None]

    def correlations(self, shape: np.ndarray, place: Place) -> np.ndarray:
        """The share of pairs of tokens at a lag that lie in a common block."""
        size, lag = int(shape[0]), abs(place.lags[1])
        whole, rest = divmod(place.tokens, size)
        pairs = whole * np.maximum(size - lag, 0) + np.maximum(rest - lag, 0)
        return (pairs / (place.tokens - lag))[None]

    def totals(self, shape: np.ndarray, place: Place) -> np.ndarray:
        return Block(int(shape[0])).totals(place.n)[None]
