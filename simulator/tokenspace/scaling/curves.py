"""Measured score curves: the paper's 36, or a user's CSV, and their fits."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.errors import ParserError

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary
from tokenspace.scaling.fit import checked, chosen_method, fit_logs
from tokenspace.scaling.result import ScalingFit

LARGEST = 1 << 30  # bytes of a CSV, far above what measured curves take
TOGETHER = 100  # curves that are fitted at once

Curve = tuple[str, np.ndarray, np.ndarray]


def read_curves(path: Path | None = None) -> list[Curve]:
    """(name, n, score) of every curve in a CSV; the paper's measured curves without a path.

    The file needs columns vision_tokens (or n) and score; the remaining columns name the curve.

    Raises:
        InputError: missing file or columns, values that are not numbers, or a file that is
            compressed, too large, or no ordinary one.
    """
    paper = files("tokenspace") / "data" / "benchmark_scores.csv"
    source = Path(str(paper)) if path is None else Path(path)
    require_ordinary(source)
    if (size := source.stat().st_size) > LARGEST:
        raise InputError(f"{source}: has {size:,} bytes; at most {LARGEST:,} are read")
    try:
        table = pd.read_csv(source, compression=None)  # a small file could hold one without end
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: cannot be read as CSV: it is no UTF-8 text ({error.reason}); "
            "decompress it first if it is compressed"
        ) from None
    except (OSError, ValueError, ParserError) as error:
        raise InputError(f"{source}: cannot be read as CSV: {error}") from None
    count = next((c for c in ("vision_tokens", "n") if c in table), None)
    if count is None or "score" not in table:
        raise InputError(
            f"{source}: needs columns vision_tokens (or n) and score, but has "
            f"{', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise InputError(f"{source}: holds no rows below its header")
    for column in (count, "score"):
        numbers = table[column].map(_number)
        if numbers.isna().any():
            row = int(np.argmax(numbers.isna()))
            cell = str(table[column].iloc[row])
            raise InputError(f"{source}: line {row + 2}: {column} = {cell!r} is not a number")
        table[column] = numbers
    names = [c for c in table.columns if c not in (count, "score")]
    if not names:
        return [("curve", table[count].to_numpy(float), table["score"].to_numpy(float))]
    return [
        (" / ".join(map(str, key)), group[count].to_numpy(float), group["score"].to_numpy(float))
        for key, group in table.groupby(names, sort=False, dropna=False)
    ]


def _number(text: object) -> float:
    """A cell as a number, NaN where it is none."""
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def fit_curves(
    curves: list[Curve],
    law: str = "auto",
    *,
    level: float = 0.95,
    progress: Callable[[int], None] | None = None,
) -> list[tuple[str, ScalingFit]]:
    """Fit every curve as `fit_scaling` does; an error names the curve, before anything is fitted.

    progress: called with the number of curves that are done, now and then.
    """
    chosen = chosen_method(law, level)
    logs = []
    for name, n, score in curves:
        try:
            logs.append(checked(n, score))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    fits: list[ScalingFit] = []
    for first in range(0, len(logs), TOGETHER):
        fits += fit_logs(logs[first : first + TOGETHER], chosen)
        if progress is not None:
            progress(len(fits))
    return [(name, fit) for (name, _, _), fit in zip(curves, fits, strict=True)]


def compare_with_least_squares(
    curves: list[Curve], fits: list[tuple[str, ScalingFit]]
) -> pd.DataFrame:
    """The power law that the paper draws beside ours, a row a curve.

    The paper's is ordinary least squares of log S on log n in closed form; "c off" is relative,
    "alpha off" absolute.
    """
    rows = []
    for (name, n, score), (_, fit) in zip(curves, fits, strict=True):
        slope, intercept = np.polyfit(np.log(n), np.log(score), 1)
        ours = fit.fits["power"].parameters
        c = np.exp(intercept)
        off = abs(ours["c"] / c - 1), abs(ours["alpha"] + slope)
        rows.append([name, c, ours["c"], off[0], -slope, ours["alpha"], off[1]])
    columns = ["curve", "c (paper)", "c", "c off", "alpha (paper)", "alpha", "alpha off"]
    return pd.DataFrame(rows, columns=columns)
