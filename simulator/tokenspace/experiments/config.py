"""Configuration files: TOML in, checked experiments out, with messages that name the key path.

A file has tables [tokens], [features], [branches], [law] and [run]. Any value may be a sweep axis,
`{ sweep = [..] }`; axes form a grid, or go together with `[sweep] mode = "zip"`. `[[case]]` tables
name variants that override the rest.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import itertools
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tokenspace.covariance import Covariance, TokenModel
from tokenspace.errors import InputError, TokenspaceError
from tokenspace.experiments import catalogue
from tokenspace.grids import log_grid

LARGEST_SWEEP = 100_000


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Tokens(_Table):
    """[tokens]: how many, and at how many counts n to report."""

    count: int = Field(ge=1, le=2**31 - 2)
    points: int = Field(default=33, ge=1, le=100_000)
    grid: list[int] | None = Field(default=None, min_length=1)


class Run(_Table):
    """[run]: how to sample."""

    replicates: int = Field(ge=1, le=2**32)
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    sampler: Literal["auto", "dense", "tokens", "partial_sums", "collapsed"] = "auto"
    statistics: list[Literal["divergence", "correlations"]] = Field(default=["divergence"])
    target_relative_error: float | None = Field(default=None, gt=0, lt=1)


class Sweep(_Table):
    """[sweep]: how axes combine."""

    mode: Literal["grid", "zip"] = "grid"


TABLES = ("tokens", "features", "branches", "law", "run", "sweep", "case")


class ConfigError(InputError):
    """A configuration that cannot be used: file, and one line for every problem."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source, self.problems = source, problems
        super().__init__("\n".join([f"{source}: {p}" for p in problems]))


@dataclass(frozen=True)
class Point:
    """One experiment of a sweep: its label, the values of its axes, and its whole configuration."""

    label: str
    axes: dict[str, Any]
    config: dict[str, Any]

    @property
    def key(self) -> str:
        """Hash of the configuration: the name of the point's file."""
        canonical = json.dumps(self.config, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def tokens(self) -> Tokens:
        return Tokens(**self.config["tokens"])

    def grid(self) -> np.ndarray:
        tokens = self.tokens()
        if tokens.grid is not None:
            return np.array(tokens.grid)
        return log_grid(tokens.count, tokens.points)

    def run(self) -> Run:
        return Run(**self.config["run"])

    def model(self) -> TokenModel:
        problems: list[str] = []
        model = _build_model(self.config, problems)
        if problems or model is None:
            raise ConfigError(self.label, problems)
        return model


def demo_file() -> Path:
    """The configuration of the demo: one model from each family, checked against theory."""
    package = Path(__file__).parents[1]
    installed = package / "data" / "demo.toml"  # in a wheel; a checkout has it in sweeps/
    return installed if installed.exists() else package.parents[1] / "sweeps" / "demo.toml"


def load(path: str | Path) -> tuple[list[Point], dict[str, Any]]:
    """Read and check a configuration: its points, and the file as a dictionary.

    Raises:
        ConfigError: the file cannot be read, or anything in it is wrong; all problems are listed.
    """
    source = str(path)
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(source, ["no such file"]) from None
    except IsADirectoryError:
        raise ConfigError(source, ["is a folder; a TOML file is needed"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(source, [f"cannot be read: {error}"]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(source, [f"is not valid TOML: {error}"]) from None
    return points_of(raw, source), raw


def points_of(raw: dict[str, Any], source: str = "configuration") -> list[Point]:
    """The checked points of a configuration given as a dictionary."""
    problems = _unknown(raw, TABLES, "")
    for table in ("tokens", "features", "branches", "run"):
        given = table in raw or all(table in c for c in _cases(raw) if isinstance(c, dict))
        if not given or (table not in raw and not _cases(raw)):
            problems.append(f"{table}: missing; a table [{table}] is needed")
    sweep = raw.get("sweep", {})
    _pydantic(Sweep, sweep, "sweep", problems)
    if problems:
        raise ConfigError(source, problems)
    points: list[Point] = []
    for variant, name in _variants(raw, problems):
        for axes, config in _expand(variant, sweep.get("mode", "grid"), problems):
            label = ", ".join([*([name] if name else []), *(_short(k, v) for k, v in axes.items())])
            points.append(Point(label or "run", ({"case": name} if name else {}) | axes, config))
    for point in points:
        found: list[str] = []
        _check_point(point.config, found)
        where = f" (at {point.label})" if len(points) > 1 else ""
        problems += [p + where for p in found if p + where not in problems]
        if len(problems) > 20:
            break
    if problems:
        raise ConfigError(source, problems)
    return list({p.key: p for p in points}.values())


def _cases(raw: dict[str, Any]) -> list[Any]:
    cases = raw.get("case", [])
    return cases if isinstance(cases, list) else [cases]


def _variants(raw: dict[str, Any], problems: list[str]) -> list[tuple[dict[str, Any], str]]:
    base = {k: v for k, v in raw.items() if k not in ("case", "sweep")}
    cases = _cases(raw)
    if not cases:
        return [(base, "")]
    out = []
    for k, case in enumerate(cases):
        if not isinstance(case, dict) or not isinstance(case.get("name"), str):
            problems.append(f"case.{k}.name: missing; every [[case]] needs a name")
            continue
        problems += _unknown(case, (*TABLES[:5], "name"), f"case.{k}.")
        merged = copy.deepcopy(base)
        for table, value in case.items():
            if table == "name":
                continue
            replace = table in ("branches", "law") or not isinstance(value, dict)
            if table == "features" and isinstance(value, dict) and "model" in value:
                replace = True
            merged[table] = value if replace else {**merged.get(table, {}), **value}
        out.append((merged, case["name"]))
    return out


def _axes(value: Any, path: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        if set(value) == {"sweep"}:
            return [(path, value["sweep"])]
        return [a for k, v in value.items() for a in _axes(v, (*path, k))]
    if isinstance(value, list):
        return [a for k, v in enumerate(value) for a in _axes(v, (*path, k))]
    return []


def _expand(
    config: dict[str, Any], mode: str, problems: list[str]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    axes = _axes(config, ())
    for path, values in axes:
        if not isinstance(values, list) or not values:
            problems.append(
                f"{_dotted(path)}.sweep: {values!r} must be a list of at least one value"
            )
            return []
    sizes = [len(values) for _, values in axes]
    if mode == "zip" and len(set(sizes)) > 1:
        named = ", ".join(f"{_dotted(p)} has {len(v)}" for p, v in axes)
        problems.append(f"sweep.mode: 'zip' needs axes of one length, but {named} values")
        return []
    total = int(np.prod(np.array(sizes, dtype=float))) if mode == "grid" else max(sizes, default=1)
    if total > LARGEST_SWEEP:
        problems.append(f"sweep: {total:,} points; at most {LARGEST_SWEEP:,} are allowed")
        return []
    lists = [values for _, values in axes]
    rows = itertools.product(*lists) if mode == "grid" or not lists else zip(*lists, strict=True)
    out = []
    for row in rows:
        point = copy.deepcopy(config)
        for (path, _), value in zip(axes, row, strict=True):
            target: Any = point
            for step in path[:-1]:
                target = target[step]
            target[path[-1]] = value
        out.append(({_dotted(p): v for (p, _), v in zip(axes, row, strict=True)}, point))
    return out


def _check_point(config: dict[str, Any], problems: list[str]) -> None:
    tokens = _pydantic(Tokens, config.get("tokens"), "tokens", problems)
    _pydantic(Run, config.get("run"), "run", problems)
    model = _build_model(config, problems)
    if tokens is None or model is None or problems:
        return
    if tokens.grid is not None:
        steps = np.diff(tokens.grid)
        if min(tokens.grid) < 1 or np.any(steps <= 0) or tokens.grid[-1] > tokens.count:
            problems.append(
                f"tokens.grid: {tokens.grid} must ascend from >= 1 to tokens.count = {tokens.count}"
            )
            return
    try:
        model.require_valid(int(tokens.grid[-1] if tokens.grid else tokens.count))
    except TokenspaceError as error:
        given = ", ".join(f"{k} = {v}" for k, v in config["branches"].items() if k != "model")
        problems.append(f"branches: with {given}: {error}")


def _build_model(config: dict[str, Any], problems: list[str]) -> TokenModel | None:
    before = len(problems)
    branches = _build("branches", config.get("branches"), "branches", problems)
    features = _build("features", config.get("features"), "features", problems)
    law = _build("law", config.get("law", {"model": "gaussian"}), "law", problems)
    if len(problems) > before:
        return None
    try:
        return TokenModel(branches, features, law)
    except TokenspaceError as error:
        problems.append(str(error))
        return None


def _build(room: str, table: Any, path: str, problems: list[str]) -> Any:
    """A model from its table { model = NAME, parameters... }, nested for position covariances."""
    if not isinstance(table, dict):
        problems.append(
            f"{path}: {table!r} must be a table such as {{ model = ... }}; "
            f"models: {', '.join(catalogue.ROOMS[room])}"
        )
        return None
    if room == "position" and set(table) <= {"sum", "product", "scale"} and len(table) > 0:
        return _algebra(table, path, problems)
    name = table.get("model")
    if not isinstance(name, str):
        problems.append(f"{path}.model: missing; one of {', '.join(catalogue.ROOMS[room])}")
        return None
    try:
        make = catalogue.find(room, name)
    except TokenspaceError as error:
        problems.append(f"{path}.model: {error}")
        return None
    spec = catalogue.describe(make)
    values = {k: v for k, v in table.items() if k not in ("model", "scale")}
    scale = table.get("scale", 1.0) if room == "position" else 1.0
    if room != "position" and "scale" in table:
        values["scale"] = table["scale"]
    before = len(problems)
    if spec or ":" not in name:
        problems += _unknown(values, tuple(spec), f"{path}.")
        problems += [
            f"{path}.{k}: missing; it must be {p.allowed()}"
            for k, (p, required) in spec.items()
            if required and k not in values
        ]
    for key, value in list(values.items()):
        if key not in spec:
            continue
        parameter = spec[key][0]
        if not parameter.number and isinstance(value, dict):
            values[key] = _build("position", value, f"{path}.{key}", problems)
        elif not parameter.number and key in (
            "within",
            "cross",
            "shared",
            "private",
            "row",
            "column",
        ):
            problems.append(f"{path}.{key}: {value!r} must be {parameter.description}")
        elif not parameter.accepts(value):
            problems.append(
                f"{path}.{key}: {value!r} is not allowed; it must be {parameter.allowed()}"
            )
    if len(problems) > before:
        return None
    try:
        built = make(**values)
        return built if room != "position" or scale == 1 else _scaled(built, scale, path, problems)
    except TokenspaceError as error:
        problems.append(f"{path}: {error}")
    except (TypeError, ValueError) as error:
        problems.append(f"{path}: {name} cannot be built: {error}")
    return None


def _scaled(built: Covariance, scale: Any, path: str, problems: list[str]) -> Any:
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not np.isfinite(scale):
        problems.append(f"{path}.scale: {scale!r} is not allowed; it must be a finite number")
        return None
    return scale * built


def _algebra(table: dict[str, Any], path: str, problems: list[str]) -> Any:
    operation = "sum" if "sum" in table else "product"
    parts = table.get(operation)
    if not isinstance(parts, list) or not parts or {"sum", "product"} <= set(table):
        problems.append(f"{path}: needs either sum = [..] or product = [..], a list of covariances")
        return None
    built = [
        _build("position", t, f"{path}.{operation}.{k}", problems) for k, t in enumerate(parts)
    ]
    if any(b is None for b in built):
        return None
    total = built[0]
    for part in built[1:]:
        total = total + part if operation == "sum" else total * part
    return _scaled(total, table.get("scale", 1.0), path, problems)


def _unknown(table: dict[str, Any], known: tuple[str, ...], prefix: str) -> list[str]:
    out = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(known) or 'none'}"
            )
            out.append(f"{prefix}{key}: unknown key; {hint}")
    return out


def _pydantic(kind: type[_Table], value: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        problems.append(f"{path}: {value!r} must be a table [{path}]")
        return None
    problems += _unknown(value, tuple(kind.model_fields), f"{path}.")
    try:
        return kind(**{k: v for k, v in value.items() if k in kind.model_fields})
    except ValidationError as error:
        for e in error.errors():
            where = ".".join([path, *(str(p) for p in e["loc"])])
            got = "" if e["type"] == "missing" else f" {e['input']!r} is not allowed:"
            problems.append(f"{where}:{got} {e['msg'][0].lower()}{e['msg'][1:]}")
    return None


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(str(p) for p in path)


def _short(path: str, value: Any) -> str:
    shown = value.get("model", "...") if isinstance(value, dict) else value
    return f"{path.rsplit('.', 1)[-1]} = {shown}"
