"""Where tokens lie: in a row, or on a grid of patches; and sums over them as sums over lags."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import fft

from tokenspace.covariance.positions.patch_grid import patch_places
from tokenspace.grids import log_grid

POINTS = 25  # token counts at which sums are compared
SIDE_POINTS = 9  # heights and widths of windows of patches


@dataclass(frozen=True)
class Place:
    """Tokens at rows x columns places in an order; a sequence is one row.

    A lag is so many rows down, 0..rows-1, and so many columns right, 1-columns..columns-1; arrays
    over lags have shape (rows, 2 columns - 1). Lags up count as those down.
    """

    rows: int
    columns: int
    order: str = "raster"

    @property
    def tokens(self) -> int:
        return self.rows * self.columns

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each token, two arrays (tokens,)."""
        return patch_places(self.rows, self.columns, self.order)

    @cached_property
    def lags(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows down and columns right at each lag, two arrays (rows, 2 columns - 1)."""
        down, right = np.arange(self.rows), np.arange(1 - self.columns, self.columns)
        return tuple(np.meshgrid(down, right, indexing="ij"))  # type: ignore[return-value]

    @cached_property
    def counts(self) -> np.ndarray:
        """Pairs of places at each lag, as an array over lags."""
        return (self.rows - self.lags[0]) * (self.columns - abs(self.lags[1]))

    @cached_property
    def n(self) -> np.ndarray:
        """Token counts (m,) at which sums are taken."""
        return log_grid(self.tokens, POINTS)

    @cached_property
    def sums(self) -> np.ndarray:
        """The matrix (m, lags) that takes correlations at all lags to T(n) of the first n tokens.

        Its elements count ordered pairs of the first n tokens at a lag, those up with those down.
        """
        down, right = self.places
        found = np.zeros((len(self.n), self.rows, 2 * self.columns - 1))
        for pairs, n in zip(found, self.n, strict=True):
            mask = np.zeros((self.rows, self.columns))
            mask[down[:n], right[:n]] = 1.0
            pairs[:] = np.rint(autocorrelation(spectrum(mask[..., None]), self))
        found[:, 1:] *= 2
        return found.reshape(len(self.n), -1)

    @cached_property
    def windows(self) -> np.ndarray:
        """The matrix (w, lags) that takes correlations to sums over windows of h x w places."""
        sides = [np.minimum(log_grid(self.rows, SIDE_POINTS), self.rows)]
        sides.append(self.n if self.rows == 1 else log_grid(self.columns, SIDE_POINTS))
        high, wide = np.meshgrid(*sides, indexing="ij")
        down, right = self.lags
        high, wide = high.reshape(-1, 1, 1), wide.reshape(-1, 1, 1)
        sums = np.maximum(high - down, 0.0) * np.maximum(wide - abs(right), 0.0)
        sums[:, 1:] *= 2
        return sums.reshape(len(sums), -1)


@lru_cache(maxsize=16)  # its matrices take long to make and do not depend on the tokens
def place_of(rows: int, columns: int, order: str = "raster") -> Place:
    """The same place, with all that was computed of it, each time that it is asked for."""
    return Place(rows, columns, order)


def spectrum(values: np.ndarray) -> np.ndarray:
    """Fourier transform over places (rows, columns, ...), padded so that nothing wraps around."""
    sizes = [fft.next_fast_len(2 * side - 1, real=True) for side in values.shape[:2]]
    return fft.fft(fft.rfft(values, sizes[1], axis=1), sizes[0], axis=0)


def autocorrelation(transformed: np.ndarray, place: Place) -> np.ndarray:
    """Sums over places of products of what lies a lag apart, an array over lags.

    transformed: `spectrum` (..., k), whose squares are summed over the last axis.
    """
    return from_power(np.sum(abs(transformed) ** 2, axis=-1), place)


def from_power(power: np.ndarray, place: Place) -> np.ndarray:
    """An array over lags (..., rows, 2 columns - 1) from squares of `spectrum` (..., u, v)."""
    columns = fft.next_fast_len(2 * place.columns - 1, real=True)
    whole = fft.irfft(fft.ifft(power, axis=-2), columns, axis=-1)
    right = whole[..., : place.rows, : place.columns]
    left = whole[..., : place.rows, columns - place.columns + 1 :]
    return np.concatenate([left, right], axis=-1)
