"""Forecasts of many curves, judged: one look at one set of curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from tokenspace.printable import percent
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.fit import Method
from tokenspace.scaling.forecast import NO_CHANGE, STACKED, enough_seen, rolling_origins, seen
from tokenspace.scaling.skill import by_curve, holm, skill
from tokenspace.scaling.subsets import model_of

CHANCE = 0.05  # p-value below which a difference is more than chance
SLIGHT = 0.005  # a gain that would be said as 0 %
# columns that say what a score is, not whose: no curves belong together by them
KINDS = ("metric", "split")
SHORT = 0.05  # that intervals hold less than they promise, to be said
BANDS = (0.0, 4.0, 16.0, np.inf)  # of n over the last n seen


@dataclass(frozen=True)
class Outcome:
    """Forecasts of a set of curves.

    names: of the curves that were forecast, by number; cases: a row a forecast; errors: rms error
    of log S by curve and forecaster; skill: a row a forecaster; left_out: number of curves that are
    too short; clusters: how many there are of each of the `groupings` of curves; groups: the
    curves' models, by number; level: of the intervals.
    """

    names: dict[int, str]
    cases: pd.DataFrame
    errors: pd.DataFrame
    skill: pd.DataFrame
    left_out: int
    clusters: dict[str, int]
    groups: dict[int, str] = field(default_factory=dict)
    level: float = 0.95

    @property
    def curves(self) -> int:
        return len(self.names)

    def words(self) -> list[str]:
        """What it says, in a few lines."""
        table = self.skill.set_index("law")
        compared = len(table) - 1  # with a reference: their p-values are Holm's
        least = {way: compared * 2.0 ** (1 - k) for way, k in self.clusters.items()}
        enough = [way for way in self.clusters if least[way] < CHANCE]
        said = []
        for other in ("power", NO_CHANGE):
            if other not in table.index or not enough:
                continue
            over = table[f"skill over {other}"]
            p = table[[f"p over {other} by {way}" for way in enough]].apply(holm).max(axis=1)
            better = [str(k) for k in table.index if over[k] > SLIGHT and p[k] < CHANCE]
            name = "the power law" if other == "power" else "no change"
            if better:
                listed = ", ".join(f"{k} by {100 * over[k]:.0f} %" for k in better)
                said.append(f"Nearer than {name}, beyond chance over {_listed(enough)}: {listed}.")
            else:
                said.append(
                    f"No forecaster is nearer than {name} beyond chance over {_listed(enough)}."
                )
        if self.curves > 1 and "curve" in self.clusters:
            pairs = ", ".join(way for way in self.clusters if way != "curve")
            but = f", but for the two of {pairs}" if pairs else ""
            said.append(
                "Curves count as independent: no column, metric and split aside, tells groups of "
                f"them apart{but}."
            )
        few = {way: k for way, k in self.clusters.items() if way not in enough}
        if self.curves == 1:
            said.append("One curve says nothing of others; its forecasts: --out FILE.csv.")
        elif few:
            listed = ", ".join(f"{way} ({k})" for way, k in few.items())
            together = f" of {compared} forecasters together" if compared > 1 else ""
            said.append(f"Too few for a test{together}: {listed}.")
        return said

    def intervals(self) -> list[str]:
        """What the intervals held, of what they promise, and how far beyond the data, in words."""
        held = self.skill.set_index("law")["held"].drop(NO_CHANGE, errors="ignore")
        own = held.drop(STACKED, errors="ignore")
        least, most = (f"{100 * share:.0f}" for share in (own.min(), own.max()))
        said = [
            f"{percent(self.level, 'g')} intervals of {'laws' if len(own) > 1 else own.index[0]} "
            f"held {least if least == most else f'{least} to {most}'} % of the scores: a law's "
            "interval takes the law for true."
        ]
        if STACKED not in held:
            return said
        cases = self.cases[self.cases["law"] == STACKED]  # all of its own, as the parts
        share, times = cases["held"].mean(), cases["times last n"].round(9)
        parts: list[str] = []
        for low, high in pairwise(BANDS):
            part = cases[(times > low) & (times <= high)]
            if len(part):
                where = f"{low:g} to {high:g}" if low else f"up to {high:g}"
                where = where if np.isfinite(high) else f"beyond {low:g}"
                last = "" if parts else " the last n"
                here = f"{100 * part['held'].mean():.0f} % of {len(part):,}"
                parts.append(f"{where} times{last}: {here}")
        few = ", fewer than they promise" if share < self.level - SHORT else ""
        return [
            *said,
            f"Those of {STACKED}, which grow beyond the data, held {100 * share:.0f} %"
            f"{few}: {', '.join(parts)}.",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        errors = self.errors.rename(index=self.names)
        return {
            "curves": self.curves,
            "left_out": self.left_out,
            "clusters": self.clusters,
            "intervals": self.intervals(),
            "skill": [_plain(r) for r in self.skill.to_dict("records")],
            "errors": {str(k): _plain(r) for k, r in errors.to_dict("index").items()},
        }


def _listed(ways: list[str]) -> str:
    return " and ".join(f"{way}s" if not way.endswith("s") else way for way in ways)


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """A row whose missing numbers are None."""
    return {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}


def table_of(found: Mapping[str, Outcome]) -> pd.DataFrame:
    """Every forecast of every way to look at the curves, a row a forecaster and score."""
    parts = []
    for name, outcome in found.items():
        curve = outcome.cases["curve"]
        cases = outcome.cases.assign(curve=curve.map(outcome.names))
        parts.append(cases.assign(points=name, model=curve.map(outcome.groups)))
    table = pd.concat(parts, ignore_index=True)
    first = ["points", "model", "curve"]
    return table[[*first, *(k for k in table.columns if k not in first)]]


def judge(
    curves: Sequence[Curve],
    method: Method,
    hold: int | None = 3,
    progress: Callable[[int], None] | None = None,
) -> Outcome | None:
    """Forecast curves and compare the forecasters; None where every curve is too short.

    Args:
        curves: at least 4 points, at 3 different n, must remain of a curve; shorter ones are left
            out.
        method: laws, scale, loss and level.
        hold: how many of the largest different n are held back; None: rolling origins.
        progress: called with the number of curves that are done, now and then.
    """
    held = 1 if hold is None else hold  # rolling, the last origin holds back one n
    counts = [np.sort(c.n) for c in curves]
    long = [c for c, n in zip(curves, counts, strict=True) if enough_seen(n[: seen(n, held)])]
    if not long:
        return None
    logs, stated = [c.logs(method.scale) for c in long], [c.stated(method.scale) for c in long]
    cases = rolling_origins(logs, method, hold, progress, stated)
    if cases.empty:
        return None
    ways = groupings(long)
    numbers = sorted(set(cases["curve"]))
    names, groups = {k: long[k].name for k in numbers}, {k: model_of(long[k]) for k in numbers}
    return Outcome(
        names,
        cases,
        by_curve(cases),
        skill(cases, ways),
        len(curves) - len(long),
        {way: len(set(names)) for way, names in ways.items()},
        groups,
        method.level,
    )


def groupings(curves: Sequence[Curve]) -> dict[str, list[str]]:
    """Which curves belong together, by each column that says so: column -> name for each curve.

    A column has one name for several curves and another for others; columns that group alike count
    once, and those of `KINDS` not at all. Two groups are conditions, no sample: where there are no
    others, and some column names each curve apart, curves count as independent too, as they do
    where no column groups them: "curve".
    """
    columns = [k for k in dict.fromkeys(k for c in curves for k in c.labels) if k not in KINDS]
    labels = {k: [c.labels.get(k, "") for c in curves] for k in columns}
    found = {k: v for k, v in labels.items() if 1 < len(set(v)) < len(curves)}
    once = {tuple(pd.factorize(np.array(v))[0]): k for k, v in reversed(found.items())}
    found = {k: v for k, v in found.items() if k in once.values()}  # model_id groups as model
    apart = any(len(set(v)) == len(curves) for v in labels.values())
    if not found or (apart and all(len(set(v)) == 2 for v in found.values())):
        found["curve"] = [str(k) for k in range(len(curves))]
    return found
