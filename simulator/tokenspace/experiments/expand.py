"""From one configuration to the tables of every point: `[[case]]` variants, and sweep axes.

Any value may be an axis, `{ sweep = [..] }`; axes form a grid, or go together with
`[sweep] mode = "zip"`. Points share the tables that no axis touches: the same objects, so that
what is made of a table is made once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from tokenspace.experiments.tables import unknown_keys

LARGEST_SWEEP = 100_000
TABLES = ("tokens", "features", "branches", "law", "run")

Path = tuple[Any, ...]
Axes = list[tuple[Path, Any]]


class Row(NamedTuple):
    """One point before its tables are read: what it is called, where it lies, what it says."""

    label: str
    axes: dict[str, Any]
    tables: dict[str, Any]


def expand(raw: dict[str, Any], mode: str, problems: list[str]) -> Iterator[Row]:
    """Every point of a configuration, in the order in which it is written."""
    if (cases := len(cases_of(raw))) > LARGEST_SWEEP:
        problems.append(f"case: {cases:,} cases; at most {LARGEST_SWEEP:,} points are allowed")
        return
    variants = [(v, name, _axes(v, ())) for v, name in _variants(raw, problems)]
    sound = [(v, name, axes) for v, name, axes in variants if _fit(axes, mode, problems)]
    total = sum(_count(axes, mode) for *_, axes in sound)  # of all cases, before any is expanded
    if total > LARGEST_SWEEP:
        problems.append(f"sweep: {total:,} points; at most {LARGEST_SWEEP:,} are allowed")
        return
    for variant, name, found in sound:
        case = {"case": name} if name else {}
        for axes, tables in _points(variant, found, mode):
            words = [*([name] if name else []), *(_short(k, v) for k, v in axes.items())]
            yield Row(", ".join(words) or "run", case | axes, tables)


def cases_of(raw: dict[str, Any]) -> list[Any]:
    """The `[[case]]` tables of a configuration."""
    cases = raw.get("case", [])
    return cases if isinstance(cases, list) else [cases]


def _variants(raw: dict[str, Any], problems: list[str]) -> list[tuple[dict[str, Any], str]]:
    base = {k: v for k, v in raw.items() if k not in ("case", "sweep")}
    cases = cases_of(raw)
    if not cases:
        return [(base, "")]
    out = []
    for k, case in enumerate(cases):
        if not isinstance(case, dict) or not isinstance(case.get("name"), str):
            problems.append(f"case.{k}.name: missing; every [[case]] needs a name")
            continue
        problems += unknown_keys(case, (*TABLES, "name"), f"case.{k}.")
        merged = dict(base)
        for table, value in case.items():
            if table == "name":
                continue
            replace = table in ("branches", "law") or not isinstance(value, dict)
            if table == "features" and isinstance(value, dict) and "model" in value:
                replace = True
            known = merged.get(table, {})
            merged[table] = value if replace or not isinstance(known, dict) else {**known, **value}
        out.append((merged, case["name"]))
    return out


def _axes(value: Any, path: Path) -> Axes:
    if isinstance(value, dict):
        if set(value) == {"sweep"}:
            return [(path, value["sweep"])]
        return [a for k, v in value.items() for a in _axes(v, (*path, k))]
    if isinstance(value, list):
        return [a for k, v in enumerate(value) for a in _axes(v, (*path, k))]
    return []


def _fit(axes: Axes, mode: str, problems: list[str]) -> bool:
    """Whether axes are lists that go together; adds the problem when they are not."""
    for path, values in axes:
        if not isinstance(values, list) or not values:
            problems.append(
                f"{_dotted(path)}.sweep: {values!r} must be a list of at least one value"
            )
            return False
    if mode == "zip" and len({len(values) for _, values in axes}) > 1:
        named = ", ".join(f"{_dotted(p)} has {len(v)}" for p, v in axes)
        problems.append(f"sweep.mode: 'zip' needs axes of one length, but {named} values")
        return False
    return True


def _count(axes: Axes, mode: str) -> int:
    sizes = [len(values) for _, values in axes]
    return math.prod(sizes) if mode == "grid" else max(sizes, default=1)


def _points(
    tables: dict[str, Any], axes: Axes, mode: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    paths, lists = [p for p, _ in axes], [values for _, values in axes]
    rows = itertools.product(*lists) if mode == "grid" or not lists else zip(*lists, strict=True)
    for row in rows:
        point = tables
        for path, value in zip(paths, row, strict=True):
            point = _replaced(point, path, value)
        yield {_dotted(p): v for p, v in zip(paths, row, strict=True)}, point


def _replaced(table: Any, path: Path, value: Any) -> Any:
    """A copy of nested tables with one value replaced, sharing all that lies off its path."""
    if not path:
        return value
    copy = table.copy()
    copy[path[0]] = _replaced(table[path[0]], path[1:], value)
    return copy


def _dotted(path: Path) -> str:
    return ".".join(str(p) for p in path)


def _short(path: str, value: Any) -> str:
    shown = value.get("model", "...") if isinstance(value, dict) else value
    return f"{path.rsplit('.', 1)[-1]} = {shown}"
