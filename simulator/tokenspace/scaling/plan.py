"""How many tokens do I need? The smallest n that keeps a share of the score at the largest n."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from tokenspace.errors import InputError
from tokenspace.printable import percent
from tokenspace.scaling.cost import TransformerCost
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.fit import checked
from tokenspace.scaling.forecast import stack
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.optimise import Logs, grouped
from tokenspace.scaling.predictive import Grid, on_grid
from tokenspace.scaling.scales import Log
from tokenspace.scaling.validation import leave_one_out

KEEP = 0.95
POINTS = 65  # counts, evenly spread in log n, at which S(n) is compared
DRAWS = 600  # of each law
LEAST = 5  # different counts
MOST, LITTLE = 0.15, 1e-4  # weight of one value of a shape: to be split, or left out
VALUES, FINER = 49, 3  # of a shape in a finer grid, and how often it is made finer at most
N_ROUNDING = 1e-12  # of n, or a score, from its logarithm
TOGETHER = 200  # curves that are planned at once
IN_CACHE = 25  # curves that are drawn at once: more take a fifth longer


@dataclass(frozen=True)
class TokenPlan:
    """How few tokens keep a share of the score, and what they cost.

    n, low, high: median and interval of the smallest n, over laws and their parameters; by_law:
    name -> (n, low, high) as if that law were true; weights: of the laws, adding up to 1; keep: the
    share; smallest, largest: n that were measured, between which the answer lies; measured: the
    smallest of them from which on every measured score keeps the share of that at the largest;
    level: of the intervals; flops: at n and at the largest n, where a `TransformerCost` was given,
    and flops_interval: at low and at high.
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

    @property
    def above_measured(self) -> bool:
        """Whether the interval begins above `measured`: the laws may not follow such a curve."""
        return self.low > self.measured

    def __repr__(self) -> str:
        said = (
            f"TokenPlan: n = {self.n:.4g} ({percent(self.level)} interval {self.low:.4g} to "
            f"{self.high:.4g}) keeps {percent(self.keep)} of the score at n = {self.largest:g}"
        )
        if self.n <= self.smallest:
            said += "; that is the smallest n that was measured"
        if self.above_measured:
            said += f"; the scores keep it from n = {self.measured:g} on: they may follow no law"
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
) -> TokenPlan:
    """The smallest n from which on S(n) >= keep S(largest n), over all laws, with an interval.

    S(n) is the curve that is fitted, at the largest n too, without the scatter of single scores.
    Each law's parameters are drawn as the scores leave them uncertain (its shapes on their grid,
    the others by Student's t), and the laws are mixed by stacking: weights for which the mixture
    foretells best each score left out. The interval carries both errors. The answer lies between
    the counts that were measured. In simulations 95 % intervals of ten scores hold the true n in 95
    to 100 % of runs, but in 84 to 97 % where two power laws meet: with noise of 3 % other laws may
    foretell such scores as well by chance. As if that law were known (`by_law`) they hold 94 %.

    Args:
        n: numbers of tokens, at least 5 different, > 0; one may stand there several times.
        score: scores > 0, same length, higher is better.
        keep: share of the score at the largest n, in (0, 1).
        cost: of a pass through the model, to say what is saved.
        level: of the intervals, in (0, 1).
        seed: of the draws.

    Returns:
        A `TokenPlan`.

    Raises:
        InputError: values outside their range, or too few points.

    Source: Y. Yao, A. Vehtari, D. Simpson, A. Gelman, Bayesian Analysis 13, 917, 2018 (stacking).
    """
    curves = [Curve("", np.asarray(n), np.asarray(score))]
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
    for name, value in (("keep", keep), ("level", level)):
        if not 0 < value < 1:
            raise InputError(f"{name} = {value!r} is not allowed; it must lie between 0 and 1")
    logs = []
    for curve in curves:
        found = curve.logs(Log()) if curve.name else checked(curve.n, curve.score)
        if (count := len(np.unique(found[0]))) < LEAST:
            where = f"{curve.name}: " if curve.name else ""
            raise InputError(
                f"{where}has {count} different n; a plan needs {LEAST}, so that laws can be judged "
                "by scores left out"
            )
        logs.append(found)
    plans: list[tuple[str, TokenPlan]] = []
    for first in range(0, len(logs), TOGETHER):
        part = logs[first : first + TOGETHER]
        names = [curve.name for curve in curves[first : first + TOGETHER]]
        counts = [np.asarray(c.n, float) for c in curves[first : first + TOGETHER]]
        scores = [np.asarray(c.score, float) for c in curves[first : first + TOGETHER]]
        kept = [measured(n, s, keep) for n, s in zip(counts, scores, strict=True)]
        ends = [np.array([n.min(), n.max(), k]) for n, k in zip(counts, kept, strict=True)]
        plans += zip(names, _planned(part, ends, keep, cost, level, seed), strict=True)
        if progress is not None:
            progress(len(plans))
    return plans


def _planned(
    logs: Sequence[Logs],
    ends: Sequence[np.ndarray],
    keep: float,
    cost: TransformerCost | None,
    level: float,
    seed: int,
) -> list[TokenPlan]:
    laws = known_laws()
    plans: dict[int, TokenPlan] = {}
    for which, points in grouped(logs):
        grids = [on_grid(law, points) for law in laws.values()]
        left_out = [leave_one_out(g.law, points, points.weight, g) for g in grids]
        density = np.stack(left_out, axis=-1)
        # a law that cannot be judged by every score left out has no say
        judged = (np.isfinite(density) | (points.weight == 0)[:, :, None]).all(axis=1)
        shares = stack(density)
        drawn: list[dict[str, np.ndarray]] = [{} for _ in which]
        for name, grid, has_say in zip(laws, grids, judged.T, strict=True):
            rows = np.flatnonzero(has_say)
            if not len(rows):
                continue
            for some in np.split(rows, range(IN_CACHE, len(rows), IN_CACHE)):
                for judge, values in zip(some, _drawn(grid[some], keep, seed), strict=True):
                    drawn[judge][name] = values
        for row, k in enumerate(map(int, which)):
            weights = dict(zip(laws, map(float, shares[row]), strict=True))
            weights = {law: weights[law] for law in drawn[row]}
            plans[k] = _plan(drawn[row], weights, ends[k], keep, level, cost)
    return [plans[k] for k in range(len(logs))]


def _drawn(grid: Grid, keep: float, seed: int) -> np.ndarray:
    """Draws of the smallest n of each curve of a grid, (curves, draws)."""
    points = grid.points
    first, last = points.x[:, 0], points.x[:, -1]  # what pads repeats the last one
    x = first[:, None] + (last - first)[:, None] * np.linspace(0, 1, POINTS)
    curves = curves_of(finer(grid), x, DRAWS, seed)
    return np.stack([smallest(a, b, keep) for a, b in zip(x, curves, strict=True)])


def _plan(
    drawn: Mapping[str, np.ndarray],
    weights: dict[str, float],
    ends: np.ndarray,
    keep: float,
    level: float,
    cost: TransformerCost | None,
) -> TokenPlan:
    tail = (1 - level) / 2
    low_n, high_n = ends[0] * (1 + N_ROUNDING), ends[1] * (1 - N_ROUNDING)
    drawn = {
        k: np.where(v < low_n, ends[0], np.where(v > high_n, ends[1], v)) for k, v in drawn.items()
    }
    every = np.concatenate(list(drawn.values()))
    share = np.concatenate([np.full(len(v), weights[k] / len(v)) for k, v in drawn.items()])
    low, middle, high = weighted_quantiles(every, share, (tail, 0.5, 1 - tail))
    by_law = {}
    for name, values in drawn.items():
        a, b, c = np.quantile(values, (0.5, tail, 1 - tail))
        by_law[name] = (float(a), float(b), float(c))
    smallest_n, largest_n, measured_n = map(float, ends)
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
    )


def measured(n: np.ndarray, score: np.ndarray, keep: float) -> float:
    """The smallest n from which on every score is keep times that at the largest n, or more.

    Of several scores at the largest n their geometric mean is meant.
    """
    last = n == n.max()
    least = keep * np.exp(np.log(score[last]).mean()) * (1 - N_ROUNDING)
    below = n[~last & (score < least)]
    return float(n[n > below.max()].min() if len(below) else n.min())


def finer(grid: Grid) -> Grid:
    """The grid with its one shape so closely spaced that no value has much weight."""
    law, points = grid.law, grid.points
    if law.shapes != 1:
        return grid
    for again in range(FINER):
        shares = _shares(grid)
        coarse = shares.max(axis=1) >= MOST if again else np.ones(len(shares), bool)
        if not coarse.any():
            break
        last, known = shares.shape[1] - 1, shares > LITTLE
        low = np.maximum(known.argmax(axis=1) - 1, 0)
        high = np.minimum(last - known[:, ::-1].argmax(axis=1) + 1, last)
        place = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, VALUES)
        before = np.minimum(place.astype(int), last - 1)[:, :, None]
        part = place[:, :, None] - before
        starts = [np.take_along_axis(grid.raw, before + k, axis=1) for k in (0, 1)]
        fine = Grid.fitted(law, (1 - part) * starts[0] + part * starts[1], points)
        if again:
            fine = Grid(
                law,
                points,
                np.where(coarse[:, None, None], fine.raw, grid.raw),
                np.where(coarse[:, None], fine.squares, grid.squares),
            )
        grid = fine
    return grid


def _shares(grid: Grid) -> np.ndarray:
    """How likely the shapes of a grid are, (curves, k)."""
    return grid.predict(grid.points.x[:, :1]).weight[:, 0]


def curves_of(grid: Grid, x: np.ndarray, runs: int, seed: int) -> np.ndarray:
    """log S at log n = x (curves, points) of draws that the scores allow a law.

    Returns (curves, runs, points). The same seed gives the same draws whatever other curves there
    are.
    """
    law, rows = grid.law, np.arange(len(grid.raw))[:, None]
    kept = law.size - law.shapes
    rng = np.random.default_rng(seed)
    place = (rng.permutation(runs) + rng.random(runs)) / runs
    normal, chance = rng.standard_normal((runs, kept)), rng.random(runs)
    passed = np.cumsum(_shares(grid), axis=1)
    passed /= passed[:, -1:]
    which = np.stack([np.searchsorted(p, place) for p in passed])
    freedom = np.maximum(grid.points.counts - kept, 1)
    kinds, kind = np.unique(freedom, return_inverse=True)
    chi_squared = 2 * gammaincinv(kinds[:, None] / 2, chance)[kind]
    values, axes = np.linalg.eigh(grid.inverse)
    spread = axes * np.sqrt(np.maximum(values, 0))[..., None, :]  # (curves, k, kept, kept)
    size = np.sqrt(grid.squares[rows, which] / chi_squared)
    moved = size[..., None] * np.einsum("crij,rj->cri", spread[rows, which], normal)
    if law.linear:
        lanes = grid.raw.reshape(-1, law.size), np.repeat(x, grid.raw.shape[1], axis=0)
        slopes = law.slopes(*lanes)[..., :kept].reshape(*grid.raw.shape[:2], x.shape[1], kept)
        there = np.matmul(slopes[rows, which], moved[..., None])[..., 0]
        return np.asarray(grid.log_scores(x)[rows, which] + there)
    raw = grid.raw[rows, which]
    raw[..., :kept] += moved
    with np.errstate(over="ignore"):  # S(1), far from counts that are large
        found = law.log_scores(raw.reshape(-1, law.size), np.repeat(x, runs, axis=0))
    return np.asarray(found).reshape(*which.shape, -1)


def smallest(x: np.ndarray, log_score: np.ndarray, keep: float) -> np.ndarray:
    """The n from which on each curve (runs, k) keeps the share of its last score, (runs,).

    Between counts log n by a straight line; the first n where a curve keeps it throughout.
    """
    with np.errstate(invalid="ignore"):  # a score without bound at both
        over = log_score - log_score[:, -1:] - np.log(keep)
    below = over < 0
    last = np.where(below.any(axis=1), len(x) - 1 - below[:, ::-1].argmax(axis=1), -1)
    rows = np.arange(len(over))
    a, b = over[rows, np.maximum(last, 0)], over[rows, np.minimum(last + 1, len(x) - 1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(last >= 0, a / (a - b), 0.0)
    return np.asarray(np.exp(x[np.maximum(last, 0)] + part * (x[1] - x[0])))


def weighted_quantiles(
    values: np.ndarray, weight: np.ndarray, shares: Sequence[float]
) -> list[float]:
    """Quantiles of values that count by weight, which adds up to 1."""
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(np.cumsum(weight[order]), shares)
    return [float(values[order][min(k, len(values) - 1)]) for k in places]
