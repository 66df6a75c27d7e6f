"""Forecasts of scores at n that nobody has measured: one for each curve and n, with an interval.

All scores of a curve are seen. The forecast is the median of "stacked", its interval that which
grows beyond the data, see `scaling/forecast.py` and `scaling/beyond.py`; of one law alone it is
that law's own, which takes the law for true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tokenspace.errors import InputError
from tokenspace.scaling.fit import Method, checked, chosen_method
from tokenspace.scaling.forecast import DIFFERENT, FEWEST, STACKED, enough_seen, forecasters
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.model_weights import no_law_by
from tokenspace.scaling.points import Logs, batches, grouped
from tokenspace.scaling.scales import Scale
from tokenspace.scaling.seen import Seen
from tokenspace.scaling.stated import stated_variance, variance_of, weight_ahead
from tokenspace.scaling.table import RANGE


def forecast_at(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    at: Sequence[float] | np.ndarray | float,
    law: str | Sequence[str] = "auto",
    *,
    level: float = 0.95,
    error: Sequence[float] | np.ndarray | None = None,
    scale: Scale | None = None,
    loss: str = "squares",
) -> pd.DataFrame:
    """The score of a curve at other n, with the interval of a score that is newly measured there.

    Args:
        n: numbers of tokens, > 0; score: scores > 0, same length: at least 4 at 3 different n.
        at: numbers of tokens, > 0; the intervals were tested beyond the last n alone.
        law: as in `fit_scaling`; of several the forecast is "stacked"; level, error, scale, loss:
            as there. With errors, noise is known by the rule of `LawFit.predict_interval`, and
            of several laws by that of `forecast.forecasters`.

    Returns:
        A row for each of `at`: law ("stacked", or the one that was asked for); n; "times last n";
        forecast; low; high.

    Raises:
        InputError: as `fit_scaling`, too few points, or `at` that is not finite and > 0.
    """
    method = chosen_method(law, level, scale, loss)
    logs = checked(n, score, error, method.scale)
    asked = checked_at(at)
    if not enough_seen(logs[0]):
        raise InputError(
            f"a forecast needs {FEWEST} points at {DIFFERENT} different n, but there are "
            f"{len(logs[0])} points at {len(np.unique(logs[0]))} different n"
        )
    table = ahead([logs], asked, method, stated=[stated_variance(score, error, method.scale)])
    if table.empty:
        raise InputError(f"{len(logs[0])} points do not determine the {', '.join(method.laws)} law")
    return table.drop(columns="curve")


def checked_at(at: Sequence[float] | np.ndarray | float) -> np.ndarray:
    """Numbers of tokens, (k,); InputError where they are none."""
    try:
        asked = np.atleast_1d(np.asarray(at, np.float64))
    except (TypeError, ValueError):
        asked = np.array([np.nan])
    if asked.ndim != 1 or not len(asked) or not ((asked >= RANGE[0]) & (asked <= RANGE[1])).all():
        raise InputError(
            f"at = {at} is not allowed; it must be numbers of tokens, each > 0 and at most "
            f"{RANGE[1]:g}"
        )
    return asked


def ahead(
    curves: Sequence[Logs],
    at: np.ndarray,
    method: Method,
    progress: Callable[[int], None] | None = None,
    stated: Sequence[float] | None = None,
) -> pd.DataFrame:
    """The one forecast of each curve at each of `at`, a row each: as `forecast_at`, and "curve".

    Args:
        curves: (log n ascending, y, weights) each, `enough_seen`; those that do not determine the
            one law of a method have no rows.
        at: numbers of tokens, (k,).
        progress: called with the number of curves that are done, now and then.
        stated: variance of a point of weight 1, `stated_variance` of each curve.
    """
    return _ahead(curves, at, method, progress, stated, judged=False)[0]


def ahead_and_no_law(
    curves: Sequence[Logs],
    at: np.ndarray,
    method: Method,
    progress: Callable[[int], None] | None = None,
    stated: Sequence[float] | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """`ahead` of scores themselves, and of each curve whether no law follows it, (curves,).

    As `TokenPlan.follows_no_law`, by the scores left out that the forecasts are of where these are
    of all laws, by squares; never true of a curve of fewer than 5 different n.
    """
    return _ahead(curves, at, method, progress, stated, judged=True)


def _ahead(
    curves: Sequence[Logs],
    at: np.ndarray,
    method: Method,
    progress: Callable[[int], None] | None,
    stated: Sequence[float] | None,
    judged: bool,
) -> tuple[pd.DataFrame, np.ndarray]:
    parts, lawless = [], np.zeros(len(curves), bool)
    variance = variance_of(len(curves), stated, method.loss)
    for some in batches(curves):
        part, lawless[some] = _together(curves[some], variance[some], at, method, judged)
        parts.append(part.assign(curve=part["curve"] + some.start))
        if progress is not None:
            progress(some.stop)
    return pd.concat(parts, ignore_index=True), lawless


def _no_law(seen: Seen) -> np.ndarray:
    """Whether none of all laws follows a curve, whichever are asked for, (curves,)."""
    of_all = replace(seen.method, laws=known_laws(), loss="squares")
    return no_law_by(seen if seen.method == of_all else replace(seen, method=of_all))


def _together(
    curves: Sequence[Logs], variance: np.ndarray, at: np.ndarray, method: Method, judged: bool
) -> tuple[pd.DataFrame, np.ndarray]:
    law = STACKED if len(method.laws) > 1 else next(iter(method.laws))
    tail = (1 - method.level) / 2
    found, lawless = [], np.zeros(len(curves), bool)
    for which, points in grouped(curves):
        x = np.broadcast_to(np.log(at), (len(which), len(at)))
        own = [(curves[k][0], curves[k][2]) for k in which]
        weight = [weight_ahead(n, weights, np.log(at), method.loss) for n, weights in own]
        seen = Seen(points, method, variance[which])
        if judged:
            lawless[which] = _no_law(seen)
        for name, centre, mixture in forecasters(seen, x, np.stack(weight)):
            if name != law or mixture is None:
                continue
            ends = [mixture.quantile(p) for p in (tail, 1 - tail)]
            forecast, low, high = (method.scale.backward(y).ravel() for y in (centre, *ends))
            found.append(
                pd.DataFrame(
                    {
                        "curve": np.repeat(which, len(at)),
                        "law": law,
                        "n": np.tile(at, len(which)),
                        "times last n": np.exp(x - points.x[:, -1:]).ravel(),
                        "forecast": forecast,
                        "low": low,
                        "high": high,
                    }
                )
            )
    table = pd.concat(found, ignore_index=True).sort_values("curve", kind="stable")
    return table[table["forecast"].notna()].reset_index(drop=True), lawless
