"""Forecasts of the last scores by one n_balance for all, one for each, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tokenspace.errors import InputError
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.forecast import seen
from tokenspace.scaling.joint.family import LEAST_POINTS, Family, abscissa
from tokenspace.scaling.joint.ratios import refined
from tokenspace.scaling.joint.stated import by_errors
from tokenspace.scaling.scales import Log

SHARED, SEPARATE, POWER, SAME = "one n_balance", "one for each curve", "power law", "no change"


def forecast_joint(curves: Sequence[Curve], hold: int = 3) -> pd.DataFrame:
    """Root mean square error of log S at the last `hold` counts of each curve, fitted without them.

    Args:
        curves: of one model, each of at least 4 different n more than are held out.
        hold: how many of the largest different n of each curve are held out, >= 1.

    Returns:
        A row a curve; columns "one n_balance", "one for each curve", "power law", and "no change"
        (the last score before them stays, the mean of log S where there are several);
        `attrs["n_balance"]` is the shared one.

    Raises:
        InputError: a curve with too few points.
    """
    if isinstance(hold, bool) or not isinstance(hold, int | np.integer) or hold < 1:
        raise InputError(f"hold = {hold!r} is not allowed; it must be an integer >= 1")
    early, late, same = [], [], []
    for curve in curves:
        log_n, log_score, weight = curve.logs(Log())
        if (different := len(np.unique(log_n))) < LEAST_POINTS + hold:
            raise InputError(
                f"{curve.name}: has {different} different n; to hold out {hold} it needs "
                f"{LEAST_POINTS + hold}"
            )
        known = seen(log_n, hold)
        early.append(curve.keep(np.argsort(curve.n, kind="stable")[:known]))
        last = log_n[:known] == log_n[known - 1]
        same.append(np.average(log_score[:known][last], weights=weight[:known][last]))
        late.append((np.exp(log_n[known:]), log_score[known:]))
    family = refined(by_errors(early)[0])
    squares = family.squares(family.on_grid)
    shared = float(family.best_of(family.log_likelihood(squares)))
    separate = family.best_of(squares)
    rows = []
    for k, (n, log_score) in enumerate(late):
        errors = [
            _line(family, k, balance, n) - log_score for balance in (shared, separate[k], 0.0)
        ]
        rows.append([np.sqrt(np.mean(e**2)) for e in (*errors, same[k] - log_score)])
    table = pd.DataFrame(rows, list(family.names), [SHARED, SEPARATE, POWER, SAME])
    table.attrs["n_balance"] = shared
    return table


def _line(family: Family, k: int, balance: float, n: np.ndarray) -> np.ndarray:
    log_c, beta = family.lines(balance)
    return log_c[k] + beta[k] * abscissa(n, np.array([balance]))[0]


def skill(table: pd.DataFrame) -> pd.DataFrame:
    """Median error, and on how many curves each is best, of a table of `forecast_joint`.

    Errors within 1e-9 of the best count as equal: an n_balance of 0 is the power law.
    """
    best = table.sub(table.min(axis=1), axis=0) < 1e-9
    return pd.DataFrame({"median error": table.median(), "best on": best.sum()})
