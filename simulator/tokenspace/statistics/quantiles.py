"""Quantiles of D with errors, from a summary that is exact while replicates are few.

The first replicates are kept as they are. Beyond, every D is counted in a bucket of float32 numbers
that share sign, exponent and the leading bits of the significand: an integer histogram, the same
for every order of the replicates, whose quantiles are off by at most one part in 1,024.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import special

from tokenspace.statistics.estimate import LEVEL, Moments, t_quantile

QUANTILES = (0.023, 0.159, 0.5, 0.841, 0.977)  # the median and the 1 and 2 sigma bands
KEPT = 1 << 20  # values kept as they are
LEAST_KEPT = 1024  # replicates, however many n
DROPPED = 13  # bits of the 23 of a float32 significand that share a bucket


@dataclass(frozen=True)
class Sketch:
    """The first replicates (r, m) and, if there are more, how many D of each n fell into a bucket.

    rows: float32; counts: (m, width), of all replicates; first: (m,) the bucket of counts[:, 0].
    """

    rows: np.ndarray
    counts: np.ndarray
    first: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether every replicate was kept."""
        return self.counts.shape[1] == 0

    @cached_property
    def ordered(self) -> np.ndarray:
        """The replicates kept, ascending at each n, (m, r): all quantiles are read from them."""
        return np.sort(self.rows.T, axis=1)

    @property
    def count(self) -> int:
        """Replicates seen."""
        return len(self.rows) if self.exact else int(self.counts[0].sum())


def begin_sketch(m: int) -> Sketch:
    """Nothing seen yet at m token counts."""
    return Sketch(np.zeros((0, m), np.float32), np.zeros((m, 0), np.int64), np.zeros(m, np.int64))


def update_sketch(sketch: Sketch, d: np.ndarray) -> Sketch:
    """The sketch after more replicates (R, m), float32 >= 0, or NaN where one has no such n."""
    m = sketch.rows.shape[1]
    room = max(LEAST_KEPT, KEPT // m) - len(sketch.rows)
    if sketch.exact and len(d) <= room:
        return Sketch(np.concatenate([sketch.rows, d]), sketch.counts, sketch.first)
    if sketch.exact:
        counted = _counted(sketch, sketch.rows) if len(sketch.rows) else sketch
        rows = np.concatenate([sketch.rows, d[:room]])
        return _counted(Sketch(rows, counted.counts, counted.first), d)
    return _counted(sketch, d)


def _counted(sketch: Sketch, d: np.ndarray) -> Sketch:
    """The sketch with more replicates in its histogram."""
    bucket = (np.ascontiguousarray(d, np.float32).view(np.int32) >> DROPPED).astype(np.int64)
    there = ~np.isnan(d)
    counts, first = sketch.counts, sketch.first
    if not there.any():
        return sketch
    complete = bool(there.all())
    if complete:
        low, high = bucket.min(axis=0), bucket.max(axis=0)
    else:  # also of an n that no replicate has
        low = np.where(there, bucket, bucket[there].max()).min(axis=0)
        high = np.where(there, bucket, bucket[there].min()).max(axis=0)
    if counts.shape[1]:
        low, high = np.minimum(low, first), np.maximum(high, first + counts.shape[1] - 1)
    width = int(np.max(high - low)) + 1
    m = len(low)
    places = bucket - low + np.arange(m) * width
    new = np.bincount((places if complete else places[there]).ravel(), minlength=m * width).reshape(
        m, width
    )
    for k in range(m if counts.shape[1] else 0):
        start = first[k] - low[k]
        new[k, start : start + counts.shape[1]] += counts[k, : width - start]
    return Sketch(sketch.rows, new, low)


def quantile(sketch: Sketch, probability: np.ndarray) -> np.ndarray:
    """Quantiles (q, m) of D at probabilities (q,): linear between order statistics.

    Beyond the replicates kept, linear inside a bucket.
    """
    if sketch.exact:
        last = np.sum(~np.isnan(sketch.ordered), axis=1) - 1  # NaN are sorted to the end
        rank = np.asarray(probability, float)[:, None] * last
        low = np.floor(rank).astype(int)
        high = np.minimum(low + 1, last)
        below, above = (np.take_along_axis(sketch.ordered.T, at, 0) for at in (low, high))
        part, gap = rank - low, above - below  # from the nearer one, as NumPy has it
        return np.where(part < 0.5, below + gap * part, above - gap * (1 - part))
    out = np.empty((len(probability), len(sketch.counts)))
    for k, (counts, first) in enumerate(zip(sketch.counts, sketch.first, strict=True)):
        total = np.cumsum(counts)
        rank = np.asarray(probability) * (total[-1] - 1) + 0.5
        at = np.searchsorted(total, rank)
        below = total[at] - counts[at]
        edges = ((first + np.stack([at, at + 1])) << DROPPED).astype(np.int32).view(np.float32)
        low, high = edges.astype(np.float64)
        out[:, k] = low + (high - low) * (rank - below) / counts[at]
    return out


def below(sketch: Sketch, values: np.ndarray) -> np.ndarray:
    """How many D are below a value >= 0 of each n, (m,).

    Beyond the replicates kept, below the bucket that it is in.
    """
    if sketch.exact:
        return np.sum(sketch.rows < values, axis=0)
    width = np.maximum((values.astype(np.float32).view(np.int32) >> DROPPED) - sketch.first, 0)
    return np.array([counts[:k].sum() for counts, k in zip(sketch.counts, width, strict=True)])


def quantile_interval(
    sketch: Sketch, probability: np.ndarray, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Confidence intervals of quantiles of D, (q, m) each, whatever the distribution.

    Order statistics of fractional ranks r with P(Beta(r, R + 1 - r) <= p) = (1 ± level) / 2.
    0 or infinity where so few replicates do not bound the quantile.

    Args:
        sketch: from independent replicates.
        probability: of the quantiles, (q,), in (0, 1).
        level: confidence, in (0, 1).

    Source: Hutson 1999, Calculating nonparametric confidence intervals for quantiles using
    fractional order statistics.
    """
    count = sketch.count
    low, high = (
        np.array([_rank(count, float(p), tail) for p in probability])
        for tail in ((1 + level) / 2, (1 - level) / 2)
    )
    ends = []
    for rank, beyond in ((low, 0.0), (high, np.inf)):
        known = np.isfinite(rank)
        end = np.full((len(rank), sketch.rows.shape[1]), beyond)
        if known.any():
            end[known] = quantile(sketch, (rank[known] - 1) / max(count - 1, 1))
        ends.append(end)
    return ends[0], ends[1]


@lru_cache(maxsize=4096)
def _rank(count: int, probability: float, tail: float) -> float:
    """The rank r in [1, R] with P(Beta(r, R + 1 - r) <= probability) = tail; NaN where none is."""

    def excess(rank: float) -> float:
        return float(special.betainc(rank, count + 1 - rank, probability)) - tail

    if excess(1.0) < 0 or excess(float(count)) > 0:
        return np.nan
    from scipy import optimize  # takes long to import, and only quantiles need it

    return float(optimize.brentq(excess, 1.0, float(count)))


def median(sketch: Sketch) -> Moments:
    """The median of D at each n with its covariance across n.

    The standard error of log median is the width of an interval by order statistics over that of
    Student's t interval of the same level: 95 %, or what so few replicates give. Correlations are
    those of being below the median, over the replicates kept.

    Source: McKean & Schrader 1984, A comparison of methods for studentizing the sample median.
    """
    count, kept = sketch.count, len(sketch.rows)
    half = np.array([0.5])
    middle = quantile(sketch, half)[0]
    if count < 2:
        return Moments(middle, np.full((len(middle),) * 2, np.nan), count)
    level = min(LEVEL, 1 - 2.0 ** (1 - count))  # at most, that the least and the largest bound it
    low, high = (end[0] for end in quantile_interval(sketch, half, level * (1 - 1e-12)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(high > low, high / low, 1.0)
    error = middle * np.log(ratio) / (2 * t_quantile((1 + level) / 2, count - 1))
    below = (sketch.rows <= np.median(sketch.rows, axis=0)).astype(np.float64)
    below -= below.mean(axis=0)
    together = below.T @ below / kept
    size = np.sqrt(np.diag(together))
    size[size == 0] = 1  # all are equal, and the error is 0
    return Moments(middle, together * np.outer(error / size, error / size), count)
