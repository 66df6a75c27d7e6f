"""The joint fit of each model, with and without the points that are known to be odd."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import LEAST_POINTS
from tokenspace.scaling.joint.fit import JointFit, fit_joint
from tokenspace.scaling.joint.forecast import forecast_joint

# By the paper's own word: answers in another format than the benchmark expects.
OUTLIERS: Mapping[str, tuple[float, ...]] = {"RealWorldQA": (384.0, 512.0)}
TOGETHER = "all together"
ONE = "one model"  # where nothing names it


@dataclass(frozen=True)
class Row:
    """One model, without some points: its joint fit, and forecasts, None for short curves."""

    model: str
    without: str
    curves: int
    fit: JointFit
    forecast: pd.DataFrame | None


def by_model(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Curves by their label "model", or by their first one where none is called so."""
    out: dict[str, list[Curve]] = {}
    for curve in curves:
        labels = curve.labels
        model = labels.get("model", next(iter(labels.values()), ONE))
        out.setdefault(model, []).append(curve)
    return out


def variants(
    curves: Sequence[Curve], outliers: Mapping[str, tuple[float, ...]]
) -> Iterator[tuple[str, list[Curve]]]:
    """(what is left out, curves): nothing, the smallest n, outliers that are there, and both."""
    first = min(float(curve.n.min()) for curve in curves)
    there = {
        part: counts
        for part, counts in outliers.items()
        if any(part in c.name and np.isin(c.n, counts).any() for c in curves)
    }
    named = "; ".join(f"{k} at {', '.join(f'{c:g}' for c in v)}" for k, v in there.items())
    for least in (False, True):
        for odd in (False, True) if there else (False,):
            left = "; ".join([f"n = {first:g}"] * least + [named] * odd)
            some = [_without(c, first if least else None, there if odd else {}) for c in curves]
            yield left or "nothing", some


def _without(curve: Curve, first: float | None, outliers: Mapping[str, tuple[float, ...]]) -> Curve:
    keep = curve.n != first
    for part, counts in outliers.items():
        if part in curve.name:
            keep &= ~np.isin(curve.n, counts)
    return curve.keep(np.flatnonzero(keep))


def study(
    curves: Sequence[Curve],
    *,
    hold: int = 3,
    runs: int = 999,
    seed: int = 0,
    outliers: Mapping[str, tuple[float, ...]] = OUTLIERS,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """A row for each model and each set of points left out; several models also all together.

    Args:
        curves: of several models, see `by_model`.
        hold: points held out of each curve for forecasts.
        runs, seed: of the bootstrap, see `fit_joint`.
        outliers: part of a curve's name -> counts that are left out; the paper's by default.
        progress: called with the rows done, and how many there are.

    Raises:
        InputError: a curve that cannot be fitted.
    """
    models = by_model(curves)
    if len(models) > 1:
        models[TOGETHER] = list(curves)
    tasks = [
        (model, without, some)
        for model, own in models.items()
        for without, some in variants(own, outliers)
    ]
    rows = []
    for model, without, some in tasks:
        fit = fit_joint(some, runs=runs, seed=seed)
        enough = min(len(curve.n) for curve in some) >= LEAST_POINTS + hold
        forecast = forecast_joint(some, hold) if enough else None
        rows.append(Row(model, without, len(some), fit, forecast))
        if progress is not None:
            progress(len(rows), len(tasks))
    return rows
