"""From one configuration to the tables of every point: `[[case]]` variants, and sweep axes.

Any value may be an axis, `{ sweep = [..] }` (see `axes.py`); axes form a grid, or go together
with `[sweep] mode = "zip"`. Points share the tables that no axis touches: the same objects, so that
what is made of a table is made once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from tokenspace.experiments.axes import short_names, values_of
from tokenspace.experiments.tables import unknown_keys

LARGEST_SWEEP = 100_000
OF_MODEL = ("features", "branches", "law")
TABLES = ("tokens", *OF_MODEL, "terms", "run")

Path = tuple[Any, ...]
Axes = list[tuple[Path, list[Any]]]


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
    variants = [(v, name, _axes(v, (), problems)) for v, name in _variants(raw, problems)]
    sound = [(v, name, axes) for v, name, axes in variants if _fit(axes, mode, problems)]
    total = sum(_count(axes, mode) for *_, axes in sound)  # of all cases, before any is expanded
    if total > LARGEST_SWEEP:
        problems.append(f"sweep: {total:,} points; at most {LARGEST_SWEEP:,} are allowed")
        return
    for variant, name, found in sound:
        case = {"case": name} if name else {}
        short = short_names(_dotted(path) for path, _ in found)
        for axes, tables in _points(variant, found, mode):
            words = [*([name] if name else []), *(_said(short[k], v) for k, v in axes.items())]
            yield Row(", ".join(words) or "run", case | axes, tables)


def is_zipped(raw: dict[str, Any]) -> bool:
    """Whether the axes of a configuration go together, value by value."""
    table = raw.get("sweep")
    return isinstance(table, dict) and table.get("mode") == "zip"


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
        others = OF_MODEL if "terms" in case else ("terms",) if {*OF_MODEL} & {*case} else ()
        merged = {k: v for k, v in base.items() if k not in others}
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


def _axes(value: Any, path: Path, problems: list[str]) -> Axes:
    if isinstance(value, dict):
        if set(value) == {"sweep"}:
            return [(path, values_of(value["sweep"], _dotted(path), problems))]
        return [a for k, v in value.items() for a in _axes(v, (*path, k), problems)]
    if isinstance(value, list):
        return [a for k, v in enumerate(value) for a in _axes(v, (*path, k), problems)]
    return []


def _fit(axes: Axes, mode: str, problems: list[str]) -> bool:
    """Whether axes have values and go together; adds the problem when they do not."""
    if not all(values for _, values in axes):
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
            point = replaced(point, path, value)
        yield {_dotted(p): v for p, v in zip(paths, row, strict=True)}, point


def replaced(table: Any, path: Path, value: Any) -> Any:
    """A copy of nested tables with one value replaced, sharing all that lies off its path."""
    if not path:
        return value
    copy, (first, *rest) = table.copy(), path
    copy[first] = replaced(table[first], tuple(rest), value) if rest else value
    return copy


def _dotted(path: Path) -> str:
    return ".".join(str(p) for p in path)


def _said(name: str, value: Any) -> str:
    shown = value.get("model", "...") if isinstance(value, dict) else value
    return f"{name} = {shown}"
