"""Fits of a law with its shapes held: level and slope, for very many starts at once.

A forecast fits a law some 200 times a curve, at every value of its shapes and without each point.
The steps are those of `optimise.minimise`, whose matrices are sums over points here, one array of
lanes for each of their entries: a law keeps two or three parameters, and batches of matrices so
small cost more than their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenspace.scaling.laws import ScalingLaw
from tokenspace.scaling.optimise import CLOSE, LONGEST, NOTHING, NUMBERS, STEPS, Points


def fit_held(law: ScalingLaw, starts: np.ndarray, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) at a minimum with the last `law.shapes` held, and their squares.

    Args:
        starts: (lanes, p).
        points: a curve a lane.

    Returns:
        Raw parameters, and weighted sums of squares in log S, infinite where not finite.
    """
    lanes = max(1, NUMBERS // points.x.shape[1])
    if len(starts) > lanes:
        parts = [slice(k, k + lanes) for k in range(0, len(starts), lanes)]
        blocks = [fit_held(law, starts[k], points[k]) for k in parts]
        return np.concatenate([f[0] for f in blocks]), np.concatenate([f[1] for f in blocks])
    raw = np.array(starts, np.float64)
    kept = raw.shape[1] - law.shapes

    def residuals(raw: np.ndarray, points: Points) -> tuple[np.ndarray, np.ndarray]:
        off = points.y - law.log_scores(raw, points.x)
        rss = np.einsum("lm,lm,lm->l", points.weight, off, off)
        return off, np.where(np.isfinite(rss), rss, np.inf)

    with np.errstate(all="ignore"):
        off, rss = residuals(raw, points)
        damping = np.full(len(raw), 1e-8)
        active = np.flatnonzero(np.isfinite(rss))
        for _ in range(STEPS):
            if not len(active):
                break
            here, now = raw[active], points[active]
            found = law.derivatives(np.ascontiguousarray(here.T)[:, :, None], now.x)[:kept]
            slopes = [np.broadcast_to(s, now.x.shape) for s in found]
            weighted = [now.weight * s for s in slopes]
            gradient = [np.einsum("lm,lm->l", w, off[active]) for w in weighted]
            step = _solve(weighted, slopes, gradient, damping[active])
            step *= np.minimum(1, LONGEST / np.maximum(np.abs(step).max(axis=0), LONGEST))
            trial = here.copy()
            trial[:, :kept] += step.T
            off_there, reached = residuals(trial, now)
            before = rss[active]
            better = reached <= before
            moved = active[better]
            raw[moved], rss[moved], off[moved] = trial[better], reached[better], off_there[better]
            grown = np.where(better, np.maximum(damping[active] / 10, 1e-12), 10 * damping[active])
            damping[active] = grown
            promise = sum(g * s for g, s in zip(gradient, step, strict=True))
            active = active[~((promise <= CLOSE * before + NOTHING) | (grown > 1e12))]
    return raw, rss


def _solve(
    weighted: Sequence[np.ndarray],
    slopes: Sequence[np.ndarray],
    gradient: Sequence[np.ndarray],
    damping: np.ndarray,
) -> np.ndarray:
    """Steps (kept, lanes) of damped normal equations; 0 in what the data do not tell at all."""
    kept = len(slopes)
    entries = {
        (a, b): np.einsum("lm,lm->l", weighted[a], slopes[b])
        for a in range(kept)
        for b in range(a + 1)
    }
    ground = 1e-14 * np.max([entries[a, a] for a in range(kept)], axis=0) + 1e-280
    for a in range(kept):
        entries[a, a] = entries[a, a] * (1 + damping) + ground
    if kept == 2:
        (first, both, second), (g, h) = (entries[0, 0], entries[1, 0], entries[1, 1]), gradient
        ratio = both / first
        slope = (h - ratio * g) / (second - ratio * both)
        return np.nan_to_num(np.stack([(g - both * slope) / first, slope]))
    system = np.array([[entries[max(a, b), min(a, b)] for b in range(kept)] for a in range(kept)])
    system, right = (np.nan_to_num(np.moveaxis(a, -1, 0)) for a in (system, np.array(gradient)))
    return np.linalg.solve(system, right[:, :, None])[:, :, 0].T
