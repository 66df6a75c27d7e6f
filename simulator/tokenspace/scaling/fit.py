"""Fit scaling laws S(n) to measured scores, by least squares in log S.

The laws are those of `scaling/laws/`; no law is known here by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.scaling.intervals import raw_intervals
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.optimise import Logs, Points, grouped, minimise
from tokenspace.scaling.preference import aicc, compare
from tokenspace.scaling.result import LawFit, ScalingFit


def fit_scaling(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    law: str = "auto",
    *,
    level: float = 0.95,
) -> ScalingFit:
    """Fit scaling laws to scores at several token counts.

    Least squares in log S, for noise that is normal in log S and the same at every n. Intervals are
    those of `scaling/intervals.py`: exact for the power law, profiles of the likelihood for others.

    Args:
        n: numbers of tokens, at least 3 distinct, > 0.
        score: scores > 0, same length.
        law: name of a law, "power", "crossover", "saturating" or one of your own that is registered
            in the room "scaling"; or "auto" for all of them.
        level: confidence level of the intervals, in (0, 1).

    Returns:
        A `ScalingFit`.

    Raises:
        InputError: lengths differ, values are not positive and finite, or an unknown law.

    Source: S(n) = c / n^alpha, Li et al. 2025; crossover law derived from it.
    """
    chosen = chosen_laws(law, level)
    return fit_logs([checked(n, score)], chosen, level)[0]


def chosen_laws(law: str, level: float) -> dict[str, ScalingLaw]:
    """The laws that a name stands for; InputError for an unknown one, or a level outside (0, 1)."""
    laws = known_laws()
    if law != "auto" and law not in laws:
        allowed = ", ".join(repr(k) for k in (*laws, "auto"))
        raise InputError(f"law = {law!r} is not allowed; it must be one of {allowed}")
    if not 0 < level < 1:
        raise InputError(f"level = {level!r} is not allowed; it must lie between 0 and 1")
    return laws if law == "auto" else {law: laws[law]}


def fit_logs(curves: Sequence[Logs], laws: dict[str, ScalingLaw], level: float) -> list[ScalingFit]:
    """Fit every law to every curve of (log n ascending, log S), all curves at once."""
    fits: list[list[LawFit]] = [[] for _ in curves]
    for name, law in laws.items():
        for which, points in grouped(curves):
            found = _fit_law(name, law, points, level)
            for k, fit in zip(which, found, strict=True):
                fits[k].append(fit)
    return [compare(f, *logs) for f, logs in zip(fits, curves, strict=True)]


def _fit_law(name: str, law: ScalingLaw, points: Points, level: float) -> list[LawFit]:
    """One law fitted to curves that are padded to one width."""
    counts = points.counts
    rows = np.arange(len(counts))
    starts = np.stack(
        [law.starts(points.x[k, :m], points.y[k, :m]) for k, m in enumerate(counts)]
    )  # (curves, starts, p)
    flat = starts.reshape(-1, starts.shape[-1])
    curve = np.repeat(rows, starts.shape[1])
    any_move = np.broadcast_to(np.eye(flat.shape[1]), (*flat.shape, flat.shape[1]))
    optima, squares = minimise(law, flat, any_move, points[curve])
    optima, squares = optima.reshape(starts.shape), squares.reshape(starts.shape[:2])
    best = squares.argmin(axis=1)
    raw, rss = optima[rows, best], squares[rows, best]
    size = raw.shape[1]
    ends = np.full((len(rows), size, 2), np.nan)
    enough = counts > size
    if enough.any():
        ends[enough] = raw_intervals(law, optima[enough], squares[enough], points[enough], level)
    fits = []
    for k, count in enumerate(counts):
        freedom = int(count) - size
        fits.append(
            LawFit(
                name,
                {key: float(v) for key, v in law.named(raw[k]).items()},
                law.named_intervals(raw[k], ends[k]) if enough[k] else {},
                level,
                freedom,
                float(np.sqrt(rss[k] / freedom)) if freedom > 0 else float("nan"),
                aicc(int(count), size, float(rss[k])),
                np.exp(points.x[k, :count]),
                np.exp(points.y[k, :count]),
            )
        )
    return fits


def checked(n: Any, score: Any) -> Logs:
    """(log n ascending, log S) of a curve; InputError where it cannot be fitted."""
    arrays = []
    for name, values in (("n", n), ("score", score)):
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{name} must be a list of numbers") from None
        if array.ndim != 1:
            raise InputError(f"{name} must be one list, but its shape is {array.shape}")
        bad = ~(np.isfinite(array) & (array > 0))
        if bad.any():
            k = int(np.argmax(bad))
            raise InputError(
                f"{name}[{k}] = {array[k]} is not allowed: fits are in logarithms, so every value "
                "must be finite and > 0"
            )
        arrays.append(array)
    if len(arrays[0]) != len(arrays[1]):
        raise InputError(f"n has {len(arrays[0])} values but score has {len(arrays[1])}")
    if len(np.unique(arrays[0])) < 3:
        raise InputError("a fit needs at least 3 different token counts")
    order = np.argsort(arrays[0], kind="stable")
    return np.log(arrays[0][order]), np.log(arrays[1][order])
