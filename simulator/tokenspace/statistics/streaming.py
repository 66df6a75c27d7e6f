"""Statistics of replicates as they are drawn, in memory that does not grow with their number.

`begin`, `update`, `summary`: state in, state out. Replicates are taken in segments of a fixed size,
in their order, whatever the size of the blocks that arrive, so the same replicates give the same
bits. Moments of two runs are merged as in Chan, Golub & LeVeque 1983, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Estimate, Moments
from tokenspace.statistics.quantiles import (
    DROPPED,
    KEPT,
    LEAST_KEPT,
    Sketch,
    begin_sketch,
    update_sketch,
)
from tokenspace.statistics.unit import unit_divergence

SEGMENT = 4096  # replicates merged at once
PSI = ("psi_equal", "psi_within", "psi_cross", "psi_delta", "psi_cross_AA", "psi_cross_BB")

Samples = dict[str, np.ndarray]  # name -> (R, m)


@dataclass(frozen=True)
class Sums:
    """Mean (v,) of a number of vectors, and the scatter about it: (v, v), or (v,) its diagonal."""

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (or variance) of the mean; NaN from a single vector."""
        if self.count < 2:
            return np.full_like(self.scatter, np.nan)
        return self.scatter / ((self.count - 1.0) * self.count)


@dataclass(frozen=True)
class Accumulator:
    """What has been seen of an experiment's replicates.

    n: token counts (m,); joint: D and D^2, and Upsilon of realised cosines where psi's are drawn,
    with their covariances; psi: each psi at each n with its variance alone; logs: log D, where its
    tails are heavy; sketch: for quantiles of D; pending: replicates that do not fill a segment yet;
    unit: D of the tokens scaled to norm 1, Upsilon, and D, of given tokens.
    """

    n: np.ndarray
    joint: Sums
    psi: Sums | None
    logs: Sums | None
    sketch: Sketch
    pending: Samples
    unit: Sums | None = None

    @property
    def count(self) -> int:
        """Replicates seen."""
        return self.joint.count + (len(self.pending["divergence"]) if self.pending else 0)


@dataclass(frozen=True)
class Summary:
    """Estimates from what was seen; upsilon and psi's where they were drawn.

    joint: moments of D, D^2 and perhaps Upsilon at all n one after the other, (2 m,) or (3 m,);
    independent: whether replicates are; geometric: exp(mean(log D)) where log D was wanted;
    unit: of given tokens, moments of D of the tokens scaled to norm 1, of Upsilon and of D, (3 m,);
    counts: of the pairs that reach each n (m,), where they differ; then also steps and spans, D at
    both ends of each step from n to the next, and from the first n to each, over the pairs that
    reach both, lower ends first (2 (m - 1),); common: of the pairs that are fitted to many n.
    """

    n: np.ndarray
    joint: Moments
    psi: dict[str, Estimate] | None
    sketch: Sketch
    independent: bool = True
    geometric: Moments | None = None
    unit: Moments | None = None
    counts: np.ndarray | None = None
    steps: Moments | None = None
    spans: Moments | None = None
    common: Summary | None = None


def begin(n: np.ndarray, psi: bool, logs: bool = False, unit: bool = False) -> Accumulator:
    """Nothing seen yet.

    Args:
        n: token counts (m,).
        psi: whether the psi's will be drawn.
        logs: whether log D is wanted, of tokens with heavy tails.
        unit: whether D of the tokens scaled to norm 1 is wanted; needs psi.

    Raises:
        ValueError: unit without psi.
    """
    if unit and not psi:
        raise ValueError("D of tokens scaled to norm 1 is made of psi's: psi=True is needed")
    m, kinds = len(n), 3 if psi else 2
    empty = Sums(0, np.zeros(kinds * m), np.zeros((kinds * m,) * 2))
    diagonal = Sums(0, np.zeros(len(PSI) * m), np.zeros(len(PSI) * m)) if psi else None
    of_logs = Sums(0, np.zeros(m), np.zeros((m, m))) if logs else None
    of_unit = Sums(0, np.zeros(3 * m), np.zeros((3 * m, 3 * m))) if unit else None
    return Accumulator(n, empty, diagonal, of_logs, begin_sketch(m), {}, of_unit)


def update(state: Accumulator, samples: Samples) -> Accumulator:
    """The state after more replicates.

    Args:
        state: what was seen before.
        samples: name -> (R, m): "divergence" and, where psi's are drawn, the kernels' four psi's.

    Raises:
        InputError: a D is not finite.
    """
    d = samples["divergence"]
    if not np.isfinite(d).all():
        raise InputError(
            f"D(n) is not finite in {int(np.sum(~np.isfinite(d)))} of {d.size} values: the tokens "
            "overflow float32; scale them down"
        )
    if state.pending:
        samples = {k: np.concatenate([state.pending[k], v]) for k, v in samples.items()}
    rows = len(samples["divergence"])
    whole = rows - rows % SEGMENT
    for start in range(0, whole, SEGMENT):
        state = _absorb(state, {k: v[start : start + SEGMENT] for k, v in samples.items()})
    return replace(state, pending={k: v[whole:].copy() for k, v in samples.items()})


def summary(state: Accumulator) -> Summary:
    """Estimates from the replicates seen so far, at least one."""
    if state.pending and len(state.pending["divergence"]):
        state = _absorb(state, state.pending)
    psi = None
    if state.psi is not None:
        shape = (len(PSI), len(state.n))
        means = state.psi.mean.reshape(shape)
        errors = np.sqrt(state.psi.covariance).reshape(shape)
        psi = {
            k: Estimate(mean, error, state.psi.count)
            for k, mean, error in zip(PSI, means, errors, strict=True)
        }
    joint = Moments(state.joint.mean, state.joint.covariance, state.joint.count)
    geometric = None
    if state.logs is not None:
        mean = np.exp(state.logs.mean)
        covariance = state.logs.covariance * np.outer(mean, mean)
        geometric = Moments(mean, covariance, state.logs.count)
    unit = None
    if state.unit is not None:
        unit = Moments(state.unit.mean, state.unit.covariance, state.unit.count)
    return Summary(state.n, joint, psi, state.sketch, geometric=geometric, unit=unit)


def bytes_of(m: int, psi: bool) -> int:
    """Memory that accumulating at m token counts takes.

    Moments and the vectors of a segment, the psi's of one on their way, the replicates kept and two
    histograms, the old and the new, of D within a factor of 8; a wider D takes more.
    """
    joint = (3 if psi else 2) * m
    moments = 8 * (4 * joint * joint + 2 * SEGMENT * joint + (10 * SEGMENT * m if psi else 0))
    octaves = 3 * (1 << 23 - DROPPED)
    return moments + 4 * max(KEPT, LEAST_KEPT * m) + 8 * m * 2 * (SEGMENT + octaves)


def vectors(n: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray | None]:
    """What is averaged of each replicate: D, D^2 and perhaps Upsilon (R, 2 m or 3 m); psi's."""
    d = samples["divergence"].astype(np.float64)
    if "psi_equal" not in samples:
        return np.hstack([d, d * d]), None
    psi = psi_of(samples)
    upsilon = upsilon_of(n, *(psi[k] for k in ("psi_equal", "psi_within", "psi_cross")))
    return np.hstack([d, d * d, upsilon]), np.hstack([psi[k] for k in PSI]).astype(np.float64)


def upsilon_of(n: np.ndarray, equal: Any, within: Any, cross: Any) -> np.ndarray:
    """n (1 - psi_equal) + n (n - 1) (psi_within - psi_cross); the last two are NaN at n = 1."""
    equal, within, cross = (np.asarray(psi, np.float64) for psi in (equal, within, cross))
    return n * (1 - equal) + n * (n - 1.0) * np.where(n > 1, within - cross, 0.0)


def psi_of(samples: Samples) -> Samples:
    """The kernels' four psi's under the paper's names, with the mean of AA and BB and Delta."""
    within = (samples["psi_cross_AA"] + samples["psi_cross_BB"]) / 2
    return {
        "psi_equal": samples["psi_equal"],
        "psi_within": within,
        "psi_cross": samples["psi_cross_AB"],
        "psi_delta": within - samples["psi_cross_AB"],
        "psi_cross_AA": samples["psi_cross_AA"],
        "psi_cross_BB": samples["psi_cross_BB"],
    }


def merge(a: Sums, b: Sums) -> Sums:
    """The sums of both, a before b. Source: Chan, Golub & LeVeque 1983."""
    count = a.count + b.count
    step = b.mean - a.mean
    between = np.outer(step, step) if a.scatter.ndim == 2 else step * step
    return Sums(
        count,
        a.mean + step * (b.count / count),
        a.scatter + b.scatter + between * (a.count * (b.count / count)),
    )


def _absorb(state: Accumulator, segment: Samples) -> Accumulator:
    joint, psi = vectors(state.n, segment)
    psis, logs = state.psi, state.logs
    if psi is not None and psis is not None:
        mean = psi.mean(axis=0)
        psis = merge(psis, Sums(len(psi), mean, ((psi - mean) ** 2).sum(axis=0)))
    if logs is not None:
        logs = merge(logs, sums_of(np.log(segment["divergence"].astype(np.float64))))
    unit = state.unit
    if unit is not None:
        m = len(state.n)
        d, upsilon = joint[:, :m], joint[:, 2 * m :]
        unit = merge(unit, sums_of(np.hstack([unit_divergence(upsilon), upsilon, d])))
    sketch = update_sketch(state.sketch, segment["divergence"])
    return Accumulator(state.n, merge(state.joint, sums_of(joint)), psis, logs, sketch, {}, unit)


def sums_of(values: np.ndarray) -> Sums:
    """Of vectors (R, v)."""
    mean = values.mean(axis=0)
    centred = values - mean
    with _blas().limit(limits=1, user_api="blas"):  # threads that wait for each other cost more
        return Sums(len(values), mean, centred.T @ centred)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
