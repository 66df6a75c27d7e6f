"""Configurations: TOML in, points out, each an experiment that was checked here and nowhere later.

A file has tables [tokens], [features], [branches], [law] and [run]; a sum of models has [[terms]],
each with features and branches, in place of the middle ones. Any value may be a sweep axis,
`{ sweep = [..] }` or `{ sweep = { from, to, points, scale } }`; axes form a grid, or go together
with `[sweep] mode = "zip"`. `[[case]]` tables name variants that override the rest. With
`[sweep] invalid = "skip"` points whose values do not go together are left out, and listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tokenspace.collector import collector_paused
from tokenspace.errors import TokenspaceError
from tokenspace.experiments.build import build_model
from tokenspace.experiments.expand import OF_MODEL, TABLES, Row, cases_of, expand
from tokenspace.experiments.experiment import (
    Experiment,
    Point,
    Sweep,
    Tokens,
    specifications,
)
from tokenspace.experiments.overrides import override
from tokenspace.experiments.tables import (
    ConfigError,
    Conflict,
    read_table,
    read_toml,
    unknown_keys,
)
from tokenspace.grids import as_grid, log_grid
from tokenspace.sampling import known_sampler, known_statistics

__all__ = [
    "ConfigError",
    "Configuration",
    "Skipped",
    "demo_file",
    "points_of",
    "read_configuration",
    "read_experiment",
    "rows_of",
]

MANY_PROBLEMS = 20
TOKENS = specifications(Tokens)
RUN = specifications(Experiment, "model", "grid")
SWEEP = specifications(Sweep)


def demo_file() -> Path:
    """The configuration of the demo: one model from each family, checked against theory."""
    package = Path(__file__).parents[1]
    installed = package / "data" / "demo.toml"  # in a wheel; a checkout has it in sweeps/
    return installed if installed.exists() else package.parents[1] / "sweeps" / "demo.toml"


class Skipped(NamedTuple):
    """A point that was left out, and why."""

    label: str
    why: str


class Configuration(NamedTuple):
    """A configuration that was checked: its tables, points in the order written, those left out."""

    raw: dict[str, Any]
    points: list[Point]
    skipped: list[Skipped]


def read_configuration(
    config: str | Path | dict[str, Any], settings: Sequence[str] = ()
) -> Configuration:
    """Read and check a configuration.

    Args:
        config: a TOML file, or the same as a dictionary.
        settings: "KEY.PATH=VALUE" that override it, see `overrides.py`.

    Raises:
        ConfigError: the file cannot be read, or anything in it is wrong; all problems are listed.
        InputError: a setting cannot be read.
    """
    if isinstance(config, dict):
        raw, source = config, "configuration"
    else:
        raw, source = read_toml(config), str(config)
    raw = override(raw, settings)
    with collector_paused():
        try:
            return Configuration(raw, *_points_of(raw, source))
        except RecursionError:
            raise ConfigError(source, ["its tables are nested too deep"]) from None


def points_of(raw: dict[str, Any]) -> list[Point]:
    """The checked points of a configuration; raises as `read_configuration`."""
    return read_configuration(raw).points


def _points_of(raw: dict[str, Any], source: str) -> tuple[list[Point], list[Skipped]]:
    problems: list[str] = []
    rows = rows_of(raw, source, problems)
    skip = raw.get("sweep", {}).get("invalid") == "skip"
    reader = _Reader()
    seen = set(problems)
    points: list[Point] = []
    skipped: list[Skipped] = []
    for row in rows:
        found: list[str] = []
        point = reader.point(row, found)
        if point is not None:
            points.append(point)
        elif skip and all(isinstance(p, Conflict) for p in found):
            skipped.append(Skipped(row.label, "; ".join(found)))
            continue
        where = f" (at {row.label})" if len(rows) > 1 else ""
        problems += [p + where for p in found if p not in seen]
        seen.update(found)
        if len(problems) > MANY_PROBLEMS:
            break
    if not problems and not points:
        some = [f"{s.why} (at {s.label})" for s in skipped[:MANY_PROBLEMS]]
        problems = ["sweep.invalid: 'skip' leaves no point", *some]
    if problems:
        raise ConfigError(source, problems)
    return points, skipped


def read_experiment(tables: dict[str, Any], source: str = "experiment") -> Experiment:
    """The experiment of canonical tables, or of a configuration of one point.

    Raises:
        ConfigError: anything in them is wrong.
    """
    problems: list[str] = []
    experiment = _Reader().experiment(tables, problems)
    if problems or experiment is None:
        raise ConfigError(source, problems)
    return experiment


def rows_of(raw: dict[str, Any], source: str, problems: list[str]) -> list[Row]:
    """The tables of every point, before any is read as a model.

    Raises:
        ConfigError: tables are missing or unknown.
    """
    wrong = unknown_keys(raw, (*TABLES, "sweep", "case"), "")
    cases = cases_of(raw)
    for table in ("tokens", "features", "branches", "run"):
        instead = {table, "terms"} if table in OF_MODEL else {table}
        in_cases = cases and all(instead & {*c} for c in cases if isinstance(c, dict))
        if not instead & {*raw} and not in_cases:
            wrong.append(f"{table}: missing; a table [{table}] is needed")
    sweep = read_table(SWEEP, raw.get("sweep", {}), "sweep", wrong)
    if sweep is None or wrong:
        raise ConfigError(source, wrong)
    return list(expand(raw, sweep["mode"], problems))


class _Reader:
    """Reads the tables of points; what points share is read once."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, int], tuple[Any, Any]] = {}
        self._models: dict[tuple[str, int], Any] = {}
        self._canonical: dict[int, Any] = {}

    def point(self, row: Row, problems: list[str]) -> Point | None:
        experiment = self.experiment(row.tables, problems)
        if experiment is None:
            return None
        key = experiment.compute_fingerprint(self._canonical)
        return Point(row.label, row.axes, experiment, key)

    def experiment(self, tables: dict[str, Any], problems: list[str]) -> Experiment | None:
        grid = self._once("tokens", tables.get("tokens"), _grid, problems)
        run = self._once("run", tables.get("run"), _run, problems)
        model = build_model(tables, problems, self._models)
        if grid is None or run is None or model is None:
            return None
        try:
            return Experiment(model, grid, **run, memo=self._canonical)
        except TokenspaceError as error:
            where = "terms"
            if "branches" in tables:
                branches = tables["branches"].items()
                given = ", ".join(f"{k} = {v}" for k, v in branches if k != "model")
                where = f"branches: with {given}"
            problems.append(Conflict(f"{where}: {error}"))
            return None

    def _once(self, name: str, table: Any, read: Any, problems: list[str]) -> Any:
        known = self._tables.get((name, id(table)))
        if known is None:
            found: list[str] = []
            known = self._tables[name, id(table)] = (table, (read(table, found), found))
        value, found = known[1]
        problems += found
        return value


def _grid(table: Any, problems: list[str]) -> np.ndarray | None:
    """The token counts of a table [tokens]."""
    tokens = read_table(TOKENS, table, "tokens", problems)
    if tokens is None:
        return None
    given = tokens["grid"]
    if given is None:
        grid = log_grid(tokens["count"], tokens["points"])
    else:
        ascending = _ascending(given, tokens["count"])
        if ascending is None:
            count = tokens["count"]
            problems.append(
                f"tokens.grid: {given!r} must ascend from >= 1 to tokens.count = {count}"
            )
            return None
        grid = ascending
    grid.flags.writeable = False  # shared by all points with this table
    return grid


def _ascending(given: Any, count: int) -> np.ndarray | None:
    whole = isinstance(given, list) and all(type(n) is int for n in given)
    if not whole or not given or not 1 <= given[0] <= given[-1] <= count:
        return None
    try:
        return as_grid(given)
    except TokenspaceError:
        return None


def _run(table: Any, problems: list[str]) -> dict[str, Any] | None:
    """The values of a table [run]."""
    run = read_table(RUN, table, "run", problems)
    if run is None:
        return None
    before = len(problems)
    for name, known in (("sampler", known_sampler), ("statistics", known_statistics)):
        try:
            run[name] = known(run[name])
        except TokenspaceError as error:
            problems.append(f"run.{name}: {error}")
    return run if len(problems) == before else None
