"""How many tokens do I need? The smallest n that keeps a share of the score at the largest n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokenspace.errors import InputError
from tokenspace.scaling.cost import TransformerCost
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.fit import checked
from tokenspace.scaling.forecast import stack
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.optimise import Points, grouped, minimise
from tokenspace.scaling.predictive import Grid, on_grid
from tokenspace.scaling.scales import Log
from tokenspace.scaling.validation import leave_one_out

KEEP = 0.95
POINTS = 401  # counts, evenly spread in log n, at which S(n) is compared
DRAWS = 1000  # of each law
LEAST = 5  # different counts
MOST, LITTLE = 0.05, 1e-6  # weight of one value of a shape: to be split, or left out
TIMES, FINER = 8, 4  # a grid is made finer by, and how often at most


@dataclass(frozen=True)
class TokenPlan:
    """How few tokens keep a share of the score, and what they cost.

    n, low, high: median and interval of the smallest n, over laws and their parameters; by_law:
    name -> (n, low, high) as if that law were true; weights: of the laws, adding up to 1; keep: the
    share; smallest, largest: n that were measured, between which the answer lies; level: of the
    intervals; flops: at n and at the largest n, where a `TransformerCost` was given, and
    flops_interval: at low and at high.
    """

    n: float
    low: float
    high: float
    by_law: dict[str, tuple[float, float, float]]
    weights: dict[str, float]
    keep: float
    smallest: float
    largest: float
    level: float
    flops: tuple[float, float] | None = None
    flops_interval: tuple[float, float] | None = None

    def __repr__(self) -> str:
        said = (
            f"TokenPlan: n = {self.n:.4g} ({self.level:.0%} interval {self.low:.4g} to "
            f"{self.high:.4g}) keeps {self.keep:.0%} of the score at n = {self.largest:g}"
        )
        if self.n <= self.smallest:
            said += "; that is the fewest measured: the score hardly grows with n, or falls"
        if self.flops is not None:
            said += f", for {self.flops[0] / self.flops[1]:.0%} of its {self.flops[1]:.3g} FLOPs"
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
    the counts that were measured.

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
) -> list[tuple[str, TokenPlan]]:
    """`plan_tokens` of every curve, all with the same seed; an error names the curve."""
    for name, value in (("keep", keep), ("level", level)):
        if not 0 < value < 1:
            raise InputError(f"{name} = {value!r} is not allowed; it must lie between 0 and 1")
    laws = known_laws()
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
    plans: dict[int, TokenPlan] = {}
    for which, points in grouped(logs):
        shares = stack(
            np.stack([leave_one_out(law, points, points.weight) for law in laws.values()], axis=-1)
        )
        for k, drawn, weights in zip(which, _drawn(points, keep, seed), shares, strict=True):
            known = {law: float(w) for law, w in zip(laws, weights, strict=True) if law in drawn}
            total = sum(known.values())  # laws of too many parameters are left out
            known = {law: w / total for law, w in known.items()}
            plans[k] = _plan(drawn, known, np.exp(logs[k][0][[0, -1]]), keep, level, cost)
    return [(curve.name, plans[k]) for k, curve in enumerate(curves)]


def _drawn(points: Points, keep: float, seed: int) -> list[dict[str, np.ndarray]]:
    """For each curve, law -> draws of the smallest n; laws of too many parameters are left out."""
    drawn: list[dict[str, np.ndarray]] = [{} for _ in points.counts]
    for name, law in known_laws().items():
        grid = on_grid(law, points)
        enough = (points.counts - 1 > law.size) & (points.different - 1 >= law.size)
        for k, count in enumerate(points.counts):
            if not enough[k]:
                continue
            x = np.linspace(points.x[k, 0], points.x[k, count - 1], POINTS)
            one = Grid(law, points[np.array([k])], grid.raw[[k]], grid.squares[[k]])
            curves = curves_of(finer(one), x, DRAWS, np.random.default_rng(seed))
            drawn[k][name] = smallest(x, curves, keep)
    return drawn


def _plan(
    drawn: Mapping[str, np.ndarray],
    weights: dict[str, float],
    ends: np.ndarray,
    keep: float,
    level: float,
    cost: TransformerCost | None,
) -> TokenPlan:
    tail = (1 - level) / 2
    every = np.concatenate(list(drawn.values()))
    share = np.concatenate([np.full(len(v), weights[k] / len(v)) for k, v in drawn.items()])
    low, middle, high = weighted_quantiles(every, share, (tail, 0.5, 1 - tail))
    by_law = {}
    for name, values in drawn.items():
        a, b, c = np.quantile(values, (0.5, tail, 1 - tail))
        by_law[name] = (float(a), float(b), float(c))
    smallest_n, largest_n = map(float, ends)
    flops, interval = None, None
    if cost is not None:
        flops = float(cost.flops(middle)), float(cost.flops(largest_n))
        interval = float(cost.flops(low)), float(cost.flops(high))
    return TokenPlan(
        middle, low, high, by_law, weights, keep, smallest_n, largest_n, level, flops, interval
    )


def finer(grid: Grid) -> Grid:
    """The grid of one curve with its one shape so closely spaced that no value has much weight."""
    law, points = grid.law, grid.points
    for _ in range(FINER):
        shares = grid.predict(points.x[:, :1]).weight[0, 0]
        if law.shapes != 1 or shares.max() < MOST:
            return grid
        known = np.flatnonzero(shares > LITTLE)
        kept = grid.raw[0, max(known[0] - 1, 0) : known[-1] + 2]
        place = np.linspace(0, len(kept) - 1, TIMES * (len(kept) - 1) + 1)
        starts = np.stack([np.interp(place, np.arange(len(kept)), p) for p in kept.T], axis=1)
        held = np.broadcast_to(np.arange(law.size) >= law.size - 1, starts.shape)
        raw, squares = minimise(law, starts, held, points[np.zeros(len(starts), int)])
        grid = Grid(law, points, raw[None], squares[None])
    return grid


def curves_of(grid: Grid, x: np.ndarray, runs: int, rng: np.random.Generator) -> np.ndarray:
    """log S at log n = x (k,) of curves that the scores allow a law, (runs, k).

    grid: of one curve.
    """
    law = grid.law
    kept = law.size - law.shapes
    mixture = grid.predict(x[None, :1])
    which = rng.choice(len(grid.raw[0]), size=runs, p=mixture.weight[0, 0])
    freedom = mixture.freedom[0, 0, 0]
    jacobian = law.slopes(grid.raw[0], grid.points.x)[..., :kept]
    weighted = grid.points.weight[0][:, None] * jacobian
    curvature = np.swapaxes(weighted, 1, 2) @ jacobian
    values, axes = np.linalg.eigh(np.linalg.pinv(curvature, hermitian=True))
    spread = axes * np.sqrt(np.maximum(values, 0))[:, None, :]  # (grid, kept, kept)
    size = np.sqrt(grid.squares[0, which] / rng.chisquare(freedom, runs))
    raw = grid.raw[0, which].copy()
    normal = rng.standard_normal((runs, kept))
    raw[:, :kept] += size[:, None] * np.einsum("rij,rj->ri", spread[which], normal)
    with np.errstate(over="ignore"):  # S(1), far from counts that are large
        return np.asarray(law.log_scores(raw, x[None]))


def smallest(x: np.ndarray, log_score: np.ndarray, keep: float) -> np.ndarray:
    """The n from which on each curve (runs, k) keeps the share of its last score, (runs,).

    Between counts log n by a straight line; the first n where a curve keeps it throughout.
    """
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
