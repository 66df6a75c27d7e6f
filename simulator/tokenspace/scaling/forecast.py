"""Forecasts of scores that a fit has not seen: errors, intervals, and densities of every law.

A law is fitted to the points at the first n of a curve and asked for those at the later ones; where
several scores stand at one n, all of them are seen or none. Errors are of log S, so 0.05 is 5 %.
Besides the laws there are two more forecasters: "no change" says the last score that it has seen
(the mean of their log S, where there are several), without an interval, and "stacked" mixes the
laws' distributions with the weights under which the points that it has seen, each n left out in
turn and counted once, would have been foretold best. The intervals of laws take the law for true;
that of "stacked" grows beyond the data by what no law knows, see `scaling/beyond.py`.

Source: Y. Yao et al., Using Stacking to Average Bayesian Predictive Distributions, Bayesian
Analysis 13, 917, 2018; L. J. Tashman, Out-of-sample tests of forecasting accuracy, Int. J.
Forecasting 16, 437, 2000 (rolling origins).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tokenspace.errors import InputError
from tokenspace.scaling.beyond import Stretched, distance
from tokenspace.scaling.fit import Method, checked, chosen_method
from tokenspace.scaling.model_weights import of_counts
from tokenspace.scaling.points import Logs, Points, batches, grouped
from tokenspace.scaling.predictive import Mixture
from tokenspace.scaling.scales import Scale
from tokenspace.scaling.seen import Seen
from tokenspace.scaling.stated import stated_variance, variance_of

STACKED, NO_CHANGE = "stacked", "no change"
FEWEST = 4  # points from which a forecast is made: one more than the power law's numbers
DIFFERENT = 3  # n among them
ROUNDS = 200  # of the weights of a stack


@dataclass(frozen=True)
class Task:
    """One forecast: the first `origin` points of curve `curve` are seen, `ahead` more are asked.

    No n is both seen and asked.
    """

    curve: int
    origin: int
    ahead: int


def forecast(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    hold: int = 3,
    law: str | Sequence[str] = "auto",
    *,
    level: float = 0.95,
    error: Sequence[float] | np.ndarray | None = None,
    scale: Scale | None = None,
    loss: str = "squares",
) -> pd.DataFrame:
    """How well each law forecasts the last scores of a curve from the earlier ones.

    Args:
        n: numbers of tokens, > 0; score: scores > 0, same length.
        hold: how many of the largest different n are held back, with all their scores; at least 4
            scores at 3 different n remain.
        law: as in `fit_scaling`; level, error, scale, loss: as there.

    Returns:
        A row for each forecaster, best first: law; "rms error" and "bias" (forecast less measured)
        of log S; "log score", the mean log density of log S, larger is better; "held", for each
        point whether the interval held it, by rising n; forecast, low and high, lists of scores.
        A law that needs more points than remain has no row.

    Raises:
        InputError: as `fit_scaling`, or too few points.
    """
    method = chosen_method(law, level, scale, loss)
    logs = checked(n, score, error, method.scale)
    log_n = logs[0]
    size, different = len(log_n), len(np.unique(log_n))
    most = longest_hold(log_n)
    if not most:
        raise InputError(
            f"a forecast needs {FEWEST} points at {DIFFERENT} different n, and one n more, but "
            f"there are {size} points at {different} different n"
        )
    if hold not in range(1, most + 1):
        raise InputError(
            f"hold = {hold} is not allowed: of {size} points at {different} different n at least "
            f"{FEWEST} points at {DIFFERENT} must remain, so it must be an integer from 1 to {most}"
        )
    origin = seen(log_n, int(hold))
    stated = [stated_variance(score, error, method.scale)]
    table = cases([logs], [Task(0, origin, size - origin)], method, stated)
    rows = []
    for name, group in table.groupby("law", sort=False):
        rows.append(
            {
                "law": name,
                "rms error": float(np.sqrt(np.mean(group["error"] ** 2))),
                "bias": float(group["error"].mean()),
                "log score": float(group["log score"].mean()),
                "held": [] if name == NO_CHANGE else [bool(k) for k in group["held"]],
                **{k: [float(v) for v in group[k]] for k in ("forecast", "low", "high")},
            }
        )
    return pd.DataFrame(rows).sort_values("rms error", kind="stable", ignore_index=True)


def seen(n: np.ndarray, hold: int) -> int:
    """How many points lie below the largest `hold` different ones of ascending n."""
    different = np.unique(n)
    return int(np.searchsorted(n, different[-hold])) if hold < len(different) else 0


def enough_seen(n: np.ndarray) -> bool:
    """Whether a forecast is made from points at these n: 4 of them, 3 different."""
    return len(n) >= FEWEST and len(np.unique(n)) >= DIFFERENT


def longest_hold(n: np.ndarray) -> int:
    """How many of the largest different n can be held back of scores at n; 0: not even one."""
    n = np.sort(n)
    return sum(enough_seen(n[: seen(n, k)]) for k in range(1, len(np.unique(n))))


def rolling_origins(
    curves: Sequence[Logs],
    method: Method,
    hold: int | None = None,
    progress: Callable[[int], None] | None = None,
    stated: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Every law's forecasts of every curve, a row a case: see `cases`.

    Args:
        curves: (log n ascending, y, weights) each.
        hold: how many of the largest different n are forecast, from the others; None: from every
            origin of at least 4 points all later ones.
        progress: called with the number of curves that are done, now and then.
        stated: variance of a point of weight 1, `stated_variance` of each curve.
    """
    found = []
    variance = variance_of(len(curves), stated, method.loss)
    for some in batches(curves):
        part = curves[some]
        tasks = []
        for k, (x, _, _) in enumerate(part):
            last = np.flatnonzero(np.diff(x)) + 1 if hold is None else [seen(x, hold)]
            tasks += [Task(k, int(m), len(x) - int(m)) for m in last if enough_seen(x[:m])]
        if tasks:
            table = cases(part, tasks, method, variance[some])
            found.append(table.assign(curve=table["curve"] + some.start))
        if progress is not None:
            progress(some.stop)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def cases(
    curves: Sequence[Logs],
    tasks: Sequence[Task],
    method: Method,
    stated: Sequence[float] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Forecasts of the tasks, a row for each forecaster and point.

    Columns: curve, origin (points seen), step (1 for the next n; scores at one n share it), n,
    "times last n" (n over the largest n seen), law, score; forecast, low and high; error (log
    forecast less log score); log score (log density of log S); held. stated: as in
    `rolling_origins`; scores that are asked have their own errors.
    """
    found = []
    variance = variance_of(len(curves), stated, method.loss)
    for which, points in grouped([_seen(curves[t.curve], t) for t in tasks]):
        chosen = [tasks[k] for k in which]
        own = variance[[t.curve for t in chosen]]
        found.append(_forecasts(curves, chosen, points, method, own))
    order = ["curve", "origin", "law order", "step"]
    table = pd.concat(found).sort_values(order, kind="stable", ignore_index=True)
    return table.drop(columns="law order")


def _seen(curve: Logs, task: Task) -> Logs:
    x, y, weight = (a[: task.origin] for a in curve)
    return x, y, weight


def _forecasts(
    curves: Sequence[Logs],
    tasks: Sequence[Task],
    points: Points,
    method: Method,
    stated: np.ndarray,
) -> pd.DataFrame:
    """`cases` of tasks whose seen points are padded to one width."""
    width = max(t.ahead for t in tasks)
    new = np.zeros((3, len(tasks), width))
    asked = np.zeros((len(tasks), width), bool)
    for row, task in enumerate(tasks):
        later = [a[task.origin : task.origin + task.ahead] for a in curves[task.curve]]
        new[:, row] = [[part[-1]] for part in later]
        new[:, row, : task.ahead] = later
        asked[row, : task.ahead] = True
    x, y, weight = new
    score = method.scale.backward(y)
    case, _ = np.nonzero(asked)
    step = 1 + np.cumsum(np.diff(x, axis=1, prepend=x[:, :1]) > 0, axis=1)[asked]
    common = {
        "curve": np.array([t.curve for t in tasks])[case],
        "origin": points.counts[case],
        "step": step,
        "n": np.exp(x)[asked],
        "times last n": np.exp(x - points.x[:, -1:])[asked],
        "score": score[asked],
    }
    parts = []
    told = forecasters(Seen(points, method, stated), x, weight)
    for order, (name, centre, mixture) in enumerate(told):
        values: dict[str, Any] = dict(common) | {"law order": order, "law": name}
        values["forecast"] = method.scale.backward(centre)[asked]
        ends = np.full((2, *x.shape), np.nan)
        density = np.full(x.shape, np.nan)
        if mixture is not None:
            tail = (1 - method.level) / 2
            ends = np.stack([mixture.quantile(p) for p in (tail, 1 - tail)])
            density = mixture.log_density(y) + np.log(method.scale.slope(score))
        values["low"], values["high"] = method.scale.backward(ends)[:, asked]
        with np.errstate(divide="ignore"):
            values["error"] = np.log(values["forecast"]) - np.log(common["score"])
        values["log score"] = density[asked]
        values["held"] = ((ends[0] <= y) & (y <= ends[1]))[asked]
        parts.append(pd.DataFrame(values)[np.isfinite(values["error"])])
    return pd.concat(parts)


def forecasters(
    seen: Seen, x: np.ndarray, weight: np.ndarray
) -> Iterator[tuple[str, np.ndarray, Mixture | Stretched | None]]:
    """(name, y at log n = x, its distribution) of every forecaster; not a number where it has none.

    Of one law the noise is that of `noise_of_law`, as in its `LawFit`. "stacked" mixes just these,
    with weights of scores left out, which are judged by one noise for all laws of a curve. With
    that noise in the mixture too, 95 % intervals of five points held 92 % where errors were half of
    what is true, 88 % at the next n; so 97 and 96.

    Args:
        seen: the scores that forecasts start from.
        x, weight: of the scores that are asked, (curves, m).
    """
    points, method, mixtures = seen.points, seen.method, []
    for name, one, own in zip(method.laws, seen.optima, seen.own, strict=True):
        enough = np.isfinite(one.freedom)[:, None]
        centre = np.where(enough, one.grid.law.log_scores(one.best[0], x), np.nan)
        mixtures.append(own.predict(x, weight))
        yield name, centre, mixtures[-1]
    if len(mixtures) > 1:
        shares = stack(of_counts(points.x, seen.left_out, points.weight))  # (curves, laws)
        extra = method.scale.strays * distance(points, x)
        together = Stretched.by(_together(mixtures, shares), extra)
        yield STACKED, together.median, together
    last = points.weight * (points.x == points.x[:, -1:])
    same = (last * points.y).sum(axis=1) / last.sum(axis=1)
    yield NO_CHANGE, np.broadcast_to(same[:, None], x.shape), None


def stack(log_density: np.ndarray) -> np.ndarray:
    """Weights (curves, laws) of a mixture that foretells points best, by the EM algorithm.

    Maximises the sum over points of log sum_k w_k p_k. A law with a missing density takes no part;
    one point more, on which all laws do alike, keeps the weights of few points from the ends.

    Args:
        log_density: (curves, points, laws), of each n left out, see `of_counts`; points that are
            missing for all laws do not count.
    """
    known = np.isfinite(log_density)
    counted = known.any(axis=2)
    takes_part = (known | ~counted[:, :, None]).all(axis=1) & known.any(axis=1)
    takes_part |= ~takes_part.any(axis=1, keepdims=True)  # none can be judged: all alike
    start = takes_part / takes_part.sum(axis=1, keepdims=True)
    logs = np.where(known & takes_part[:, None, :], log_density, -np.inf)
    top = np.where(counted, logs.max(axis=2, initial=-700, where=np.isfinite(logs)), 0.0)
    density = np.exp(logs - top[:, :, None]) * counted[:, :, None]
    weight = start
    for _ in range(ROUNDS):
        share = density * weight[:, None, :]
        total = share.sum(axis=2, keepdims=True)
        share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
        weight = share.sum(axis=1) + start
        weight = weight / weight.sum(axis=1, keepdims=True)
    return np.asarray(weight)


def _together(mixtures: Sequence[Mixture], shares: np.ndarray) -> Mixture:
    """One mixture of mixtures (curves, points, k each), law j with share (curves, j)."""
    parts = [m.weight * shares[:, None, None, j] for j, m in enumerate(mixtures)]
    return Mixture(
        np.concatenate(parts, axis=-1),
        *(
            np.concatenate([getattr(m, key) for m in mixtures], axis=-1)
            for key in ("centre", "scale", "freedom")
        ),
    )
