"""Scores that are seen, and what every law says of them: forecasts and plans start from here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenspace.scaling.fit import Method, Optima, common_noise
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import Grid, on_grid
from tokenspace.scaling.validation import leave_one_out


@dataclass(frozen=True)
class Seen:
    """Curves of one width, padded or of as many points, and the laws' fits to them.

    What is asked is worked out, once: optima only where they, or standard errors, take them.

    stated: variance of a point of weight 1 by the standard errors, (curves,), not a number where it
    is not known.
    """

    points: Points
    method: Method
    stated: np.ndarray

    @cached_property
    def grids(self) -> list[Grid]:
        """Of each law, without a noise that is known."""
        laws = self.method.laws.values()
        return [on_grid(law, self.method.weighted(law, self.points)) for law in laws]

    @cached_property
    def optima(self) -> list[Optima]:
        """Of each law."""
        return [Optima.of(grid, self.points, self.stated) for grid in self.grids]

    @property
    def _by_errors(self) -> bool:
        return bool(np.isfinite(self.stated).any())

    @cached_property
    def noise(self) -> np.ndarray:
        """One for all laws of a curve, (curves,), not a number where it is not known."""
        return common_noise(self.optima) if self._by_errors else np.full(len(self.stated), np.nan)

    @cached_property
    def own(self) -> list[Grid]:
        """Of each law, with the noise where that law is taken for true, see `noise_of_law`."""
        by_errors = self._by_errors
        return [one.known(one.own_noise) for one in self.optima] if by_errors else self.grids

    @cached_property
    def left_out(self) -> np.ndarray:
        """Log density of each score given those at all other n, (curves, points, laws).

        Judged by one noise for all laws of a curve, see `preference.birge`, as laws are compared;
        where it is not known each law has its own.
        """
        known = [one.known(self.noise) for one in self.optima] if self._by_errors else self.grids
        weight = self.points.weight
        return np.stack([leave_one_out(g.law, g.points, weight, g) for g in known], axis=-1)
