"""Ends of intervals: how far a parameter goes until its profile of the likelihood is at a limit.

The profile is the least sum of squares with the parameter held. Steps away from an optimum double
until it lies above the limit; then the rule of false position (Illinois) on the root of its rise,
which is a straight line where the profile is a parabola. Each end goes its own way, as a lane of
`scaling/lanes.py` that begins anew from where it was: none waits for the slowest.

Source: M. Dowell, P. Jarratt, BIT 11, 168, 1971 (Illinois).
"""

from __future__ import annotations

import numpy as np

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import minimise
from tokenspace.scaling.points import Points

# Raw parameters are logarithms or slopes, of order 1.
FAR = 50.0  # so far from an optimum is without end
FIRST = (1e-6, 1.0)  # range of the first step
CLOSE = 1e-6  # of the half-width of an interval, to which its ends are found
LOW = 1e-10  # of the sum of squares, to which a profile is found: less than `CLOSE` of an end
ROUNDS = 60


def ends_of(law: ScalingLaw, search: Search, points: Points, curve: np.ndarray) -> np.ndarray:
    """Where each lane's profile, from an optimum in one direction, reaches its limit, (lanes,).

    Args:
        law: the law.
        search: where the lanes begin.
        points: of the curves; curve: that of each lane, (lanes,), by its row in the points.

    Returns:
        The raw parameter there, infinite where without end.
    """
    starts = search.starts(np.arange(len(search.centre)))
    minimise(law, starts, search.held, points, LOW, curve, search.go_on)
    return np.asarray(search.centre + search.sign * search.end)


class Search:
    """Where the lanes' searches are: distances from the optimum inside and outside of the end.

    Args:
        raw: the optima, (lanes, p); squares: their sums of squares, (lanes,).
        parameter: which is held; sign: the direction, -1 or 1; step: the first one.
        best: the parameter at the best optimum, from which half-widths count.
        bounds: (lanes, 2), the least sum of squares of the curve and the limit.
    """

    def __init__(
        self,
        raw: np.ndarray,
        squares: np.ndarray,
        parameter: np.ndarray,
        sign: np.ndarray,
        step: np.ndarray,
        best: np.ndarray,
        bounds: np.ndarray,
    ) -> None:
        count = len(raw)
        self.sign, self.bounds = sign, bounds
        self.centre = raw[np.arange(count), parameter]
        self.behind = sign * (self.centre - best)  # of the half-width, where the search begins
        self.rounding = 4 * np.spacing(np.abs(self.centre))
        self.held = parameter[:, None] == np.arange(raw.shape[1])
        self.warm = raw.copy()  # where the next minimisation starts: the optimum at `inner`
        self.inner, self.below = np.zeros(count), _height(squares, bounds)
        self.outer, self.above = np.full(count, np.inf), np.full(count, np.inf)
        self.trial = np.clip(step, *FIRST)
        self.end, self.moved = self.trial.copy(), np.zeros(count)
        self.rounds = np.zeros(count, int)

    def starts(self, lanes: np.ndarray) -> np.ndarray:
        """Raw parameters (those, p) from which the profile at `trial` is sought."""
        start, held = self.warm[lanes], self.held[lanes]
        start[held] = (self.centre + self.sign * self.trial)[lanes]
        return start

    def go_on(
        self, lanes: np.ndarray, found: np.ndarray, profile: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take in the profile at `trial`: which of the lanes are not at their end, and starts."""
        reached = _height(profile, self.bounds[lanes])
        within = reached <= 0
        i, o = lanes[within], lanes[~within]
        # an end that stays while the other moves twice counts half, so that both close in
        self.above[i] = np.where(self.moved[i] == -1, self.above[i] / 2, self.above[i])
        self.below[o] = np.where(self.moved[o] == 1, self.below[o] / 2, self.below[o])
        self.moved[i], self.moved[o] = -1, 1
        self.inner[i], self.below[i], self.warm[i] = self.trial[i], reached[within], found[within]
        self.outer[o], self.above[o] = self.trial[o], reached[~within]
        inner, outer, trial = self.inner[lanes], self.outer[lanes], self.trial[lanes]
        below, above = self.below[lanes], self.above[lanes]
        self.end[lanes] = np.where(inner >= FAR, np.inf, trial)
        self.rounds[lanes] += 1
        narrow = outer - inner < CLOSE * (self.behind[lanes] + outer) + self.rounding[lanes]
        on = ~(narrow | (np.abs(reached) < CLOSE) | (inner >= FAR))
        on &= self.rounds[lanes] < ROUNDS
        with np.errstate(invalid="ignore"):
            share = np.clip(below / (below - above), 0.01, 0.99)
            between = inner + share * (outer - inner)
        self.trial[lanes] = np.where(np.isinf(outer), np.minimum(2 * trial, FAR), between)
        return on, self.starts(lanes[on])


def _height(profile: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """-1 at the least sum of squares, 0 at the limit, at most 10."""
    least, limit = bounds.T
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.sqrt(np.maximum(profile - least, 0) / (limit - least))
    return np.clip(np.nan_to_num(share, nan=0.0, posinf=11.0) - 1, -1, 10)
