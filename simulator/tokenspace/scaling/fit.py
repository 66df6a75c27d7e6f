"""Fit scaling laws S(n) to measured scores, by least squares in log S.

The laws are those of `scaling/laws/`; no law is known here by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from tokenspace.errors import InputError
from tokenspace.scaling.intervals import raw_intervals
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.optimise import Logs, Points, grouped
from tokenspace.scaling.predictive import LEAST_SCATTER, on_grid
from tokenspace.scaling.preference import aicc, bic, compare
from tokenspace.scaling.result import LawFit, ScalingFit
from tokenspace.scaling.robust import deviance, reweighted, widening
from tokenspace.scaling.scales import Log, Scale
from tokenspace.scaling.validation import leave_one_out

LOSSES = ("squares", "huber")
LEAST = 3  # different counts
# p-value of chi^2 below which the scatter counts. 95 % intervals of 4 points hold 95 % where errors
# are 1.5 times too small; with 0.05 in its place they would hold 86 %.
DOUBT = 0.5


@dataclass(frozen=True)
class Method:
    """How curves are fitted: laws, level of intervals, scale of scores, "squares" or "huber"."""

    laws: Mapping[str, ScalingLaw]
    level: float = 0.95
    scale: Scale = field(default_factory=Log)
    loss: str = "squares"

    def weighted(self, law: ScalingLaw, points: Points) -> Points:
        """The points with the weights that the loss gives them under a law."""
        return reweighted(law, points) if self.loss == "huber" else points


def fit_scaling(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    law: str | Sequence[str] = "auto",
    *,
    level: float = 0.95,
    error: Sequence[float] | np.ndarray | None = None,
    scale: Scale | None = None,
    loss: str = "squares",
) -> ScalingFit:
    """Fit scaling laws to scores at several token counts.

    Least squares in log S, for noise that is normal in log S and the same at every n, or as large
    as `error` says. Several scores at one n count as measurements with noise of their own.
    Intervals are those of `scaling/intervals.py`: exact for the power law, profiles of the
    likelihood for others. Without errors their size is that of the scatter. With them it is theirs,
    unless the law's chi^2 is above its median (p < 0.5): then the scatter counts, which widens the
    interval (Birge's ratio, by Student's t). So 95 % intervals hold 96 to 98 % where the errors are
    right, and 95 to 96 % where they are too small; of three points 91 % where they are half.

    Args:
        n: numbers of tokens, at least 3 distinct, > 0.
        score: scores > 0, same length.
        law: name of a law, "power", "crossover", "saturating", "logarithm", "offset", "broken" or
            one of your own that is registered in the room "scaling"; several, as a list or with
            commas between them; or "auto" for all.
        level: confidence level of the intervals, in (0, 1).
        error: standard errors of the scores, > 0, same length; they weigh the points against each
            other, and give chi^2. "huber" takes them as weights alone.
        scale: `Log()`, or `Logit(top, chance)` for accuracies, whose odds then follow the law.
        loss: "squares", or "huber" for curves with outliers.

    Returns:
        A `ScalingFit`.

    Raises:
        InputError: lengths differ, values are not positive and finite, or an unknown law.

    Source: S(n) = c / n^alpha, Li et al. 2025; crossover law derived from it. R. T. Birge, Phys.
    Rev. 40, 207, 1932 (errors that are too small).
    """
    method = chosen_method(law, level, scale, loss)
    logs = checked(n, score, error, method.scale)
    return fit_logs([logs], method, [stated_variance(score, error, method.scale)])[0]


def chosen_method(
    law: str | Sequence[str], level: float, scale: Scale | None = None, loss: str = "squares"
) -> Method:
    """The method that names stand for; InputError for unknown ones, or a level outside (0, 1)."""
    laws = known_laws()
    names = [k.strip() for k in law.split(",")] if isinstance(law, str) else list(law)
    for name in names:
        if name not in laws and names != ["auto"]:
            allowed = ", ".join(repr(k) for k in (*laws, "auto"))
            raise InputError(f"law = {name!r} is not allowed; it must be one of {allowed}")
    if not 0 < level < 1:
        raise InputError(f"level = {level!r} is not allowed; it must lie between 0 and 1")
    if loss not in LOSSES:
        raise InputError(f"loss = {loss!r} is not allowed; it must be one of {', '.join(LOSSES)}")
    if names != ["auto"]:
        laws = {k: v for k, v in laws.items() if k in names}
    return Method(laws, level, Log() if scale is None else scale, loss)


def fit_logs(
    curves: Sequence[Logs], method: Method, stated: Sequence[float] | None = None
) -> list[ScalingFit]:
    """Fit every law to every curve of (log n ascending, log S, weights), all curves at once.

    stated: variance of a point of weight 1, `stated_variance` of each curve; not a number where it
    is not known.
    """
    variance = np.full(len(curves), np.nan) if stated is None else np.asarray(stated, float)
    fits: list[list[LawFit]] = [[] for _ in curves]
    for name, law in method.laws.items():
        for which, points in grouped(curves):
            found = _fit_law(name, law, points, method, variance[which])
            for k, fit in zip(which, found, strict=True):
                fits[k].append(fit)
    return [compare(f, *logs) for f, logs in zip(fits, curves, strict=True)]


def _fit_law(
    name: str, law: ScalingLaw, given: Points, method: Method, stated: np.ndarray
) -> list[LawFit]:
    """One law fitted to curves that are padded to one width."""
    counts = given.counts
    rows = np.arange(len(counts))
    points = method.weighted(law, given)
    grid = on_grid(law, points)
    optima, squares = grid.refined()
    best = squares.argmin(axis=1)
    raw, rss = optima[rows, best], squares[rows, best]
    size = raw.shape[1]
    ends = np.full((len(rows), size, 2), np.nan)
    enough = points.determine(law)
    off = given.y - law.log_scores(raw, given.x)
    scatter = np.maximum(np.sqrt(rss / counts), LEAST_SCATTER)
    wider = np.ones(len(rows))
    if method.loss == "huber":
        wider = widening(off, scatter, given.weight, size)
        stated = np.full(len(rows), np.nan)
    freedom = np.where(enough, counts - size, np.nan)
    chi_squared = rss / stated
    p_value = stats.chi2.sf(chi_squared, freedom)
    if enough.any():
        quantile = (1 + method.level) / 2
        above = stats.t.ppf(quantile, freedom) ** 2 * wider * rss / freedom
        above = np.where(p_value >= DOUBT, stats.norm.ppf(quantile) ** 2 * stated, above)
        ends[enough] = raw_intervals(
            law,
            np.concatenate([optima, grid.raw], axis=1)[enough],
            np.concatenate([squares, grid.squares], axis=1)[enough],
            points[enough],
            above[enough],
        )
    left_out = leave_one_out(law, points, given.weight, grid)
    left_out = left_out.mean(axis=1, where=given.weight > 0)
    if method.loss == "huber":
        likelihood = deviance(off, scatter, given.weight)
        mean_squares = np.exp(likelihood / counts)
    else:
        mean_squares = rss / counts
    fits = []
    for k, count in enumerate(counts):
        left = int(count) - size
        judged = int(count), size, float(mean_squares[k] * count)
        fits.append(
            LawFit(
                name,
                {key: float(v) for key, v in law.named(raw[k]).items()},
                law.named_intervals(raw[k], ends[k]) if enough[k] else {},
                method.level,
                left,
                float(np.sqrt(rss[k] / left)) if left > 0 else float("nan"),
                aicc(*judged) if enough[k] else np.inf,
                bic(*judged) if enough[k] else np.inf,
                float(left_out[k]),
                float(mean_squares[k]),
                np.exp(points.x[k, :count]),
                method.scale.backward(points.y[k, :count]),
                points.weight[k, :count],
                method.scale,
                method.loss,
                float(chi_squared[k]),
                float(p_value[k]),
                bool(p_value[k] >= DOUBT),
            )
        )
    return fits


def checked(
    n: Any, score: Any, error: Any = None, scale: Scale | None = None, least: int = LEAST
) -> Logs:
    """(log n ascending, log S, weights) of a curve; InputError where it cannot be fitted.

    least: different n that are needed.
    """
    scale = Log() if scale is None else scale
    arrays: list[np.ndarray] = []
    given = {"n": n, "score": score} | ({} if error is None else {"error": error})
    for name, values in given.items():
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{name} must be a list of numbers") from None
        if array.ndim != 1:
            raise InputError(f"{name} must be one list, but its shape is {array.shape}")
        if name == "score":
            scale.check(array)
        elif (bad := ~(np.isfinite(array) & (array > 0))).any():
            k = int(np.argmax(bad))
            why = (
                "fits are in logarithms, so every value" if name == "n" else "every standard error"
            )
            if name == "n" and array[k] == 0:
                why = "a score without tokens has no place on log n, leave it out; every value"
            if name == "error" and np.isnan(array[k]):
                raise InputError(
                    f"error[{k}] is missing: every score of a curve needs its standard error, or "
                    "none has one"
                )
            raise InputError(
                f"{name}[{k}] = {array[k]} is not allowed: {why} must be finite and > 0"
            )
        if arrays and len(arrays[0]) != len(array):
            raise InputError(f"n has {len(arrays[0])} values but {name} has {len(array)}")
        arrays.append(array)
    if (different := len(np.unique(arrays[0]))) < least:
        raise InputError(
            f"a fit needs at least {least} different token counts, and there are {different}"
        )
    order = np.argsort(arrays[0], kind="stable")
    x, s = np.log(arrays[0][order]), arrays[1][order]
    weight = np.ones(len(x))
    if error is not None:
        weight = stated_variance(s, arrays[2][order], scale) / _variances(
            s, arrays[2][order], scale
        )
    return x, scale.forward(s), weight


def stated_variance(score: Any, error: Any = None, scale: Scale | None = None) -> float:
    """Variance of y of a point of weight 1 by the standard errors; not a number without them."""
    if error is None:
        return float("nan")
    return float(1 / np.mean(1 / _variances(score, error, Log() if scale is None else scale)))


def _variances(score: Any, error: Any, scale: Scale) -> np.ndarray:
    """Variance of y of each score, by its standard error."""
    score = np.asarray(score, np.float64)
    return np.asarray((np.asarray(error, np.float64) * scale.slope(score) / score) ** 2)
