"""What intervals hold on curves that they were not set on: a section of forecasts.md.

Every rule makes the halves of the stack's interval wider by one number. That number is the one of
least mean interval score (of log S, in units of the stack's own, files alike) on the other files;
`published` and `later` share two papers and are left out together. Forecasts are from every origin,
and each curve counts alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pandas as pd

from tokenspace.scaling.curves import SHIPPED, read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import NO_CHANGE, STACKED, rolling_origins
from tokenspace.scaling.scales import Log, Logit, Scale

TOGETHER = {"paper": "a", "published": "b", "later": "b", "latest": "c"}  # left out at once
NUMBERS = np.array([0, *range(5, 155, 5), 200, 300, 400, 500, 600, 750, 1000, 1500, 2000]) / 1000
MISS = 2 / 0.05  # of the interval score of 95 %
BANDS = {"up to 4": (0, 4), "4 to 16": (4, 16), "beyond 16": (16, np.inf)}

# what is added to the halves of an interval in quadrature, or times which factor they are wider
ADDED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "distance log(n / last n)": lambda t: t["distance"],
    "its root": lambda t: np.sqrt(t["distance"]),
    "distance over the range of log n seen": lambda t: t["distance"] / t["range"],
    "way to no change": lambda t: (t["y"] - t["same"]).abs(),
    "standard deviation of the laws": lambda t: t["laws"],
}
TIMES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "wider by a factor": lambda t: 1 + 0 * t["distance"],
    "wider by the distance": lambda t: t["distance"],
}
CHOSEN = next(iter(ADDED))


@cache
def forecasts(scale: Scale) -> pd.DataFrame:
    """Of every score, y: the stack's median with its own halves, and what rules look at."""
    method = chosen_method("auto", 0.95, scale)
    found = []
    for source in SHIPPED:
        curves = [c for c in read_curves(source) if c.different > 4]
        if isinstance(scale, Logit):  # percentages alone
            curves = [c for c in curves if 1 < c.score.max() < scale.top]
        cases = rolling_origins([c.logs(scale) for c in curves], method)
        at = ["curve", "origin", "n"]
        y = cases.assign(f=scale.forward(cases["forecast"].to_numpy()))
        wide = y.pivot_table(index=at, columns="law", values="f")
        stacked = cases[cases["law"] == STACKED].set_index(at).sort_index()
        forward = {
            k: pd.Series(scale.forward(stacked[k].to_numpy()), stacked.index)
            for k in ("score", "forecast", "low", "high")
        }
        first = np.array([curves[k].n.min() for k in stacked.index.get_level_values("curve")])
        last = stacked.index.get_level_values("n") / stacked["times last n"]
        table = pd.DataFrame(
            {
                "truth": forward["score"],
                "y": forward["forecast"],
                "below": forward["forecast"] - forward["low"],
                "above": forward["high"] - forward["forecast"],
                "distance": np.log(stacked["times last n"]),
                "range": np.log(last / first),
                "same": wide[NO_CHANGE].reindex(stacked.index),
                "laws": wide.drop(columns=[NO_CHANGE, STACKED]).std(axis=1, ddof=0),
                "times": stacked["times last n"],
            }
        )
        found.append(table.reset_index().assign(source=source))
    return pd.concat(found, ignore_index=True)


def judged(scale: Scale, kind: str, number: float) -> pd.DataFrame:
    """Whether each score is held, and its interval score in log S."""
    t = forecasts(scale)
    below, above = t["below"], t["above"]
    if kind in ADDED:
        extra = number * ADDED[kind](t)
        below, above = np.hypot(below, extra), np.hypot(above, extra)
    else:
        factor = 1 + number * TIMES[kind](t)
        below, above = below * factor, above * factor
    ends = (t["y"] - below).to_numpy(), (t["y"] + above).to_numpy()
    low, high = (np.log(scale.backward(end)) for end in ends)
    truth = np.log(scale.backward(t["truth"].to_numpy()))
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    said = {"held": 1.0 * (miss == 0), "score": high - low + MISS * miss}
    return t[["source", "curve", "times"]].assign(**said)


def by_source(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of each file over curves, of a curve over its scores."""
    each = table.groupby(["source", "curve"], sort=False)[["held", "score"]].mean()
    return each.groupby("source", sort=False).mean()


@cache
def means(scale: Scale, kind: str) -> Mapping[float, pd.DataFrame]:
    """`by_source` at every number of a rule, the score in units of the stack's own."""
    own = by_source(judged(scale, CHOSEN, 0.0))["score"]
    tables = {float(b): by_source(judged(scale, kind, float(b))) for b in NUMBERS}
    return {b: t.assign(score=t["score"] / own) for b, t in tables.items()}


def without(scale: Scale, source: str, kind: str) -> float:
    """The number of least score on the files that are not left out with this one."""
    rest = [k for k in SHIPPED if TOGETHER[k] != TOGETHER[source]]
    tables = means(scale, kind)
    return min(tables, key=lambda b: _score(tables[b], rest))


def _score(table: pd.DataFrame, sources: list[str]) -> float:
    """Mean score of files, those that are left out together counting as one."""
    return float(table.loc[sources, "score"].groupby(TOGETHER).mean().mean())


def coverage_table(scale: Scale) -> str:
    """What the stack's own interval holds, and with the distance added as set on other files."""
    heads = ["file", "curves", "scores", "own interval held", "added", "then held", "score"]
    heads += [f"{name} times" for name in BANDS]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for source in SHIPPED:
        number = without(scale, source, CHOSEN)
        before, after = judged(scale, CHOSEN, 0.0), judged(scale, CHOSEN, number)
        here = before["source"] == source
        found, own = means(scale, CHOSEN)[number].loc[source], by_source(before).loc[source]
        cells = [source, str(before.loc[here, "curve"].nunique()), f"{here.sum():,}"]
        cells += [f"{100 * own['held']:.1f} %", f"{number:g}"]
        cells += [f"{100 * found['held']:.1f} %", f"{found['score']:.2f}"]
        for low, high in BANDS.values():
            band = here & (before["times"] > low) & (before["times"] <= high)
            shares = [100 * t.loc[band, "held"].mean() for t in (before, after)]
            cells.append(f"{shares[0]:.0f} to {shares[1]:.0f} % of {band.sum()}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rules_table() -> str:
    """Each kind of rule, its number set on other files; and the kind chosen on them too."""
    heads = ["rule", *(f"{k}: held (score)" for k in SHIPPED)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    scale = Log(strays=0.0)
    kinds = [*ADDED, *TIMES]
    for kind in kinds:
        lines.append(_row(kind, {k: (kind, without(scale, k, kind)) for k in SHIPPED}))
    best = {}
    for source in SHIPPED:
        rest = [k for k in SHIPPED if TOGETHER[k] != TOGETHER[source]]
        numbers = {kind: without(scale, source, kind) for kind in kinds}
        kind = min(kinds, key=lambda k: _score(means(scale, k)[numbers[k]], rest))
        best[source] = kind, numbers[kind]
    names = ", ".join(dict.fromkeys(kind for kind, _ in best.values()))
    lines.append(_row(f"the kind, too, chosen on other files: {names}", best))
    return "\n".join(lines)


def _row(name: str, rules: Mapping[str, tuple[str, float]]) -> str:
    cells = []
    for source, (kind, number) in rules.items():
        found = means(Log(strays=0.0), kind)[number].loc[source]
        cells.append(f"{100 * found['held']:.1f} % ({found['score']:.2f})")
    return "| " + " | ".join([name, *cells]) + " |"
