"""Measured score curves: the paper's 36, or a user's CSV, and their fits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from tokenspace.errors import InputError
from tokenspace.printable import counted
from tokenspace.scaling.fit import LEAST, Method, checked, chosen_method, fit_logs
from tokenspace.scaling.points import Logs, batches
from tokenspace.scaling.result import ScalingFit
from tokenspace.scaling.scales import Scale, error_of_share, unit
from tokenspace.scaling.stated import stated_variance
from tokenspace.scaling.table import COLUMNS, ERRORS, SIZE, number, read_table, refuse, size_name

AVERAGE = re.compile(r"(avg|average|mean)[.\s(%)]*", re.IGNORECASE)  # repeats other columns
SHIPPED = {
    "paper": "benchmark_scores.csv",
    "published": "published_scores.csv",
    "later": "later_scores.csv",
    "latest": "latest_scores.csv",
}


@dataclass(frozen=True)
class Curve:
    """Scores of one model on one benchmark at several token counts, all arrays (points,).

    labels: what names it, by column; error: standard errors of the scores, or None; confound: why a
    point is no measurement like the others, in words, empty where it is; trained: whether the model
    was trained for each n ("yes") or tokens were pruned without ("no"), empty where not said;
    size: parameters of the model, not a number where not said; top: what a share of right answers
    is out of, 1 or 100, where their number gives the errors, else not a number; missing: scores
    that its file lacks; wide: columns of its file that hold scores, where none is called so.
    """

    name: str
    n: np.ndarray
    score: np.ndarray
    labels: dict[str, str] = field(default_factory=dict)
    error: np.ndarray | None = None
    confound: np.ndarray | None = None
    trained: str = ""
    size: float = float("nan")
    top: float = float("nan")
    missing: int = 0
    wide: tuple[str, ...] = ()

    def logs(self, scale: Scale) -> Logs:
        """(log n ascending, y, weights) for the fits; InputError that names the curve."""
        try:
            return checked(self.n, self.score, self.error, scale)
        except InputError as error:
            named = f"; what names a curve here: {', '.join(self.labels)}" if self.labels else ""
            few = named if self.different < LEAST else ""
            raise InputError(f"{self.name}: {error}{few}") from None

    def stated(self, scale: Scale) -> float:
        """Variance of a point of weight 1 by the standard errors, not a number without them."""
        return stated_variance(self.score, self.error, scale)

    @property
    def different(self) -> int:
        """How many different n it has: several scores at one n count once."""
        return len(np.unique(self.n))

    def keep(self, which: np.ndarray) -> Curve:
        """The curve at some of its points."""
        return replace(
            self,
            n=self.n[which],
            score=self.score[which],
            error=None if self.error is None else self.error[which],
            confound=None if self.confound is None else self.confound[which],
        )


def read_curves(path: Path | str | None = None) -> list[Curve]:
    """Every curve in a CSV, a row a score; the paper's measured curves without a path.

    Args:
        path: a CSV; or "published": curves of other papers, "later" and "latest": more of them,
            collected after the laws were chosen. It needs columns vision_tokens (or n) and score;
            or, as papers print tables, no score but a column of scores for each benchmark, right
            of n. It may have standard_error or questions (how many a score is the share of: of 100
            if any of them is above 1, else of 1), confound, trained_for_n, model_size, flops,
            source and note; the remaining columns name the curve, and model_size too where one
            name has several; where a cell of column metric is empty, "no metric". Missing scores
            are left out.

    Returns:
        Curves with arrays `n` and `score`, and with a `name`.

    Raises:
        InputError: missing file or columns, values that are not numbers, or not finite and > 0,
            shares and percentages in one file, or a file that is compressed, too large, or no
            ordinary one.
    """
    if path is None or str(path) in SHIPPED:
        name = SHIPPED["paper" if path is None else str(path)]
        source = Path(str(files("tokenspace") / "data" / name))
    else:
        source = Path(path)
    table, count, missing, wide = read_table(source)
    top = float("nan")
    if "questions" in table and (asked := table["questions"].notna()).any():
        top = unit(table["score"][asked].to_numpy())
    names = [c for c in table.columns if c not in COLUMNS]
    groups = table.groupby(names, sort=False, dropna=False) if names else [((), table)]
    curves = [
        _curve(source, labels, part, count, top)
        for key, group in groups
        for labels, part in _by_size(source, _labels(names, key), group)
    ]
    for name, times in Counter(c.name for c in curves).items():
        if times > 1:
            raise InputError(f"{source}: {times} curves are named {name!r}; name them apart")
    return [replace(curves[0], missing=missing, wide=tuple(wide)), *curves[1:]]


def _labels(names: Sequence[str], cells: Sequence[object]) -> dict[str, str]:
    """What names a curve, by column; an empty cell in words: "no metric"."""
    given = zip(names, cells, strict=True)
    return {name: f"no {name}" if pd.isna(cell) else str(cell) for name, cell in given}


def _by_size(
    source: Path, labels: dict[str, str], rows: pd.DataFrame
) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """(labels, rows) of each size of model under one name; a size names its curve beside others."""
    if SIZE not in rows or rows[SIZE].nunique() < 2:
        return [(labels, rows)]
    refuse(
        source,
        rows[SIZE],
        rows[SIZE].isna(),
        lambda *_: (
            "is missing: scores of several sizes stand under one name, so each needs its own"
        ),
    )
    groups = rows.groupby(SIZE, sort=False)
    return [(labels | {SIZE: size_name(float(size))}, part) for size, part in groups]


def remarks(curves: Sequence[Curve]) -> list[str]:
    """What a reader of these curves should know, in words."""
    said = [shares_of_tokens(curves), rows_alone(curves), repeats(curves), two_units(curves)]
    if wide := [name for c in curves for name in c.wide]:
        named = ", ".join(wide if len(wide) < 7 else [*wide[:5], f"{len(wide) - 5} more"])
        said.append(f"no column is called score: read as scores, a benchmark each: {named}")
    if means := [c for c in curves if any(map(AVERAGE.fullmatch, c.labels.values()))]:
        rest = f" and {len(means) - 1} more" if len(means) > 1 else ""
        said.append(
            f"{means[0].name}{rest}: an average counts as one more benchmark, though it repeats "
            "the others; leave it out where they are here too"
        )
    largest = max(c.n.max() for c in curves)
    alone = [c for c in curves if c.different == 1 and c.n[0] == largest]
    if lonely := alone if any(c.different > 1 for c in curves) else []:
        rest = f" and {len(lonely) - 1} more" if len(lonely) > 1 else ""
        said.append(
            f"{lonely[0].name}{rest}: has one n, the largest; if other curves end there, as at the "
            "model before pruning, write its score under their names too"
        )
    if several := sum(SIZE in c.labels for c in curves):
        said.append(
            f"{SIZE} names {counted(several, 'curve')}, as several sizes stand under one name"
        )
    if missing := sum(c.missing for c in curves):
        said.append(f"{counted(missing, 'missing score')}: left out")
    shares = [c for c in curves if np.isfinite(c.top)]
    if shares and shares[0].top == 1:
        said.append("scores with questions are read as shares of 1, as none is above 1")
    elif shares:
        said.append("scores with questions are read as percentages, as some are above 1")
        small = [c for c in shares if (c.score <= 1).any()]
        if small:
            least = f"{small[0].name}: {small[0].score.min():g}"
            said.append(
                f"{counted(len(small), 'curve')} with scores up to 1 beside larger ones, read as "
                f"per cent too: no shares of 1? ({least})"
            )
    return [one for one in said if one]


def shares_of_tokens(curves: Sequence[Curve]) -> str:
    """That n is no count where none is above 1, in words; else empty."""
    n = np.concatenate([c.n for c in curves])
    if n.max() > 1 or n.min() == 1:
        return ""
    return "n looks like a share of tokens, as none is above 1; it must be a count"


def rows_alone(curves: Sequence[Curve]) -> str:
    """Which column keeps curves of different n apart where none has two, in words; else empty.

    A column of numbers, such as Retention Ratio, one of which may be a word, such as full; any
    other column may well name models, so it is not told to be left out.
    """
    if any(c.different > 1 for c in curves) or len({c.n[0] for c in curves}) == 1:
        return ""
    columns = list(dict.fromkeys(k for c in curves for k in c.labels))
    for column in columns:
        values = {c.labels.get(column, "") for c in curves}
        words = sum(np.isnan(number(v.rstrip("%x "))) for v in values)
        together: dict[tuple[str, ...], set[float]] = {}
        for c in curves:
            rest = tuple(c.labels.get(k, "") for k in columns if k != column)
            together.setdefault(rest, set()).add(float(c.n[0]))
        if words <= 1 < len(values) and max(map(len, together.values())) > 1:
            return f"each row is a curve of its own: leave out column {column}"
    return (
        "each row is a curve of its own, with one n: leave out the column that changes with n; "
        f"what names a curve here: {', '.join(columns)}"
    )


def two_units(curves: Sequence[Curve]) -> str:
    """Which curves look as if some scores were shares of 1 and others per cent, in words."""
    odd = [c for c in curves if _two_units(c.score)]
    if not odd:
        return ""
    least = odd[0].score[odd[0].score <= 1].min()
    return (
        f"{counted(len(odd), 'curve')} with scores up to 1 beside others about 100 times as large: "
        f"shares of 1 and per cent in one curve? ({odd[0].name}: {least:g} and "
        f"{odd[0].score.max():g})"
    )


def _two_units(score: np.ndarray) -> bool:
    shares, others = score[score <= 1], score[score > 1]
    if not len(shares) or not len(others) or others.max() > 100:
        return False
    return bool((100 * shares <= 2 * others.max()).all() and (200 * shares >= others.min()).all())


def repeats(curves: Sequence[Curve]) -> str:
    """How many scores stand at an n that a curve has already, in words; empty where none does."""
    more = [len(c.n) - c.different for c in curves]
    if not sum(more):
        return ""
    copies = sum(len(c.n) - len(np.unique([c.n, c.score], axis=1).T) for c in curves)
    said = (
        f"{counted(sum(more), 'score')} of {counted(sum(map(bool, more)), 'curve')} at an n that "
        "their curve has already: counted as measurements with noise of their own"
    )
    return said + (f", and {copies} of them repeat a score exactly: no copies?" if copies else "")


def _curve(
    source: Path, labels: dict[str, str], rows: pd.DataFrame, count: str, top: float
) -> Curve:
    name = " / ".join(labels.values()) or "curve"
    score = rows["score"].to_numpy(float)
    error, shares = None, False
    if given := next((c for c in ERRORS if c in rows and rows[c].notna().any()), ""):
        least = "" if not labels else f" of {name}"
        refuse(
            source,
            rows[given],
            rows[given].isna(),
            lambda *_: f"is missing: every score{least} needs one, or none has one",
        )
        error, shares = rows[given].to_numpy(float), given == "questions"
    if shares:
        refuse(source, rows["score"], rows["score"] > top, _no_share)
        few = rows["score"] <= 1 if top > 1 and (score <= 1).all() else rows["score"] < 0
        refuse(source, rows["score"], few, _other_unit)
        error = error_of_share(score, error, top)

    def one(column: str) -> str:
        said = list(dict.fromkeys(rows[column])) if column in rows else []
        return said[0] if len(said) == 1 else "mixed" if said else ""

    sizes = rows[SIZE].unique() if SIZE in rows else []
    confound = rows["confound"].to_numpy(str) if "confound" in rows else None
    size = float(sizes[0]) if len(sizes) == 1 else float("nan")
    n = rows[count].to_numpy(float)
    top = top if shares else float("nan")
    return Curve(name, n, score, labels, error, confound, one("trained_for_n"), size, top)


def _no_share(column: str, text: str) -> str:
    return (
        "is no percentage, so the number of questions says nothing of its error; give "
        "standard_error instead"
    )


def _other_unit(column: str, text: str) -> str:
    return (
        "looks like a share of 1, as all scores of its curve do, but others are percentages: write "
        "all of them in one unit, or give standard_error instead of questions"
    )


def fit_curves(
    curves: Sequence[Curve],
    law: str | Sequence[str] = "auto",
    *,
    level: float = 0.95,
    scale: Scale | None = None,
    loss: str = "squares",
    progress: Callable[[int], None] | None = None,
) -> list[tuple[str, ScalingFit]]:
    """Fit every curve as `fit_scaling` does; an error names the curve, before anything is fitted.

    progress: called with the number of curves that are done, now and then.
    """
    method: Method = chosen_method(law, level, scale, loss)
    logs = [curve.logs(method.scale) for curve in curves]
    fits: list[ScalingFit] = []
    for part in batches(logs):
        stated = [curve.stated(method.scale) for curve in curves[part]]
        fits += fit_logs(logs[part], method, stated)
        if progress is not None:
            progress(len(fits))
    return [(curve.name, fit) for curve, fit in zip(curves, fits, strict=True)]


def compare_with_least_squares(
    curves: Sequence[Curve], fits: Sequence[tuple[str, ScalingFit]]
) -> pd.DataFrame:
    """The power law that the paper draws beside ours, a row a curve.

    The paper's is ordinary least squares of log S on log n in closed form; "c off" is relative,
    "alpha off" absolute.
    """
    rows = []
    for curve, (_, fit) in zip(curves, fits, strict=True):
        slope, intercept = np.polyfit(np.log(curve.n), np.log(curve.score), 1)
        ours = fit.fits["power"].parameters
        c = np.exp(intercept)
        off = abs(ours["c"] / c - 1), abs(ours["alpha"] + slope)
        rows.append([curve.name, c, ours["c"], off[0], -slope, ours["alpha"], off[1]])
    columns = ["curve", "c (paper)", "c", "c off", "alpha (paper)", "alpha", "alpha off"]
    return pd.DataFrame(rows, columns=columns)
