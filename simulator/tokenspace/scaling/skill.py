"""Who forecasts best: errors pooled over curves, and whether a difference is more than chance.

A law's error on a curve is its rms error of log S. Against another forecaster on the same cases it
is the ratio of the two, pooled as the geometric mean over curves, so that no single curve decides;
skill is 1 less that ratio. Curves of one model, or of one benchmark, are not independent: the test
flips the signs of whole clusters of differences, once for each way to cluster. With k clusters no
p-value is below 2^(1 - k): two models say nothing of a third, however many curves they have. What a
table shows is the largest p of the ways with at least 6 clusters, which may fall below 0.05 at all.

Source: E. S. Edgington, P. Onghena, Randomization Tests, 4th ed., 2007; F. X. Diebold,
R. S. Mariano, J. Bus. Econ. Stat. 13, 253, 1995 (paired comparison of forecasts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from tokenspace.scaling.forecast import NO_CHANGE

REFERENCES = ("power", NO_CHANGE)
CLUSTERS = 6  # from which 2^(1 - k) is below 0.05
LEAST = 1e-4  # rms error of log S below which forecasts are alike: 0.01 %
ALL_FLIPS = 14  # clusters up to which every flip of signs is tried
FLIPS = 20_000
PARTS = 20  # in which they are drawn, as thousands of clusters would fill the memory


def by_curve(cases: pd.DataFrame) -> pd.DataFrame:
    """Rms error of log S, a row a curve, a column a forecaster; all on the cases they share.

    One without any forecast of a curve has no number there.
    """
    shared = _shared(cases)
    squares = shared.assign(squares=shared["error"] ** 2)
    mean = squares.groupby(["curve", "law"], sort=False)["squares"].mean().unstack()
    return pd.DataFrame(np.sqrt(mean))[list(dict.fromkeys(cases["law"]))]


def _shared(cases: pd.DataFrame) -> pd.DataFrame:
    """The cases of a curve that each of its forecasters has.

    Forecasters with many parameters have none from few points, which are the hard ones, so those
    cases count for nobody.
    """
    forecasters = cases.groupby("curve")["law"].transform("nunique")
    here = cases.groupby(["curve", "origin", "step"])["law"].transform("nunique")
    return cases[here == forecasters]


def skill(cases: pd.DataFrame, labels: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """A row for each forecaster, by rms error pooled over curves.

    Args:
        cases: of `rolling_origins`.
        labels: column -> name for each curve, what curves are clustered by; each curve by itself
            if not given.

    Returns:
        law; curves; cases; "rms error", the root of the mean over curves of squares; "median error"
        over curves; bias; "log score"; held (share of intervals); best (curves on which no other
        forecaster's error is smaller; several may be, below 0.01 %); and for each of the power law
        and "no change" "skill over"; "p over .. by ..", for each way to cluster; "p over ..", the
        largest of those by at least 6 clusters, and "p over .. from", which way that is, on the
        cases that both have. All else is of the cases of a curve that all its forecasters have.
    """
    errors = by_curve(cases)
    alike = errors.clip(lower=LEAST)
    best = alike.eq(alike.min(axis=1), axis=0).sum()
    rows = []
    for name, group in _shared(cases).groupby("law", sort=False):
        own = errors[name].dropna()
        each = group.groupby("curve")
        row: dict[str, float | str] = {
            "law": str(name),
            "curves": len(own),
            "cases": len(group),
            "rms error": float(np.sqrt((own**2).mean())),
            "median error": float(own.median()),
            "bias": float(each["error"].mean().mean()),
            "log score": float(each["log score"].mean().mean()),
            "held": float("nan") if name == NO_CHANGE else float(each["held"].mean().mean()),
            "best": int(best[name]),
        }
        for other in REFERENCES:
            row |= _against(cases, str(name), other, labels)
        rows.append(row)
    return pd.DataFrame(rows).sort_values("rms error", kind="stable", ignore_index=True)


def _against(
    cases: pd.DataFrame, name: str, other: str, labels: Mapping[str, Sequence[str]] | None
) -> dict[str, float | str]:
    """Skill over another forecaster and its p-values."""
    ways = labels or {"curve": [str(k) for k in range(1 + int(cases["curve"].max()))]}
    unknown = float("nan")
    said: dict[str, float | str] = {f"skill over {other}": unknown}
    said |= {f"p over {other} by {way}": unknown for way in ways}
    said |= {f"p over {other}": unknown, f"p over {other} from": ""}
    if name == other or not (cases["law"] == other).any():
        return said
    pair = cases[cases["law"].isin([name, other])]
    shared = pair.groupby(["curve", "origin", "step"])["law"].transform("nunique") == 2
    if not shared.any():
        return said
    errors = by_curve(pair[shared]).clip(lower=LEAST)
    difference = np.log(errors[name] / errors[other])
    said[f"skill over {other}"] = float(1 - np.exp(difference.mean()))
    which = errors.index.to_numpy()
    enough = {}
    for way, names in ways.items():
        clusters = np.asarray(names)[which]
        p = said[f"p over {other} by {way}"] = flip_test(difference.to_numpy(), clusters)
        if len(set(clusters)) >= CLUSTERS:
            enough[way] = p
    if enough:
        most = max(enough, key=lambda way: enough[way])
        said |= {f"p over {other}": enough[most], f"p over {other} from": most}
    return said


def holm(p: pd.Series) -> pd.Series:
    """P-values of several comparisons, raised so that the chance of any false one keeps its level.

    The k-th smallest of m counts m + 1 - k times, and no less than those before it; at most 1.
    Missing ones stay missing and do not count.

    Source: S. Holm, Scand. J. Stat. 6, 65, 1979.
    """
    known = p.dropna().sort_values()
    raised = (known * np.arange(len(known), 0, -1)).cummax().clip(upper=1.0)
    return raised.reindex(p.index)


def flip_test(difference: np.ndarray, cluster: np.ndarray) -> float:
    """Two-sided p-value of "the mean is 0" by flipping the signs of whole clusters.

    All flips with up to 14 clusters, else 20,000 of a fixed seed, this one counted among them.
    """
    names = np.unique(cluster)
    sums = np.array([difference[cluster == k].sum() for k in names])
    if len(names) <= ALL_FLIPS:
        reached = np.abs(np.array(list(product((1.0, -1.0), repeat=len(names)))) @ sums)
    else:
        rng, size = np.random.default_rng(0), (FLIPS // PARTS, len(names))
        parts = [rng.choice((1.0, -1.0), size=size) @ sums for _ in range(PARTS)]
        reached = np.abs(np.concatenate(parts))
        reached[0] = abs(sums.sum())
    return float(np.mean(reached >= abs(sums.sum()) * (1 - 1e-12)))
