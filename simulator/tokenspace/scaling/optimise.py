"""Least squares in log S of many curves at once: Levenberg-Marquardt in float64 NumPy.

A lane is one minimisation: a start, the raw parameters that are held there, and the points of its
curve. Curves are padded by points of weight 0, so that all lanes of a law step together: a fit has
two to four parameters and ten points, and calling a function once a fit costs more than the fit.
How lanes step is `scaling/lanes.py`.

Source: D. W. Marquardt, SIAM J. Appl. Math. 11, 431, 1963.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokenspace.scaling.lanes import CLOSE, LONGEST, Entries, descend, solved
from tokenspace.scaling.laws import ScalingLaw

TOGETHER = 1 << 16  # points of curves, each squared: 655 curves of ten points at once
PULL = 1e-9 / 900  # of the squares about the mean, on shapes that the data say nothing about

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
        if k > first and numbers + len(x) ** 2 > TOGETHER:
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


def minimise(
    law: ScalingLaw,
    starts: np.ndarray,
    held: np.ndarray,
    points: Points,
    close: float = CLOSE,
    curve: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) at a local minimum, and their sums of squares (lanes,).

    Args:
        law: the law.
        starts: (lanes, p).
        held: (lanes, p), true at the parameters that stay where they start.
        points: of the curves.
        close: share of the sum of squares; a step that promises less is the last.
        curve: that of each lane, (lanes,), by its row in the points; a curve a lane if not given.

    Returns:
        Raw parameters, and weighted sums of squares in log S, infinite where not finite.
    """
    shapes = np.arange(starts.shape[1]) >= starts.shape[1] - law.shapes
    total = points.weight.sum(axis=1, keepdims=True)
    mean = (points.weight * points.y).sum(axis=1, keepdims=True) / total
    pull = PULL * (points.weight * (points.y - mean) ** 2).sum(axis=1)

    def step(system: Entries, gradient: np.ndarray) -> np.ndarray:
        return _step(system, gradient, shapes, law.linear)

    whole = len(shapes)
    return descend(law, whole, starts, points, curve, step, close, held, pull)


def _step(system: Entries, gradient: np.ndarray, shapes: np.ndarray, linear: bool) -> np.ndarray:
    """The solution of each lane's equations, (p, lanes), no longer than `LONGEST`, and downhill.

    What log S is linear in goes as far as it must: no step of it is too long.

    A shape that the data hardly tell would stride far. It goes as far as it may, and the others,
    which are told, to where they are best then: a step that is cut as a whole would let them creep.
    """
    step = solved(system, gradient)
    far = (np.abs(step) > LONGEST) & shapes[:, None]
    whole = _cut(step, shapes if linear else np.ones_like(shapes))
    lanes = np.flatnonzero(far.any(axis=0))
    if len(lanes):
        here = {pair: entry[lanes] for pair, entry in system.items()}
        stay, slope = far[:, lanes], gradient[:, lanes]
        moved = np.clip(step[:, lanes], -LONGEST, LONGEST) * stay
        rest = slope.copy()
        for a, b in here:
            rest[a] -= here[a, b] * moved[b]
            if a != b:
                rest[b] -= here[a, b] * moved[a]
        # rows and columns of what is moved already are those of the identity
        for a, b in here:
            here[a, b] = np.where(stay[a] | stay[b], float(a == b), here[a, b])
        found = moved + _cut(solved(here, rest * ~stay), ~shapes & (not linear))
        downhill = (slope * found).sum(axis=0) > 0
        whole[:, lanes] = np.where(downhill, found, whole[:, lanes])
    return whole


def _cut(step: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The step, shortened so that none of the parameters that are counted (p,) goes too far."""
    most = np.maximum((np.abs(step) * counted[:, None]).max(axis=0), 1e-300)
    return np.asarray(step * np.minimum(1, LONGEST / most))
