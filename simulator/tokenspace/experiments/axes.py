"""The axes of a sweep: their values, a list or a range of evenly spaced numbers; short names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import MISSING
from itertools import pairwise
from typing import Any

import numpy as np

from tokenspace.experiments.tables import Specifications, read_table
from tokenspace.parameters import Parameter

MOST = 100_000  # values of one axis
DIGITS = 12  # significant ones of a value between the ends: 0.3, not 0.30000000000000004
LARGE = 1e300  # differences of numbers below are finite
EVEN = 1e-12  # of a step: what linspace and sums of steps are off by
ENDS = "of the axis"
RANGE: Specifications = {
    "from": (Parameter(f"first value {ENDS}"), MISSING),
    "to": (Parameter(f"last value {ENDS}"), MISSING),
    "points": (Parameter(f"values {ENDS}", at_least=1, at_most=MOST, integer=True), MISSING),
    "scale": (Parameter("spacing", choices=("linear", "log")), "linear"),
}


def values_of(axis: Any, path: str, problems: list[str]) -> list[Any]:
    """The values of `{ sweep = axis }`, none with problems added when it is wrong.

    Args:
        axis: a list, or a table { from, to, points, scale }: `points` numbers from one end to the
            other, evenly spaced or, with scale = "log", by equal factors. They are whole numbers
            when both ends are written as such and all values are whole.
        path: key path of the parameter.
    """
    if isinstance(axis, dict):
        return _range(axis, f"{path}.sweep", problems)
    if not isinstance(axis, list) or not axis:
        problems.append(
            f"{path}.sweep: {axis!r} must be a list of at least one value, or a table such as "
            '{ from = 0.1, to = 0.9, points = 9, scale = "linear" }'
        )
        return []
    return _through_zero(axis)


def _through_zero(values: list[Any]) -> list[Any]:
    """Evenly spaced numbers, where one that rounding alone keeps from 0 is 0.

    Such as 5.6e-17 between -0.3 and 0.3; elsewhere a number so small is meant.
    """
    numbers = all(type(v) in (int, float) and abs(v) < LARGE for v in values)
    if len(values) < 3 or not numbers:
        return values
    step = (values[-1] - values[0]) / (len(values) - 1)
    nearest = min(range(1, len(values) - 1), key=lambda k: abs(values[k]))  # ends are meant
    if not 0 < abs(values[nearest]) < EVEN * abs(step) < math.inf:
        return values
    even = all(math.isclose(b - a, step, rel_tol=1e-9) for a, b in pairwise(values))
    return [0.0 if even and k == nearest else v for k, v in enumerate(values)]


def _range(table: dict[str, Any], path: str, problems: list[str]) -> list[Any]:
    read = read_table(RANGE, table, path, problems)
    if read is None:
        return []
    first, last, points = read["from"], read["to"], read["points"]
    if read["scale"] == "log" and min(first, last) <= 0:
        problems.append(f"{path}: scale = 'log' needs from > 0 and to > 0, not {first} and {last}")
        return []
    if points == 1 and first != last:
        problems.append(f"{path}: points = 1 needs from = to, not {first} and {last}")
        return []
    spaced = np.geomspace if read["scale"] == "log" else np.linspace
    with np.errstate(all="ignore"):  # ends too far apart are told below
        inside = [_rounded(x) for x in spaced(float(first), float(last), points).tolist()]
    values = _through_zero(inside)
    values[0], values[-1] = float(first), float(last)
    if not all(map(math.isfinite, values)) or len(set(values)) < points > 1:
        problems.append(f"{path}: {points} values from {first} to {last} do not all differ")
        return []
    whole = isinstance(first, int) and isinstance(last, int) and all(v == int(v) for v in values)
    return [int(v) for v in values] if whole else values


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def short_names(axes: Iterable[str]) -> dict[str, str]:
    """What each axis may be called: the fewest last parts of its path that no other axis ends with.

    "branches.psi_cross" is psi_cross, and "branches.within.length" is within.length where
    "branches.cross.length" is an axis as well.
    """
    paths = {axis: axis.split(".") for axis in axes}
    taken = Counter(".".join(p[-k:]) for p in paths.values() for k in range(1, len(p) + 1))
    out = {}
    for axis, path in paths.items():
        endings = [".".join(path[-k:]) for k in range(1, len(path) + 1)]
        out[axis] = next((e for e in endings if taken[e] == 1), axis)
    return out
