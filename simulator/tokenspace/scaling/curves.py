"""Measured score curves: the paper's 36, or a user's CSV, and their fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.errors import ParserError

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary
from tokenspace.printable import counted
from tokenspace.scaling.fit import Method, checked, chosen_method, fit_logs
from tokenspace.scaling.optimise import Logs
from tokenspace.scaling.result import ScalingFit
from tokenspace.scaling.scales import Scale, error_of_share

LARGEST = 1 << 30  # bytes of a CSV, far above what measured curves take
TOGETHER = 400  # curves that are fitted at once

COUNTS = ("vision_tokens", "n")
ERRORS = ("standard_error", "questions")
NUMBERS = (*ERRORS, "model_size", "flops")  # numbers that may stand beside a score
WORDS = ("confound", "trained_for_n", "source", "note")  # words that name no curve
COLUMNS = (*COUNTS, "score", *NUMBERS, *WORDS)
TRAINED = ("yes", "no", "")
SHIPPED = {
    "paper": "benchmark_scores.csv",
    "published": "published_scores.csv",
    "later": "later_scores.csv",
}


@dataclass(frozen=True)
class Curve:
    """Scores of one model on one benchmark at several token counts, all arrays (points,).

    labels: what names it, by column; error: standard errors of the scores, or None; confound: why a
    point is no measurement like the others, in words, empty where it is; trained: whether the model
    was trained for each n ("yes") or tokens were pruned without ("no"), empty where not said;
    size: parameters of the model, not a number where not said.
    """

    name: str
    n: np.ndarray
    score: np.ndarray
    labels: dict[str, str] = field(default_factory=dict)
    error: np.ndarray | None = None
    confound: np.ndarray | None = None
    trained: str = ""
    size: float = float("nan")

    def logs(self, scale: Scale) -> Logs:
        """(log n ascending, y, weights) for the fits; InputError that names the curve."""
        try:
            return checked(self.n, self.score, self.error, scale)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

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

    The file needs columns vision_tokens (or n) and score. It may have standard_error or questions
    (how many a percentage is the share of), confound, trained_for_n, model_size, flops, source and
    note; the remaining columns name the curve. path "published": curves of other papers;
    "later": more of them, collected after the laws were chosen.

    Raises:
        InputError: missing file or columns, values that are not numbers, or a file that is
            compressed, too large, or no ordinary one.
    """
    if path is None or str(path) in SHIPPED:
        name = SHIPPED["paper" if path is None else str(path)]
        source = Path(str(files("tokenspace") / "data" / name))
    else:
        source = Path(path)
    require_ordinary(source)
    if (size := source.stat().st_size) > LARGEST:
        raise InputError(f"{source}: has {size:,} bytes; at most {LARGEST:,} are read")
    try:
        table = pd.read_csv(source, compression=None)  # a small file could hold one without end
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: cannot be read as CSV: it is no UTF-8 text ({error.reason}); "
            "save it as UTF-8, and decompress it first if it is compressed"
        ) from None
    except (OSError, ValueError, ParserError) as error:
        raise InputError(f"{source}: cannot be read as CSV: {error}") from None
    table.columns = [str(name).strip() for name in table.columns]
    if other := next((mark for mark in (";", "\t") if mark in table.columns[0]), ""):
        raise InputError(
            f"{source}: its cells are separated by {other!r}; save it with commas between cells, "
            "and points in numbers"
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first cells for names of rows
        raise InputError(f"{source}: its rows have more cells than its header has columns")
    count = next((c for c in COUNTS if c in table), None)
    if count is None or "score" not in table:
        raise InputError(
            f"{source}: needs columns vision_tokens (or n) and score, but has "
            f"{', '.join(table.columns)}; names are written in small letters"
        )
    if table.empty:
        raise InputError(f"{source}: holds no rows below its header")
    if all(c in table for c in ERRORS):
        raise InputError(f"{source}: has both standard_error and questions; leave one of them out")
    needed = (count, "score")
    for column in (*needed, *(c for c in NUMBERS if c in table)):
        numbers = table[column].map(_number)
        missing = numbers.isna() & (table[column].notna() | (column in needed))
        _refuse(source, table[column], missing, "is not a number")
        table[column] = numbers
        if column == "model_size":
            bad = numbers.notna() & ~((numbers > 0) & (numbers < np.inf))
            _refuse(source, numbers, bad, "is not allowed; it must be finite and > 0")
    for column in (c for c in WORDS if c in table):
        table[column] = table[column].astype(object).fillna("").astype(str)
    if "trained_for_n" in table:
        odd = ~table["trained_for_n"].isin(TRAINED)
        _refuse(source, table["trained_for_n"], odd, "is not allowed; it must be yes, no, or empty")
    names = [c for c in table.columns if c not in COLUMNS]
    if not names:
        return [_curve({}, table, count)]
    curves = [
        _curve(dict(zip(map(str, names), map(str, key), strict=True)), group, count)
        for key, group in table.groupby(names, sort=False, dropna=False)
    ]
    for name, times in Counter(c.name for c in curves).items():
        if times > 1:
            raise InputError(f"{source}: {times} curves are named {name!r}; name them apart")
    return curves


def repeats(curves: Sequence[Curve]) -> str:
    """How many scores stand at an n that a curve has already, in words; empty where none does."""
    more = [len(c.n) - len(np.unique(c.n)) for c in curves]
    if not sum(more):
        return ""
    copies = sum(len(c.n) - len(np.unique([c.n, c.score], axis=1).T) for c in curves)
    said = (
        f"{counted(sum(more), 'score')} of {counted(sum(map(bool, more)), 'curve')} at an n that "
        "their curve has already: counted as measurements with noise of their own"
    )
    return said + (f", and {copies} of them repeat a score exactly: no copies?" if copies else "")


def _refuse(source: Path, cells: pd.Series, bad: pd.Series, why: str) -> None:
    """InputError at the first cell that is bad, if any is."""
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{source}: line {row + 2}: {cells.name} = {str(cells.iloc[row])!r} {why}")


def _curve(labels: dict[str, str], rows: pd.DataFrame, count: str) -> Curve:
    name = " / ".join(labels.values()) or "curve"
    score = rows["score"].to_numpy(float)
    error = None
    try:
        if "standard_error" in rows and rows["standard_error"].notna().any():
            error = rows["standard_error"].to_numpy(float)
        elif "questions" in rows and rows["questions"].notna().any():
            error = error_of_share(score, rows["questions"])
    except InputError as reason:
        raise InputError(f"{name}: {reason}") from None

    def one(column: str) -> str:
        said = list(dict.fromkeys(rows[column])) if column in rows else []
        return said[0] if len(said) == 1 else "mixed" if said else ""

    sizes = rows["model_size"].unique() if "model_size" in rows else []
    confound = rows["confound"].to_numpy(str) if "confound" in rows else None
    size = float(sizes[0]) if len(sizes) == 1 else float("nan")
    n = rows[count].to_numpy(float)
    return Curve(name, n, score, labels, error, confound, one("trained_for_n"), size)


def _number(text: object) -> float:
    """A cell as a number, NaN where it is none."""
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")


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
    for first in range(0, len(logs), TOGETHER):
        fits += fit_logs(logs[first : first + TOGETHER], method)
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
