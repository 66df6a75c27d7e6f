"""Time and memory against N, d and the number of replicates, with slopes on log axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.covariance import Branches, Exponential, Isotropic, TokenModel
from tokenspace.experiments.placement import place
from tokenspace.grids import log_grid
from tokenspace.sampling import plan
from tokenspace_benchmarks.machine import timed
from tokenspace_benchmarks.memory import peak_mib

SAMPLERS = ("tokens", "partial_sums", "collapsed")
BASE = {"N": 1024, "d": 256, "replicates": 256}
AXES = {
    "N": (256, 1024, 4096, 16_384),
    "d": (64, 256, 1024, 4096),
    "replicates": (256, 1024, 4096),
}
QUICK_AXES = {"N": (128, 256, 512)}


@dataclass(frozen=True)
class Size:
    """Seconds and peak memory of all replicates of one sampler at one size."""

    axis: str
    value: int
    sampler: str
    seconds: float
    peak_mib: float | None


@dataclass(frozen=True)
class Slope:
    """Least-squares slope of log y on log size over the upper half of an axis, with its error."""

    axis: str
    sampler: str
    what: str
    slope: float
    standard_error: float


def builder(sampler: str, n: int, d: int, replicates: int) -> Callable[[], Callable[[], Any]]:
    """A contestant that draws all the replicates."""

    def build() -> Callable[[], Any]:
        model = TokenModel(Branches(Exponential(32.0)), Isotropic(d))
        prepared = plan(model, log_grid(n, 33), sampler)
        placed, blocks = place(prepared), -(-replicates // prepared.block)
        return lambda: placed.sample(0, 0, blocks)["divergence"][:replicates]

    return build


def measure_sizes(quick: bool, memory: bool, progress: Callable[[str], Any]) -> list[Size]:
    """Every sampler along every axis, the others held at BASE; memory in separate processes."""
    out = []
    for axis, values in (QUICK_AXES if quick else AXES).items():
        for value in values:
            at = BASE | {axis: value}
            for sampler in SAMPLERS:
                progress(f"{sampler} at {axis} = {value}")
                call = builder(sampler, *at.values())()
                timed(call)
                seconds = float(np.median([timed(call)[0] for _ in range(3)]))
                peak = peak_mib("size", sampler, *map(str, at.values())) if memory else None
                out.append(Size(axis, value, sampler, seconds, peak))
    return out


def slopes(sizes: list[Size]) -> list[Slope]:
    """Slope of time and of memory along each axis; linear is 1, no growth is 0."""
    out = []
    for axis, sampler in dict.fromkeys((s.axis, s.sampler) for s in sizes):
        along = [s for s in sizes if (s.axis, s.sampler) == (axis, sampler)]
        upper = along[-max(3, len(along) // 2 + 1) :]
        for what in ("seconds", "peak_mib"):
            y = [getattr(s, what) for s in upper]
            if any(v is None or v <= 0 for v in y):
                continue
            fit, covariance = _line(np.log([s.value for s in upper]), np.log(y))
            out.append(Slope(axis, sampler, what, float(fit), float(np.sqrt(covariance))))
    return out


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    rest = y - y.mean() - slope * centred
    return slope, rest @ rest / (len(x) - 2) / (centred @ centred)
