"""One n_balance for all benchmarks of a model: its estimate, its interval, and tests of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
from scipy import stats

from tokenspace.errors import InputError
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import Family, abscissa
from tokenspace.scaling.joint.noise import KINDS, Noise
from tokenspace.scaling.joint.ratios import (
    NAMES,
    Ratio,
    deviance,
    drawn_deviances,
    drawn_ratios,
    limits,
    p_value,
    ratios,
    refined,
)
from tokenspace.scaling.joint.stated import StatedErrors, by_errors
from tokenspace.scaling.predictive import LEAST_SCATTER
from tokenspace.shares import require_share

CHI_SQUARE = "chi-square"
EVERY = 4  # n_balance of the grid at which limits are drawn
LEAST_RUNS = 99
SURE = stats.norm.ppf(0.975)  # standard errors of a limit, within which it lies in 95 % of seeds
NOISELESS = 2 * LEAST_SCATTER  # residual standard deviation of log S


@dataclass(frozen=True)
class JointFit:
    """Crossover laws of several benchmarks with one n_balance, each with its own c, beta and noise.

    names: of the K curves; n_balance: shared, 0 where no crossover fits as well as any; c, beta,
    residual_std: (K,), of each curve at that n_balance; separate: (K,), the n_balance that each
    curve would have alone; against: curves that bend the way no n_balance can; tests: see
    `joint.ratios`; grid, deviance: profile of -2 log L, less its least, over n_balance; limits:
    kind of noise -> what the deviance of the true n_balance stays below, over the grid;
    limit_errors: its standard errors, from so many draws; independent_curves: how many independent
    curves would scatter as these; stated: how large the scatter is beside the standard errors, and
    whether their size counted, None where no curve has any.
    """

    names: tuple[str, ...]
    n_balance: float
    c: np.ndarray
    beta: np.ndarray
    residual_std: np.ndarray
    separate: np.ndarray
    against: int
    tests: tuple[Ratio, ...]
    grid: np.ndarray
    deviance: np.ndarray
    limits: dict[str, np.ndarray]
    limit_errors: dict[str, np.ndarray]
    independent_curves: float
    level: float
    stated: StatedErrors | None = None

    @property
    def noiseless(self) -> int:
        """Curves without noise to speak of: sets and p-values, drawn from noise, say nothing."""
        return int((self.residual_std < NOISELESS).sum())

    @property
    def crossover(self) -> bool:
        """Whether some n_balance fits better than power laws."""
        return self.n_balance > 0

    def regions(self, kind: str = "blocks", errors: float = 0.0) -> list[tuple[float, float]]:
        """Confidence set of n_balance, intervals (low, high) where the profile is below its limit.

        Args:
            kind: of noise: "independent", "blocks", or "chi-square" for the usual limit.
            errors: standard errors that the limit is moved by, up if > 0, which widens the set.
        """
        limit = np.maximum(self.limits[kind] + errors * self.limit_errors[kind], 0.0)
        return _runs(self.grid, limit - self.deviance)

    def excluded(self, kind: str = "blocks", errors: float = 0.0) -> list[tuple[float, float]]:
        """What the confidence set leaves out, as intervals (low, high)."""
        regions = self.regions(kind, errors)
        ends = [0.0, *(end for region in regions for end in region), np.inf]
        pairs = zip(ends[::2], ends[1::2], strict=True)
        return [(low, high) for low, high in pairs if low < high]

    def end_error(self, end: float, kind: str = "blocks") -> float:
        """Standard error of an end of `regions` or `excluded` from so many draws.

        That of the limit over the slope of the profile there, times the end, as d log b = db / b.
        Infinite where the profile is level, and beyond the grid's first and last finite n_balance.

        Args:
            end: > 0, finite.
            kind: of noise, as in `regions`.
        """
        if not self.grid[1] < end < self.grid[-2]:
            return float(np.inf)
        inside = slice(1, -1)
        at, above = np.log(self.grid[inside]), (self.limits[kind] - self.deviance)[inside]
        k = int(np.searchsorted(at, np.log(end)))
        slope = abs(above[k] - above[k - 1]) / (at[k] - at[k - 1])
        error = np.interp(np.log(end), at, self.limit_errors[kind][inside])
        return float(end * error / slope) if slope > 0 else float(np.inf)

    def predict(self, n: Any) -> np.ndarray:
        """S(n) of each curve, (K, m)."""
        x = abscissa(np.atleast_1d(np.asarray(n, np.float64)), np.array([self.n_balance]))[0]
        return self.c[:, None] * np.exp(self.beta[:, None] * x)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        ratios = [None] * len(self.names) if self.stated is None else self.stated.by_curve()
        columns = (self.names, self.c, self.beta, self.residual_std, self.separate, ratios)
        curves = zip(*columns, strict=True)
        keys = ("curve", "c", "beta", "residual_std", "n_balance_alone", "scatter_to_errors")
        return {
            "n_balance": self.n_balance,
            "crossover": self.crossover,
            "level": self.level,
            "regions": {kind: self.regions(kind) for kind in self.limits},
            "excluded": {kind: self.excluded(kind) for kind in self.limits},
            "excluded_at_least": {kind: self.excluded(kind, SURE) for kind in self.limits},
            "excluded_at_most": {kind: self.excluded(kind, -SURE) for kind in self.limits},
            "tests": {t.name: {"statistic": t.statistic, "p": t.p} for t in self.tests},
            "bend_against_theory": self.against,
            "independent_curves": self.independent_curves,
            "stated_errors": None if self.stated is None else self.stated.to_dict(),
            "curves": [dict(zip(keys, row, strict=True)) for row in curves],
        }


def fit_joint(
    curves: Mapping[str, tuple[Any, ...]] | Sequence[Curve],
    *,
    level: float = 0.95,
    runs: int = 999,
    seed: int = 0,
) -> JointFit:
    """Fit S_k(n) = c_k (n (n + n_balance) / (1 + n_balance))^(beta_k / 2), n_balance shared.

    n_balance belongs to the tokens of a model, so all its benchmarks k share it. Least squares in
    log S, each curve with its own variance at its best value: minimises sum_k m_k log RSS_k.
    Standard errors of scores weigh the points of a curve against each other. Where two curves or
    more have them and scatter alike beside them, errors are taken for right up to one common
    factor, which is free: these curves have one variance, and M log sum_k RSS_k stands for their
    terms, with M points. Else noise is the scatter of each curve. Sets and tests are the same where
    all errors are off by one factor, unlike those of `fit_scaling`. See `joint.stated`. Several
    scores at one n count as measurements with noise of their own, and in blocks the first of one
    curve goes with the first of another. The power law lies at both ends, n_balance = 0 and
    infinity. Limits of the profile and p-values are drawn (parametric bootstrap) under two kinds of
    noise, "independent" between curves and "blocks", see `joint.noise`.

    Args:
        curves: name -> (n, score) or (n, score, standard error), or curves from `read_curves`; of
            each scores > 0 at 4 different n > 0 at least.
        level: of the confidence set, in (0, 1).
        runs: bootstrap draws, at least 99.
        seed: of the bootstrap.

    Returns:
        A `JointFit`.

    Raises:
        InputError: a curve that cannot be fitted, named; a level or runs outside their range.

    Source: Li et al. 2025 for the law; the joint fit follows from it.
    """
    require_share("level", level)
    if not isinstance(runs, int) or runs < LEAST_RUNS:
        raise InputError(f"runs = {runs!r} is not allowed; it must be an integer >= {LEAST_RUNS}")
    if isinstance(curves, str | PathLike):
        path = fspath(curves)
        raise InputError(
            f"curves = {path!r} is not allowed; of a file pass ts.read_curves({path!r})"
        )
    if isinstance(curves, Mapping):
        curves = [_curve(name, given) for name, given in curves.items()]
    if not isinstance(curves, Sequence) or not all(isinstance(one, Curve) for one in curves):
        raise InputError(
            "curves must be those of ts.read_curves(path), or a dict, name -> (n, score)"
        )
    family, stated = by_errors(curves)
    family = refined(family)
    profile = deviance(family)
    best = float(family.best_of(profile))
    squares = family.squares(family.directions(np.array([best])))[:, 0]
    log_c, beta = family.lines(best)
    noise = Noise.of(family, best)
    bent = np.abs(family.bends()) > np.sqrt(family.counts) * LEAST_SCATTER
    drawn = {kind: drawn_deviances(family, noise, kind, runs, seed, EVERY) for kind in KINDS}
    found = {kind: limits(family, noise, kind, level, drawn[kind]) for kind in KINDS}
    usual = np.full(len(profile), stats.chi2.ppf(level, 1))
    found[CHI_SQUARE] = usual, np.zeros_like(usual)
    return JointFit(
        family.names,
        best,
        np.exp(log_c),
        beta,
        np.sqrt(squares / (family.counts - 2) / family.sizes),
        family.best_of(family.squares(family.on_grid)),
        int(((family.bends() * beta < 0) & bent).sum()),
        _tests(family, noise, best, {kind: drawn[kind].drawn[:, 0] for kind in KINDS}, seed),
        family.grid,
        profile,
        {kind: limit for kind, (limit, _) in found.items()},
        {kind: error for kind, (_, error) in found.items()},
        noise.independent_curves,
        level,
        stated,
    )


def _curve(name: str, given: Any) -> Curve:
    rows = isinstance(given, np.ndarray) and given.ndim == 2
    parts = tuple(given) if rows or isinstance(given, list | tuple) else ()
    if len(parts) not in (2, 3):
        raise InputError(f"{name}: a curve must be (n, score) or (n, score, standard error)")
    n, score, error = (*parts, None)[:3]
    own = None if error is None else np.asarray(error)
    return Curve(name, np.asarray(n), np.asarray(score), error=own)


def _tests(
    family: Family, noise: Noise, best: float, need: Mapping[str, np.ndarray], seed: int
) -> tuple[Ratio, ...]:
    """Each ratio against draws of its own null: the shared fit, power laws for `need` (given)."""
    p: dict[str, dict[str, float]] = {name: {} for name in NAMES}
    statistics = ratios(family)
    for kind, of_power_laws in need.items():
        null = drawn_ratios(family, family.fitted(best), noise, kind, len(of_power_laws), seed)
        null[NAMES.index("need")] = of_power_laws
        for name, statistic, drawn in zip(NAMES, statistics, null, strict=True):
            p[name][kind] = p_value(float(statistic), drawn)
    return tuple(
        Ratio(name, float(value), p[name]) for name, value in zip(NAMES, statistics, strict=True)
    )


def _runs(grid: np.ndarray, above: np.ndarray) -> list[tuple[float, float]]:
    """Intervals of the grid where `above` is >= 0; ends by straight lines in log n_balance."""
    inside = above >= 0
    edges = np.flatnonzero(np.diff(inside.astype(int)))
    with np.errstate(divide="ignore"):
        place = np.log(grid)
    ends = []
    for k in edges:
        share = above[k] / (above[k] - above[k + 1])
        finite = np.isfinite(place[k]) and np.isfinite(place[k + 1])
        cut = place[k] + share * (place[k + 1] - place[k]) if finite else place[k + (k == 0)]
        ends.append(float(np.exp(cut)))
    bounds = [0.0] * int(inside[0]) + ends + [np.inf] * int(inside[-1])
    return list(zip(bounds[::2], bounds[1::2], strict=True))
