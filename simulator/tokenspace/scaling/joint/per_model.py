"""The joint fit of each model, with and without the points that are not like the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokenspace.errors import InputError
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import LEAST_POINTS
from tokenspace.scaling.joint.fit import JointFit, fit_joint
from tokenspace.scaling.joint.forecast import forecast_joint
from tokenspace.scaling.subsets import model_of, subsets

EVERY_MODEL = "all together"
FEW = 8  # models that are also fitted all together


@dataclass(frozen=True)
class Task:
    """Curves of one model on one subset of points; short: how many are too short and left out."""

    model: str
    points: str
    curves: list[Curve]
    short: int


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
    """Curves by model, see `model_of`."""
    out: dict[str, list[Curve]] = {}
    for curve in curves:
        out.setdefault(model_of(curve), []).append(curve)
    return out


def tasks(curves: Sequence[Curve]) -> list[Task]:
    """One for each model and each subset of its points; a few models also all together.

    Curves of fewer than 4 different n are left out. The theory does not say that models share an
    n_balance, so more than 8 of them are not fitted together.

    Raises:
        InputError: no curve is long enough.
    """
    models = by_model(curves)
    if 1 < len(models) <= FEW:
        models[EVERY_MODEL] = list(curves)
    found = [
        Task(model, points, long, len(some) - len(long))
        for model, own in models.items()
        for points, some in subsets(own).items()
        if (long := [c for c in some if len(np.unique(c.n)) >= LEAST_POINTS])
    ]
    if not found:
        raise InputError(
            f"no curve has {LEAST_POINTS} different n, which a joint fit needs of each curve"
        )
    return found


def study(curves: Sequence[Curve], *, hold: int = 3, runs: int = 999, seed: int = 0) -> list[Row]:
    """A row for each of `tasks`.

    Args:
        curves: of several models, see `by_model`.
        hold: how many of the largest n of each curve are held out for forecasts, >= 1.
        runs, seed: of the bootstrap, see `fit_joint`.

    Raises:
        InputError: a curve that cannot be fitted, or none that is long enough.
    """
    return list(rows(tasks(curves), hold=hold, runs=runs, seed=seed))


def rows(tasks: Sequence[Task], *, hold: int = 3, runs: int = 999, seed: int = 0) -> Iterator[Row]:
    """`study`, a row at a time."""
    for task in tasks:
        fit = fit_joint(task.curves, runs=runs, seed=seed)
        enough = min(len(np.unique(c.n)) for c in task.curves) >= LEAST_POINTS + hold
        forecast = forecast_joint(task.curves, hold) if enough else None
        yield Row(task.model, task.points, len(task.curves), task.short, fit, forecast)
