"""The joint fit of each model, with and without the points that are not like the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokenspace.errors import InputError
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import LEAST_POINTS
from tokenspace.scaling.joint.fit import JointFit, fit_joint
from tokenspace.scaling.joint.forecast import forecast_joint
from tokenspace.scaling.subsets import subsets

TOGETHER = "all together"
ONE = "one model"  # where nothing names it


@dataclass(frozen=True)
class Row:
    """One model on one subset of points: its joint fit, and forecasts, None for short curves.

    curves: that were fitted; short: left out, of fewer counts than a joint fit needs.
    """

    model: str
    points: str
    curves: int
    short: int
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


def study(
    curves: Sequence[Curve],
    *,
    hold: int = 3,
    runs: int = 999,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """A row for each model and each subset of its points; several models also all together.

    Args:
        curves: of several models, see `by_model`; those of fewer than 4 different n are left
            out.
        hold: how many of the largest n of each curve are held out for forecasts, >= 1.
        runs, seed: of the bootstrap, see `fit_joint`.
        progress: called with the rows done, and how many there are.

    Raises:
        InputError: a curve that cannot be fitted, or none that is long enough.
    """
    models = by_model(curves)
    if len(models) > 1:
        models[TOGETHER] = list(curves)
    tasks = [
        (model, points, some, [c for c in some if len(np.unique(c.n)) >= LEAST_POINTS])
        for model, own in models.items()
        for points, some in subsets(own).items()
    ]
    tasks = [task for task in tasks if task[-1]]
    if not tasks:
        raise InputError(
            f"no curve has {LEAST_POINTS} different n, which a joint fit needs of each curve"
        )
    rows = []
    for model, points, some, long in tasks:
        fit = fit_joint(long, runs=runs, seed=seed)
        enough = min(len(np.unique(curve.n)) for curve in long) >= LEAST_POINTS + hold
        forecast = forecast_joint(long, hold) if enough else None
        rows.append(Row(model, points, len(long), len(some) - len(long), fit, forecast))
        if progress is not None:
            progress(len(rows), len(tasks))
    return rows
