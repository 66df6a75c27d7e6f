"""Some of the points of a sweep: those whose axes have the values that were asked for."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tokenspace.errors import InputError
from tokenspace.experiments.axes import short_names
from tokenspace.experiments.experiment import Point

AS_IN = "e.g. psi_cross=0.1, psi_cross=0.1,0.2 or psi_cross=0.1:0.3"
CLOSE = 1e-9  # relative: what a person types of a value that is not short

Matches = Callable[[Any], bool]
P = TypeVar("P", bound=Point)


def select(points: Sequence[P], only: Sequence[str]) -> list[P]:
    """The points that satisfy every condition, in their order.

    Args:
        points: with their axes.
        only: "AXIS=VALUE", "AXIS=VALUE,VALUE" or "AXIS=LOW:HIGH" (ends included; either may be
            left out); AXIS is a key path, or its last part where no other axis ends so, or "case".

    Raises:
        InputError: a condition cannot be read, names no axis, or no point satisfies all of them.
    """
    known = short_names(dict.fromkeys(a for p in points for a in p.axes))
    names = {short: axis for axis, short in known.items()} | {axis: axis for axis in known}
    chosen = list(points)
    for condition in only:
        axis, matches = _read(condition, names)
        chosen = [p for p in chosen if axis in p.axes and matches(p.axes[axis])]
        if not chosen:
            values = dict.fromkeys(_shown(p.axes[axis]) for p in points if axis in p.axes)
            some = ", ".join(list(values)[:8]) + (", ..." if len(values) > 8 else "")
            raise InputError(f"--only {condition!r} leaves no point; {axis} takes {some}")
    return chosen


def _read(condition: str, names: dict[str, str]) -> tuple[str, Matches]:
    name, equals, value = (part.strip() for part in condition.partition("="))
    if not equals or not value:
        raise InputError(f"--only {condition!r} is not allowed; it must be AXIS=VALUE, {AS_IN}")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"axes: {', '.join(names) or 'none'}"
        raise InputError(f"--only {condition!r}: {name!r} is no axis of this sweep; {hint}")
    low, colon, high = value.partition(":")
    if colon:
        first, last = _number(low, -math.inf), _number(high, math.inf)
        if first is not None and last is not None:
            return names[name], _between(first, last)
    wanted = [v.strip() for v in value.split(",")]
    return names[name], lambda x: _shown(x) == value or any(_equal(x, w) for w in wanted)


def _between(low: float, high: float) -> Matches:
    return lambda x: type(x) in (int, float) and low <= x <= high


def _number(text: str, otherwise: float | None = None) -> float | None:
    if not text.strip():
        return otherwise
    try:
        return float(text)
    except ValueError:
        return None


def _equal(value: Any, text: str) -> bool:
    if type(value) in (int, float):
        number = _number(text)
        return number is not None and math.isclose(value, number, rel_tol=CLOSE)
    return _shown(value) == text


def _shown(value: Any) -> str:
    """An axis value as a person writes it: a model by its name, true as in TOML."""
    if isinstance(value, dict):
        return str(value.get("model", value))
    return str(value).lower() if isinstance(value, bool) else str(value)
