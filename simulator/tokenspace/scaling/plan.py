"""How many tokens do I need? The smallest n that keeps a share of the score at the largest n."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from tokenspace.errors import InputError
from tokenspace.printable import percent
from tokenspace.scaling.cost import TransformerCost
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.draws import curves_of, finer
from tokenspace.scaling.fit import checked
from tokenspace.scaling.model_weights import LEAST, SPLINE, Judged, judged, no_law
from tokenspace.scaling.points import Logs, batches
from tokenspace.scaling.predictive import LEAST_SCATTER, Grid
from tokenspace.scaling.scales import Log
from tokenspace.shares import require_share

KEEP = 0.95
POINTS = 33  # counts, evenly spread in log n, at which S(n) is compared
APART = 1e-6  # of u: a count as near to one that was measured is that one
DRAWS, OF_SPLINE = 400, 1200  # of each law, and of the spline, whose tails are long
TWICE = 2  # times the chance to miss from which an interval is said to rest on the laws
CHANCE = 0.05  # p-value below which scores fall with n
FALLING = (
    "higher is taken for better; where lower is better, give 1 / perplexity, or 100 - error rate"
)
BOOTSTRAPS = 400  # of the n left out
N_ROUNDING = 1e-12  # of n, or a score, from its logarithm
IN_CACHE = 25  # curves that are drawn at once: more take a fifth longer


@dataclass(frozen=True)
class TokenPlan:
    """How few tokens keep a share of the score, and what they cost.

    n, low, high: median and interval of the smallest n, over laws and their parameters; by_law:
    name -> (n, low, high) as if that law were true, and as if none were under the name "spline";
    weights: of the same, adding up to 1; keep: the share; smallest, largest: n that were measured,
    between which the answer lies; measured: the smallest of them from which on every measured score
    keeps the share of that at the largest; level: of the intervals; flops: at n and at the largest
    n, where a `TransformerCost` was given, and flops_interval: at low and at high; falls: whether
    the scores fall with n beyond chance, so that the plan says nothing if lower is better;
    evidence: log of how many times as well the spline foretells all scores left out as the best of
    the laws does; outside: share of the spline's draws that lie outside of low to high.
    """

    n: float
    low: float
    high: float
    by_law: dict[str, tuple[float, float, float]]
    weights: dict[str, float]
    keep: float
    smallest: float
    largest: float
    measured: float
    level: float
    flops: tuple[float, float] | None = None
    flops_interval: tuple[float, float] | None = None
    falls: bool = False
    evidence: float = float("nan")
    outside: float = float("nan")

    @property
    def follows_no_law(self) -> bool:
        """Whether the spline has nearly all the weight, and very strong evidence for it."""
        return bool(no_law(self.weights[SPLINE], self.evidence))

    @property
    def rests_on_laws(self) -> bool:
        """Whether a curve of no law would miss the interval more than twice as often as it says."""
        return self.outside > TWICE * (1 - self.level)

    def __repr__(self) -> str:
        said = (
            f"TokenPlan: n = {self.n:.4g} ({percent(self.level)} interval {self.low:.4g} to "
            f"{self.high:.4g}) keeps {percent(self.keep)} of the score at n = {self.largest:g}"
        )
        if self.n <= self.smallest:
            said += "; that is the smallest n that was measured"
        if self.follows_no_law:
            said += "; the scores follow none of the laws"
        if self.rests_on_laws:
            _, low, high = self.by_law[SPLINE]
            said += f"; the interval rests on the laws: without a law {low:.4g} to {high:.4g}"
        if self.falls:
            said += f"; but the scores fall with n: {FALLING}"
        if self.flops is not None:
            said += (
                f", for {percent(self.flops[0] / self.flops[1])} of its {self.flops[1]:.3g} FLOPs"
            )
        return said


def plan_tokens(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    keep: float = KEEP,
    *,
    cost: TransformerCost | None = None,
    level: float = 0.95,
    seed: int = 0,
    error: Sequence[float] | np.ndarray | None = None,
) -> TokenPlan:
    """The smallest n from which on S(n) >= keep S(largest n), over all laws, with an interval.

    S(n) is the curve that is fitted, at the largest n too, without the scatter of single scores.
    Each law's parameters are drawn as the scores leave them uncertain (its shapes on their grid,
    the others by Student's t). Beside the laws stands a smoothing spline, which assumes none; it is
    as likely beforehand as all laws together. They are mixed by pseudo-BMA: a law counts by the
    density with which it foretells the scores at every n from the others, averaged over bootstraps
    of the n; of several scores at one n the mean log density counts, once. The interval carries
    both errors, and lies between the counts that were measured. It reaches the step of counts at
    which the measured scores come to keep the share for good.

    Args:
        n: numbers of tokens, at least 5 different, > 0; one may stand there several times.
        score: scores > 0, same length, higher is better: give 1 / perplexity, or 100 - error rate.
            Of scores that fall with n beyond chance `falls` is true, and the plan's words say so.
        keep: share of the score at the largest n, in (0, 1).
        cost: of a pass through the model, to say what is saved.
        level: of the intervals, in (0, 1).
        seed: of the draws.
        error: standard errors of the scores, > 0, same length: the noise where the scores agree
            with them, as in `forecast`.

    Returns:
        A `TokenPlan`.

    Raises:
        InputError: values outside their range, or too few points.

    Source: Y. Yao, A. Vehtari, D. Simpson, A. Gelman, Bayesian Analysis 13, 917, 2018.
    """
    own = None if error is None else np.asarray(error)
    curves = [Curve("", np.asarray(n), np.asarray(score), error=own)]
    return plan_curves(curves, keep, cost=cost, level=level, seed=seed)[0][1]


def plan_curves(
    curves: Sequence[Curve],
    keep: float = KEEP,
    *,
    cost: TransformerCost | None = None,
    level: float = 0.95,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[tuple[str, TokenPlan]]:
    """`plan_tokens` of every curve, all with the same seed; an error names the curve.

    progress: called with the number of curves that are done, now and then.
    """
    require_share("keep", keep)
    require_share("level", level)
    logs = []
    for curve in curves:
        found = curve.logs(Log()) if curve.name else checked(curve.n, curve.score, curve.error)
        if (count := len(np.unique(found[0]))) < LEAST:
            where = f"{curve.name}: " if curve.name else ""
            raise InputError(
                f"{where}has {count} different n; a plan needs {LEAST}, so that laws can be judged "
                "by scores left out"
            )
        logs.append(found)
    plans: list[tuple[str, TokenPlan]] = []
    for some in batches(logs):
        part = curves[some]
        stated = [curve.stated(Log()) for curve in part]
        ends = [_ends(curve, keep) for curve in part]
        planned = _planned(logs[some], stated, ends, keep, cost, level, seed)
        plans += zip((curve.name for curve in part), planned, strict=True)
        if progress is not None:
            progress(len(plans))
    return plans


def _ends(curve: Curve, keep: float) -> np.ndarray:
    """Smallest and largest n, and the two of `measured`, (4,)."""
    n, score = np.asarray(curve.n, float), np.asarray(curve.score, float)
    return np.array([n.min(), n.max(), *measured(n, score, keep)])


def _planned(
    logs: Sequence[Logs],
    stated: Sequence[float],
    ends: Sequence[np.ndarray],
    keep: float,
    cost: TransformerCost | None,
    level: float,
    seed: int,
) -> list[TokenPlan]:
    plans: dict[int, TokenPlan] = {}
    for which, found in judged(logs, seed, stated):
        drawn = [
            _of_law(grid, np.isfinite(found.weights[:, j]), keep, seed)
            for j, grid in enumerate(found.grids.values())
        ]
        drawn.append(_of_spline(found, keep, seed))
        for row, k in enumerate(which):
            has_say = [
                (name, j)
                for j, name in enumerate(found.names)
                if np.isfinite(found.weights[row, j])
            ]
            values = {name: drawn[j][row] for name, j in has_say}
            weights = {name: float(found.weights[row, j]) for name, j in has_say}
            plan = _plan(values, weights, ends[k], keep, level, cost)
            told = float(found.evidence[row])
            plans[k] = replace(plan, falls=falls(*logs[k][:2]), evidence=told)
    return [plans[k] for k in range(len(logs))]


def _of_law(grid: Grid, has_say: np.ndarray, keep: float, seed: int) -> np.ndarray:
    """Draws of the smallest n, (curves, `DRAWS`), for the curves of which the law has a say."""
    drawn = np.full((len(grid.raw), DRAWS), np.nan)
    some = np.flatnonzero(has_say)
    if not len(some):
        return drawn
    fine = finer(grid[some])
    for first in range(0, len(some), IN_CACHE):
        now = np.arange(first, min(first + IN_CACHE, len(some)))
        ends = fine.points.x[now][:, [0, -1]]
        x = ends[:, :1] + np.diff(ends) * np.linspace(0, 1, POINTS)
        curves = curves_of(fine[now], x, DRAWS, seed)
        drawn[some[now]] = [smallest(a, b, keep) for a, b in zip(x, curves, strict=True)]
    return drawn


def _of_spline(found: Judged, keep: float, seed: int) -> np.ndarray:
    """The same of the spline, (curves, `OF_SPLINE`)."""
    points = found.points
    drawn = np.empty((len(points.x), OF_SPLINE))
    even = np.linspace(0, 1, POINTS)
    for spline, some in found.splines:
        first, last = points.x[some[0], [0, -1]]
        fine = np.union1d(even[np.abs(even[:, None] - spline.u).min(axis=1) > APART], spline.u)
        log_n = first + (last - first) * fine
        for part in np.split(some, range(IN_CACHE, len(some), IN_CACHE)):
            curves = spline.draws(points.y[part], fine, OF_SPLINE, seed, found.noise[part])
            drawn[part] = [smallest(log_n, curve, keep) for curve in curves]
    return drawn


def _plan(
    drawn: Mapping[str, np.ndarray],
    weights: dict[str, float],
    ends: np.ndarray,
    keep: float,
    level: float,
    cost: TransformerCost | None,
) -> TokenPlan:
    low_n, high_n = ends[0] * (1 + N_ROUNDING), ends[1] * (1 - N_ROUNDING)
    values = {
        k: np.where(v < low_n, ends[0], np.where(v > high_n, ends[1], v)) for k, v in drawn.items()
    }
    share = [np.full(len(v), weights[k] / len(v)) for k, v in values.items()]
    places = (1 - level) / 2, 0.5, (1 + level) / 2
    low, middle, high = weighted_quantiles(
        np.concatenate(list(values.values())), np.concatenate(share), places
    )
    by_law = {}
    for name, own in values.items():
        first, centre, last = map(float, np.quantile(own, places))
        by_law[name] = centre, first, last
    smallest_n, largest_n, fails_n, measured_n = map(float, ends)
    low, high = min(low, measured_n), max(high, fails_n)
    spline = values[SPLINE]
    flops, interval = None, None
    if cost is not None:
        flops = float(cost.flops(middle)), float(cost.flops(largest_n))
        interval = float(cost.flops(low)), float(cost.flops(high))
    return TokenPlan(
        n=middle,
        low=low,
        high=high,
        by_law=by_law,
        weights=weights,
        keep=keep,
        smallest=smallest_n,
        largest=largest_n,
        measured=measured_n,
        level=level,
        flops=flops,
        flops_interval=interval,
        outside=float(np.mean((spline < low) | (spline > high))),
    )


def falls(log_n: np.ndarray, log_score: np.ndarray) -> bool:
    """Whether scores fall with n beyond chance: Kendall's tau below 0, one-sided p < `CHANCE`.

    Source: M. G. Kendall, Biometrika 30, 81, 1938; H. B. Mann, Econometrica 13, 245, 1945.
    """
    if np.ptp(log_score) <= LEAST_SCATTER:
        return False
    return bool(stats.kendalltau(log_n, log_score, alternative="less").pvalue < CHANCE)


def measured(n: np.ndarray, score: np.ndarray, keep: float) -> tuple[float, float]:
    """The largest n whose score is below keep times that at the largest, and the next.

    From that next n on all measured scores keep the share; where all do, both are the smallest n.
    Of several scores at one n their geometric mean is meant.
    """
    counts, which = np.unique(n, return_inverse=True)
    mean = np.bincount(which, np.log(score)) / np.bincount(which)
    below = np.flatnonzero(mean < mean[-1] + np.log(keep) - N_ROUNDING)
    last = below[-1] if len(below) else -1
    return float(counts[max(last, 0)]), float(counts[last + 1])


def smallest(x: np.ndarray, log_score: np.ndarray, keep: float) -> np.ndarray:
    """The n from which on each curve (runs, k) keeps the share of its last score, (runs,).

    The first n = exp(x) where a curve keeps it throughout; between counts by the parabola through
    both and the next one.
    """
    with np.errstate(invalid="ignore"):  # a score without bound at both
        over = log_score - log_score[:, -1:] - np.log(keep)
    below = over < 0
    crosses = np.flatnonzero(below.any(axis=1))
    start = len(x) - 1 - below[crosses, ::-1].argmax(axis=1)
    third = np.where(start + 2 < len(x), start + 2, start - 1)
    first, second, other = (over[crosses, k] for k in (start, start + 1, third))
    step, far = x[start + 1] - x[start], x[third] - x[start]
    found = np.full(len(over), np.exp(x[0]))
    with np.errstate(invalid="ignore", divide="ignore"):
        rise = (second - first) / step
        bend = ((other - first) / far - rise) / (far - step)
        bend = np.where(np.isfinite(bend), bend, 0.0)
        slope = rise - bend * step
        moved = -2 * first / (slope + np.sqrt(np.maximum(slope**2 - 4 * bend * first, 0)))
        found[crosses] = np.exp(x[start] + np.where(np.isfinite(rise), moved, step))
    return found


def weighted_quantiles(
    values: np.ndarray, weight: np.ndarray, shares: Sequence[float]
) -> list[float]:
    """Quantiles of values that count by weight, which adds up to 1."""
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(np.cumsum(weight[order]), shares)
    return [float(values[order][min(k, len(values) - 1)]) for k in places]
