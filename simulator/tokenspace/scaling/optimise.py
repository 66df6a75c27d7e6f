"""Least squares in log S of many curves at once: Levenberg-Marquardt in float64 NumPy.

A lane is one minimisation: a start, the raw parameters that are held there, and the points of its
curve. Curves are padded by points of weight 0, so that all lanes of a law step together: a fit has
two to four parameters and ten points, and calling a function once a fit costs more than the fit.

Source: D. W. Marquardt, SIAM J. Appl. Math. 11, 431, 1963.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokenspace.scaling.laws import ScalingLaw

STEPS = 200
NUMBERS = 1 << 18  # points that are worked on at once
CLOSE = 1e-13  # of the sum of squares: where a minimum is reached
NOTHING = 1e-26  # sum of squares of log S that is rounding: scores without noise are fitted
LONGEST = 3.0  # step of a raw parameter, which is of order 1
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


def grouped(curves: Sequence[Logs]) -> Iterator[tuple[np.ndarray, Points]]:
    """(which curves, their points), those padded to the same power of two together.

    The width of a curve follows from the curve alone, so its fit does not depend on its company.
    """
    widths = np.array([1 << (len(x) - 1).bit_length() for x, _, _ in curves])
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
) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) at a local minimum, and their sums of squares (lanes,).

    Args:
        law: the law.
        starts: (lanes, p).
        held: (lanes, p), true at the parameters that stay where they start.
        points: a curve a lane.
        close: share of the sum of squares; a step that promises less is the last.

    Returns:
        Raw parameters, and weighted sums of squares in log S, infinite where not finite.
    """
    lanes = max(1, NUMBERS // points.x.shape[1])
    if len(starts) > lanes:
        parts = [slice(k, k + lanes) for k in range(0, len(starts), lanes)]
        found = [minimise(law, starts[k], held[k], points[k], close) for k in parts]
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
    raw = np.array(starts, np.float64)
    size, shapes = raw.shape[1], np.arange(raw.shape[1]) >= raw.shape[1] - law.shapes
    total = points.weight.sum(axis=1, keepdims=True)
    mean = (points.weight * points.y).sum(axis=1, keepdims=True) / total
    pull = PULL * (points.weight * (points.y - mean) ** 2).sum(axis=1)[:, None] * shapes

    def residuals(raw: np.ndarray, points: Points) -> tuple[np.ndarray, np.ndarray]:
        off = points.y - law.log_scores(raw, points.x)
        rss = (points.weight * off**2).sum(axis=1)
        return off, np.where(np.isfinite(rss), rss, np.inf)

    with np.errstate(all="ignore"):
        off, rss = residuals(raw, points)
        damping = np.full(len(raw), 1e-8)  # the first step of a linear law is then its last
        active = np.flatnonzero(np.isfinite(rss))
        for _ in range(STEPS):
            if not len(active):
                break
            here, now, free = raw[active], points[active], ~held[active]
            jacobian = law.slopes(here, now.x) * free[:, None]
            weighted = now.weight[:, :, None] * jacobian
            curvature = np.swapaxes(weighted, 1, 2) @ jacobian
            gradient = (weighted * off[active, :, None]).sum(axis=1) - pull[active] * here * free
            diagonal = np.diagonal(curvature, axis1=1, axis2=2) + pull[active]
            # a parameter that is held, or that the data do not tell at all, does not move
            ground = 1e-14 * diagonal.max(axis=1, keepdims=True) + 1e-280
            extra = pull[active] + damping[active, None] * diagonal + ground + ~free
            system = curvature + extra[:, :, None] * np.eye(size)
            step = _step(system, gradient, shapes, law.linear) * free
            trial = here + step
            off_there, reached = residuals(trial, now)
            cost, before = (
                r + (pull[active] * p**2).sum(axis=1)
                for r, p in ((reached, trial), (rss[active], here))
            )
            better = cost <= before
            moved = active[better]
            raw[moved], rss[moved], off[moved] = trial[better], reached[better], off_there[better]
            damping[active] = np.where(
                better, np.maximum(damping[active] / 10, 1e-12), damping[active] * 10
            )
            promise = (gradient * step).sum(axis=1)
            done = (promise <= close * before + NOTHING) | (damping[active] > 1e12)
            active = active[~done]
    return raw, rss


def _step(system: np.ndarray, gradient: np.ndarray, shapes: np.ndarray, linear: bool) -> np.ndarray:
    """The solution of each lane's equations, (lanes, p), no longer than `LONGEST`, and downhill.

    What log S is linear in goes as far as it must: no step of it is too long.

    A shape that the data hardly tell would stride far. It goes as far as it may, and the others,
    which are told, to where they are best then: a step that is cut as a whole would let them creep.
    """
    system, gradient = np.nan_to_num(system), np.nan_to_num(gradient)
    step = np.linalg.solve(system, gradient[:, :, None])[:, :, 0]
    far = (np.abs(step) > LONGEST) & shapes
    lanes = far.any(axis=1)
    whole = _cut(step, shapes if linear else np.ones_like(shapes))
    if lanes.any():
        here, stay = system[lanes], far[lanes]
        moved = np.clip(step[lanes], -LONGEST, LONGEST) * stay
        rest = (gradient[lanes] - (here @ moved[:, :, None])[:, :, 0]) * ~stay
        # rows and columns of what is moved already are those of the identity
        here = here * (~stay[:, :, None] & ~stay[:, None]) + stay[:, :, None] * np.eye(len(shapes))
        found = moved + _cut(
            np.linalg.solve(here, rest[:, :, None])[:, :, 0], ~shapes & (not linear)
        )
        downhill = (gradient[lanes] * found).sum(axis=1, keepdims=True) > 0
        whole[lanes] = np.where(downhill, found, whole[lanes])
    return whole


def _cut(step: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """The step, shortened so that none of the parameters that are counted (p,) goes too far."""
    most = np.maximum((np.abs(step) * counted).max(axis=1, keepdims=True), 1e-300)
    return np.asarray(step * np.minimum(1, LONGEST / most))
