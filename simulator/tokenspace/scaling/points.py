"""Curves as arrays: their points, padded to a few widths, and how many are worked on at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokenspace.scaling.laws import ScalingLaw

SQUARES = 1 << 16  # points of curves, each squared: 655 curves of ten points at once

Logs = tuple[np.ndarray, np.ndarray, np.ndarray]  # log n ascending, log S and weights of a curve


@dataclass(frozen=True)
class Points:
    """Curves as arrays (curves, points): log n, log S, and weights, 0 at the points that pad.

    spread: variance of the noise over RSS / (m - p); told: share of the m - p degrees of freedom
    that it is known by. Both are 1 by least squares; see `scaling/robust.py` for others. noise:
    variance of a point of weight 1 where it is known, (curves,), else not a number; None: of none.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    spread: float = 1.0
    told: float = 1.0
    noise: np.ndarray | None = None

    def __getitem__(self, which: np.ndarray | slice) -> Points:
        noise = None if self.noise is None else self.noise[which]
        x, y, weight = self.x[which], self.y[which], self.weight[which]
        return replace(self, x=x, y=y, weight=weight, noise=noise)

    @property
    def counts(self) -> np.ndarray:
        """Points of each curve, (curves,)."""
        return (self.weight > 0).sum(axis=1)

    @property
    def different(self) -> np.ndarray:
        """Different n of each curve, (curves,): what pads repeats the last one."""
        return 1 + (np.diff(self.x, axis=1) > 0).sum(axis=1)

    def determine(self, law: ScalingLaw) -> np.ndarray:
        """Whether they tell a law's parameters, and the noise, (curves,).

        Scores at one n tell one value of a law, and all of them the noise.
        """
        return (self.counts > law.size) & (self.different >= law.size)


def padded(count: int) -> int:
    """To how many points a curve is padded: to 3 binary digits, so 8, 10, 12, 14, 16, 20, .."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step


def batches(curves: Sequence[Logs]) -> Iterator[slice]:
    """Curves one after the other that are worked on at once, by the memory that they take.

    Each of m points is fitted m times, without one of them: m^2 numbers for each value of a shape.
    """
    first, numbers = 0, 0
    for k, (x, _, _) in enumerate(curves):
        if k > first and numbers + len(x) ** 2 > SQUARES:
            yield slice(first, k)
            first, numbers = k, 0
        numbers += len(x) ** 2
    if curves:
        yield slice(first, len(curves))


def grouped(curves: Sequence[Logs]) -> Iterator[tuple[np.ndarray, Points]]:
    """(which curves, their points), those that are `padded` to as many points together.

    The width of a curve follows from the curve alone, so its fit does not depend on its company.
    """
    widths = np.array([padded(len(x)) for x, _, _ in curves])
    for width in np.unique(widths):
        which = np.flatnonzero(widths == width)
        x, y, weight = (np.zeros((len(which), width)) for _ in range(3))
        for row, (log_n, log_score, weights) in enumerate(curves[int(k)] for k in which):
            x[row], y[row] = log_n[-1], log_score[-1]
            count = len(log_n)
            x[row, :count], y[row, :count], weight[row, :count] = log_n, log_score, weights
        yield which, Points(x, y, weight)
