"""What the page of a report knows of its points: a list for each quantity, an entry a point.

Plain lists that JSON can hold, with words numbered and numbers of six digits: ten thousand points
are a megabyte before they are packed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.experiments.axes import short_names
from tokenspace.experiments.layout import axis_values
from tokenspace.report.verdicts import WORST_FIRST, Row
from tokenspace.statistics.derived import over_balance

DIGITS = 6  # significant ones
TO_ERROR = 10  # of what is shown to the second digit of its error


def columns(loaded: Sequence[tuple[Any, Any]], checks: Sequence[Any]) -> dict[str, Any]:
    """Of (point, result) pairs and their checks.

    Returns:
        axes: name, path and value at every point; grids: distinct lists of n; how: distinct ways in
        which points were made; points: everything else, name -> one entry a point.
    """
    results = [result for _, result in loaded]
    rows = [Row.of(r, c) for r, c in zip(results, checks, strict=True)]
    balances = _once(results, _balance)
    how = _coded(_how(r) for r in results)
    grids = _coded(tuple(r.n.tolist()) for r in results)
    points: dict[str, Any] = {
        "label": [point.label for point, _ in loaded],
        "key": [point.key for point, _ in loaded],
        "verdict": [WORST_FIRST.index(c.verdict) for c in checks],
        "reason": _coded(c.reason for c in checks),
        "regime": _coded(row.regime for row in rows),
        "replicates": [row.replicates for row in rows],
        "seed": [None if r.seed is None else str(r.seed) for r in results],  # beyond 2^53 too
        "seconds": numbers(r.seconds for r in results),
        "how": how["at"],
        "grid": grids["at"],
        "balance": numbers(b[0] for b in balances),
        "balance_low": numbers(b[1] for b in balances),
        "balance_high": numbers(b[2] for b in balances),
        "over_balance": numbers(_once(results, over_balance)),
    }
    points["exponent"] = numbers((row.exponent for row in rows), TO_ERROR)
    for name in ("error", "theory", "deviation", "z"):
        points[name] = numbers(getattr(row, name) for row in rows)
    return {
        "verdicts": WORST_FIRST,
        "axes": _axes([point for point, _ in loaded]),
        "grids": grids["words"],
        "how": how["words"],
        "points": points,
    }


def numbers(values: Iterable[float], digits: int = DIGITS) -> list[Any]:
    """Numbers for JSON: of so many digits, null for NaN, and words for what is infinite."""
    return [_plain(float(f"{x:.{digits}g}")) for x in values]


def _plain(x: float) -> Any:
    if math.isfinite(x):
        return x
    return None if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def _coded(words: Iterable[Any]) -> dict[str, list[Any]]:
    """Each different word once, and the number of every one."""
    known: dict[Any, int] = {}
    at = [known.setdefault(word, len(known)) for word in words]
    return {"words": list(known), "at": at}


def _how(result: Any) -> tuple[tuple[str, str], ...]:
    """How a point was made, as (name, words)."""
    made = {
        "sampler": f"{result.sampler}: {result.method}",
        "chosen": result.reason,
        "kernels": result.kernels,
        "device": result.device,
        "versions": ", ".join(f"{k} {v}" for k, v in result.versions.items()),
        "notes": "; ".join(result.notes),
    }
    return tuple((k, v) for k, v in made.items() if v)


def _axes(points: Sequence[Any]) -> list[dict[str, Any]]:
    paths = list(dict.fromkeys(a for point in points for a in point.axes))
    out: list[dict[str, Any]] = []
    for path, name in short_names(paths).items():
        values = axis_values([point.axes.get(path) for point in points])
        if values.dtype.kind == "U":
            out.append({"name": name, "path": path, "words": _coded(values.tolist())})
        else:
            exact = [_plain(v) for v in values.astype(float).tolist()]  # not rounded: = asks
            out.append({"name": name, "path": path, "values": exact})
    return out


def _once(results: Sequence[Any], function: Any) -> list[Any]:
    """Of every result, asked once of those that points share."""
    known: dict[int, Any] = {}
    return [
        known[id(r)] if id(r) in known else known.setdefault(id(r), function(r)) for r in results
    ]


def _balance(result: Any) -> tuple[float, float, float]:
    """n_balance with its interval, NaN where it cannot be estimated."""
    try:
        found = result.n_balance()
    except InputError:
        return math.nan, math.nan, math.nan
    low, high = (float(np.asarray(end)) for end in found.interval)
    return float(found.mean), low, high
