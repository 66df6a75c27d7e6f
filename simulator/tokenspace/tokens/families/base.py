"""What a family of covariances states, so that it can be fitted to tokens."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from tokenspace.covariance import Covariance
from tokenspace.registry import ROOMS
from tokenspace.tokens.families.place import Place


class TokenFamily(ABC):
    """Covariances that decay, with a few shape parameters, all > 0.

    What is fitted to the difference of two branches is a sum with weights >= 0 of these, of a
    constant and of white noise, so that every fit is positive semi-definite by construction. The
    search runs over the logarithms of the shape parameters; the weights follow by least squares.
    """

    room: ClassVar[str] = "family"
    parameters: ClassVar[tuple[str, ...]] = ()
    weights: ClassVar[tuple[str, ...]] = ()  # names of those of the decaying parts
    picture: ClassVar[bool] = False  # whether it needs rows and columns
    integer: ClassVar[bool] = False  # whether its shape parameters are whole numbers
    points: ClassVar[int] = 12  # of a search, along each shape parameter

    @property
    def size(self) -> int:
        """Number of its own parameters."""
        return len(self.parameters) + len(self.weights)

    @abstractmethod
    def covariances(self, shape: np.ndarray, place: Place) -> tuple[Covariance, ...]:
        """The decaying parts, each with unit diagonal, of shape parameters (p,)."""

    @abstractmethod
    def ranges(self, place: Place) -> tuple[tuple[float, float], ...]:
        """The ends of the search for each shape parameter, both > 0."""

    def starts(self, place: Place) -> np.ndarray:
        """Shape parameters (k, p) among which a search begins."""
        if not self.parameters:
            return np.ones((1, 0))
        axes = [np.geomspace(*ends, self.points) for ends in self.ranges(place)]
        return np.array(list(itertools.product(*axes)))

    def correlations(self, shape: np.ndarray, place: Place) -> np.ndarray:
        """Each part at `place.lags`, averaged over positions, (q, rows, 2 columns - 1)."""
        lags = abs(place.lags[1])
        parts = self.covariances(shape, place)
        return np.array([part.structure.at_lag(lags) for part in parts])  # type: ignore[misc]

    def totals(self, shape: np.ndarray, place: Place) -> np.ndarray:
        """T(n) of each part at `place.n`, (q, m)."""
        return self.correlations(shape, place).reshape(-1, place.sums.shape[1]) @ place.sums.T


def known_families() -> dict[str, TokenFamily]:
    """Every registered family by name, those with the fewest parameters first."""
    families = {name: make() for name, make in ROOMS["family"].items()}
    return dict(sorted(families.items(), key=lambda item: (item[1].size, item[0])))
