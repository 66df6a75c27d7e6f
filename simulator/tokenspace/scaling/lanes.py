"""Lanes of least squares that step together: one array of lanes for each number of a lane.

A lane has two to four parameters and ten points. Its matrices are sums over points here, an array
of lanes for each of their entries: batches of matrices so small cost more than their numbers. So
points and parameters are the first axis, and lanes the last. As many are worked on at once as fit a
cache; those that are done make room for others. No lane depends on its company.

Source: D. W. Marquardt, SIAM J. Appl. Math. 11, 431, 1963.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.points import Points
from tokenspace.scaling.systems import Entries, factors, normal, over_points, solved

STEPS = 200
NUMBERS = 1 << 16  # points that are worked on at once
CLOSE = 1e-13  # of the sum of squares: where a minimum is reached
NOTHING = 1e-18  # sum of squares of log S: less tells nothing, of scores without noise too
LONGEST = 3.0  # step of a raw parameter, which is of order 1
CRAWLS = 8  # steps after which a lane's valley is taken to be bent
STEP = 1e-5  # of a raw parameter, for second derivatives
IDLE = 1 / 8  # of the lanes that are worked on: so many may be done before they make room

Step = Callable[[Entries, np.ndarray], np.ndarray]  # of damped equations and gradients (p, lanes)
# of lanes that are done, their numbers (k,), raw parameters (k, p) and sums of squares (k,): which
# go on, (k,), and from which raw parameters, (those, p)
Again = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass
class _Lanes:
    """Lanes at work, the last axis of all: points (m, lanes), parameters (p, lanes), or (lanes,).

    free: 1 at parameters that move, else 0; pull: on shapes, of the sum of squares.
    """

    number: np.ndarray
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    raw: np.ndarray
    free: np.ndarray
    pull: np.ndarray
    off: np.ndarray
    squares: np.ndarray
    damping: np.ndarray
    steps: np.ndarray
    done: np.ndarray

    def keep(self, which: np.ndarray) -> None:
        """Only the lanes that are true."""
        for name, values in vars(self).items():
            setattr(self, name, np.compress(which, values, axis=-1))

    def add(self, other: _Lanes) -> None:
        """More lanes, behind these."""
        for name, values in vars(self).items():
            setattr(self, name, np.concatenate([values, getattr(other, name)], axis=-1))

    def begin(self, law: ScalingLaw, which: np.ndarray | slice, raw: np.ndarray) -> None:
        """These lanes anew from raw parameters (p, those); those that cannot step are done."""
        x, y, weight = (np.ascontiguousarray(a[:, which]) for a in (self.x, self.y, self.weight))
        off = y - law.log_score(raw[:, None], x)
        self.raw[:, which], self.off[:, which] = raw, off
        self.squares[which] = _squares(weight, off)
        self.damping[which] = 1e-8  # the first step of a linear law is then its last
        self.steps[which] = 0
        self.done[which] = np.isinf(self.squares[which])

    def residuals(self, law: ScalingLaw, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log S less the law's, (m, lanes), and weighted sums of squares, infinite for none."""
        off = self.y - law.log_score(raw[:, None], self.x)
        return off, _squares(self.weight, off)


def descend(
    law: ScalingLaw,
    kept: int,
    starts: np.ndarray,
    points: Points,
    curve: np.ndarray | None,
    step: Step,
    close: float = CLOSE,
    held: np.ndarray | None = None,
    pull: np.ndarray | None = None,
    again: Again | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) at a minimum over the first `kept`, and their sums of squares.

    Args:
        starts: (lanes, p).
        curve: of each lane, by its row in the points; a curve a lane if not given.
        step: how far lanes go.
        close: share of the sum of squares; a step that promises less is the last.
        held: (lanes, p), true at parameters that do not move; none if not given.
        pull: on the law's shapes, of each curve; none if not given.
        again: asked of lanes that are done, which may begin once more elsewhere.
    """
    found, least = np.array(starts, np.float64), np.full(len(starts), np.inf)
    curve = np.arange(len(starts)) if curve is None else curve
    together = max(1, NUMBERS // points.x.shape[1])
    shaped = np.arange(kept) >= starts.shape[1] - law.shapes
    crawls = STEPS if again is None else CRAWLS  # along a profile are many minima, in one valley

    def begun(some: slice) -> _Lanes:
        """Lanes that are yet to step; those that cannot are done."""
        own = curve[some]
        x, y, weight = (np.ascontiguousarray(a[own].T) for a in (points.x, points.y, points.weight))
        raw, count = np.array(found[some].T, order="C"), len(own)
        free = np.ones((kept, count)) if held is None else 1.0 - held[some, :kept].T
        now = _Lanes(
            number=np.arange(len(found))[some],
            x=x,
            y=y,
            weight=weight,
            raw=raw,
            free=free,
            pull=np.zeros(free.shape) if pull is None else shaped[:, None] * pull[own],
            off=np.empty(y.shape),
            squares=np.empty(count),
            damping=np.empty(count),
            steps=np.empty(count, int),
            done=np.empty(count, bool),
        )
        now.begin(law, slice(None), raw)
        least[some] = now.squares
        return now

    def asked(now: _Lanes) -> None:
        """Those that are done begin again, where `again` has them."""
        done = np.flatnonzero(now.done)
        while again is not None and len(done):
            lanes = now.number[done]
            on, raw = again(lanes, found[lanes], least[lanes])
            done, lanes = done[on], lanes[on]
            now.begin(law, done, np.ascontiguousarray(raw.T))
            found[lanes], least[lanes] = raw, now.squares[done]
            done = done[now.done[done]]  # those that cannot step are asked at once

    with np.errstate(all="ignore"):
        now, first = begun(slice(0, together)), together
        while True:
            if now.done.sum() > IDLE * len(now.done):
                asked(now)
                now.keep(~now.done)
            if 2 * len(now.done) < together and first < len(found):
                more = slice(first, first + together - len(now.done))
                now.add(begun(more))
                first = more.stop
            elif now.done.all():
                return found, least
            ended = _moved(law, kept, now, step, close, crawls) & ~now.done
            found[now.number[ended]] = now.raw[:, ended].T
            least[now.number[ended]] = now.squares[ended]
            now.done |= ended


def _moved(
    law: ScalingLaw, kept: int, now: _Lanes, step: Step, close: float, crawls: int
) -> np.ndarray:
    """Whether it was the last, (lanes,), of one step of every lane, which moves them in place."""
    slopes = [
        np.broadcast_to(one, now.x.shape) for one in law.derivatives(now.raw[:, None], now.x)[:kept]
    ]
    free, pull, raw = now.free, now.pull, now.raw[:kept]
    entries, gradient = normal(slopes, now.weight, now.off, free)
    gradient = gradient - pull * raw * free
    diagonal = np.stack([entries[a, a] for a in range(kept)]) + pull
    # a parameter that is held, or that the data do not tell at all, does not move
    extra = pull + now.damping * diagonal + 1e-14 * diagonal.max(axis=0) + 1e-280 + (1 - free)
    for a in range(kept):
        entries[a, a] = entries[a, a] + extra[a]
    crawl = np.flatnonzero((now.steps >= crawls) & ~now.done)
    if len(crawl):
        _curve(law, kept, now, crawl, entries)
    moved = step(entries, gradient) * free
    trial = now.raw.copy()
    trial[:kept] += moved
    if len(crawl) and law.linear:
        _follow(law, now, crawl, trial)
    off, squares = now.residuals(law, trial)
    before = now.squares + (pull * raw**2).sum(axis=0)
    better = squares + (pull * trial[:kept] ** 2).sum(axis=0) <= before
    for old, new in ((now.raw, trial), (now.off, off), (now.squares, squares)):
        np.copyto(old, new, where=better)
    now.damping = np.where(better, np.maximum(now.damping / 10, 1e-12), now.damping * 10)
    now.steps += 1
    promise = (gradient * moved).sum(axis=0)
    still = (promise > close * before + NOTHING) | np.isnan(promise)
    return ~still | (now.damping > 1e12) | (now.steps >= STEPS)


def _curve(law: ScalingLaw, kept: int, now: _Lanes, which: np.ndarray, entries: Entries) -> None:
    """Newton's equations in place of Gauss's and Newton's, of these lanes, where they lead down.

    What Gauss-Newton leaves out, the residuals times the law's second derivatives, is what bends a
    valley in which its steps are short: level, slope and shape that all but make up for each other.
    """
    x, off, weight = (np.ascontiguousarray(a[:, which]) for a in (now.x, now.off, now.weight))
    raw, free = np.ascontiguousarray(now.raw[:, which]), now.free[:, which]
    first = len(raw) - law.shapes if law.linear else 0  # what is linear has no second derivatives
    here = law.derivatives(raw[:, None], x)
    weighted = weight * off
    full = {pair: entry[which] for pair, entry in entries.items()}
    for a in range(first, kept):
        up = raw.copy()
        up[a] += STEP
        there = law.derivatives(up[:, None], x)
        for b in range(a + 1):
            bend = np.broadcast_to((there[b] - here[b]) / STEP, x.shape)
            full[a, b] = full[a, b] - over_points(weighted * bend) * (free[a] * free[b])
    down = np.all([pivot > 0 for pivot in factors(full)[1]], axis=0)
    for pair, entry in entries.items():
        entry[which[down]] = full[pair][down]


def _follow(law: ScalingLaw, now: _Lanes, which: np.ndarray, trial: np.ndarray) -> None:
    """What log S is linear in, to where it is best at the trial's shapes, of these lanes."""
    x, y, weight = (np.ascontiguousarray(a[:, which]) for a in (now.x, now.y, now.weight))
    raw, linear = np.ascontiguousarray(trial[:, which]), len(trial) - law.shapes
    free = now.free[:linear, which]
    off = y - law.log_score(raw[:, None], x)
    slopes = [np.broadcast_to(one, x.shape) for one in law.derivatives(raw[:, None], x)[:linear]]
    entries, gradient = normal(slopes, weight, off, free)
    for a in range(linear):
        entries[a, a] = entries[a, a] + 1e-14 * entries[a, a] + 1e-280 + (1 - free[a])
    trial[:linear, which] += solved(entries, gradient) * free


def _squares(weight: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Weighted sums of squares (lanes,), infinite for none."""
    squares = over_points(weight * off**2)
    return np.where(np.isfinite(squares), squares, np.inf)
