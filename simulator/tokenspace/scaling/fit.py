"""Fit scaling laws S(n) to measured scores, by least squares in log S.

The laws are those of `scaling/laws/`; no law is known here by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from tokenspace.errors import InputError
from tokenspace.scaling.intervals import intervals_without_noise, raw_intervals
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.points import Logs, Points, grouped
from tokenspace.scaling.predictive import LEAST_SCATTER, Grid, on_grid
from tokenspace.scaling.preference import aicc, bic, birge, compare
from tokenspace.scaling.result import LawFit, ScalingFit
from tokenspace.scaling.robust import deviance, reweighted, widening
from tokenspace.scaling.scales import Log, Scale
from tokenspace.scaling.stated import (
    noise_of_law,
    stated_variance,
    variance_of,
    weights,
    with_noise,
)
from tokenspace.scaling.validation import leave_one_out
from tokenspace.shares import require_share

LOSSES = ("squares", "huber")
LEAST = 3  # different counts
FAR_OFF = 1e30  # times its score a standard error is none: weights of all curves stay finite
MOST = 2000  # scores of a curve: each is left out in turn, which takes a minute or two


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
    right, and 95 to 96 % where they are too small; of three points 91 % where they are half. Laws
    are compared by the errors too, unless chi^2 refuses all of them: see `preference.birge`.

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
    require_share("level", level)
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
    variance = variance_of(len(curves), stated, method.loss)
    fits: dict[int, list[LawFit]] = {}
    for which, points in grouped(curves):
        weighted = [(law, method.weighted(law, points)) for law in method.laws.values()]
        optima = [Optima.of(on_grid(*one), points, variance[which]) for one in weighted]
        noise = common_noise(optima)
        for name, found in zip(method.laws, optima, strict=True):
            for k, fit in zip(which, _judged(name, found, method, noise), strict=True):
                fits.setdefault(int(k), []).append(fit)
    return [compare(fits[k], *logs) for k, logs in enumerate(curves)]


@dataclass(frozen=True)
class Optima:
    """The least squares of one law to curves that are padded to one width, arrays (curves, ..).

    raw, squares: optima, the best of which is `best`; freedom: points less parameters, not a number
    where the points do not determine the law; stated: variance of a point of weight 1.
    """

    given: Points
    grid: Grid  # of the points as the loss weighs them
    raw: np.ndarray
    squares: np.ndarray
    stated: np.ndarray

    @classmethod
    def of(cls, grid: Grid, given: Points, stated: np.ndarray) -> Optima:
        """Fit the law from the grid of its shapes."""
        return cls(given, grid, *grid.refined(), stated)

    @cached_property
    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Raw parameters (curves, p) and sum of squares (curves,) of the best."""
        rows, least = np.arange(len(self.raw)), self.squares.argmin(axis=1)
        return self.raw[rows, least], self.squares[rows, least]

    @cached_property
    def freedom(self) -> np.ndarray:
        law, points = self.grid.law, self.grid.points
        return np.where(points.determine(law), points.counts - law.size, np.nan)

    @property
    def chi_squared(self) -> np.ndarray:
        return np.asarray(self.best[1] / self.stated)

    @property
    def own_noise(self) -> np.ndarray:
        """Variance of a point of weight 1 where this law is taken for true, see `noise_of_law`."""
        return noise_of_law(self.stated, self.chi_squared, self.freedom)

    def known(self, noise: np.ndarray) -> Grid:
        """The grid with this variance of a point of weight 1, (curves,), where it is a number."""
        points = with_noise(self.grid.points, noise)
        # the same grid keeps its inverses
        return self.grid if points is self.grid.points else replace(self.grid, points=points)


def common_noise(found: Sequence[Optima]) -> np.ndarray:
    """Variance of a point of weight 1 by which all laws of a curve are judged, see `birge`."""
    ratio = birge(
        np.stack([one.chi_squared for one in found]), np.stack([one.freedom for one in found])
    )
    return found[0].stated * ratio


def _judged(name: str, found: Optima, method: Method, noise: np.ndarray) -> list[LawFit]:
    """Intervals and criteria of one law on each curve.

    noise: of `common_noise`.
    """
    given, grid, points, law = found.given, found.grid, found.grid.points, found.grid.law
    (raw, rss), freedom, stated = found.best, found.freedom, found.stated
    counts, size = given.counts, law.size
    ends = np.full((len(raw), size, 2), np.nan)
    enough = np.isfinite(freedom)
    off = given.y - law.log_scores(raw, given.x)
    scatter = np.maximum(np.sqrt(rss / counts), LEAST_SCATTER)
    wider = np.ones(len(raw))
    if method.loss == "huber":
        wider = widening(off, scatter, given.weight, size)
    chi_squared = found.chi_squared
    p_value = stats.chi2.sf(chi_squared, freedom)
    own = found.own_noise
    quantile = (1 + method.level) / 2
    variance = np.maximum(rss / freedom, LEAST_SCATTER**2)
    above = stats.t.ppf(quantile, freedom) ** 2 * wider * variance
    above = np.where(np.isfinite(own), stats.norm.ppf(quantile) ** 2 * own, above)
    exact = (rss / freedom <= LEAST_SCATTER**2) & ~np.isfinite(own)
    tried = np.concatenate([found.raw, grid.raw], axis=1)
    squares = np.concatenate([found.squares, grid.squares], axis=1)
    for some, of in ((enough & ~exact, raw_intervals), (enough & exact, intervals_without_noise)):
        if some.any():
            ends[some] = of(law, tried[some], squares[some], points[some], above[some])
    grid = found.known(noise)
    left_out = leave_one_out(law, grid.points, given.weight, grid)
    left_out = left_out.mean(axis=1, where=given.weight > 0)
    if method.loss == "huber":
        likelihood = deviance(off, scatter, given.weight)
        mean_squares = np.exp(likelihood / counts)
    else:
        mean_squares = rss / counts
    fits = []
    for k, count in enumerate(counts):
        left = int(count) - size
        judged = int(count), size, float(mean_squares[k] * count), float(noise[k])
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
                bool(np.isfinite(own[k])),
                float(stated[k]),
                float(noise[k]),
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
        odd = "masked" if np.ma.is_masked(values) else "complex" if np.iscomplexobj(values) else ""
        if odd:
            raise InputError(f"{name} has {odd} values; give real numbers, and leave the rest out")
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
        if len(array) > MOST:
            raise InputError(
                f"{name} has {len(array):,} values, and a curve may have {MOST:,}: each is left "
                "out in turn; keep some n, evenly in log n, or give means of neighbours"
            )
        if arrays and len(arrays[0]) != len(array):
            raise InputError(f"n has {len(arrays[0])} values but {name} has {len(array)}")
        arrays.append(array)
    if (different := len(np.unique(arrays[0]))) < least:
        raise InputError(
            f"a fit needs at least {least} different token counts, and there are {different}"
        )
    if error is not None:
        with np.errstate(over="ignore", under="ignore"):
            share = arrays[2] / arrays[1]
        if (bad := ~((share >= 1 / FAR_OFF) & (share <= FAR_OFF))).any():
            k = int(np.argmax(bad))
            raise InputError(
                f"error[{k}] = {arrays[2][k]} is not allowed beside score[{k}] = {arrays[1][k]}: "
                f"no standard error is {FAR_OFF:g} times as large as its score, or as small"
            )
    order = np.argsort(arrays[0], kind="stable")
    x, s = np.log(arrays[0][order]), arrays[1][order]
    weight = np.ones(len(x))
    if error is not None:
        weight = weights(s, arrays[2][order], scale)
    return x, scale.forward(s), weight
